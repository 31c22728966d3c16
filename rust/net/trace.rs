// SPDX-License-Identifier: GPL-2.0

//! Tracepoints of packets. Documentation/tracing.rst explains the events.

use super::device::{
    Handle,
    Operations, //
};
use crate::{
    bindings,
    tracepoint::tracepoints, //
};
use kernel::prelude::*;
use netif::{
    extra::{
        Gso,
        GsoKind, //
    },
    packet::Checksum, //
};

tracepoints! {
    /// # Safety
    ///
    /// `dev` must be valid.
    unsafe fn vif_guest_tx(
        dev: *const bindings::net_device,
        queue: c_uint,
        len: c_uint,
        slots: c_uint,
        checksum: c_uint,
        gso_type: c_uint,
        gso_size: c_uint,
    );

    /// # Safety
    ///
    /// `dev` must be valid.
    unsafe fn vif_guest_rx(
        dev: *const bindings::net_device,
        queue: c_uint,
        len: c_uint,
        slots: c_uint,
        checksum: c_uint,
        gso_type: c_uint,
        gso_size: c_uint,
    );

    /// # Safety
    ///
    /// `dev` must be valid, and `reason` have `reason_len` bytes.
    unsafe fn vif_guest_tx_error(
        dev: *const bindings::net_device,
        queue: c_uint,
        reason: *const c_char,
        reason_len: c_uint,
    );

    /// # Safety
    ///
    /// `dev` must be valid, and `reason` have `reason_len` bytes.
    unsafe fn vif_guest_rx_error(
        dev: *const bindings::net_device,
        queue: c_uint,
        reason: *const c_char,
        reason_len: c_uint,
    );
}

/// A packet that went on. Any context.
pub(crate) struct PacketEvent {
    /// Its queue.
    pub(crate) queue: u16,
    /// Its length. Bytes.
    pub(crate) len: u32,
    /// The ring entries that it took, extra info included.
    pub(crate) slots: u32,
    /// What was said of its checksum.
    pub(crate) checksum: Checksum,
    /// How it is to be segmented.
    pub(crate) gso: Option<Gso>,
}

impl PacketEvent {
    #[inline(always)]
    fn checksum(&self) -> c_uint {
        match self.checksum {
            Checksum::None => bindings::xnb_trace_checksum_XNB_TRACE_CSUM_NONE,
            Checksum::Blank => bindings::xnb_trace_checksum_XNB_TRACE_CSUM_BLANK,
            Checksum::Validated => bindings::xnb_trace_checksum_XNB_TRACE_CSUM_VALIDATED,
        }
    }

    #[inline(always)]
    fn gso(&self) -> (c_uint, c_uint) {
        match self.gso {
            None => (bindings::XEN_NETIF_GSO_TYPE_NONE, 0),
            Some(gso) => {
                let kind = match gso.kind() {
                    GsoKind::TcpV4 => bindings::XEN_NETIF_GSO_TYPE_TCPV4,
                    GsoKind::TcpV6 => bindings::XEN_NETIF_GSO_TYPE_TCPV6,
                };
                (kind, gso.size().into())
            }
        }
    }
}

/// A packet of the guest's goes to the stack.
#[inline(always)]
pub(crate) fn guest_tx<T: Operations>(dev: &Handle<T>, packet: &PacketEvent) {
    let (gso_type, gso_size) = packet.gso();
    // SAFETY: By the type invariant.
    unsafe {
        vif_guest_tx(
            dev.as_raw(),
            packet.queue.into(),
            packet.len,
            packet.slots,
            packet.checksum(),
            gso_type,
            gso_size,
        );
    };
}

/// The guest has got a packet.
#[inline(always)]
pub(crate) fn guest_rx<T: Operations>(dev: &Handle<T>, packet: &PacketEvent) {
    let (gso_type, gso_size) = packet.gso();
    // SAFETY: By the type invariant.
    unsafe {
        vif_guest_rx(
            dev.as_raw(),
            packet.queue.into(),
            packet.len,
            packet.slots,
            packet.checksum(),
            gso_type,
            gso_size,
        );
    };
}

/// A packet of the guest's is dropped, for the reason that its counter is named after.
#[inline(always)]
pub(crate) fn guest_tx_error<T: Operations>(dev: &Handle<T>, queue: u16, reason: &'static str) {
    // SAFETY: By the type invariant; a `str` has so many bytes.
    // CAST: Names are short.
    unsafe {
        vif_guest_tx_error(
            dev.as_raw(),
            queue.into(),
            reason.as_ptr().cast(),
            reason.len() as c_uint,
        );
    };
}

/// A packet for the guest is dropped, for the reason that its counter is named after.
#[inline(always)]
pub(crate) fn guest_rx_error<T: Operations>(dev: &Handle<T>, queue: u16, reason: &'static str) {
    // SAFETY: As in `guest_tx_error()`.
    // CAST: Names are short.
    unsafe {
        vif_guest_rx_error(
            dev.as_raw(),
            queue.into(),
            reason.as_ptr().cast(),
            reason.len() as c_uint,
        );
    };
}
