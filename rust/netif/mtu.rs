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

/// Tells whether the MTU can be set to `mtu`.
pub fn is_valid(mtu: u32, sg: bool) -> bool {
    (MIN..=max(sg)).contains(&mtu)
}
