// SPDX-License-Identifier: GPL-2.0

//! The control ring of a connected frontend.
//!
//! An event has the requests served by deferred work, as they may need memory of the frontend's; it
//! is acknowledged when they are, at most one ring's worth each time.

use super::{
    cutoff::CutOff,
    frontend::ControlKeys,
    hash::Hash, //
};
use crate::{
    net::deferred::{
        Deferred,
        Run, //
    },
    xen::{
        event::{
            Binding,
            Channel,
            Handler, //
        },
        grant::Copied,
        ring::Ring,
        xenbus,
        DomId, //
    },
};
use kernel::{
    device, new_mutex,
    prelude::*,
    static_lock_class,
    str::CString,
    sync::{
        Arc,
        ArcBorrow,
        Mutex, //
    },
};
use netif::{
    control::{
        HashConfig,
        Outcome,
        Request,
        Status,
        COPY_MAX,
        RING_SIZE, //
    },
    eoi::Eoi,
    fault::Fault,
    ring::ControlRing, //
};

/// The mapped ring.
type SharedRing = Ring<{ Request::WORDS }, { RING_SIZE as usize }>;

/// A connected control ring. Dropping it ends the work, closes the channel and unmaps the ring:
/// process context.
pub(super) struct Control {
    binding: Option<Binding<Bell>>,
    work: Arc<Deferred<Server>>,
}

/// The handler of the channel.
struct Bell(Arc<Deferred<Server>>);

/// What serves the requests.
struct Server(Pin<KBox<Mutex<State>>>);

struct State {
    ring: SharedRing,
    indices: ControlRing,
    config: HashConfig,
    queues: u16,
    domid: DomId,
    hash: Arc<Hash>,
    cutoff: Arc<CutOff>,
    fault: Option<Fault>,
    /// The way to answer. It leads back here, so `Control` takes it out.
    channel: Option<Arc<Channel<Bell>>>,
}

impl Control {
    /// Maps the ring and binds the channel of the frontend of `dev`, whose `queues` queues are
    /// connected. May sleep.
    pub(super) fn open(
        dev: &xenbus::Device<device::Bound>,
        keys: &ControlKeys,
        queues: u16,
        name: &str,
        hash: Arc<Hash>,
        cutoff: Arc<CutOff>,
    ) -> Result<Self> {
        let ring = SharedRing::map(dev, keys.ring_ref)?;
        let indices = ControlRing::attach(ring.req_prod(), ring.rsp_prod()).map_err(|_| EINVAL)?;
        let config = HashConfig::new(queues);
        hash.set_key(config.key());
        let state = State {
            ring,
            indices,
            config,
            queues,
            domid: dev.otherend_id(),
            hash,
            cutoff,
            fault: None,
            channel: None,
        };
        let state = KBox::pin_init(new_mutex!(state), GFP_KERNEL)?;
        let work = Arc::pin_init(
            Deferred::new(
                c"xen_netback_rs control",
                static_lock_class!(),
                Server(state),
            ),
            GFP_KERNEL,
        )?;
        let name = CString::try_from_fmt(fmt!("{name}-ctrl"))?;
        let mut control = Self {
            binding: None,
            work: work.clone(),
        };
        let binding = Binding::new(dev, keys.port, name, Bell(work))?;
        control.work.runner().0.lock().channel = Some(binding.channel());
        control.binding = Some(binding);
        // What came before there was a way to answer.
        control.work.schedule();
        Ok(control)
    }

    /// To look at what the frontend has set up. To be dropped before this is.
    pub(super) fn setup(&self) -> Setup {
        Setup(self.work.clone())
    }

    /// Why the frontend is to be cut off.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.work.runner().0.lock().fault
    }
}

/// Looks at what a frontend has set up.
pub(super) struct Setup(Arc<Deferred<Server>>);

impl Setup {
    /// What it has set up by now. Process context: takes the lock under which requests are served.
    pub(super) fn config(&self) -> HashConfig {
        self.0.runner().0.lock().config.clone()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        {
            // Waits for what is being served, which uses the channel; from here on nothing is.
            let mut state = self.work.runner().0.lock();
            state.channel = None;
            state.hash.forget();
        }
        // No event schedules the work any more when that is ended.
        self.binding = None;
        self.work.cancel();
    }
}

impl Handler for Bell {
    fn event(this: ArcBorrow<'_, Channel<Self>>) -> Option<Eoi> {
        this.handler().0.schedule();
        None
    }
}

impl Run for Server {
    fn run(&self) {
        let mut state = self.0.lock();
        let Some(channel) = state.channel.clone() else {
            return;
        };
        if state.fault.is_some() {
            return;
        }
        match state.serve(&channel) {
            Ok(worked) => channel.eoi(if worked { Eoi::Worked } else { Eoi::Spurious }),
            Err(fault) => {
                // The event stays unacknowledged: this frontend is not heard any more.
                state.fault = Some(fault);
                state.cutoff.schedule();
            }
        }
    }
}

impl State {
    /// Serves what is on the ring, and says whether that was anything.
    fn serve(&mut self, channel: &Channel<Bell>) -> Result<bool, Fault> {
        let mut available = self.indices.unconsumed(self.ring.req_prod())?;
        let mut served: u32 = 0;
        // What a frontend adds meanwhile is served too, but not for ever.
        while available > 0 && served < RING_SIZE {
            let old = self.indices.rsp_prod();
            let request = Request::from_words(self.ring.read(self.indices.peek_slot(0)));
            self.indices.consume(1);
            let answer = self.answer(&request);
            self.ring.write(self.indices.answer()?, answer);
            if self.ring.push_responses(old, self.indices.rsp_prod()) {
                channel.notify();
            }
            served = served.wrapping_add(1);
            available = self.indices.unconsumed(self.ring.req_prod())?;
        }
        if available == 0 {
            self.ring.set_req_event(self.indices.req_event_for(1));
            available = self.indices.unconsumed(self.ring.req_prod())?;
        }
        if available > 0 {
            self.again(channel);
        }
        Ok(served > 0)
    }

    /// Has the work done once more.
    fn again(&self, channel: &Channel<Bell>) {
        channel.handler().0.schedule();
    }

    /// The words of the response to a request.
    fn answer(&mut self, request: &Request) -> [u32; 3] {
        let key = *self.config.key();
        let (status, data) = match self.config.request(request) {
            Outcome::Answer(status, data) => (status, data),
            Outcome::Copy(copy) => {
                let bytes = Copied::<COPY_MAX>::new(self.domid, copy.gref, copy.len).ok();
                let bytes = bytes
                    .as_ref()
                    .and_then(|bytes| bytes.as_bytes().get(..usize::from(copy.len)));
                (self.config.copied(&copy, bytes), 0)
            }
        };
        if status == Status::Success {
            // Its table is 1152 words: not for each request.
            if key != *self.config.key() {
                self.hash.set_key(self.config.key());
            }
            self.hash.set(&self.config, self.queues);
        }
        request.answer(status, data)
    }
}
