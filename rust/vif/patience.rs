// SPDX-License-Identifier: GPL-2.0

//! How long packets wait for a guest that owes buffers.
//!
//! A packet that has waited for the drain timeout is dropped, so a guest that does not receive ties
//! up neither memory nor the sockets of those who send to it. A guest that still owes buffers after
//! the stall timeout loses its carrier, until it posts them.

use crate::{
    net::clock::{
        to_nsecs,
        Tick, //
    },
    parameters,
};
use kernel::time::{
    msecs_to_jiffies,
    Jiffies, //
};
use netif::keys;

/// `netif.h`: without `feature-rx-notify` the backend "cannot safely queue packets (as it may not be
/// kicked to send them)". This long they wait all the same. Milliseconds.
const DRAIN_WITHOUT_NOTIFY: u32 = 30;

/// How often such a frontend's ring is looked at for buffers meanwhile. Milliseconds.
const LOOK_WITHOUT_NOTIFY: u32 = 10;

/// What a frontend is granted. Ticks.
pub(super) struct Patience {
    drain: Jiffies,
    /// None if the administrator wants none, or the frontend does not say when it posted buffers:
    /// it may well have.
    stall: Option<Jiffies>,
    look: Option<Jiffies>,
}

impl Patience {
    /// For a frontend with these features.
    pub(super) fn with(features: &keys::Features) -> Self {
        if features.rx_notify {
            Self {
                drain: parameters::rx_drain_timeout(),
                stall: parameters::rx_stall_timeout(),
                look: None,
            }
        } else {
            Self {
                drain: msecs_to_jiffies(DRAIN_WITHOUT_NOTIFY),
                stall: None,
                look: Some(msecs_to_jiffies(LOOK_WITHOUT_NOTIFY)),
            }
        }
    }

    /// Has a packet waited for too long?
    pub(super) fn is_over(&self, queued: Tick, now: Tick) -> bool {
        queued.elapsed(now) >= self.drain
    }
}

/// Buffers that a guest owes.
pub(super) struct Debt {
    wanted: u32,
    since: Tick,
    stalled: bool,
}

impl Debt {
    /// A guest has too few buffers for a packet that needs `wanted`.
    pub(super) fn new(wanted: u32, now: Tick) -> Self {
        Self {
            wanted,
            since: now,
            stalled: false,
        }
    }

    /// What waits now, or what may come, needs `wanted` buffers.
    pub(super) fn want(&mut self, wanted: u32) {
        self.wanted = wanted;
    }

    /// Since when it is owed.
    pub(super) fn since(&self) -> Tick {
        self.since
    }

    /// How many buffers are needed.
    pub(super) fn wanted(&self) -> u32 {
        self.wanted
    }

    /// Did this debt stall the queue?
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Is this the moment from which the queue counts as stalled?
    pub(super) fn stalls(&mut self, patience: &Patience, now: Tick) -> bool {
        let over = patience
            .stall
            .is_some_and(|stall| self.since.elapsed(now) >= stall);
        let stalls = over && !self.stalled;
        self.stalled |= over;
        stalls
    }

    /// When to look again, if no event comes before, with a packet waiting that was queued at
    /// `queued`. Nanoseconds from `now`.
    pub(super) fn look_again(
        &self,
        patience: &Patience,
        queued: Option<Tick>,
        now: Tick,
    ) -> Option<u64> {
        let left = |limit: Jiffies, start: Tick| limit.saturating_sub(start.elapsed(now)).max(1);
        let drain = queued.map(|queued| left(patience.drain, queued));
        let look = patience.look.filter(|_| queued.is_some());
        let stall = patience
            .stall
            .filter(|_| !self.stalled && queued.is_some())
            .map(|stall| left(stall, self.since));
        [drain, look, stall]
            .into_iter()
            .flatten()
            .min()
            .map(to_nsecs)
    }
}
