// SPDX-License-Identifier: GPL-2.0

//! NAPI: polling a queue in softirq context.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    device::{
        Handle,
        Operations,
        Unfinished, //
    },
    rtnl::Rtnl,
    skb::SkBuff, //
};
use crate::{
    bindings,
    compat, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// What a poll came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    /// There is more to do: poll again soon.
    Again,
    /// Nothing is left, after this much work, which was below the budget. Whoever brings new work
    /// schedules the next poll.
    Done(u32),
}

/// A queue of a device, as the device sees it: what the guest sends is received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceQueue {
    Receive(u16),
    Transmit(u16),
}

impl DeviceQueue {
    /// Has netlink show `napi` as what serves the queue, or nothing; without effect when the device
    /// has no such queue.
    ///
    /// # Safety
    ///
    /// `device` must be valid and not registered; `napi` must have been added to it, or be null, and
    /// be shown no longer when it is deleted.
    unsafe fn set_napi(self, device: *mut bindings::net_device, napi: *mut bindings::napi_struct) {
        // SAFETY: By the safety requirement; both numbers are constant.
        let (rx, tx) = unsafe { ((*device).num_rx_queues, (*device).num_tx_queues) };
        let (kind, index, count) = match self {
            Self::Receive(index) => (bindings::netdev_queue_type_NETDEV_QUEUE_TYPE_RX, index, rx),
            Self::Transmit(index) => (bindings::netdev_queue_type_NETDEV_QUEUE_TYPE_TX, index, tx),
        };
        let index = u32::from(index);
        if index < count {
            // SAFETY: By the safety requirement, and there is such a queue. A device that is not
            // registered needs no lock.
            unsafe { bindings::netif_queue_set_napi(device, index, kind, napi) };
        }
    }
}

/// A queue that is polled.
pub(crate) trait Poll: Send + Sized + 'static {
    /// The private data of the device that the queue belongs to.
    type Device: Operations;

    /// Does up to `budget` units of work. Softirq context; never runs together with itself, nor
    /// with anything else that has access to the queue's state.
    fn poll(&mut self, napi: &Context<'_, Self>, budget: u32) -> Polled;
}

/// A NAPI instance with the state that belongs to its poll.
///
/// # Invariants
///
/// - `napi` has been added to a device that outlives this object, with `Self::poll_callback`.
/// - netlink shows `napi` as what serves `queue`.
/// - `timer` is initialised with `Self::timer_callback`, and does not run while NAPI is disabled.
/// - `enabled` is only accessed under the RTNL, and tells whether NAPI is enabled.
/// - `state` is accessed by the poll only while NAPI is enabled, and by others only while it is
///   not, under the RTNL.
#[repr(C)]
#[pin_data(PinnedDrop)]
pub(crate) struct Napi<P: Poll> {
    // First, so that a pointer to it is a pointer to the whole.
    #[pin]
    napi: Opaque<bindings::napi_struct>,
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    queue: DeviceQueue,
    enabled: UnsafeCell<bool>,
    state: UnsafeCell<P>,
}

// SAFETY: By the type invariants, `state` is accessed by one context at a time, and may be sent.
unsafe impl<P: Poll> Send for Napi<P> {}
// SAFETY: As above; `schedule` may be called from anywhere.
unsafe impl<P: Poll> Sync for Napi<P> {}

impl<P: Poll> Napi<P> {
    /// Adds a NAPI instance, not enabled, to the device that is being made, of which it is to serve
    /// `queue`. May sleep.
    pub(crate) fn new(
        device: &Unfinished<P::Device>,
        queue: DeviceQueue,
        state: P,
    ) -> impl PinInit<Self> {
        let device = device.as_raw();
        pin_init!(Self {
            queue,
            enabled: UnsafeCell::new(false),
            state: UnsafeCell::new(state),
            timer <- Opaque::ffi_init(|slot: *mut bindings::hrtimer| {
                // SAFETY: `slot` is valid for writing and pinned.
                unsafe {
                    bindings::hrtimer_setup(
                        slot,
                        Some(Self::timer_callback),
                        // CAST: A small constant.
                        bindings::CLOCK_MONOTONIC as bindings::clockid_t,
                        bindings::hrtimer_mode_HRTIMER_MODE_REL,
                    );
                };
            }),
            // INVARIANT: The device outlives what its private data hold, by the invariants of
            // `Handle`.
            napi <- Opaque::ffi_init(move |slot: *mut bindings::napi_struct| {
                // SAFETY: `slot` is valid for writing: a NAPI instance starts zeroed.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: `slot` is zeroed and pinned; `device` is valid.
                unsafe { bindings::xnb_netif_napi_add(device, slot, Some(Self::poll_callback)) };
                // SAFETY: `device` is being made; `slot` was added, and `drop()` takes it back.
                unsafe { queue.set_napi(device, slot) };
            }),
        })
    }

