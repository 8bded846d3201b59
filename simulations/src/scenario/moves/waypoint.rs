//! Random waypoint: straight to anywhere within a circle, a pause, and on. A control: nobody with a purpose moves like that.

use crate::scenario::dice::Dice;
use crate::trace::Knot;

use super::{Mover, Place, far, knot, takes_ms};

/// By how much speeds and pauses differ, up or down.
const UNSTEADY: f64 = 0.5;
/// Shortest leg with its pause, in ms: bounds how many there are.
const LEG_MS_MIN: u64 = 10_000;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Waypoint {
    pub(in crate::scenario) around: Place,
    pub(in crate::scenario) within_m: f64,
    pub(in crate::scenario) speed: f64,
    pub(in crate::scenario) pause_ms: u64,
}

impl Waypoint {
    pub(super) fn way(&self, mover: &Mover<'_>) -> Vec<Knot> {
        let mut way: Vec<Knot> = Vec::new();
        let (mut at_ms, mut here) = (0, self.around);
        for leg in 0.. {
            let mut dice = Dice::new(mover.seed, &format!("leg {leg} of {}", mover.name));
            let (x, y) = dice.in_circle(self.within_m);
            let there = (self.around.0 + x, self.around.1 + y);
            if leg > 0 {
                at_ms += takes_ms(far(here, there), dice.around(self.speed, UNSTEADY));
            }
            way.push(knot(at_ms, there));
            let begun_ms = at_ms;
            at_ms = (at_ms + dice.around(self.pause_ms as f64, UNSTEADY) as u64).max(begun_ms + LEG_MS_MIN);
            way.push(knot(at_ms, there));
            here = there;
            if at_ms >= mover.ends_ms {
                break;
            }
        }
        way
    }

    pub(super) fn knots_max(&self, ends_ms: u64) -> u64 {
        let shortest_ms = ((self.pause_ms as f64 * (1.0 - UNSTEADY)) as u64).max(LEG_MS_MIN);
        2 * (ends_ms / shortest_ms + 2)
    }
}
