// SPDX-License-Identifier: GPL-2.0

//! Extra-info entries.
//!
//! `netif.h`: "Can be present if initial request or response has `NET{T,R}XF_extra_info`, or
//! previous extra request has `XEN_NETIF_EXTRA_MORE`. The struct therefore needs to fit into
//! either a tx or rx slot and is therefore limited to 8 octets."
//!
//! C header: [`include/xen/interface/io/netif.h`](srctree/include/xen/interface/io/netif.h)

use crate::fault::Fault;

/// `XEN_NETIF_EXTRA_FLAG_MORE`: another extra-info entry follows.
const FLAG_MORE: u8 = 1;

/// What an extra-info entry is about: `XEN_NETIF_EXTRA_TYPE_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExtraKind {
    /// The packet is to be segmented.
    Gso = 1,
    /// A multicast address joins the filter.
    McastAdd = 2,
    /// A multicast address leaves the filter.
    McastDel = 3,
    /// The packet's hash value.
    Hash = 4,
    /// Room before the packet for an XDP program.
    Xdp = 5,
}

impl TryFrom<u8> for ExtraKind {
    type Error = Fault;

    /// "`XEN_NETIF_EXTRA_TYPE_NONE` (0) Never used - invalid", as is anything past XDP.
    #[inline]
    fn try_from(kind: u8) -> Result<Self, Fault> {
        match kind {
            1 => Ok(Self::Gso),
            2 => Ok(Self::McastAdd),
            3 => Ok(Self::McastDel),
            4 => Ok(Self::Hash),
            5 => Ok(Self::Xdp),
            _ => Err(Fault::BadExtra { kind }),
        }
    }
}

/// An extra-info entry, `struct xen_netif_extra_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// What the entry is about.
    pub kind: ExtraKind,
    /// Another extra-info entry follows. Other flags mean nothing.
    pub more: bool,
    /// The kind's own 6 bytes, unchecked.
    pub payload: [u8; 6],
}

impl Extra {
    /// Takes an entry apart: byte 0 is the type, byte 1 the flags, then come 6 bytes of payload and
    /// "padding for tx".
    ///
    /// # Errors
    ///
    /// [`Fault::BadExtra`] if the type is none that the protocol knows.
    #[inline]
    pub fn from_words(w: [u32; 3]) -> Result<Self, Fault> {
        let [w0, w1, _padding] = w;
        let [kind, flags, p0, p1] = w0.to_ne_bytes();
        let [p2, p3, p4, p5] = w1.to_ne_bytes();
        Ok(Self {
            kind: ExtraKind::try_from(kind)?,
            more: flags & FLAG_MORE != 0,
            payload: [p0, p1, p2, p3, p4, p5],
        })
    }
}

/// What kind of packet is to be segmented: `XEN_NETIF_GSO_TYPE_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GsoKind {
    /// TCP over IPv4.
    TcpV4 = 1,
    /// TCP over IPv6.
    TcpV6 = 2,
}

/// How a packet is to be segmented.
///
/// # Invariants
///
/// `size` is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    kind: GsoKind,
    size: u16,
}

impl Gso {
    /// The shortest segments that a guest may ask for: what TCP is left with by the smallest maximum
    /// segment size that Linux accepts, 48 bytes, and 40 bytes of options. Each segment costs this
    /// domain a packet, so shorter ones would make one request an arbitrary amount of work. Bytes.
    pub const MIN_SIZE: u16 = 8;

    /// Segments of `size` bytes of payload; `None` if that is 0.
    #[inline]
    pub fn new(kind: GsoKind, size: u16) -> Option<Self> {
        // INVARIANT: Just checked.
        (size > 0).then_some(Self { kind, size })
    }

    /// Takes the payload of an entry of a guest's apart: "size" (16 bits), "type" (8 bits); padding
    /// and "features", of which there are none. `None` if there is no such type, or if the size is
    /// below [`Gso::MIN_SIZE`].
    #[inline]
    pub(crate) fn from_payload(payload: [u8; 6]) -> Option<Self> {
        let [size0, size1, kind, ..] = payload;
        let kind = match kind {
            1 => GsoKind::TcpV4,
            2 => GsoKind::TcpV6,
            _ => return None,
        };
        let size = u16::from_ne_bytes([size0, size1]);
        Self::new(kind, size).filter(|gso| gso.size >= Self::MIN_SIZE)
    }

    /// Returns the kind of packet.
    #[inline]
    pub fn kind(&self) -> GsoKind {
        self.kind
    }

