// SPDX-License-Identifier: GPL-2.0

//! Guest Tx: one packet's chain of ring entries.
//!
//! `netif.h` has this format for transmit (frontend -> backend) packets:
//!
//! ```text
//!  Fragment 1: xen_netif_tx_request_t  - flags = XEN_NETTXF_*
//!                                    size = total packet size
//! [Extra 1: xen_netif_extra_info_t]    - (only if fragment 1 flags include
//!                                     XEN_NETTXF_extra_info)
//!  ...
//! [Extra N: xen_netif_extra_info_t]    - (only if extra N-1 flags include
//!                                     XEN_NETIF_EXTRA_MORE)
//!  ...
//!  Fragment N: xen_netif_tx_request_t  - (only if fragment N-1 flags include
//!                                     XEN_NETTXF_more_data - flags on preceding
//!                                     extras are not relevant here)
//!                                    flags = 0
//!                                    size = fragment size
//! ```
//!
//! [`parse`] turns such a chain, once and for all, into a [`Packet`] whose slots lie within their
//! pages and add up to its length.
//!
//! C header: [`include/xen/interface/io/netif.h`](srctree/include/xen/interface/io/netif.h)

use crate::{
    answers::Answers,
    extra::Extra,
    fault::{
        Drop,
        Fault, //
    },
    wire::{
        tx_flag,
        TxRequest,
        MIN_PACKET,
        PAGE_SIZE, //
    },
};

/// Data slots after the first that a backend must take, `XEN_NETIF_NR_SLOTS_MIN`: "Any new backend
/// which doesn't negotiate with frontend should expect frontend to send a valid packet using slots
/// up to this value."
const FURTHER_SLOTS: u32 = 18;

/// Data slots of the largest packet accepted: the first and `XEN_NETIF_NR_SLOTS_MIN` (18) more.
pub const MAX_SLOTS: usize = 19;

// CAST: 18 fits any integer.
const _: () = assert!(MAX_SLOTS == FURTHER_SLOTS as usize + 1);

/// Data slots after the first with which a packet may still be dropped peacefully, by default.
pub const FATAL_SLOTS_DEFAULT: u32 = 20;

/// The least that this limit can be set to: what must be accepted cannot be fatal.
pub const FATAL_SLOTS_MIN: u32 = FURTHER_SLOTS;

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
    const EMPTY: Self = Self {
        gref: 0,
        offset: 0,
        len: 0,
    };

    /// Makes a slot, if it does not reach over the end of its page.
    #[inline]
    fn new(gref: u32, offset: u16, len: u16) -> Result<Self, Fault> {
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
    fn from_flags(first: TxRequest) -> Self {
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
    slots: [Slot; MAX_SLOTS],
    /// 1 if the first slot turned out to be empty, else 0.
    begin: usize,
    /// One past the last slot.
    end: usize,
    len: u32,
    checksum: Checksum,
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
}

/// What [`parse`] found: the next entries of the ring up to the end of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// Ring entries of the chain, requests and extra info, at least 1. All are to be consumed, and
    /// each has its answer.
    pub entries: u32,
    /// The packet, or why there is none. In that case the answers to its requests are
    /// [`Status::Error`] already.
    ///
    /// [`Status::Error`]: crate::wire::Status::Error
    pub outcome: Result<Packet, Drop>,
}

/// The entries that the frontend posted, read front to back.
struct Entries<F> {
    available: u32,
    next: u32,
    read: F,
}

impl<F: FnMut(u32) -> [u32; 3]> Entries<F> {
    /// Copies the next entry out of the ring.
    #[inline]
    fn next(&mut self) -> Result<[u32; 3], Fault> {
        if self.next >= self.available {
            return Err(Fault::Truncated {
                available: self.available,
            });
        }
        let words = (self.read)(self.next);
        self.next = self.next.wrapping_add(1);
        Ok(words)
    }
}

