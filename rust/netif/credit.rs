// SPDX-License-Identifier: GPL-2.0

//! The toolstack's limit of what a guest may send: so many bytes in each interval.
//!
//! Not counted in intervals, which would let the guest send in bursts of one (50 ms, as `xl` has it)
//! and double that across their border. Instead each packet takes the time that it has at that rate,
//! and one number, the time up to which the guest has used its rate, is all the state there is (the
//! generic cell rate algorithm). Several queues share it by compare-and-exchange.
//!
//! A packet's length is only known when it was taken, so it is charged afterwards: [`Limit::ready`]
//! before, [`Limit::charge`] after. What is charged is exact; what is overdrawn by it is waited for.

/// Units of time in a nanosecond: fine enough for the shortest packet at 100 Gbit/s (5 ns), and the
/// clock of a host that is up for 73 years still fits.
const PER_NSEC: u64 = 8;

/// Bits of fraction in [`Limit`].
const FRACTION: u32 = 16;

/// How far ahead of its rate a guest may get, and so how late the backend may be without loss to the
/// guest, half the interval of `xl`: 25 ms. Nanoseconds.
const AHEAD: u64 = 25_000_000;

/// How far ahead it still is when it may go on after it had to wait: it goes on with packets of 5 ms,
/// neither one by one nor in bursts. Nanoseconds.
const RESUME: u64 = AHEAD - 5_000_000;

/// A rate, as the toolstack gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bytes in each interval, at least 1.
    pub bytes: u32,
    /// Microseconds of an interval, at least 1.
    pub interval: u32,
}

/// The time that each byte takes, in units of 2^-16 / 8 ns; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u64);

impl Limit {
    /// No limit.
    pub const NONE: Self = Self(0);

    /// The limit to a rate. One that no packet is short enough to feel is none.
    pub fn new(rate: Rate) -> Self {
        // 32 + 16 bits, and 16 of fraction.
        let interval = u64::from(rate.interval).wrapping_mul(1000 * PER_NSEC);
        let per_byte = interval
            .wrapping_shl(FRACTION)
            .checked_div(rate.bytes.into());
        Self(per_byte.unwrap_or(0))
    }

    /// Takes the limit from its atomic variable.
    #[inline]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Returns the limit for its atomic variable.
    #[inline]
    pub const fn into_raw(self) -> u64 {
        self.0
    }

    /// Is there no limit?
    #[inline]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// May a guest that has used its rate up to `used` send at `now` (ns of a clock that does not go
    /// back)?
    ///
    /// # Errors
    ///
    /// How long to wait until then. Nanoseconds, at least 1.
    #[inline]
    pub fn ready(self, used: u64, now: u64) -> Result<(), u64> {
        if self.is_none() {
            return Ok(());
        }
        let ahead = Self::ahead(used, now);
        if ahead <= AHEAD {
            return Ok(());
        }
        Err(ahead.saturating_sub(RESUME).max(1))
    }

    /// Returns how much time that is still to come has been used at `now`. Nanoseconds.
    #[inline]
    pub fn ahead(used: u64, now: u64) -> u64 {
        used.saturating_sub(now.saturating_mul(PER_NSEC)) / PER_NSEC
    }

    /// Returns the limit in bytes per second, rounded down; `None` without one.
    pub fn bytes_per_second(self) -> Option<u64> {
        const SECOND: u64 = (1_000_000_000 * PER_NSEC) << FRACTION;
        SECOND.checked_div(self.0)
    }

