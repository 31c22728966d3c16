// SPDX-License-Identifier: GPL-2.0

//! What both sides see: rings, pages and packets.

use netif::Checksum;

/// A page of either side.
pub(crate) type Page = [u8; 4096];

/// Pages of the guest: enough for two full rings.
pub(crate) const PAGES: u32 = 560;

/// The limit of slots that all backends here have.
pub(crate) const FATAL_SLOTS: u32 = 20;

/// What a page holds before the frontend or the backend writes to it.
pub(crate) const BLANK: u8 = 0xee;

pub(crate) fn at(index: u32) -> usize {
    usize::try_from(index % 256).unwrap()
}

pub(crate) fn size(n: u32) -> usize {
    usize::try_from(n).unwrap()
}

/// Tells whether a producer that moves from `old` to `new` takes the index `event` on its way.
pub(crate) fn passes(old: u32, new: u32, event: u32) -> bool {
    let pushed = new.wrapping_sub(old);
    assert!(pushed <= 512, "the test moves indices in small steps");
    (1..=pushed).any(|n| old.wrapping_add(n) == event)
}

/// Takes a Tx response apart by hand: id and status.
pub(crate) fn tx_response([word, _, _]: [u32; 3]) -> (u16, i16) {
    let [id, status] = [word % 65_536, word / 65_536].map(|half| u16::try_from(half).unwrap());
    (id, i16::from_ne_bytes(status.to_ne_bytes()))
}

/// A shared page with its entries of `W` words.
#[derive(Clone, Debug)]
pub(crate) struct Shared<const W: usize> {
    pub(crate) req_prod: u32,
    pub(crate) req_event: u32,
    pub(crate) rsp_prod: u32,
    pub(crate) rsp_event: u32,
    pub(crate) entries: Vec<[u32; W]>,
}

impl<const W: usize> Shared<W> {
    /// `SHARED_RING_INIT`, except that the indices may start anywhere.
    pub(crate) fn new(start: u32) -> Self {
        Self {
            req_prod: start,
            req_event: start.wrapping_add(1),
            rsp_prod: start,
            rsp_event: start.wrapping_add(1),
            entries: vec![[0; W]; 256],
        }
    }
}

/// A packet for the guest, as the host's stack has it.
#[derive(Clone, Debug)]
pub(crate) struct HostPacket {
    pub(crate) data: Vec<u8>,
    pub(crate) checksum: Checksum,
    /// Lengths of the contiguous pieces it is made of; the last is used again and again.
    pub(crate) pieces: Vec<u32>,
}
