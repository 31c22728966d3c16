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
