// SPDX-License-Identifier: GPL-2.0

//! What of a packet goes into its hash.
//!
//! `netif.h`: "the 'maximal' type of hash should always be chosen": addresses and ports of TCP if the
//! frontend wants that hash and the packet has them, else the addresses. A fragment has no ports, and
//! neither has a packet with VLAN tag addresses that this looks for, as in Linux's backends.

use crate::{
    extra::HashKind,
    toeplitz::BUFFER_MAX, //
};

/// Bytes from a packet's first on that this looks at, at most: the headers of Ethernet and IPv4 with
/// options, and the ports of TCP.
pub const HEADERS_MAX: usize = 14 + 60 + 4;

/// The kinds of hash that a frontend wants: `XEN_NETIF_CTRL_HASH_TYPE_*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted(u32);

impl Wanted {
    /// All that there are.
    pub const ALL: Self = Self(15);

    /// Takes the flags of a request; `None` if one of them is unknown.
    pub fn from_flags(flags: u32) -> Option<Self> {
        (flags & !Self::ALL.0 == 0).then_some(Self(flags))
    }

    /// Takes what [`Wanted::flags`] returned.
    #[inline]
    pub const fn from_raw(flags: u32) -> Self {
        Self(flags & Self::ALL.0)
    }

    /// Returns the flags.
    #[inline]
    pub const fn flags(self) -> u32 {
        self.0
    }

    /// Is no hash wanted?
    #[inline]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline]
    fn has(self, kind: HashKind) -> bool {
        // CAST: 0 to 3.
        self.0 & (1 << (kind as u32 & 3)) != 0
    }
}

/// The bytes that are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// What they are.
    pub kind: HashKind,
    bytes: [u8; BUFFER_MAX],
    len: usize,
}

impl Input {
    fn new(kind: HashKind, addresses: &[u8], ports: &[u8]) -> Self {
        let mut bytes = [0; BUFFER_MAX];
        let mut len = 0_usize;
        for (to, from) in bytes.iter_mut().zip(addresses.iter().chain(ports)) {
            *to = *from;
            len = len.wrapping_add(1);
        }
        Self { kind, bytes, len }
    }

