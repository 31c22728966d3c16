// SPDX-License-Identifier: GPL-2.0

//! Raw bindings to the C interfaces that the `kernel` crate does not bind.
//!
//! Only [`crate::xen`], [`crate::net`], [`crate::parameters`], [`crate::tracepoint`] and
//! [`crate::compat`] may use them. Whatever
//! `kernel::bindings` has comes from there, so that types such as `device` and `sk_buff` are the
//! `kernel` crate's own.
//!
//! `net_device` and `napi_struct` are the exception: the `kernel` crate knows them as opaque names
//! only. Functions that it binds take a pointer cast to its own name.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports,
    unused_qualifications
)]

pub(crate) use kernel::bindings::*;
use kernel::ffi;
use pin_init::{
    MaybeZeroable,
    Zeroable, //
};

include!(concat!(
    env!("XNB_OBJ"),
    "/rust/bindings/bindings_generated.rs"
));
