// SPDX-License-Identifier: GPL-2.0

//! What the polls of a queue let others see of their state, without being disturbed: each value as it
//! was when the last poll ended.

use super::patience::Debt;
use crate::net::{
    clock::Tick,
    skb::SkBuff, //
};
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Relaxed,
    Release, //
};
use netif::ring::BackRing;

/// Where a poll is on its ring. The default is a fresh ring.
pub(super) struct Position(Atomic<u64>);

impl Position {
    pub(super) fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Publishes it. The poll, or who attaches it to the ring.
    #[inline]
    pub(super) fn publish(&self, indices: &BackRing) {
        // In one word, so that they are seen as they belong together.
        let word = u64::from(indices.req_cons()) << 32 | u64::from(indices.rsp_prod());
        self.0.store(word, Relaxed);
    }

    /// The request to be consumed next, and the response to be produced next.
    pub(super) fn get(&self) -> (u32, u32) {
        let word = self.0.load(Relaxed);
        // CAST: One half, and the other.
        ((word >> 32) as u32, word as u32)
    }
}

/// What the guest owes. The default is nothing.
pub(super) struct Owed {
    /// Buffers; 0 if none.
    buffers: Atomic<u32>,
    since: Atomic<usize>,
    stalled: Atomic<bool>,
    /// What the packet that waits for them ties up, 0 if none does. Bytes.
    held: Atomic<u32>,
}

/// A debt.
pub(super) struct Owes {
    /// How many buffers are missing for the next packet, along with those that are there.
    pub(super) buffers: u32,
    /// Since when.
    pub(super) since: Tick,
    /// Is the queue stalled for it?
    pub(super) stalled: bool,
}

impl Owed {
    pub(super) fn new() -> Self {
        Self {
            buffers: Atomic::new(0),
            since: Atomic::new(0),
            stalled: Atomic::new(false),
            held: Atomic::new(0),
        }
    }

    /// Publishes what is owed, and the packet that waits for it. The poll, or who has stopped it.
    #[inline]
    pub(super) fn publish(&self, debt: Option<&Debt>, held: Option<&SkBuff>) {
        self.held.store(held.map_or(0, SkBuff::truesize), Relaxed);
        if let Some(debt) = debt {
            self.since.store(debt.since().into_raw(), Relaxed);
            self.stalled.store(debt.is_stalled(), Relaxed);
        }
        // ORDERING: Whoever sees the debt sees of when it is, or of when a later one is.
        self.buffers.store(debt.map_or(0, Debt::wanted), Release);
    }

    /// The debt, if there is one.
    pub(super) fn get(&self) -> Option<Owes> {
        let buffers = self.buffers.load(Acquire);
        (buffers > 0).then(|| Owes {
            buffers,
            since: Tick::from_raw(self.since.load(Relaxed)),
            stalled: self.stalled.load(Relaxed),
        })
    }

    /// What the packet that waits for buffers ties up, if one does. Bytes.
    pub(super) fn held(&self) -> Option<u32> {
        Some(self.held.load(Relaxed)).filter(|held| *held > 0)
    }
}
