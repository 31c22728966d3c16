// SPDX-License-Identifier: GPL-2.0

//! The connection to one frontend: its rings and event channels, from when they are set up to when
//! everything of the frontend's is given back.

use super::{
    control::Control,
    debugfs,
    doorbell::{
        Doorbell,
        Serves, //
    },
    frontend::{
        Frontend,
        FrontendQueue,
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
        event::{
            Binding,
            Channel, //
        },
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
    ring::BackRing,
    rx_plan::Headroom, //
};

/// The event channels of one queue.
struct Channels {
    queue: Arc<Queue>,
    guest_tx: Binding<Doorbell>,
    /// When the frontend has one of its own for this direction.
    guest_rx: Option<Binding<Doorbell>>,
}

/// What the polls of one queue get of a connection.
struct Links {
    guest_tx: guest_tx::Link,
    guest_rx: guest_rx::Link,
}

/// A connection. It must be ended by [`Connection::close`], not by dropping it.
pub(super) struct Connection {
    channels: KVec<Channels>,
    control: Option<Control>,
    /// What is shown of all this; none if debugfs has no room for it.
    files: Option<debugfs::Files>,
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
        let failed = |err| Refusal::Failed {
            what: "connecting queues, of which the frontend has",
            // CAST: At most as many as were offered.
            value: frontend.queues.len() as u32,
            err,
        };
        let count = frontend.queues.len();
        let mut channels =
            KVec::with_capacity(count, GFP_KERNEL).map_err(|err| failed(err.into()))?;
        let mut links = KVec::with_capacity(count, GFP_KERNEL).map_err(|err| failed(err.into()))?;
        let mut shown = KVec::with_capacity(count, GFP_KERNEL).map_err(|err| failed(err.into()))?;

        for (queue, keys) in netdev.data().queues().iter().zip(&frontend.queues) {
            let (bound, link, io_ring) = Self::set_up(dev, netdev, queue, keys, frontend)?;
            channels
                .push_within_capacity(bound)
                .map_err(|_| failed(ENOMEM))?;
            links
                .push_within_capacity(link)
                .map_err(|_| failed(ENOMEM))?;
            shown
                .push_within_capacity(io_ring)
                .map_err(|_| failed(ENOMEM))?;
        }

        netdev.data().multicast.read_request(dev.otherend());
        let mut this = Self {
            channels,
            control: None,
            files: None,
        };
        let started = this
            .start(netdev, frontend, links)
            .map_err(failed)
            .and_then(|()| this.open_control(dev, netdev, frontend));
        match started {
            Ok(()) => {
                let control = this.control.as_ref().map(Control::setup);
                this.files = debugfs::Files::new(&netdev.data().name, shown, control).ok();
                Ok(this)
            }
            Err(refusal) => {
                this.close(netdev);
                Err(refusal)
            }
        }
    }

    /// Connects the control ring, if the frontend has one: last, as requests depend on how many
    /// queues there are.
    fn open_control(
        &mut self,
        dev: &xenbus::Device<device::Bound>,
        netdev: &Handle<Interface>,
        frontend: &Frontend,
    ) -> Result<(), Refusal> {
        let (Some(keys), Some(Channels { queue, .. })) = (&frontend.control, self.channels.first())
        else {
            return Ok(());
        };
        let control = Control::open(
            dev,
            keys,
            // CAST: At most as many as were offered.
            self.channels.len() as u16,
            &netdev.name(),
            netdev.data().hash.clone(),
            queue.cutoff.clone(),
        )
        .map_err(|err| Refusal::Failed {
            what: "connecting ctrl-ring-ref",
            value: keys.ring_ref,
            err,
        })?;
        self.control = Some(control);
        Ok(())
    }

    /// Maps the rings of one queue and binds its event channels.
    fn set_up(
        dev: &xenbus::Device<device::Bound>,
        netdev: &Handle<Interface>,
        queue: &Arc<Queue>,
        keys: &FrontendQueue,
        frontend: &Frontend,
    ) -> Result<(Channels, Links, debugfs::IoRing), Refusal> {
        let failed = |what, value| move |err| Refusal::Failed { what, value, err };

        let tx_gref = keys.tx_ring_ref;
        let tx = Ring::map(dev, tx_gref).map_err(failed("mapping tx-ring-ref", tx_gref))?;
        let tx_indices =
            attach(&tx).map_err(failed("attaching to the indices of tx-ring-ref", tx_gref))?;
        let rx_gref = keys.rx_ring_ref;
        let rx = Ring::map(dev, rx_gref).map_err(failed("mapping rx-ring-ref", rx_gref))?;
        let rx_indices =
            attach(&rx).map_err(failed("attaching to the indices of rx-ring-ref", rx_gref))?;

        // Until the polls do.
        queue.tx_position.publish(&tx_indices);
        queue.rx_position.publish(&rx_indices);
        let io_ring = debugfs::IoRing {
            queue: queue.clone(),
            guest_tx: tx.observer(),
            guest_rx: rx.observer(),
            rate: netdev.data().rate.clone(),
        };

        let channels = Channels::bind(dev, queue, &netdev.name(), &keys.ports)?;
        let index = queue.index();
        let starting = failed("starting queue", index.into());
        let domid = dev.otherend_id();
        let links = Links {
            guest_tx: guest_tx::Link::new(tx, tx_indices, channels.guest_tx(), domid)
                .map_err(starting)?,
            guest_rx: guest_rx::Link::new(rx, rx_indices, channels.guest_rx(), domid, frontend)
                .map_err(starting)?,
        };
        Ok((channels, links, io_ring))
    }

    /// Gives the polls their ends of the connection, and opens the device to the stack.
    fn start(&self, netdev: &Handle<Interface>, frontend: &Frontend, links: KVec<Links>) -> Result {
        let mut guard = rtnl::lock();
        let rtnl = guard.token();
        // CAST: At most as many as were offered.
        netdev.set_real_queues(links.len() as u32, rtnl)?;
        for (channels, links) in self.channels.iter().zip(links) {
            let queue = &channels.queue;
            // As for `Worked::new()`: the binding's own event.
            queue.expect_event();
            queue.guest_tx.state(rtnl)?.attach(links.guest_tx);
            queue.guest_rx.state(rtnl)?.attach(links.guest_rx);
            let interrupt = channels.guest_tx().interrupt();
            queue.guest_tx.set_interrupt(interrupt, rtnl);
            let interrupt = channels.guest_rx().interrupt();
            queue.guest_rx.set_interrupt(interrupt, rtnl);
        }
        // CAST: As above.
        Interface::connect(netdev, &frontend.features, self.channels.len() as u16, rtnl);
        Ok(())
    }

    /// Why the frontend is to be cut off, if a poll found it to lie. May sleep; takes the RTNL.
    pub(super) fn fault(&self, netdev: &Handle<Interface>) -> Option<Fault> {
        let mut guard = rtnl::lock();
        let rtnl = guard.token();
        let mut fault = self.control.as_ref().and_then(Control::fault);

        Interface::stop_polls(netdev, rtnl);
        for Channels { queue, .. } in &self.channels {
            fault = fault
                .or_else(|| queue.guest_tx.state(rtnl).ok()?.fault())
                .or_else(|| queue.guest_rx.state(rtnl).ok()?.fault());
        }
        if fault.is_none() {
            Interface::start_polls(netdev, rtnl);
        }
        fault
    }

    /// Leaves the frontend another headroom. May sleep; takes the RTNL.
    pub(super) fn set_headroom(&self, netdev: &Handle<Interface>, headroom: Headroom) {
        let mut guard = rtnl::lock();
        let rtnl = guard.token();
        Interface::stop_polls(netdev, rtnl);
        for Channels { queue, .. } in &self.channels {
            if let Ok(guest_rx) = queue.guest_rx.state(rtnl) {
                guest_rx.set_headroom(headroom);
            }
        }
        Interface::start_polls(netdev, rtnl);
    }

    /// Closes the device to the stack and gives back everything of the frontend's: when this
    /// returns, its rings are unmapped and its event channels closed. Takes as long as a poll at
    /// most. May sleep; takes the RTNL.
    pub(super) fn close(self, netdev: &Handle<Interface>) {
        drop(self.files);
        drop(self.control);
        {
            let mut guard = rtnl::lock();
            let rtnl = guard.token();
            Interface::disconnect(netdev, rtnl);
            for Channels { queue, .. } in &self.channels {
                queue.guest_tx.set_interrupt(None, rtnl);
                queue.guest_rx.set_interrupt(None, rtnl);
                if let Ok(guest_tx) = queue.guest_tx.state(rtnl) {
                    guest_tx.detach();
                }
                if let Ok(guest_rx) = queue.guest_rx.state(rtnl) {
                    guest_rx.detach();
                }
            }
        }
        netdev.data().multicast.forget();
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
    fn guest_tx(&self) -> Arc<Channel<Doorbell>> {
        self.guest_tx.channel()
    }

    fn guest_rx(&self) -> Arc<Channel<Doorbell>> {
        self.guest_rx.as_ref().unwrap_or(&self.guest_tx).channel()
    }

    fn bind(
        dev: &xenbus::Device<device::Bound>,
        queue: &Arc<Queue>,
        name: &str,
        ports: &Ports,
    ) -> Result<Self, Refusal> {
        let index = queue.index();
        let bind = |what: &'static str, port: u32, suffix: &str, serves| {
            let bound = CString::try_from_fmt(fmt!("{name}-q{index}{suffix}")).and_then(|name| {
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
                queue: queue.clone(),
                guest_tx: bind("binding event-channel", port, "", Serves::Both)?,
                guest_rx: None,
            }),
            Ports::Split { guest_tx, guest_rx } => Ok(Self {
                queue: queue.clone(),
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
