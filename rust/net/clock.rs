// SPDX-License-Identifier: GPL-2.0

//! The time since boot: coarse and cheap, or exact.
//!
//! C headers: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h),
//! [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use crate::bindings;
use kernel::time::Jiffies;

/// A point in time, in ticks of 1 to 10 ms each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick(Jiffies);

impl Tick {
    /// Now. Any context.
    #[inline]
    pub(crate) fn now() -> Self {
        // SAFETY: The variable is valid, and changes while it is read.
        Self(unsafe { (&raw const bindings::jiffies).read_volatile() })
    }

    /// Takes it from its atomic variable.
    pub(crate) const fn from_raw(raw: Jiffies) -> Self {
        Self(raw)
    }

    /// For its atomic variable.
    pub(crate) const fn into_raw(self) -> Jiffies {
        self.0
    }

    /// How long ago this was at `now`, which is not earlier. Ticks.
    #[inline]
    pub(crate) fn elapsed(self, now: Self) -> Jiffies {
        now.0.wrapping_sub(self.0)
    }
}

/// Nanoseconds in `ticks`; more than 2^32 of them, 49 days at least, count as so many, as a timer
/// takes no more than 63 bits.
pub(crate) fn to_nsecs(ticks: Jiffies) -> u64 {
    // SAFETY: Only computes.
    unsafe { bindings::jiffies64_to_nsecs((ticks as u64).min(u32::MAX.into())) }
}

/// The time since boot, without what the machine was suspended. Nanoseconds; any context.
#[inline]
pub(crate) fn monotonic() -> u64 {
    // SAFETY: May be called in any context once timekeeping is set up, which is before modules are
    // loaded.
    // CAST: Not negative.
    unsafe { bindings::ktime_get() as u64 }
}
