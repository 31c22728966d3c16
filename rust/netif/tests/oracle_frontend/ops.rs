// SPDX-License-Identifier: GPL-2.0

//! What a frontend does: operations, and how they are made up.

use crate::{
    backend::PollTx,
    shared::HostPacket, //
};
use netif::Checksum;
use proptest::prelude::*;

/// What is wrong with a packet that the frontend posts.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Nothing,
    /// The total is this.
    Total(u16),
    /// This slot reaches one byte over the end of its page.
    Cross(usize),
    /// This slot's page is not granted.
    Ungranted(usize),
    /// The last slot says that there is another.
    NoEnd,
    /// Extra info of a type that does not exist.
    BadExtra,
}

/// A packet to post.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// For each slot its length, and a number from which its offset is made.
    pub(crate) slots: Vec<(u16, u16)>,
    /// Types of extra info after the first slot.
    pub(crate) extras: Vec<u8>,
    /// Checksum flags.
    pub(crate) checksum: u16,
    pub(crate) damage: Damage,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Ring {
    Tx,
    Rx,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    PostTx(Layout),
    /// Post so many empty pages, the second of them perhaps not granted.
    PostRx(u32, bool),
    /// Take so many responses at most, and ask for an event after so many more.
    Take(Ring, u32, u32),
    /// The host has a packet for the guest.
    Send(HostPacket),
    PollTx(PollTx),
    PollRx,
    /// Start over: indices from here, and scatter-gather or not.
    Reconnect(u32, bool),
    /// Hostile: flip bits in an entry that is posted.
    Rewrite(Ring, u32, usize, u32),
    /// Hostile: set the producer to the consumer plus this.
    Produce(Ring, u32),
    /// Hostile: set the event to anything.
    Event(Ring, u32),
    /// Hostile: from here on overwrite each entry as soon as it was read.
    Scribble,
}

pub(crate) fn index() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0_u32),
        u32::MAX - 400..=u32::MAX,
        0x7fff_ff00_u32..0x8000_0010,
        any::<u32>(),
    ]
}

fn layout() -> impl Strategy<Value = Layout> {
    let len = || {
        prop_oneof![
            1 => Just(0_u16),
            4 => 1_u16..100,
            1 => Just(4096_u16),
            3 => 0_u16..=4096,
        ]
    };
    let slots = prop_oneof![
        6 => 1_usize..4,
        2 => 4_usize..19,
        1 => 19_usize..23,
        // Large ones.
        1 => Just(100_usize),
    ]
    .prop_flat_map(move |count| {
        if count == 100 {
            prop::collection::vec((4000_u16..=4096, any::<u16>()), 15..=19).boxed()
        } else {
            prop::collection::vec((len(), any::<u16>()), count).boxed()
        }
    });
    let extras = prop_oneof![
        6 => Just(Vec::new()),
        1 => prop::collection::vec(1_u8..=5, 1..4),
    ];
    let damage = prop_oneof![
        12 => Just(Damage::Nothing),
        1 => any::<u16>().prop_map(Damage::Total),
        1 => (0_usize..6).prop_map(Damage::Cross),
        1 => (0_usize..4).prop_map(Damage::Ungranted),
        1 => Just(Damage::NoEnd),
        1 => Just(Damage::BadExtra),
    ];
    (slots, extras, 0_u16..4, damage).prop_map(|(slots, extras, checksum, damage)| Layout {
        slots,
        extras,
        checksum,
        damage,
    })
}

fn host_packet() -> impl Strategy<Value = HostPacket> {
    let len = prop_oneof![
        3 => 14_usize..1600,
        1 => prop_oneof![Just(4095_usize), Just(4096_usize), Just(4097_usize)],
        2 => 1600_usize..20_000,
        1 => 60_000_usize..=65_535,
        1 => 65_536_usize..70_000,
    ];
    let checksum = prop_oneof![
        Just(Checksum::None),
        Just(Checksum::Blank),
        Just(Checksum::Validated),
    ];
    let pieces = prop::collection::vec(prop_oneof![1_u32..300, 1_u32..9000, Just(4096)], 1..5);
    (len, any::<u8>(), checksum, pieces).prop_map(|(len, seed, checksum, mut pieces)| {
        let mut byte = seed;
        let data = std::iter::repeat_with(|| {
            byte = byte.wrapping_mul(17).wrapping_add(31);
            byte
        });
        let data = data.take(len).collect();
        // The last is used again and again, and should not be tiny.
        pieces.push(1448);
        HostPacket {
            data,
            checksum,
            pieces,
        }
    })
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let ring = || prop_oneof![Just(Ring::Tx), Just(Ring::Rx)];
    let ask = || prop_oneof![3 => Just(1_u32), 1 => 1_u32..40];
    let poll = (
        prop_oneof![1 => 1_usize..4, 2 => Just(64_usize)],
        prop::bool::weighted(0.8),
        0_usize..4096,
    );
    let poll = poll.prop_map(|(budget, push, head)| Op::PollTx(PollTx { budget, push, head }));
    let advance = prop_oneof![
        2 => 0_u32..=256,
        1 => Just(256_u32),
        1 => Just(257_u32),
        1 => 258_u32..300,
        1 => u32::MAX - 40..=u32::MAX,
        1 => Just(0x8000_0000_u32),
        1 => any::<u32>(),
    ];
    let bits = prop_oneof![(0_u32..32).prop_map(|bit| 1_u32 << bit), any::<u32>()];
    prop_oneof![
        120 => layout().prop_map(Op::PostTx),
        60 => (prop_oneof![0_u32..20, 0_u32..=256], prop::bool::weighted(0.1))
            .prop_map(|(count, ungranted)| Op::PostRx(count, ungranted)),
        60 => (ring(), 0_u32..256, ask()).prop_map(|(ring, max, ask)| Op::Take(ring, max, ask)),
        60 => host_packet().prop_map(Op::Send),
        80 => poll,
        60 => Just(Op::PollRx),
        2 => (index(), any::<bool>()).prop_map(|(start, sg)| Op::Reconnect(start, sg)),
        10 => (ring(), 0_u32..30, 0_usize..3, bits)
            .prop_map(|(ring, ahead, word, bits)| Op::Rewrite(ring, ahead, word, bits)),
        5 => (ring(), advance).prop_map(|(ring, by)| Op::Produce(ring, by)),
        3 => (ring(), any::<u32>()).prop_map(|(ring, event)| Op::Event(ring, event)),
        2 => Just(Op::Scribble),
    ]
}
