// SPDX-License-Identifier: GPL-2.0

//! What a device can do for the stack (`netdev_features_t`).

use crate::bindings;
use core::ops::{
    BitOr,
    Sub, //
};

/// A set of features.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Features(u64);

impl Features {
    /// Takes packets in several pieces.
    pub(crate) const SCATTER_GATHER: Self = Self(1 << bindings::NETIF_F_SG_BIT);
    /// Takes TCP and UDP over IPv4 without checksum.
    pub(crate) const IPV4_CHECKSUM: Self = Self(1 << bindings::NETIF_F_IP_CSUM_BIT);
    /// Takes TCP and UDP over IPv6 without checksum.
    pub(crate) const IPV6_CHECKSUM: Self = Self(1 << bindings::NETIF_F_IPV6_CSUM_BIT);

    /// Takes packets that are continued by others.
    pub(crate) const FRAGMENT_LIST: Self = Self(1 << bindings::NETIF_F_FRAGLIST_BIT);
    /// Takes TCP over IPv4 that is yet to be segmented.
    pub(crate) const TCPV4_SEGMENTATION: Self = Self(1 << bindings::NETIF_F_TSO_BIT);
    /// Takes TCP over IPv6 that is yet to be segmented.
    pub(crate) const TCPV6_SEGMENTATION: Self = Self(1 << bindings::NETIF_F_TSO6_BIT);

    pub(in super::super) const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    pub(in super::super) const fn into_raw(self) -> u64 {
        self.0
    }
}

impl BitOr for Features {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for Features {
    type Output = Self;

    /// The features of `self` that are not in `other`.
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}
