// SPDX-License-Identifier: GPL-2.0

//! What differs between the kernels that this driver is built for.
//!
//! Kbuild sets `xnb_before_7_3` for those before 7.3.

use crate::bindings;
use kernel::{
    device_id::{
        IdArray,
        RawDeviceId, //
    },
    prelude::*, //
};

/// A C enum is a type of its own from 7.3 on.
#[cfg(not(xnb_before_7_3))]
mod enums {
    use super::bindings;

    pub(crate) const HRTIMER_NORESTART: bindings::hrtimer_restart =
        bindings::hrtimer_restart::HRTIMER_NORESTART;
    pub(crate) const IRQ_HANDLED: bindings::irqreturn_t = bindings::irqreturn::IRQ_HANDLED;
}

#[cfg(xnb_before_7_3)]
mod enums {
    use super::bindings;

    pub(crate) const HRTIMER_NORESTART: bindings::hrtimer_restart =
        bindings::hrtimer_restart_HRTIMER_NORESTART;
    pub(crate) const IRQ_HANDLED: bindings::irqreturn_t = bindings::irqreturn_IRQ_HANDLED;
}

pub(crate) use enums::{
    HRTIMER_NORESTART,
    IRQ_HANDLED, //
};

/// Error numbers that the `kernel` crate names from 7.3 on.
fn error(number: u32) -> Error {
    // CAST: Error numbers are small.
    Error::from_errno((number as c_int).wrapping_neg())
}

/// `ENAMETOOLONG`.
pub(crate) fn enametoolong() -> Error {
    error(bindings::ENAMETOOLONG)
}

/// `EOPNOTSUPP`.
pub(crate) fn eopnotsupp() -> Error {
    error(bindings::EOPNOTSUPP)
}

/// `EPROTO`.
pub(crate) fn eproto() -> Error {
    error(bindings::EPROTO)
}

/// A table of one device that a driver serves.
pub(crate) const fn id_table<T: RawDeviceId>(id: T) -> IdArray<T, (), 1> {
    #[cfg(not(xnb_before_7_3))]
    return IdArray::new_without_index([id]);
    #[cfg(xnb_before_7_3)]
    return IdArray::new_without_index([(id, ())]);
}
