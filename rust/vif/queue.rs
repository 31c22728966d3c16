// SPDX-License-Identifier: GPL-2.0

//! One queue of a vif: what lives as long as the network device does, over any number of
//! frontends.

use super::{
    counters::Counters,
    cutoff::CutOff,
    guest_rx::GuestRx,
    guest_tx::GuestTx,
    interface::Interface,
    published::{
        Owed,
        Position, //
    },
};
use crate::net::{
    counter::Counter,
    device::{
        Handle,
        TransmitQueue,
        Unfinished, //
    },
    napi::{
        DeviceQueue,
        Napi, //
    },
    rtnl::Rtnl,
    skb::{
        DropReason,
        SkBuff,
        SkbQueue, //
    },
    softirq,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// How many packets may wait for the guest. With the byte queue limits, which usually stop a queue
/// earlier, this bounds the memory that a guest which posts no buffers can tie up. Packets.
const PENDING_MAX: u32 = 256;

/// How much memory these may tie up, packet buffers included; the one that exceeds it is still
/// queued. Bytes.
pub(super) const PENDING_TRUESIZE_MAX: u64 = 1 << 20;

/// What waits for the guest.
pub(super) struct Waiting {
    pub(super) packets: u32,
    /// How much memory they tie up. Bytes.
    pub(super) truesize: u64,
    /// Has the stack been told to send no more?
    pub(super) stopped: bool,
}

/// One queue of a vif.
#[pin_data]
pub(super) struct Queue {
    index: u16,
    /// The poll of what the guest sends.
    #[pin]
    pub(super) guest_tx: Napi<GuestTx>,
    /// The poll of what is sent to the guest.
    #[pin]
    pub(super) guest_rx: Napi<GuestRx>,
    /// Where the former is on its ring.
    pub(super) tx_position: Position,
    /// Where the latter is on its ring.
    pub(super) rx_position: Position,
    /// What the guest owes it.
    pub(super) owed: Owed,
    stack: TransmitQueue,
    #[pin]
    pending: SkbQueue,
    /// The `truesize` of all packets that were ever queued, and of those that were taken off again:
    /// each is written by one side only.
    queued: Counter,
    dequeued: Counter,
    wants_buffers: Atomic<bool>,
    event_due: Atomic<bool>,
    /// What the queue counts.
    pub(super) counters: Counters,
    /// How the connection of a frontend that lies is ended.
    pub(super) cutoff: Arc<CutOff>,
}

impl Queue {
    /// The queue with number `index` of the device that is being made.
    pub(super) fn new(
        device: &Unfinished<Interface>,
        index: u16,
        cutoff: Arc<CutOff>,
    ) -> impl PinInit<Self> + '_ {
        pin_init!(Self {
            guest_tx <- Napi::new(device, DeviceQueue::Receive(index), GuestTx::new(index)),
            guest_rx <- Napi::new(device, DeviceQueue::Transmit(index), GuestRx::new(index)),
            tx_position: Position::new(),
            rx_position: Position::new(),
            owed: Owed::new(),
            stack: TransmitQueue::new(device, index),
            pending <- SkbQueue::new(),
            queued: Counter::default(),
            dequeued: Counter::default(),
            wants_buffers: Atomic::new(false),
            event_due: Atomic::new(false),
            counters: Counters::default(),
            cutoff,
            index,
        })
    }

    /// Queues a packet for the guest. Softirq context, under the transmit queue's lock.
    pub(super) fn transmit(&self, device: &Handle<Interface>, mut skb: SkBuff) {
        skb.transmit_timestamp();
        skb.set_queued();

        let start = device.transmit_queued(self.index, skb.len());
        self.queued.add(skb.truesize().into());
        self.pending.push(skb);
        let stopped = device.stop_when_full(self.index, || {
            self.has_below(PENDING_MAX, PENDING_TRUESIZE_MAX)
        });
        if stopped {
            self.counters.pending.stopped.add(1);
        }
        if start || stopped {
            self.guest_rx.schedule();
        }
    }

    /// Has the guest be sent what waits for it, if anything does. Softirq context, under the transmit
    /// queue's lock.
    pub(super) fn send_pending(&self) {
        if self.pending.len() > 0 {
            self.guest_rx.schedule();
        }
    }

    /// The next packet for the guest. Only its poll takes them.
    #[inline]
    pub(super) fn next_pending(&self) -> Option<SkBuff> {
        let skb = self.pending.pop()?;
        self.dequeued.add(skb.truesize().into());
        Some(skb)
    }

    /// Do fewer packets wait for the guest, and tie up less memory (bytes), than this?
    #[inline]
    fn has_below(&self, packets: u32, truesize: u64) -> bool {
        self.pending.len() < packets
            && self.queued.get().wrapping_sub(self.dequeued.get()) < truesize
    }

    /// The queue's number.
    #[inline]
    pub(super) fn index(&self) -> u16 {
        self.index
    }

    /// Tells the stack what the guest got, or what was dropped on the way. Only called by the poll of
    /// guest Rx.
    #[inline]
    pub(super) fn completed(&self, device: &Handle<Interface>, packets: u32, bytes: u32) {
        let woken = device.transmit_completed(self.index, packets, bytes, || {
            self.has_below(PENDING_MAX / 2, PENDING_TRUESIZE_MAX / 2)
        });
        if woken {
            self.counters.guest_rx.woken.add(1);
        }
    }

    /// The poll of guest Rx waits for buffers.
    #[inline]
    pub(super) fn want_buffers(&self) {
        self.wants_buffers.store(true, Relaxed);
    }

    /// The poll of guest Rx has what it needs. If it had to wait, an event was asked for, and is
    /// rightly sent even though the poll did not need it in the end.
    #[inline]
    pub(super) fn have_buffers(&self) {
        if self.wants_buffers.load(Relaxed) {
            self.wants_buffers.store(false, Relaxed);
            self.expect_event();
        }
    }

    /// An event is to be expected that no poll needs.
    pub(super) fn expect_event(&self) {
        self.event_due.store(true, Relaxed);
    }

    /// Is an event to be expected that no poll needs? Asked once for each event.
    #[inline]
    pub(super) fn take_due_event(&self) -> bool {
        self.event_due.xchg(false, Relaxed)
    }

    /// Does the poll of guest Rx wait for buffers?
    #[inline]
    pub(super) fn wants_buffers(&self) -> bool {
        self.wants_buffers.load(Relaxed)
    }

    /// Lets both polls run.
    pub(super) fn enable(&self, rtnl: &mut Rtnl) {
        self.guest_tx.enable(rtnl);
        self.guest_rx.enable(rtnl);
    }

    /// Has both polls look at once at what came meanwhile.
    pub(super) fn schedule(&self) {
        self.guest_tx.schedule();
        self.guest_rx.schedule();
    }

    /// Has both polls look at their rings now, if they may run. Process context.
    pub(super) fn kick(&self) {
        // They run when this ends, if softirqs run them.
        softirq::without(|| {
            self.guest_tx.schedule();
            self.guest_rx.schedule();
        });
    }

    /// What waits for the guest, as of a moment ago. Any context.
    pub(super) fn waiting(&self) -> Waiting {
        let held = self.owed.held();
        // The former changes first, so that this is not negative.
        let dequeued = self.dequeued.get();
        let pending = self.queued.get().saturating_sub(dequeued);
        Waiting {
            packets: self.pending.len().wrapping_add(held.is_some().into()),
            truesize: pending.wrapping_add(held.unwrap_or(0).into()),
            stopped: self.stack.is_stopped(),
        }
    }

    /// Waits for both polls to end, and lets none start. May sleep.
    pub(super) fn disable(&self, rtnl: &mut Rtnl) {
        self.guest_tx.disable(rtnl);
        self.guest_rx.disable(rtnl);
    }

    /// Drops what waits for the guest. Nobody queues any more, and the polls are stopped.
    pub(super) fn purge(&self, device: &Handle<Interface>, rtnl: &mut Rtnl) {
        let next = match self.guest_rx.state(rtnl) {
            Ok(guest_rx) => guest_rx.drop_next(),
            Err(_) => 0,
        };
        let dropped = self.pending.purge(DropReason::NotReady);
        self.counters.disconnected.add(dropped.wrapping_add(next));
        // None is queued any more.
        self.dequeued.set(self.queued.get());
        self.have_buffers();
        self.owed.publish(None, None);
        device.forget_queued(self.index, rtnl);
    }
}
