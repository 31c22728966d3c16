// SPDX-License-Identifier: GPL-2.0

//! The xenbus side of a vif: its states, what it offers, and the toolstack's hotplug.

use super::{
    connection::Connection,
    cutoff,
    frontend::{
        Frontend,
        Refusal, //
    },
    interface::Interface,
    multicast,
    rate, //
};
use crate::{
    compat,
    net::device::Registration,
    parameters,
    xen::{
        trace,
        watch::{
            self,
            Watch, //
        },
        xenbus::{
            self,
            Outcome, //
        },
        xenstore::{
            self,
            Transaction, //
        },
    },
};
use kernel::{
    device,
    device_id::IdArray,
    fmt, new_mutex,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
};
use netif::{
    keys,
    xenbus_state::{
        self,
        Step, //
    },
};

/// The key by which the toolstack's script says that the network device is where it belongs.
const HOTPLUG_STATUS: &CStr = c"hotplug-status";

/// Set to 1 for frontends to see: what this backend can do.
const FEATURES: [&CStr; 8] = [
    c"feature-sg",
    c"feature-gso-tcpv4",
    c"feature-gso-tcpv6",
    c"feature-ipv6-csum-offload",
    c"feature-rx-copy",
    c"feature-ctrl-ring",
    c"feature-multicast-control",
    c"feature-dynamic-multicast-control",
];

static IDS: IdArray<xenbus::DeviceId, (), 1> = compat::id_table(xenbus::DeviceId::new(c"vif"));

/// The driver of `vif` backends.
pub(crate) struct Backend;

/// The driver's data of one vif.
pub(crate) struct Vif {
    shared: Arc<Shared>,
    script: xenstore::Value,
}

/// What callbacks from xenbus, the watch and the cut-off have in common.
#[pin_data]
pub(super) struct Shared {
    dev: ARef<xenbus::Device>,
    #[pin]
    state: Mutex<State>,
}

struct State {
    /// Where the backend is. What the frontend sees is the same, except that Connected waits for
    /// the hotplug script.
    own: xenbus_state::Backend,
    /// Has Connected been published for this connection?
    published: bool,
    connection: Option<Connection>,
    // These two refer back to `Shared`; `Shared::dismantle` takes them out.
    netdev: Option<Registration<Interface>>,
    hotplug: Option<Pin<KBox<Watch<Hotplug>>>>,
    // To drop a watch is to wait for the xenwatch thread, which takes the mutex: as above.
    rate: Option<Pin<KBox<Watch<rate::Toolstack>>>>,
    multicast: Option<Pin<KBox<Watch<multicast::Request>>>>,
}

/// Waits for the toolstack's script.
struct Hotplug(Arc<Shared>);

impl watch::Handler for Hotplug {
    fn changed(&self) {
        self.0.publish_connected(&mut self.0.state.lock());
    }
}

impl xenbus::Driver for Backend {
    type Data = Vif;

    const IDS: xenbus::IdTable = &IDS;

    fn probe(dev: &xenbus::Device<device::Core<'_>>) -> Result<Vif> {
        trace::create(dev);
        let script = xenstore::read(dev.nodename(), c"script").inspect_err(|err| {
            dev.report_error(*err, fmt!("reading script failed: the toolstack writes it"));
        })?;
        let shared = Arc::pin_init(
            pin_init!(Shared {
                dev: dev.into(),
                state <- new_mutex!(State {
                    own: xenbus_state::Backend::InitWait,
                    published: false,
                    connection: None,
                    netdev: None,
                    hotplug: None,
                    rate: None,
                    multicast: None,
                }),
            }),
            GFP_KERNEL,
        )?;

        if let Err(err) = shared.set_up(dev) {
            shared.dismantle();
            return Err(err);
        }
        let vif = Vif { shared, script };
        vif.hotplug_event(dev, true);
        Ok(vif)
    }

