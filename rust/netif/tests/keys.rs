// SPDX-License-Identifier: GPL-2.0

//! Values of xenstore against the standard library's idea of them.

use netif::{
    keys::{
        parse_mac,
        parse_u32, //
    },
    Malformed, //
};
use proptest::prelude::*;

/// What a strict reader makes of a value: bytes that are all digits, and not too many.
fn expected(value: &[u8]) -> Option<u64> {
    let strict = (1..=10).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    strict.then(|| std::str::from_utf8(value).unwrap().parse().unwrap())
}

/// A value: a number, nearly a number, or noise.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<u32>().prop_map(|n| n.to_string().into_bytes()),
        any::<u16>().prop_map(|n| n.to_string().into_bytes()),
        (any::<u32>(), 0_usize..12).prop_map(|(n, w)| format!("{n:0w$}").into_bytes()),
        (u64::from(u32::MAX) - 9..u64::from(u32::MAX) + 9).prop_map(|n| n.to_string().into_bytes()),
        "[0-9]{0,12}".prop_map(String::into_bytes),
        "[-+ ]?[0-9]{1,5}[ \n\0a-f.]?".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A number is taken exactly if it is one, and then as it is.
    #[test]
    fn numbers(value in value()) {
        let number = expected(&value);
        let number32 = number.and_then(|n| u32::try_from(n).ok()).ok_or(Malformed);
        prop_assert_eq!(parse_u32(&value), number32);
    }

    /// An address is taken as it is printed, in either case.
    #[test]
    fn addresses(mac in any::<[u8; 6]>(), upper in any::<bool>()) {
        let [a, b, c, d, e, f] = mac;
        let mut text = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        if upper {
            text.make_ascii_uppercase();
        }
        prop_assert_eq!(parse_mac(text.as_bytes()), Ok(mac));
    }

    /// One character off, and it is none.
    #[test]
    fn damaged_addresses(mac in any::<[u8; 6]>(), at in 0_usize..17, byte in any::<u8>()) {
        let [a, b, c, d, e, f] = mac;
        let text = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        let mut damaged = text.clone().into_bytes();
        damaged[at] = byte;
        let fits = if at % 3 == 2 { byte == b':' } else { byte.is_ascii_hexdigit() };
        prop_assert_eq!(parse_mac(&damaged).is_ok(), fits);
        prop_assert_eq!(parse_mac(&text.as_bytes()[..at]), Err(Malformed));
        let longer = [text.as_bytes(), &[byte]].concat();
        prop_assert_eq!(parse_mac(&longer), Err(Malformed));
    }
}
