//! What became of each capture, held against what could have.

use crate::oracle::Oracle;
use crate::quantile::{Delays, quantile};
use crate::trace::Node;
use crate::world::{Traffic, World};

use super::{Notes, Plan, PlannedCapture};

/// Shortest bound that a delay is divided by, in ms. Where a gateway is at hand the bound is nothing, and whatever a handshake takes
/// would be endlessly more.
pub const RATIO_FROM_MS: u64 = 60_000;

/// How a capture fared. Times in ms since the operation began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// When it was made.
    pub captured_ms: u64,
    /// Where.
    pub node: Node,
    /// What its images weigh.
    pub bytes: usize,
    /// When a second device held all of it.
    pub copied_ms: Option<u64>,
    /// When a device first was a gateway and held all of it, whichever of the two came last.
    pub at_gateway_ms: Option<u64>,
    /// When the hub held all of it.
    pub delivered_ms: Option<u64>,
    /// When its officer's device knew that.
    pub told_accepted_ms: Option<u64>,
    /// When its officer's device had the answer.
    pub answered_ms: Option<u64>,
    /// When the officer had read it.
    pub seen_ms: Option<u64>,
    /// When it could have been delivered at the earliest.
    pub oracle_delivered_ms: Option<u64>,
    /// When it could have been answered at the earliest.
    pub oracle_answered_ms: Option<u64>,
    /// When it could have been delivered if nobody carried for others.
    pub direct_ms: Option<u64>,
}

impl Fate {
    pub(super) const fn of(planned: PlannedCapture) -> Self {
        Self {
            captured_ms: planned.at_ms,
            node: planned.node,
            bytes: planned.bytes,
            copied_ms: None,
            at_gateway_ms: None,
            delivered_ms: None,
            told_accepted_ms: None,
            answered_ms: None,
            seen_ms: None,
            oracle_delivered_ms: None,
            oracle_answered_ms: None,
            direct_ms: None,
        }
    }
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A hash over everything that went over links: when, from whom, to whom, what.
    pub hash: [u8; 32],
    /// Of each capture of the plan, in its order.
    pub fates: Vec<Fate>,
    /// What it cost.
    pub traffic: Traffic,
    /// Captures that arrived before they could have: none, or the simulation cheats.
    pub impossible: usize,
    /// What else was noted.
    pub notes: Notes,
}

/// Delays, theirs and the oracle's.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// What they were.
    pub delays: Delays,
    /// What they could have been.
    pub oracle: Delays,
    /// Theirs over the oracle's, of those whose bound is at least [`RATIO_FROM_MS`]: half of them at most, nine of ten at most.
    pub ratio: Option<(f64, f64)>,
    /// By how much they were later, in ms: half of them at most, nine of ten at most.
    pub later_ms: Option<(u64, u64)>,
}

impl Outcome {
    pub(super) fn new(plan: &Plan, world: &World, mut fates: Vec<Fate>, notes: Notes) -> Self {
        let (oracle, gateways) = (Oracle::new(&plan.contacts, plan.ends_ms), plan.gateways());
        for fate in &mut fates {
            let (node, at_ms) = (fate.node, fate.captured_ms);
            fate.oracle_delivered_ms = oracle.one_way(node, at_ms, &gateways);
            fate.oracle_answered_ms = oracle.round_trip(node, at_ms, &gateways, plan.screening_ms);
            fate.direct_ms = oracle.direct_only(node, at_ms, &gateways);
        }
        let early = |at: Option<u64>, bound: Option<u64>| at.is_some_and(|at| bound.is_none_or(|bound| at < bound));
        let cheats = |fate: &&Fate| {
            early(fate.delivered_ms, fate.oracle_delivered_ms) || early(fate.answered_ms, fate.oracle_answered_ms)
        };
        let impossible = fates.iter().filter(cheats).count();
        Self { hash: world.trace_hash(), fates, traffic: world.traffic(), impossible, notes }
    }

    /// From capture to the hub.
    #[must_use]
    pub fn delivery(&self) -> Spread {
        self.spread(|fate| (fate.delivered_ms, fate.oracle_delivered_ms))
    }

    /// From capture to the answer at its officer's device.
    #[must_use]
    pub fn answer(&self) -> Spread {
        self.spread(|fate| (fate.answered_ms, fate.oracle_answered_ms))
    }

    /// From capture to the hub if nobody had carried for others.
    #[must_use]
    pub fn direct(&self) -> Delays {
        self.fates.iter().map(|fate| Some(fate.direct_ms? - fate.captured_ms)).collect()
    }

    fn spread(&self, of: impl Fn(&Fate) -> (Option<u64>, Option<u64>)) -> Spread {
        let since = |fate: &Fate, at: Option<u64>| at.map(|at| at.saturating_sub(fate.captured_ms));
        let pairs: Vec<(Option<u64>, Option<u64>)> =
            self.fates.iter().map(|fate| (since(fate, of(fate).0), since(fate, of(fate).1))).collect();
        let both: Vec<(u64, u64)> = pairs.iter().filter_map(|(delay, bound)| Some(((*delay)?, (*bound)?))).collect();
        let long = both.iter().filter(|(_, bound)| *bound >= RATIO_FROM_MS);
        // Ratios in millionths, to be sorted as whole numbers.
        let mut ratios: Vec<u64> = long.map(|(delay, bound)| delay * 1_000_000 / bound).collect();
        let mut later: Vec<u64> = both.iter().map(|(delay, bound)| delay.saturating_sub(*bound)).collect();
        ratios.sort_unstable();
        later.sort_unstable();
        let half_and_most = |sorted: &[u64]| Some((quantile(sorted, 0.5)?, quantile(sorted, 0.9)?));
        Spread {
            delays: pairs.iter().map(|(delay, _)| *delay).collect(),
            oracle: pairs.iter().map(|(_, bound)| *bound).collect(),
            ratio: half_and_most(&ratios).map(|(half, most)| (half as f64 / 1e6, most as f64 / 1e6)),
            later_ms: half_and_most(&later),
        }
    }
}
