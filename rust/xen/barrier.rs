// SPDX-License-Identifier: GPL-2.0

//! Memory barriers between domains: those between CPUs, also where this kernel has but one.
//!
//! C header: [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)

use crate::bindings;

/// Between all accesses before and all after: `virt_mb()`.
#[inline(always)]
pub(crate) fn full() {
    // SAFETY: May be called at any time.
    unsafe { bindings::xnb_virt_mb() }
}

/// Between loads before and loads after: `virt_rmb()`.
#[inline(always)]
pub(crate) fn read() {
    // SAFETY: May be called at any time.
    unsafe { bindings::xnb_virt_rmb() }
}

/// Between stores before and stores after: `virt_wmb()`.
#[inline(always)]
pub(crate) fn write() {
    // SAFETY: May be called at any time.
    unsafe { bindings::xnb_virt_wmb() }
}
