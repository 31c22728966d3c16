// SPDX-License-Identifier: GPL-2.0

//! Ring entries as owned values.
//!
//! An entry crosses this border as the 32-bit words it is made of, each of them read from (or
//! written to) the shared page exactly once and in native byte order. What lies on this side is a
//! copy that the frontend cannot change any more; nothing in it was checked yet.
//!
//! C header: [`include/xen/interface/io/netif.h`](srctree/include/xen/interface/io/netif.h)

/// Bytes of a granted page, whatever the page size of this kernel: `XEN_PAGE_SIZE`.
pub const PAGE_SIZE: u32 = 4096;

/// [`PAGE_SIZE`] in the type of an offset or a length within a page.
pub(crate) const PAGE_LEN: u16 = 4096;

/// Entries of the one-page Tx ring, and of the one-page Rx ring.
///
/// A page less the 64 bytes of indices holds 336 Tx entries of 12 bytes or 504 Rx entries of
/// 8 bytes, "rounded down to the nearest power of two".
pub const RING_SIZE: u32 = 256;

/// Bytes of the longest packet that a 16-bit size can announce: `XEN_NETIF_MAX_TX_SIZE`.
pub const MAX_PACKET: u32 = 65_535;

/// Bytes of the shortest packet, an Ethernet header: `ETH_HLEN`.
pub const MIN_PACKET: u32 = 14;

/// Returns the lesser of `len` and `limit`, both in bytes.
#[inline]
pub(crate) fn at_most(len: u32, limit: u16) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX).min(limit)
}

/// Splits a word into its two 16-bit fields, that of the lower address first.
#[inline]
fn halves(word: u32) -> (u16, u16) {
    let [a, b, c, d] = word.to_ne_bytes();
    (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]))
}

/// Joins two 16-bit fields to a word, that of the lower address first.
#[inline]
fn join(low: u16, high: u16) -> u32 {
    let [a, b] = low.to_ne_bytes();
    let [c, d] = high.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// Returns the field that holds a signed status.
#[inline]
fn unsigned(status: i16) -> u16 {
    u16::from_ne_bytes(status.to_ne_bytes())
}

/// Returns the signed status that a field holds.
#[inline]
fn signed(field: u16) -> i16 {
    i16::from_ne_bytes(field.to_ne_bytes())
}

/// Flags of a Tx request: `XEN_NETTXF_*`.
pub mod tx_flag {
    /// "Protocol checksum field is blank in the packet (hardware offload)?"
    pub const CSUM_BLANK: u16 = 1;
    /// "Packet data has been validated against protocol checksum."
    pub const DATA_VALIDATED: u16 = 2;
    /// "Packet continues in the next request descriptor."
    pub const MORE_DATA: u16 = 4;
    /// "Packet to be followed by extra descriptor(s)."
    pub const EXTRA_INFO: u16 = 8;
}

/// A request of the guest Tx ring, `struct xen_netif_tx_request`: one slot of data to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxRequest {
    /// "Reference to buffer page."
    pub gref: u32,
    /// "Offset within buffer page", in bytes.
    pub offset: u16,
    /// [`tx_flag`] bits.
    pub flags: u16,
    /// "request identifier, echoed in response."
    pub id: u16,
    /// Bytes: of the whole packet in its first request, of the slot in each further one.
    pub size: u16,
}

impl TxRequest {
    /// 32-bit words of an entry: "Ring slot size is 12 octets".
    pub const WORDS: usize = 3;

    /// Takes a request apart.
    #[inline]
    pub fn from_words(w: [u32; 3]) -> Self {
        let [gref, w1, w2] = w;
        let (offset, flags) = halves(w1);
        let (id, size) = halves(w2);
        Self {
            gref,
            offset,
            flags,
            id,
            size,
        }
    }

    /// Returns the entry as it lies in the ring.
    #[inline]
    pub fn to_words(self) -> [u32; 3] {
        [
            self.gref,
            join(self.offset, self.flags),
            join(self.id, self.size),
        ]
    }

