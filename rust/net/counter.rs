// SPDX-License-Identifier: GPL-2.0

//! Counters that one context writes and any may read.

use core::cell::UnsafeCell;

/// A 64-bit counter with a single writer at a time, such as a queue's poll function.
///
/// An atomic addition would cost a call and a locked instruction for every packet; this costs an
/// addition. Two writers at once could lose counts, nothing worse.
#[derive(Default)]
pub(crate) struct Counter(UnsafeCell<u64>);

// SAFETY: The value is only accessed by volatile loads and stores of one machine word (the driver
// depends on 64BIT), which the kernel's memory model allows to race.
unsafe impl Sync for Counter {}

impl Counter {
    /// Adds `n`. Only the counter's writer may call this.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    /// Makes the counter `value`. Only the counter's writer may call this.
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        // SAFETY: The pointer is valid; see the `Sync` implementation for races.
        unsafe { self.0.get().write_volatile(value) };
    }

    /// Reads the counter.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // SAFETY: The pointer is valid; see the `Sync` implementation for races.
        unsafe { self.0.get().read_volatile() }
    }
}
