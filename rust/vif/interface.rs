// SPDX-License-Identifier: GPL-2.0

//! The network device of a vif.

use super::{
    cutoff::CutOff,
    queue::Queue, //
};
use crate::{
    net::{
        device::{
            Description,
            Features,
            Handle,
            Operations,
            Registration,
            Statistics, //
        },
        rtnl::Rtnl,
        skb::{
            DropReason,
            SkBuff, //
        },
    },
    xen::{
        xenbus,
        DomId, //
    },
};
use kernel::{
    device, fmt,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
};
use netif::{
    keys,
    mtu, //
};

/// The Ethernet address of every vif: the highest there is, so that a bridge with a vif in it never
/// takes its own address from it.
const ADDRESS: [u8; 6] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];

/// Queues of a vif in each direction.
pub(super) const QUEUES: u16 = 1;

/// What a frontend could take if it could take everything that this driver has.
const FEATURES: [Features; 3] = [
    Features::SCATTER_GATHER,
    Features::IPV4_CHECKSUM,
    Features::IPV6_CHECKSUM,
];

/// The private data of the network device.
pub(super) struct Interface {
    queues: KVec<Arc<Queue>>,
    connected: Atomic<bool>,
    // What the frontend can take. Written under the RTNL.
    scatter_gather: Atomic<bool>,
    ipv4_checksum: Atomic<bool>,
    ipv6_checksum: Atomic<bool>,
}

impl Interface {
    /// Makes and registers the device `vif<domid>.<handle>`: not up, without carrier.
    pub(super) fn register(
        parent: &xenbus::Device<device::Bound>,
        domid: DomId,
        handle: u32,
        cutoff: &Arc<CutOff>,
    ) -> Result<Registration<Self>> {
        let name = CString::try_from_fmt(fmt!("vif{domid}.{handle}"))?;
        let [sg, ipv4, ipv6] = FEATURES;
        let description = Description {
            parent: parent.as_ref(),
            name: &name,
            queues: QUEUES.into(),
            address: ADDRESS,
            features: sg | ipv4 | ipv6,
            mtu_range: (mtu::MIN, mtu::MAX),
        };

        Registration::new(&description, |unfinished| {
            let mut queues = KVec::with_capacity(QUEUES.into(), GFP_KERNEL)?;
            for index in 0..QUEUES {
                let queue = Queue::new(unfinished, index, cutoff.clone());
                queues.push(Arc::pin_init(queue, GFP_KERNEL)?, GFP_KERNEL)?;
            }
            Ok(Self {
                queues,
                connected: Atomic::new(false),
                scatter_gather: Atomic::new(false),
                ipv4_checksum: Atomic::new(false),
                ipv6_checksum: Atomic::new(false),
            })
        })
    }

    /// The queue with this number.
    #[inline]
    pub(super) fn queue(&self, index: u16) -> Option<&Arc<Queue>> {
        self.queues.get(usize::from(index))
    }

    /// All queues.
    pub(super) fn queues(&self) -> &[Arc<Queue>] {
        &self.queues
    }

    /// Takes over what a frontend can do, and opens the device to the stack. Its queues have been
    /// attached to the frontend.
    pub(super) fn connect(
        device: &Handle<Self>,
        features: &keys::Features,
        rtnl: &mut Rtnl,
    ) -> Result {
        let this = device.data();
        this.set_features(features);
        let max_mtu = mtu::max(features.sg);
        if device.mtu() > max_mtu {
            // Somebody may object, and then has to live with packets that the guest cannot take.
            let _ = device.set_mtu(max_mtu, rtnl);
        }
        device.update_features(rtnl);

        if device.is_running(rtnl) {
            for queue in this.queues() {
                queue.start(rtnl);
            }
        }
        // ORDERING: Whoever sees this sees the frontend's features.
        this.connected.store(true, Release);
        device.wake_all_queues(rtnl);
        device.set_carrier(true);
        Ok(())
    }

