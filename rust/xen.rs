// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of what Linux offers to a Xen backend driver.
//!
//! The shape is that of the `kernel` crate's bus abstractions: C names, namespaced the Rust way,
//! and every `unsafe` behind an interface that cannot be misused from safe code.

pub(crate) mod barrier;
pub(crate) mod event;
pub(crate) mod grant;
pub(crate) mod ring;
pub(crate) mod trace;
pub(crate) mod watch;
pub(crate) mod xenbus;
pub(crate) mod xenstore;

/// A domain's number.
pub(crate) type DomId = u16;

/// Does this kernel run under Xen?
pub(crate) fn is_domain() -> bool {
    // SAFETY: Reads a variable that is constant after boot.
    unsafe { crate::bindings::xnb_xen_domain() }
}
