// SPDX-License-Identifier: GPL-2.0

//! The toolstack's limit of what a guest may send, over all queues of its card.

use crate::{
    net::clock,
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
    device,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use netif::{
    credit::Limit,
    keys, //
};

/// The key in the backend's directory.
const RATE: &CStr = c"rate";

/// How long a queue waits at most before it looks at the limit again, which may have been lifted.
/// Nanoseconds.
const WAIT_MAX: u64 = 100_000_000;

/// A limit, and how much of it is used.
pub(super) struct RateLimit {
    limit: Atomic<u64>,
    used: Atomic<u64>,
}

/// The limit as it is for one poll.
pub(super) struct Allowance<'a> {
    limit: Limit,
    now: u64,
    shared: &'a RateLimit,
}

impl RateLimit {
    /// No limit.
    pub(super) fn new() -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                limit: Atomic::new(Limit::NONE.into_raw()),
                used: Atomic::new(0),
            },
            GFP_KERNEL,
        )?)
    }

    /// What may be sent now. Any context.
    #[inline]
    pub(super) fn now(&self) -> Allowance<'_> {
        let limit = Limit::from_raw(self.limit.load(Relaxed));
        let now = if limit.is_none() {
            0
        } else {
            clock::monotonic()
        };
        Allowance {
            limit,
            now,
            shared: self,
        }
    }

    /// The limit (bytes per second), and how far ahead of it the guest is (nanoseconds); `None`
    /// without one. Any context.
    pub(super) fn standing(&self) -> Option<(u64, u64)> {
        let rate = Limit::from_raw(self.limit.load(Relaxed)).bytes_per_second()?;
        let ahead = Limit::ahead(self.used.load(Relaxed), clock::monotonic());
        Some((rate, ahead))
    }
}

impl Allowance<'_> {
    /// May a packet be sent?
    ///
    /// # Errors
    ///
    /// How long to wait. Nanoseconds.
    #[inline]
    pub(super) fn ready(&self) -> Result<(), u64> {
        if self.limit.is_none() {
            return Ok(());
        }
        self.limit
            .ready(self.shared.used.load(Relaxed), self.now)
            .map_err(|wait| wait.min(WAIT_MAX))
    }

    /// Charges a packet of `len` bytes.
    #[inline]
    pub(super) fn charge(&self, len: u32) {
        if self.limit.is_none() {
            return;
        }
        let mut used = self.shared.used.load(Relaxed);
        // Ends: each queue charges once for each packet.
        while let Err(now) =
            self.shared
                .used
                .cmpxchg(used, self.limit.charge(used, self.now, len), Relaxed)
        {
            used = now;
        }
    }
}

/// Looks at the toolstack's key.
pub(super) struct Toolstack {
    rate: Arc<RateLimit>,
    dev: ARef<xenbus::Device>,
}

impl Toolstack {
    /// Watches the key of `dev`: the limit follows it.
    pub(super) fn watch(
        dev: &xenbus::Device<device::Core<'_>>,
        rate: Arc<RateLimit>,
    ) -> Result<Pin<KBox<Watch<Self>>>> {
        let path = CString::try_from_fmt(fmt!("{}/rate", dev.nodename_text()))?;
        let toolstack = Self {
            rate,
            dev: dev.into(),
        };
        KBox::pin_init(Watch::new(path, toolstack), GFP_KERNEL)
    }

    /// The limit that the key asks for: none, if it is not there or makes no sense.
    fn read(&self) -> Limit {
        let Ok(Some(value)) = xenstore::read_optional(self.dev.nodename(), RATE) else {
            return Limit::NONE;
        };
        match keys::parse_rate(value.as_bytes()) {
            Ok(rate) => Limit::new(rate),
            Err(_) => {
                dev_warn!(
                    self.dev.as_ref(),
                    "rate = {}: not <bytes>,<microseconds>, so there is no limit\n",
                    value.quoted()
                );
                Limit::NONE
            }
        }
    }
}

impl watch::Handler for Toolstack {
    fn changed(&self) {
        let limit = self.read();
        // What was used is time, which a new rate need not wait for.
        self.rate.used.store(0, Relaxed);
        self.rate.limit.store(limit.into_raw(), Relaxed);
    }
}
