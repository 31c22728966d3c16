// SPDX-License-Identifier: GPL-2.0

//! Guest Rx: how a packet lies on the slots that the guest posted.
//!
//! A slot is a whole page of the guest, filled from its first byte; every slot but the last is
//! full. `netif.h`: "in a multi-fragment packet the size of the packet can only be determined by
//! summing the sizes of fragments 1..N."
//!
//! C header: [`include/xen/interface/io/netif.h`](srctree/include/xen/interface/io/netif.h)

use core::fmt;

use crate::{
    tx_chain::Checksum,
    wire::{
        at_most,
        rx_flag,
        MAX_PACKET,
        PAGE_LEN,
        PAGE_SIZE, //
    },
};

/// Returns the number of slots for a packet of `len` bytes, at least 1.
#[inline]
pub fn slots_needed(len: u32) -> u32 {
    len.div_ceil(PAGE_SIZE).max(1)
}

/// Why a packet cannot go to this guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RxRefusal {
    /// It is longer than the frontend can take.
    TooLong {
        /// Length of the packet in bytes.
        len: u32,
        /// Bytes of the longest packet that can go.
        max: u32,
    },
}

impl fmt::Display for RxRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooLong { len, max } => {
                write!(
                    f,
                    "packet of {len} bytes is longer than the frontend's {max}"
                )
            }
        }
    }
}

/// Returns the number of slots for a packet of `len` bytes, 1 to 16.
///
/// # Errors
///
/// [`RxRefusal::TooLong`] if it is longer than 65535 bytes, or than the one slot that a frontend
/// without `feature-sg` can take.
#[inline]
pub fn check_len(len: u32, scatter_gather: bool) -> Result<u32, RxRefusal> {
    let max = if scatter_gather {
        MAX_PACKET
    } else {
        PAGE_SIZE
    };
    if len > max {
        return Err(RxRefusal::TooLong { len, max });
    }
    Ok(slots_needed(len))
}

/// Contiguous bytes of a posted slot: the destination of one grant copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The slot, counted from 0 at the packet's first.
    pub slot: u32,
    /// Byte in the page at which to put the data.
    pub offset: u16,
    /// Bytes, at least 1; `offset + len` is not more than 4096.
    pub len: u16,
}

/// Fills the slots of a packet from front to back.
///
/// # Invariants
///
/// `offset` is less than [`PAGE_SIZE`].
#[derive(Clone, Debug)]
pub struct Scatter {
    slot: u32,
    offset: u16,
    left: u32,
}

impl Scatter {
    /// Starts at the first byte of the first slot, for a packet of `len` bytes.
    #[inline]
    pub fn new(len: u32) -> Self {
        // INVARIANT: 0 is less than 4096.
        Self {
            slot: 0,
            offset: 0,
            left: len,
        }
    }

    /// Returns where the next bytes go, as many as fit into one slot and not more than `max`, which
    /// is what lies contiguous at the source; `None` when all have a place or `max` is 0.
    #[inline]
    pub fn place(&mut self, max: u32) -> Option<Place> {
        // By the invariant this does not wrap.
        let room = PAGE_LEN.wrapping_sub(self.offset);
        let len = at_most(max.min(self.left), room);
        if len == 0 {
            return None;
        }
        let place = Place {
            slot: self.slot,
            offset: self.offset,
            len,
        };
        self.left = self.left.wrapping_sub(u32::from(len));
        if len == room {
            // INVARIANT: At the start of the next slot.
            self.slot = self.slot.wrapping_add(1);
            self.offset = 0;
        } else {
            // INVARIANT: `len` is less than the room there was.
            self.offset = self.offset.wrapping_add(len);
        }
        Some(place)
    }
}

/// Returns the bytes of a packet of `len` bytes that lie in its slot `slot` (counted from 0): 4096
/// in all but the last, 0 past that.
#[inline]
pub fn slot_len(len: u32, slot: u32) -> u16 {
    at_most(len.saturating_sub(slot.saturating_mul(PAGE_SIZE)), PAGE_LEN)
}

