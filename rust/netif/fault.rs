// SPDX-License-Identifier: GPL-2.0

//! The two kinds of wrong.
//!
//! A [`Fault`] is a frontend that lies about the ring: nothing it says can be believed any more,
//! and the backend cuts it off. A [`Drop`] is a packet that is merely bad: it is answered with an
//! error and counted, and the next one may be good.

use core::fmt;

use crate::wire::PAGE_SIZE;

/// The frontend lies about the ring: it must be cut off.
///
/// Displays as one line, without a newline, for the log and for the vif's `error` node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request producer index is not within one ring of the response producer index, or fell
    /// behind what was already consumed.
    RequestOverflow {
        /// The frontend's index as read.
        req_prod: u32,
        /// The backend's own index.
        rsp_prod: u32,
    },
    /// A packet's chain of entries runs past the last request that was posted.
    Truncated {
        /// Entries from the start of the packet to the last one posted.
        available: u32,
    },
    /// A packet of so many slots that no honest frontend can have made it.
    TooManySlots {
        /// Data slots after the first that were counted, the one too many included.
        slots: u32,
    },
    /// A slot reaches over the end of its page.
    PageCrossing {
        /// Byte in the page at which it starts.
        offset: u16,
        /// Its length in bytes.
        size: u16,
    },
    /// An extra-info entry of a type that does not exist.
    BadExtra {
        /// The type as read.
        kind: u8,
    },
    /// A response without a request. It is the backend that is wrong here, but the consequence is
    /// the same: this ring cannot go on.
    ResponseOverflow,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::RequestOverflow { req_prod, rsp_prod } => write!(
                f,
                "request index {req_prod} is impossible with responses at {rsp_prod}"
            ),
            Self::Truncated { available } => {
                write!(f, "packet goes on after the {available} requests posted")
            }
            Self::TooManySlots { slots } => {
                write!(f, "packet has {slots} or more slots after the first")
            }
            Self::PageCrossing { offset, size } => write!(
                f,
                "slot of {size} bytes at offset {offset} crosses the page of {PAGE_SIZE}"
            ),
            Self::BadExtra { kind } => write!(f, "extra info of invalid type {kind}"),
            Self::ResponseOverflow => f.write_str("more responses than requests"),
        }
    }
}

/// A packet that is merely bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// More slots than the protocol asks a backend to take, fewer than make a [`Fault`].
    TooManySlots,
    /// A slot is longer than what its packet has left: a frontend that sent 64 KiB or more, which
    /// a 16-bit size cannot say.
    SlotExceedsPacket,
    /// Shorter than an Ethernet header.
    TooShort,
    /// Extra info of a kind that is not for frontends to send.
    ExtraNotOffered,
    /// To be segmented in a way that does not exist, or into segments of nothing.
    BadGso,
    /// A change of the multicast filter that comes with data, or with another one.
    BadMulticast,
}

impl Drop {
    /// All reasons, in the order of [`Drop::index`].
    pub const ALL: [Self; 6] = [
        Self::TooManySlots,
        Self::SlotExceedsPacket,
        Self::TooShort,
        Self::ExtraNotOffered,
        Self::BadGso,
        Self::BadMulticast,
    ];

    /// Returns the reason in the way that ethtool names statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooManySlots => "too_many_slots",
            Self::SlotExceedsPacket => "slot_too_long",
            Self::TooShort => "too_short",
            Self::ExtraNotOffered => "extra_not_offered",
            Self::BadGso => "bad_gso",
            Self::BadMulticast => "bad_multicast",
        }
    }

    /// Returns the position in [`Drop::ALL`], for an array of counters.
    #[inline]
    pub const fn index(self) -> usize {
        match self {
            Self::TooManySlots => 0,
            Self::SlotExceedsPacket => 1,
            Self::TooShort => 2,
            Self::ExtraNotOffered => 3,
            Self::BadGso => 4,
            Self::BadMulticast => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        collections::HashSet,
        string::ToString, //
    };

    #[test]
    fn faults_name_the_thing_and_the_value() {
        let overflow = Fault::RequestOverflow {
            req_prod: 70_001,
            rsp_prod: 70_002,
        };
        let crossing = Fault::PageCrossing {
            offset: 4001,
            size: 4002,
        };
        for (fault, parts) in [
            (overflow, ["request index", "70001", "70002"]),
            (
                Fault::Truncated { available: 77 },
                ["packet", "77", "posted"],
            ),
            (Fault::TooManySlots { slots: 21 }, ["packet", "21", "slots"]),
            (crossing, ["slot of 4002 bytes", "offset 4001", "page"]),
            (Fault::BadExtra { kind: 0 }, ["extra info", "type", "0"]),
            (
                Fault::ResponseOverflow,
                ["more responses", "than", "requests"],
            ),
        ] {
            let line = fault.to_string();
            for part in parts {
                assert!(line.contains(part), "{part:?} is not in {line:?}");
            }
            assert!(!line.contains('\n'));
            // A log line and a xenstore node; the latter has room for 2048 bytes.
            assert!(line.len() < 100, "{line:?}");
        }
    }

    #[test]
    fn drops_index_their_list() {
        for (index, reason) in Drop::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }

    #[test]
    fn drop_names_are_unique_snake_case() {
        let names: HashSet<_> = Drop::ALL.into_iter().map(Drop::name).collect();
        assert_eq!(names.len(), Drop::ALL.len());
        for name in names {
            assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'));
            // `ETH_GSTRING_LEN` is 32 with the NUL, and this is how the driver shows it.
            assert!("q255_guest_tx_".len() + name.len() < 32, "{name:?}");
        }
    }
}
