//! Operations in which everything goes wrong, small ones by the thousand and those of [scenarios](crate::scenario): each is drawn from a seed,
//! played with all [rules](crate::check) looking on, and what fails is [shrunk](shrink) to a schedule that a person can read.
//!
//! A [`Case`] stands for itself: the seed with which it is played is part of it, and so is every contact, capture and trouble.
//! Written to a file, it is a regression test.

mod case;
mod shrink;

use std::collections::BTreeMap;

use crate::check::{Failure, Rules};
use crate::operation::{self, Outcome, Plan, Watched, run_watched};
use crate::scenario::Scenario;
use crate::trouble::Class;

pub use case::{Case, CaseClock, CaseDevice, CaseError, CaseWay};
pub use shrink::{Shrunk, shrink};

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// A hash over everything that went over links: the same case gives the same one.
    pub hash: [u8; 32],
    /// How often which trouble struck.
    pub struck: BTreeMap<Class, u64>,
    /// Captures that were made, and how many of them the hub had whole in the end.
    pub captures: (usize, usize),
    /// The first rule that was broken.
    pub failure: Option<Failure>,
}

/// Plays a case.
#[must_use]
pub fn play(case: &Case) -> Played {
    watch(case).0
}

/// Plays a case; what had come of it when all trouble was over is told too.
#[must_use]
pub fn watch(case: &Case) -> (Played, Outcome) {
    let Watched { outcome, hash, delivered, facts, failure } =
        run_watched(&case.plan(), case.seed, &case.trouble, case.calm(), Rules::all());
    (Played { hash, struck: facts.struck, captures: (facts.made.len(), delivered), failure }, outcome)
}

/// One seed of a scenario.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What was to happen.
    pub plan: Plan,
    /// What did.
    pub outcome: Outcome,
    /// How trouble went, if the scenario has any.
    pub troubled: Option<Troubled>,
}

/// How the trouble of a scenario went.
#[derive(Clone, Debug)]
pub struct Troubled {
    /// How often which trouble was to strike.
    pub drawn: BTreeMap<Class, u64>,
    /// What became of it.
    pub played: Played,
}

/// Plays a scenario under a seed: with the trouble that it has, and all rules looking on, or else without.
#[must_use]
pub fn run(scenario: &Scenario, seed: u64) -> Ran {
    let plan = scenario.plan(seed);
    let Some(case) = scenario.case(seed) else {
        let outcome = operation::run(&plan, seed);
        return Ran { plan, outcome, troubled: None };
    };
    let (played, outcome) = watch(&case);
    Ran { plan, outcome, troubled: Some(Troubled { drawn: drawn(&case), played }) }
}

/// How often which trouble is to strike in a case.
#[must_use]
pub fn drawn(case: &Case) -> BTreeMap<Class, u64> {
    let mut drawn = BTreeMap::new();
    case.trouble.iter().for_each(|it| *drawn.entry(it.what.class()).or_default() += 1);
    drawn
}
