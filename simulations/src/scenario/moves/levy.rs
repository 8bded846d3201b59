//! Truncated Lévy walk (Rhee and others, "On the Levy-walk nature of human mobility", 2011): most ways and pauses are short, few are
//! long, both by a power law with an end. A control nearer to how people move than random waypoint.

use crate::scenario::dice::Dice;
use crate::trace::Knot;

use super::{Mover, Place, far, knot, takes_ms};

/// Shortest leg with its pause, in ms: bounds how many there are.
const LEG_MS_MIN: u64 = 10_000;
/// How often a leg that would leave the circle is drawn anew before it goes to the middle.
const TRIES_MAX: u32 = 30;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Levy {
    pub(in crate::scenario) around: Place,
    pub(in crate::scenario) within_m: f64,
    pub(in crate::scenario) speed: f64,
    pub(in crate::scenario) legs: Power,
    pub(in crate::scenario) pauses_ms: Power,
}

/// A power law between two ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::scenario) struct Power {
    pub(in crate::scenario) exponent: f64,
    pub(in crate::scenario) low: f64,
    pub(in crate::scenario) high: f64,
}

impl Power {
    /// By inversion: of a density that falls with `x` to the power `-(1 + exponent)`.
    fn draw(self, dice: &mut Dice) -> f64 {
        let (low, high) = (libm::pow(self.low, -self.exponent), libm::pow(self.high, -self.exponent));
        libm::pow(low - dice.unit() * (low - high), -1.0 / self.exponent).clamp(self.low, self.high)
    }
}

impl Levy {
    pub(super) fn way(&self, mover: &Mover<'_>) -> Vec<Knot> {
        let mut dice = Dice::new(mover.seed, &format!("start of {}", mover.name));
        let (x, y) = dice.in_circle(self.within_m);
        let (mut at_ms, mut here) = (0, (self.around.0 + x, self.around.1 + y));
        let mut way = vec![knot(at_ms, here)];
        for leg in 0.. {
            let mut dice = Dice::new(mover.seed, &format!("leg {leg} of {}", mover.name));
            let begun_ms = at_ms;
            at_ms += self.pauses_ms.draw(&mut dice) as u64;
            way.push(knot(at_ms, here));
            let there = self.next(here, &mut dice);
            at_ms = (at_ms + takes_ms(far(here, there), self.speed)).max(begun_ms + LEG_MS_MIN);
            way.push(knot(at_ms, there));
            here = there;
            if at_ms >= mover.ends_ms {
                break;
            }
        }
        way
    }

    /// Where a leg leads: within the circle.
    fn next(&self, here: Place, dice: &mut Dice) -> Place {
        for _ in 0..TRIES_MAX {
            let metres = self.legs.draw(dice);
            let (x, y) = dice.in_circle(1.0);
            let long = far((0.0, 0.0), (x, y));
            if long > 0.0 {
                let there = (here.0 + x / long * metres, here.1 + y / long * metres);
                if far(self.around, there) <= self.within_m {
                    return there;
                }
            }
        }
        self.around
    }

    pub(super) fn knots_max(&self, ends_ms: u64) -> u64 {
        2 * (ends_ms / LEG_MS_MIN.max(self.pauses_ms.low as u64) + 2)
    }
}
