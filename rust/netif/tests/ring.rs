// SPDX-License-Identifier: GPL-2.0

//! The ring's index arithmetic against numbers that do not wrap.

use netif::{
    ring::must_notify,
    BackRing,
    Fault, //
};
use proptest::prelude::*;

/// Where a ring starts: often just before its indices wrap.
fn start() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0_u32),
        u32::MAX - 600..=u32::MAX,
        0x7fff_ff00_u32..0x8000_0100,
        any::<u32>(),
    ]
}

/// How far a frontend moves its index, as it should or not.
fn advance() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => 0_u32..40,
        2 => 200_u32..300,
        1 => Just(0x8000_0000_u32),
        1 => u32::MAX - 300..=u32::MAX,
        1 => any::<u32>(),
    ]
}

#[derive(Clone, Debug)]
enum Op {
    /// Look at a `req_prod` that is so much ahead of the last true one, and keep it if it is true.
    Look(u32),
    /// Consume so many of those that are there.
    Consume(u64),
    /// Answer so many, whether or not they are there.
    Answer(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        advance().prop_map(Op::Look),
        (0_u64..300).prop_map(Op::Consume),
        (0_u32..60).prop_map(Op::Answer),
    ]
}

/// Takes the low 32 bits, which is all that the ring knows of an index.
fn low(index: u64) -> u32 {
    u32::try_from(index % (1 << 32)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A ring and its model, whose 64-bit indices never wrap, stay in step.
    #[test]
    fn ring_agrees_with_model(
        start in start(),
        left in advance(),
        ops in prop::collection::vec(op(), 0..60),
    ) {
        // Far enough from 0 that nothing gets below it.
        let mut rsp_prod = (1_u64 << 40) + u64::from(start);
        let mut req_cons = rsp_prod;
        let req_prod = start.wrapping_add(left);
        let fault = Fault::RequestOverflow { req_prod, rsp_prod: start };
        let attached = BackRing::attach(req_prod, start);
        if left > 256 {
            prop_assert_eq!(attached, Err(fault));
            return Ok(());
        }
        let mut ring = attached.unwrap();
        let mut req_prod = rsp_prod + u64::from(left);

        for op in ops {
            match op {
                Op::Look(by) => {
                    let looked = low(req_prod).wrapping_add(by);
                    // The one index with those low bits that is near enough to be meant, if any.
                    let truth = (req_cons..=rsp_prod + 256).find(|&i| low(i) == looked);
                    let expected = truth
                        .map(|i| low(i - req_cons))
                        .ok_or(Fault::RequestOverflow { req_prod: looked, rsp_prod: low(rsp_prod) });
                    prop_assert_eq!(ring.unconsumed(looked), expected);
                    req_prod = truth.unwrap_or(req_prod);
                }
                Op::Consume(n) => {
                    let n = n.min(req_prod - req_cons);
                    ring.consume(low(n));
                    req_cons += n;
                }
                Op::Answer(n) => {
                    for _ in 0..n {
                        if rsp_prod == req_cons {
                            prop_assert_eq!(ring.answer(), Err(Fault::ResponseOverflow));
                        } else {
                            let place = usize::try_from(rsp_prod % 256).unwrap();
                            prop_assert_eq!(ring.answer(), Ok(place));
                            rsp_prod += 1;
                        }
                    }
                }
            }
            prop_assert_eq!(ring.req_cons(), low(req_cons));
            prop_assert_eq!(ring.rsp_prod(), low(rsp_prod));
            for ahead in [0, 1, 255, 256] {
                let place = usize::try_from((req_cons + ahead) % 256).unwrap();
                prop_assert_eq!(ring.peek_slot(low(ahead)), place);
                prop_assert_eq!(ring.req_event_for(low(ahead)), low(req_cons + ahead.max(1)));
            }
        }
    }

    /// Every index has its place.
    #[test]
    fn slots_are_in_the_ring(index in any::<u32>()) {
        prop_assert!(BackRing::slot(index) < 256);
        prop_assert_eq!(BackRing::slot(index.wrapping_add(1)), (BackRing::slot(index) + 1) % 256);
    }

    /// Peeking further than a ring, which no caller does, still stays in it.
    #[test]
    fn peeks_are_in_the_ring(start in any::<u32>(), ahead in any::<u32>()) {
        let ring = BackRing::attach(start, start).unwrap();
        prop_assert!(ring.peek_slot(ahead) < 256);
    }
}

/// The event is passed if one of the indices that the producer takes on its way is the event.
#[test]
fn notifies_as_defined() {
    let starts = [
        0,
        1,
        0x7fff_fff0,
        0x8000_0000,
        u32::MAX - 256,
        u32::MAX - 3,
        u32::MAX,
    ];
    for old in starts {
        for pushed in [0, 1, 2, 3, 7, 128, 255, 256] {
            let new = old.wrapping_add(pushed);
            let mut passed = vec![false; 1200];
            for i in 1..=pushed {
                passed[usize::try_from(i).unwrap() + 600] = true;
            }
            for (distance, passed) in passed.into_iter().enumerate() {
                let event = old
                    .wrapping_add(u32::try_from(distance).unwrap())
                    .wrapping_sub(600);
                assert_eq!(
                    must_notify(old, new, event),
                    passed,
                    "responses {old}..{new}, event {event}"
                );
            }
        }
    }
}

/// `RING_FINAL_CHECK_FOR_REQUESTS`: with the event published, the frontend's next push notifies, and
/// not earlier than asked.
#[test]
fn frontend_notifies_when_wanted() {
    for start in [0, 5, u32::MAX - 20, u32::MAX] {
        let ring = BackRing::attach(start, start).unwrap();
        for wanted in 1..=256 {
            let event = ring.req_event_for(wanted);
            for n in 1..=256 {
                // The frontend pushes one request after the other.
                let notifies = must_notify(start.wrapping_add(n - 1), start.wrapping_add(n), event);
                assert_eq!(notifies, n == wanted);
            }
        }
    }
}
