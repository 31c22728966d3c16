// SPDX-License-Identifier: GPL-2.0

//! The module's parameters, with the names, defaults and permissions of Linux's xen-netback.
//!
//! They are declared in C (`rust/bindings/xnb_params.c`), as the `module!` macro cannot show one in
//! sysfs.

use crate::bindings;
use kernel::time::{
    msecs_to_jiffies,
    Jiffies, //
};
use netif::tx_chain::FATAL_SLOTS_MIN;

/// What a vif gets at most when nobody says otherwise. Queues.
const QUEUES_DEFAULT_MAX: u32 = 8;

/// What a vif gets at most whatever anybody says. Queues.
const QUEUES_LIMIT: u32 = 256;

/// Fills in the default that depends on the machine, and raises what is too small, so that sysfs
/// shows what counts. To be called once, before the driver is registered.
pub(crate) fn init() {
    // SAFETY: The variables are valid; nobody but root, through sysfs, accesses them meanwhile.
    unsafe {
        let max_queues = &raw mut bindings::xnb_max_queues;
        if max_queues.read_volatile() == 0 {
            max_queues.write_volatile(queues_by_default());
        }
        let fatal_slots = &raw mut bindings::xnb_fatal_skb_slots;
        fatal_slots.write_volatile(fatal_slots.read_volatile().max(FATAL_SLOTS_MIN));
    };
}

/// One queue for each CPU, up to 8.
fn queues_by_default() -> u32 {
    // SAFETY: Only reads a counter.
    unsafe { bindings::xnb_num_online_cpus() }.clamp(1, QUEUES_DEFAULT_MAX)
}

/// `max_queues`: how many queues a vif that is made now may have, 1 to 256.
pub(crate) fn max_queues() -> u16 {
    // SAFETY: The variable is valid; a change by root that races with this is seen or not.
    let queues = match unsafe { (&raw const bindings::xnb_max_queues).read_volatile() } {
        0 => queues_by_default(),
        queues => queues.min(QUEUES_LIMIT),
    };
    // CAST: At most 256.
    queues as u16
}

/// `rx_drain_timeout_msecs`: how long a packet may wait for a guest's buffers.
pub(crate) fn rx_drain_timeout() -> Jiffies {
    // SAFETY: The variable is valid, and constant once the module is loaded.
    msecs_to_jiffies(unsafe { (&raw const bindings::xnb_rx_drain_timeout_msecs).read_volatile() })
}

/// `rx_stall_timeout_msecs`: how long a guest may owe buffers before it loses its carrier; `None`
/// (0) for as long as it likes.
pub(crate) fn rx_stall_timeout() -> Option<Jiffies> {
    // SAFETY: The variable is valid, and constant once the module is loaded.
    match unsafe { (&raw const bindings::xnb_rx_stall_timeout_msecs).read_volatile() } {
        0 => None,
        msecs => Some(msecs_to_jiffies(msecs)),
    }
}

/// `provides_xdp_headroom`: offer frontends room for XDP before each packet.
pub(crate) fn provides_xdp_headroom() -> bool {
    // SAFETY: The variable is valid; a change by root that races with this is seen or not.
    unsafe { (&raw const bindings::xnb_provides_xdp_headroom).read_volatile() }
}

/// `separate_tx_rx_irq`: offer frontends one event channel for each direction.
pub(crate) fn separate_tx_rx_irq() -> bool {
    // SAFETY: The variable is valid; a change by root that races with this is seen or not.
    unsafe { (&raw const bindings::xnb_separate_tx_rx_irq).read_volatile() }
}

/// `fatal_skb_slots`: a packet with more slots after the first than this is an attack. Slots.
pub(crate) fn fatal_skb_slots() -> u32 {
    // SAFETY: The variable is valid, and constant once the module is loaded.
    unsafe { (&raw const bindings::xnb_fatal_skb_slots).read_volatile() }
}
