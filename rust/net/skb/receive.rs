// SPDX-License-Identifier: GPL-2.0

//! A packet that is being received.

use super::SkBuff;
use crate::{
    bindings,
    net::{
        device::{
            Handle,
            Operations, //
        },
        napi, //
    },
    xen::grant, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*, //
};
use netif::{
    extra::{
        FlowHash,
        Gso,
        GsoKind, //
    },
    packet::Checksum, //
};

/// Packets up to this length are received into one linear buffer: with its headroom and trailer it
/// fills half a page, and a packet of a 1500-byte MTU with VLAN tags fits. Bytes.
const LINEAR_MAX: u32 = 1664;

/// Of longer packets this much goes into the linear buffer: the longest headers that the stack or a
/// physical NIC's driver expects to find there (Ethernet with VLAN tags, IPv6 with some extension
/// headers, TCP with options). Bytes.
const HEADER_LEN: u32 = 256;

/// Bytes in a page.
const PAGE_SIZE: u32 = kernel::page::PAGE_SIZE as u32;

/// Buffers for a packet of which nothing has been received yet.
///
/// # Invariants
///
/// The packet is ours alone, and at least 14 bytes long: head of `head` bytes, then fragments of one page each, together as
/// long as the packet.
pub(crate) struct ReceiveBuffer(SkBuff);

impl ReceiveBuffer {
    /// Allocates buffers for a packet of `len` bytes (14 to 65535), the first 256 of them (or all)
    /// in linear memory, where everything that parses headers looks for them.
    ///
    /// Returns `None` when there is no memory, or for a packet without an Ethernet header.
    pub(crate) fn new(napi: &napi::Context<'_, impl napi::Poll>, len: u32) -> Option<Self> {
        if len < netif::wire::MIN_PACKET {
            return None;
        }
        let head = if len <= LINEAR_MAX { len } else { HEADER_LEN };

        // SAFETY: This is the context of the poll of `napi`.
        let raw = NonNull::new(unsafe {
            bindings::napi_alloc_skb(napi.as_raw().cast(), head).cast::<bindings::sk_buff>()
        })?;
        // SAFETY: Allocated above; nobody else has it.
        let skb = unsafe { SkBuff::from_raw(raw) };
        // SAFETY: The packet was allocated with room for `head` bytes.
        unsafe { bindings::xnb_skb_put(raw.as_ptr(), head) };

        let mut rest = len.wrapping_sub(head);
        while rest > 0 {
            let part = rest.min(PAGE_SIZE);
            // SAFETY: The packet is ours alone.
            let added = unsafe {
                bindings::xnb_skb_add_page(
                    raw.as_ptr(),
                    part,
                    bindings::GFP_ATOMIC | bindings::__GFP_NOWARN,
                )
            };
            if !added {
                skb.drop_with(super::DropReason::NoMemory);
                return None;
            }
            rest = rest.wrapping_sub(part);
        }

        // INVARIANT: Made above.
        Some(Self(skb))
    }

    /// Turns the filled buffers into a packet received by `device` on `queue`.
    ///
    /// # Errors
    ///
    /// The packet, when its sender left out a checksum and its headers do not tell which, or when
    /// they contradict how it is to be segmented.
    pub(crate) fn received<T: Operations>(
        self,
        device: &Handle<T>,
        queue: u16,
        offload: &Offload,
    ) -> Result<SkBuff, SkBuff> {
        let skb = self.0;
        let raw = skb.raw.as_ptr();
        let ip_summed = match offload.checksum {
            Checksum::None => bindings::CHECKSUM_NONE,
            Checksum::Blank => bindings::CHECKSUM_PARTIAL,
            Checksum::Validated => bindings::CHECKSUM_UNNECESSARY,
        };

        // SAFETY: By the type invariant, the packet is ours alone, and its linear part holds an
        // Ethernet header.
        // CAST: The constants are 0 to 3.
        unsafe { bindings::xnb_skb_prepare(raw, device.as_raw(), queue, ip_summed as u8) };

        if offload.checksum == Checksum::Blank {
            // SAFETY: As above. What the sender left out is the checksum over the payload; that over
            // the pseudo header is made anew for one that left out nothing.
            let done = unsafe { bindings::xnb_skb_checksum_setup(raw, offload.recalculate) };
            if to_result(done).is_err() {
                return Err(skb);
            }
        }
        if let Some(gso) = offload.gso {
            if skb.set_gso(gso).is_err() {
                return Err(skb);
            }
        }
        if let Some(hash) = offload.hash {
            // SAFETY: As above.
            unsafe { bindings::xnb_skb_set_hash(raw, hash.value, hash.kind.has_ports()) };
        }
        Ok(skb)
    }