    /// Returns the "maximum payload size of each segment", in bytes, at least 1.
    #[inline]
    pub fn size(&self) -> u16 {
        self.size
    }
}

/// What a hash was computed over: `_XEN_NETIF_CTRL_HASH_TYPE_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum HashKind {
    /// Addresses of IPv4.
    Ipv4 = 0,
    /// Addresses of IPv4 and ports of TCP.
    Ipv4Tcp = 1,
    /// Addresses of IPv6.
    Ipv6 = 2,
    /// Addresses of IPv6 and ports of TCP.
    Ipv6Tcp = 3,
}

impl HashKind {
    /// Tells whether ports went into the hash.
    #[inline]
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Ipv4Tcp | Self::Ipv6Tcp)
    }
}

/// `XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ`.
const TOEPLITZ: u8 = 1;

/// The Toeplitz hash of a packet's flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowHash {
    /// What it was computed over.
    pub kind: HashKind,
    /// The hash.
    pub value: u32,
}

impl FlowHash {
    /// Takes the payload of an entry apart: "type", "algorithm" (8 bits each), "value" (4 bytes).
    /// A hash of an unknown type or algorithm is none.
    #[inline]
    pub(crate) fn from_payload(payload: [u8; 6]) -> Option<Self> {
        let [kind, TOEPLITZ, value @ ..] = payload else {
            return None;
        };
        let kind = match kind {
            0 => HashKind::Ipv4,
            1 => HashKind::Ipv4Tcp,
            2 => HashKind::Ipv6,
            3 => HashKind::Ipv6Tcp,
            _ => return None,
        };
        Some(Self {
            kind,
            value: u32::from_ne_bytes(value),
        })
    }
}

impl Extra {
    /// Makes the entry about segmentation.
    #[inline]
    pub(crate) fn gso(gso: Gso) -> Self {
        let [size0, size1] = gso.size.to_ne_bytes();
        Self {
            kind: ExtraKind::Gso,
            more: false,
            // CAST: The enum's representation is `u8`.
            payload: [size0, size1, gso.kind as u8, 0, 0, 0],
        }
    }

    /// Makes the entry with a hash.
    #[inline]
    pub(crate) fn hash(hash: FlowHash) -> Self {
        let [v0, v1, v2, v3] = hash.value.to_ne_bytes();
        Self {
            kind: ExtraKind::Hash,
            more: false,
            // CAST: As above.
            payload: [hash.kind as u8, TOEPLITZ, v0, v1, v2, v3],
        }
    }

    /// Makes the entry about the room for XDP, in bytes.
    #[inline]
    pub(crate) fn xdp(headroom: u16) -> Self {
        let [h0, h1] = headroom.to_ne_bytes();
        Self {
            kind: ExtraKind::Xdp,
            more: false,
            payload: [h0, h1, 0, 0, 0, 0],
        }
    }

    /// Returns the entry as it lies in the Rx ring, whose slots are 8 bytes.
    #[inline]
    pub(crate) fn to_words(self) -> [u32; 2] {
        let [p0, p1, p2, p3, p4, p5] = self.payload;
        let flags = if self.more { FLAG_MORE } else { 0 };
        // CAST: The enum's representation is `u8`.
        [[self.kind as u8, flags, p0, p1], [p2, p3, p4, p5]].map(u32::from_ne_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays the bytes of an entry out as words.
    fn words(bytes: [u8; 12]) -> [u32; 3] {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_ne_bytes)
    }

    #[test]
    fn layout() {
        let entry = words([1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(
            Extra::from_words(entry),
            Ok(Extra {
                kind: ExtraKind::Gso,
                more: true,
                payload: [2, 3, 4, 5, 6, 7],
            })
        );
    }

    #[test]
    fn kinds() {
        for kind in 0..=u8::MAX {
            let parsed = Extra::from_words(words([kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
            let known = match kind {
                1 => ExtraKind::Gso,
                2 => ExtraKind::McastAdd,
                3 => ExtraKind::McastDel,
                4 => ExtraKind::Hash,
                5 => ExtraKind::Xdp,
                _ => {
                    assert_eq!(parsed, Err(Fault::BadExtra { kind }));
                    continue;
                }
            };
            assert_eq!(parsed.map(|extra| extra.kind), Ok(known));
        }
    }

    #[test]
    fn only_the_first_flag_means_something() {
        for flags in 0..=u8::MAX {
            let entry = words([3, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(
                Extra::from_words(entry).map(|extra| extra.more),
                Ok(flags % 2 == 1)
            );
        }
    }
}
