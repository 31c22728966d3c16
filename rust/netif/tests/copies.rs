// SPDX-License-Identifier: GPL-2.0

//! Both sides of the copies: every byte once, in order, and none outside its page.

use netif::{
    rx_plan::{
        Accepts,
        Headroom,
        Plan, //
    },
    tx_chain::parse,
    Answers,
    Checksum,
    Gather,
    Request,
    RxRefusal,
    RxResponse,
    TxRequest, //
};
use proptest::prelude::*;

/// Slots within their pages, 14 to 65535 bytes in all.
fn slots() -> impl Strategy<Value = Vec<(u32, u16, u16)>> {
    let len = prop_oneof![Just(0_u16), Just(4096_u16), 0_u16..200, 0_u16..=4096];
    let slot = len.prop_flat_map(|len| (any::<u32>(), 0..=4096 - len, Just(len)));
    prop::collection::vec(slot, 1..=19).prop_filter("a packet's length", |slots| {
        let total: u32 = slots.iter().map(|&(_, _, len)| u32::from(len)).sum();
        (14..=65_535).contains(&total)
    })
}

/// What is left in the destination each time, or contiguous at the source.
fn spaces() -> impl Strategy<Value = Vec<u32>> {
    let space = prop_oneof![
        Just(0_u32),
        Just(1_u32),
        1_u32..100,
        1_u32..5000,
        Just(4096_u32),
        any::<u32>(),
    ];
    prop::collection::vec(space, 1..12).prop_filter("it must end some time", |spaces| {
        spaces.iter().any(|&s| s > 0)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The pieces taken are the bytes of the slots, in order.
    #[test]
    fn gather_takes_every_byte_once(slots in slots(), spaces in spaces()) {
        let total: u16 = slots.iter().map(|&(_, _, len)| len).sum();
        let last = slots.len() - 1;
        let read = |i: u32| {
            let i = usize::try_from(i).unwrap();
            let (gref, offset, len) = slots[i];
            TxRequest {
                gref,
                offset,
                flags: if i < last { 4 } else { 0 },
                id: 0,
                size: if i == 0 { total } else { len },
            }.to_words()
        };
        let available = u32::try_from(slots.len()).unwrap();
        let chain = parse(available, 20, read, &mut Answers::new()).unwrap();
        let Ok(Request::Packet(packet)) = chain.outcome else {
            panic!()
        };

        // Every single byte, by page and offset.
        let bytes = |(gref, offset, len): (u32, u16, u16)| {
            (u32::from(offset)..u32::from(offset) + u32::from(len)).map(move |at| (gref, at))
        };
        let expected: Vec<_> = slots.iter().copied().flat_map(bytes).collect();
        let mut taken = Vec::new();
        let mut gather = Gather::new(packet.slots());
        let mut pieces = 0;
        for &space in spaces.iter().cycle() {
            if taken.len() == expected.len() {
                break;
            }
            let piece = gather.take(space);
            if space == 0 {
                prop_assert_eq!(piece, None);
                continue;
            }
            let piece = piece.unwrap();
            prop_assert!((1..=space).contains(&u32::from(piece.len)));
            prop_assert!(u32::from(piece.offset) + u32::from(piece.len) <= 4096);
            taken.extend(bytes((piece.gref, piece.offset, piece.len)));
            pieces += 1;
        }
        prop_assert_eq!(taken, expected);
        prop_assert_eq!(gather.take(u32::MAX), None);
        prop_assert_eq!(gather.take(0), None);

        // With room for all there is one piece for each slot.
        if spaces.iter().all(|&space| space >= 4096) {
            prop_assert_eq!(pieces, packet.slots().len());
        }
    }

    /// The places given are the bytes of the pages, in order.
    #[test]
    fn scatter_places_every_byte_once(
        len in prop_oneof![0_u32..200, 4000_u32..8300, 0_u32..=65_535, Just(65_535_u32)],
        maxes in spaces(),
    ) {
        let mut scatter = plan(len, true).unwrap().scatter();
        let mut placed = 0;
        for &max in maxes.iter().cycle() {
            if placed == len {
                break;
            }
            let place = scatter.place(max);
            if max == 0 {
                prop_assert_eq!(place, None);
                continue;
            }
            let place = place.unwrap();
            prop_assert_eq!(place.slot, placed / 4096);
            prop_assert_eq!(u32::from(place.offset), placed % 4096);
            // As much as can be: up to the page's end, the packet's end or what there is.
            let most = max.min(len - placed).min(4096 - placed % 4096);
            prop_assert_eq!(u32::from(place.len), most);
            placed += most;
        }
        prop_assert_eq!(scatter.place(u32::MAX), None);
    }
}

/// The plan of a packet without extra info.
fn plan(len: u32, scatter_gather: bool) -> Result<Plan, RxRefusal> {
    let accepts = Accepts {
        scatter_gather,
        gso_tcpv4: false,
        gso_tcpv6: false,
        headroom: Headroom::NONE,
    };
    Plan::new(len, Checksum::Validated, None, None, &accepts)
}

/// All lengths there are, and some headrooms: slots, their sizes and their flags add up, and agree
/// with where the bytes go.
#[test]
fn slots_add_up() {
    for headroom in [0, 1, 256, 2048] {
        let room = 4096 - headroom;
        let accepts = Accepts {
            scatter_gather: true,
            gso_tcpv4: false,
            gso_tcpv6: false,
            headroom: Headroom::new(headroom).unwrap(),
        };
        let extras = u32::from(headroom > 0);
        for len in (1..=65_535_u32).step_by(if headroom == 0 { 1 } else { 7 }) {
            let plan = Plan::new(len, Checksum::Validated, None, None, &accepts).unwrap();
            let slots = plan.slots();
            assert!(slots - extras == len.div_ceil(room));
            let mut scatter = plan.scatter();
            for slot in (0..slots).filter(|slot| extras == 0 || *slot != 1) {
                let place = scatter.place(u32::MAX).unwrap();
                assert_eq!((place.slot, u32::from(place.offset)), (slot, headroom));
                let response = RxResponse::from_words(plan.response(slot, 9, true));
                assert_eq!(u32::try_from(response.status).unwrap(), place.len.into());
                assert_eq!(response.offset, place.offset);
                assert_eq!(
                    response.flags & 4 != 0,
                    slot + 1 != slots && (slot, slots) != (0, 1 + extras)
                );
                assert_eq!(response.flags & 1 != 0, slot == 0);
                assert_eq!(response.flags & 8 != 0, slot == 0 && extras > 0);
            }
            assert_eq!(scatter.place(u32::MAX), None);
        }
    }
}

#[test]
fn lengths_are_refused_by_what_the_frontend_takes() {
    for len in 0..=65_535 {
        assert!(plan(len, true).is_ok());
        let refused = (len > 4096).then_some(RxRefusal::TooLong);
        assert_eq!(plan(len, false).err(), refused);
    }
    for len in [65_536, 65_537, 131_072, u32::MAX] {
        assert_eq!(plan(len, true).unwrap_err(), RxRefusal::TooLong);
    }
}
