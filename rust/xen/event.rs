// SPDX-License-Identifier: GPL-2.0

//! Event channels of a frontend, with late end-of-interrupt.
//!
//! An event is acknowledged ("EOI") only after its work was done, so a frontend that sends events
//! faster than they can be served gets no more interrupts than it has work; one that sends events
//! without work is slowed down by the kernel when it is told so (`Eoi::Spurious`).
//!
//! C header: [`include/xen/events.h`](srctree/include/xen/events.h)

use super::xenbus;
use crate::{
    bindings,
    compat, //
};
use kernel::{
    device,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        ArcBorrow,
        UniqueArc, //
    },
};
use netif::eoi::Eoi;

/// What serves an event channel.
pub(crate) trait Handler: Send + Sync + Sized + 'static {
    /// The frontend sent an event. Hard interrupt context.
    ///
    /// Returns what to acknowledge it with now, or `None` when whoever does the work calls
    /// [`Channel::eoi`] afterwards. Until then no further event of this channel comes in.
    fn event(this: ArcBorrow<'_, Channel<Self>>) -> Option<Eoi>;
}

/// No interrupt has this number.
const UNBOUND: u32 = u32::MAX;

/// An event channel of a frontend's, bound to an interrupt of ours.
///
/// # Invariants
///
/// `irq` is [`UNBOUND`], or an interrupt that `bind_interdomain_evtchn_to_irqhandler_lateeoi()` bound with
/// this object's address as its cookie.
pub(crate) struct Channel<H: Handler> {
    irq: Atomic<u32>,
    handler: H,
    // The kernel keeps a pointer to it for as long as the interrupt is bound.
    name: CString,
}

/// Keeps a channel bound; dropping it unbinds the channel and waits for a handler that runs.
///
/// May only be dropped in process context, and when nobody else calls [`Channel::notify`] or
/// [`Channel::eoi`] any more: the number of the interrupt may be another's right after.
pub(crate) struct Binding<H: Handler>(Arc<Channel<H>>);

impl<H: Handler> Channel<H> {
    /// The handler.
    #[inline]
    pub(crate) fn handler(&self) -> &H {
        &self.handler
    }

    /// The number of the interrupt that the channel is bound to, as long as it is.
    #[inline]
    pub(crate) fn interrupt(&self) -> Option<u32> {
        match self.irq.load(Relaxed) {
            UNBOUND => None,
            irq => Some(irq),
        }
    }

    /// Sends the frontend an event. Any context; without effect once the channel is unbound, and not
    /// to be called while it is: see [`Binding`].
    #[inline]
    pub(crate) fn notify(&self) {
        if let Some(irq) = self.interrupt() {
            // SAFETY: By the type invariant, the interrupt is an event channel's.
            // CAST: Interrupt numbers are positive and small.
            unsafe { bindings::notify_remote_via_irq(irq as c_int) };
        }
    }

    /// Ends the interrupt that [`Handler::event`] left open. Any context; as for
    /// [`Channel::notify`].
    #[inline]
    pub(crate) fn eoi(&self, eoi: Eoi) {
        let flags = match eoi {
            Eoi::Worked => 0,
            Eoi::Spurious => bindings::XEN_EOI_FLAG_SPURIOUS,
        };
        if let Some(irq) = self.interrupt() {
            // SAFETY: By the type invariant, the interrupt is an event channel's.
            unsafe { bindings::xen_irq_lateeoi(irq, flags) };
        }
    }

    extern "C" fn interrupt_callback(irq: c_int, cookie: *mut c_void) -> bindings::irqreturn_t {
        // SAFETY: The cookie is the channel's address, from `Arc::as_ptr()`; the `Binding` holds a
        // reference until the interrupt is unbound, which waits for this function.
        let this = unsafe { ArcBorrow::from_raw(cookie.cast::<Self>().cast_const()) };
        // The first event may come before `Binding::new()` knows the number.
        //
        // INVARIANT: This is the interrupt that is bound with the channel's address.
        // CAST: Interrupt numbers are positive.
        this.irq.store(irq as u32, Relaxed);

        if let Some(eoi) = H::event(this) {
            this.eoi(eoi);
        }
        compat::IRQ_HANDLED
    }
}

impl<H: Handler> Binding<H> {
    /// Binds port `port` of the frontend of `dev`. May sleep.
    ///
    /// Events come from here on, also before this returns.
    ///
    /// # Errors
    ///
    /// That of the event-channel operation: the port is not the frontend's to bind, say.
    pub(crate) fn new(
        dev: &xenbus::Device<device::Bound>,
        port: u32,
        name: CString,
        handler: H,
    ) -> Result<Self> {
        // INVARIANT: Not bound yet.
        let channel: Arc<Channel<H>> = UniqueArc::new(
            Channel {
                irq: Atomic::new(UNBOUND),
                handler,
                name,
            },
            GFP_KERNEL,
        )?
        .into();

        // SAFETY: `dev` is a live xenbus device. The name and the channel live until the interrupt
        // is unbound, by `drop()`.
        let irq = unsafe {
            bindings::bind_interdomain_evtchn_to_irqhandler_lateeoi(
                dev.as_raw(),
                port,
                Some(Channel::<H>::interrupt_callback),
                0,
                channel.name.as_char_ptr(),
                Arc::as_ptr(&channel).cast_mut().cast(),
            )
        };
        if irq < 0 {
            return Err(Error::from_errno(irq));
        }
        // INVARIANT: Bound above.
        channel.irq.store(irq as u32, Relaxed);
        Ok(Self(channel))
    }

    /// The channel.
    pub(crate) fn channel(&self) -> Arc<Channel<H>> {
        self.0.clone()
    }
}

impl<H: Handler> Drop for Binding<H> {
    fn drop(&mut self) {
        let cookie = Arc::as_ptr(&self.0).cast_mut();
        if let Some(irq) = self.0.interrupt() {
            // SAFETY: By the invariant of `Channel`, `irq` was bound with this cookie.
            unsafe { bindings::unbind_from_irqhandler(irq, cookie.cast()) };
        }
        // INVARIANT: No longer bound. Whoever still has the channel cannot do anything with it.
        self.0.irq.store(UNBOUND, Relaxed);
    }
}
