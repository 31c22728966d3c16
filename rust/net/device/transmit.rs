// SPDX-License-Identifier: GPL-2.0

//! The flow of packets from the stack: byte queue limits, stopping and waking.

use super::{
    Handle,
    Operations,
    Unfinished, //
};
use crate::{
    bindings,
    net::rtnl::Rtnl, //
};

impl<T: Operations> Handle<T> {
    /// Does the device have this queue?
    #[inline]
    fn has_queue(&self, queue: u16) -> bool {
        queue < self.queues()
    }

    /// Tells the byte queue limits that a packet of `bytes` bytes is about to be queued, and stops
    /// the queue when that is enough. To be called before the packet can be completed.
    ///
    /// Returns whether the work should be started now: not when the stack has more packets.
    #[inline]
    pub(crate) fn transmit_queued(&self, queue: u16, bytes: u32) -> bool {
        if !self.has_queue(queue) {
            return false;
        }
        // SAFETY: By the type invariant, and there is such a queue.
        unsafe { bindings::xnb_netdev_tx_sent(self.as_raw(), queue.into(), bytes) }
    }

    /// Stops the queue when `has_room` says no, and says whether it did. To be called after a packet
    /// was queued, by whoever sends.
    #[inline]
    pub(crate) fn stop_when_full(&self, queue: u16, has_room: impl Fn() -> bool) -> bool {
        if has_room() || !self.has_queue(queue) {
            return false;
        }
        // SAFETY: By the type invariant, and there is such a queue.
        //
        // ORDERING: Ends with a full barrier, which pairs with that in `transmit_completed()`: either
        // it sees the queue stopped, or we see the room that it made.
        unsafe { bindings::xnb_netif_tx_stop_queue_mb(self.as_raw(), queue.into()) };
        if has_room() {
            // SAFETY: As above. Nobody else stops or starts it: the caller holds its lock.
            unsafe { bindings::xnb_netif_tx_start_queue(self.as_raw(), queue.into()) };
            return false;
        }
        true
    }

    /// Tells the byte queue limits what was completed of what was queued, and wakes the queue when
    /// `has_room` says that there is enough room again. Returns whether it did.
    #[inline]
    pub(crate) fn transmit_completed(
        &self,
        queue: u16,
        packets: u32,
        bytes: u32,
        has_room: impl Fn() -> bool,
    ) -> bool {
        if !self.has_queue(queue) {
            return false;
        }
        let (raw, index) = (self.as_raw(), queue.into());
        // ORDERING: Ends with a full barrier, for which see `stop_when_full()`.
        //
        // SAFETY: By the type invariant, and there is such a queue.
        unsafe { bindings::xnb_netdev_txq_completed_mb(raw, index, packets, bytes) };
        // SAFETY: As above.
        if !has_room() || !unsafe { bindings::xnb_netif_tx_queue_stopped(raw, index) } {
            return false;
        }
        // SAFETY: As above.
        unsafe { bindings::xnb_netif_tx_wake_queue(raw, index) };
        true
    }

    /// Stops all queues and waits until nobody is sending. May sleep.
    pub(crate) fn stop_all_queues(&self, _rtnl: &mut Rtnl) {
        // SAFETY: By the type invariant.
        unsafe { bindings::xnb_netif_tx_disable(self.as_raw()) };
    }

    /// Lets the stack send on all queues, and has it send what it held back.
    pub(crate) fn wake_all_queues(&self, _rtnl: &mut Rtnl) {
        // SAFETY: By the type invariant.
        unsafe { bindings::xnb_netif_tx_wake_all_queues(self.as_raw()) };
    }

    /// Lets the stack send on all queues, when the device is being set up.
    pub(crate) fn start_all_queues(&self, _rtnl: &mut Rtnl) {
        // SAFETY: By the type invariant.
        unsafe { bindings::xnb_netif_tx_start_all_queues(self.as_raw()) };
    }

    /// Forgets what was queued and not completed. The queue must be stopped.
    pub(crate) fn forget_queued(&self, queue: u16, _rtnl: &mut Rtnl) {
        if self.has_queue(queue) {
            // SAFETY: By the type invariant, and there is such a queue.
            unsafe { bindings::xnb_netdev_tx_reset_queue(self.as_raw(), queue.into()) };
        }
    }
}

/// A queue of the stack's, for who has no [`Handle`].
///
/// # Invariants
///
/// `device` outlives this object, as for all that a device's private data hold, and has a queue `index`
/// if that is below its number of queues.
pub(crate) struct TransmitQueue {
    device: *mut bindings::net_device,
    index: u16,
}

// SAFETY: The device may be looked at from any thread.
unsafe impl Send for TransmitQueue {}
// SAFETY: As above.
unsafe impl Sync for TransmitQueue {}

impl TransmitQueue {
    /// Queue `index` of the device that is being made.
    pub(crate) fn new<T: Operations>(device: &Unfinished<T>, index: u16) -> Self {
        // INVARIANT: By the invariants of `Handle`.
        Self {
            device: device.as_raw(),
            index,
        }
    }

    /// Has the driver stopped it, as of a moment ago? Any context.
    pub(crate) fn is_stopped(&self) -> bool {
        let index = self.index.into();
        // SAFETY: By the type invariant; the number is constant.
        if index >= unsafe { (*self.device).num_tx_queues } {
            return false;
        }
        // SAFETY: As above, and there is such a queue.
        unsafe { bindings::xnb_netif_tx_queue_stopped(self.device, index) }
    }
}
