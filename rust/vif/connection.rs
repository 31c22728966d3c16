// SPDX-License-Identifier: GPL-2.0

//! The connection to one frontend: its rings and event channels, from when they are set up to when
//! everything of the frontend's is given back.

use super::{
    doorbell::{
        Doorbell,
        Serves, //
    },
    frontend::{
        Frontend,
        Ports,
        Refusal, //
    },
    guest_rx,
    guest_tx,
    interface::Interface,
    queue::Queue, //
};
use crate::{
    net::{
        device::Handle,
        rtnl, //
    },
    xen::{
        event::Binding,
        ring::Ring,
        xenbus, //
    },
};
use kernel::{
    device,
    prelude::*,
    str::CString,
    sync::Arc, //
};
use netif::{
    fault::Fault,
    ring::BackRing, //
};

/// The event channels of one queue.
struct Channels {
    guest_tx: Binding<Doorbell>,
    /// When the frontend has one of its own for this direction.
    guest_rx: Option<Binding<Doorbell>>,
}

/// A connection. It must be ended by [`Connection::close`], not by dropping it.
pub(super) struct Connection {
    channels: Channels,
}

impl Connection {
    /// Maps the rings of `frontend`, binds its event channels, and opens the device to the stack.
    /// May sleep; takes the RTNL.
    ///
    /// On an error everything is given back.
    pub(super) fn open(
        dev: &xenbus::Device<device::Bound>,
        netdev: &Handle<Interface>,
        frontend: &Frontend,
    ) -> Result<Self, Refusal> {
        let failed = |what, value| move |err| Refusal::Failed { what, value, err };
        let queue = netdev.data().queue(0).ok_or(Refusal::Failed {
            what: "using queue",
            value: 0,
            err: EINVAL,
        })?;

        let tx_gref = frontend.tx_ring_ref;
        let tx = Ring::map(dev, tx_gref).map_err(failed("mapping tx-ring-ref", tx_gref))?;
        let tx_indices =
            attach(&tx).map_err(failed("attaching to the indices of tx-ring-ref", tx_gref))?;
        let rx_gref = frontend.rx_ring_ref;
        let rx = Ring::map(dev, rx_gref).map_err(failed("mapping rx-ring-ref", rx_gref))?;
        let rx_indices =
            attach(&rx).map_err(failed("attaching to the indices of rx-ring-ref", rx_gref))?;

        let channels = Channels::bind(dev, queue, &netdev.name(), &frontend.ports)?;

        let domid = dev.otherend_id();
        let start = || -> Result {
            let guest_tx = guest_tx::Link::new(tx, tx_indices, channels.guest_tx.channel(), domid)?;
            let guest_rx = guest_rx::Link::new(
                rx,
                rx_indices,
                channels
                    .guest_rx
                    .as_ref()
                    .unwrap_or(&channels.guest_tx)
                    .channel(),
                domid,
                frontend.features.sg,
            )?;

            let mut guard = rtnl::lock();
            let rtnl = guard.token();
            netdev.set_real_queues(1, rtnl)?;
            // As for `Worked::new()`: the binding's own event.
            queue.expect_event();
            queue.guest_tx.state(rtnl)?.attach(guest_tx);
            queue.guest_rx.state(rtnl)?.attach(guest_rx);
            Interface::connect(netdev, &frontend.features, rtnl)
        };

        match start() {
            Ok(()) => Ok(Self { channels }),
            Err(err) => {
                Self { channels }.close(netdev);
                Err(Refusal::Failed {
                    what: "starting queue",
                    value: 0,
                    err,
                })
            }
        }
    }

    /// Why the frontend is to be cut off, if a poll found it to lie. May sleep; takes the RTNL.
    pub(super) fn fault(&self, netdev: &Handle<Interface>) -> Option<Fault> {
        let mut guard = rtnl::lock();
        let rtnl = guard.token();
        let mut fault = None;

        for queue in netdev.data().queues() {
            queue.stop(rtnl);
            fault = fault
                .or_else(|| queue.guest_tx.state(rtnl).ok()?.fault())
                .or_else(|| queue.guest_rx.state(rtnl).ok()?.fault());
            if fault.is_none() && netdev.is_running(rtnl) {
                queue.start(rtnl);
            }
        }
        fault
    }

    /// Closes the device to the stack and gives back everything of the frontend's: when this
    /// returns, its rings are unmapped and its event channels closed. Takes as long as a poll at
    /// most. May sleep; takes the RTNL.
    pub(super) fn close(self, netdev: &Handle<Interface>) {
        {
            let mut guard = rtnl::lock();
            let rtnl = guard.token();
            Interface::disconnect(netdev, rtnl);
            for queue in netdev.data().queues() {
                if let Ok(guest_tx) = queue.guest_tx.state(rtnl) {
                    guest_tx.detach();
                }
                if let Ok(guest_rx) = queue.guest_rx.state(rtnl) {
                    guest_rx.detach();
                }
            }
        }
        // The polls have let go of the rings, which unmapped them, and of the channels: this closes
        // them.
        drop(self.channels);
    }
}

/// Takes up a ring where an earlier backend left it; a fresh ring starts at 0.
fn attach<const WORDS: usize>(ring: &Ring<WORDS>) -> Result<BackRing> {
    BackRing::attach(ring.req_prod(), ring.rsp_prod()).map_err(|_| EINVAL)
}

impl Channels {
    fn bind(
        dev: &xenbus::Device<device::Bound>,
        queue: &Arc<Queue>,
        name: &str,
        ports: &Ports,
    ) -> Result<Self, Refusal> {
        let bind = |what: &'static str, port: u32, suffix: &str, serves| {
            let bound = CString::try_from_fmt(fmt!("{name}-q0{suffix}")).and_then(|name| {
                Binding::new(dev, port, name, Doorbell::new(queue.clone(), serves))
            });
            bound.map_err(|err| Refusal::Failed {
                what,
                value: port,
                err,
            })
        };

        match *ports {
            Ports::Common(port) => Ok(Self {
                guest_tx: bind("binding event-channel", port, "", Serves::Both)?,
                guest_rx: None,
            }),
            Ports::Split { guest_tx, guest_rx } => Ok(Self {
                guest_tx: bind("binding event-channel-tx", guest_tx, "-tx", Serves::GuestTx)?,
                guest_rx: Some(bind(
                    "binding event-channel-rx",
                    guest_rx,
                    "-rx",
                    Serves::GuestRx,
                )?),
            }),
        }
    }
}
