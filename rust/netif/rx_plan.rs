// SPDX-License-Identifier: GPL-2.0

//! Guest Rx: how a packet lies on the slots that the guest posted.
//!
//! A slot is a whole page of the guest, filled from its first byte, or from the headroom for XDP
//! that its frontend asked for; every slot but the last is full. Offset and status of its response say
//! where the bytes are and how many, so a frontend that knows nothing of the extra info that tells of
//! the headroom finds them too. (Linux's xen-netback counts the headroom among the bytes, and
//! netfront, which does not, takes them from a packet's end.) `netif.h` has this format for
//! receive (backend -> frontend) packets:
//!
//! ```text
//!  Fragment 1: xen_netif_rx_request_t  - flags = XEN_NETRXF_*
//!                                    size = fragment size
//! [Extra 1: xen_netif_extra_info_t]    - (only if fragment 1 flags include
//!                                     XEN_NETRXF_extra_info)
//!  ...
//!  Fragment N: xen_netif_rx_request_t  - (only if fragment N-1 flags include
//!                                     XEN_NETRXF_more_data - flags on preceding
//!                                     extras are not relevant here)
//! ```
//!
//! Each extra-info entry takes the place of a response, and so uses up a posted buffer.
//!
//! C header: [`include/xen/interface/io/netif.h`](srctree/include/xen/interface/io/netif.h)

use core::num::NonZeroU16;

use crate::{
    extra::{
        Extra,
        FlowHash,
        Gso,
        GsoKind, //
    },
    packet::Checksum,
    wire::{
        at_most,
        rx_flag,
        RxResponse,
        Status,
        MAX_PACKET,
        PAGE_LEN, //
    },
};

/// Room before the bytes of each slot, for the guest's XDP programs, as its frontend asks for.
///
/// # Invariants
///
/// `room` is [`PAGE_SIZE`](crate::wire::PAGE_SIZE) less the headroom, and half a page at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headroom {
    room: NonZeroU16,
}

impl Headroom {
    /// The most that a frontend may ask for: half a page. Bytes.
    pub const MAX: u16 = PAGE_LEN / 2;

    /// None: what a frontend gets that does not ask.
    pub const NONE: Self = Self {
        // INVARIANT: The whole page.
        room: NonZeroU16::new(PAGE_LEN).unwrap(),
    };

    /// Makes a headroom of `bytes`; `None` if that is more than [`Headroom::MAX`].
    pub fn new(bytes: u32) -> Option<Self> {
        let bytes = u16::try_from(bytes).ok().filter(|b| *b <= Self::MAX)?;
        // INVARIANT: Just checked.
        let room = NonZeroU16::new(PAGE_LEN.wrapping_sub(bytes))?;
        Some(Self { room })
    }

    /// Returns the headroom in bytes.
    #[inline]
    pub fn bytes(self) -> u16 {
        PAGE_LEN.wrapping_sub(self.room.get())
    }
}

/// What a frontend takes.
#[derive(Clone, Copy, Debug)]
pub struct Accepts {
    /// Packets of several slots of data.
    pub scatter_gather: bool,
    /// TCP over IPv4 that is yet to be segmented.
    pub gso_tcpv4: bool,
    /// The same over IPv6.
    pub gso_tcpv6: bool,
    /// The room that it wants.
    pub headroom: Headroom,
}

/// Why a packet cannot go to this guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RxRefusal {
    /// It is longer than the frontend can take.
    TooLong,
    /// It is yet to be segmented, which the frontend did not offer to do.
    Unsegmented,
}

impl RxRefusal {
    /// Returns the reason in the way that ethtool names statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Unsegmented => "unsegmented",
        }
    }
}

/// The most slots that a packet can need: its bytes on half pages, and each kind of extra info.
pub const MAX_SLOTS: usize = 35;

// CAST: Small numbers.
const _: () = assert!(MAX_SLOTS == MAX_PACKET.div_ceil(Headroom::MAX as u32) as usize + 3);

/// How one packet lies on the slots that the guest posted.
///
/// # Invariants
///
/// The packet has 1 to 65535 bytes (or none, in one slot), which fill `data_slots` slots as the
/// headroom leaves them room.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    len: u32,
    checksum: Checksum,
    gso: Option<Gso>,
    hash: Option<FlowHash>,
    headroom: Headroom,
    data_slots: u32,
    extras: u32,
}

