// SPDX-License-Identifier: GPL-2.0

//! The hash as it is defined, a bit at a time, and what goes into it of any bytes.

use netif::{
    flow::{
        input,
        Wanted,
        HEADERS_MAX, //
    },
    toeplitz::{
        hash,
        word,
        Key,
        BUFFER_MAX,
        KEY_LEN,
        TABLE_LEN, //
    },
};
use proptest::prelude::*;

/// As `netif.h` defines it.
fn defined(key: &Key, buffer: &[u8]) -> u32 {
    let bit = |bytes: &[u8], i: usize| {
        bytes
            .get(i / 8)
            .is_some_and(|byte| byte & (0x80 >> (i % 8)) != 0)
    };
    (0..buffer.len() * 8)
        .filter(|&i| bit(buffer, i))
        .map(|i| (0..32).fold(0, |word, k| (word << 1) | u32::from(bit(key, i + k))))
        .fold(0, |hash, word| hash ^ word)
}

proptest! {
    #[test]
    fn as_defined(
        key in prop::collection::vec(any::<u8>(), KEY_LEN),
        buffer in prop::collection::vec(any::<u8>(), 0..=BUFFER_MAX),
    ) {
        let key: Key = key.try_into().unwrap();
        let table: Vec<_> = (0..TABLE_LEN).map(|index| word(&key, index)).collect();
        prop_assert_eq!(hash(&buffer, |i| table[i]), defined(&key, &buffer));
    }

    #[test]
    fn any_bytes(headers in prop::collection::vec(any::<u8>(), 0..HEADERS_MAX), flags in 0_u32..16) {
        let wanted = Wanted::from_flags(flags).unwrap();
        if let Some(input) = input(&headers, wanted) {
            prop_assert!([8, 12, 32, 36].contains(&input.bytes().len()));
            prop_assert!(flags & (1 << (input.kind as u32)) != 0);
        }
    }
}
