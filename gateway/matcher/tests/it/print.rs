//! Made-up fingers: a whorl of ridges, with a spiral in its phase for each minutia.

use std::f64::consts::TAU;

use matcher::{Pool, Position, Template};

pub(crate) const WIDTH: u32 = 320;
pub(crate) const HEIGHT: u32 = 400;

/// Ridges are 9 pixels apart at 500 pixels per inch.
const RIDGE_PX: f64 = 9.0;
const MINUTIAE: usize = 60;

/// A finger: where its ridges end or fork. Equal seeds, equal fingers.
pub(crate) struct Finger {
    centre: (f64, f64),
    spirals: Vec<(f64, f64, f64)>,
}

/// How a finger was put on the glass.
#[derive(Clone, Copy)]
pub(crate) struct Touch {
    pub(crate) turn: f64,
    pub(crate) shift: (f64, f64),
    pub(crate) noise: f64,
    pub(crate) seed: u64,
}

pub(crate) const STRAIGHT: Touch = Touch { turn: 0.0, shift: (0.0, 0.0), noise: 20.0, seed: 1 };
pub(crate) const ASKEW: Touch = Touch { turn: 0.12, shift: (14.0, -9.0), noise: 40.0, seed: 2 };

impl Finger {
    pub(crate) fn new(seed: u64) -> Finger {
        let mut dice = Dice(seed.wrapping_mul(2) + 1);
        let centre = (dice.range(-30.0, 30.0), dice.range(-40.0, 20.0));
        let spirals = (0..MINUTIAE)
            .map(|i| (dice.range(-140.0, 140.0), dice.range(-180.0, 180.0), if i % 2 == 0 { 1.0 } else { -1.0 }))
            .collect();
        Finger { centre, spirals }
    }

    /// An impression as the bytes of a PGM.
    pub(crate) fn impression(&self, touch: Touch) -> Vec<u8> {
        let mut dice = Dice(touch.seed.wrapping_mul(2) + 1);
        let mut bytes = format!("P5\n{WIDTH} {HEIGHT}\n255\n").into_bytes();
        for row in 0..HEIGHT {
            for column in 0..WIDTH {
                let x = f64::from(column) - f64::from(WIDTH) / 2.0;
                let y = f64::from(row) - f64::from(HEIGHT) / 2.0;
                let inside = (x / 150.0).powi(2) + (y / 190.0).powi(2) < 1.0;
                let ink = if inside { 128.0 + 100.0 * self.wave(x, y, touch) } else { 250.0 };
                let level = ink + touch.noise * dice.range(-1.0, 1.0);
                bytes.push(level.clamp(0.0, 255.0) as u8);
            }
        }
        bytes
    }

    fn wave(&self, x: f64, y: f64, touch: Touch) -> f64 {
        let (sin, cos) = touch.turn.sin_cos();
        let (x, y) = (cos * x - sin * y + touch.shift.0, sin * x + cos * y + touch.shift.1);
        let radius = ((x - self.centre.0).powi(2) + 0.7 * (y - self.centre.1).powi(2)).sqrt();
        let spirals: f64 = self.spirals.iter().map(|(sx, sy, sign)| sign * (y - sy).atan2(x - sx)).sum();
        (TAU * radius / RIDGE_PX + spirals).cos()
    }
}

/// A template of that impression.
pub(crate) fn template(pool: &Pool, finger: u64, touch: Touch) -> Template {
    let extracted = pool.extract(&Finger::new(finger).impression(touch)).unwrap();
    assert_eq!(extracted.poor, None);
    extracted.template
}

pub(crate) fn position(code: u8) -> Position {
    Position::from_code(code).unwrap()
}

/// splitmix64.
struct Dice(u64);

impl Dice {
    fn range(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        low + (high - low) * (z >> 11) as f64 / (1u64 << 53) as f64
    }
}