impl Plan {
    /// Plans a packet of `len` bytes for a frontend that asked for hashes if `hash` is given.
    ///
    /// # Errors
    ///
    /// [`RxRefusal::TooLong`] if it is longer than 65535 bytes, or than the one slot that a frontend
    /// without `feature-sg` can take. [`RxRefusal::Unsegmented`] if the frontend does not take it as
    /// `gso` says it is: the stack segments packets for the frontend that there is when it takes them
    /// off its queue, and may give them to the next one.
    #[inline]
    pub fn new(
        len: u32,
        checksum: Checksum,
        gso: Option<Gso>,
        hash: Option<FlowHash>,
        accepts: &Accepts,
    ) -> Result<Self, RxRefusal> {
        let headroom = accepts.headroom;
        let room = u32::from(headroom.room.get());
        let max = if accepts.scatter_gather {
            MAX_PACKET
        } else {
            room
        };
        if len > max {
            return Err(RxRefusal::TooLong);
        }
        let segments = match gso.as_ref().map(Gso::kind) {
            Some(GsoKind::TcpV4) => accepts.gso_tcpv4,
            Some(GsoKind::TcpV6) => accepts.gso_tcpv6,
            None => true,
        };
        if !segments {
            return Err(RxRefusal::Unsegmented);
        }
        // Rounds up; with at most 65535 + 4095 this does not wrap.
        let full = len.wrapping_add(room.wrapping_sub(1));
        let data_slots = full / core::num::NonZeroU32::from(headroom.room);
        let extras = [gso.is_some(), hash.is_some(), headroom.bytes() > 0];
        // INVARIANT: Just computed.
        Ok(Self {
            len,
            checksum,
            gso,
            hash,
            headroom,
            data_slots: data_slots.max(1),
            extras: extras
                .iter()
                .fold(0, |sum: u32, is| sum.wrapping_add(u32::from(*is))),
        })
    }

    /// Returns the packet's length in bytes.
    #[inline]
    #[expect(
        clippy::len_without_is_empty,
        reason = "what goes to a guest is not empty"
    )]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Returns what is said of the packet's checksum.
    #[inline]
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// Returns how the packet is to be segmented.
    #[inline]
    pub fn gso(&self) -> Option<Gso> {
        self.gso
    }

    /// Returns how many posted buffers the packet uses up: 1 to [`MAX_SLOTS`].
    #[inline]
    pub fn slots(&self) -> u32 {
        self.data_slots.wrapping_add(self.extras)
    }

    /// Returns what lays the packet's bytes out.
    #[inline]
    pub fn scatter(&self) -> Scatter {
        // INVARIANT: The headroom is half a page at most.
        Scatter {
            slot: 0,
            offset: self.headroom.bytes(),
            left: self.len,
            headroom: self.headroom.bytes(),
            extras: self.extras,
        }
    }

    /// Returns what to write to the packet's slot `slot` (below [`Plan::slots`]), whose request had
    /// the identifier `id`: a response, [`Status::Error`] if the bytes could not be copied, or an
    /// entry of extra info.
    #[inline]
    pub fn response(&self, slot: u32, id: u16, copied: bool) -> [u32; 2] {
        if (1..=self.extras).contains(&slot) {
            return self.extra(slot);
        }
        let index = if slot == 0 {
            0
        } else {
            slot.wrapping_sub(self.extras)
        };
        let room = self.headroom.room.get();
        let before = index.saturating_mul(room.into());
        let bytes = at_most(self.len.saturating_sub(before), room);
        let status = if copied {
            // At most a page.
            i16::try_from(bytes).unwrap_or(i16::MAX)
        } else {
            Status::Error.as_i16()
        };
        RxResponse {
            id,
            offset: self.headroom.bytes(),
            flags: self.flags(index),
            status,
        }
        .to_words()
    }

    /// Returns the [`rx_flag`] bits of the response to data slot `index`.
    ///
    /// The checksum is told in the first slot. A blank one comes with the promise that the data is
    /// good all the same, as it never left the host; a frontend that only knows the one flag needs
    /// both.
    #[inline]
    fn flags(&self, index: u32) -> u16 {
        let more = if index.saturating_add(1) < self.data_slots {
            rx_flag::MORE_DATA
        } else {
            0
        };
        if index > 0 {
            return more;
        }
        let extra = if self.extras > 0 {
            rx_flag::EXTRA_INFO
        } else {
            0
        };
        let checksum = match self.checksum {
            Checksum::Blank => rx_flag::CSUM_BLANK | rx_flag::DATA_VALIDATED,
            Checksum::Validated => rx_flag::DATA_VALIDATED,
            Checksum::None => 0,
        };
        more | extra | checksum
    }

    /// Returns the extra-info entry in slot `slot`, counted from 1.
    fn extra(&self, slot: u32) -> [u32; 2] {
        let headroom = self.headroom.bytes();
        let all = [
            self.gso.map(Extra::gso),
            self.hash.map(Extra::hash),
            (headroom > 0).then(|| Extra::xdp(headroom)),
        ];
        let mut number = 0_u32;
        for mut extra in all.into_iter().flatten() {
            number = number.wrapping_add(1);
            if number == slot {
                extra.more = slot < self.extras;
                return extra.to_words();
            }
        }
        [0; 2]
    }
}

