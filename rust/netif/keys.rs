// SPDX-License-Identifier: GPL-2.0

//! Strict parsing of xenstore values.
//!
//! The frontend's nodes hold whatever the guest likes, and the toolstack's are typed by people.
//! A value is taken as a whole or not at all: no signs, no blanks, no numbers with something after
//! them, and never the low bits of a number that is too long. Values come without their final NUL.

use crate::credit::Rate;

/// The value is not of the form that its key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Digits of the largest number, 4294967295.
const MAX_DIGITS: usize = 10;

/// Parses a decimal number: 1 to 10 ASCII digits, not more than [`u32::MAX`].
///
/// # Errors
///
/// [`Malformed`] if it is anything else.
pub fn parse_u32(v: &[u8]) -> Result<u32, Malformed> {
    if v.is_empty() || v.len() > MAX_DIGITS {
        return Err(Malformed);
    }
    let mut number = 0_u32;
    for &byte in v {
        if !byte.is_ascii_digit() {
            return Err(Malformed);
        }
        let digit = u32::from(byte.wrapping_sub(b'0'));
        number = number
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(digit))
            .ok_or(Malformed)?;
    }
    Ok(number)
}

/// Parses the toolstack's `rate`: `<bytes>,<microseconds>`.
///
/// # Errors
///
/// [`Malformed`] if it is anything else, or one of the numbers is 0.
pub fn parse_rate(v: &[u8]) -> Result<Rate, Malformed> {
    let comma = v.iter().position(|byte| *byte == b',').ok_or(Malformed)?;
    let (bytes, rest) = v.split_at_checked(comma).ok_or(Malformed)?;
    let (_, interval) = rest.split_first().ok_or(Malformed)?;
    let rate = Rate {
        bytes: parse_u32(bytes)?,
        interval: parse_u32(interval)?,
    };
    if rate.bytes == 0 || rate.interval == 0 {
        return Err(Malformed);
    }
    Ok(rate)
}

/// Returns the value of a hexadecimal digit of either case.
fn hex_digit(byte: u8) -> Result<u8, Malformed> {
    match byte {
        b'0'..=b'9' => Ok(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Ok(byte.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Ok(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => Err(Malformed),
    }
}

/// Parses an Ethernet address: `xx:xx:xx:xx:xx:xx`, two hexadecimal digits each.
///
/// # Errors
///
/// [`Malformed`] if it is anything else.
pub fn parse_mac(v: &[u8]) -> Result<[u8; 6], Malformed> {
    let &[a0, a1, b':', b0, b1, b':', c0, c1, b':', d0, d1, b':', e0, e1, b':', f0, f1] = v else {
        return Err(Malformed);
    };
    let octet = |high: u8, low: u8| Ok((hex_digit(high)? << 4) | hex_digit(low)?);
    Ok([
        octet(a0, a1)?,
        octet(b0, b1)?,
        octet(c0, c1)?,
        octet(d0, d1)?,
        octet(e0, e1)?,
        octet(f0, f1)?,
    ])
}

/// What the frontend can take, of the features that it names in its own nodes.
///
/// All are off in a frontend that names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `feature-sg`: packets of more than one slot.
    pub sg: bool,
    /// `feature-rx-notify`: it "sends notification for rx requests"; without it the backend
    /// "cannot safely queue packets (as it may not be kicked to send them)".
    pub rx_notify: bool,
    /// `feature-no-csum-offload`: no blank checksums in IPv4. "If it is missing then the feature
    /// is assumed to be on", checksum offload that is.
    pub no_csum_offload: bool,
    /// `feature-ipv6-csum-offload`: blank checksums in IPv6. "If it is missing then the feature is
    /// assumed to be off."
    pub ipv6_csum_offload: bool,
    /// `feature-gso-tcpv4`: TCP over IPv4 in packets that are yet to be segmented.
    pub gso_tcpv4: bool,
    /// `feature-gso-tcpv6`: the same over IPv6.
    pub gso_tcpv6: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (value, number) in [
            ("0", 0),
            ("1", 1),
            ("42", 42),
            ("0000000007", 7),
            ("4294967295", u32::MAX),
        ] {
            assert_eq!(parse_u32(value.as_bytes()), Ok(number), "{value:?}");
        }
        for value in [
            "",
            " ",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1\n",
            "1\0",
            "1abc",
            "0x10",
            "1.0",
            "1,2",
            "\u{663}",
            "4294967296",
            "9999999999",
            "00000000001",
            "18446744073709551617",
        ] {
            assert_eq!(parse_u32(value.as_bytes()), Err(Malformed), "{value:?}");
        }
        assert_eq!(parse_u32(&[0xff]), Err(Malformed));
        // The neighbours of the digits.
        assert_eq!(parse_u32(b"/"), Err(Malformed));
        assert_eq!(parse_u32(b":"), Err(Malformed));
    }

    #[test]
    fn addresses() {
        assert_eq!(
            parse_mac(b"00:16:3e:AB:cd:Ef"),
            Ok([0x00, 0x16, 0x3e, 0xab, 0xcd, 0xef])
        );
        assert_eq!(parse_mac(b"ff:ff:ff:ff:ff:ff"), Ok([0xff; 6]));
        for value in [
            "",
            "00:16:3e:ab:cd:e",
            "00:16:3e:ab:cd:ef ",
            " 00:16:3e:ab:cd:ef",
            "00:16:3e:ab:cd:ef\0",
            "00:16:3e:ab:cd:ef:01",
            "00-16-3e-ab-cd-ef",
            "0:016:3e:ab:cd:ef",
            "00163eabcdef",
            "0016.3eab.cdef...",
            "00:16:3e:ab:cd:eg",
            "00:16:3e:ab:cd:e@",
            "00:16:3e:ab:cd:/0",
            "00:16:3e:ab:+d:ef",
        ] {
            assert_eq!(parse_mac(value.as_bytes()), Err(Malformed), "{value:?}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(
            parse_rate(b"1310720,50000"),
            Ok(Rate {
                bytes: 1_310_720,
                interval: 50_000
            })
        );
        for value in [
            "",
            ",",
            "5",
            "5,",
            ",5",
            "0,0",
            "0,5",
            "5,0",
            "5,5,",
            "5,5,5",
            " 5,5",
            "5, 5",
            "abc",
            "-1,5",
            "4294967296,1",
            "1,4294967296",
        ] {
            assert_eq!(parse_rate(value.as_bytes()), Err(Malformed), "{value:?}");
        }
    }

    #[test]
    fn no_feature_by_default() {
        let Features {
            sg,
            rx_notify,
            no_csum_offload,
            ipv6_csum_offload,
            gso_tcpv4,
            gso_tcpv6,
        } = Features::default();
        assert_eq!(
            [
                sg,
                rx_notify,
                no_csum_offload,
                ipv6_csum_offload,
                gso_tcpv4,
                gso_tcpv6
            ],
            [false; 6]
        );
    }
}
