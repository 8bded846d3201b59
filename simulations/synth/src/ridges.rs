//! How ridges grow: noise, filtered again and again along the flow, until it is ridges. Where they don't fit together, one ends
//! or forks; nobody places a minutia.
//!
//! The growth runs at half size, where it costs a sixteenth, and the last rounds at full size make the edges smooth.

use std::f32::consts::{PI, TAU};
use std::sync::OnceLock;

use crate::dice::Dice;
use crate::flow::Flow;
use crate::plane::Plane;

/// Sides of a master in pixels: the finger, and room for it to turn and shift.
pub(crate) const WIDTH: usize = 360;
pub(crate) const HEIGHT: usize = 480;

/// Ridge periods that filters are made for, in pixels at full size.
const PERIOD_MIN: f32 = 7.2;
const PERIOD_MAX: f32 = 10.8;
const PERIODS: usize = 13;
/// Directions that filters are made for, over half a turn.
const DIRECTIONS: usize = 64;

/// Rounds at half size. Fewer leave more minutiae.
const ROUNDS: usize = 14;
/// Rounds at full size.
const SMOOTHING_ROUNDS: usize = 2;
/// How hard each round drives the values towards -1 and 1.
const GAIN: f32 = 3.0;

/// A bank of filters, one for each direction and period, each `side` rows of `stride` numbers.
struct Bank {
    side: usize,
    stride: usize,
    weights: Vec<f32>,
}

/// A finger's ridges: -1 in a valley, 1 on a ridge.
pub(crate) fn grow(dice: &mut Dice, flow: &Flow) -> Plane {
    static HALF: OnceLock<Bank> = OnceLock::new();
    static FULL: OnceLock<Bank> = OnceLock::new();
    let half = HALF.get_or_init(|| Bank::new(6, 0.5));
    let full = FULL.get_or_init(|| Bank::new(9, 1.0));
    let filters = filters(dice, flow);
    let mut ridges = Plane::from_fn(WIDTH / 2, HEIGHT / 2, |_, _| dice.range(-0.5, 0.5));
    for _ in 0..ROUNDS {
        ridges = half.run(&ridges, &filters, 1);
    }
    ridges = ridges.doubled();
    for _ in 0..SMOOTHING_ROUNDS {
        ridges = full.run(&ridges, &filters, 2);
    }
    ridges
}

/// Which filter each place of half size is under.
fn filters(dice: &mut Dice, flow: &Flow) -> Vec<usize> {
    let (width, height) = (WIDTH / 2, HEIGHT / 2);
    let period = dice.range(8.3, 9.7);
    let variation = Plane::noise(dice, width, height, 32);
    let wobble = Plane::noise(dice, width, height, 28);
    let filter = |index: usize| {
        let (x, y) = (index % width, index / width);
        let right = 2.0 * x as f32 - WIDTH as f32 / 2.0;
        let up = HEIGHT as f32 / 2.0 - 2.0 * y as f32;
        // Ridges are further apart towards the joint.
        let period = period * (1.0 + 0.05 * variation.values[index] - up / 3500.0);
        filter_of(flow.angle(right, up) + 0.10 * wobble.values[index], period)
    };
    (0..width * height).map(filter).collect()
}

fn filter_of(angle: f32, period: f32) -> usize {
    let turn = (angle / PI).rem_euclid(1.0) * DIRECTIONS as f32;
    let direction = turn.round() as usize % DIRECTIONS;
    let step = (period - PERIOD_MIN) / (PERIOD_MAX - PERIOD_MIN) * (PERIODS - 1) as f32;
    let period = step.round().clamp(0.0, (PERIODS - 1) as f32) as usize;
    period * DIRECTIONS + direction
}

impl Bank {
    fn new(radius: usize, scale: f32) -> Self {
        let side = 2 * radius + 1;
        // A multiple of four, for the processor's sake; the rest is zeros.
        let stride = side.next_multiple_of(4);
        let mut weights = Vec::with_capacity(PERIODS * DIRECTIONS * side * stride);
        for period in 0..PERIODS {
            let period = PERIOD_MIN + (PERIOD_MAX - PERIOD_MIN) * period as f32 / (PERIODS - 1) as f32;
            for direction in 0..DIRECTIONS {
                let angle = direction as f32 * PI / DIRECTIONS as f32;
                weights.extend(kernel(radius, stride, angle, period * scale));
            }
        }
        Self { side, stride, weights }
    }

    /// Filters a plane whose places are `zoom` times the filters' map, and bounds the result. The margin stays 0.
    fn run(&self, from: &Plane, filters: &[usize], zoom: usize) -> Plane {
        let (width, radius) = (from.width, self.side / 2);
        let mut to = Plane::new(width, from.height, 0.0);
        let size = self.side * self.stride;
        for y in radius..from.height - radius {
            let map = &filters[y / zoom * (width / zoom)..];
            // A row of a filter reads `stride` numbers, at most three more than its side.
            for x in radius..width - radius - 3 {
                let kernel = &self.weights[map[x / zoom] * size..][..size];
                let mut sums = [0.0; 4];
                for (row, weights) in kernel.chunks_exact(self.stride).enumerate() {
                    let values = &from.values[(y + row - radius) * width + x - radius..][..self.stride];
                    for (values, weights) in values.chunks_exact(4).zip(weights.chunks_exact(4)) {
                        for lane in 0..4 {
                            sums[lane] += values[lane] * weights[lane];
                        }
                    }
                }
                let driven = GAIN * (sums[0] + sums[1] + sums[2] + sums[3]);
                to.values[y * width + x] = driven / (1.0 + driven * driven).sqrt();
            }
        }
        to
    }
}

