// SPDX-License-Identifier: GPL-2.0

//! The parser of Tx chains against the oracle, on chains that are nearly right and on noise.

mod oracle;

use netif::{
    tx_chain::parse,
    Answers,
    Request,
    Status,
    TxRequest, //
};
use oracle::{
    judge,
    Outcome, //
};
use proptest::prelude::*;

/// A size or an offset: mostly where something happens.
fn boundary() -> impl Strategy<Value = u16> {
    prop_oneof![
        3 => 0_u16..64,
        2 => Just(100_u16),
        1 => 4000_u16..4100,
        1 => Just(4096_u16),
        1 => any::<u16>(),
    ]
}

/// An entry of extra info, nearly always of a type that exists.
fn extra() -> impl Strategy<Value = [u32; 3]> {
    (
        prop_oneof![20 => 1_u8..=5, 1 => Just(0_u8), 1 => 6_u8..],
        any::<u8>(),
        any::<[u32; 2]>(),
    )
        .prop_map(|(kind, flags, [a, b])| {
            let word = (a & 0xffff_0000) | (u32::from(flags & 0xfe) << 8) | u32::from(kind);
            [word, a, b]
        })
}

/// A chain as a frontend would post it, in which a few numbers are off.
fn chain() -> impl Strategy<Value = Vec<[u32; 3]>> {
    let slot = || (any::<u32>(), boundary(), any::<u16>(), boundary());
    let slots = prop_oneof![3 => 1_usize..5, 1 => 5_usize..19, 1 => 19_usize..24]
        .prop_flat_map(move |count| prop::collection::vec(slot(), count));
    let extras = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec(extra(), 1..4),
    ];
    let total = prop_oneof![5 => Just(None), 1 => boundary().prop_map(Some), 1 => (12_u16..16).prop_map(Some)];
    let first_offset = prop_oneof![8 => 0_u16..90, 1 => boundary()];
    (slots, extras, total, first_offset, 0_u16..4, any::<u8>()).prop_map(
        |(slots, mut extras, total, first_offset, checksum, damage)| {
            let last = slots.len() - 1;
            let sum = slots.iter().fold(0_u16, |sum, s| sum.wrapping_add(s.3));
            let mut entries = Vec::new();
            for (i, (gref, offset, id, size)) in slots.into_iter().enumerate() {
                let mut flags = if i < last { 4 } else { 0 };
                let mut request = TxRequest {
                    gref,
                    offset: offset % 4097,
                    flags,
                    id,
                    size: size.min(4096),
                };
                if i == 0 {
                    flags |= checksum;
                    if !extras.is_empty() {
                        flags |= 8;
                    }
                    request.offset = first_offset;
                    request.size = total.unwrap_or(sum);
                }
                request.flags = flags;
                // Most chains keep within their pages, so that the later rules get their turn.
                if i > 0 && damage > 40 {
                    request.offset = request.offset.min(4096 - request.size);
                }
                entries.push(request.to_words());
                if i == 0 {
                    let more = extras.len().saturating_sub(1);
                    for extra in extras.iter_mut().take(more) {
                        extra[0] |= 0x100;
                    }
                    entries.append(&mut extras);
                }
            }
            entries
        },
    )
}

/// The head of a ring: chains one after the other, or noise; cut off somewhere.
fn posted() -> impl Strategy<Value = Vec<[u32; 3]>> {
    let chains = prop::collection::vec(chain(), 1..3).prop_map(|chains| chains.concat());
    let noise = prop::collection::vec(any::<[u32; 3]>(), 0..40);
    // Noise with few flags, whose chains come to an end in many ways.
    let calm = prop::collection::vec(any::<[u32; 3]>(), 0..40).prop_map(|mut entries| {
        for entry in &mut entries {
            entry[0] &= 0x0000_0107;
            entry[1] &= 0x0007_03ff;
            entry[2] &= 0x03ff_ffff;
        }
        entries
    });
    let cut = prop_oneof![3 => Just(usize::MAX), 1 => 0_usize..30];
    (prop_oneof![6 => chains, 1 => noise, 1 => calm], cut).prop_map(|(mut entries, cut)| {
        entries.truncate(cut);
        entries
    })
}