    /// Closes the device to the stack. When this returns, no poll runs and nobody sends; what was
    /// waiting for the guest is dropped. May sleep.
    pub(super) fn disconnect(device: &Handle<Self>, rtnl: &mut Rtnl) {
        let this = device.data();
        this.connected.store(false, Relaxed);
        device.set_carrier(false);
        // Waits for those that saw `connected` still set.
        device.stop_all_queues(rtnl);
        for queue in this.queues() {
            queue.stop(rtnl);
            queue.purge(device, rtnl);
        }
    }

    fn set_features(&self, features: &keys::Features) {
        self.scatter_gather.store(features.sg, Relaxed);
        self.ipv4_checksum.store(!features.no_csum_offload, Relaxed);
        self.ipv6_checksum
            .store(features.ipv6_csum_offload, Relaxed);
    }
}

impl Operations for Interface {
    const DRIVER: &'static CStr = c"xen_netback_rs";

    fn open(device: &Handle<Self>, rtnl: &mut Rtnl) -> Result {
        let this = device.data();
        if this.connected.load(Relaxed) {
            for queue in this.queues() {
                queue.start(rtnl);
            }
        }
        device.start_all_queues(rtnl);
        Ok(())
    }

    fn stop(device: &Handle<Self>, rtnl: &mut Rtnl) {
        device.stop_all_queues(rtnl);
        for queue in device.data().queues() {
            queue.stop(rtnl);
            // A packet must not be held for as long as the administrator likes.
            queue.purge(device, rtnl);
        }
    }

    fn start_xmit(device: &Handle<Self>, skb: SkBuff) {
        let this = device.data();
        let Some(queue) = this.queue(skb.queue_mapping()) else {
            return skb.drop_with(DropReason::NotReady);
        };
        if !this.connected.load(Acquire) {
            queue.counters.pending.not_connected.add(1);
            return skb.drop_with(DropReason::NotReady);
        }
        queue.transmit(device, skb);
    }

    fn statistics(&self) -> Statistics {
        let mut sum = Statistics::default();
        for queue in self.queues() {
            let counters = &queue.counters;
            let add = |to: &mut u64, value: u64| *to = to.wrapping_add(value);
            add(&mut sum.rx_packets, counters.guest_tx.packets.get());
            add(&mut sum.rx_bytes, counters.guest_tx.bytes.get());
            add(&mut sum.rx_errors, counters.guest_tx.errors());
            add(&mut sum.rx_dropped, counters.guest_tx.no_memory.get());
            add(&mut sum.tx_packets, counters.guest_rx.packets.get());
            add(&mut sum.tx_bytes, counters.guest_rx.bytes.get());
            add(&mut sum.tx_errors, counters.guest_rx.copy_failed.get());
            add(&mut sum.tx_dropped, counters.guest_rx.too_long.get());
            add(&mut sum.tx_dropped, counters.pending.not_connected.get());
            add(&mut sum.tx_dropped, counters.disconnected.get());
        }
        sum
    }

    fn max_mtu(&self) -> u32 {
        // Before a frontend is there, the device may be prepared for any; connecting clamps.
        mtu::max(!self.connected.load(Relaxed) || self.scatter_gather.load(Relaxed))
    }

    fn fix_features(&self, wanted: Features) -> Features {
        let mut features = wanted;
        let can = [
            self.scatter_gather.load(Relaxed),
            self.ipv4_checksum.load(Relaxed),
            self.ipv6_checksum.load(Relaxed),
        ];
        for (feature, can) in FEATURES.into_iter().zip(can) {
            if !can {
                features = features - feature;
            }
        }
        features
    }

    fn for_each_counter(&self, f: &mut dyn FnMut(fmt::Arguments<'_>, u64)) {
        for (index, queue) in (0..QUEUES).zip(self.queues()) {
            queue
                .counters
                .for_each(&mut |name, value| f(fmt!("q{index}_{name}"), value));
        }
    }
}
