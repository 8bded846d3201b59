//! Hybrid logical time: wall-clock milliseconds with a counter, so that what a device wrote later always sorts later.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far ahead of its own clock a device follows the clocks of others, in ms.
///
/// An hour covers a time zone set wrong by one; further off, a single bad clock would drag every device with it.
pub const FOLLOW_MS_MAX: u64 = 60 * 60 * 1000;

const COUNTER_BITS: u32 = 16;

/// Milliseconds since 1970 in the upper 48 bits, a counter in the lower 16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The first instant of a millisecond.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms << COUNTER_BITS)
    }

    /// Wall-clock milliseconds since 1970.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// The next instant to write with: never before `now_ms`, always after `self`.
    #[must_use]
    pub fn next(self, now_ms: u64) -> Self {
        Self(Self::from_ms(now_ms).0.max(self.0.saturating_add(1)))
    }

    /// Follows another device's time, unless that is more than [`FOLLOW_MS_MAX`] ahead of the own clock.
    #[must_use]
    pub fn follow(self, other: Self, now_ms: u64) -> Self {
        if other.ms() > now_ms.saturating_add(FOLLOW_MS_MAX) { self } else { self.max(other) }
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward_when_the_clock_goes_back() {
        let first = Hlc::default().next(1_000);
        let second = first.next(500);
        assert!(second > first);
        assert_eq!(second.ms(), 1_000);
    }

    #[test]
    fn a_clock_an_hour_ahead_is_followed_and_one_further_off_is_not() {
        let own = Hlc::from_ms(1_000);
        let edge = Hlc::from_ms(1_000 + FOLLOW_MS_MAX);
        assert_eq!(own.follow(edge, 1_000), edge);
        assert_eq!(own.follow(Hlc::from_ms(1_001 + FOLLOW_MS_MAX), 1_000), own);
    }
}
