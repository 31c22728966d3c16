// SPDX-License-Identifier: GPL-2.0

//! The limits of the interface's MTU, in bytes.

use crate::wire::MAX_PACKET;

/// The least MTU, that of IPv4: `ETH_MIN_MTU`.
pub const MIN: u32 = 68;

/// Bytes of an Ethernet header with a VLAN tag: `VLAN_ETH_HLEN`.
const HEADER: u32 = 18;

/// The largest MTU, 65517: with the header of a tagged frame, it makes the longest packet.
pub const MAX: u32 = MAX_PACKET - HEADER;

/// The largest MTU for a frontend that takes packets of one slot only: `ETH_DATA_LEN`.
pub const MAX_WITHOUT_SG: u32 = 1_500;

/// Returns the largest MTU, depending on whether the frontend takes packets of several slots.
pub fn max(sg: bool) -> u32 {
    if sg {
        MAX
    } else {
        MAX_WITHOUT_SG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!([MIN, MAX, MAX_WITHOUT_SG], [68, 65_517, 1_500]);
        for (mtu, with_sg, without) in [
            (0, false, false),
            (67, false, false),
            (68, true, true),
            (1_500, true, true),
            (1_501, true, false),
            (9_000, true, false),
            (65_517, true, false),
            (65_518, false, false),
            (u32::MAX, false, false),
        ] {
            assert_eq!((MIN..=max(true)).contains(&mtu), with_sg, "MTU {mtu}");
            assert_eq!((MIN..=max(false)).contains(&mtu), without, "MTU {mtu}");
        }
        assert_eq!([max(true), max(false)], [65_517, 1_500]);
    }
}
