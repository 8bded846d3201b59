//! How devices move: a way for each, made of where it is when.

mod levy;
mod rounds;
mod shifts;
mod waypoint;

use crdt::seal::Seed;

use super::dice::Dice;
use crate::trace::Knot;

pub(super) use levy::{Levy, Power};
pub(super) use rounds::{Order, Rounds};
pub(super) use shifts::Shifts;
pub(super) use waypoint::Waypoint;

/// Metres east and north.
pub(super) type Place = (f64, f64);

/// How far devices of one group are from the place or the way that they share, in metres, unless a scenario says otherwise.
pub(super) const SPREAD_M: f64 = 5.0;

/// How a group moves.
#[derive(Clone, Debug)]
pub(super) enum Moves {
    /// As a trace says whom each meets: nobody knows where they are.
    Traced,
    /// Not at all.
    Fixed(Place),
    /// By rounds from a base.
    Rounds(Rounds),
    /// Between a base and a post, in crews.
    Shifts(Shifts),
    /// To and fro, without a purpose.
    Waypoint(Waypoint),
    /// Likewise, mostly near and rarely far.
    Levy(Levy),
}

/// One device of a group that moves.
pub(super) struct Mover<'a> {
    pub(super) seed: &'a Seed,
    /// What its group is called, with its region.
    pub(super) group: &'a str,
    /// What it is called itself.
    pub(super) name: &'a str,
    /// Which of how many.
    pub(super) number: u64,
    pub(super) count: u64,
    pub(super) spread_m: f64,
    pub(super) ends_ms: u64,
}

impl Moves {
    /// The way of one device: empty if that isn't known.
    pub(super) fn way(&self, mover: &Mover<'_>) -> Vec<Knot> {
        let way = match self {
            Self::Traced => return Vec::new(),
            Self::Fixed(place) => vec![knot(0, *place)],
            Self::Rounds(rounds) => rounds.way(mover),
            Self::Shifts(shifts) => shifts.way(mover),
            // These go alone, each its own way.
            Self::Waypoint(waypoint) => return waypoint.way(mover),
            Self::Levy(levy) => return levy.way(mover),
        };
        let (x, y) = Dice::new(mover.seed, &format!("place of {}", mover.name)).in_circle(mover.spread_m);
        let mut way: Vec<Knot> = way.into_iter().map(|it| Knot { x: it.x + x, y: it.y + y, ..it }).collect();
        // Still to the end.
        if let Some(last) = way.last().copied().filter(|last| last.at_ms < mover.ends_ms as f64) {
            way.push(Knot { at_ms: mover.ends_ms as f64, ..last });
        }
        way
    }

    /// How many places a way has at most, of one device over so many days: what it takes to keep them is bounded by that.
    pub(super) fn knots_max(&self, days: u64, ends_ms: u64) -> u64 {
        match self {
            Self::Traced => 0,
            Self::Fixed(_) => 2,
            Self::Rounds(rounds) => rounds.knots_max(days),
            Self::Shifts(shifts) => shifts.knots_max(days),
            Self::Waypoint(waypoint) => waypoint.knots_max(ends_ms),
            Self::Levy(levy) => levy.knots_max(ends_ms),
        }
    }
}

pub(super) fn knot(at_ms: u64, (x, y): Place) -> Knot {
    Knot { at_ms: at_ms as f64, x, y }
}

pub(super) fn far(from: Place, to: Place) -> f64 {
    let (x, y) = (to.0 - from.0, to.1 - from.1);
    (x * x + y * y).sqrt()
}

/// How long a way takes at a speed in metres a second, in ms.
pub(super) fn takes_ms(metres: f64, speed: f64) -> u64 {
    (metres / speed * 1000.0).ceil() as u64
}
