// SPDX-License-Identifier: GPL-2.0

//! What a queue counts.
//!
//! Each counter has one writer: the poll of guest Tx, the poll of guest Rx, or whoever queues
//! packets for the guest under the transmit queue's lock.

use crate::net::{
    counter::Counter,
    device::{
        Received,
        Transmitted, //
    },
};
use kernel::{
    fmt,
    prelude::fmt, //
};
use netif::fault::Drop;

/// Counters of the poll of guest Tx.
#[derive(Default)]
pub(super) struct GuestTx {
    /// Packets handed to the stack.
    pub(super) packets: Counter,
    /// Their bytes.
    pub(super) bytes: Counter,
    /// Packets dropped for how their slots looked, by reason.
    pub(super) drops: [Counter; Drop::ALL.len()],
    /// Packets dropped as the guest's pages could not be copied from.
    pub(super) copy_failed: Counter,
    /// Packets dropped as their headers contradict what was said of checksum or segmentation.
    pub(super) bad_headers: Counter,
    /// Packets to be segmented that came with a checksum, which had to be made blank.
    pub(super) gso_checksum_fixup: Counter,
    /// Changes of the multicast filter that were refused.
    pub(super) multicast_refused: Counter,
    /// How often the guest had to wait as it had used up its rate.
    pub(super) rate_limited: Counter,
    /// Packets dropped for want of memory.
    pub(super) no_memory: Counter,
}

/// Counters of the poll of guest Rx.
#[derive(Default)]
pub(super) struct GuestRx {
    /// Packets that the guest got.
    pub(super) packets: Counter,
    /// Their bytes.
    pub(super) bytes: Counter,
    /// Packets dropped as the guest's pages could not be copied to.
    pub(super) copy_failed: Counter,
    /// Packets dropped as the guest does not take packets of their size.
    pub(super) too_long: Counter,
    /// Packets dropped as they are yet to be segmented, which the guest does not do.
    pub(super) unsegmented: Counter,
    /// Packets in too many pieces, dropped for want of memory to make them one.
    pub(super) no_memory: Counter,
    /// Packets dropped as the guest did not post the buffers for them in time.
    pub(super) expired: Counter,
    /// How often the guest owed buffers for so long that it lost its carrier.
    pub(super) stalls: Counter,
    /// How often the queue was let go on after it had been stopped.
    pub(super) woken: Counter,
}

/// Counters of whoever has packets for the guest.
#[derive(Default)]
pub(super) struct Pending {
    /// Packets dropped as the frontend was not connected.
    pub(super) not_connected: Counter,
    /// Packets dropped as the guest does not listen to their group.
    pub(super) filtered: Counter,
    /// How often the queue was stopped as too much waited for the guest.
    pub(super) stopped: Counter,
}

/// All counters of a queue.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) guest_tx: GuestTx,
    pub(super) guest_rx: GuestRx,
    pub(super) pending: Pending,
    /// Packets that were queued when the connection ended. Written under the RTNL.
    pub(super) disconnected: Counter,
}

impl GuestTx {
    /// Packets of the guest that were bad.
    pub(super) fn errors(&self) -> u64 {
        self.drops
            .iter()
            .chain([&self.copy_failed, &self.bad_headers])
            .fold(0, |sum, counter| sum.wrapping_add(counter.get()))
    }
}

impl Counters {
    /// What the guest sent, as the network device counts it.
    pub(super) fn received(&self) -> Received {
        let counters = &self.guest_tx;
        Received {
            packets: counters.packets.get(),
            bytes: counters.bytes.get(),
            errors: counters.errors(),
            no_memory: counters.no_memory.get(),
        }
    }

    /// What the guest was sent, as the network device counts it.
    pub(super) fn transmitted(&self) -> Transmitted {
        let counters = &self.guest_rx;
        let dropped = [
            &counters.too_long,
            &counters.unsegmented,
            &counters.no_memory,
            &counters.expired,
            &self.pending.not_connected,
            &self.pending.filtered,
            &self.disconnected,
        ];
        Transmitted {
            packets: counters.packets.get(),
            bytes: counters.bytes.get(),
            errors: counters.copy_failed.get(),
            dropped: dropped
                .into_iter()
                .fold(0, |sum, counter| sum.wrapping_add(counter.get())),
            stopped: self.pending.stopped.get(),
            woken: counters.woken.get(),
        }
    }

    /// Calls `f` with name and value of each counter. With the queue's number before it, a name has
    /// to fit into the 31 bytes that ethtool shows.
    pub(super) fn for_each(&self, f: &mut dyn FnMut(fmt::Arguments<'_>, u64)) {
        f(fmt!("guest_tx_packets"), self.guest_tx.packets.get());
        f(fmt!("guest_tx_bytes"), self.guest_tx.bytes.get());
        for (reason, counter) in Drop::ALL.iter().zip(&self.guest_tx.drops) {
            f(fmt!("guest_tx_{}", reason.name()), counter.get());
        }
        f(
            fmt!("guest_tx_copy_failed"),
            self.guest_tx.copy_failed.get(),
        );
        f(
            fmt!("guest_tx_bad_headers"),
            self.guest_tx.bad_headers.get(),
        );
        f(fmt!("guest_tx_no_memory"), self.guest_tx.no_memory.get());
        f(
            fmt!("guest_tx_gso_csum_fixup"),
            self.guest_tx.gso_checksum_fixup.get(),
        );
        f(
            fmt!("guest_tx_mcast_refused"),
            self.guest_tx.multicast_refused.get(),
        );
        f(
            fmt!("guest_tx_rate_limited"),
            self.guest_tx.rate_limited.get(),
        );
        f(fmt!("guest_rx_packets"), self.guest_rx.packets.get());
        f(fmt!("guest_rx_bytes"), self.guest_rx.bytes.get());
        f(
            fmt!("guest_rx_copy_failed"),
            self.guest_rx.copy_failed.get(),
        );
        f(fmt!("guest_rx_too_long"), self.guest_rx.too_long.get());
        f(
            fmt!("guest_rx_unsegmented"),
            self.guest_rx.unsegmented.get(),
        );
        f(fmt!("guest_rx_no_memory"), self.guest_rx.no_memory.get());
        f(fmt!("guest_rx_expired"), self.guest_rx.expired.get());
        f(fmt!("guest_rx_stalls"), self.guest_rx.stalls.get());
        f(
            fmt!("guest_rx_not_connected"),
            self.pending.not_connected.get(),
        );
        f(fmt!("guest_rx_filtered"), self.pending.filtered.get());
        f(fmt!("guest_rx_disconnected"), self.disconnected.get());
    }
}
