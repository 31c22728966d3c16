// SPDX-License-Identifier: GPL-2.0

//! Tracepoints of what happens to a card. Documentation/tracing.rst explains the events.

use super::xenbus::Device;
use crate::{
    bindings,
    net::device::{
        Handle,
        Operations, //
    },
    tracepoint::tracepoints, //
};
use kernel::{
    device::DeviceContext,
    prelude::*, //
};
use netif::{
    keys::Features,
    rx_plan::Headroom, //
};

tracepoints! {
    /// # Safety
    ///
    /// `vif` must be valid.
    unsafe fn vif_create(vif: *const bindings::xenbus_device);

    /// # Safety
    ///
    /// `vif` and `dev` must be valid.
    unsafe fn vif_realize(
        vif: *const bindings::xenbus_device,
        dev: *const bindings::net_device,
        max_queues: c_uint,
    );

    /// # Safety
    ///
    /// `vif` must be valid.
    unsafe fn vif_frontend_state(vif: *const bindings::xenbus_device, state: c_uint);

    /// # Safety
    ///
    /// `vif` must be valid.
    unsafe fn vif_connect(
        vif: *const bindings::xenbus_device,
        queues: c_uint,
        features: c_uint,
        headroom: c_uint,
    );

    /// # Safety
    ///
    /// `vif` must be valid.
    unsafe fn vif_disconnect(vif: *const bindings::xenbus_device);

    /// # Safety
    ///
    /// `vif` must be valid, and `fault` end with NUL.
    unsafe fn vif_fatal(vif: *const bindings::xenbus_device, fault: *const c_char);

    /// # Safety
    ///
    /// `vif` must be valid.
    unsafe fn vif_unrealize(vif: *const bindings::xenbus_device);

    /// # Safety
    ///
    /// `vif` must be valid.
    unsafe fn vif_destroy(vif: *const bindings::xenbus_device);
}

/// The driver is asked to serve a card.
pub(crate) fn create<C: DeviceContext>(vif: &Device<C>) {
    // SAFETY: By the type invariant.
    unsafe { vif_create(vif.as_raw()) };
}

/// A card has its network device, and waits for the frontend.
pub(crate) fn realize<C: DeviceContext, T: Operations>(
    vif: &Device<C>,
    dev: &Handle<T>,
    max_queues: u16,
) {
    // SAFETY: By the type invariants.
    unsafe { vif_realize(vif.as_raw(), dev.as_raw(), max_queues.into()) };
}

/// The frontend of a card is in another state, by its number.
pub(crate) fn frontend_state<C: DeviceContext>(vif: &Device<C>, state: u32) {
    // SAFETY: By the type invariant.
    unsafe { vif_frontend_state(vif.as_raw(), state) };
}

/// A frontend was connected.
pub(crate) fn connect<C: DeviceContext>(
    vif: &Device<C>,
    queues: usize,
    features: &Features,
    control: bool,
    headroom: Headroom,
) {
    let bits = [
        (features.sg, bindings::xnb_trace_feature_XNB_TRACE_SG),
        (
            features.rx_notify,
            bindings::xnb_trace_feature_XNB_TRACE_RX_NOTIFY,
        ),
        (
            features.no_csum_offload,
            bindings::xnb_trace_feature_XNB_TRACE_NO_CSUM_OFFLOAD,
        ),
        (
            features.ipv6_csum_offload,
            bindings::xnb_trace_feature_XNB_TRACE_IPV6_CSUM_OFFLOAD,
        ),
        (
            features.gso_tcpv4,
            bindings::xnb_trace_feature_XNB_TRACE_GSO_TCPV4,
        ),
        (
            features.gso_tcpv6,
            bindings::xnb_trace_feature_XNB_TRACE_GSO_TCPV6,
        ),
        (control, bindings::xnb_trace_feature_XNB_TRACE_CTRL_RING),
    ];
    let mut features = 0;
    for (has, bit) in bits {
        if has {
            features |= bit;
        }
    }
    // SAFETY: By the type invariant.
    // CAST: There are 256 queues at most.
    unsafe {
        vif_connect(
            vif.as_raw(),
            queues as c_uint,
            features,
            headroom.bytes().into(),
        )
    };
}

/// The connection to a frontend has ended.
pub(crate) fn disconnect<C: DeviceContext>(vif: &Device<C>) {
    // SAFETY: By the type invariant.
    unsafe { vif_disconnect(vif.as_raw()) };
}

/// A frontend is cut off.
pub(crate) fn fatal<C: DeviceContext>(vif: &Device<C>, fault: &CStr) {
    // SAFETY: By the type invariants.
    unsafe { vif_fatal(vif.as_raw(), fault.as_char_ptr()) };
}

/// A card is about to lose its network device.
pub(crate) fn unrealize<C: DeviceContext>(vif: &Device<C>) {
    // SAFETY: By the type invariant.
    unsafe { vif_unrealize(vif.as_raw()) };
}

/// The driver has nothing of a card any more.
pub(crate) fn destroy<C: DeviceContext>(vif: &Device<C>) {
    // SAFETY: By the type invariant.
    unsafe { vif_destroy(vif.as_raw()) };
}
