// SPDX-License-Identifier: GPL-2.0

//! Work that softirq context finds and process context has to do.
//!
//! Unlike `kernel::workqueue`, which can neither cancel nor wait, this ends with its owner: no code
//! of an unloaded module runs.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use crate::bindings;
use kernel::{
    prelude::*,
    sync::LockClassKey,
    types::Opaque, //
};

/// What is to be done.
pub(crate) trait Run: Send + Sync + 'static {
    /// Does it. Process context; never runs together with itself.
    fn run(&self);
}

/// A piece of deferred work. Dropping it cancels what is scheduled and waits for what runs, so it
/// may only be dropped in process context, not by its own `run`, and without a lock that `run`
/// takes.
///
/// # Invariants
///
/// `work` is initialised and runs `Self::work_fn`.
#[repr(C)]
#[pin_data(PinnedDrop)]
pub(crate) struct Deferred<R: Run> {
    // First, so that a pointer to it is a pointer to the whole.
    #[pin]
    work: Opaque<bindings::work_struct>,
    runner: R,
}

// SAFETY: Work may be scheduled and cancelled from any thread, and `R` may be sent.
unsafe impl<R: Run> Send for Deferred<R> {}
// SAFETY: As above, and `R` may be shared.
unsafe impl<R: Run> Sync for Deferred<R> {}

impl<R: Run> Deferred<R> {
    /// Makes a piece of work that is not scheduled.
    pub(crate) fn new(
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
        runner: R,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            runner,
            work <- Opaque::ffi_init(move |slot| {
                // SAFETY: `slot` is valid for writing and pinned; name and key are static.
                unsafe {
                    bindings::init_work_with_key(
                        slot,
                        Some(Self::work_fn),
                        false,
                        name.as_char_ptr(),
                        key.as_ptr(),
                    )
                }
            }),
        })
    }

    /// What does the work.
    pub(crate) fn runner(&self) -> &R {
        &self.runner
    }

    /// Has the work done soon; once, however often this is called before. Any context.
    pub(crate) fn schedule(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::xnb_schedule_work(self.work.get()) };
    }

    /// Takes back what is scheduled and waits for what runs. May sleep.
    pub(crate) fn cancel(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }

    extern "C" fn work_fn(work: *mut bindings::work_struct) {
        // SAFETY: The work is the first field of a pinned `Self`, whose drop waits for this.
        let this = unsafe { &*work.cast::<Self>() };
        this.runner.run();
    }
}

#[pinned_drop]
impl<R: Run> PinnedDrop for Deferred<R> {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}
