//! A plane of numbers: what pictures, flows and noise are made on.

use crate::dice::Dice;

/// `width * height` numbers, row by row from the top.
#[derive(Clone)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) values: Vec<f32>,
}

/// A sum of B-splines over dice from -1 to 1 has this standard deviation; noise is scaled by it to 1.
const SPLINE_DEVIATION: f32 = 0.277;

impl Plane {
    pub(crate) fn new(width: usize, height: usize, value: f32) -> Self {
        Self { width, height, values: vec![value; width * height] }
    }

    /// The value of each place, given its column and row.
    pub(crate) fn from_fn(width: usize, height: usize, mut value: impl FnMut(usize, usize) -> f32) -> Self {
        let mut plane = Self::new(width, height, 0.0);
        for (index, place) in plane.values.iter_mut().enumerate() {
            *place = value(index % width, index / width);
        }
        plane
    }

    /// Smooth noise around 0 with a standard deviation of 1, its hills some `cell` pixels apart.
    pub(crate) fn noise(dice: &mut Dice, width: usize, height: usize, cell: usize) -> Self {
        let columns = width / cell + 4;
        let rows = height / cell + 4;
        let lattice = Self::from_fn(columns, rows, |_, _| dice.range(-1.0, 1.0) / SPLINE_DEVIATION);
        let weights: Vec<[f32; 4]> = (0..cell).map(|step| spline((step as f32 + 0.5) / cell as f32)).collect();
        let mut wide = Self::new(width, rows, 0.0);
        for (from, to) in lattice.values.chunks_exact(columns).zip(wide.values.chunks_exact_mut(width)) {
            for (x, place) in to.iter_mut().enumerate() {
                let [a, b, c, d] = weights[x % cell];
                let left = x / cell;
                *place = a * from[left] + b * from[left + 1] + c * from[left + 2] + d * from[left + 3];
            }
        }
        let mut noise = Self::new(width, height, 0.0);
        for (y, to) in noise.values.chunks_exact_mut(width).enumerate() {
            for (row, weight) in weights[y % cell].into_iter().enumerate() {
                let from = &wide.values[(y / cell + row) * width..][..width];
                to.iter_mut().zip(from).for_each(|(place, value)| *place += weight * value);
            }
        }
        noise
    }

    pub(crate) fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y * self.width + x]
    }

    /// The value between four pixels; `None` outside.
    pub(crate) fn between(&self, x: f32, y: f32) -> Option<f32> {
        let (left, top) = (x.floor(), y.floor());
        if left < 0.0 || top < 0.0 {
            return None;
        }
        let (column, row) = (left as usize, top as usize);
        if column + 1 >= self.width || row + 1 >= self.height {
            return None;
        }
        let (right, down) = (x - left, y - top);
        let upper = &self.values[row * self.width + column..][..2];
        let lower = &self.values[(row + 1) * self.width + column..][..2];
        let along = |pair: &[f32]| pair[0] + (pair[1] - pair[0]) * right;
        Some(along(upper) + (along(lower) - along(upper)) * down)
    }

    /// Twice as wide and high, smoothly.
    pub(crate) fn doubled(&self) -> Self {
        let (last_x, last_y) = ((self.width - 2) as f32, (self.height - 2) as f32);
        Self::from_fn(2 * self.width, 2 * self.height, |x, y| {
            let half = |place: usize| (place as f32 - 0.5) / 2.0;
            self.between(half(x).clamp(0.0, last_x + 0.999), half(y).clamp(0.0, last_y + 0.999)).unwrap_or(0.0)
        })
    }
}

/// The four weights of a uniform cubic B-spline.
fn spline(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [(1.0 - t).powi(3) / 6.0, (3.0 * t3 - 6.0 * t2 + 4.0) / 6.0, (-3.0 * t3 + 3.0 * t2 + 3.0 * t + 1.0) / 6.0, t3 / 6.0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_smooth_and_of_unit_size() {
        let noise = Plane::noise(&mut Dice::keyed(&[1]), 403, 301, 10);
        let mean = noise.values.iter().sum::<f32>() / noise.values.len() as f32;
        let variance = noise.values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / noise.values.len() as f32;
        assert!(mean.abs() < 0.1 && (0.8..1.2).contains(&variance), "{mean} {variance}");
        let step = |pair: &[f32]| (pair[0] - pair[1]).abs();
        let steepest = noise.values.chunks_exact(403).flat_map(|row| row.windows(2)).map(step).fold(0.0, f32::max);
        assert!(steepest < 0.7, "{steepest}");
    }

    #[test]
    fn between_pixels_is_between_and_outside_is_nothing() {
        let plane = Plane::from_fn(3, 2, |x, y| (x + 10 * y) as f32);
        assert_eq!(plane.between(0.5, 0.5), Some(5.5));
        assert_eq!(plane.between(1.0, 0.0), Some(1.0));
        assert_eq!(plane.between(1.99, 0.99).map(f32::round), Some(12.0));
        for (x, y) in [(-0.1, 0.0), (0.0, -0.1), (2.0, 0.0), (0.0, 1.0), (f32::NAN, 0.0)] {
            assert!(plane.between(x, y).is_none_or(f32::is_nan), "{x} {y}");
        }
        assert_eq!((plane.doubled().width, plane.doubled().height), (6, 4));
    }
}
