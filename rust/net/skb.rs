// SPDX-License-Identifier: GPL-2.0

//! Packets (`struct sk_buff`).
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

mod queue;
mod receive;

pub(crate) use queue::SkbQueue;
pub(crate) use receive::{
    Offload,
    ReceiveBuffer, //
};

use crate::{
    bindings,
    net::{
        clock::Tick,
        napi, //
    },
    xen::grant, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    time::Jiffies, //
};
use netif::{
    extra::{
        Gso,
        GsoKind, //
    },
    packet::Checksum, //
};

// CAST: Bits of a `gso_type`.
const GSO_TCPV4: u32 = bindings::SKB_GSO_TCPV4 as u32;
const GSO_TCPV6: u32 = bindings::SKB_GSO_TCPV6 as u32;
const GSO_DODGY: u32 = bindings::SKB_GSO_DODGY as u32;

/// Why a packet is dropped, as `dropwatch` and `drop_monitor` show it.
#[derive(Clone, Copy)]
pub(crate) enum DropReason {
    /// The frontend's headers make no sense.
    BadHeaders,
    /// The frontend did not ask for packets to this group.
    Filtered,
    /// The device has no carrier, or is going down.
    NotReady,
    /// The device does not take packets of this size.
    TooBig,
    /// There is no memory for it.
    NoMemory,
    /// The frontend did not post buffers for it in time.
    Expired,
    /// The frontend's pages could not be copied from or to.
    Fault,
}

impl DropReason {
    fn as_raw(self) -> bindings::skb_drop_reason {
        match self {
            Self::BadHeaders => bindings::skb_drop_reason_SKB_DROP_REASON_SKB_CSUM,
            Self::Filtered => bindings::skb_drop_reason_SKB_DROP_REASON_TAP_TXFILTER,
            Self::NotReady => bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY,
            Self::TooBig => bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG,
            Self::Expired => bindings::skb_drop_reason_SKB_DROP_REASON_FULL_RING,
            Self::NoMemory => bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM,
            Self::Fault => bindings::skb_drop_reason_SKB_DROP_REASON_SKB_UCOPY_FAULT,
        }
    }
}

/// A packet that this driver owns a reference of.
///
/// Give it up by name: [`SkBuff::drop_with`] or [`SkBuff::consume`]. Letting it go out of scope is
/// sound, and frees it as dropped for no stated reason.
///
/// # Invariants
///
/// `raw` is a valid packet, and one reference of it is ours.
#[repr(transparent)]
#[must_use = "give the packet up by drop_with() or consume()"]
pub(crate) struct SkBuff {
    raw: NonNull<bindings::sk_buff>,
}

// SAFETY: A packet may be handed from one CPU and context to another.
unsafe impl Send for SkBuff {}

