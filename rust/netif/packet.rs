// SPDX-License-Identifier: GPL-2.0

//! Guest Tx: a packet that passed all checks.

use crate::{
    extra::{
        FlowHash,
        Gso, //
    },
    fault::Fault,
    tx_chain::MAX_SLOTS,
    wire::{
        tx_flag,
        TxRequest,
        PAGE_SIZE, //
    },
};

/// Bytes in one page of the guest.
///
/// # Invariants
///
/// `offset + len` is not more than [`PAGE_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    gref: u32,
    offset: u16,
    len: u16,
}

impl Slot {
    /// Fills the array of a packet before the slots are known.
    pub(crate) const EMPTY: Self = Self {
        gref: 0,
        offset: 0,
        len: 0,
    };

    /// Makes a slot, if it does not reach over the end of its page.
    #[inline]
    pub(crate) fn new(gref: u32, offset: u16, len: u16) -> Result<Self, Fault> {
        // Two 16-bit numbers: the sum does not overflow.
        if u32::from(offset).wrapping_add(u32::from(len)) > PAGE_SIZE {
            return Err(Fault::PageCrossing { offset, size: len });
        }
        // INVARIANT: Just checked.
        Ok(Self { gref, offset, len })
    }

    /// Returns the grant reference of the page.
    #[inline]
    pub fn gref(&self) -> u32 {
        self.gref
    }

    /// Returns the byte in the page at which the slot starts.
    #[inline]
    pub fn offset(&self) -> u16 {
        self.offset
    }

    /// Returns the number of bytes; at least 1 in [`Packet::slots`].
    #[inline]
    #[expect(
        clippy::len_without_is_empty,
        reason = "the slots of a packet are not empty"
    )]
    pub fn len(&self) -> u16 {
        self.len
    }
}

/// What is known of the TCP or UDP checksum of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing: it is there and may be wrong.
    None,
    /// "Protocol checksum field is blank in the packet (hardware offload)": yet to be filled in,
    /// over data that never left the host.
    Blank,
    /// "Packet data has been validated against protocol checksum."
    Validated,
}

impl Checksum {
    /// Reads the flags of a packet's first request: a blank checksum cannot have validated
    /// anything, so that flag wins.
    #[inline]
    pub(crate) fn from_flags(first: TxRequest) -> Self {
        if first.has(tx_flag::CSUM_BLANK) {
            Self::Blank
        } else if first.has(tx_flag::DATA_VALIDATED) {
            Self::Validated
        } else {
            Self::None
        }
    }
}

/// A guest's packet that passed all checks. Its bytes are still the guest's.
///
/// # Invariants
///
/// - `len` is [`MIN_PACKET`] to [`MAX_PACKET`] bytes, and the sum of the slots' lengths.
/// - `begin..end` is a non-empty range within `slots`, and no slot in it is empty.
///
/// [`MAX_PACKET`]: crate::wire::MAX_PACKET
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// The first slot of the chain at 0, the further ones after it.
    pub(crate) slots: [Slot; MAX_SLOTS],
    /// 1 if the first slot turned out to be empty, else 0.
    pub(crate) begin: usize,
    /// One past the last slot.
    pub(crate) end: usize,
    pub(crate) len: u32,
    pub(crate) checksum: Checksum,
    pub(crate) gso: Option<Gso>,
    pub(crate) hash: Option<FlowHash>,
}

impl Packet {
    /// Returns the packet's length: 14 to 65535 bytes.
    #[inline]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a packet has 14 bytes at least"
    )]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Returns the slots in the order of their bytes: 1 to [`MAX_SLOTS`] of them. Slots that the
    /// frontend left empty are not among them.
    #[inline]
    pub fn slots(&self) -> &[Slot] {
        self.slots.get(self.begin..self.end).unwrap_or(&[])
    }

    /// Returns what the frontend says of the checksum.
    #[inline]
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// Returns how the packet is to be segmented, if it is longer than what goes on a wire. Whether
    /// its headers agree with that is for whoever has its bytes to check.
    #[inline]
    pub fn gso(&self) -> Option<Gso> {
        self.gso
    }

    /// Returns the hash that the frontend computed over the packet's flow: a hint, as any number
    /// may be in it.
    #[inline]
    pub fn hash(&self) -> Option<FlowHash> {
        self.hash
    }
}
