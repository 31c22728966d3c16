// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::{
    extra::{
        GsoKind,
        HashKind, //
    },
    wire::Status,
};
use std::{
    vec,
    vec::Vec, //
};

const MORE: u16 = tx_flag::MORE_DATA;
const EXTRA: u16 = tx_flag::EXTRA_INFO;

/// Makes the entry of a request; `gref` and `id` are derived from each other.
fn request(id: u16, offset: u16, size: u16, flags: u16) -> [u32; 3] {
    TxRequest {
        gref: u32::from(id) + 1000,
        offset,
        flags,
        id,
        size,
    }
    .to_words()
}

/// Makes the entry of extra info.
fn extra(kind: u8, flags: u8) -> [u32; 3] {
    [u32::from_ne_bytes([kind, flags, 0, 0]), 0, 0]
}

/// Makes a packet of `further` slots of `size` bytes after a first one of the same size.
fn packet(further: u16, size: u16) -> Vec<[u32; 3]> {
    let total = size * (further + 1);
    let more = |id: u16| if id < further { MORE } else { 0 };
    let mut entries = vec![request(0, 0, total, more(0))];
    entries.extend((1..=further).map(|id| request(id, 0, size, more(id))));
    entries
}

/// Parses entries, and checks how they are read.
fn run(entries: &[[u32; 3]], fatal_slots: u32) -> (Result<Chain, Fault>, Answers) {
    let mut answers = Answers::new();
    let mut expected = 0;
    let read = |i: u32| {
        assert_eq!(i, expected, "entries are read in order and once");
        expected += 1;
        entries[usize::try_from(i).unwrap()]
    };
    let available = entries.len().try_into().unwrap();
    let result = parse(available, fatal_slots, read, &mut answers);
    if let Ok(chain) = &result {
        assert_eq!(chain.entries, expected);
        assert_eq!(answers.len(), usize::try_from(chain.entries).unwrap());
    }
    (result, answers)
}

