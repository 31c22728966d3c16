// SPDX-License-Identifier: GPL-2.0

//! Guest Tx: a packet's bytes, piece by piece.
//!
//! The slots of a packet are one long string of bytes to its reader, who cuts it as the
//! destination demands (head and pages of an skb, a local page boundary). Each cut stays within one
//! slot and is the source side of one grant copy.

use crate::{
    packet::Slot,
    wire::at_most, //
};

/// Contiguous bytes of the guest: the source of one grant copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Grant reference of the page.
    pub gref: u32,
    /// Byte in the page at which the piece starts.
    pub offset: u16,
    /// Bytes, at least 1; `offset + len` is not more than 4096.
    pub len: u16,
}

/// Reads the slots of a packet from front to back.
///
/// # Invariants
///
/// `taken` is less than the length of the first of `slots`, or 0 if there is none left.
#[derive(Clone, Debug)]
pub struct Gather<'a> {
    slots: &'a [Slot],
    taken: u16,
}

impl<'a> Gather<'a> {
    /// Starts at the first byte of `slots`, those of a [`Packet`](crate::packet::Packet).
    #[inline]
    pub fn new(slots: &'a [Slot]) -> Self {
        // INVARIANT: The slots of a packet are not empty.
        Self { slots, taken: 0 }
    }

    /// Returns the next bytes, as many as lie in one slot and fit into `space` bytes; `None` when
    /// all are taken or `space` is 0.
    #[inline]
    pub fn take(&mut self, space: u32) -> Option<Piece> {
        let (slot, rest) = self.slots.split_first()?;
        // By the invariant this does not wrap, nor does the offset below.
        let left = slot.len().wrapping_sub(self.taken);
        let len = at_most(space, left);
        if len == 0 {
            return None;
        }
        let offset = slot.offset().wrapping_add(self.taken);
        if len == left {
            // INVARIANT: At the start of the next slot.
            self.slots = rest;
            self.taken = 0;
        } else {
            // INVARIANT: `len` is less than what was left.
            self.taken = self.taken.wrapping_add(len);
        }
        Some(Piece {
            gref: slot.gref(),
            offset,
            len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        answers::Answers,
        packet::Packet,
        tx_chain::{
            parse,
            Request, //
        },
        wire::{
            tx_flag,
            TxRequest, //
        },
    };
    use std::vec::Vec;

    /// Makes the packet of three slots: 100 bytes, 4096 bytes, 1 byte.
    fn packet() -> Packet {
        let slots = [(7, 3000, 4197), (8, 0, 4096), (9, 4095, 1)];
        let read = |i: u32| {
            let (gref, offset, size) = slots[usize::try_from(i).unwrap()];
            TxRequest {
                gref,
                offset,
                flags: if i < 2 { tx_flag::MORE_DATA } else { 0 },
                id: 0,
                size,
            }
            .to_words()
        };
        let chain = parse(3, 20, read, &mut Answers::new()).unwrap();
        let Ok(Request::Packet(packet)) = chain.outcome else {
            panic!()
        };
        packet
    }

    /// Takes with one space after the other, as (gref, offset, len).
    fn take(spaces: &[u32]) -> Vec<Option<(u32, u16, u16)>> {
        let packet = packet();
        let mut gather = Gather::new(packet.slots());
        let pieces = spaces.iter().map(|&space| gather.take(space));
        pieces
            .map(|piece| piece.map(|p| (p.gref, p.offset, p.len)))
            .collect()
    }

    #[test]
    fn whole_slots() {
        assert_eq!(
            take(&[u32::MAX, 65_536, 4097, 1]),
            [
                Some((7, 3000, 100)),
                Some((8, 0, 4096)),
                Some((9, 4095, 1)),
                None
            ]
        );
    }

    #[test]
    fn cut_by_space() {
        assert_eq!(
            take(&[99, 1, 0, 1000, 4000, 4000, 0]),
            [
                Some((7, 3000, 99)),
                Some((7, 3099, 1)),
                None,
                Some((8, 0, 1000)),
                Some((8, 1000, 3096)),
                Some((9, 4095, 1)),
                None
            ]
        );
    }

    #[test]
    fn nothing_comes_of_nothing() {
        let mut gather = Gather::new(&[]);
        assert_eq!(gather.take(0), None);
        assert_eq!(gather.take(u32::MAX), None);
    }
}
