// SPDX-License-Identifier: GPL-2.0

//! The Toeplitz hash, by table.
//!
//! `netif.h`: for each bit of the buffer that is 1, the 32 bits of the key that start at its place go
//! into the hash. Four bits at a time these are one of 16 words, which depend on the key alone: made
//! once for a key, they turn a hash of 36 bytes into 72 loads.

/// Bytes of a key: enough for the longest buffer, 36 bytes.
pub const KEY_LEN: usize = 40;

/// Bytes of the longest buffer: the addresses of IPv6 and the ports of TCP.
pub const BUFFER_MAX: usize = 36;

/// Words of the table for a key: 16 for each half byte of a buffer.
pub const TABLE_LEN: usize = BUFFER_MAX * 2 * 16;

/// A key.
pub type Key = [u8; KEY_LEN];

/// Returns word `index` (below [`TABLE_LEN`]) of the table for `key`.
pub fn word(key: &Key, index: usize) -> u32 {
    let (half_byte, bits) = (index / 16, index % 16);
    let mut word = 0;
    for bit in 0..4 {
        if bits & (8_usize >> bit) != 0 {
            word ^= window(key, half_byte.wrapping_mul(4).wrapping_add(bit));
        }
    }
    word
}

/// Returns the 32 bits of the key from bit `bit` on; there are zeros behind it.
fn window(key: &Key, bit: usize) -> u32 {
    let mut bits = 0_u64;
    for byte in key.iter().skip(bit / 8).chain([0_u8; 5].iter()).take(5) {
        bits = (bits << 8) | u64::from(*byte);
    }
    // 40 bits, of which 32 from `bit % 8` on are wanted.
    // CAST: The upper bits are shifted out or cut off.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower 32 bits are meant"
    )]
    let window = (bits >> (8_usize.wrapping_sub(bit % 8) & 15)) as u32;
    window
}

/// Returns the hash of `buffer` (at most [`BUFFER_MAX`] bytes), with the table that `word` reads.
#[inline]
pub fn hash(buffer: &[u8], word: impl Fn(usize) -> u32) -> u32 {
    let mut hash = 0;
    let mut row = 0_usize;
    for byte in buffer {
        hash ^= word(row | usize::from(byte >> 4));
        hash ^= word(row.wrapping_add(16) | usize::from(byte & 15));
        row = row.wrapping_add(32);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The key of the vectors that Microsoft publishes for receive-side scaling.
    const PUBLISHED_KEY: Key = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f,
        0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
        0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];

    fn table(key: &Key) -> Vec<u32> {
        (0..TABLE_LEN).map(|index| word(key, index)).collect()
    }

    #[test]
    fn published_ipv4() {
        let table = table(&PUBLISHED_KEY);
        // Source, its port, destination, its port; the hash with and without ports.
        for (source, from, destination, to, ports, addresses) in [
            (
                [66, 9, 149, 187],
                2794_u16,
                [161, 142, 100, 80],
                1766_u16,
                0x51cc_c178,
                0x323e_8fc2,
            ),
            (
                [199, 92, 111, 2],
                14230,
                [65, 69, 140, 83],
                4739,
                0xc626_b0ea,
                0xd718_262a,
            ),
            (
                [24, 19, 198, 95],
                12898,
                [12, 22, 207, 184],
                38024,
                0x5c2b_394a,
                0xd2d0_a5de,
            ),
            (
                [38, 27, 205, 30],
                48228,
                [209, 142, 163, 6],
                2217,
                0xafc7_327f,
                0x8298_9176,
            ),
            (
                [153, 39, 163, 191],
                44251,
                [202, 188, 127, 2],
                1303,
                0x10e8_28a2,
                0x5d18_09c5,
            ),
        ] {
            let mut buffer = Vec::from(source);
            buffer.extend(destination);
            assert_eq!(hash(&buffer, |i| table[i]), addresses);
            buffer.extend(from.to_be_bytes());
            buffer.extend(to.to_be_bytes());
            assert_eq!(hash(&buffer, |i| table[i]), ports);
        }
    }

    #[test]
    fn published_ipv6() {
        let table = table(&PUBLISHED_KEY);
        for (source, from, destination, to, ports, addresses) in [
            (
                0x3ffe_2501_0200_1fff_0000_0000_0000_0007_u128,
                2794_u16,
                0x3ffe_2501_0200_0003_0000_0000_0000_0001_u128,
                1766_u16,
                0x4020_7d3d,
                0x2cc1_8cd5,
            ),
            (
                0x3ffe_0501_0008_0000_0260_97ff_fe40_efab,
                14230,
                0xff02_0000_0000_0000_0000_0000_0000_0001,
                4739,
                0xdde5_1bbf,
                0x0f0c_461c,
            ),
        ] {
            let mut buffer = Vec::from(source.to_be_bytes());
            buffer.extend(destination.to_be_bytes());
            assert_eq!(hash(&buffer, |i| table[i]), addresses);
            buffer.extend(from.to_be_bytes());
            buffer.extend(to.to_be_bytes());
            assert_eq!(hash(&buffer, |i| table[i]), ports);
        }
    }

    #[test]
    fn no_key_no_hash() {
        let table = table(&[0; KEY_LEN]);
        assert_eq!(hash(&[0xff; BUFFER_MAX], |i| table[i]), 0);
    }
}