    /// Gives the buffers back.
    pub(crate) fn discard(self, reason: super::DropReason) {
        self.0.drop_with(reason);
    }
}

/// What a packet's sender says of it, to spare work on the way.
pub(crate) struct Offload {
    checksum: Checksum,
    recalculate: bool,
    gso: Option<Gso>,
    hash: Option<FlowHash>,
}

impl Offload {
    /// What the sender says. A packet that is to be segmented has its checksum left out, as each
    /// segment has one of its own: one that came with a checksum has it made blank.
    pub(crate) fn new(checksum: Checksum, gso: Option<Gso>, hash: Option<FlowHash>) -> Self {
        let recalculate = gso.is_some() && checksum != Checksum::Blank;
        Self {
            checksum: if recalculate {
                Checksum::Blank
            } else {
                checksum
            },
            recalculate,
            gso,
            hash,
        }
    }

    /// What is said of the checksum.
    #[inline]
    pub(crate) fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// How the packet is to be segmented.
    #[inline]
    pub(crate) fn gso(&self) -> Option<Gso> {
        self.gso
    }

    /// Does the checksum have to be made blank?
    pub(crate) fn is_fixup(&self) -> bool {
        self.recalculate
    }
}

impl SkBuff {
    /// Marks a received packet, whose checksum is set up, as yet to be segmented.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not what `gso` is for.
    fn set_gso(&self, gso: Gso) -> Result {
        let raw = self.raw.as_ptr();
        let (ethertype, kind) = match gso.kind() {
            GsoKind::TcpV4 => (bindings::ETH_P_IP, super::GSO_TCPV4),
            GsoKind::TcpV6 => (bindings::ETH_P_IPV6, super::GSO_TCPV6),
        };
        // SAFETY: By the type invariant.
        // CAST: Ethertypes have 16 bits.
        let headers = unsafe { bindings::xnb_skb_tcp_headers_len(raw, ethertype as u16) };
        let headers = u32::try_from(headers).map_err(|_| EINVAL)?;
        let payload = self.len().checked_sub(headers).ok_or(EINVAL)?;
        let size = core::num::NonZeroU16::new(gso.size()).ok_or(EINVAL)?;
        if payload <= size.get().into() {
            // One segment, which is as good as any packet.
            return Ok(());
        }
        let segments = payload.wrapping_add(u32::from(size.get())).wrapping_sub(1)
            / core::num::NonZeroU32::from(size);
        // The headers are a guest's: whoever relies on them has to check them first.
        let kind = kind | super::GSO_DODGY;
        // SAFETY: By the type invariant; nobody else has the packet.
        // CAST: No more than the bytes of a packet, 65535.
        unsafe { bindings::xnb_skb_set_gso(raw, size.get(), kind, segments as u16) };
        Ok(())
    }
}

// SAFETY: By the type invariant, head and fragments are the buffer's alone; both are in the direct
// mapping, as neither is allocated from high memory or vmalloc space.
unsafe impl grant::Target for ReceiveBuffer {
    fn for_each_region(&mut self, mut f: impl FnMut(*mut u8, usize)) {
        let skb = self.0.raw.as_ptr();

        // SAFETY: By the type invariant, for this and the calls below.
        let head = unsafe { bindings::xnb_skb_headlen(skb) };
        // SAFETY: As above.
        f(unsafe { (*skb).data }, head as usize);

        // SAFETY: As above.
        let fragments = unsafe { bindings::xnb_skb_nr_frags(skb) };
        for i in 0..fragments {
            let mut len = 0;
            // SAFETY: As above, and `i` is below the number of fragments.
            let address = unsafe { bindings::xnb_skb_page(skb, i, &mut len) };
            f(address.cast(), len as usize);
        }
    }
}