fn check(entries: &[[u32; 3]], fatal_slots: u32, before: u16) -> Result<(), TestCaseError> {
    let mut answers = Answers::new();
    for id in 0..before {
        answers.push_request(id);
    }
    let mut reads = 0;
    let read = |i: u32| {
        assert_eq!(i, reads, "entries are read in order, each once");
        reads += 1;
        entries[usize::try_from(i).unwrap()]
    };
    let available = u32::try_from(entries.len()).unwrap();
    let parsed = parse(available, fatal_slots, read, &mut answers);

    let verdict = match judge(entries, fatal_slots) {
        Ok(verdict) => verdict,
        Err(fault) => {
            prop_assert_eq!(parsed.err(), Some(fault));
            return Ok(());
        }
    };
    let chain = parsed.map_err(|fault| TestCaseError::fail(format!("{fault}")))?;
    prop_assert_eq!(reads, chain.entries);

    let status = match chain.outcome {
        Ok(Request::Multicast(change)) => {
            prop_assert_eq!(Outcome::Multicast(change), verdict.outcome);
            Status::Okay
        }
        Ok(Request::Packet(packet)) => {
            let slots = packet.slots();
            prop_assert!((1..=19).contains(&slots.len()));
            prop_assert!((14..=65_535).contains(&packet.len()));
            let slots = slots.iter();
            let found = Outcome::Packet {
                len: packet.len(),
                slots: slots
                    .map(|s| (s.gref(), u32::from(s.offset()), u32::from(s.len())))
                    .collect(),
                checksum: packet.checksum(),
                gso: packet.gso(),
                hash: packet.hash(),
            };
            prop_assert_eq!(found, verdict.outcome);
            Status::Okay
        }
        Err(reason) => {
            prop_assert_eq!(Outcome::Dropped(reason), verdict.outcome);
            Status::Error
        }
    };

    let others = (0..before).map(|id| (id, Status::Okay));
    let own = verdict.ids.iter().map(|id| match id {
        Some(id) => (*id, status),
        None => (0, Status::Null),
    });
    let expected: Vec<_> = others.chain(own).collect();
    let found: Vec<_> = answers.iter().map(|r| (r.id, r.status)).collect();
    prop_assert_eq!(found, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        // A case takes next to no time.
        cases: ProptestConfig::default().cases * 4,
        ..ProptestConfig::default()
    })]

    /// Every chain is judged as the oracle judges it.
    #[test]
    fn parser_agrees_with_oracle(
        entries in posted(),
        fatal_slots in prop_oneof![Just(20_u32), 0_u32..26, Just(u32::MAX)],
        before in 0_u16..5,
    ) {
        check(&entries, fatal_slots, before)?;
    }
}

/// All the verdicts there are come up, so that the property above is not about a few of them.
#[test]
fn chains_are_of_all_kinds() {
    use proptest::{
        strategy::ValueTree,
        test_runner::TestRunner, //
    };
    use std::collections::HashMap;

    let mut runner = TestRunner::deterministic();
    let strategy = posted();
    let mut kinds: HashMap<String, u32> = HashMap::new();
    for _ in 0..2000 {
        let entries = strategy.new_tree(&mut runner).unwrap().current();
        let verdict = judge(&entries, 20);
        let kind = match &verdict {
            Ok(verdict) => format!("{:?}", verdict.outcome),
            Err(fault) => format!("{fault:?}"),
        };
        // The name, and for a packet how many slots it has.
        let mut name: String = kind.chars().take_while(|c| *c != '{').collect();
        if let Ok(verdict) = &verdict {
            if let Outcome::Packet { slots, .. } = &verdict.outcome {
                name = format!("Packet of {}", slots.len().min(6));
            }
        }
        *kinds.entry(name.trim().to_owned()).or_default() += 1;
    }
    for kind in [
        "Packet of 1",
        "Packet of 2",
        "Packet of 6",
        "Dropped(TooManySlots)",
        "Dropped(SlotExceedsPacket)",
        "Dropped(TooShort)",
        "Dropped(ExtraNotOffered)",
        "Truncated",
        "TooManySlots",
        "PageCrossing",
        "BadExtra",
    ] {
        let seen = kinds.get(kind).copied().unwrap_or(0);
        assert!(seen >= 10, "{kind}: {seen} of {kinds:?}");
    }
}
