// SPDX-License-Identifier: GPL-2.0

//! The driver: one `vif` for each network card of a guest.
//!
//! ```text
//!   backend      xenbus: states, features, hotplug; makes and ends everything below
//!     connection   one frontend's rings and event channels, from Connected to its end
//!     control      its control ring
//!     debugfs      what an administrator can see of it
//!     cutoff       ends the connection of a frontend that lies
//!   interface    the network device vif<domid>.<handle>
//!     hash         how packets are spread over the guest's queues
//!     multicast    which groups the guest listens to
//!     rate         how much it may send
//!     queue        one queue of it, for as long as the device lives
//!       guest_tx     its poll for what the guest sends
//!       guest_rx     its poll for what is sent to the guest
//!         patience     how long packets wait for a guest that owes buffers
//!       published    what the polls let others see of their state
//!   doorbell     an event channel: which poll an event is for, and when it is acknowledged
//! ```
//!
//! Tx and Rx are the guest's throughout, as in the protocol; only the network device's own counters
//! are the other way round.
//!
//! # Locks
//!
//! `backend`'s mutex is taken first, then the RTNL. Neither is taken in softirq context. A watch and
//! the cut-off work take the mutex, so they are ended without it.

mod backend;
mod connection;
mod control;
mod counters;
mod cutoff;
mod debugfs;
mod doorbell;
mod frontend;
mod guest_rx;
mod guest_tx;
mod hash;
mod interface;
mod multicast;
mod patience;
mod published;
mod queue;
mod rate;

pub(crate) use backend::Backend;
