//! Patrols, convoys, supply runs and couriers: journeys from a base to stops and back.

use crate::scenario::dice::Dice;
use crate::scenario::unit::DAY_MS;
use crate::trace::Knot;

use super::{Mover, Place, far, knot, takes_ms};

/// By how much the speed and the stays of a patrol differ from journey to journey, up or down.
const UNSTEADY: f64 = 0.2;

/// In which order stops are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenario) enum Order {
    /// As listed.
    Listed,
    /// As listed, or the other way round.
    Either,
    /// Any.
    Drawn,
}

/// Journeys of a group, or of each team in it.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Rounds {
    pub(in crate::scenario) base: Place,
    pub(in crate::scenario) stops: Vec<Place>,
    /// When one begins, in ms since midnight.
    pub(in crate::scenario) leaves_ms: Vec<u64>,
    /// On each so manieth day, from this one on (counted from 0).
    pub(in crate::scenario) every_days: u64,
    pub(in crate::scenario) first_day: u64,
    pub(in crate::scenario) speed: f64,
    pub(in crate::scenario) stay_ms: u64,
    pub(in crate::scenario) order: Order,
    /// Up to how much later than planned one begins.
    pub(in crate::scenario) late_ms: u64,
    /// Whether it keeps to its speed and its stays.
    pub(in crate::scenario) steady: bool,
    pub(in crate::scenario) teams: u64,
    /// How far one goes behind another, in metres.
    pub(in crate::scenario) gap_m: f64,
}

impl Rounds {
    pub(super) fn way(&self, mover: &Mover<'_>) -> Vec<Knot> {
        let team = mover.number * self.teams / mover.count.max(1);
        // Those of a team go behind each other, and arrive and leave so.
        let first = (team * mover.count).div_ceil(self.teams);
        let behind_ms = takes_ms(self.gap_m * (mover.number - first) as f64, self.speed);
        let mut way = vec![knot(0, self.base)];
        let mut back_ms = 0;
        for day in (self.first_day..).step_by(self.every_days as usize) {
            if day * DAY_MS >= mover.ends_ms {
                break;
            }
            for (number, leaves_ms) in self.leaves_ms.iter().enumerate() {
                let label = format!("journey of {} team {team} day {day} number {number}", mover.group);
                let mut dice = Dice::new(mover.seed, &label);
                let at_ms = day * DAY_MS + leaves_ms + dice.below(self.late_ms + 1) + behind_ms;
                if at_ms >= back_ms && at_ms < mover.ends_ms {
                    back_ms = self.journey(at_ms, &mut dice, &mut way);
                }
            }
        }
        way
    }

    /// One there and back. Returns when it is.
    fn journey(&self, at_ms: u64, dice: &mut Dice, way: &mut Vec<Knot>) -> u64 {
        let mut stops = self.stops.clone();
        let unsteady = if self.steady { 0.0 } else { UNSTEADY };
        let speed = dice.around(self.speed, unsteady);
        match self.order {
            Order::Listed => {}
            Order::Either if dice.below(2) == 0 => {}
            Order::Either => stops.reverse(),
            Order::Drawn => dice.shuffle(&mut stops),
        }
        let (mut at_ms, mut here) = (at_ms, self.base);
        way.push(knot(at_ms, here));
        for stop in stops {
            at_ms += takes_ms(far(here, stop), speed);
            way.push(knot(at_ms, stop));
            at_ms += dice.around(self.stay_ms as f64, unsteady) as u64;
            way.push(knot(at_ms, stop));
            here = stop;
        }
        at_ms += takes_ms(far(here, self.base), speed);
        way.push(knot(at_ms, self.base));
        at_ms
    }

    /// How long a journey takes at most, in ms. For stops in any order, as if each way were the longest.
    pub(in crate::scenario) fn takes_ms_max(&self) -> u64 {
        let all: Vec<Place> = [self.base].into_iter().chain(self.stops.iter().copied()).collect();
        let metres: f64 = match self.order {
            Order::Listed | Order::Either => {
                all.iter().zip(all.iter().cycle().skip(1)).map(|(from, to)| far(*from, *to)).sum()
            }
            Order::Drawn => {
                let ways = all.iter().flat_map(|from| all.iter().map(|to| far(*from, *to)));
                ways.fold(0.0, f64::max) * all.len() as f64
            }
        };
        let (slow, long) = if self.steady { (1.0, 1.0) } else { (1.0 - UNSTEADY, 1.0 + UNSTEADY) };
        let stays_ms = self.stay_ms as f64 * long * self.stops.len() as f64;
        takes_ms(metres, self.speed * slow) + stays_ms as u64 + self.late_ms
    }

    pub(super) fn knots_max(&self, days: u64) -> u64 {
        let journeys = (days / self.every_days + 1) * self.leaves_ms.len() as u64;
        2 + journeys * (2 + 2 * self.stops.len() as u64)
    }
}
