//! Many runs, each reduced to what a report needs as soon as it is over: a thousand seeds take no more room than one, but for their
//! figures.

use std::collections::BTreeMap;

use super::measures::Measured;
use crate::operation::{Fate, Outcome, Plan, RATIO_FROM_MS};

/// Places at which the share of captures within a delay is kept: 200 for each tenfold, from a second to three years.
const PLACES: usize = 1_601;
const PLACES_PER_TENFOLD: f64 = 200.0;
/// Shares are added up as whole numbers of this many parts, so that it doesn't matter which run is over first.
const PARTS: u64 = 1 << 40;
/// Upper ends of the columns of ratios, in hundredths; the last column is for all beyond.
pub(super) const RATIO_ENDS: [u64; 8] = [101, 105, 110, 125, 150, 200, 300, 1_000];
/// How many of each there are.
pub(super) type Columns = [u64; RATIO_ENDS.len() + 1];

/// What a curve of delays is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delay {
    Delivered,
    Possible,
    NobodyCarries,
    Answered,
    AnswerPossible,
}

impl Delay {
    const ALL: [Self; 5] = [Self::Delivered, Self::Possible, Self::NobodyCarries, Self::Answered, Self::AnswerPossible];

    fn of(self, fate: &Fate) -> Option<u64> {
        let at_ms = match self {
            Self::Delivered => fate.delivered_ms,
            Self::Possible => fate.oracle_delivered_ms,
            Self::NobodyCarries => fate.direct_ms,
            Self::Answered => fate.answered_ms,
            Self::AnswerPossible => fate.oracle_answered_ms,
        };
        Some(at_ms?.saturating_sub(fate.captured_ms))
    }
}

/// One run, as means want it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) seed: u64,
    /// In hexadecimal digits.
    pub(super) hash: String,
    pub(super) measured: Measured,
}

/// One run, as drawings want it.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) seed: u64,
    pub(super) plan: Plan,
    pub(super) outcome: Outcome,
}

/// A curve over all runs: at each place the sum, the least and the most of their shares, in [`PARTS`].
#[derive(Clone, Debug)]
pub(super) struct Curve {
    at: Vec<(u64, u64, u64)>,
    most_ms: Option<u64>,
}

/// One run, reduced. It still has all of its outcome: [`Gathered::add`] keeps that of the first.
#[derive(Debug)]
pub struct Reduced {
    run: Run,
    curves: [(Vec<u64>, Option<u64>); Delay::ALL.len()],
    ratios: [Columns; 2],
    plan: Plan,
    outcome: Outcome,
}

/// What is kept of many runs.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    runs: BTreeMap<usize, Run>,
    first: Option<(usize, First)>,
    curves: Vec<Curve>,
    ratios: [Columns; 2],
}

impl Reduced {
    /// One run: its seed, what was to happen and what did.
    #[must_use]
    pub fn of(seed: u64, plan: Plan, outcome: Outcome) -> Self {
        let hash = outcome.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let run = Run { seed, hash, measured: Measured::of(&outcome) };
        let curves = Delay::ALL.map(|delay| shares(&outcome, delay));
        let ratios = [
            columns(&outcome, |fate| (fate.delivered_ms, fate.oracle_delivered_ms)),
            columns(&outcome, |fate| (fate.answered_ms, fate.oracle_answered_ms)),
        ];
        Self { run, curves, ratios, plan, outcome }
    }

    /// What was measured of it.
    #[must_use]
    pub const fn measured(&self) -> &Measured {
        &self.run.measured
    }
}

