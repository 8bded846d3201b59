//! Draws that follow from a seed and a label: whatever is drawn for one thing never shifts what is drawn for another.

use crdt::seal::{Seed, derive};

/// Numbers without end, from one key.
pub(super) struct Dice(blake3::OutputReader);

impl Dice {
    /// What is drawn for `label` in the run of `seed`.
    pub(super) fn new(seed: &Seed, label: &str) -> Self {
        Self(blake3::Hasher::new_keyed(&derive(seed, label)).finalize_xof())
    }

    fn next(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// From 0 up to, but not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From one number to another.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Less than `bound`; 0 if that is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Within a share of a value, above or below it.
    pub(super) fn around(&mut self, value: f64, share: f64) -> f64 {
        value * self.between(1.0 - share, 1.0 + share)
    }

    /// How long something lasts that ends at any moment alike, in ms; at least one.
    pub(super) fn lasts_ms(&mut self, mean_ms: u64) -> u64 {
        let share = -libm::log(1.0 - self.unit());
        ((share * mean_ms as f64) as u64).max(1)
    }

    /// Somewhere in a circle.
    pub(super) fn in_circle(&mut self, radius: f64) -> (f64, f64) {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            if x * x + y * y <= 1.0 {
                return (x * radius, y * radius);
            }
        }
    }

    /// Puts things in an order that is drawn.
    pub(super) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// What a thing weighs when one of several is chosen: the heaviest is. Without it, the next heaviest is, and all that had chosen
/// another one stay with that.
pub(super) fn weight(seed: &Seed, label: &str) -> u64 {
    Dice::new(seed, label).next()
}
