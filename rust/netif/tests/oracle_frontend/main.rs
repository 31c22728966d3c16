// SPDX-License-Identifier: GPL-2.0

//! A whole connection in memory: a frontend, honest or hostile, against a backend that is made of
//! nothing but the pieces of this crate.
//!
//! The rings are arrays of words and the guest's memory is a list of pages; a grant reference is a
//! page's number. The frontend plays a random list of operations. Before each poll of the backend
//! the outcome is worked out from what lies in the rings, by rules stated independently of the
//! crate, and afterwards everything that the backend did is compared with it: the packets delivered
//! and their bytes, each response and its place, each byte of the guest's pages, each notification,
//! and whether the frontend was cut off.

mod backend;
mod intent;
mod ops;
#[path = "../oracle/mod.rs"]
mod oracle;
mod shared;
mod world;

use ops::{
    index,
    op,
    Op, //
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use world::World;

fn play(hostile: bool, start: u32, ops: Vec<Op>) -> World {
    let mut world = World::new(hostile, start);
    for op in ops {
        world.apply(op);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a frontend does, the backend does what the rules say, and a fault is raised for
    /// lies and for nothing else.
    #[test]
    fn hostile_frontend(start in index(), ops in prop::collection::vec(op(), 0..60)) {
        play(true, start, ops);
    }

    /// A frontend that keeps to the ring's rules, good packets or bad, is never cut off, and driven
    /// by notifications alone everything gets done.
    #[test]
    fn honest_frontend(start in index(), ops in prop::collection::vec(op(), 0..60)) {
        let mut world = play(false, start, ops);
        world.drain();
        world.check_done();
    }
}

/// All there is to test comes up, so that the properties above are not about a few cases.
#[test]
fn everything_comes_up() {
    use proptest::{
        strategy::ValueTree,
        test_runner::TestRunner, //
    };

    let mut runner = TestRunner::deterministic();
    let strategy = (index(), prop::collection::vec(op(), 30..60));
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for round in 0..120 {
        let (start, ops) = strategy.new_tree(&mut runner).unwrap().current();
        let world = play(round % 2 == 0, start, ops);
        for (what, count) in world.stats.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    for what in [
        "attached",
        "attached in the middle",
        "delivered",
        "copy failed",
        "meant and found",
        "too_many_slots",
        "slot_too_long",
        "too_short",
        "extra_not_offered",
        "bad_gso",
        "bad_multicast",
        "multicast",
        "received",
        "received in part",
        "notified of Tx",
        "notified of Rx",
        "RequestOverflow",
        "Truncated",
        "TooManySlots",
        "PageCrossing",
        "BadExtra",
    ] {
        let seen = counts.get(what).copied().unwrap_or(0);
        assert!(seen >= 3, "{what}: {seen} of {counts:?}");
    }
}