impl SkBuff {
    /// Takes over a packet.
    ///
    /// # Safety
    ///
    /// `raw` must be a valid packet, of which the caller gives up a reference.
    pub(super) unsafe fn from_raw(raw: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: By the safety requirement.
        Self { raw }
    }

    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).raw.as_ptr()
    }

    /// Length of the packet, Ethernet header included. Bytes.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { (*self.raw.as_ptr()).len }
    }

    /// What has been done about the packet's transport checksum.
    #[inline]
    pub(crate) fn checksum(&self) -> Checksum {
        // SAFETY: By the type invariant.
        match u32::from(unsafe { bindings::xnb_skb_ip_summed(self.raw.as_ptr()) }) {
            bindings::CHECKSUM_PARTIAL => Checksum::Blank,
            bindings::CHECKSUM_UNNECESSARY => Checksum::Validated,
            _ => Checksum::None,
        }
    }

    /// The transmit queue that the stack chose.
    #[inline]
    pub(crate) fn queue_mapping(&self) -> u16 {
        // SAFETY: By the type invariant.
        unsafe { bindings::xnb_skb_queue_mapping(self.raw.as_ptr()) }
    }

    /// Takes the software transmit timestamp, if the sender asked for one.
    #[inline]
    pub(crate) fn transmit_timestamp(&mut self) {
        // SAFETY: By the type invariant; the packet has not been handed on.
        unsafe { bindings::xnb_skb_tx_timestamp(self.raw.as_ptr()) };
    }

    /// Memory that the packet ties up, all of its buffers included. Bytes.
    #[inline]
    pub(crate) fn truesize(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { (*self.raw.as_ptr()).truesize }
    }

    /// Notes in the packet that it is being queued now.
    #[inline]
    pub(crate) fn set_queued(&mut self) {
        // SAFETY: By the type invariant; the control buffer belongs to whoever has the packet, is
        // aligned to 8 bytes and has room for 48.
        unsafe {
            (&raw mut (*self.raw.as_ptr()).cb)
                .cast::<Jiffies>()
                .write(Tick::now().into_raw());
        };
    }

    /// When the packet was queued, as [`SkBuff::set_queued`] noted.
    #[inline]
    pub(crate) fn queued(&self) -> Tick {
        // SAFETY: As in `set_queued()`; any bytes are a number.
        Tick::from_raw(unsafe {
            (&raw const (*self.raw.as_ptr()).cb)
                .cast::<Jiffies>()
                .read()
        })
    }

    /// How the packet is to be segmented, if it is.
    #[inline]
    pub(crate) fn gso(&self) -> Option<Gso> {
        let (mut size, mut kind) = (0, 0);
        // SAFETY: By the type invariant; the numbers are valid for writing.
        unsafe { bindings::xnb_skb_gso(self.raw.as_ptr(), &mut size, &mut kind) };
        if kind & GSO_TCPV4 != 0 {
            Gso::new(GsoKind::TcpV4, size)
        } else if kind & GSO_TCPV6 != 0 {
            Gso::new(GsoKind::TcpV6, size)
        } else {
            None
        }
    }

    /// The Ethernet address that the packet goes to.
    #[inline]
    pub(crate) fn destination(&self) -> Option<[u8; 6]> {
        let skb = self.raw.as_ptr();
        // SAFETY: By the type invariant.
        if unsafe { bindings::xnb_skb_headlen(skb) } < 6 {
            return None;
        }
        // SAFETY: As above, and the linear part has that many bytes; bytes are always aligned.
        Some(unsafe { (*skb).data.cast::<[u8; 6]>().read() })
    }

    /// Reads the packet's first bytes: as many as there are, and as `to` has room for.
    #[inline]
    pub(crate) fn read<'a>(&self, to: &'a mut [u8]) -> &'a [u8] {
        let len = to.len().min(self.len() as usize);
        let to = to.get_mut(..len).unwrap_or_default();
        // SAFETY: By the type invariant; `to` has room for `len` bytes, which the packet has.
        // CAST: At most the length of the packet.
        let copied = unsafe {
            bindings::skb_copy_bits(self.raw.as_ptr(), 0, to.as_mut_ptr().cast(), len as c_int)
        };
        if copied == 0 {
            to
        } else {
            &[]
        }
    }

    /// Brings all of the packet's bytes into its linear part.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the packet is as it was.
    pub(crate) fn linearize(&mut self) -> Result {
        let skb = self.raw.as_ptr();
        // SAFETY: By the type invariant.
        // CAST: Packets are far below 2 GiB.
        let paged = unsafe { (*skb).data_len } as c_int;
        // SAFETY: As above; the packet is not shared (`IFF_TX_SKB_SHARING` is off).
        if unsafe { bindings::__pskb_pull_tail(skb, paged) }.is_null() {
            return Err(ENOMEM);
        }
        Ok(())
    }

    /// Frees the packet as lost. Any context.
    pub(crate) fn drop_with(self, reason: DropReason) {
        // SAFETY: The reference is ours to give up.
        unsafe { bindings::dev_kfree_skb_any_reason(self.into_raw(), reason.as_raw()) };
    }

    /// Frees the packet as delivered.
    #[inline]
    pub(crate) fn consume<P: napi::Poll>(self, _napi: &napi::Context<'_, P>) {
        // SAFETY: The reference is ours to give up. A budget above 0 tells that this is a poll.
        unsafe { bindings::napi_consume_skb(self.into_raw(), 1) };
    }
}

impl Drop for SkBuff {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this is the reference's end.
        unsafe {
            bindings::dev_kfree_skb_any_reason(
                self.raw.as_ptr(),
                bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED,
            );
        };
    }
}

// SAFETY: A packet's head is in the direct mapping; head and fragments stay as they are as long as
// the reference is held, as nobody may move the data of a packet that is being transmitted. The same
// holds for the packets that continue it, which it owns.
unsafe impl grant::Source for SkBuff {
    fn for_each_region(&self, mut f: impl FnMut(grant::Region)) {
        // SAFETY: By the type invariant.
        unsafe { for_each_region(self.raw.as_ptr(), &mut f) };

        // SAFETY: As above.
        let mut next = unsafe { bindings::xnb_skb_frag_list(self.raw.as_ptr()) };
        while !next.is_null() {
            // SAFETY: A packet on the list of this one is valid as long as this one is.
            unsafe { for_each_region(next, &mut f) };
            // SAFETY: As above.
            next = unsafe { (*next).__bindgen_anon_1.__bindgen_anon_1.next };
        }
    }
}

/// Calls `f` with the head and the fragments of one packet.
///
/// # Safety
///
/// `skb` must be valid.
unsafe fn for_each_region(skb: *mut bindings::sk_buff, f: &mut impl FnMut(grant::Region)) {
    // SAFETY: By the safety requirement, for this and the calls below.
    let head = unsafe { bindings::xnb_skb_headlen(skb) };
    if head > 0 {
        // SAFETY: As above.
        f(grant::Region::Linear(unsafe { (*skb).data }, head as usize));
    }

    // SAFETY: As above.
    let fragments = unsafe { bindings::xnb_skb_nr_frags(skb) };
    for i in 0..fragments {
        let (mut offset, mut len) = (0, 0);
        // SAFETY: As above, and `i` is below the number of fragments.
        let page = unsafe { bindings::xnb_skb_frag(skb, i, &mut offset, &mut len) };
        f(grant::Region::Page(page, offset as usize, len as usize));
    }
}
