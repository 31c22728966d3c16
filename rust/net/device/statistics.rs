// SPDX-License-Identifier: GPL-2.0

//! What a device counts: each queue for itself (`struct netdev_stat_ops`, which netlink's
//! `qstats-get` shows), and all of them together (`struct rtnl_link_stats64`, `ip -s link`).
//!
//! The latter is the sum of the former, so that no packet is in one and not in the other. A queue
//! counts from when the device was made, over any number of frontends.
//!
//! C header: [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h)

use super::{
    Handle,
    Operations,
    Registration, //
};
use crate::bindings;
use core::ops::Range;
use kernel::prelude::*;

/// What came in on a receive queue.
#[derive(Clone, Copy, Default)]
pub(crate) struct Received {
    /// Packets handed to the stack.
    pub(crate) packets: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Packets dropped as they were bad.
    pub(crate) errors: u64,
    /// Packets dropped for want of memory.
    pub(crate) no_memory: u64,
}

/// What went out on a transmit queue.
#[derive(Clone, Copy, Default)]
pub(crate) struct Transmitted {
    /// Packets that the other end got.
    pub(crate) packets: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Packets dropped as handing them over failed.
    pub(crate) errors: u64,
    /// Packets dropped for other reasons.
    pub(crate) dropped: u64,
    /// How often the driver stopped the queue as too much waited on it.
    pub(crate) stopped: u64,
    /// How often it let the queue go on after that.
    pub(crate) woken: u64,
}

impl Received {
    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets.wrapping_add(other.packets),
            bytes: self.bytes.wrapping_add(other.bytes),
            errors: self.errors.wrapping_add(other.errors),
            no_memory: self.no_memory.wrapping_add(other.no_memory),
        }
    }

    fn sum<T: Operations>(data: &T, queues: Range<u16>) -> Self {
        queues.fold(Self::default(), |sum, queue| sum.add(data.received(queue)))
    }

    /// Sets what is counted, and leaves alone what is not: there is no hardware that joins packets or
    /// looks at checksums.
    fn fill(&self, stats: &mut bindings::netdev_queue_stats_rx) {
        stats.packets = self.packets;
        stats.bytes = self.bytes;
        stats.alloc_fail = self.no_memory;
        // All that "entered the device, but never left it".
        stats.hw_drops = self.errors.wrapping_add(self.no_memory);
    }
}

impl Transmitted {
    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets.wrapping_add(other.packets),
            bytes: self.bytes.wrapping_add(other.bytes),
            errors: self.errors.wrapping_add(other.errors),
            dropped: self.dropped.wrapping_add(other.dropped),
            stopped: self.stopped.wrapping_add(other.stopped),
            woken: self.woken.wrapping_add(other.woken),
        }
    }

    fn sum<T: Operations>(data: &T, queues: Range<u16>) -> Self {
        queues.fold(Self::default(), |sum, queue| {
            sum.add(data.transmitted(queue))
        })
    }

    /// As [`Received::fill`]: packets are neither segmented nor given checksums here.
    fn fill(&self, stats: &mut bindings::netdev_queue_stats_tx) {
        stats.packets = self.packets;
        stats.bytes = self.bytes;
        // All that "arrived at the device but never left it".
        stats.hw_drops = self.errors.wrapping_add(self.dropped);
        stats.stop = self.stopped;
        stats.wake = self.woken;
    }
}

impl<T: Operations> Registration<T> {
    pub(super) const STAT_OPS: bindings::netdev_stat_ops = bindings::netdev_stat_ops {
        get_queue_stats_rx: Some(Self::get_queue_stats_rx_callback),
        get_queue_stats_tx: Some(Self::get_queue_stats_tx_callback),
        get_base_stats: Some(Self::get_base_stats_callback),
    };

    pub(super) extern "C" fn get_stats64_callback(
        raw: *mut bindings::net_device,
        stats: *mut bindings::rtnl_link_stats64,
    ) {
        // SAFETY: The stack calls this for a registered device.
        let device = unsafe { Handle::<T>::from_raw(raw) };
        let queues = 0..device.queues();
        let received = Received::sum(device.data(), queues.clone());
        let transmitted = Transmitted::sum(device.data(), queues);
        // SAFETY: The stack passes zeroed statistics to be filled.
        let stats = unsafe { &mut *stats };
        stats.rx_packets = received.packets;
        stats.rx_bytes = received.bytes;
        stats.rx_errors = received.errors;
        stats.rx_dropped = received.no_memory;
        stats.tx_packets = transmitted.packets;
        stats.tx_bytes = transmitted.bytes;
        stats.tx_errors = transmitted.errors;
        stats.tx_dropped = transmitted.dropped;
    }

    extern "C" fn get_queue_stats_rx_callback(
        raw: *mut bindings::net_device,
        index: c_int,
        stats: *mut bindings::netdev_queue_stats_rx,
    ) {
        let Ok(queue) = u16::try_from(index) else {
            return;
        };
        // SAFETY: The stack calls this for a registered device, and passes statistics of which all
        // bytes are set.
        let (device, stats) = unsafe { (Handle::<T>::from_raw(raw), &mut *stats) };
        device.data().received(queue).fill(stats);
    }

    extern "C" fn get_queue_stats_tx_callback(
        raw: *mut bindings::net_device,
        index: c_int,
        stats: *mut bindings::netdev_queue_stats_tx,
    ) {
        let Ok(queue) = u16::try_from(index) else {
            return;
        };
        // SAFETY: As in `get_queue_stats_rx_callback()`.
        let (device, stats) = unsafe { (Handle::<T>::from_raw(raw), &mut *stats) };
        device.data().transmitted(queue).fill(stats);
    }

    /// What the queues counted that are not in use at the moment: the stack adds those that are.
    extern "C" fn get_base_stats_callback(
        raw: *mut bindings::net_device,
        rx: *mut bindings::netdev_queue_stats_rx,
        tx: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: As in `get_queue_stats_rx_callback()`, and under the RTNL, which guards how many
        // queues are in use.
        let (device, rx, tx, real_rx, real_tx) = unsafe {
            (
                Handle::<T>::from_raw(raw),
                &mut *rx,
                &mut *tx,
                (*raw).real_num_rx_queues,
                (*raw).real_num_tx_queues,
            )
        };
        let unused = |real: u32| {
            let all = device.queues();
            u16::try_from(real).unwrap_or(all)..all
        };
        Received::sum(device.data(), unused(real_rx)).fill(rx);
        Transmitted::sum(device.data(), unused(real_tx)).fill(tx);
    }
}