/// Contiguous bytes of a posted slot: the destination of one grant copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The slot, counted from 0 at the packet's first; those of extra info are skipped.
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
/// `offset` and `headroom` are less than [`PAGE_SIZE`](crate::wire::PAGE_SIZE).
#[derive(Clone, Debug)]
pub struct Scatter {
    slot: u32,
    offset: u16,
    left: u32,
    headroom: u16,
    extras: u32,
}

impl Scatter {
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
            // INVARIANT: At the start of the next slot's room.
            self.offset = self.headroom;
            let skipped = if self.slot == 0 { self.extras } else { 0 };
            self.slot = self.slot.wrapping_add(1).wrapping_add(skipped);
        } else {
            // INVARIANT: `len` is less than the room there was.
            self.offset = self.offset.wrapping_add(len);
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extra::HashKind;
    use std::{
        string::ToString,
        vec::Vec, //
    };

    const BLANK: u16 = 2;
    const VALIDATED: u16 = 1;
    const MORE: u16 = 4;
    const EXTRA: u16 = 8;

    fn accepts(scatter_gather: bool, headroom: u32) -> Accepts {
        Accepts {
            scatter_gather,
            gso_tcpv4: true,
            gso_tcpv6: true,
            headroom: Headroom::new(headroom).unwrap(),
        }
    }

    fn plain(len: u32, headroom: u32) -> Plan {
        Plan::new(len, Checksum::None, None, None, &accepts(true, headroom)).unwrap()
    }

    fn rich(len: u32, headroom: u32) -> Plan {
        Plan::new(
            len,
            Checksum::Blank,
            Gso::new(GsoKind::TcpV6, 1440),
            Some(FlowHash {
                kind: HashKind::Ipv6Tcp,
                value: 0x1234_5678,
            }),
            &accepts(true, headroom),
        )
        .unwrap()
    }

    /// The responses of a packet: (flags, status).
    fn responses(plan: &Plan) -> Vec<(u16, i16)> {
        (0..plan.slots())
            .map(|slot| RxResponse::from_words(plan.response(slot, 7, true)))
            .map(|r| (r.flags, r.status))
            .collect()
    }

    #[test]
    fn headrooms() {
        for bytes in [0, 1, 256, 2047, 2048] {
            assert_eq!(u32::from(Headroom::new(bytes).unwrap().bytes()), bytes);
        }
        for bytes in [2049, 4096, 0x7fff, 65_536, 65_536 + 256, u32::MAX] {
            assert_eq!(Headroom::new(bytes), None);
        }
        assert_eq!(Headroom::NONE.bytes(), 0);
    }

    #[test]
    fn slots_of_lengths() {
        for (len, headroom, slots) in [
            (0, 0, 1),
            (1, 0, 1),
            (4096, 0, 1),
            (4097, 0, 2),
            (61_440, 0, 15),
            (65_535, 0, 16),
            // One more for the extra info.
            (60, 256, 2),
            (3840, 256, 2),
            (3841, 256, 3),
            (4096, 256, 3),
            (65_535, 256, 19),
            (65_535, 2048, 33),
        ] {
            assert_eq!(
                plain(len, headroom).slots(),
                slots,
                "{len} bytes behind {headroom}"
            );
        }
        assert_eq!(rich(65_535, 2048).slots(), 35);
        assert_eq!(rich(100, 0).slots(), 3);
    }

    #[test]
    fn length_limits() {
        for (len, sg, headroom) in [
            (4097, false, 0),
            (65_535, false, 0),
            (3841, false, 256),
            (65_536, true, 0),
            (u32::MAX, true, 2048),
        ] {
            assert_eq!(
                Plan::new(len, Checksum::None, None, None, &accepts(sg, headroom)).unwrap_err(),
                RxRefusal::TooLong
            );
        }
        assert!(Plan::new(3840, Checksum::None, None, None, &accepts(false, 256)).is_ok());
    }

    #[test]
    fn only_segments_that_were_offered() {
        for (kind, gso_tcpv4, gso_tcpv6, goes) in [
            (GsoKind::TcpV4, true, false, true),
            (GsoKind::TcpV4, false, true, false),
            (GsoKind::TcpV6, false, true, true),
            (GsoKind::TcpV6, true, false, false),
        ] {
            let accepts = Accepts {
                gso_tcpv4,
                gso_tcpv6,
                ..accepts(true, 0)
            };
            let plan = |gso| Plan::new(9000, Checksum::Blank, gso, None, &accepts);
            let outcome = plan(Gso::new(kind, 1448)).map(|plan| plan.slots());
            let want = if goes {
                Ok(4)
            } else {
                Err(RxRefusal::Unsegmented)
            };
            assert_eq!(outcome, want);
            assert!(plan(None).is_ok());
        }
    }

    #[test]
    fn places() {
        let mut scatter = plain(9000, 0).scatter();
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
        assert_eq!(plain(0, 0).scatter().place(1), None);
    }

    #[test]
    fn places_behind_extras_and_headroom() {
        let mut scatter = rich(8000, 256).scatter();
        let places: Vec<_> = (0..4)
            .map(|_| scatter.place(u32::MAX).map(|p| (p.slot, p.offset, p.len)))
            .collect();
        assert_eq!(
            places,
            [
                Some((0, 256, 3840)),
                Some((4, 256, 3840)),
                Some((5, 256, 320)),
                None
            ]
        );
    }

    #[test]
    fn statuses_and_flags() {
        assert_eq!(responses(&plain(60, 0)), [(0, 60)]);
        assert_eq!(
            responses(&plain(8193, 0)),
            [(MORE, 4096), (MORE, 4096), (0, 1)]
        );
        for (checksum, flags) in [
            (Checksum::None, 0),
            (Checksum::Blank, BLANK | VALIDATED),
            (Checksum::Validated, VALIDATED),
        ] {
            let plan = Plan::new(5000, checksum, None, None, &accepts(true, 0)).unwrap();
            assert_eq!(responses(&plan), [(flags | MORE, 4096), (0, 904)]);
        }
        let response = RxResponse::from_words(plain(60, 0).response(0, 7, true));
        assert_eq!((response.id, response.offset), (7, 0));
    }

    #[test]
    fn failed_copies_are_told_in_every_slot_of_data() {
        let plan = rich(5000, 256);
        for slot in [0, 4] {
            let response = RxResponse::from_words(plan.response(slot, 7, false));
            assert_eq!(response.status, -1);
            assert_eq!(response.id, 7);
        }
        for slot in 1..=3 {
            assert_eq!(plan.response(slot, 7, false), plan.response(slot, 7, true));
        }
    }

    #[test]
    fn extras() {
        let plan = rich(5000, 256);
        let extra = |slot| {
            let [a, b] = plan.response(slot, 7, true).map(u32::to_ne_bytes);
            [a, b].concat()
        };
        let [size0, size1] = 1440_u16.to_ne_bytes();
        assert_eq!(extra(1), [1, 1, size0, size1, 2, 0, 0, 0]);
        let mut hash = Vec::from([4, 1, 3, 1]);
        hash.extend(0x1234_5678_u32.to_ne_bytes());
        assert_eq!(extra(2), hash);
        let [h0, h1] = 256_u16.to_ne_bytes();
        assert_eq!(extra(3), [5, 0, h0, h1, 0, 0, 0, 0]);

        let [first, second] =
            [0, 4].map(|slot| RxResponse::from_words(plan.response(slot, 7, true)));
        assert_eq!(
            (first.flags, first.status),
            (MORE | EXTRA | BLANK | VALIDATED, 3840)
        );
        assert_eq!((second.flags, second.status), (0, 5000 - 3840));
        assert_eq!([first.offset, second.offset], [256; 2]);
        // The last extra info says so, whichever it is.
        let gso = Plan::new(
            100,
            Checksum::Blank,
            Gso::new(GsoKind::TcpV4, 1448),
            None,
            &accepts(true, 0),
        )
        .unwrap();
        let [word, _] = gso.response(1, 7, true);
        assert_eq!(word.to_ne_bytes()[..2], [1, 0]);
    }
}