    /// Tells whether one of the [`tx_flag`] bits in `flag` is set.
    #[inline]
    pub fn has(self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// How a Tx request fared: `XEN_NETIF_RSP_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Status {
    /// The packet was dropped although nothing was wrong with it.
    Dropped = -2,
    /// The packet was bad, or its data could not be had.
    Error = -1,
    /// The packet's bytes were taken over.
    Okay = 0,
    /// "No response: used for auxiliary requests (e.g., `xen_netif_extra_info_t`)."
    Null = 1,
}

impl Status {
    /// Returns the number that goes into the ring.
    #[inline]
    pub const fn as_i16(self) -> i16 {
        // CAST: The enum's representation is `i16`.
        self as i16
    }
}

/// A response of the guest Tx ring, `struct xen_netif_tx_response`.
///
/// It is the first of the entry's three words; the frontend does not look at the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxResponse {
    /// "reflects id in transmit request"
    pub id: u16,
    /// How the request fared.
    pub status: Status,
}

impl TxResponse {
    /// Returns the entry as it lies in the ring.
    #[inline]
    pub fn to_word(self) -> u32 {
        join(self.id, unsigned(self.status.as_i16()))
    }

    /// Takes a response apart, into id and status, as a frontend does.
    #[inline]
    pub fn from_word(word: u32) -> (u16, i16) {
        let (id, status) = halves(word);
        (id, signed(status))
    }
}

/// A request of the guest Rx ring, `struct xen_netif_rx_request`: one empty page for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxRequest {
    /// "request identifier, echoed in response."
    pub id: u16,
    /// "reference to incoming granted frame."
    pub gref: u32,
}

impl RxRequest {
    /// 32-bit words of an entry: "Ring slot size is 8 octets."
    pub const WORDS: usize = 2;

    /// Takes a request apart. Its padding is ignored.
    #[inline]
    pub fn from_words(w: [u32; 2]) -> Self {
        let [w0, gref] = w;
        let (id, _pad) = halves(w0);
        Self { id, gref }
    }

    /// Returns the entry as it lies in the ring.
    #[inline]
    pub fn to_words(self) -> [u32; 2] {
        [join(self.id, 0), self.gref]
    }
}

/// Flags of an Rx response: `XEN_NETRXF_*`.
///
/// Mind that the first two bits are the other way round than in [`tx_flag`].
pub mod rx_flag {
    /// "Packet data has been validated against protocol checksum."
    pub const DATA_VALIDATED: u16 = 1;
    /// "Protocol checksum field is blank in the packet (hardware offload)?"
    pub const CSUM_BLANK: u16 = 2;
    /// "Packet continues in the next request descriptor."
    pub const MORE_DATA: u16 = 4;
    /// "Packet to be followed by extra descriptor(s)."
    pub const EXTRA_INFO: u16 = 8;
}

/// A response of the guest Rx ring, `struct xen_netif_rx_response`: one slot of received data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxResponse {
    /// "reflects id in receive request"
    pub id: u16,
    /// "offset in page of start of received packet", in bytes.
    pub offset: u16,
    /// [`rx_flag`] bits.
    pub flags: u16,
    /// "-ve: `XEN_NETIF_RSP_*`; +ve: Rx'ed pkt size", the bytes in this slot.
    pub status: i16,
}

impl RxResponse {
    /// Returns the entry as it lies in the ring.
    #[inline]
    pub fn to_words(self) -> [u32; 2] {
        [
            join(self.id, self.offset),
            join(self.flags, unsigned(self.status)),
        ]
    }

