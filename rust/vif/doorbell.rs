// SPDX-License-Identifier: GPL-2.0

//! An event channel of a frontend's: which polls an event is for, and when it is acknowledged.
//!
//! An event is acknowledged when the polls that it is for are done, and as spurious when none of
//! them has had anything to do since the last one was: a frontend has to pay for each event with a
//! request that was served. One that was served before its event came in, by a poll that was under
//! way, is paid for all the same.

use super::queue::Queue;
use crate::xen::event::{
    Channel,
    Handler, //
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
use netif::eoi::{
    Direction,
    Eoi,
    EoiWord, //
};

/// What an event channel is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    GuestTx,
    GuestRx,
    Both,
}

/// The handler of an event channel.
pub(super) struct Doorbell {
    queue: Arc<Queue>,
    serves: Serves,
    eoi: Atomic<u32>,
}

impl Doorbell {
    /// A doorbell of `queue`.
    pub(super) fn new(queue: Arc<Queue>, serves: Serves) -> Self {
        Self {
            queue,
            serves,
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

/// Has a poll done anything since the last event that it was for?
pub(super) struct Worked(bool);

impl Worked {
    /// For a new connection. Its first event is Xen's own, for the binding of the channel.
    pub(super) const fn new() -> Self {
        Self(true)
    }

    /// Notes that it has done `work`.
    #[inline]
    pub(super) fn add(&mut self, work: u32) {
        self.0 |= work > 0;
    }

    /// The poll of direction `dir` has nothing more to do: acknowledges the event that it was for,
    /// if no other poll still works on it.
    pub(super) fn finish(&mut self, channel: &Channel<Doorbell>, dir: Direction) {
        let (awaited, eoi) = channel.handler().update(|word| {
            let (next, eoi) = word.finish(dir, self.0);
            (next, (next != word, eoi))
        });
        if awaited {
            self.0 = false;
        }
        if let Some(eoi) = eoi {
            channel.eoi(eoi);
        }
    }
}

impl Handler for Doorbell {
    fn event(this: ArcBorrow<'_, Channel<Self>>) -> Option<Eoi> {
        let bell = this.handler();
        let tx = bell.serves != Serves::GuestRx;
        let for_rx = bell.serves != Serves::GuestTx;
        // Buffers are only news to a poll that ran out of them.
        let rx = for_rx && bell.queue.wants_buffers();
        let due = for_rx && !rx && bell.queue.take_due_event();
        if !tx && !rx {
            return Some(if due { Eoi::Worked } else { Eoi::Spurious });
        }

        bell.update(|word| {
            let mut word = word;
            if due {
                // As if the poll that asked for the event finished with it just now.
                (word, _) = word.arrive(tx, true).finish(Direction::GuestRx, true);
            }
            (word.arrive(tx, rx), ())
        });
        if tx {
            bell.queue.guest_tx.schedule();
        }
        if rx {
            bell.queue.guest_rx.schedule();
        }
        None
    }
}
