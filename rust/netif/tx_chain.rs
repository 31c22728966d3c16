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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Status;
    use std::{
        vec,
        vec::Vec, //
    };

    const MORE: u16 = tx_flag::MORE_DATA;
    const EXTRA: u16 = tx_flag::EXTRA_INFO;

    /// Makes the entry of a request; `gref` and `id` are derived from each other.
    fn request(id: u16, offset: u16, size: u16, flags: u16) -> [u32; 3] {
        TxRequest {
            gref: u32::from(id) + 1000,
            offset,
            flags,
            id,
            size,
        }
        .to_words()
    }

    /// Makes the entry of extra info.
    fn extra(kind: u8, flags: u8) -> [u32; 3] {
        [u32::from_ne_bytes([kind, flags, 0, 0]), 0, 0]
    }

    /// Makes a packet of `further` slots of `size` bytes after a first one of the same size.
    fn packet(further: u16, size: u16) -> Vec<[u32; 3]> {
        let total = size * (further + 1);
        let more = |id: u16| if id < further { MORE } else { 0 };
        let mut entries = vec![request(0, 0, total, more(0))];
        entries.extend((1..=further).map(|id| request(id, 0, size, more(id))));
        entries
    }

    /// Parses entries, and checks how they are read.
    fn run(entries: &[[u32; 3]], fatal_slots: u32) -> (Result<Chain, Fault>, Answers) {
        let mut answers = Answers::new();
        let mut expected = 0;
        let read = |i: u32| {
            assert_eq!(i, expected, "entries are read in order and once");
            expected += 1;
            entries[usize::try_from(i).unwrap()]
        };
        let available = entries.len().try_into().unwrap();
        let result = parse(available, fatal_slots, read, &mut answers);
        if let Ok(chain) = &result {
            assert_eq!(chain.entries, expected);
            assert_eq!(answers.len(), usize::try_from(chain.entries).unwrap());
        }
        (result, answers)
    }

    /// Parses a good packet: its length and slots as (gref, offset, len).
    fn good(entries: &[[u32; 3]]) -> (u32, Vec<(u32, u16, u16)>) {
        let (result, answers) = run(entries, FATAL_SLOTS_DEFAULT);
        assert!(answers.iter().all(|r| r.status == Status::Okay));
        let packet = result.unwrap().outcome.unwrap();
        let slots = packet.slots().iter();
        let slots: Vec<_> = slots.map(|s| (s.gref(), s.offset(), s.len())).collect();
        let sum: u32 = slots.iter().map(|&(_, _, len)| u32::from(len)).sum();
        assert_eq!(sum, packet.len());
        (packet.len(), slots)
    }

    /// Parses a bad packet: its entries and why it is dropped.
    fn bad(entries: &[[u32; 3]], fatal_slots: u32) -> (u32, Drop) {
        let (result, answers) = run(entries, fatal_slots);
        assert!(answers.iter().all(|r| r.status != Status::Okay));
        let chain = result.unwrap();
        (chain.entries, chain.outcome.unwrap_err())
    }

    /// Parses the packet of a liar.
    fn lie(entries: &[[u32; 3]], fatal_slots: u32) -> Fault {
        run(entries, fatal_slots).0.unwrap_err()
    }

    #[test]
    fn one_slot() {
        for (offset, size) in [(0, 14), (4082, 14), (0, 4096), (1, 4095), (2048, 1500)] {
            let (len, slots) = good(&[request(5, offset, size, 0)]);
            assert_eq!(len, u32::from(size));
            assert_eq!(slots, [(1005, offset, size)]);
        }
    }

    #[test]
    fn stops_at_the_end_of_the_packet() {
        let entries = [request(1, 0, 60, 0), request(2, 0, 70, 0)];
        let (result, answers) = run(&entries, FATAL_SLOTS_DEFAULT);
        assert_eq!(result.unwrap().entries, 1);
        assert_eq!(answers.iter().next().unwrap().id, 1);
    }

    #[test]
    fn first_slot_is_what_the_others_leave() {
        let entries = [
            request(1, 100, 1000, MORE),
            request(2, 0, 300, MORE),
            request(3, 4000, 96, 0),
        ];
        let (len, slots) = good(&entries);
        assert_eq!(len, 1000);
        assert_eq!(slots, [(1001, 100, 604), (1002, 0, 300), (1003, 4000, 96)]);
    }

    #[test]
    fn empty_slots_are_answered_and_left_out() {
        let first = [request(1, 0, 40, MORE), request(2, 0, 40, 0)];
        assert_eq!(good(&first).1, [(1002, 0, 40)]);
        let middle = [
            request(1, 0, 40, MORE),
            request(2, 4096, 0, MORE),
            request(3, 0, 20, 0),
        ];
        assert_eq!(good(&middle).1, [(1001, 0, 20), (1003, 0, 20)]);
        let last = [request(1, 0, 40, MORE), request(2, 0, 0, 0)];
        assert_eq!(good(&last).1, [(1001, 0, 40)]);
        let all_but_one = [
            request(1, 4096, 14, MORE),
            request(2, 0, 0, MORE),
            request(3, 7, 14, MORE),
            request(4, 0, 0, 0),
        ];
        assert_eq!(good(&all_but_one).1, [(1003, 7, 14)]);
    }

    #[test]
    fn slot_limits() {
        assert_eq!(good(&packet(18, 100)).1.len(), MAX_SLOTS);
        assert_eq!(good(&packet(15, 4095)).0, 65_520);
        let drop = |further| bad(&packet(further, 100), FATAL_SLOTS_DEFAULT);
        assert_eq!(drop(19), (20, Drop::TooManySlots));
        assert_eq!(drop(20), (21, Drop::TooManySlots));
        assert_eq!(
            lie(&packet(21, 100), FATAL_SLOTS_DEFAULT),
            Fault::TooManySlots { slots: 21 }
        );
        // The limit cannot be set to what must be accepted.
        assert!(run(&packet(18, 100), 0).0.unwrap().outcome.is_ok());
        assert_eq!(lie(&packet(19, 100), 0), Fault::TooManySlots { slots: 19 });
        // It can be set to no limit at all.
        assert_eq!(bad(&packet(200, 100), u32::MAX), (201, Drop::TooManySlots));
    }

    #[test]
    fn chains_end_with_what_was_posted() {
        let posted = packet(18, 100);
        for available in 1..=18 {
            assert_eq!(
                lie(&posted[..available], FATAL_SLOTS_DEFAULT),
                Fault::Truncated {
                    available: available.try_into().unwrap()
                }
            );
        }
        assert_eq!(lie(&[], 20), Fault::Truncated { available: 0 });
        // A ring full of it: the end comes before the limit on slots.
        let endless = [request(0, 0, 14, MORE); 21];
        assert_eq!(lie(&endless, 20), Fault::Truncated { available: 21 });
        // Extra info up to the end of the ring.
        let mut extras = vec![extra(1, 1); 256];
        extras[0] = request(0, 0, 14, EXTRA);
        assert_eq!(lie(&extras, 20), Fault::Truncated { available: 256 });
    }

    #[test]
    fn sizes_that_wrapped_are_dropped() {
        // 64 KiB in 16 slots: the total is 0.
        let mut entries = packet(15, 4095);
        entries[0] = request(0, 0, 0, MORE);
        assert_eq!(bad(&entries, 20), (16, Drop::SlotExceedsPacket));
        // It is the remainder that counts.
        let entries = [
            request(1, 0, 100, MORE),
            request(2, 0, 60, MORE),
            request(3, 0, 41, 0),
        ];
        assert_eq!(bad(&entries, 20), (3, Drop::SlotExceedsPacket));
    }

    #[test]
    fn short_packets_are_dropped() {
        assert_eq!(bad(&[request(1, 0, 13, 0)], 20), (1, Drop::TooShort));
        assert_eq!(bad(&[request(1, 0, 0, 0)], 20), (1, Drop::TooShort));
        // Wherever the slot is.
        assert_eq!(bad(&[request(1, 4095, 13, 0)], 20), (1, Drop::TooShort));
    }

    #[test]
    fn slots_stay_in_their_page() {
        for (offset, size) in [
            (4083, 14),
            (4096, 14),
            (1, 4096),
            (0, 4097),
            (65_535, 65_535),
        ] {
            assert_eq!(
                lie(&[request(1, offset, size, 0)], 20),
                Fault::PageCrossing { offset, size }
            );
            assert_eq!(
                lie(
                    &[
                        request(1, 0, 65_535, MORE),
                        request(2, offset, size, 0),
                        request(3, 0, 14, 0)
                    ],
                    20
                ),
                Fault::PageCrossing { offset, size }
            );
        }
        // Of the first slot it is the remainder that counts.
        let entries = [request(1, 4000, 196, MORE), request(2, 0, 100, 0)];
        assert_eq!(good(&entries).0, 196);
        let entries = [request(1, 4000, 197, MORE), request(2, 0, 100, 0)];
        assert_eq!(
            lie(&entries, 20),
            Fault::PageCrossing {
                offset: 4000,
                size: 97
            }
        );
        // An empty slot past the end is one, too.
        let entries = [request(1, 0, 14, MORE), request(2, 4097, 0, 0)];
        assert_eq!(
            lie(&entries, 20),
            Fault::PageCrossing {
                offset: 4097,
                size: 0
            }
        );
    }

    #[test]
    fn extras_are_skipped_and_the_packet_dropped() {
        let entries = [
            request(1, 0, 100, EXTRA | MORE),
            extra(1, 1),
            extra(4, 0),
            request(2, 0, 50, 0),
            request(3, 0, 60, 0),
        ];
        assert_eq!(bad(&entries, 20), (4, Drop::ExtraNotOffered));
        let (_, answers) = run(&entries, 20);
        let answers: Vec<_> = answers.iter().map(|r| (r.id, r.status)).collect();
        assert_eq!(
            answers,
            [
                (1, Status::Error),
                (0, Status::Null),
                (0, Status::Null),
                (2, Status::Error)
            ]
        );
        // "Flags on preceding extras are not relevant here."
        let entries = [
            request(1, 0, 100, EXTRA),
            extra(2, 0xfe),
            request(2, 0, 50, 0),
        ];
        assert_eq!(bad(&entries, 20), (2, Drop::ExtraNotOffered));
        let entries = [request(1, 0, 100, EXTRA), extra(6, 0)];
        assert_eq!(lie(&entries, 20), Fault::BadExtra { kind: 6 });
    }

    #[test]
    fn precedence() {
        let crossing = Fault::PageCrossing {
            offset: 4096,
            size: 1,
        };
        // A fault over a drop, also when the drop was found before.
        let mut too_many = packet(19, 100);
        too_many[19] = request(19, 4096, 1, 0);
        assert_eq!(lie(&too_many, 20), crossing);
        let not_offered = [
            request(1, 0, 100, EXTRA | MORE),
            extra(1, 0),
            request(2, 4096, 1, 0),
        ];
        assert_eq!(lie(&not_offered, 20), crossing);
        // Both in one slot.
        let both = [request(1, 0, 0, MORE), request(2, 4096, 1, 0)];
        assert_eq!(lie(&both, 20), crossing);
        // But sizes of a packet that wrapped are not looked at any more.
        let wrapped = [
            request(1, 4096, 0, MORE),
            request(2, 0, 1, MORE),
            request(3, 4096, 1, 0),
        ];
        assert_eq!(bad(&wrapped, 20), (3, Drop::SlotExceedsPacket));
        // The first drop wins.
        let mut wrapped_and_many = packet(20, 100);
        wrapped_and_many[0] = request(0, 0, 13, MORE);
        assert_eq!(bad(&wrapped_and_many, 20), (21, Drop::SlotExceedsPacket));
        let mut many_then_wrapped = packet(20, 100);
        many_then_wrapped[20] = request(20, 0, 4096, 0);
        assert_eq!(bad(&many_then_wrapped, 20), (21, Drop::TooManySlots));
        let short_with_extra = [request(1, 0, 1, EXTRA), extra(5, 0)];
        assert_eq!(bad(&short_with_extra, 20), (2, Drop::ExtraNotOffered));
    }

    #[test]
    fn checksum_flags() {
        use Checksum::{
            Blank,
            None,
            Validated, //
        };

        for (flags, checksum) in [(0, None), (1, Blank), (2, Validated), (3, Blank)] {
            let (result, _) = run(&[request(1, 0, 14, flags)], 20);
            assert_eq!(result.unwrap().outcome.unwrap().checksum(), checksum);
        }
        // Those of the first request count.
        let entries = [request(1, 0, 28, MORE), request(2, 0, 14, 3)];
        let (result, _) = run(&entries, 20);
        assert_eq!(result.unwrap().outcome.unwrap().checksum(), None);
    }

    #[test]
    fn answers_of_other_packets_are_left_alone() {
        let mut answers = Answers::new();
        answers.push_request(99);
        let chain = parse(1, 20, |_| request(1, 0, 13, 0), &mut answers).unwrap();
        assert_eq!(chain.outcome.err(), Some(Drop::TooShort));
        let answers: Vec<_> = answers.iter().map(|r| (r.id, r.status)).collect();
        assert_eq!(answers, [(99, Status::Okay), (1, Status::Error)]);
    }
}
