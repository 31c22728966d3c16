// SPDX-License-Identifier: GPL-2.0

//! The network device of a vif.

use super::{
    cutoff::CutOff,
    hash::Hash,
    multicast::Multicast,
    queue::Queue,
    rate::RateLimit, //
};
use crate::{
    net::{
        device::{
            Description,
            Features,
            Handle,
            Operations,
            Received,
            Registration,
            Transmitted, //
        },
        ethtool::Channels,
        rtnl::Rtnl,
        skb::{
            DropReason,
            SkBuff, //
        },
        trace,
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
    keys, mtu,
    wire::{
        MAX_PACKET,
        RING_SIZE, //
    },
};

/// The Ethernet address of every vif: the highest there is, so that a bridge with a vif in it never
/// takes its own address from it.
const ADDRESS: [u8; 6] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];

/// What a frontend could take if it could take everything that this driver has.
const FEATURES: [Features; 6] = [
    Features::SCATTER_GATHER,
    Features::FRAGMENT_LIST,
    Features::IPV4_CHECKSUM,
    Features::IPV6_CHECKSUM,
    Features::TCPV4_SEGMENTATION,
    Features::TCPV6_SEGMENTATION,
];

/// Statistics that monitoring of xen-netback looks for, of what this driver never does.
const NOTHING_TO_COUNT: [&str; 4] = [
    "tx_zerocopy_sent",
    "tx_zerocopy_success",
    "tx_zerocopy_fail",
    "tx_frag_overflow",
];

/// The private data of the network device.
pub(super) struct Interface {
    /// What the device was called at first.
    pub(super) name: CString,
    queues: KVec<Arc<Queue>>,
    /// How many of the queues are connected; 0 when no frontend is.
    connected: Atomic<u32>,
    /// How many of these wait for buffers that their guest has owed for too long.
    stalled: Atomic<u32>,
    /// Which of `FEATURES` the frontend can take. Written under the RTNL.
    takes: [Atomic<bool>; FEATURES.len()],
    /// Which multicast packets the guest wants.
    pub(super) multicast: Arc<Multicast>,
    /// How much the guest may send.
    pub(super) rate: Arc<RateLimit>,
    /// How packets are spread over the guest's queues.
    pub(super) hash: Arc<Hash>,
}

impl Interface {
    /// Makes and registers the device `vif<domid>.<handle>`: not up, without carrier.
    pub(super) fn register(
        parent: &xenbus::Device<device::Bound>,
        domid: DomId,
        handle: u32,
        max_queues: u16,
        cutoff: &Arc<CutOff>,
    ) -> Result<Registration<Self>> {
        let name = CString::try_from_fmt(fmt!("vif{domid}.{handle}"))?;
        let [sg, list, ipv4, ipv6, tso4, tso6] = FEATURES;
        let description = Description {
            parent: parent.as_ref(),
            name: &name,
            queues: max_queues,
            address: ADDRESS,
            features: sg | list | ipv4 | ipv6 | tso4 | tso6,
            mtu_range: (mtu::MIN, mtu::MAX),
            max_segmentation: MAX_PACKET,
        };

        Registration::new(&description, |unfinished| {
            let mut queues = KVec::with_capacity(max_queues.into(), GFP_KERNEL)?;
            for index in 0..max_queues {
                let queue = Queue::new(unfinished, index, cutoff.clone());
                let queue = Arc::pin_init(queue, GFP_KERNEL)?;
                queues.push_within_capacity(queue).map_err(|_| ENOMEM)?;
            }
            Ok(Self {
                name: CString::try_from(&*name)?,
                queues,
                connected: Atomic::new(0),
                stalled: Atomic::new(0),
                takes: [const { Atomic::new(false) }; FEATURES.len()],
                multicast: Multicast::new()?,
                rate: RateLimit::new()?,
                hash: Hash::new()?,
            })
        })
    }

    /// The queue with this number.
    #[inline]
    pub(super) fn queue(&self, index: u16) -> Option<&Arc<Queue>> {
        self.queues.get(usize::from(index))
    }

