// SPDX-License-Identifier: GPL-2.0

//! Late EOI, exhaustively: all short histories of a channel against a plain account of them.

use netif::{
    Direction,
    Eoi,
    EoiWord, //
};

#[derive(Clone, Copy, Debug)]
enum Op {
    Arrive(bool, bool),
    Finish(Direction, bool),
}

/// Everything that can happen to a channel.
fn all_ops() -> Vec<Op> {
    let mut ops = Vec::new();
    for a in [false, true] {
        for b in [false, true] {
            ops.push(Op::Arrive(a, b));
        }
        ops.push(Op::Finish(Direction::GuestTx, a));
        ops.push(Op::Finish(Direction::GuestRx, a));
    }
    ops
}

/// What the word stands for, kept as a list: who is awaited, and what was reported so far.
#[derive(Clone, Default)]
struct Account {
    awaited: Vec<Direction>,
    reports: Vec<bool>,
}

impl Account {
    fn apply(&mut self, op: Op) -> Option<Eoi> {
        match op {
            Op::Arrive(tx, rx) => {
                let scheduled = [(tx, Direction::GuestTx), (rx, Direction::GuestRx)];
                for (_, dir) in scheduled.into_iter().filter(|&(scheduled, _)| scheduled) {
                    if !self.awaited.contains(&dir) {
                        self.awaited.push(dir);
                    }
                }
                None
            }
            Op::Finish(dir, worked) => {
                let place = self.awaited.iter().position(|&awaited| awaited == dir)?;
                self.awaited.remove(place);
                self.reports.push(worked);
                if !self.awaited.is_empty() {
                    return None;
                }
                let reports = std::mem::take(&mut self.reports);
                Some(if reports.contains(&true) {
                    Eoi::Worked
                } else {
                    Eoi::Spurious
                })
            }
        }
    }
}

fn explore(word: EoiWord, account: &Account, depth: u32, histories: &mut u32) {
    *histories += 1;
    if depth == 0 {
        return;
    }
    for op in all_ops() {
        let mut account = account.clone();
        let expected = account.apply(op);
        let (next, eoi) = match op {
            Op::Arrive(tx, rx) => (word.arrive(tx, rx), None),
            Op::Finish(dir, worked) => word.finish(dir, worked),
        };
        assert_eq!(eoi, expected, "{op:?} on {word:?}");
        // A channel without an event is a word of 0, whatever was before.
        let idle = account.awaited.is_empty() && account.reports.is_empty();
        assert_eq!(next == EoiWord::default(), idle, "{op:?} on {word:?}");
        let next = EoiWord::from_raw(next.into_raw());
        explore(next, &account, depth - 1, histories);
    }
}

/// All histories of up to 6 steps.
#[test]
fn every_history() {
    let mut histories = 0;
    explore(EoiWord::default(), &Account::default(), 6, &mut histories);
    assert_eq!(histories, (0..=6).map(|n| 8_u32.pow(n)).sum::<u32>());
}

/// Every event is acknowledged exactly once, in whichever order its polls finish.
#[test]
fn one_eoi_for_each_event() {
    use Direction::{
        GuestRx,
        GuestTx, //
    };

    for (tx, rx) in [(true, false), (false, true), (true, true)] {
        for order in [[GuestTx, GuestRx], [GuestRx, GuestTx]] {
            let mut word = EoiWord::default().arrive(tx, rx);
            let mut eois = 0;
            // Polls also end without an event, before and after.
            for dir in order.into_iter().chain(order) {
                let (next, eoi) = word.finish(dir, false);
                word = next;
                eois += usize::from(eoi.is_some());
            }
            assert_eq!(eois, 1);
            assert_eq!(word, EoiWord::default());
        }
    }
}