/// A Gabor filter along `angle` (counter-clockwise, rows going down), without a mean, so that it knows no gray.
fn kernel(radius: usize, stride: usize, angle: f32, period: f32) -> Vec<f32> {
    let (sin, cos) = angle.sin_cos();
    let (across_size, along_size) = (0.36 * period, 0.52 * period);
    let side = 2 * radius + 1;
    let mut wave = vec![0.0; side * stride];
    let mut hill = wave.clone();
    for row in 0..side {
        for column in 0..side {
            let (x, y) = (column as f32 - radius as f32, radius as f32 - row as f32);
            let (along, across) = (cos * x + sin * y, cos * y - sin * x);
            let bell = (-(along / along_size).powi(2) / 2.0 - (across / across_size).powi(2) / 2.0).exp();
            hill[row * stride + column] = bell;
            wave[row * stride + column] = bell * (TAU * across / period).cos();
        }
    }
    let mean = wave.iter().sum::<f32>() / hill.iter().sum::<f32>();
    wave.iter_mut().zip(&hill).for_each(|(wave, hill)| *wave -= mean * hill);
    let size: f32 = wave.iter().map(|weight| weight.abs()).sum();
    wave.iter().map(|weight| weight / size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Pattern;

    fn ridges(seed: u64) -> Plane {
        let pattern = [Pattern::Arch, Pattern::LeftLoop, Pattern::Whorl][(seed % 3) as usize];
        let flow = Flow::draw(&mut Dice::keyed(&[seed, 1]), pattern);
        grow(&mut Dice::keyed(&[seed, 2]), &flow)
    }

    /// The ridge period in a square: ridges at any angle cross a row and a column together as often as their period says.
    fn period(ridges: &Plane, left: usize, top: usize, side: usize) -> f32 {
        let changes = |step: &dyn Fn(usize, usize) -> (usize, usize)| {
            let pairs = (0..side).flat_map(|a| (0..side - 1).map(move |b| (step(a, b), step(a, b + 1))));
            let positive = |(x, y): (usize, usize)| ridges.at(left + x, top + y) > 0.0;
            let count = pairs.filter(|(one, other)| positive(*one) != positive(*other)).count();
            count as f32 / (side * (side - 1)) as f32
        };
        let (across, down) = (changes(&|row, column| (column, row)), changes(&|column, row| (column, row)));
        2.0 / across.hypot(down)
    }

    #[test]
    fn ridges_are_eight_to_ten_pixels_apart() {
        for seed in 0..6 {
            let ridges = ridges(seed);
            let squares = (60..420).step_by(36).flat_map(|top| (50..300).step_by(36).map(move |left| (left, top)));
            let mut periods: Vec<f32> = squares.map(|(left, top)| period(&ridges, left, top, 30)).collect();
            periods.sort_by(f32::total_cmp);
            let (low, middle, high) = (periods[3], periods[periods.len() / 2], periods[periods.len() - 4]);
            assert!((8.0..10.0).contains(&middle), "seed {seed}: {middle}");
            assert!(low > 6.0 && high < 12.5, "seed {seed}: {low} to {high}");
        }
    }

    #[test]
    fn growth_ends_in_ridges_and_valleys_and_little_between() {
        let ridges = ridges(1);
        let inside = || (60..420).flat_map(|y| (50..310).map(move |x| (x, y)));
        let clear = inside().filter(|(x, y)| ridges.at(*x, *y).abs() > 0.5).count();
        let raised = inside().filter(|(x, y)| ridges.at(*x, *y) > 0.0).count();
        let share = |count: usize| count as f32 / inside().count() as f32;
        assert!(share(clear) > 0.6, "{}", share(clear));
        assert!((0.45..0.55).contains(&share(raised)), "{}", share(raised));
    }

    #[test]
    fn a_kernel_knows_its_own_ridges_and_no_gray() {
        let (radius, period) = (9, 9.0);
        let stride = 20;
        let answer = |angle: f32, wave: &dyn Fn(f32, f32) -> f32| -> f32 {
            let place = |index: usize| ((index % stride) as f32 - 9.0, 9.0 - (index / stride) as f32);
            let kernel = kernel(radius, stride, angle, period);
            kernel.iter().enumerate().map(|(index, weight)| weight * wave(place(index).0, place(index).1)).sum()
        };
        assert!(answer(0.7, &|_, _| 1.0).abs() < 1e-4);
        let along = |angle: f32| move |x: f32, y: f32| (TAU * (angle.cos() * y - angle.sin() * x) / period).cos();
        assert!(answer(0.7, &along(0.7)) > 0.7);
        assert!(answer(0.7, &along(0.7 + PI / 2.0)).abs() < 0.1);
    }
}
