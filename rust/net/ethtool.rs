// SPDX-License-Identifier: GPL-2.0

//! What `ethtool` shows of a device (`struct ethtool_ops`).
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
