// SPDX-License-Identifier: GPL-2.0

//! Multicast control: the guest says which groups it listens to, and whether that is to count.
//!
//! The filter is changed by requests on any of the guest's Tx rings, and applied while the frontend's
//! key `request-multicast-control` is 1, which may change at any time.

use crate::{
    net::softirq,
    xen::{
        watch::{
            self,
            Watch, //
        },
        xenbus,
        xenstore, //
    },
};
use kernel::{
    device, new_spinlock,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
};
use netif::{
    keys,
    multicast::{
        Address,
        Change,
        Filter,
        Refused, //
    },
};

/// The frontend's key.
const REQUEST: &CStr = c"request-multicast-control";

/// What a vif's frontend wants of multicast packets.
#[pin_data]
pub(super) struct Multicast {
    applied: Atomic<bool>,
    // Taken in softirq context.
    #[pin]
    filter: SpinLock<Filter>,
}

impl Multicast {
    /// All packets pass.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                applied: Atomic::new(false),
                filter <- new_spinlock!(Filter::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Does the frontend want a packet to this address? Softirq context.
    #[inline]
    pub(super) fn accepts(&self, destination: &Address) -> bool {
        !self.applied.load(Relaxed) || self.filter.lock().accepts(destination)
    }

    /// Changes the filter. Softirq context.
    pub(super) fn change(&self, change: Change) -> Result<(), Refused> {
        self.filter.lock().change(change)
    }

    /// Reads whether the frontend in this directory of xenstore wants the filter applied. May sleep.
    pub(super) fn read_request(&self, frontend: &CStr) {
        // What cannot be read or understood is no request.
        let request = match xenstore::read_optional(frontend, REQUEST) {
            Ok(Some(value)) => keys::parse_u32(value.as_bytes()).unwrap_or(0),
            _ => 0,
        };
        self.applied.store(request != 0, Relaxed);
    }

    /// Forgets the addresses of a frontend that is gone. Process context.
    pub(super) fn forget(&self) {
        softirq::without(|| *self.filter.lock() = Filter::new());
    }
}

/// Looks at the frontend's key.
pub(super) struct Request {
    multicast: Arc<Multicast>,
    frontend: CString,
}

impl Request {
    /// Watches the key of the frontend of `dev`. While none is connected this has no effect: the key
    /// is read again when one is.
    pub(super) fn watch(
        dev: &xenbus::Device<device::Bound>,
        multicast: Arc<Multicast>,
    ) -> Result<Pin<KBox<Watch<Self>>>> {
        let frontend = dev.otherend().to_str().map_err(|_| EINVAL)?;
        let path = CString::try_from_fmt(fmt!("{frontend}/request-multicast-control"))?;
        let frontend = CString::try_from_fmt(fmt!("{frontend}"))?;
        let request = Self {
            multicast,
            frontend,
        };
        KBox::pin_init(Watch::new(path, request), GFP_KERNEL)
    }
}

impl watch::Handler for Request {
    fn changed(&self) {
        self.multicast.read_request(&self.frontend);
    }
}