    /// Has the queue polled soon. Any context; without effect while NAPI is not enabled.
    #[inline]
    pub(crate) fn schedule(&self) {
        // SAFETY: By the type invariants, `napi` has been added.
        unsafe { bindings::xnb_napi_schedule(self.napi.get()) };
    }

    /// The kernel's `NAPI_STATE_*` bits, as of a moment ago. Any context.
    pub(crate) fn state_bits(&self) -> usize {
        // SAFETY: By the type invariants, `napi` has been added; the bits may change meanwhile.
        unsafe { (&raw const (*self.napi.get()).state).read_volatile() }
    }

    /// How much a poll may do at once.
    pub(crate) fn weight(&self) -> i32 {
        // SAFETY: By the type invariants, `napi` has been added; the weight is constant.
        unsafe { (*self.napi.get()).weight }
    }

    /// Lets the queue be polled from now on. May sleep.
    pub(crate) fn enable(&self, _rtnl: &mut Rtnl) {
        let enabled = self.enabled.get();
        // SAFETY: The RTNL guards `enabled`.
        if unsafe { !enabled.replace(true) } {
            // SAFETY: By the type invariants, `napi` has been added; it is not enabled.
            unsafe { bindings::napi_enable(self.napi.get()) };
        }
    }

    /// Waits for a poll that runs, and lets none start. May sleep.
    pub(crate) fn disable(&self, _rtnl: &mut Rtnl) {
        let enabled = self.enabled.get();
        // SAFETY: The RTNL guards `enabled`.
        if unsafe { enabled.read() } {
            // SAFETY: By the type invariants, `napi` has been added; it is enabled.
            unsafe { bindings::napi_disable(self.napi.get()) };
            // Only polls start the timer.
            //
            // SAFETY: By the type invariants, `timer` is initialised.
            unsafe { bindings::hrtimer_cancel(self.timer.get()) };
            // SAFETY: The RTNL guards `enabled`.
            unsafe { enabled.write(false) };
        }
    }

    /// Has netlink show the interrupt with this number, or none, as the one by which the queue is
    /// scheduled. May sleep.
    pub(crate) fn set_interrupt(&self, irq: Option<u32>, _rtnl: &mut Rtnl) {
        // CAST: Interrupt numbers are small.
        let irq = irq.map_or(-1, |irq| irq as c_int);
        // SAFETY: By the type invariants, `napi` has been added. The number is only shown, so that a
        // wrong one is no more than that: no device of ours has the stack follow the interrupt's
        // affinity (`netif_enable_cpu_rmap()`, `netif_set_affinity_auto()`).
        unsafe { bindings::xnb_netif_napi_set_irq(self.napi.get(), irq) };
    }

    /// Gives access to the state of a queue that is not enabled.
    ///
    /// # Errors
    ///
    /// `EBUSY` when it is.
    pub(crate) fn state<'a>(&'a self, rtnl: &'a mut Rtnl) -> Result<&'a mut P> {
        let _ = rtnl;
        // SAFETY: The RTNL guards `enabled`.
        if unsafe { self.enabled.get().read() } {
            return Err(EBUSY);
        }
        // SAFETY: By the type invariants, nobody else accesses the state: polls do not run, and
        // the RTNL, of which `rtnl` is the only token, stays with the caller for `'a`.
        Ok(unsafe { &mut *self.state.get() })
    }

