// SPDX-License-Identifier: GPL-2.0

//! The module's parameters, with the names, defaults and permissions of Linux's xen-netback.
//!
//! They are declared in C (`rust/bindings/xnb_params.c`), as the `module!` macro cannot show one in
//! sysfs.

use crate::bindings;

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