    /// How many queues there are.
    pub(super) fn max_queues(&self) -> u16 {
        // CAST: `register()` made a 16-bit number of them.
        self.queues.len() as u16
    }

    /// All queues.
    pub(super) fn queues(&self) -> &[Arc<Queue>] {
        &self.queues
    }

    /// The queues that a frontend is connected to. Stable under the RTNL.
    fn connected_queues(&self) -> &[Arc<Queue>] {
        let count = self.connected.load(Relaxed) as usize;
        self.queues.get(..count).unwrap_or(&[])
    }

    /// Takes over what a frontend can do, and opens the device to the stack. Its first `count`
    /// queues have been attached to the frontend.
    pub(super) fn connect(
        device: &Handle<Self>,
        features: &keys::Features,
        count: u16,
        rtnl: &mut Rtnl,
    ) {
        let this = device.data();
        this.set_features(features);
        let max_mtu = mtu::max(features.sg);
        if device.mtu() > max_mtu {
            // Somebody may object, and then has to live with packets that the guest cannot take.
            let _ = device.set_mtu(max_mtu, rtnl);
        }
        device.update_features(rtnl);

        // ORDERING: Whoever sees this sees the frontend's features.
        this.connected.store(count.into(), Release);
        device.wake_all_queues(rtnl);
        // Before the polls, which may find that the guest owes buffers.
        device.set_carrier(true);
        Self::start_polls(device, rtnl);
    }

    /// Lets the polls run, if the device is up and a frontend connected.
    ///
    /// All of them, also those of queues that this frontend does not have, and always all together: a
    /// NAPI instance gets its number when it is enabled, and keeps it when it is disabled. Who lists
    /// them by netlink gets a kernel warning if the numbers are not in the order in which the instances
    /// were made.
    pub(super) fn start_polls(device: &Handle<Self>, rtnl: &mut Rtnl) {
        let this = device.data();
        let connected = this.connected_queues();
        if connected.is_empty() || !device.is_running(rtnl) {
            return;
        }
        for queue in this.queues() {
            queue.enable(rtnl);
        }
        for queue in connected {
            queue.schedule();
        }
    }

    /// Waits for all polls to end, and lets none start. May sleep.
    pub(super) fn stop_polls(device: &Handle<Self>, rtnl: &mut Rtnl) {
        for queue in device.data().queues() {
            queue.disable(rtnl);
        }
    }

    /// Closes the device to the stack. When this returns, no poll runs and nobody sends; what was
    /// waiting for the guest is dropped. May sleep.
    pub(super) fn disconnect(device: &Handle<Self>, rtnl: &mut Rtnl) {
        let this = device.data();
        this.connected.store(0, Relaxed);
        device.set_carrier(false);
        // Waits for those that saw `connected` still set.
        device.stop_all_queues(rtnl);
        Self::stop_polls(device, rtnl);
        for queue in this.queues() {
            queue.purge(device, rtnl);
        }
        // The polls of this connection are over.
        this.stalled.store(0, Relaxed);
        device.set_carrier(false);
    }

    /// The guest owes buffers to one more queue: nothing gets through to it any more. Only called by
    /// the poll of a connected queue.
    pub(super) fn queue_stalled(device: &Handle<Self>) {
        if device.data().stalled.fetch_add(1, Relaxed) == 0 {
            Self::follow_stalls(device);
        }
    }

    /// The guest posted the buffers that it owed to one queue. Only called by the poll of a
    /// connected queue.
    pub(super) fn queue_ready(device: &Handle<Self>) {
        if device.data().stalled.fetch_sub(1, Relaxed) == 1 {
            Self::follow_stalls(device);
        }
    }

    /// Gives the device the carrier that the number of stalled queues stands for.
    fn follow_stalls(device: &Handle<Self>) {
        let is_stalled = || device.data().stalled.load(Relaxed) > 0;
        let mut stalled = is_stalled();
        // Several polls may be here at once: whichever sets the carrier last looks again after that.
        // Ends: each further round takes a queue that stalled or recovered meanwhile.
        //
        // ORDERING: The carrier is a bit that is tested and changed at once, with a full barrier.
        loop {
            device.set_carrier(!stalled);
            let now = is_stalled();
            if now == stalled {
                return;
            }
            stalled = now;
        }
    }

