// SPDX-License-Identifier: GPL-2.0

//! A list of packets.

use super::{
    DropReason,
    SkBuff, //
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// A first-in first-out list of packets (`struct sk_buff_head`) with its own lock. Any context.
///
/// # Invariants
///
/// `list` is initialised, and owns a reference of each packet in it.
#[pin_data(PinnedDrop)]
pub(crate) struct SkbQueue {
    #[pin]
    list: Opaque<bindings::sk_buff_head>,
}

// SAFETY: The list has a lock of its own, and packets may be sent.
unsafe impl Send for SkbQueue {}
// SAFETY: As above.
unsafe impl Sync for SkbQueue {}

impl SkbQueue {
    /// An empty list.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writing and pinned.
                unsafe { bindings::xnb_skb_queue_head_init(slot) };
            }),
        })
    }

    /// How many packets are in the list, as of a moment ago.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: The list is initialised; whoever has its lock may change the number meanwhile.
        unsafe { (&raw const (*self.list.get()).qlen).read_volatile() }
    }

    /// Appends a packet, which must not be shared with other users (`IFF_TX_SKB_SHARING` is off).
    #[inline]
    pub(crate) fn push(&self, skb: SkBuff) {
        // SAFETY: The list is initialised; the reference goes into the list.
        unsafe { bindings::skb_queue_tail(self.list.get(), skb.into_raw()) };
    }

    /// Takes the first packet.
    #[inline]
    pub(crate) fn pop(&self) -> Option<SkBuff> {
        // SAFETY: The list is initialised.
        let skb = unsafe { bindings::skb_dequeue(self.list.get()) };
        // SAFETY: The list's reference is now ours.
        NonNull::new(skb).map(|skb| unsafe { SkBuff::from_raw(skb) })
    }

    /// Drops all packets, and tells how many there were.
    pub(crate) fn purge(&self, reason: DropReason) -> u64 {
        let mut dropped: u64 = 0;
        // Bounded by the packets in the list: whoever purges has stopped those who push.
        while let Some(skb) = self.pop() {
            skb.drop_with(reason);
            dropped = dropped.wrapping_add(1);
        }
        dropped
    }
}

#[pinned_drop]
impl PinnedDrop for SkbQueue {
    fn drop(self: Pin<&mut Self>) {
        self.purge(DropReason::NotReady);
    }
}
