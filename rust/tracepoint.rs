// SPDX-License-Identifier: GPL-2.0

//! Tracepoints that this module defines (`rust/bindings/xnb_trace.h`).
//!
//! A tracepoint that is off costs a no-op, which is patched into a jump while it is on.
//! `kernel::declare_trace!` does the same for tracepoints that `kernel::bindings` knows.

/// Defines `unsafe fn`s that call the tracepoints of the same names, while these are on.
macro_rules! tracepoints {
    ($($(#[$attr:meta])* unsafe fn $name:ident($($argument:ident: $type:ty),* $(,)?);)*) => {$(
        $(#[$attr])*
        #[inline(always)]
        unsafe fn $name($($argument: $type),*) {
            #[cfg(CONFIG_TRACEPOINTS)]
            {
                // SAFETY: The tracepoint's key may be looked at at any time.
                let is_on = unsafe {
                    ::kernel::macros::paste! {
                        ::kernel::jump_label::static_branch_unlikely!(
                            $crate::bindings::[< __tracepoint_ $name >],
                            $crate::bindings::tracepoint,
                            key
                        )
                    }
                };
                if is_on {
                    ::kernel::macros::paste! {
                        // SAFETY: The caller fulfils what the tracepoint demands.
                        unsafe { $crate::bindings::[< rust_do_trace_ $name >]($($argument),*) };
                    }
                }
            }
            #[cfg(not(CONFIG_TRACEPOINTS))]
            {
                $(let _ = $argument;)*
            }
        }
    )*};
}

pub(crate) use tracepoints;
