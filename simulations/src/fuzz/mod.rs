//! Small operations in which everything goes wrong, by the thousand: each is drawn from a seed, played with all [rules](crate::check)
//! looking on, and what fails is [shrunk](shrink) to a schedule that a person can read.
//!
//! A [`Case`] stands for itself: the seed with which it is played is part of it, and so is every contact, capture and trouble.
//! Written to a file, it is a regression test.

mod case;
mod shrink;

use std::collections::BTreeMap;

use crate::check::{Failure, Rules};
use crate::operation::run_watched;
use crate::trouble::Class;

pub use case::{Case, CaseDevice, CaseError};
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
    let (outcome, facts, failure) = run_watched(&case.plan(), case.seed, &case.trouble, Rules::all());
    let delivered = outcome.fates.iter().filter(|fate| fate.delivered_ms.is_some()).count();
    Played { hash: outcome.hash, struck: facts.struck, captures: (facts.made.len(), delivered), failure }
}