impl Gathered {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a run, in whatever order: `place` says where it is among all of them. What is told of a single run is told of the one
    /// at the first place.
    pub fn add(&mut self, place: usize, reduced: Reduced) {
        let Reduced { run, curves, ratios, plan, outcome } = reduced;
        if self.curves.is_empty() {
            self.curves = vec![Curve { at: vec![(0, PARTS, 0); PLACES], most_ms: None }; Delay::ALL.len()];
        }
        for (all, (shares, most_ms)) in self.curves.iter_mut().zip(curves) {
            all.most_ms = all.most_ms.max(most_ms);
            for ((sum, least, most), share) in all.at.iter_mut().zip(shares) {
                (*sum, *least, *most) = (*sum + share, share.min(*least), share.max(*most));
            }
        }
        for (all, one) in self.ratios.iter_mut().zip(ratios) {
            all.iter_mut().zip(one).for_each(|(all, one)| *all += one);
        }
        if self.first.as_ref().is_none_or(|(earlier, _)| place < *earlier) {
            self.first = Some((place, First { seed: run.seed, plan, outcome }));
        }
        self.runs.insert(place, run);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Of each run, in order: its seed, its hash in hexadecimal digits, and what was measured.
    pub fn runs(&self) -> impl Iterator<Item = (u64, &str, &Measured)> {
        self.runs.values().map(|run| (run.seed, run.hash.as_str(), &run.measured))
    }

    /// What was measured under one key, of each run that it could be measured of.
    pub fn measured(&self, key: &str) -> impl Iterator<Item = f64> {
        self.runs.values().filter_map(move |run| run.measured.get(key))
    }

    /// The plan of the first run.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.first.as_ref().map(|(_, first)| &first.plan)
    }

    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = &Run> {
        self.runs.values()
    }

    pub(super) fn first(&self) -> Option<&First> {
        self.first.as_ref().map(|(_, first)| first)
    }

    /// The longest of such delays; none if there is none.
    pub(super) fn most_ms(&self, of: &[Delay]) -> Option<u64> {
        of.iter().filter_map(|delay| self.curves.get(*delay as usize)?.most_ms).max()
    }

    /// The share of captures within each delay up to one, on the axis of delays: its mean over the runs, its least and its most.
    pub(super) fn curve(&self, of: Delay, most_ms: u64) -> Vec<(f64, [f64; 3])> {
        let Some(curve) = self.curves.get(of as usize) else { return Vec::new() };
        let last = place(most_ms).min(PLACES - 1);
        let share = |parts: u64| parts as f64 / PARTS as f64;
        let at = |place: usize| {
            let (sum, least, most) = curve.at[place];
            let mean = share(sum) / self.runs.len().max(1) as f64;
            (place as f64 / PLACES_PER_TENFOLD, [mean, share(least), share(most)])
        };
        (0..=last).map(at).collect()
    }

    /// How many delays to the hub, and to the answer, fall into each column of ratios.
    pub(super) const fn ratios(&self) -> &[Columns; 2] {
        &self.ratios
    }
}

/// The first place at which a delay counts as over.
fn place(ms: u64) -> usize {
    ((ms as f64 / 1_000.0).max(1.0).log10() * PLACES_PER_TENFOLD).ceil() as usize
}

/// The share of captures within the delay of each place, and the longest delay if there is one.
fn shares(outcome: &Outcome, of: Delay) -> (Vec<u64>, Option<u64>) {
    let mut counts = vec![0_u64; PLACES];
    let (mut most_ms, all) = (None, outcome.fates.len().max(1) as u128);
    for ms in outcome.fates.iter().filter_map(|fate| of.of(fate)) {
        counts[place(ms).min(PLACES - 1)] += 1;
        most_ms = most_ms.max(Some(ms));
    }
    let mut within = 0;
    let share = |count: u64| {
        within += count;
        (u128::from(within) * u128::from(PARTS) / all) as u64
    };
    (counts.into_iter().map(share).collect(), most_ms)
}

/// How many ratios fall into each column.
fn columns(outcome: &Outcome, of: impl Fn(&Fate) -> (Option<u64>, Option<u64>)) -> Columns {
    let mut counts = Columns::default();
    for fate in &outcome.fates {
        let (Some(at_ms), Some(bound_ms)) = of(fate) else { continue };
        let (delay, bound) = (at_ms.saturating_sub(fate.captured_ms), bound_ms.saturating_sub(fate.captured_ms));
        if bound >= RATIO_FROM_MS {
            counts[RATIO_ENDS.partition_point(|end| delay * 100 > end * bound)] += 1;
        }
    }
    counts
}