    extern "C" fn timer_callback(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // SAFETY: `timer` is a field of a pinned `Self`, which is alive as long as the timer runs.
        let this = unsafe {
            &*timer
                .byte_sub(core::mem::offset_of!(Self, timer))
                .cast::<Self>()
        };
        this.schedule();
        compat::HRTIMER_NORESTART
    }

    extern "C" fn poll_callback(napi: *mut bindings::napi_struct, budget: c_int) -> c_int {
        // SAFETY: `napi` is the first field of a pinned `Self`, which is alive as long as NAPI is
        // enabled.
        let this = unsafe { &*napi.cast::<Self>() };
        // A budget of 0 (netpoll) asks for completions only, which there are none of. That call may
        // come while a poll runs.
        if budget <= 0 {
            return 0;
        }
        // SAFETY: By the type invariants and NAPI's rule that a poll does not run twice at once.
        let state = unsafe { &mut *this.state.get() };
        let context = Context {
            napi,
            _poll: PhantomData,
        };

        // CAST: Budgets are small and not negative.
        let polled = state.poll(&context, budget as u32);

        match polled {
            Polled::Again => budget,
            Polled::Done(work) => {
                // CAST: Clamped below the budget, as NAPI demands of a completed poll.
                let work = (work as c_int).clamp(0, budget.wrapping_sub(1));
                // From here on the next poll may run: `state` is not touched any more. So the poll has
                // told Xen before that it may send events again; one that came since then is noted,
                // and has the queue scheduled here. (What puts off interrupts by letting NAPI keep
                // them masked, `napi_defer_hard_irqs` and busy polling, has no effect on them.)
                //
                // SAFETY: Called from the poll of this instance.
                unsafe { bindings::napi_complete_done(napi, work) };
                work
            }
        }
    }
}

#[pinned_drop]
impl<P: Poll> PinnedDrop for Napi<P> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Nobody else has access to what is being dropped.
        if unsafe { self.enabled.get().read() } {
            // SAFETY: By the type invariants, `napi` has been added; it is enabled.
            unsafe { bindings::napi_disable(self.napi.get()) };
        }
        // SAFETY: By the type invariants, `timer` is initialised; no poll starts it any more.
        unsafe { bindings::hrtimer_cancel(self.timer.get()) };
        let napi = self.napi.get();
        // SAFETY: By the type invariants, `napi` has been added; its device is still there, but not
        // registered any more.
        unsafe { self.queue.set_napi((*napi).dev, core::ptr::null_mut()) };
        // SAFETY: As above.
        unsafe { bindings::xnb_netif_napi_del(napi) };
    }
}

/// Proof of being in a poll, for what may only be done there.
///
/// # Invariants
///
/// `napi` is the instance of a [`Napi<P>`] that is being polled.
pub(crate) struct Context<'a, P: Poll> {
    napi: *mut bindings::napi_struct,
    _poll: PhantomData<&'a P>,
}

impl<P: Poll> Context<'_, P> {
    /// The device that the queue belongs to.
    #[inline]
    pub(crate) fn device(&self) -> &Handle<P::Device> {
        // SAFETY: By the type invariant. The device is one of `P::Device`, as `Napi::new()` took
        // it, and registered, as NAPI is enabled only then.
        unsafe { Handle::from_raw((*self.napi).dev) }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::napi_struct {
        self.napi
    }

    /// Has the queue polled again after `delay` (ns), if nothing else does earlier. A later call
    /// takes the place of an earlier one.
    pub(crate) fn schedule_after(&self, delay: u64) {
        // SAFETY: By the type invariant, `napi` is the first field of a `Napi<P>`.
        let timer = unsafe { (*self.napi.cast::<Napi<P>>()).timer.get() };
        // SAFETY: By the invariants of `Napi`, the timer is initialised; NAPI is enabled.
        unsafe { bindings::xnb_hrtimer_start_ns(timer, delay) };
    }

    /// Hands a received packet to the stack, which may join it with others (GRO).
    #[inline]
    pub(crate) fn receive(&self, skb: SkBuff) {
        // SAFETY: This is the context of the poll of `napi`; the packet is ours to give.
        unsafe { bindings::xnb_napi_gro_receive(self.napi, skb.into_raw()) };
    }
}
