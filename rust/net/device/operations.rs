// SPDX-License-Identifier: GPL-2.0

//! What the stack asks of a device (`struct net_device_ops`).

use super::{
    Features,
    Handle,
    Received,
    Registration,
    Transmitted, //
};
use crate::{
    bindings,
    net::{
        ethtool::Channels,
        rtnl::Rtnl,
        skb::SkBuff, //
    },
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    error::from_result,
    fmt,
    prelude::*, //
};

/// The driver's part of a network device. The implementing type is the device's private data.
pub(crate) trait Operations: Send + Sync + Sized + 'static {
    /// The driver's name, for `ethtool -i`.
    const DRIVER: &'static CStr;

    /// Entries of each queue's ring.
    const RING_SIZE: u32;

    /// The administrator sets the device up.
    fn open(device: &Handle<Self>, rtnl: &mut Rtnl) -> Result;

    /// The administrator sets the device down. May sleep.
    fn stop(device: &Handle<Self>, rtnl: &mut Rtnl);

    /// The stack has a packet to send. Softirq context, under the queue's lock.
    fn start_xmit(device: &Handle<Self>, skb: SkBuff);

    /// The queue for a packet that the stack is about to send, or `None` for the stack to choose.
    /// Asked if there are several. Softirqs are off.
    fn select_queue(&self, skb: &SkBuff) -> Option<u16>;

    /// What came in on a receive queue. Any context.
    fn received(&self, queue: u16) -> Received;

    /// What went out on a transmit queue. Any context.
    fn transmitted(&self, queue: u16) -> Transmitted;

    /// The largest MTU that the other end can take at the moment. Bytes.
    fn max_mtu(&self) -> u32;

    /// Which of `wanted` the other end can take at the moment.
    fn fix_features(&self, wanted: Features) -> Features;

    /// How many queues are in use, of how many.
    fn channels(&self) -> Channels;

    /// Calls `f` with each counter of `ethtool -S`: always the same ones, in the same order.
    fn for_each_counter(&self, f: &mut dyn FnMut(fmt::Arguments<'_>, u64));
}

impl<T: Operations> Registration<T> {
    pub(super) const NETDEV_OPS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_open: Some(Self::open_callback),
        ndo_stop: Some(Self::stop_callback),
        ndo_start_xmit: Some(Self::start_xmit_callback),
        ndo_select_queue: Some(Self::select_queue_callback),
        ndo_get_stats64: Some(Self::get_stats64_callback),
        ndo_change_mtu: Some(Self::change_mtu_callback),
        ndo_fix_features: Some(Self::fix_features_callback),
        ndo_set_mac_address: Some(bindings::eth_mac_addr),
        ndo_validate_addr: Some(bindings::eth_validate_addr),
        ..pin_init::zeroed()
    };

    extern "C" fn open_callback(raw: *mut bindings::net_device) -> c_int {
        // SAFETY: The stack calls this for a registered device, under the RTNL. Where a call of ours
        // leads here, by the notifiers of `dev_set_mtu()`, say, it has been lent the token.
        let (device, mut rtnl) = unsafe { (Handle::<T>::from_raw(raw), Rtnl::assume_held()) };
        from_result(|| T::open(device, &mut rtnl).map(|()| 0))
    }

    extern "C" fn stop_callback(raw: *mut bindings::net_device) -> c_int {
        // SAFETY: The stack calls this for a registered device, under the RTNL. Where a call of ours
        // leads here, by the notifiers of `dev_set_mtu()`, say, it has been lent the token.
        let (device, mut rtnl) = unsafe { (Handle::<T>::from_raw(raw), Rtnl::assume_held()) };
        T::stop(device, &mut rtnl);
        0
    }

    extern "C" fn start_xmit_callback(
        skb: *mut bindings::sk_buff,
        raw: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: The stack calls this for a registered device.
        let device = unsafe { Handle::<T>::from_raw(raw) };
        if let Some(skb) = NonNull::new(skb) {
            // SAFETY: The packet is the driver's from here on, as it returns NETDEV_TX_OK.
            T::start_xmit(device, unsafe { SkBuff::from_raw(skb) });
        }
        bindings::netdev_tx_NETDEV_TX_OK
    }

    extern "C" fn select_queue_callback(
        raw: *mut bindings::net_device,
        skb: *mut bindings::sk_buff,
        sb_dev: *mut bindings::net_device,
    ) -> u16 {
        // SAFETY: The stack calls this for a registered device.
        let device = unsafe { Handle::<T>::from_raw(raw) };
        if let Some(skb) = NonNull::new(skb) {
            // SAFETY: The packet stays the stack's, and valid for this call: it is only lent.
            let skb = ManuallyDrop::new(unsafe { SkBuff::from_raw(skb) });
            if let Some(queue) = device.data().select_queue(&skb) {
                return queue;
            }
        }
        // SAFETY: All are the stack's own.
        unsafe { bindings::netdev_pick_tx(raw.cast(), skb, sb_dev.cast()) }
    }

    extern "C" fn change_mtu_callback(raw: *mut bindings::net_device, mtu: c_int) -> c_int {
        // SAFETY: The stack calls this for a registered device, under the RTNL.
        let device = unsafe { Handle::<T>::from_raw(raw) };
        match u32::try_from(mtu) {
            Ok(mtu) if mtu <= device.data().max_mtu() => {
                // SAFETY: As above; the RTNL guards changes of the MTU.
                unsafe { bindings::xnb_netdev_write_mtu(raw, mtu) };
                0
            }
            _ => EINVAL.to_errno(),
        }
    }

    extern "C" fn fix_features_callback(
        raw: *mut bindings::net_device,
        wanted: bindings::netdev_features_t,
    ) -> bindings::netdev_features_t {
        // SAFETY: The stack calls this for a device with private data, under the RTNL.
        let device = unsafe { Handle::<T>::from_raw(raw) };
        device
            .data()
            .fix_features(Features::from_raw(wanted))
            .into_raw()
    }
}
