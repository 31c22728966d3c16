// SPDX-License-Identifier: GPL-2.0

//! An event channel of a frontend's: which poll an event is for, and when it is acknowledged.

use super::queue::Queue;
use crate::xen::{
    event::{
        Channel,
        Handler, //
    },
    ring::Ring, //
};
use kernel::sync::{
    atomic::{
        Atomic,
        Full,
        Relaxed, //
    },
    Arc,
    ArcBorrow, //
};
use netif::{
    eoi::{
        Direction,
        Eoi,
        EoiWord, //
    },
    wire::{
        RxRequest,
        TxRequest, //
    },
};

/// One ring that the channel announces requests on, and how far they were announced.
struct Announced<const WORDS: usize> {
    ring: Ring<WORDS>,
    // Only written by the interrupt, which does not run twice at once.
    req_prod: Atomic<u32>,
}

impl<const WORDS: usize> Announced<WORDS> {
    fn new(ring: Ring<WORDS>) -> Self {
        let req_prod = Atomic::new(ring.req_prod());
        Self { ring, req_prod }
    }

    /// Did the frontend post requests since this was called last?
    #[inline]
    fn advanced(&self) -> bool {
        let now = self.ring.req_prod();
        if now == self.req_prod.load(Relaxed) {
            return false;
        }
        self.req_prod.store(now, Relaxed);
        true
    }
}

/// What an event channel is for: guest Tx, guest Rx, or both.
pub(super) struct Doorbell {
    queue: Arc<Queue>,
    guest_tx: Option<Announced<{ TxRequest::WORDS }>>,
    guest_rx: Option<Announced<{ RxRequest::WORDS }>>,
    eoi: Atomic<u32>,
}

impl Doorbell {
    /// A doorbell of `queue` for the rings that are given.
    pub(super) fn new(
        queue: Arc<Queue>,
        guest_tx: Option<Ring<{ TxRequest::WORDS }>>,
        guest_rx: Option<Ring<{ RxRequest::WORDS }>>,
    ) -> Self {
        Self {
            queue,
            guest_tx: guest_tx.map(Announced::new),
            guest_rx: guest_rx.map(Announced::new),
            eoi: Atomic::new(EoiWord::default().into_raw()),
        }
    }

    /// Replaces the word of polls that the event waits for.
    fn update<R>(&self, f: impl Fn(EoiWord) -> (EoiWord, R)) -> R {
        let mut old = self.eoi.load(Relaxed);
        loop {
            let (new, result) = f(EoiWord::from_raw(old));
            // Ends: the only others that write are the interrupt and one poll of each direction,
            // once for each event.
            match self.eoi.cmpxchg(old, new.into_raw(), Full) {
                Ok(_) => return result,
                Err(now) => old = now,
            }
        }
    }
}

/// The poll of direction `dir` has nothing more to do: acknowledges the event that it was for, if
/// no other poll still works on it.
pub(super) fn finish(channel: &Channel<Doorbell>, dir: Direction) {
    // Whoever announced new requests did not ring for nothing, also if a poll that was under way
    // had taken them already.
    let eoi = channel.handler().update(|word| word.finish(dir, true));
    if let Some(eoi) = eoi {
        channel.eoi(eoi);
    }
}

impl Handler for Doorbell {
    fn event(this: ArcBorrow<'_, Channel<Self>>) -> Option<Eoi> {
        let bell = this.handler();
        let tx_posted = bell.guest_tx.as_ref().is_some_and(Announced::advanced);
        let rx_posted = bell.guest_rx.as_ref().is_some_and(Announced::advanced);
        if !tx_posted && !rx_posted {
            return Some(Eoi::Spurious);
        }

        // Buffers are only news to a poll that ran out of them.
        let rx_wanted = rx_posted && bell.queue.wants_buffers();
        if !tx_posted && !rx_wanted {
            return Some(Eoi::Worked);
        }

        bell.update(|word| (word.arrive(tx_posted, rx_wanted), ()));
        if tx_posted {
            bell.queue.guest_tx.schedule();
        }
        if rx_wanted {
            bell.queue.guest_rx.schedule();
        }
        None
    }
}