/// Reads the chain of the next packet off the ring.
///
/// `available` is the number of entries that [`BackRing::unconsumed`] found, at least 1, and
/// `fatal_slots` the number of data slots after the first beyond which a packet is taken for an
/// attack, at least [`FATAL_SLOTS_MIN`]. `read(i)` copies the entry that is `i` after the next to
/// consume; it is called at most once for each `i`, in order, and only for `i < available`.
///
/// One answer is appended to `answers` for each entry of the chain, in order.
///
/// When a packet is bad in several ways, a fault counts more than a drop, and the first reason found
/// to drop it is the one reported. A packet that carries extra info is dropped, as no kind of it is
/// offered to frontends.
///
/// # Errors
///
/// The [`Fault`] for which the frontend is to be cut off. Neither the answers of this chain nor the
/// rest of the ring are of any use then.
///
/// [`BackRing::unconsumed`]: crate::ring::BackRing::unconsumed
#[inline]
pub fn parse(
    available: u32,
    fatal_slots: u32,
    read: impl FnMut(u32) -> [u32; 3],
    answers: &mut Answers,
) -> Result<Chain, Fault> {
    let fatal_slots = fatal_slots.max(FATAL_SLOTS_MIN);
    let answered = answers.len();
    let mut entries = Entries {
        available,
        next: 0,
        read,
    };
    let mut dropped: Option<Drop> = None;

    let first = TxRequest::from_words(entries.next()?);
    answers.push_request(first.id);

    let mut extra_follows = first.has(tx_flag::EXTRA_INFO);
    while extra_follows {
        let extra = Extra::from_words(entries.next()?)?;
        answers.push_extra();
        dropped = Some(Drop::ExtraNotOffered);
        extra_follows = extra.more;
    }

    // "The actual size of fragment 1 can only be determined by subtracting the sizes of fragments
    // 2..N from the total packet size."
    let mut remaining = first.size;
    let mut slots = [Slot::EMPTY; MAX_SLOTS];
    let mut end = 1;
    let mut further = 0_u32;
    let mut more_data = first.has(tx_flag::MORE_DATA);
    while more_data {
        let request = TxRequest::from_words(entries.next()?);
        answers.push_request(request.id);
        more_data = request.has(tx_flag::MORE_DATA);

        further = further.wrapping_add(1);
        if further > fatal_slots {
            return Err(Fault::TooManySlots { slots: further });
        }
        // A chain whose sizes have wrapped is a known mistake of old frontends, and what follows
        // is no more to be trusted than the total: it is only skipped.
        if dropped == Some(Drop::SlotExceedsPacket) {
            continue;
        }
        let slot = Slot::new(request.gref, request.offset, request.size)?;
        if dropped.is_some() {
            continue;
        }
        if further > FURTHER_SLOTS {
            dropped = Some(Drop::TooManySlots);
            continue;
        }
        let Some(rest) = remaining.checked_sub(request.size) else {
            dropped = Some(Drop::SlotExceedsPacket);
            continue;
        };
        remaining = rest;
        if request.size > 0 {
            if let Some(place) = slots.get_mut(end) {
                *place = slot;
                end = end.wrapping_add(1);
            }
        }
    }

    let len = u32::from(first.size);
    if dropped.is_none() && len < MIN_PACKET {
        dropped = Some(Drop::TooShort);
    }
    let outcome = match dropped {
        Some(reason) => {
            answers.fail(answered..answers.len());
            Err(reason)
        }
        None => {
            let [head, ..] = &mut slots;
            *head = Slot::new(first.gref, first.offset, remaining)?;
            // INVARIANT: The slots are those of `remaining` bytes, which is what the others leave
            // of `len`, and the others. `len` is not 0, so neither are all of them empty.
            Ok(Packet {
                slots,
                begin: usize::from(remaining == 0),
                end,
                len,
                checksum: Checksum::from_flags(first),
            })
        }
    };
    Ok(Chain {
        entries: entries.next,
        outcome,
    })
}
