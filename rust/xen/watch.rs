// SPDX-License-Identifier: GPL-2.0

//! Xenstore watches.
//!
//! C header: [`include/xen/xenbus.h`](srctree/include/xen/xenbus.h)

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*,
    str::CString,
    types::Opaque, //
};

/// What is told of a change to a watched node.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The node changed, or the watch was just registered.
    ///
    /// Runs in the xenwatch thread, which serves all of this domain's watches one after the other.
    /// Changes that come while one waits to be handled are handled with it. Must not drop the watch
    /// that it is the handler of.
    fn changed(&self);
}

/// A registered watch; dropping it unregisters it and waits for a handler that runs, except when
/// dropped by that handler's own thread.
///
/// # Invariants
///
/// `watch` is registered with xenbus, and its `node` is `path`, from initialisation to drop.
#[repr(C)]
#[pin_data(PinnedDrop)]
pub(crate) struct Watch<H: Handler> {
    // First, so that a pointer to it is a pointer to the whole.
    #[pin]
    watch: Opaque<bindings::xenbus_watch>,
    path: CString,
    handler: H,
}

// SAFETY: A watch may be unregistered from any thread, and `H` may be sent.
unsafe impl<H: Handler> Send for Watch<H> {}
// SAFETY: There is nothing to do with a `&Watch`, and `H` may be shared.
unsafe impl<H: Handler> Sync for Watch<H> {}

impl<H: Handler> Watch<H> {
    /// Watches `path`. The handler is called once at once.
    pub(crate) fn new(path: CString, handler: H) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            path,
            handler,
            watch <- {
                let node = path.as_char_ptr();
                Opaque::try_ffi_init(move |slot: *mut bindings::xenbus_watch| {
                    // SAFETY: `slot` is valid for writing.
                    unsafe { slot.write(bindings::xenbus_watch::default()) };
                    // SAFETY: As above; `path` is on the heap and outlives the registration.
                    unsafe {
                        (*slot).node = node;
                        (*slot).will_handle = Some(Self::will_handle);
                        (*slot).callback = Some(Self::callback);
                    }
                    // SAFETY: `slot` is initialised, and pinned until `PinnedDrop`. `path` and
                    // `handler` are initialised before, so the callback may run from here on.
                    to_result(unsafe { bindings::register_xenbus_watch(slot) })
                })
            },
        })
    }

    /// Called under xenbus's spinlock before an event is queued: one waiting event is enough, so
    /// nobody who rewrites the node can make the queue grow.
    extern "C" fn will_handle(
        watch: *mut bindings::xenbus_watch,
        _path: *const c_char,
        _token: *const c_char,
    ) -> bool {
        // SAFETY: xenbus passes the registered watch. The count goes up under the lock that is held
        // here, and down when an event is taken to be handled: this sees it or not.
        unsafe { (&raw const (*watch).nr_pending).read_volatile() == 0 }
    }

    extern "C" fn callback(
        watch: *mut bindings::xenbus_watch,
        _path: *const c_char,
        _token: *const c_char,
    ) {
        // SAFETY: xenbus passes the registered watch, which is the first field of a pinned `Self`
        // that lives until it is unregistered; unregistering waits for this callback, except in
        // this very thread, and a handler does not drop its own watch.
        let this = unsafe { &*watch.cast::<Self>() };
        this.handler.changed();
    }
}

#[pinned_drop]
impl<H: Handler> PinnedDrop for Watch<H> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant, the watch is registered.
        unsafe { bindings::unregister_xenbus_watch(self.watch.get()) };
    }
}
