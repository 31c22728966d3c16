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

/// Memory barriers between CPUs, and so between domains.
pub(crate) mod barrier {
    #[cfg(not(xnb_before_7_3))]
    use kernel::sync::barrier::{
        mb,
        Full,
        Read,
        Write, //
    };

    /// Between all accesses before and all after.
    #[inline(always)]
    pub(crate) fn full() {
        #[cfg(not(xnb_before_7_3))]
        mb(Full);
        #[cfg(xnb_before_7_3)]
        kernel::sync::barrier::smp_mb();
    }

    /// Between loads before and loads after.
    #[inline(always)]
    pub(crate) fn read() {
        #[cfg(not(xnb_before_7_3))]
        mb(Read);
        #[cfg(xnb_before_7_3)]
        kernel::sync::barrier::smp_rmb();
    }

    /// Between stores before and stores after.
    #[inline(always)]
    pub(crate) fn write() {
        #[cfg(not(xnb_before_7_3))]
        mb(Write);
        #[cfg(xnb_before_7_3)]
        kernel::sync::barrier::smp_wmb();
    }
}

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
