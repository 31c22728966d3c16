// SPDX-License-Identifier: GPL-2.0

//! Late end-of-interrupt of an event channel that may serve both directions.
//!
//! An event is not acknowledged when it arrives but when the work it announced is done: until
//! then the channel stays silent, whatever the guest does. A frontend without
//! `feature-split-event-channels` has one channel for both directions, whose polls end at
//! different times and on different CPUs; the one that ends last acknowledges, and reports the event
//! as spurious only if *no* direction found work.
//!
//! The word is a plain value here. The driver keeps it in an atomic variable and replaces it by
//! compare-and-exchange.

/// A direction of the guest's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the guest.
    GuestTx,
    /// To the guest.
    GuestRx,
}

/// How an event is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eoi {
    /// There was something to do.
    Worked,
    /// There was nothing to do: `XEN_EOI_FLAG_SPURIOUS`, for which the guest's channel is slowed
    /// down when it happens often.
    Spurious,
}

/// The poll of guest Tx has to finish before the EOI.
const TX_PENDING: u32 = 1;
/// The poll of guest Rx has to finish before the EOI.
const RX_PENDING: u32 = 2;
/// A poll that finished had worked.
const WORKED: u32 = 4;

impl Direction {
    /// Returns the bit that stands for a poll of this direction.
    #[inline]
    const fn pending(self) -> u32 {
        match self {
            Self::GuestTx => TX_PENDING,
            Self::GuestRx => RX_PENDING,
        }
    }
}

/// Which polls an event still waits for, and whether one of them had worked.
///
/// 0, the default, is a channel without an unacknowledged event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EoiWord(u32);

impl EoiWord {
    /// Takes the word from its atomic variable.
    #[inline]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Returns the word for its atomic variable.
    #[inline]
    pub const fn into_raw(self) -> u32 {
        self.0
    }

    /// An event arrived, and the polls of these directions were scheduled for it: they must
    /// finish before the EOI.
    ///
    /// With neither of them the word stays as it is, and the EOI is up to the caller. The word is to
    /// be stored before the polls are scheduled, lest one finishes before it is marked.
    #[inline]
    #[must_use]
    pub const fn arrive(self, tx_scheduled: bool, rx_scheduled: bool) -> EoiWord {
        let mut word = self.0;
        if tx_scheduled {
            word |= TX_PENDING;
        }
        if rx_scheduled {
            word |= RX_PENDING;
        }
        EoiWord(word)
    }

    /// The poll of `dir` finished: it has nothing more to do, and will run again only after another
    /// event.
    ///
    /// Returns the new word, and the EOI if this was the last poll that the event waited for. A poll
    /// that no event waits for changes nothing.
    #[inline]
    #[must_use]
    pub const fn finish(self, dir: Direction, worked: bool) -> (EoiWord, Option<Eoi>) {
        let bit = dir.pending();
        if self.0 & bit == 0 {
            return (self, None);
        }
        let mut word = self.0 & !bit;
        if worked {
            word |= WORKED;
        }
        if word & (TX_PENDING | RX_PENDING) != 0 {
            return (EoiWord(word), None);
        }
        let eoi = if word & WORKED != 0 {
            Eoi::Worked
        } else {
            Eoi::Spurious
        };
        (EoiWord(0), Some(eoi))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{
        GuestRx,
        GuestTx, //
    };

    #[test]
    fn one_direction() {
        for dir in [GuestTx, GuestRx] {
            for (worked, eoi) in [(true, Eoi::Worked), (false, Eoi::Spurious)] {
                let word = EoiWord::default().arrive(dir == GuestTx, dir == GuestRx);
                assert_eq!(word.finish(dir, worked), (EoiWord(0), Some(eoi)));
            }
        }
    }

    #[test]
    fn spurious_only_if_no_direction_worked() {
        for (tx, rx, eoi) in [
            (false, false, Eoi::Spurious),
            (true, false, Eoi::Worked),
            (false, true, Eoi::Worked),
            (true, true, Eoi::Worked),
        ] {
            let arrived = EoiWord::default().arrive(true, true);
            let (word, none) = arrived.finish(GuestTx, tx);
            assert_eq!(none, None);
            assert_eq!(word.finish(GuestRx, rx), (EoiWord(0), Some(eoi)));
            let (word, none) = arrived.finish(GuestRx, rx);
            assert_eq!(none, None);
            assert_eq!(word.finish(GuestTx, tx), (EoiWord(0), Some(eoi)));
        }
    }

    #[test]
    fn polls_without_an_event_change_nothing() {
        let idle = EoiWord::default();
        assert_eq!(idle.finish(GuestTx, true), (idle, None));
        assert_eq!(idle.arrive(false, false), idle);
        let tx_only = idle.arrive(true, false);
        assert_eq!(tx_only.finish(GuestRx, true), (tx_only, None));
    }

    #[test]
    fn survives_its_atomic_variable() {
        for raw in 0..8 {
            assert_eq!(EoiWord::from_raw(raw).into_raw(), raw);
        }
    }
}
