//! Means over seeds, and how far they can be trusted.

use distrs::StudentsT;

/// A mean with its 95 % interval, after Student.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// How many there were.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// From the mean to either end of the interval; none of a single one.
    pub half_width: Option<f64>,
    /// The least of them.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Mean {
    /// Of some values; none of none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let most = values.iter().copied().reduce(f64::max)?;
        let least = values.iter().copied().reduce(f64::min)?;
        let half_width = (count > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let freedom = (count - 1) as f64;
            StudentsT::ppf(0.975, freedom) * (squares / freedom / count as f64).sqrt()
        });
        Some(Self { count, mean, half_width, least, most })
    }

    /// Whether zero is outside the interval, so that a difference is one.
    #[must_use]
    pub fn is_not_zero(&self) -> bool {
        match self.half_width {
            Some(half_width) => self.mean.abs() > half_width,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by hand: the mean of 1, 2, 3, 4 is 2.5, its standard error 0.6455, and t for three degrees of freedom 3.1824.
    #[test]
    fn the_interval_is_students() {
        let mean = Mean::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert!((mean.half_width.unwrap() - 2.0543).abs() < 1e-3, "{mean:?}");
        assert_eq!((mean.mean, mean.least, mean.most, mean.count), (2.5, 1.0, 4.0, 4));
        assert!(mean.is_not_zero());
        assert!(!Mean::of([-1.0, 2.0, 3.0]).unwrap().is_not_zero());
    }

    #[test]
    fn one_value_has_no_interval_and_none_no_mean() {
        assert_eq!(Mean::of([7.0]).unwrap().half_width, None);
        assert!(!Mean::of([7.0]).unwrap().is_not_zero(), "of one nobody can tell");
        assert_eq!(Mean::of([]), None);
        assert_eq!(Mean::of([2.0, 2.0]).unwrap().half_width, Some(0.0));
    }
}
