// SPDX-License-Identifier: GPL-2.0

//! The responses of one batch of guest Tx requests.
//!
//! Every entry that is taken off the Tx ring is answered by one response, in order, extra-info
//! entries included. They are collected while packets are parsed, amended when the copies of their
//! bytes fail, and written to the ring in one go.

use core::ops::Range;

use crate::wire::{
    Status,
    TxResponse,
    RING_SIZE, //
};

/// Responses that fit: as many as a batch, which is one snapshot of the ring, can need.
// CAST: 256 fits any `usize`.
const CAPACITY: usize = RING_SIZE as usize;

/// What will be written to the Tx ring, one response for each consumed entry, in order.
///
/// # Invariants
///
/// `len` is not more than the capacity of 256 responses.
#[derive(Clone, Debug)]
pub struct Answers {
    list: [TxResponse; CAPACITY],
    len: usize,
}

impl Answers {
    /// Makes an empty list.
    #[inline]
    pub const fn new() -> Self {
        const UNUSED: TxResponse = TxResponse {
            id: 0,
            status: Status::Null,
        };
        // INVARIANT: 0 is not more than 256.
        Self {
            list: [UNUSED; CAPACITY],
            len: 0,
        }
    }

    /// Empties the list for the next batch.
    #[inline]
    pub fn clear(&mut self) {
        // INVARIANT: 0 is not more than 256.
        self.len = 0;
    }

    /// Returns the number of responses.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there is nothing to answer.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the response to a request: [`Status::Okay`], unless [`Answers::fail`] comes to it.
    ///
    /// Ignored when the list is full, which a batch that fits the ring cannot make it.
    #[inline]
    pub fn push_request(&mut self, id: u16) {
        self.push(TxResponse {
            id,
            status: Status::Okay,
        });
    }

    /// Appends the response to an extra-info entry: [`Status::Null`] and id 0, because "extra info
    /// data overlays the usual request/response structures, there is no id information in the
    /// opposite direction".
    ///
    /// Ignored when the list is full, which a batch that fits the ring cannot make it.
    #[inline]
    pub fn push_extra(&mut self) {
        self.push(TxResponse {
            id: 0,
            status: Status::Null,
        });
    }

    #[inline]
    fn push(&mut self, response: TxResponse) {
        if let Some(place) = self.list.get_mut(self.len) {
            *place = response;
            // INVARIANT: `len` was an index into the list, hence less than 256.
            self.len = self.len.wrapping_add(1);
        }
    }

    /// Turns the response to every request in `range` (as counted by [`Answers::len`]) into
    /// [`Status::Error`]. Extra-info entries stay [`Status::Null`]; what lies past the end of the
    /// list is ignored.
    #[inline]
    pub fn fail(&mut self, range: Range<usize>) {
        let end = range.end.min(self.len);
        if let Some(responses) = self.list.get_mut(range.start..end) {
            for response in responses {
                if response.status != Status::Null {
                    response.status = Status::Error;
                }
            }
        }
    }

    /// Iterates over the responses in the order of the entries they answer.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = TxResponse> + '_ {
        self.list.iter().take(self.len).copied()
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Returns the ids and statuses in a list.
    fn content(answers: &Answers) -> Vec<(u16, Status)> {
        answers.iter().map(|r| (r.id, r.status)).collect()
    }

    #[test]
    fn keeps_order() {
        let mut answers = Answers::new();
        assert!(answers.is_empty());
        answers.push_request(7);
        answers.push_extra();
        answers.push_request(u16::MAX);
        assert_eq!(answers.len(), 3);
        assert_eq!(
            content(&answers),
            [
                (7, Status::Okay),
                (0, Status::Null),
                (u16::MAX, Status::Okay)
            ]
        );
        answers.clear();
        assert!(answers.is_empty());
        assert_eq!(answers.iter().count(), 0);
        answers.push_request(8);
        assert_eq!(content(&answers), [(8, Status::Okay)]);
    }

    #[test]
    fn fails_requests_but_not_extras() {
        // R E R R
        let list = || {
            let mut answers = Answers::new();
            answers.push_request(0);
            answers.push_extra();
            answers.push_request(2);
            answers.push_request(3);
            answers
        };
        let [okay, error, null] = [Status::Okay, Status::Error, Status::Null];
        for (range, expected) in [
            (0..0, [okay, null, okay, okay]),
            (0..1, [error, null, okay, okay]),
            (0..2, [error, null, okay, okay]),
            (1..3, [okay, null, error, okay]),
            (0..4, [error, null, error, error]),
            (3..100, [okay, null, okay, error]),
            (4..100, [okay, null, okay, okay]),
            (100..200, [okay, null, okay, okay]),
            (usize::MAX..usize::MAX, [okay, null, okay, okay]),
            #[expect(clippy::reversed_empty_ranges, reason = "what a wrong caller may pass")]
            (3..1, [okay, null, okay, okay]),
        ] {
            let mut answers = list();
            answers.fail(range.clone());
            assert_eq!(answers.len(), 4);
            let statuses: Vec<_> = answers.iter().map(|r| r.status).collect();
            assert_eq!(statuses, expected, "{range:?}");
        }
    }

    #[test]
    fn failing_does_not_reach_the_next_batch() {
        let mut answers = Answers::new();
        answers.push_request(1);
        answers.fail(0..256);
        answers.clear();
        answers.push_request(2);
        answers.fail(1..256);
        answers.push_request(3);
        assert_eq!(content(&answers), [(2, Status::Okay), (3, Status::Okay)]);
    }

    #[test]
    fn ignores_what_does_not_fit() {
        let mut answers = Answers::new();
        for id in 0..256 {
            answers.push_request(id);
        }
        let full = content(&answers);
        assert_eq!(full.len(), 256);
        answers.push_request(256);
        answers.push_extra();
        assert_eq!(answers.len(), 256);
        assert_eq!(content(&answers), full);
    }
}
