//! Quantiles and means of delays, of which some may be for ever.

/// The value that a share `p` of sorted values doesn't exceed: the one at `ceil(p n)`, from 1.
#[must_use]
pub fn quantile(sorted: &[u64], p: f64) -> Option<u64> {
    let place = (p * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(place - 1).copied()
}

/// Delays of messages, in sorted order, and how many messages never arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    sorted_ms: Vec<u64>,
    undelivered: usize,
}

impl FromIterator<Option<u64>> for Delays {
    fn from_iter<T: IntoIterator<Item = Option<u64>>>(delays: T) -> Self {
        let mut it = Self::default();
        for delay in delays {
            match delay {
                Some(ms) => it.sorted_ms.push(ms),
                None => it.undelivered += 1,
            }
        }
        it.sorted_ms.sort_unstable();
        it
    }
}

impl Delays {
    /// How many messages there were.
    #[must_use]
    pub const fn messages(&self) -> usize {
        self.sorted_ms.len() + self.undelivered
    }

    /// Delays of those that arrived, the shortest first.
    #[must_use]
    pub fn sorted_ms(&self) -> &[u64] {
        &self.sorted_ms
    }

    /// The share that arrived; 1 if there was nothing to deliver.
    #[must_use]
    pub fn delivered(&self) -> f64 {
        if self.messages() == 0 { 1.0 } else { self.sorted_ms.len() as f64 / self.messages() as f64 }
    }

    /// A quantile among those that arrived.
    #[must_use]
    pub fn quantile_ms(&self, p: f64) -> Option<u64> {
        quantile(&self.sorted_ms, p)
    }

    /// A quantile among all: none if it falls among those that never arrived.
    #[must_use]
    pub fn quantile_of_all_ms(&self, p: f64) -> Option<u64> {
        let place = (p * self.messages() as f64).ceil().max(1.0) as usize;
        self.sorted_ms.get(place - 1).copied()
    }

    /// The mean of those that arrived.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        let sum: u128 = self.sorted_ms.iter().map(|ms| u128::from(*ms)).sum();
        (!self.sorted_ms.is_empty()).then(|| sum as f64 / self.sorted_ms.len() as f64)
    }
}
