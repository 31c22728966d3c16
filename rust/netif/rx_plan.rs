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
