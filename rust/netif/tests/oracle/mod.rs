// SPDX-License-Identifier: GPL-2.0

//! The rules of a Tx chain, stated a second time.
//!
//! Where the parser walks the entries and keeps state, this looks at the whole chain at once: it
//! finds where each rule is first broken, and compares the places.

use netif::{
    multicast::Change,
    Checksum,
    Drop,
    Fault,
    FlowHash,
    Gso,
    GsoKind,
    HashKind, //
};

/// An entry taken apart by hand, in the byte order of the hosts that run tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) gref: u32,
    pub(crate) offset: u32,
    pub(crate) flags: u32,
    pub(crate) id: u16,
    pub(crate) size: u32,
}

pub(crate) fn request([a, b, c]: [u32; 3]) -> Request {
    const {
        assert!(cfg!(target_endian = "little"));
    }
    Request {
        gref: a,
        offset: b % 65_536,
        flags: b / 65_536,
        id: u16::try_from(c % 65_536).unwrap(),
        size: c / 65_536,
    }
}

/// One slot of an expected packet: grant reference, offset, length.
pub(crate) type Range = (u32, u32, u32);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Packet {
        len: u32,
        slots: Vec<Range>,
        checksum: Checksum,
        gso: Option<Gso>,
        hash: Option<FlowHash>,
    },
    Multicast(Change),
    Dropped(Drop),
}

/// What is expected of the entries at the head of a ring.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// For each entry of the chain: the id of a request, or none of extra info.
    pub(crate) ids: Vec<Option<u16>>,
}

/// Judges the first packet in `entries`, which are all that is posted.
pub(crate) fn judge(entries: &[[u32; 3]], fatal_slots: u32) -> Result<Verdict, Fault> {
    let fatal = usize::try_from(fatal_slots.max(18)).unwrap();
    let truncated = Fault::Truncated {
        available: u32::try_from(entries.len()).unwrap(),
    };
    let Some((&first, rest)) = entries.split_first() else {
        return Err(truncated);
    };
    let first = request(first);

    // Extra info: up to the first entry that is bad or that says it is the last.
    let extras = if first.flags & 8 == 0 {
        0
    } else {
        let is_end = |entry: &[u32; 3]| {
            let (kind, flags) = (entry[0] % 256, entry[0] / 256 % 256);
            !(1..=5).contains(&kind) || flags % 2 == 0
        };
        let last = rest.iter().position(is_end).ok_or(truncated)?;
        let kind = u8::try_from(rest[last][0] % 256).unwrap();
        if kind == 0 || kind > 5 {
            return Err(Fault::BadExtra { kind });
        }
        last + 1
    };

    let said = extra_info(&rest[..extras], first.flags & 4 != 0);

    // Further data slots: up to the first that has no other after it.
    let posted: Vec<Request> = rest[extras..].iter().copied().map(request).collect();
    let (further, complete) = if first.flags & 4 == 0 {
        (0, true)
    } else {
        match posted.iter().position(|slot| slot.flags & 4 == 0) {
            Some(last) => (last + 1, true),
            None => (posted.len(), false),
        }
    };
    let further = &posted[..further];

    // Where is each rule broken first? The positions are in `further`.
    let sum_to = |i: usize| further[..=i].iter().map(|slot| slot.size).sum::<u32>();
    let exceeds = (0..further.len().min(18))
        .find(|&i| said.is_ok() && sum_to(i) > first.size)
        .unwrap_or(usize::MAX);
    let crosses = (0..further.len())
        .find(|&i| i <= exceeds && further[i].offset + further[i].size > 4096)
        .unwrap_or(usize::MAX);
    let too_many = if further.len() > fatal {
        fatal
    } else {
        usize::MAX
    };
    let ends = if complete { usize::MAX } else { further.len() };

    // The faults, by what is met first.
    let fault_at = crosses.min(too_many).min(ends);
    if fault_at != usize::MAX {
        return Err(if fault_at == too_many {
            Fault::TooManySlots {
                slots: u32::try_from(fatal + 1).unwrap(),
            }
        } else if fault_at == ends {
            truncated
        } else {
            Fault::PageCrossing {
                offset: u16::try_from(further[crosses].offset).unwrap(),
                size: u16::try_from(further[crosses].size).unwrap(),
            }
        });
    }

    // The drops, by what is met first.
    let (gso, hash, multicast) = *said.as_ref().unwrap_or(&(None, None, None));
    let outcome = if let Err(reason) = said {
        Outcome::Dropped(reason)
    } else if let Some(change) = multicast {
        Outcome::Multicast(change)
    } else if exceeds != usize::MAX {
        Outcome::Dropped(Drop::SlotExceedsPacket)
    } else if further.len() > 18 {
        Outcome::Dropped(Drop::TooManySlots)
    } else if first.size < 14 {
        Outcome::Dropped(Drop::TooShort)
    } else {
        let others: u32 = further.iter().map(|slot| slot.size).sum();
        let own = first.size - others;
        if first.offset + own > 4096 {
            return Err(Fault::PageCrossing {
                offset: u16::try_from(first.offset).unwrap(),
                size: u16::try_from(own).unwrap(),
            });
        }
        let head = (first.gref, first.offset, own);
        let tail = further
            .iter()
            .map(|slot| (slot.gref, slot.offset, slot.size));
        Outcome::Packet {
            len: first.size,
            slots: std::iter::once(head)
                .chain(tail)
                .filter(|&(_, _, len)| len > 0)
                .collect(),
            checksum: match first.flags % 4 {
                0 => Checksum::None,
                2 => Checksum::Validated,
                _ => Checksum::Blank,
            },
            gso,
            hash,
        }
    };

    let ids = std::iter::once(Some(first.id))
        .chain(std::iter::repeat_n(None, extras))
        .chain(further.iter().map(|slot| Some(slot.id)))
        .collect();
    Ok(Verdict { outcome, ids })
}

/// What extra-info entries say, or the first thing that is wrong with them.
type Said = (Option<Gso>, Option<FlowHash>, Option<Change>);

fn extra_info(entries: &[[u32; 3]], data_follows: bool) -> Result<Said, Drop> {
    let (mut gso, mut hash, mut multicast) = (None, None, None);
    for entry in entries {
        let bytes: Vec<u8> = entry.iter().flat_map(|word| word.to_le_bytes()).collect();
        let address: [u8; 6] = bytes[2..8].try_into().unwrap();
        match bytes[0] {
            1 => {
                let kind = match bytes[4] {
                    1 => GsoKind::TcpV4,
                    2 => GsoKind::TcpV6,
                    _ => return Err(Drop::BadGso),
                };
                let size = u16::from_le_bytes([bytes[2], bytes[3]]);
                if size < 8 {
                    return Err(Drop::BadGso);
                }
                gso = Gso::new(kind, size);
            }
            2 | 3 if multicast.is_some() => return Err(Drop::BadMulticast),
            2 => multicast = Some(Change::Add(address)),
            3 => multicast = Some(Change::Del(address)),
            4 => {
                let kinds = [
                    HashKind::Ipv4,
                    HashKind::Ipv4Tcp,
                    HashKind::Ipv6,
                    HashKind::Ipv6Tcp,
                ];
                let value = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
                let kind = kinds.get(usize::from(bytes[2])).filter(|_| bytes[3] == 1);
                hash = kind.map(|&kind| FlowHash { kind, value });
            }
            _ => return Err(Drop::ExtraNotOffered),
        }
    }
    if multicast.is_some() && data_follows {
        return Err(Drop::BadMulticast);
    }
    Ok((gso, hash, multicast))
}