    /// Takes a response apart, as a frontend does.
    #[inline]
    pub fn from_words(w: [u32; 2]) -> Self {
        let [w0, w1] = w;
        let (id, offset) = halves(w0);
        let (flags, status) = halves(w1);
        Self {
            id,
            offset,
            flags,
            status: signed(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays bytes out as the words of a ring.
    fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
        assert_eq!(bytes.len(), N * 4);
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks(4)) {
            *word = u32::from_ne_bytes(bytes.try_into().unwrap());
        }
        words
    }

    /// Concatenates fields to the bytes of an entry.
    fn bytes(fields: &[&[u8]]) -> std::vec::Vec<u8> {
        fields.concat()
    }

    #[test]
    fn tx_request_layout() {
        let entry = bytes(&[
            &0xdead_beef_u32.to_ne_bytes(),
            &0x0123_u16.to_ne_bytes(),
            &0x4567_u16.to_ne_bytes(),
            &0x89ab_u16.to_ne_bytes(),
            &0xcdef_u16.to_ne_bytes(),
        ]);
        let request = TxRequest::from_words(words(&entry));
        assert_eq!(
            request,
            TxRequest {
                gref: 0xdead_beef,
                offset: 0x0123,
                flags: 0x4567,
                id: 0x89ab,
                size: 0xcdef,
            }
        );
        assert_eq!(request.to_words(), words(&entry));
    }

    #[test]
    fn tx_request_flags() {
        let request = |flags| TxRequest {
            gref: 0,
            offset: 0,
            flags,
            id: 0,
            size: 0,
        };
        for flag in [1, 2, 4, 8] {
            assert!(request(flag).has(flag));
            assert!(!request(!flag).has(flag));
        }
        assert_eq!(
            [
                tx_flag::CSUM_BLANK,
                tx_flag::DATA_VALIDATED,
                tx_flag::MORE_DATA,
                tx_flag::EXTRA_INFO
            ],
            [1, 2, 4, 8]
        );
        assert_eq!(
            [
                rx_flag::DATA_VALIDATED,
                rx_flag::CSUM_BLANK,
                rx_flag::MORE_DATA,
                rx_flag::EXTRA_INFO
            ],
            [1, 2, 4, 8]
        );
    }

    #[test]
    fn tx_response_layout() {
        for (status, number) in [
            (Status::Dropped, -2_i16),
            (Status::Error, -1),
            (Status::Okay, 0),
            (Status::Null, 1),
        ] {
            let entry = bytes(&[&0xfedc_u16.to_ne_bytes(), &number.to_ne_bytes()]);
            let response = TxResponse { id: 0xfedc, status };
            assert_eq!([response.to_word()], words(&entry));
            assert_eq!(TxResponse::from_word(response.to_word()), (0xfedc, number));
        }
    }

    #[test]
    fn rx_request_layout() {
        let entry = bytes(&[
            &0x1234_u16.to_ne_bytes(),
            &0x5678_u16.to_ne_bytes(),
            &0x9abc_def0_u32.to_ne_bytes(),
        ]);
        let request = RxRequest::from_words(words(&entry));
        assert_eq!(
            request,
            RxRequest {
                id: 0x1234,
                gref: 0x9abc_def0
            }
        );
        // The padding is not kept.
        assert_eq!(RxRequest::from_words(request.to_words()), request);
    }

    #[test]
    fn rx_response_layout() {
        for status in [-1, 0, 1, 4096, i16::MIN, i16::MAX] {
            let entry = bytes(&[
                &0x1234_u16.to_ne_bytes(),
                &0x5678_u16.to_ne_bytes(),
                &0x9abc_u16.to_ne_bytes(),
                &status.to_ne_bytes(),
            ]);
            let response = RxResponse {
                id: 0x1234,
                offset: 0x5678,
                flags: 0x9abc,
                status,
            };
            assert_eq!(response.to_words(), words(&entry));
            assert_eq!(RxResponse::from_words(words(&entry)), response);
        }
    }

    #[test]
    fn lengths_are_capped() {
        for (len, limit, capped) in [
            (0, 4096, 0),
            (4095, 4096, 4095),
            (4096, 4096, 4096),
            (4097, 4096, 4096),
            (65_536, 4096, 4096),
            (u32::MAX, 7, 7),
            (u32::MAX, 0, 0),
        ] {
            assert_eq!(at_most(len, limit), capped);
        }
    }
}
