//! Shift changes: crews that take turns at a post, and are at their base between.

use crate::scenario::dice::Dice;
use crate::scenario::unit::DAY_MS;
use crate::trace::Knot;

use super::{Mover, Place, far, knot, takes_ms};

/// By how much the speed of a crew's way differs from one to the next, up or down.
const UNSTEADY: f64 = 0.1;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Shifts {
    pub(in crate::scenario) base: Place,
    pub(in crate::scenario) post: Place,
    /// When a crew takes over, in ms since midnight, in order.
    pub(in crate::scenario) changes_ms: Vec<u64>,
    pub(in crate::scenario) crews: u64,
    /// How long both crews are there.
    pub(in crate::scenario) handover_ms: u64,
    pub(in crate::scenario) speed: f64,
}

impl Shifts {
    pub(super) fn way(&self, mover: &Mover<'_>) -> Vec<Knot> {
        let crew = mover.number % self.crews;
        let mut way = Vec::new();
        for slot in (0..).take_while(|slot| self.change_ms(*slot) < mover.ends_ms) {
            // The shift that the operation begins in was taken over before.
            if slot % self.crews == crew {
                self.duty(slot, mover, &mut way);
            }
        }
        if way.first().is_none_or(|first: &Knot| first.at_ms > 0.0) {
            way.insert(0, knot(0, self.base));
        }
        way
    }

    /// When a shift begins: the one with number 0 goes on when the operation begins, as the last one of the day before it.
    fn change_ms(&self, slot: u64) -> u64 {
        match slot.checked_sub(1) {
            None => 0,
            Some(slot) => {
                let each = self.changes_ms.len() as u64;
                slot / each * DAY_MS + self.changes_ms[(slot % each) as usize]
            }
        }
    }

    fn duty(&self, slot: u64, mover: &Mover<'_>, way: &mut Vec<Knot>) {
        let mut dice = Dice::new(mover.seed, &format!("shift of {} number {slot}", mover.group));
        let metres = far(self.base, self.post);
        let mut drive_ms = || takes_ms(metres, dice.around(self.speed, UNSTEADY));
        let (there_ms, back_ms) = (drive_ms(), drive_ms());
        let (from_ms, until_ms) = (self.change_ms(slot), self.change_ms(slot + 1) + self.handover_ms);
        if from_ms == 0 {
            way.push(knot(0, self.post));
        } else {
            let leaves_ms = from_ms.saturating_sub(there_ms);
            if leaves_ms > 0 {
                way.push(knot(leaves_ms, self.base));
            }
            way.push(knot(from_ms, self.post));
        }
        way.push(knot(until_ms, self.post));
        way.push(knot(until_ms + back_ms, self.base));
    }

    /// How long a crew is away at most, from leaving its base to being back, in ms.
    pub(in crate::scenario) fn away_ms_max(&self) -> u64 {
        let drive_ms = takes_ms(far(self.base, self.post), self.speed * (1.0 - UNSTEADY));
        let lasts = (1..=self.changes_ms.len() as u64).map(|slot| self.change_ms(slot + 1) - self.change_ms(slot));
        2 * drive_ms + self.handover_ms + lasts.max().unwrap_or(0)
    }

    /// How long it is at most until a crew's next shift begins, from the beginning of one, in ms.
    pub(in crate::scenario) fn turns_ms_min(&self) -> u64 {
        let each = self.changes_ms.len() as u64;
        let turns = (1..=each).map(|slot| self.change_ms(slot + self.crews) - self.change_ms(slot));
        turns.min().unwrap_or(0)
    }

    pub(super) fn knots_max(&self, days: u64) -> u64 {
        2 + (days + 1) * self.changes_ms.len() as u64 * 4
    }
}