    /// Returns up to when the rate is used after a packet of `len` bytes that was sent at `now`.
    #[inline]
    #[must_use]
    pub fn charge(self, used: u64, now: u64, len: u32) -> u64 {
        let cost = self.0.saturating_mul(len.into()) >> FRACTION;
        used.max(now.saturating_mul(PER_NSEC)).saturating_add(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSEC: u64 = 1_000_000;
    const SEC: u64 = 1000 * MSEC;

    /// Sends packets of these lengths, as many as may go, whenever the limit says so, but `late` ns
    /// later; returns the bytes of each `slice` of `duration`.
    fn send(rate: Rate, lens: &[u32], late: u64, duration: u64, slice: u64) -> std::vec::Vec<u64> {
        let limit = Limit::new(rate);
        let mut slices = std::vec![0; usize::try_from(duration / slice).unwrap()];
        let (mut used, mut now) = (0, 0);
        let mut lens = lens.iter().cycle();
        while now < duration {
            match limit.ready(used, now) {
                Ok(()) => {
                    let len = *lens.next().unwrap();
                    used = limit.charge(used, now, len);
                    slices[usize::try_from(now / slice).unwrap()] += u64::from(len);
                }
                Err(wait) => now += wait + late,
            }
        }
        slices
    }

    #[test]
    fn standing() {
        assert_eq!(Limit::NONE.bytes_per_second(), None);
        for (bytes, interval, per_second) in [
            (100_000, 50_000, 2_000_000),
            (1, 1_000_000, 1),
            (125_000, 1_000, 125_000_000),
        ] {
            let limit = Limit::new(Rate { bytes, interval });
            let found = limit.bytes_per_second().unwrap();
            // Rounded in the 2^-16 of a unit.
            assert!(found.abs_diff(per_second) <= per_second / 10_000, "{found}");
            let used = limit.charge(0, SEC, bytes);
            assert_eq!(Limit::ahead(used, SEC) / 1000, interval.into());
            assert_eq!(Limit::ahead(used, 3 * SEC), 0);
        }
    }

    #[test]
    fn exact_over_ten_seconds() {
        for rate in [
            (100_000, 50_000),
            (2_000, 1_000),
            (1_000, 500),
            (1, 1),
            (62_500_000, 50_000),
            (125_000, 1_000_000),
        ] {
            let rate = Rate {
                bytes: rate.0,
                interval: rate.1,
            };
            let wanted = u64::from(rate.bytes) * 10_000_000 / u64::from(rate.interval);
            for (lens, late) in [
                (&[60_u32][..], 0),
                (&[1514], 0),
                (&[65_535, 60, 1514], 0),
                (&[1514, 61], 20 * MSEC),
            ] {
                if wanted > 1_000_000_000 && lens[0] < 1000 {
                    continue;
                }
                let sent: u64 = send(rate, lens, late, 10 * SEC, SEC).iter().sum();
                // A packet, and what the guest may be ahead.
                let slack = 65_535 + wanted / 350;
                assert!(
                    sent.abs_diff(wanted) <= slack,
                    "{rate:?} {lens:?}: {sent}, not {wanted}"
                );
            }
        }
    }

    #[test]
    fn smooth() {
        // 2 MB/s, in the toolstack's interval of 50 ms.
        let rate = Rate {
            bytes: 100_000,
            interval: 50_000,
        };
        let slices = send(rate, &[1514], 0, SEC, 20 * MSEC);
        for bytes in slices.iter().skip(1) {
            assert!((30_000..=50_000).contains(bytes), "{slices:?}");
        }
        assert!(slices[0] <= 93_000, "{slices:?}");
    }

    #[test]
    fn a_host_that_is_up_for_decades() {
        let limit = Limit::new(Rate {
            bytes: 1000,
            interval: 1000,
        });
        let now = 70 * 365 * 24 * 3600 * SEC;
        let used = limit.charge(0, now, 50_000);
        assert_eq!(Limit::ahead(used, now), 50 * MSEC);
        assert_eq!(limit.ready(used, now), Err(30 * MSEC));
    }

    #[test]
    fn nothing_is_saved_up() {
        let limit = Limit::new(Rate {
            bytes: 1000,
            interval: 1000,
        });
        // After an hour of silence a guest is not further ahead than after none.
        let mut used = 0;
        let now = 3600 * SEC;
        let mut bytes = 0;
        while limit.ready(used, now).is_ok() {
            used = limit.charge(used, now, 100);
            bytes += 100;
        }
        assert!((25_000..=25_200).contains(&bytes), "{bytes}");
    }

    #[test]
    fn no_limit() {
        assert_eq!(Limit::NONE.ready(u64::MAX, 0), Ok(()));
        assert_eq!(Limit::NONE.charge(5, 0, u32::MAX), 5);
        let unlimited = Limit::new(Rate {
            bytes: u32::MAX,
            interval: 1,
        });
        assert!(unlimited.ready(unlimited.charge(0, 0, 65_535), 0).is_ok());
        assert_eq!(Limit::from_raw(7).into_raw(), 7);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let slowest = Limit::new(Rate {
            bytes: 1,
            interval: u32::MAX,
        });
        for limit in [slowest, Limit::from_raw(u64::MAX), Limit::from_raw(1)] {
            for used in [0, 1, u64::MAX / 2, u64::MAX] {
                for now in [0, 1, SEC, u64::MAX / PER_NSEC, u64::MAX] {
                    let after = limit.charge(used, now, u32::MAX);
                    assert!(after >= used);
                    if let Err(wait) = limit.ready(after, now) {
                        assert!(wait >= 1);
                        // It may go on when it was told to.
                        assert_eq!(limit.ready(after, now.saturating_add(wait)), Ok(()));
                    }
                }
            }
        }
    }
}