/// Returns the [`rx_flag`] bits of the response in slot `slot` of `slots`.
///
/// The checksum is told in the first slot. A blank one comes with the promise that the data is good
/// all the same, as it never left the host; a frontend that only knows the one flag needs both.
#[inline]
pub fn response_flags(slot: u32, slots: u32, checksum: Checksum) -> u16 {
    let about_packet = match checksum {
        Checksum::Blank => rx_flag::CSUM_BLANK | rx_flag::DATA_VALIDATED,
        Checksum::Validated => rx_flag::DATA_VALIDATED,
        Checksum::None => 0,
    };
    let about_slot = if slot.saturating_add(1) < slots {
        rx_flag::MORE_DATA
    } else {
        0
    };
    if slot == 0 {
        about_packet | about_slot
    } else {
        about_slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        string::ToString,
        vec::Vec, //
    };

    #[test]
    fn slots_of_lengths() {
        for (len, slots) in [
            (0, 1),
            (1, 1),
            (4095, 1),
            (4096, 1),
            (4097, 2),
            (8192, 2),
            (8193, 3),
            (61_440, 15),
            (65_535, 16),
            (u32::MAX, 1 << 20),
        ] {
            assert_eq!(slots_needed(len), slots, "{len} bytes");
        }
    }

    #[test]
    fn length_limits() {
        for (len, sg, max) in [
            (4097, false, 4096),
            (65_535, false, 4096),
            (65_536, true, 65_535),
            (u32::MAX, true, 65_535),
        ] {
            assert_eq!(check_len(len, sg), Err(RxRefusal::TooLong { len, max }));
        }
        for (len, sg, slots) in [
            (14, false, 1),
            (4096, false, 1),
            (4096, true, 1),
            (4097, true, 2),
            (65_535, true, 16),
        ] {
            assert_eq!(check_len(len, sg), Ok(slots));
        }
        assert_eq!(
            RxRefusal::TooLong {
                len: 5000,
                max: 4096
            }
            .to_string(),
            "packet of 5000 bytes is longer than the frontend's 4096"
        );
    }

    #[test]
    fn places() {
        let mut scatter = Scatter::new(9000);
        let maxes = [100, 0, 5000, 5000, 1, u32::MAX, 1];
        let places: Vec<_> = maxes
            .iter()
            .map(|&max| scatter.place(max).map(|p| (p.slot, p.offset, p.len)))
            .collect();
        assert_eq!(
            places,
            [
                Some((0, 0, 100)),
                None,
                Some((0, 100, 3996)),
                Some((1, 0, 4096)),
                Some((2, 0, 1)),
                Some((2, 1, 807)),
                None
            ]
        );
        assert_eq!(Scatter::new(0).place(1), None);
    }

    #[test]
    fn lengths_of_slots() {
        for (len, slot, bytes) in [
            (0, 0, 0),
            (1, 0, 1),
            (4096, 0, 4096),
            (4096, 1, 0),
            (4097, 0, 4096),
            (4097, 1, 1),
            (65_535, 14, 4096),
            (65_535, 15, 4095),
            (65_535, 16, 0),
            (65_535, u32::MAX, 0),
        ] {
            assert_eq!(slot_len(len, slot), bytes, "slot {slot} of {len} bytes");
        }
    }

    #[test]
    fn flags_of_responses() {
        const BLANK: u16 = 2;
        const VALIDATED: u16 = 1;
        const MORE: u16 = 4;

        for (slot, slots, checksum, flags) in [
            (0, 1, Checksum::None, 0),
            (0, 1, Checksum::Blank, BLANK | VALIDATED),
            (0, 1, Checksum::Validated, VALIDATED),
            (0, 2, Checksum::None, MORE),
            (0, 2, Checksum::Blank, BLANK | VALIDATED | MORE),
            (0, 2, Checksum::Validated, VALIDATED | MORE),
            (1, 2, Checksum::Blank, 0),
            (1, 2, Checksum::Validated, 0),
            (1, 3, Checksum::Blank, MORE),
            (2, 3, Checksum::Blank, 0),
            (u32::MAX, u32::MAX, Checksum::Blank, 0),
        ] {
            assert_eq!(response_flags(slot, slots, checksum), flags);
        }
    }
}