    fn frontend_changed(
        dev: &xenbus::Device<device::Core<'_>>,
        vif: Pin<&Vif>,
        frontend: Result<xenbus_state::State, u32>,
    ) -> Outcome {
        trace::frontend_state(
            dev,
            frontend.map_or_else(|number| number, |known| known as u32),
        );
        let shared = &vif.shared;
        let mut state = shared.state.lock();

        let steps = match frontend {
            Ok(frontend) => xenbus_state::steps(state.own, frontend),
            Err(_) => &[Step::Complain],
        };
        for step in steps {
            match step {
                Step::Connect => {
                    if let Err(refusal) = shared.connect(dev, &mut state) {
                        dev.report_error(refusal.error(), fmt!("{refusal}"));
                        shared.publish(&mut state, xenbus_state::Backend::Closing);
                        break;
                    }
                }
                Step::Disconnect => state.disconnect(&shared.dev),
                Step::Reconfigure => {
                    if let Err(refusal) = state.reconfigure(dev) {
                        dev.report_error(refusal.error(), fmt!("{refusal}"));
                        state.disconnect(&shared.dev);
                        shared.publish(&mut state, xenbus_state::Backend::Closing);
                        break;
                    }
                }
                Step::Publish(xenbus_state::Backend::Connected) => {
                    state.own = xenbus_state::Backend::Connected;
                    state.published = false;
                    shared.publish_connected(&mut state);
                }
                Step::Publish(own) => shared.publish(&mut state, *own),
                Step::ReleaseIfOffline if dev.is_online() => (),
                Step::ReleaseIfOffline | Step::Release => return Outcome::Unregister,
                Step::Complain => {
                    let number = frontend.map_or_else(|number| number, |known| known as u32);
                    dev.report_error(
                        EINVAL,
                        fmt!("frontend wrote state = {number}: not one to answer"),
                    );
                    state.disconnect(&shared.dev);
                    shared.publish(&mut state, xenbus_state::Backend::Closing);
                }
            }
        }
        Outcome::Keep
    }

    fn unbind(dev: &xenbus::Device<device::Core<'_>>, vif: Pin<&Vif>) {
        // The script of the next driver, if there is one, has to say again that it is done.
        xenstore::remove(dev.nodename(), HOTPLUG_STATUS);
        vif.hotplug_event(dev, false);
        trace::unrealize(dev);
        vif.shared.dismantle();
    }
}

impl Drop for Vif {
    fn drop(&mut self) {
        // Already done if the vif was bound and unbound.
        self.shared.dismantle();
        trace::destroy(&self.shared.dev);
    }
}

impl Vif {
    /// Tells udev that the vif is there, or that it is about to go. libxl runs the script by
    /// itself; XAPI by a udev rule for this event.
    fn hotplug_event(&self, dev: &xenbus::Device, online: bool) {
        let name = match &self.shared.state.lock().netdev {
            Some(netdev) => netdev.handle().name(),
            None => return,
        };
        let script = core::str::from_utf8(self.script.as_bytes()).unwrap_or("");
        if let Err(err) = dev.hotplug_event(online, script, &name) {
            dev.report_error(err, fmt!("sending the hotplug event failed"));
        }
    }
}

impl Shared {
    /// Makes the network device, says what the backend can do, and waits for the frontend.
    fn set_up(self: &Arc<Self>, dev: &xenbus::Device<device::Core<'_>>) -> Result {
        let handle = handle(dev)?;
        check_mac(dev)?;
        let cutoff = cutoff::new(self.clone())?;
        let max_queues = parameters::max_queues();
        let netdev = Interface::register(dev, dev.otherend_id(), handle, max_queues, &cutoff)
            .inspect_err(|err| {
                dev.report_error(*err, fmt!("making the network device failed"));
            })?;
        let rate = rate::Toolstack::watch(dev, netdev.handle().data().rate.clone())?;
        let multicast = multicast::Request::watch(dev, netdev.handle().data().multicast.clone())?;
        {
            let mut state = self.state.lock();
            state.netdev = Some(netdev);
            state.rate = Some(rate);
            state.multicast = Some(multicast);
        }

        offer(dev, max_queues).inspect_err(|err| {
            dev.report_error(*err, fmt!("writing the backend's features failed"));
        })?;

        let path = CString::try_from_fmt(fmt!("{}/hotplug-status", dev.nodename_text()))?;
        let hotplug = Watch::new(path, Hotplug(self.clone()));
        let hotplug = KBox::pin_init(hotplug, GFP_KERNEL)?;
        self.state.lock().hotplug = Some(hotplug);

        if let Some(netdev) = &self.state.lock().netdev {
            trace::realize(dev, netdev.handle(), max_queues);
        }
        // The network device is there before the toolstack is told to run its script on it.
        dev.switch_state(xenbus_state::State::InitWait)
    }

    /// Publishes the backend's state; Connected has [`Shared::publish_connected`].
    fn publish(&self, state: &mut State, own: xenbus_state::Backend) {
        state.own = own;
        state.published = false;
        // xenbus has logged an error, and there is nobody else to tell.
        let _ = self.dev.switch_state(own.as_state());
    }

    /// Publishes Connected as soon as there is a connection and the script is done.
    fn publish_connected(&self, state: &mut State) {
        let is_connected = state.connection.is_some() && !state.published;
        // A frontend that reconfigures waits for Reconfigured, and says itself when it saw that.
        if !is_connected || state.own != xenbus_state::Backend::Connected {
            return;
        }
        match xenstore::read_optional(self.dev.nodename(), HOTPLUG_STATUS) {
            Ok(Some(status)) if status.as_bytes() == b"connected" => (),
            _ => return,
        }
        state.published = self
            .dev
            .switch_state(xenbus_state::State::Connected)
            .is_ok();
    }