/// The packet that a chain makes.
fn packet_of(result: Result<Chain, Fault>) -> Packet {
    match result.unwrap().outcome {
        Ok(Request::Packet(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

/// Parses a good packet: its length and slots as (gref, offset, len).
fn good(entries: &[[u32; 3]]) -> (u32, Vec<(u32, u16, u16)>) {
    let (result, answers) = run(entries, FATAL_SLOTS_DEFAULT);
    assert!(answers.iter().all(|r| r.status == Status::Okay));
    let packet = packet_of(result);
    let slots = packet.slots().iter();
    let slots: Vec<_> = slots.map(|s| (s.gref(), s.offset(), s.len())).collect();
    let sum: u32 = slots.iter().map(|&(_, _, len)| u32::from(len)).sum();
    assert_eq!(sum, packet.len());
    (packet.len(), slots)
}

/// Parses a bad packet: its entries and why it is dropped.
fn bad(entries: &[[u32; 3]], fatal_slots: u32) -> (u32, Drop) {
    let (result, answers) = run(entries, fatal_slots);
    assert!(answers.iter().all(|r| r.status != Status::Okay));
    let chain = result.unwrap();
    (chain.entries, chain.outcome.unwrap_err())
}

/// Parses the packet of a liar.
fn lie(entries: &[[u32; 3]], fatal_slots: u32) -> Fault {
    run(entries, fatal_slots).0.unwrap_err()
}

#[test]
fn one_slot() {
    for (offset, size) in [(0, 14), (4082, 14), (0, 4096), (1, 4095), (2048, 1500)] {
        let (len, slots) = good(&[request(5, offset, size, 0)]);
        assert_eq!(len, u32::from(size));
        assert_eq!(slots, [(1005, offset, size)]);
    }
}

#[test]
fn stops_at_the_end_of_the_packet() {
    let entries = [request(1, 0, 60, 0), request(2, 0, 70, 0)];
    let (result, answers) = run(&entries, FATAL_SLOTS_DEFAULT);
    assert_eq!(result.unwrap().entries, 1);
    assert_eq!(answers.iter().next().unwrap().id, 1);
}

#[test]
fn first_slot_is_what_the_others_leave() {
    let entries = [
        request(1, 100, 1000, MORE),
        request(2, 0, 300, MORE),
        request(3, 4000, 96, 0),
    ];
    let (len, slots) = good(&entries);
    assert_eq!(len, 1000);
    assert_eq!(slots, [(1001, 100, 604), (1002, 0, 300), (1003, 4000, 96)]);
}

#[test]
fn empty_slots_are_answered_and_left_out() {
    let first = [request(1, 0, 40, MORE), request(2, 0, 40, 0)];
    assert_eq!(good(&first).1, [(1002, 0, 40)]);
    let middle = [
        request(1, 0, 40, MORE),
        request(2, 4096, 0, MORE),
        request(3, 0, 20, 0),
    ];
    assert_eq!(good(&middle).1, [(1001, 0, 20), (1003, 0, 20)]);
    let last = [request(1, 0, 40, MORE), request(2, 0, 0, 0)];
    assert_eq!(good(&last).1, [(1001, 0, 40)]);
    let all_but_one = [
        request(1, 4096, 14, MORE),
        request(2, 0, 0, MORE),
        request(3, 7, 14, MORE),
        request(4, 0, 0, 0),
    ];
    assert_eq!(good(&all_but_one).1, [(1003, 7, 14)]);
}

#[test]
fn slot_limits() {
    assert_eq!(good(&packet(18, 100)).1.len(), MAX_SLOTS);
    assert_eq!(good(&packet(15, 4095)).0, 65_520);
    let drop = |further| bad(&packet(further, 100), FATAL_SLOTS_DEFAULT);
    assert_eq!(drop(19), (20, Drop::TooManySlots));
    assert_eq!(drop(20), (21, Drop::TooManySlots));
    assert_eq!(
        lie(&packet(21, 100), FATAL_SLOTS_DEFAULT),
        Fault::TooManySlots { slots: 21 }
    );
    // The limit cannot be set to what must be accepted.
    assert!(run(&packet(18, 100), 0).0.unwrap().outcome.is_ok());
    assert_eq!(lie(&packet(19, 100), 0), Fault::TooManySlots { slots: 19 });
    // It can be set to no limit at all.
    assert_eq!(bad(&packet(200, 100), u32::MAX), (201, Drop::TooManySlots));
}

#[test]
fn chains_end_with_what_was_posted() {
    let posted = packet(18, 100);
    for available in 1..=18 {
        assert_eq!(
            lie(&posted[..available], FATAL_SLOTS_DEFAULT),
            Fault::Truncated {
                available: available.try_into().unwrap()
            }
        );
    }
    assert_eq!(lie(&[], 20), Fault::Truncated { available: 0 });
    // A ring full of it: the end comes before the limit on slots.
    let endless = [request(0, 0, 14, MORE); 21];
    assert_eq!(lie(&endless, 20), Fault::Truncated { available: 21 });
    // Extra info up to the end of the ring.
    let mut extras = vec![extra(1, 1); 256];
    extras[0] = request(0, 0, 14, EXTRA);
    assert_eq!(lie(&extras, 20), Fault::Truncated { available: 256 });
}

#[test]
fn sizes_that_wrapped_are_dropped() {
    // 64 KiB in 16 slots: the total is 0.
    let mut entries = packet(15, 4095);
    entries[0] = request(0, 0, 0, MORE);
    assert_eq!(bad(&entries, 20), (16, Drop::SlotExceedsPacket));
    // It is the remainder that counts.
    let entries = [
        request(1, 0, 100, MORE),
        request(2, 0, 60, MORE),
        request(3, 0, 41, 0),
    ];
    assert_eq!(bad(&entries, 20), (3, Drop::SlotExceedsPacket));
}

#[test]
fn short_packets_are_dropped() {
    assert_eq!(bad(&[request(1, 0, 13, 0)], 20), (1, Drop::TooShort));
    assert_eq!(bad(&[request(1, 0, 0, 0)], 20), (1, Drop::TooShort));
    // Wherever the slot is.
    assert_eq!(bad(&[request(1, 4095, 13, 0)], 20), (1, Drop::TooShort));
}

#[test]
fn slots_stay_in_their_page() {
    for (offset, size) in [
        (4083, 14),
        (4096, 14),
        (1, 4096),
        (0, 4097),
        (65_535, 65_535),
    ] {
        assert_eq!(
            lie(&[request(1, offset, size, 0)], 20),
            Fault::PageCrossing { offset, size }
        );
        assert_eq!(
            lie(
                &[
                    request(1, 0, 65_535, MORE),
                    request(2, offset, size, 0),
                    request(3, 0, 14, 0)
                ],
                20
            ),
            Fault::PageCrossing { offset, size }
        );
    }
    // Of the first slot it is the remainder that counts.
    let entries = [request(1, 4000, 196, MORE), request(2, 0, 100, 0)];
    assert_eq!(good(&entries).0, 196);
    let entries = [request(1, 4000, 197, MORE), request(2, 0, 100, 0)];
    assert_eq!(
        lie(&entries, 20),
        Fault::PageCrossing {
            offset: 4000,
            size: 97
        }
    );
    // An empty slot past the end is one, too.
    let entries = [request(1, 0, 14, MORE), request(2, 4097, 0, 0)];
    assert_eq!(
        lie(&entries, 20),
        Fault::PageCrossing {
            offset: 4097,
            size: 0
        }
    );
}

#[test]
fn what_is_not_for_frontends_to_send() {
    let entries = [
        request(1, 0, 100, EXTRA | MORE),
        extra(5, 1),
        extra(1, 0),
        request(2, 0, 50, 0),
        request(3, 0, 60, 0),
    ];
    assert_eq!(bad(&entries, 20), (4, Drop::ExtraNotOffered));
    let (_, answers) = run(&entries, 20);
    let answers: Vec<_> = answers.iter().map(|r| (r.id, r.status)).collect();
    assert_eq!(
        answers,
        [
            (1, Status::Error),
            (0, Status::Null),
            (0, Status::Null),
            (2, Status::Error)
        ]
    );
    // "Flags on preceding extras are not relevant here."
    let entries = [
        request(1, 0, 100, EXTRA),
        extra(5, 0xfe),
        request(2, 0, 50, 0),
    ];
    assert_eq!(bad(&entries, 20), (2, Drop::ExtraNotOffered));
    let entries = [request(1, 0, 100, EXTRA), extra(6, 0)];
    assert_eq!(lie(&entries, 20), Fault::BadExtra { kind: 6 });
}

#[test]
fn precedence() {
    let crossing = Fault::PageCrossing {
        offset: 4096,
        size: 1,
    };
    // A fault over a drop, also when the drop was found before.
    let mut too_many = packet(19, 100);
    too_many[19] = request(19, 4096, 1, 0);
    assert_eq!(lie(&too_many, 20), crossing);
    let not_offered = [
        request(1, 0, 100, EXTRA | MORE),
        extra(1, 0),
        request(2, 4096, 1, 0),
    ];
    assert_eq!(lie(&not_offered, 20), crossing);
    // Both in one slot.
    let both = [request(1, 0, 0, MORE), request(2, 4096, 1, 0)];
    assert_eq!(lie(&both, 20), crossing);
    // But sizes of a packet that wrapped are not looked at any more.
    let wrapped = [
        request(1, 4096, 0, MORE),
        request(2, 0, 1, MORE),
        request(3, 4096, 1, 0),
    ];
    assert_eq!(bad(&wrapped, 20), (3, Drop::SlotExceedsPacket));
    // The first drop wins.
    let mut wrapped_and_many = packet(20, 100);
    wrapped_and_many[0] = request(0, 0, 13, MORE);
    assert_eq!(bad(&wrapped_and_many, 20), (21, Drop::SlotExceedsPacket));
    let mut many_then_wrapped = packet(20, 100);
    many_then_wrapped[20] = request(20, 0, 4096, 0);
    assert_eq!(bad(&many_then_wrapped, 20), (21, Drop::TooManySlots));
    let short_with_extra = [request(1, 0, 1, EXTRA), extra(5, 0)];
    assert_eq!(bad(&short_with_extra, 20), (2, Drop::ExtraNotOffered));
}

/// Makes the entry of extra info with a payload.
fn extra_with(kind: u8, flags: u8, payload: [u8; 6]) -> [u32; 3] {
    let [a, b, c, d, e, f] = payload;
    [
        u32::from_ne_bytes([kind, flags, a, b]),
        u32::from_ne_bytes([c, d, e, f]),
        0xdead_beef,
    ]
}

#[test]
fn segmentation_and_hash() {
    let [size0, size1] = 1448_u16.to_ne_bytes();
    let gso = |kind| extra_with(1, 1, [size0, size1, kind, 0xff, 0xff, 0xff]);
    let [v0, v1, v2, v3] = 0x1234_5678_u32.to_ne_bytes();
    let hash = |kind, algorithm| extra_with(4, 0, [kind, algorithm, v0, v1, v2, v3]);
    let parsed = |gso, hash| {
        let entries = [request(1, 0, 4000, EXTRA), gso, hash];
        let packet = packet_of(run(&entries, 20).0);
        (packet.gso(), packet.hash())
    };

    for (number, kind) in [(1, GsoKind::TcpV4), (2, GsoKind::TcpV6)] {
        let (found, _) = parsed(gso(number), hash(0, 1));
        assert_eq!(found, Gso::new(kind, 1448));
    }
    for (number, kind, ports) in [
        (0, HashKind::Ipv4, false),
        (1, HashKind::Ipv4Tcp, true),
        (2, HashKind::Ipv6, false),
        (3, HashKind::Ipv6Tcp, true),
    ] {
        let (_, found) = parsed(gso(1), hash(number, 1));
        let value = 0x1234_5678;
        assert_eq!(found, Some(FlowHash { kind, value }));
        assert_eq!(kind.has_ports(), ports);
    }
    // A hint that makes no sense is none.
    assert_eq!(parsed(gso(1), hash(4, 1)).1, None);
    assert_eq!(parsed(gso(1), hash(0, 0)).1, None);
    // Segments of nothing, or of an unknown protocol.
    let none = extra_with(1, 0, [0, 0, 1, 0, 0, 0]);
    for bad_gso in [none, gso(0), gso(3)] {
        let entries = [request(1, 0, 4000, EXTRA), bad_gso, hash(0, 1)];
        assert_eq!(
            bad(&entries[..2 + usize::from(bad_gso != none)], 20).1,
            Drop::BadGso
        );
    }
    for size in 1..=9_u16 {
        let [size0, size1] = size.to_ne_bytes();
        let entries = [
            request(1, 0, 4000, EXTRA),
            extra_with(1, 0, [size0, size1, 1, 0, 0, 0]),
        ];
        if size < Gso::MIN_SIZE {
            assert_eq!(bad(&entries, 20).1, Drop::BadGso);
        } else {
            let found = packet_of(run(&entries, 20).0).gso();
            assert_eq!(found, Gso::new(GsoKind::TcpV4, size));
        }
    }
    // The last of a kind counts.
    let entries = [request(1, 0, 4000, EXTRA), gso(1), gso(2), hash(0, 1)];
    let packet = packet_of(run(&entries, 20).0);
    assert_eq!(packet.gso(), Gso::new(GsoKind::TcpV6, 1448));
    let packet = packet_of(run(&[request(1, 0, 14, 0)], 20).0);
    assert_eq!((packet.gso(), packet.hash()), (None, None));
}

#[test]
fn multicast_requests_are_no_packets() {
    let address = [1, 0, 0x5e, 1, 2, 3];
    let changes = [
        (2, multicast::Change::Add(address)),
        (3, multicast::Change::Del(address)),
    ];
    for (kind, change) in changes {
        // Of the request itself, nothing but the identifier means anything.
        let entries = [request(1, 4096, 4096, EXTRA), extra_with(kind, 0, address)];
        let (result, answers) = run(&entries, 20);
        let found = result.unwrap().outcome.unwrap();
        assert!(matches!(found, Request::Multicast(c) if c == change));
        let answers: Vec<_> = answers.iter().map(|r| (r.id, r.status)).collect();
        assert_eq!(answers, [(1, Status::Okay), (0, Status::Null)]);

        // With data after it the whole chain is dropped, not taken for further packets.
        let entries = [
            request(1, 0, 100, EXTRA | MORE),
            extra_with(kind, 0, address),
            request(2, 0, 50, 0),
            request(3, 0, 60, 0),
        ];
        assert_eq!(bad(&entries, 20), (3, Drop::BadMulticast));
    }
    let entries = [
        request(1, 0, 0, EXTRA),
        extra_with(2, 1, address),
        extra_with(3, 0, address),
    ];
    assert_eq!(bad(&entries, 20), (3, Drop::BadMulticast));
}

#[test]
fn checksum_flags() {
    use Checksum::{
        Blank,
        None,
        Validated, //
    };

    for (flags, checksum) in [(0, None), (1, Blank), (2, Validated), (3, Blank)] {
        let (result, _) = run(&[request(1, 0, 14, flags)], 20);
        assert_eq!(packet_of(result).checksum(), checksum);
    }
    // Those of the first request count.
    let entries = [request(1, 0, 28, MORE), request(2, 0, 14, 3)];
    let (result, _) = run(&entries, 20);
    assert_eq!(packet_of(result).checksum(), None);
}

#[test]
fn answers_of_other_packets_are_left_alone() {
    let mut answers = Answers::new();
    answers.push_request(99);
    let chain = parse(1, 20, |_| request(1, 0, 13, 0), &mut answers).unwrap();
    assert_eq!(chain.outcome.err(), Some(Drop::TooShort));
    let answers: Vec<_> = answers.iter().map(|r| (r.id, r.status)).collect();
    assert_eq!(answers, [(99, Status::Okay), (1, Status::Error)]);
}
