// SPDX-License-Identifier: GPL-2.0

//! Index arithmetic of a back ring.
//!
//! Indices are free running 32-bit numbers that wrap; an entry's place in the ring is the index
//! modulo [`RING_SIZE`]. Of the four indices on the shared page the frontend writes `req_prod` and
//! `rsp_event`, and both may hold anything at any time.
//!
//! ```text
//!      rsp_prod            req_cons            req_prod        rsp_prod + RING_SIZE
//! --------+-------------------+-------------------+-------------------+--------
//!         | consumed, not yet |     unconsumed    |   free for the    |
//!         |     answered      |                   |     frontend      |
//! ```
//!
//! C header: [`include/xen/interface/io/ring.h`](srctree/include/xen/interface/io/ring.h)

use crate::{
    control,
    fault::Fault,
    wire::RING_SIZE, //
};

/// Tells whether the frontend asked to hear of one of the responses `old_rsp_prod..new_rsp_prod`.
///
/// `rsp_event` is to be read after `new_rsp_prod` was made visible, with a full barrier in between:
/// "front sees new resps /before/ we check `rsp_event`" (`RING_PUSH_RESPONSES_AND_CHECK_NOTIFY`).
/// It is the index that the producer has to pass; the response that carries it past is the one at
/// `rsp_event - 1`.
#[inline]
#[must_use]
pub fn must_notify(old_rsp_prod: u32, new_rsp_prod: u32, rsp_event: u32) -> bool {
    new_rsp_prod.wrapping_sub(rsp_event) < new_rsp_prod.wrapping_sub(old_rsp_prod)
}

/// The backend's private indices of a ring of `SIZE` entries, a power of two.
///
/// # Invariants
///
/// `req_cons` is 0 to `SIZE` entries ahead of `rsp_prod`, as long as the caller keeps to the terms of
/// [`Indices::consume`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indices<const SIZE: u32> {
    req_cons: u32,
    rsp_prod: u32,
}

/// Those of a Tx ring or an Rx ring.
pub type BackRing = Indices<RING_SIZE>;

/// Those of a control ring.
pub type ControlRing = Indices<{ control::RING_SIZE }>;

impl<const SIZE: u32> Indices<SIZE> {
    /// Takes an index to its place in the ring.
    const MASK: u32 = {
        assert!(SIZE.is_power_of_two());
        SIZE - 1
    };

    /// Returns the place in the ring of the entry at `index`, always less than `SIZE`.
    #[inline]
    pub fn slot(index: u32) -> usize {
        // CAST: Less than the number of entries of a page.
        (index & Self::MASK) as usize
    }

    /// Takes up a ring where the responses stand, like `BACK_RING_ATTACH`.
    ///
    /// A frontend that was there before may have left the ring in the middle; the requests from
    /// `rsp_prod` on are still unanswered.
    ///
    /// # Errors
    ///
    /// [`Fault::RequestOverflow`] if more requests are posted than the ring has entries.
    #[inline]
    pub fn attach(req_prod: u32, rsp_prod: u32) -> Result<Self, Fault> {
        // INVARIANT: Nothing is consumed yet.
        let ring = Self {
            req_cons: rsp_prod,
            rsp_prod,
        };
        ring.unconsumed(req_prod)?;
        Ok(ring)
    }

    /// Returns the number of requests, at most `SIZE`, between the consumer and `req_prod`
    /// as just read from the shared page.
    ///
    /// "Ill-behaved frontend determination: Can there be this many requests?"
    /// (`RING_REQUEST_PROD_OVERFLOW`)
    ///
    /// # Errors
    ///
    /// [`Fault::RequestOverflow`] if `req_prod` is more than `SIZE` ahead of the responses,
    /// or behind what was consumed.
    #[inline]
    pub fn unconsumed(&self, req_prod: u32) -> Result<u32, Fault> {
        let posted = req_prod.wrapping_sub(self.rsp_prod);
        let consumed = self.req_cons.wrapping_sub(self.rsp_prod);
        if posted > SIZE {
            return Err(self.overflow(req_prod));
        }
        match posted.checked_sub(consumed) {
            Some(unconsumed) => Ok(unconsumed),
            None => Err(self.overflow(req_prod)),
        }
    }

    /// Makes the fault, off the hot path.
    #[cold]
    fn overflow(&self, req_prod: u32) -> Fault {
        Fault::RequestOverflow {
            req_prod,
            rsp_prod: self.rsp_prod,
        }
    }

    /// Returns the index of the next request to consume.
    #[inline]
    pub fn req_cons(&self) -> u32 {
        self.req_cons
    }

    /// Returns the index of the next response, which is what the shared `rsp_prod` becomes when
    /// the responses so far are pushed.
    #[inline]
    pub fn rsp_prod(&self) -> u32 {
        self.rsp_prod
    }

    /// Returns the place in the ring of the request `ahead` entries after the next one to consume,
    /// always less than `SIZE`.
    #[inline]
    pub fn peek_slot(&self, ahead: u32) -> usize {
        Self::slot(self.req_cons.wrapping_add(ahead))
    }

    /// Consumes `n` requests: no more than [`Indices::unconsumed`] counted.
    ///
    /// The private index is all that changes; the caller holds copies of the requests.
    #[inline]
    pub fn consume(&mut self, n: u32) {
        // INVARIANT: `unconsumed()` leaves room for `n` up to `rsp_prod + SIZE`.
        self.req_cons = self.req_cons.wrapping_add(n);
    }

