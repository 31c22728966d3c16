// SPDX-License-Identifier: GPL-2.0

//! Spreading packets over a guest's queues by the hash that its frontend set up.
//!
//! Whoever sends reads what the control ring writes, without a lock: each word is there as it was
//! before or after a change. A packet that is sent in the middle of one may get a hash that is
//! neither's, and goes to a queue that is there all the same.

use crate::net::skb::SkBuff;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
};
use netif::{
    control::{
        HashConfig,
        MAPPING_MAX, //
    },
    extra::FlowHash,
    flow::{
        self,
        Wanted,
        HEADERS_MAX, //
    },
    toeplitz::{
        self,
        Key,
        TABLE_LEN, //
    },
};

/// What senders look at.
pub(super) struct Hash {
    /// The flags of [`Wanted`]; 0 when the stack chooses the queues.
    wanted: Atomic<u32>,
    queues: Atomic<u32>,
    entries: Atomic<u32>,
    mapping: [Atomic<u32>; MAPPING_MAX],
    table: [Atomic<u32>; TABLE_LEN],
}

impl Hash {
    /// The stack chooses.
    pub(super) fn new() -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                wanted: Atomic::new(0),
                queues: Atomic::new(1),
                entries: Atomic::new(0),
                mapping: [const { Atomic::new(0) }; MAPPING_MAX],
                table: [const { Atomic::new(0) }; TABLE_LEN],
            },
            GFP_KERNEL,
        )?)
    }

    /// Takes over a frontend's key, with the next [`Hash::set`].
    pub(super) fn set_key(&self, key: &Key) {
        for (index, word) in (0..TABLE_LEN).zip(&self.table) {
            word.store(toeplitz::word(key, index), Relaxed);
        }
    }

    /// Takes over what else a frontend with `queues` queues has set up.
    pub(super) fn set(&self, config: &HashConfig, queues: u16) {
        for (to, from) in self.mapping.iter().zip(config.mapping()) {
            to.store(u32::from(*from), Relaxed);
        }
        // CAST: At most 128.
        self.entries.store(config.mapping().len() as u32, Relaxed);
        self.queues.store(queues.max(1).into(), Relaxed);
        // ORDERING: Whoever sees that a hash is wanted sees all of the above.
        self.wanted.store(config.wanted().flags(), Release);
    }

    /// Leaves it to the stack again.
    pub(super) fn forget(&self) {
        self.wanted.store(0, Relaxed);
    }

    /// The hash of a packet, if the frontend wants one for such packets.
    pub(super) fn of(&self, skb: &SkBuff) -> Option<FlowHash> {
        let wanted = Wanted::from_raw(self.wanted.load(Acquire));
        if wanted.is_none() {
            return None;
        }
        let mut headers = [0; HEADERS_MAX];
        let input = flow::input(skb.read(&mut headers), wanted)?;
        let word = |index: usize| self.table.get(index).map_or(0, |word| word.load(Relaxed));
        Some(FlowHash {
            kind: input.kind,
            value: toeplitz::hash(input.bytes(), word),
        })
    }

    /// The queue for a packet, or `None` when the stack is to choose.
    pub(super) fn queue(&self, skb: &SkBuff) -> Option<u16> {
        if self.wanted.load(Relaxed) == 0 {
            return None;
        }
        // "If no hash can be calculated" a packet goes where a hash of 0 would.
        let hash = self.of(skb).map_or(0, |hash| hash.value);
        let queue = match core::num::NonZeroU32::new(self.entries.load(Relaxed)) {
            Some(entries) => self
                .mapping
                .get((hash % entries) as usize)
                .map_or(0, |queue| queue.load(Relaxed)),
            None => core::num::NonZeroU32::new(self.queues.load(Relaxed))
                .map_or(0, |queues| hash % queues),
        };
        // CAST: Both are numbers of queues.
        Some(queue as u16)
    }
}
