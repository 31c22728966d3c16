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
    extra::{
        Extra,
        ExtraKind,
        FlowHash,
        Gso, //
    },
    fault::{
        Drop,
        Fault, //
    },
    multicast,
    packet::{
        Checksum,
        Packet,
        Slot, //
    },
    wire::{
        tx_flag,
        TxRequest,
        MIN_PACKET, //
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

/// What the entries of one chain ask for.
#[derive(Clone, Copy, Debug)]
pub enum Request {
    /// To send a packet.
    Packet(Packet),
    /// To change the multicast filter. No packet comes with it: "the request is not a packet".
    Multicast(multicast::Change),
}

/// What [`parse`] found: the next entries of the ring up to the end of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// Ring entries of the chain, requests and extra info, at least 1. All are to be consumed, and
    /// each has its answer.
    pub entries: u32,
    /// What is asked for, or why nothing is. In that case the answers to its requests are
    /// [`Status::Error`] already.
    ///
    /// [`Status::Error`]: crate::wire::Status::Error
    pub outcome: Result<Request, Drop>,
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

/// What the extra-info entries of a chain say. Of several of a kind, the last counts.
#[derive(Default)]
struct Extras {
    gso: Option<Gso>,
    hash: Option<FlowHash>,
    multicast: Option<multicast::Change>,
}

impl Extras {
    fn add(&mut self, extra: Extra) -> Result<(), Drop> {
        match extra.kind {
            ExtraKind::Gso => {
                self.gso = Some(Gso::from_payload(extra.payload).ok_or(Drop::BadGso)?)
            }
            ExtraKind::Hash => self.hash = FlowHash::from_payload(extra.payload),
            ExtraKind::McastAdd | ExtraKind::McastDel if self.multicast.is_some() => {
                return Err(Drop::BadMulticast)
            }
            ExtraKind::McastAdd => self.multicast = Some(multicast::Change::Add(extra.payload)),
            ExtraKind::McastDel => self.multicast = Some(multicast::Change::Del(extra.payload)),
            // Only ever sent to a frontend.
            ExtraKind::Xdp => return Err(Drop::ExtraNotOffered),
        }
        Ok(())
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
/// to drop it is the one reported.
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

    let mut extras = Extras::default();
    let mut extra_follows = first.has(tx_flag::EXTRA_INFO);
    while extra_follows {
        let extra = Extra::from_words(entries.next()?)?;
        answers.push_extra();
        if let Err(reason) = extras.add(extra) {
            dropped = dropped.or(Some(reason));
        }
        extra_follows = extra.more;
    }

    // "The actual size of fragment 1 can only be determined by subtracting the sizes of fragments
    // 2..N from the total packet size."
    let mut remaining = first.size;
    let mut slots = [Slot::EMPTY; MAX_SLOTS];
    let mut end = 1;
    let mut further = 0_u32;
    let mut more_data = first.has(tx_flag::MORE_DATA);
    if extras.multicast.is_some() && more_data {
        dropped = dropped.or(Some(Drop::BadMulticast));
    }
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
    if dropped.is_none() && extras.multicast.is_none() && len < MIN_PACKET {
        dropped = Some(Drop::TooShort);
    }
    let outcome = match (dropped, extras.multicast) {
        (Some(reason), _) => {
            answers.fail(answered..answers.len());
            Err(reason)
        }
        (None, Some(change)) => Ok(Request::Multicast(change)),
        (None, None) => {
            let [head, ..] = &mut slots;
            *head = Slot::new(first.gref, first.offset, remaining)?;
            // INVARIANT: The slots are those of `remaining` bytes, which is what the others leave
            // of `len`, and the others. `len` is not 0, so neither are all of them empty.
            Ok(Request::Packet(Packet {
                slots,
                begin: usize::from(remaining == 0),
                end,
                len,
                checksum: Checksum::from_flags(first),
                gso: extras.gso,
                hash: extras.hash,
            }))
        }
    };
    Ok(Chain {
        entries: entries.next,
        outcome,
    })
}

#[cfg(test)]
mod tests;
