//! A device's clock: what it says when, and when it will say something.

/// How a clock goes wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Ahead by so many ms from the beginning; behind if it is negative.
    pub skew_ms: i64,
    /// Gains so many millionths.
    pub drift_ppm: i32,
    /// At so many ms after the beginning it is set by so many ms.
    pub jumps: Vec<(u64, i64)>,
}

/// A clock that goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ticking {
    ahead_ms: i64,
    drift_ppm: i32,
    since_ms: u64,
}

impl Ticking {
    pub(super) const fn new(now_ms: u64, ahead_ms: i64, drift_ppm: i32) -> Self {
        Self { ahead_ms, drift_ppm, since_ms: now_ms }
    }

    /// What it says at a moment.
    pub(super) fn says(&self, now_ms: u64) -> u64 {
        let gone_ms = i128::from(now_ms) - i128::from(self.since_ms);
        let gained_ms = gone_ms * i128::from(self.drift_ppm) / 1_000_000;
        let said_ms = i128::from(now_ms) + i128::from(self.ahead_ms) + gained_ms;
        u64::try_from(said_ms.max(0)).unwrap_or(u64::MAX)
    }

    /// When it will say this, from `now_ms` on.
    pub(super) fn when(&self, now_ms: u64, said_ms: u64) -> u64 {
        let left_ms = u128::from(said_ms.saturating_sub(self.says(now_ms)));
        let pace = u128::from(1_000_000u32.saturating_add_signed(self.drift_ppm).max(1));
        now_ms.saturating_add(u64::try_from((left_ms * 1_000_000).div_ceil(pace)).unwrap_or(u64::MAX))
    }

    pub(super) const fn set_by(&mut self, ms: i64) {
        self.ahead_ms = self.ahead_ms.saturating_add(ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_and_when_it_says_it_are_inverses() {
        for (ahead_ms, drift_ppm) in [(0, 0), (-86_400_000, 0), (3_600_000, 50), (5, -200_000), (0, 900_000)] {
            let clock = Ticking::new(1_000_000_000_000, ahead_ms, drift_ppm);
            let now_ms = 1_000_000_060_000;
            for later_ms in [0, 1, 999, 86_400_000] {
                let said_ms = clock.says(now_ms) + later_ms;
                let when_ms = clock.when(now_ms, said_ms);
                assert!(clock.says(when_ms) >= said_ms, "{ahead_ms} {drift_ppm} {later_ms}");
                // A millisecond earlier it says less, unless two of its milliseconds fall on one.
                assert!(when_ms == now_ms || clock.says(when_ms - 1) <= said_ms, "{ahead_ms} {drift_ppm} {later_ms}");
            }
        }
    }
}
