//! Repeatable dice. Each use has its own, keyed by what it is for, so that a draw more here shifts nothing there.

/// splitmix64: small, fast, and good enough to draw pictures with. Nothing secret comes from it.
pub struct Dice(u64);

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Dice {
    /// Dice of these keys: equal keys, equal draws.
    #[must_use]
    pub fn keyed(keys: &[u64]) -> Self {
        Self(keys.iter().fold(0, |state, key| mix(state.wrapping_add(STEP) ^ mix(key.wrapping_add(STEP)))))
    }

    /// Any 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// From 0 up to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// From `low` up to `high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Around 0, with a standard deviation of 1, never beyond 3.5: the sum of four even draws.
    pub fn bell(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| self.range(-1.0, 1.0)).sum();
        sum * 0.75_f32.sqrt()
    }

    /// From 0 to `count` - 1.
    pub fn below(&mut self, count: usize) -> usize {
        // The remainder favours the low ones by less than 2^-50 here.
        (self.next() % (count as u64).max(1)) as usize
    }

    /// Any of them.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_their_order_count() {
        let first = |keys: &[u64]| Dice::keyed(keys).next();
        let all = [first(&[]), first(&[0]), first(&[0, 0]), first(&[1, 0]), first(&[0, 1]), first(&[1, 1])];
        let different: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(first(&[7, 8, 9]), first(&[7, 8, 9]));
    }

    #[test]
    fn draws_spread_as_they_say() {
        let mut dice = Dice::keyed(&[1]);
        let draws: Vec<f32> = (0..20_000).map(|_| dice.bell()).collect();
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f32>() / draws.len() as f32;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert!(draws.iter().all(|draw| draw.abs() <= 3.5));
        assert!((0..1000).all(|_| (-2.0..5.0).contains(&dice.range(-2.0, 5.0))));
    }
}
