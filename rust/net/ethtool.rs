// SPDX-License-Identifier: GPL-2.0

//! What `ethtool` shows of a device (`struct ethtool_ops`).
//!
//! Nothing can be set: the other end decides how many queues there are, and the protocol how large
//! rings are. Two operations are left out as they would have nothing true to say:
//!
//! - `get_coalesce` (`ethtool -c`): no event is put off.
//! - `get_rxfh` (`ethtool -x`): it tells how a device spreads what it *receives* over its receive
//!   queues. The hash of a Xen frontend does the opposite: it chooses the queue of what the device
//!   transmits. Tools and the stack would take its table for one of receive queues.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::device::{
    Handle,
    Operations,
    Registration, //
};
use crate::{
    bindings,
    compat, //
};
use kernel::{
    fmt::{
        self,
        Write, //
    },
    prelude::*, //
};

/// Length of a counter's name, padded with NUL. Bytes.
const STRING_LEN: usize = bindings::ETH_GSTRING_LEN as usize;

/// How many of a device's queues are in use. A queue of either direction and the one of the other
/// direction with the same number belong together: the other end asks for pairs.
#[derive(Clone, Copy)]
pub(crate) struct Channels {
    /// Pairs in use.
    pub(crate) connected: u32,
    /// The most pairs that there can be.
    pub(crate) offered: u32,
}

/// Formats into a buffer and drops what does not fit.
struct Text<'a>(&'a mut [u8]);

impl Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let taken = core::mem::take(&mut self.0);
        let mut rest = taken.iter_mut();
        // The text first: its end must not take a byte of the buffer.
        for (from, to) in s.bytes().zip(rest.by_ref()) {
            *to = from;
        }
        self.0 = rest.into_slice();
        Ok(())
    }
}

impl<T: Operations> Registration<T> {
    pub(super) const ETHTOOL_OPS: bindings::ethtool_ops = bindings::ethtool_ops {
        get_drvinfo: Some(Self::get_drvinfo_callback),
        get_link: Some(bindings::ethtool_op_get_link),
        get_link_ksettings: Some(Self::get_link_ksettings_callback),
        get_channels: Some(Self::get_channels_callback),
        get_ringparam: Some(Self::get_ringparam_callback),
        get_ts_info: Some(bindings::ethtool_op_get_ts_info),
        get_sset_count: Some(Self::get_sset_count_callback),
        get_strings: Some(Self::get_strings_callback),
        get_ethtool_stats: Some(Self::get_ethtool_stats_callback),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `raw` must be a device of a live registration, for as long as `'a`.
    unsafe fn ethtool_handle<'a>(raw: *mut kernel::bindings::net_device) -> &'a Handle<T> {
        // SAFETY: By the safety requirement. The `kernel` crate's name of the type is opaque.
        unsafe { Handle::from_raw(raw.cast()) }
    }

    extern "C" fn get_drvinfo_callback(
        _raw: *mut kernel::bindings::net_device,
        info: *mut bindings::ethtool_drvinfo,
    ) {
        // SAFETY: The stack passes zeroed information to be filled, and adds version and bus.
        let info = unsafe { &mut *info };
        // The last byte stays NUL.
        let len = info.driver.len().saturating_sub(1);
        for (to, from) in info.driver.iter_mut().take(len).zip(T::DRIVER.to_bytes()) {
            *to = *from;
        }
    }

    /// There is no link with a speed, only memory that is copied: as fast as both ends are, and in
    /// both directions at once.
    extern "C" fn get_link_ksettings_callback(
        _raw: *mut kernel::bindings::net_device,
        settings: *mut bindings::ethtool_link_ksettings,
    ) -> c_int {
        // SAFETY: The stack passes zeroed settings to be filled.
        let base = unsafe { &mut (*settings).base };
        // CAST: "Unknown" is -1, in a field without a sign; the others are small constants.
        base.speed = bindings::SPEED_UNKNOWN as u32;
        base.duplex = bindings::DUPLEX_FULL as u8;
        base.port = bindings::PORT_OTHER as u8;
        base.autoneg = bindings::AUTONEG_DISABLE as u8;
        0
    }

    extern "C" fn get_channels_callback(
        raw: *mut kernel::bindings::net_device,
        channels: *mut bindings::ethtool_channels,
    ) {
        // SAFETY: The stack calls this for a registered device.
        let device = unsafe { Self::ethtool_handle(raw) };
        // SAFETY: The stack passes zeroed numbers to be filled.
        let channels = unsafe { &mut *channels };
        let Channels { connected, offered } = device.data().channels();
        channels.max_combined = offered;
        channels.combined_count = connected;
    }

    extern "C" fn get_ringparam_callback(
        _raw: *mut kernel::bindings::net_device,
        ring: *mut bindings::ethtool_ringparam,
        _kernel_ring: *mut bindings::kernel_ethtool_ringparam,
        _extack: *mut bindings::netlink_ext_ack,
    ) {
        // SAFETY: The stack passes zeroed sizes to be filled.
        let ring = unsafe { &mut *ring };
        ring.rx_max_pending = T::RING_SIZE;
        ring.rx_pending = T::RING_SIZE;
        ring.tx_max_pending = T::RING_SIZE;
        ring.tx_pending = T::RING_SIZE;
    }

    extern "C" fn get_sset_count_callback(
        raw: *mut kernel::bindings::net_device,
        set: c_int,
    ) -> c_int {
        if set != bindings::ethtool_stringset_ETH_SS_STATS as c_int {
            return compat::eopnotsupp().to_errno();
        }
        let mut count: c_int = 0;
        // SAFETY: The stack calls this for a registered device.
        unsafe { Self::ethtool_handle(raw) }
            .data()
            .for_each_counter(&mut |_, _| count = count.wrapping_add(1));
        count
    }

    extern "C" fn get_strings_callback(
        raw: *mut kernel::bindings::net_device,
        set: u32,
        data: *mut u8,
    ) {
        if set != bindings::ethtool_stringset_ETH_SS_STATS {
            return;
        }
        let mut next = data;
        // SAFETY: The stack calls this for a registered device.
        unsafe { Self::ethtool_handle(raw) }
            .data()
            .for_each_counter(&mut |name, _| {
                // SAFETY: The stack has room for as many names as `get_sset_count` said, zeroed.
                let name_bytes = unsafe { core::slice::from_raw_parts_mut(next, STRING_LEN) };
                let (text, _) = name_bytes.split_at_mut(STRING_LEN - 1);
                let _ = Text(text).write_fmt(name);
                next = next.wrapping_add(STRING_LEN);
            });
    }

    extern "C" fn get_ethtool_stats_callback(
        raw: *mut kernel::bindings::net_device,
        _stats: *mut bindings::ethtool_stats,
        data: *mut u64,
    ) {
        let mut next = data;
        // SAFETY: The stack calls this for a registered device.
        unsafe { Self::ethtool_handle(raw) }
            .data()
            .for_each_counter(&mut |_, value| {
                // SAFETY: The stack has room for as many values as `get_sset_count` said.
                unsafe { next.write(value) };
                next = next.wrapping_add(1);
            });
    }
}