    fn takes_several_slots(&self) -> bool {
        let [sg, ..] = &self.takes;
        sg.load(Relaxed)
    }

    fn set_features(&self, features: &keys::Features) {
        let takes = [
            features.sg,
            features.sg,
            !features.no_csum_offload,
            features.ipv6_csum_offload,
            features.gso_tcpv4,
            features.gso_tcpv6,
        ];
        for (to, from) in self.takes.iter().zip(takes) {
            to.store(from, Relaxed);
        }
    }
}

impl Operations for Interface {
    const DRIVER: &'static CStr = c"xen_netback_rs";

    const RING_SIZE: u32 = RING_SIZE;

    fn open(device: &Handle<Self>, rtnl: &mut Rtnl) -> Result {
        Self::start_polls(device, rtnl);
        device.start_all_queues(rtnl);
        Ok(())
    }

    fn stop(device: &Handle<Self>, rtnl: &mut Rtnl) {
        // First the polls, which wake queues; then nobody does, and nobody sends.
        Self::stop_polls(device, rtnl);
        device.stop_all_queues(rtnl);
        for queue in device.data().queues() {
            // A packet must not be held for as long as the administrator likes.
            queue.purge(device, rtnl);
        }
    }

    fn start_xmit(device: &Handle<Self>, skb: SkBuff) {
        let this = device.data();
        let Some(queue) = this.queue(skb.queue_mapping()) else {
            return skb.drop_with(DropReason::NotReady);
        };
        if u32::from(skb.queue_mapping()) >= this.connected.load(Acquire) {
            queue.counters.pending.not_connected.add(1);
            trace::guest_rx_error(device, queue.index(), "not_connected");
            return skb.drop_with(DropReason::NotReady);
        }
        let wanted = skb
            .destination()
            .is_some_and(|destination| this.multicast.accepts(&destination));
        if !wanted {
            queue.counters.pending.filtered.add(1);
            trace::guest_rx_error(device, queue.index(), "filtered");
            skb.drop_with(DropReason::Filtered);
            // Those before it may have left it to the last of their batch to have them sent.
            return queue.send_pending();
        }
        queue.transmit(device, skb);
    }

    fn select_queue(&self, skb: &SkBuff) -> Option<u16> {
        self.hash.queue(skb)
    }

    fn received(&self, queue: u16) -> Received {
        self.queue(queue)
            .map_or_else(Received::default, |queue| queue.counters.received())
    }

    fn transmitted(&self, queue: u16) -> Transmitted {
        self.queue(queue)
            .map_or_else(Transmitted::default, |queue| queue.counters.transmitted())
    }

    fn max_mtu(&self) -> u32 {
        // Before a frontend is there, the device may be prepared for any; connecting clamps.
        mtu::max(self.connected.load(Relaxed) == 0 || self.takes_several_slots())
    }

    fn fix_features(&self, wanted: Features) -> Features {
        let mut features = wanted;
        for (feature, takes) in FEATURES.into_iter().zip(&self.takes) {
            if !takes.load(Relaxed) {
                features = features - feature;
            }
        }
        features
    }

    fn channels(&self) -> Channels {
        Channels {
            connected: self.connected.load(Relaxed),
            offered: self.max_queues().into(),
        }
    }

    fn for_each_counter(&self, f: &mut dyn FnMut(fmt::Arguments<'_>, u64)) {
        let fixups = self.queues().iter().fold(0_u64, |sum, queue| {
            sum.wrapping_add(queue.counters.guest_tx.gso_checksum_fixup.get())
        });
        f(fmt!("rx_gso_checksum_fixup"), fixups);
        // Nothing of a guest's is mapped into a packet, and no packet has too many pieces for one.
        for name in NOTHING_TO_COUNT {
            f(fmt!("{name}"), 0);
        }
        for queue in self.queues() {
            let index = queue.index();
            queue
                .counters
                .for_each(&mut |name, value| f(fmt!("q{index}_{name}"), value));
        }
    }
}