    /// Returns the bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Returns what goes into the hash of a packet that begins with `headers` ([`HEADERS_MAX`] bytes, or
/// the whole packet if it is shorter); `None` if none of the wanted kinds applies.
pub fn input(headers: &[u8], wanted: Wanted) -> Option<Input> {
    match headers.get(12..14)? {
        [0x08, 0x00] => ipv4(headers.get(14..)?, wanted),
        [0x86, 0xdd] => ipv6(headers.get(14..)?, wanted),
        _ => None,
    }
}

/// The number of TCP among the protocols of IP.
const TCP: u8 = 6;

fn ipv4(packet: &[u8], wanted: Wanted) -> Option<Input> {
    let addresses = packet.get(12..20)?;
    let [version_and_len, ..] = packet else {
        return None;
    };
    if version_and_len >> 4 != 4 {
        return None;
    }
    let fragment = match packet.get(6..8)? {
        [high, low] => high & 0x3f != 0 || *low != 0,
        _ => true,
    };
    if wanted.has(HashKind::Ipv4Tcp) && packet.get(9) == Some(&TCP) && !fragment {
        let header = usize::from(version_and_len & 15).wrapping_mul(4);
        if let Some(ports) = packet.get(header..header.wrapping_add(4)) {
            if header >= 20 {
                return Some(Input::new(HashKind::Ipv4Tcp, addresses, ports));
            }
        }
    }
    wanted
        .has(HashKind::Ipv4)
        .then(|| Input::new(HashKind::Ipv4, addresses, &[]))
}

fn ipv6(packet: &[u8], wanted: Wanted) -> Option<Input> {
    let addresses = packet.get(8..40)?;
    if packet.first()? >> 4 != 6 {
        return None;
    }
    if wanted.has(HashKind::Ipv6Tcp) && packet.get(6) == Some(&TCP) {
        if let Some(ports) = packet.get(40..44) {
            return Some(Input::new(HashKind::Ipv6Tcp, addresses, ports));
        }
    }
    wanted
        .has(HashKind::Ipv6)
        .then(|| Input::new(HashKind::Ipv6, addresses, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const ADDRESSES4: [u8; 8] = [10, 0, 0, 1, 10, 0, 0, 2];
    const PORTS: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

    fn packet4(options: usize, fragment: u16, protocol: u8) -> Vec<u8> {
        let mut packet = Vec::from([0; 12]);
        packet.extend([8, 0, 0x45 + u8::try_from(options).unwrap(), 0, 0, 40, 0, 0]);
        packet.extend(fragment.to_be_bytes());
        packet.extend([64, protocol, 0, 0]);
        packet.extend(ADDRESSES4);
        packet.extend(std::vec![0xee; options * 4]);
        packet.extend(PORTS);
        packet.extend([0; 40]);
        packet
    }

    fn packet6(next: u8) -> Vec<u8> {
        let mut packet = Vec::from([0; 12]);
        packet.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, next, 64]);
        packet.extend(0..32);
        packet.extend(PORTS);
        packet
    }

    fn found(packet: &[u8], flags: u32) -> Option<(HashKind, Vec<u8>)> {
        input(packet, Wanted::from_flags(flags).unwrap())
            .map(|input| (input.kind, Vec::from(input.bytes())))
    }

    #[test]
    fn maximal_kind() {
        let with_ports = [&ADDRESSES4[..], &PORTS].concat();
        let tcp = Some((HashKind::Ipv4Tcp, with_ports));
        let addresses = Some((HashKind::Ipv4, Vec::from(ADDRESSES4)));
        for options in [0, 1, 10] {
            let packet = packet4(options, 0x4000, 6);
            assert_eq!(found(&packet, 3), tcp);
            assert_eq!(found(&packet, 2), tcp);
            assert_eq!(found(&packet, 1), addresses);
            assert_eq!(found(&packet, 12), None);
            assert_eq!(found(&packet, 0), None);
        }
        for packet in [packet4(0, 0, 17), packet4(0, 0x2000, 6), packet4(0, 1, 6)] {
            assert_eq!(found(&packet, 3), addresses);
            assert_eq!(found(&packet, 2), None);
        }
        let bytes6: Vec<u8> = (0..32).collect();
        let with_ports = [&bytes6[..], &PORTS].concat();
        assert_eq!(
            found(&packet6(6), 12),
            Some((HashKind::Ipv6Tcp, with_ports))
        );
        assert_eq!(
            found(&packet6(6), 4),
            Some((HashKind::Ipv6, bytes6.clone()))
        );
        assert_eq!(found(&packet6(17), 12), Some((HashKind::Ipv6, bytes6)));
        assert_eq!(found(&packet6(17), 8), None);
        assert_eq!(found(&packet6(6), 3), None);
    }

    #[test]
    fn what_is_no_ip() {
        let mut packet = packet4(0, 0, 6);
        packet[13] = 6;
        assert_eq!(found(&packet, 15), None);
        let mut packet = packet4(0, 0, 6);
        packet[14] = 0x65;
        assert_eq!(found(&packet, 15), None);
        // A header shorter than its own addresses has no ports.
        packet[14] = 0x44;
        assert_eq!(found(&packet, 15).unwrap().0, HashKind::Ipv4);
        assert_eq!(found(&[], 15), None);
        assert_eq!(found(&packet4(0, 0, 6)[..33], 15), None);
        assert_eq!(
            found(&packet4(0, 0, 6)[..37], 15).unwrap().0,
            HashKind::Ipv4
        );
    }

    #[test]
    fn flags() {
        assert_eq!(Wanted::from_flags(16), None);
        assert_eq!(Wanted::from_flags(u32::MAX), None);
        assert_eq!(Wanted::from_flags(15), Some(Wanted::ALL));
        assert!(Wanted::from_flags(0).unwrap().is_none());
        assert_eq!(Wanted::from_raw(5).flags(), 5);
    }
}