    /// Connects to the frontend.
    fn connect(
        &self,
        dev: &xenbus::Device<device::Core<'_>>,
        state: &mut State,
    ) -> Result<(), Refusal> {
        let Some(netdev) = &state.netdev else {
            return Ok(());
        };
        let frontend = Frontend::read(dev, netdev.handle().data().max_queues())?;
        state.connection = Some(Connection::open(dev, netdev.handle(), &frontend)?);
        trace::connect(
            dev,
            frontend.queues.len(),
            &frontend.features,
            frontend.control.is_some(),
            frontend.headroom,
        );
        state.own = xenbus_state::Backend::Connected;
        self.publish_connected(state);
        Ok(())
    }

    /// Ends the connection of a frontend that a poll found to lie. A frontend that comes after it
    /// is served again.
    pub(super) fn cut_off(&self) {
        let mut state = self.state.lock();
        let (Some(connection), Some(netdev)) = (&state.connection, &state.netdev) else {
            return;
        };
        let Some(fault) = connection.fault(netdev.handle()) else {
            return;
        };
        if let Ok(text) = CString::try_from_fmt(fmt!("{}", Plain(fault))) {
            trace::fatal(&self.dev, &text);
        }
        let name = netdev.handle().name();
        self.dev.report_error(
            compat::eproto(),
            fmt!("{}: frontend cut off: {}", &*name, Plain(fault)),
        );
        state.disconnect(&self.dev);
        self.publish(&mut state, xenbus_state::Backend::Closing);
    }

    /// Gives back everything, in whatever state of setting up or serving this is.
    fn dismantle(&self) {
        let (watches, netdev) = {
            let mut state = self.state.lock();
            state.disconnect(&self.dev);
            let watches = (
                state.hotplug.take(),
                state.rate.take(),
                state.multicast.take(),
            );
            (watches, state.netdev.take())
        };
        // Without the mutex, which the xenwatch thread and the cut-off take.
        drop(watches);
        drop(netdev);
    }
}

impl State {
    /// Takes over what a connected frontend changed.
    fn reconfigure(&self, dev: &xenbus::Device<device::Core<'_>>) -> Result<(), Refusal> {
        if let (Some(connection), Some(netdev)) = (&self.connection, &self.netdev) {
            connection.set_headroom(netdev.handle(), Frontend::read_headroom(dev)?);
        }
        Ok(())
    }

    /// Ends the connection, if there is one.
    fn disconnect(&mut self, dev: &xenbus::Device) {
        self.published = false;
        if let (Some(connection), Some(netdev)) = (self.connection.take(), &self.netdev) {
            connection.close(netdev.handle());
            trace::disconnect(dev);
        }
    }
}

/// Shows a value of the protocol crate's, which knows nothing of the kernel's formatting.
struct Plain<T>(T);

impl<T: core::fmt::Display> fmt::Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

/// The number of the card among the guest's.
fn handle(dev: &xenbus::Device<device::Core<'_>>) -> Result<u32> {
    let value = xenstore::read(dev.nodename(), c"handle").inspect_err(|err| {
        dev.report_error(*err, fmt!("reading handle failed: the toolstack writes it"));
    })?;
    keys::parse_u32(value.as_bytes()).map_err(|_| {
        dev.report_error(EINVAL, fmt!("handle = {}: not a number", value.quoted()));
        EINVAL
    })
}

/// The guest's address is the toolstack's to choose and the frontend's to use; all there is to do
/// here is to say so when it is none.
fn check_mac(dev: &xenbus::Device<device::Core<'_>>) -> Result {
    let Some(value) = xenstore::read_optional(dev.nodename(), c"mac")? else {
        return Ok(());
    };
    if keys::parse_mac(value.as_bytes()).is_err() {
        dev.report_error(
            EINVAL,
            fmt!(
                "mac = {}: not of the form 00:16:3e:00:00:01",
                value.quoted()
            ),
        );
        return Err(EINVAL);
    }
    Ok(())
}

/// Writes what this backend can do, all of it or nothing.
fn offer(dev: &xenbus::Device<device::Core<'_>>, max_queues: u16) -> Result {
    let dir = dev.nodename();
    let split = u32::from(parameters::separate_tx_rx_irq());
    let headroom = u32::from(parameters::provides_xdp_headroom());

    Transaction::run(|transaction| {
        for key in FEATURES {
            transaction.write(dir, key, fmt!("1"))?;
        }
        transaction.write(dir, c"feature-rx-flip", fmt!("0"))?;
        transaction.write(dir, c"feature-xdp-headroom", fmt!("{headroom}"))?;
        transaction.write(dir, c"multi-queue-max-queues", fmt!("{max_queues}"))?;
        transaction.write(dir, c"feature-split-event-channels", fmt!("{split}"))
    })
}
