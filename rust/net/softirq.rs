// SPDX-License-Identifier: GPL-2.0

//! Keeping softirqs off this CPU, for locks that polls and transmission take.

use crate::bindings;

/// Runs `f` while no softirq runs on this CPU. Process or softirq context.
pub(crate) fn without<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: Undone below, by this thread, which stays on this CPU meanwhile.
    unsafe { bindings::xnb_local_bh_disable() };
    let result = f();
    // SAFETY: Done above.
    unsafe { bindings::xnb_local_bh_enable() };
    result
}
