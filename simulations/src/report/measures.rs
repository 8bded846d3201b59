//! What is measured of a run: each with a key for programs, a name for people, a unit, and which way is better.

use crdt::sync::Sort;

use super::words;
use crate::operation::{Outcome, Spread};
use crate::quantile::Delays;

/// What a measure counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Of one.
    Share,
    /// Milliseconds.
    Ms,
    /// Bytes.
    Bytes,
    /// How many times something else.
    Factor,
    /// So many.
    Count,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More.
    More,
    /// Less.
    Less,
    /// Neither: it only is so.
    Neither,
}

/// Something measured of every run.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// For programs: stable.
    pub key: &'static str,
    /// For people.
    pub name: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    of: fn(&Facts<'_>) -> Option<f64>,
}

/// What measures are taken from.
struct Facts<'a> {
    outcome: &'a Outcome,
    delivery: Spread,
    answer: Spread,
    direct: Delays,
}

const fn measure(
    key: &'static str,
    name: &'static str,
    unit: Unit,
    better: Better,
    of: fn(&Facts<'_>) -> Option<f64>,
) -> Measure {
    Measure { key, name, unit, better, of }
}

use Better::{Less, More, Neither};
use Unit::{Bytes, Count, Factor, Ms, Share};

/// All of them, in the order of every table. Delays are of those that arrived; `docs/REPORT.md` says what each means.
pub const MEASURES: [Measure; 48] = [
    measure("captures", "captures made", Count, Neither, |it| Some(it.outcome.fates.len() as f64)),
    measure("delivered", "reached the hub", Share, More, |it| Some(it.delivery.delays.delivered())),
    measure("delivered_at_best", "could have reached it", Share, Neither, |it| Some(it.delivery.oracle.delivered())),
    measure("nobody_carries", "would have if nobody carried for others", Share, Neither, |it| {
        Some(it.direct.delivered())
    }),
    measure("delivery_p50_ms", "to the hub: half within", Ms, Less, |it| ms(&it.delivery.delays, 0.5)),
    measure("delivery_p90_ms", "to the hub: nine of ten within", Ms, Less, |it| ms(&it.delivery.delays, 0.9)),
    measure("delivery_at_best_p50_ms", "at best: half within", Ms, Neither, |it| ms(&it.delivery.oracle, 0.5)),
    measure("delivery_at_best_p90_ms", "at best: nine of ten within", Ms, Neither, |it| ms(&it.delivery.oracle, 0.9)),
    measure("nobody_carries_p50_ms", "if nobody carried: half within", Ms, Neither, |it| ms(&it.direct, 0.5)),
    measure("nobody_carries_p90_ms", "if nobody carried: nine of ten within", Ms, Neither, |it| ms(&it.direct, 0.9)),
    measure("delivery_ratio_p50", "time to the hub over the best: half at most", Factor, Less, |it| {
        Some(it.delivery.ratio?.0)
    }),
    measure("delivery_ratio_p90", "time to the hub over the best: nine of ten at most", Factor, Less, |it| {
        Some(it.delivery.ratio?.1)
    }),
    measure("answered", "answered", Share, More, |it| Some(it.answer.delays.delivered())),
    measure("answered_at_best", "could have been answered", Share, Neither, |it| Some(it.answer.oracle.delivered())),
    measure("answer_p50_ms", "to the answer: half within", Ms, Less, |it| ms(&it.answer.delays, 0.5)),
    measure("answer_p90_ms", "to the answer: nine of ten within", Ms, Less, |it| ms(&it.answer.delays, 0.9)),
    measure("answer_at_best_p50_ms", "at best, to the answer: half within", Ms, Neither, |it| {
        ms(&it.answer.oracle, 0.5)
    }),
    measure("answer_at_best_p90_ms", "at best, to the answer: nine of ten within", Ms, Neither, |it| {
        ms(&it.answer.oracle, 0.9)
    }),
    measure("answer_ratio_p50", "time to the answer over the best: half at most", Factor, Less, |it| {
        Some(it.answer.ratio?.0)
    }),
    measure("answer_ratio_p90", "time to the answer over the best: nine of ten at most", Factor, Less, |it| {
        Some(it.answer.ratio?.1)
    }),
    measure("seen", "answers read", Share, More, |it| share(it.outcome, |fate| fate.seen_ms.is_some())),
    measure("second_copy", "on a second device at some time", Share, More, |it| {
        share(it.outcome, |fate| fate.copied_ms.is_some())
    }),
    measure("copies", "copies of a capture on other devices", Count, Neither, |it| {
        let copies: u64 = it.outcome.notes.devices.iter().map(|device| device.copies).sum();
        per(copies as f64, it.outcome.fates.len() as f64)
    }),
    measure("captured_bytes", "images of all captures", Bytes, Neither, |it| {
        Some(it.outcome.fates.iter().map(|fate| fate.bytes as f64).sum())
    }),
    measure("moved_bytes", "moved in all", Bytes, Less, |it| Some(it.outcome.traffic.sent_bytes as f64)),
    measure("entries_sent_bytes", "entries sent", Bytes, Less, |it| Some(it.outcome.traffic.entries_sent_bytes as f64)),
    measure("entries_needed_bytes", "entries needed", Bytes, Neither, |it| {
        Some(it.outcome.traffic.entries_needed_bytes as f64)
    }),
    measure("entries_ratio", "entries sent over needed", Factor, Less, |it| {
        let traffic = it.outcome.traffic;
        per(traffic.entries_sent_bytes as f64, traffic.entries_needed_bytes as f64)
    }),
    measure("entries_twice_bytes", "entries that came again", Bytes, Less, |it| {
        Some(it.outcome.traffic.entries_surplus().twice_bytes as f64)
    }),
    measure("entries_around_bytes", "frames around entries", Bytes, Less, |it| {
        Some(it.outcome.traffic.entries_surplus().around_bytes as f64)
    }),
    measure("entries_lost_bytes", "entries lost in cuts", Bytes, Less, |it| {
        Some(it.outcome.traffic.entries_surplus().lost_bytes as f64)
    }),
    measure("images_sent_bytes", "images sent", Bytes, Less, |it| Some(it.outcome.traffic.images_sent_bytes as f64)),
    measure("images_needed_bytes", "images needed", Bytes, Neither, |it| {
        Some(it.outcome.traffic.images_needed_bytes as f64)
    }),
    measure("images_ratio", "images sent over needed", Factor, Less, |it| {
        let traffic = it.outcome.traffic;
        per(traffic.images_sent_bytes as f64, traffic.images_needed_bytes as f64)
    }),
    measure("contacts", "contacts", Count, Neither, |it| {
        let of_each: u64 = it.outcome.notes.devices.iter().map(|device| device.contacts).sum();
        Some(of_each as f64 / 2.0)
    }),
    measure("links", "links that came up", Count, Neither, |it| Some(it.outcome.traffic.links() as f64)),
    measure("handshakes_bytes", "handshakes, sent", Bytes, Less, |it| sent(it, Sort::Handshake)),
    measure("openings_bytes", "how far each has each log, for each link, sent", Bytes, Less, |it| {
        sent(it, Sort::Opening)
    }),
    measure("frontiers_bytes", "how far each has each log now, sent", Bytes, Less, |it| sent(it, Sort::Frontier)),
    measure("requests_bytes", "requests for entries, sent", Bytes, Less, |it| sent(it, Sort::Request)),
    measure("knowledge_bytes", "who holds what and who is a gateway, sent", Bytes, Less, |it| {
        sent(it, Sort::Knowledge)
    }),
    measure("image_requests_bytes", "requests for images, sent", Bytes, Less, |it| sent(it, Sort::ImageRequest)),
    measure("forks_bytes", "where histories part, sent", Bytes, Less, |it| sent(it, Sort::Fork)),
    measure("erasures_bytes", "proofs of what is erased, sent", Bytes, Less, |it| sent(it, Sort::Erasure)),
    measure("besides_ratio", "all but images, over entries needed", Factor, Less, |it| {
        let traffic = it.outcome.traffic;
        let moved = traffic.entries_sent_bytes + traffic.besides_bytes();
        per(moved as f64, traffic.entries_needed_bytes as f64)
    }),
    measure("uplink_bytes", "over ways out, both ways", Bytes, Less, |it| {
        let gateways = it.outcome.notes.devices.iter().filter_map(|device| device.gateway.as_ref());
        Some(gateways.map(|gateway| gateway.up_bytes + gateway.down_bytes).sum::<u64>() as f64)
    }),
    measure("held_bytes_max", "most on one device's disk", Bytes, Less, |it| {
        it.outcome.notes.devices.iter().map(|device| device.held_bytes_max).max().map(|bytes| bytes as f64)
    }),
    measure("impossible", "arrived before they could have", Count, Less, |it| Some(it.outcome.impossible as f64)),
];

fn ms(delays: &Delays, p: f64) -> Option<f64> {
    delays.quantile_ms(p).map(|ms| ms as f64)
}

fn per(all: f64, of: f64) -> Option<f64> {
    (of > 0.0).then(|| all / of)
}

fn sent(it: &Facts<'_>, sort: Sort) -> Option<f64> {
    Some(it.outcome.traffic.sent.bytes(sort) as f64)
}

fn share(outcome: &Outcome, is: impl Fn(&crate::operation::Fate) -> bool) -> Option<f64> {
    per(outcome.fates.iter().filter(|fate| is(fate)).count() as f64, outcome.fates.len() as f64)
}

impl Measure {
    /// A value in words.
    #[must_use]
    pub fn words(&self, value: f64) -> String {
        match self.unit {
            Share => words::share(value),
            Ms => words::span(value),
            Bytes => words::bytes(value),
            Factor => words::factor(value),
            Count if value.fract() == 0.0 => words::count(value as u64),
            Count => format!("{value:.1}"),
        }
    }

    /// How far a mean may be off, in words; of shares in points.
    #[must_use]
    pub fn margin(&self, value: f64) -> String {
        match self.unit {
            Share => format!("± {:.1} points", value * 100.0),
            Factor => format!("± {value:.3} ×"),
            _ => format!("± {}", self.words(value)),
        }
    }

    /// A difference in words, with its sign; of shares in points.
    #[must_use]
    pub fn difference(&self, value: f64) -> String {
        let sign = if value < 0.0 { "−" } else { "+" };
        match self.unit {
            Share => format!("{sign}{:.1} points", value.abs() * 100.0),
            Factor => format!("{sign}{:.3} ×", value.abs()),
            _ => format!("{sign}{}", self.words(value.abs())),
        }
    }
}

/// The place of a measure in [`MEASURES`].
pub(super) fn place(key: &str) -> Option<usize> {
    MEASURES.iter().position(|measure| measure.key == key)
}

/// What was measured of one run, in the order of [`MEASURES`]; none where there is nothing to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured(Vec<Option<f64>>);

impl Measured {
    /// Of what became of an operation.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let (delivery, answer, direct) = (outcome.delivery(), outcome.answer(), outcome.direct());
        let facts = Facts { outcome, delivery, answer, direct };
        Self(MEASURES.iter().map(|measure| (measure.of)(&facts)).collect())
    }

    /// One of them, by its key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<f64> {
        self.0.get(place(key)?).copied().flatten()
    }

    /// All of them, in order.
    pub fn values(&self) -> impl Iterator<Item = (&'static Measure, Option<f64>)> + '_ {
        MEASURES.iter().zip(self.0.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_apart_and_tell_their_unit() {
        let keys: BTreeSet<&str> = MEASURES.iter().map(|measure| measure.key).collect();
        assert_eq!(keys.len(), MEASURES.len());
        for measure in MEASURES {
            assert_eq!(measure.key.ends_with("_ms"), measure.unit == Ms, "{}", measure.key);
            let bytes = measure.key.ends_with("_bytes") || measure.key.ends_with("_bytes_max");
            assert_eq!(bytes, measure.unit == Bytes, "{}", measure.key);
        }
    }

    #[test]
    fn differences_have_a_sign_and_a_unit() {
        let of = |key| MEASURES[place(key).unwrap()];
        assert_eq!(of("delivered").difference(-0.0123), "−1.2 points");
        assert_eq!(of("delivery_p50_ms").difference(90_000.0), "+1 min 30 s");
    }
}