    /// Returns the place in the ring of the next response, and moves past it.
    ///
    /// `netif.h`: "responses always appear in the same ring slot as their corresponding request".
    /// As responses are made in the order of the requests, this is that slot.
    ///
    /// # Errors
    ///
    /// [`Fault::ResponseOverflow`] if every consumed request is answered.
    #[inline]
    pub fn answer(&mut self) -> Result<usize, Fault> {
        if self.rsp_prod == self.req_cons {
            return Err(Fault::ResponseOverflow);
        }
        let place = Self::slot(self.rsp_prod);
        // INVARIANT: `rsp_prod` was behind `req_cons`, so it does not get ahead of it.
        self.rsp_prod = self.rsp_prod.wrapping_add(1);
        Ok(place)
    }

    /// Returns the `req_event` that makes the frontend notify as soon as `wanted` unconsumed
    /// requests exist.
    ///
    /// `RING_FINAL_CHECK_FOR_REQUESTS` is this with `wanted` 1, which is also what 0 is taken for.
    /// To be published before a last look at `req_prod`, with a full barrier in between.
    #[inline]
    pub fn req_event_for(&self, wanted: u32) -> u32 {
        self.req_cons.wrapping_add(wanted.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the interesting indices are.
    const STARTS: [u32; 6] = [0, 1, 255, 0x8000_0000, u32::MAX - 255, u32::MAX];

    #[test]
    fn slots_wrap_with_the_index() {
        for (index, place) in [
            (0, 0),
            (1, 1),
            (255, 255),
            (256, 0),
            (u32::MAX, 255),
            (u32::MAX - 255, 0),
        ] {
            assert_eq!(BackRing::slot(index), place);
        }
    }

    #[test]
    fn attach_takes_up_what_was_left() {
        for start in STARTS {
            for left in [0, 1, 255, 256] {
                let req_prod = start.wrapping_add(left);
                let ring = BackRing::attach(req_prod, start).unwrap();
                assert_eq!(ring.req_cons(), start);
                assert_eq!(ring.rsp_prod(), start);
                assert_eq!(ring.unconsumed(req_prod), Ok(left));
            }
            for lie in [257, 258, 0x8000_0000, u32::MAX - 1, u32::MAX] {
                let req_prod = start.wrapping_add(lie);
                assert_eq!(
                    BackRing::attach(req_prod, start),
                    Err(Fault::RequestOverflow {
                        req_prod,
                        rsp_prod: start
                    })
                );
            }
        }
    }

    #[test]
    fn unconsumed_counts_from_the_consumer() {
        for start in STARTS {
            // 10 requests were consumed, 4 of them answered.
            let mut ring = BackRing::attach(start.wrapping_add(10), start).unwrap();
            ring.consume(10);
            for _ in 0..4 {
                ring.answer().unwrap();
            }
            for (posted, unconsumed) in [
                (10, Some(0)),
                (11, Some(1)),
                (260, Some(250)),
                // One more than the ring has entries without an answer.
                (261, None),
                // Behind the consumer.
                (9, None),
                (4, None),
                // Behind the responses.
                (3, None),
                (0x8000_0000, None),
            ] {
                let req_prod = start.wrapping_add(posted);
                let fault = Fault::RequestOverflow {
                    req_prod,
                    rsp_prod: start.wrapping_add(4),
                };
                assert_eq!(ring.unconsumed(req_prod), unconsumed.ok_or(fault));
            }
        }
    }

    #[test]
    fn answers_stay_behind_requests() {
        for start in STARTS {
            let mut ring = BackRing::attach(start.wrapping_add(256), start).unwrap();
            assert_eq!(ring.answer(), Err(Fault::ResponseOverflow));
            ring.consume(256);
            for i in 0..256 {
                assert_eq!(ring.answer(), Ok(BackRing::slot(start.wrapping_add(i))));
            }
            assert_eq!(ring.answer(), Err(Fault::ResponseOverflow));
            assert_eq!(ring.rsp_prod(), ring.req_cons());
        }
    }

    #[test]
    fn peeks_and_events_count_from_the_consumer() {
        let mut ring = BackRing::attach(u32::MAX, u32::MAX - 3).unwrap();
        assert_eq!(ring.peek_slot(0), 252);
        ring.consume(2);
        assert_eq!(ring.peek_slot(0), 254);
        assert_eq!(ring.peek_slot(1), 255);
        assert_eq!(ring.peek_slot(2), 0);
        assert_eq!(ring.req_event_for(1), u32::MAX);
        assert_eq!(ring.req_event_for(2), 0);
        assert_eq!(ring.req_event_for(17), 15);
        // Never an event that has passed already.
        assert_eq!(ring.req_event_for(0), u32::MAX);
    }

    #[test]
    fn notifies_when_the_event_is_passed() {
        for old in STARTS {
            let at = |n: u32| old.wrapping_add(n);
            for (new, event, notify) in [
                (0, 0, false),
                (0, 1, false),
                (1, 1, true),
                (1, 2, false),
                (1, 0, false),
                (5, 1, true),
                (5, 5, true),
                (5, 6, false),
                (5, u32::MAX, false),
                (256, 256, true),
                (256, 257, false),
                (256, 0x8000_0000, false),
            ] {
                assert_eq!(must_notify(old, at(new), at(event)), notify);
            }
        }
    }
}
