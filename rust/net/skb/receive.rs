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
use netif::tx_chain::Checksum;

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
    /// The packet, when its sender left out a checksum and its headers do not tell which.
    pub(crate) fn received<T: Operations>(
        self,
        device: &Handle<T>,
        queue: u16,
        checksum: Checksum,
    ) -> Result<SkBuff, SkBuff> {
        let skb = self.0;
        let raw = skb.raw.as_ptr();
        let ip_summed = match checksum {
            Checksum::None => bindings::CHECKSUM_NONE,
            Checksum::Blank => bindings::CHECKSUM_PARTIAL,
            Checksum::Validated => bindings::CHECKSUM_UNNECESSARY,
        };

        // SAFETY: By the type invariant, the packet is ours alone, and its linear part holds an
        // Ethernet header.
        // CAST: The constants are 0 to 3.
        unsafe { bindings::xnb_skb_prepare(raw, device.as_raw(), queue, ip_summed as u8) };

        if checksum == Checksum::Blank {
            // SAFETY: As above.
            if to_result(unsafe { bindings::skb_checksum_setup(raw, false) }).is_err() {
                return Err(skb);
            }
        }
        Ok(skb)
    }

    /// Gives the buffers back.
    pub(crate) fn discard(self, reason: super::DropReason) {
        self.0.drop_with(reason);
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
