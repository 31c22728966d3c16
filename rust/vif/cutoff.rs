// SPDX-License-Identifier: GPL-2.0

//! Cutting off a frontend that lies about its rings.
//!
//! A poll that finds the lie notes it in its state and does not serve the frontend any more. What
//! the administrator and the guest see of it, and the end of the connection, need process context:
//! this is the way there.

use super::backend::Shared;
use crate::net::deferred::{
    Deferred,
    Run, //
};
use kernel::{
    prelude::*,
    static_lock_class,
    sync::Arc, //
};

/// Ends the connection of a vif if one of its polls found a fault. Scheduled by that poll.
pub(super) type CutOff = Deferred<EndConnection>;

/// What the work does.
pub(super) struct EndConnection(Arc<Shared>);

impl Run for EndConnection {
    fn run(&self) {
        self.0.cut_off();
    }
}

/// The cut-off of the vif that `shared` is of.
pub(super) fn new(shared: Arc<Shared>) -> Result<Arc<CutOff>> {
    Arc::pin_init(
        Deferred::new(
            c"xen_netback_rs cut-off",
            static_lock_class!(),
            EndConnection(shared),
        ),
        GFP_KERNEL,
    )
}
