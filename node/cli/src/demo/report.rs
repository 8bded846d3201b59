//! What came of it: a table, a sentence, one line of JSON.

use serde_json::{Value, json};

use crate::output;

/// What the hub should answer about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// In the gallery, under this reference.
    Candidate(String),
    /// Not in the gallery.
    NoMatch,
    /// With prints too poor to search.
    Inconclusive,
}

/// What became of one capture.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) id: String,
    pub(super) origin: String,
    pub(super) expected: Expected,
    /// While the gateway was up.
    pub(super) online: bool,
    /// From the origin to the hub, by alias.
    pub(super) route: Vec<String>,
    pub(super) captured_ms: u64,
    pub(super) accepted_ms: Option<u64>,
    /// When the origin could read the verdict.
    pub(super) answered_ms: Option<u64>,
    /// What the origin reads: nothing of who it may be.
    pub(super) verdicts: Vec<Value>,
    /// Who it may be, as an examiner reads it.
    pub(super) references: Vec<String>,
}

impl Outcome {
    fn value(&self) -> &str {
        self.verdicts.first().map_or("", |verdict| output::text(verdict, "value"))
    }

    fn is_right(&self) -> bool {
        if self.verdicts.iter().any(|verdict| !verdict["candidates"].is_null()) {
            return false;
        }
        match &self.expected {
            Expected::Candidate(reference) => self.value() == "candidate" && self.references.first() == Some(reference),
            Expected::NoMatch => self.value() == "no_match",
            Expected::Inconclusive => self.value() == "inconclusive",
        }
    }

    fn took_ms(&self) -> Option<u64> {
        Some(self.answered_ms?.saturating_sub(self.captured_ms))
    }
}

/// What became of all captures.
pub(super) struct Report {
    pub(super) outcomes: Vec<Outcome>,
    /// Screenings that the hub's matcher finished.
    pub(super) screened: u64,
    /// Captures that were read and are gone from every device and the hub.
    pub(super) erased: usize,
    /// Devices that refuse the stolen one.
    pub(super) told: usize,
}

impl Report {
    fn lost(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.verdicts.is_empty()).count()
    }

    fn wrong(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !outcome.verdicts.is_empty() && !outcome.is_right()).count()
    }

    fn screened_twice(&self) -> usize {
        let seen = self.outcomes.iter().filter(|outcome| outcome.verdicts.len() > 1).count();
        let answered = self.outcomes.len() - self.lost();
        seen.max((self.screened as usize).saturating_sub(answered))
    }

    /// Captures that nobody needs any more, and that are still somewhere.
    fn kept(&self) -> usize {
        let done = self.outcomes.iter().filter(|outcome| outcome.expected == Expected::NoMatch).count();
        done.saturating_sub(self.erased)
    }

    /// One plain sentence about what went wrong, if anything did.
    pub(super) fn complaint(&self) -> Option<String> {
        let (lost, wrong, twice, kept) = (self.lost(), self.wrong(), self.screened_twice(), self.kept());
        (lost + wrong + twice + kept > 0).then(|| {
            format!(
                "{lost} captures were lost, {wrong} answered wrongly, {twice} screened twice and {kept} kept after their \
                 end: this must not be"
            )
        })
    }

    /// Every capture, its route, its verdict, its times.
    pub(super) fn table(&self) -> String {
        let seconds = |from: u64, to: Option<u64>| {
            to.map_or("-".to_owned(), |to| format!("{:.1} s", to.saturating_sub(from) as f64 / 1e3))
        };
        let rows = self.outcomes.iter().map(|outcome| {
            let person = match &outcome.expected {
                Expected::Candidate(reference) => reference.clone(),
                Expected::NoMatch => "unknown person".into(),
                Expected::Inconclusive => "smudged prints".into(),
            };
            let verdict = outcome.verdicts.first().map_or("none".to_owned(), output::verdict);
            [
                output::short(&outcome.id).to_owned(),
                person,
                outcome.route.join(" > "),
                verdict,
                if outcome.is_right() { "yes".into() } else { "NO".into() },
                output::time(Some(outcome.captured_ms)),
                seconds(outcome.captured_ms, outcome.accepted_ms),
                seconds(outcome.captured_ms, outcome.answered_ms),
            ]
        });
        output::table(["capture", "who", "route", "verdict", "right", "captured", "at hub", "answered"], rows)
    }

    /// A few sentences.
    pub(super) fn summary(&self) -> String {
        let (count, lost) = (self.outcomes.len(), self.lost());
        let online = quantiles(self.outcomes.iter().filter(|o| o.online).filter_map(Outcome::took_ms).collect());
        format!(
            "{} of {count} captures answered, {} wrong, {lost} lost, {} screened twice. While the gateway was up, an \
             answer took {:.2} s (median).\n{} captures were read and are erased on every device and in the hub; {} \
             devices refuse the stolen one.\nA `candidate` stays locked until an examiner has confirmed it: `greenline \
             review`.",
            count - lost,
            self.wrong(),
            self.screened_twice(),
            online["p50"].as_f64().unwrap_or(0.0) / 1e3,
            self.erased,
            self.told,
        )
    }

    /// One line.
    pub(super) fn json(&self) -> String {
        let took = |online: bool| {
            quantiles(self.outcomes.iter().filter(|o| o.online == online).filter_map(Outcome::took_ms).collect())
        };
        json!({
            "captures": self.outcomes.len(),
            "answered": self.outcomes.len() - self.lost(),
            "wrong": self.wrong(),
            "lost": self.lost(),
            "screened_twice": self.screened_twice(),
            "erased": self.erased,
            "refuse_the_stolen": self.told,
            "capture_to_verdict_ms": took(false),
            "online_capture_to_verdict_ms": took(true),
        })
        .to_string()
    }
}

fn quantiles(mut values: Vec<u64>) -> Value {
    values.sort_unstable();
    let at = |share: f64| {
        let last = values.len().checked_sub(1)?;
        values.get(((last as f64) * share).ceil() as usize).copied()
    };
    json!({"p50": at(0.5), "p99": at(0.99), "max": at(1.0)})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(value: &str, references: &[&str], expected: Expected) -> Outcome {
        let verdict = json!({"readable": true, "value": value, "candidates": null, "locked": false});
        Outcome {
            id: "abcdefghijklmnopqrstuvwxyz".into(),
            origin: "north-1".into(),
            expected,
            online: false,
            route: vec![],
            captured_ms: 1_000,
            accepted_ms: Some(2_000),
            answered_ms: Some(3_000),
            verdicts: vec![verdict],
            references: references.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_wrong_reference_a_second_verdict_or_none_is_complained_about() {
        let right = outcome("candidate", &["P-1"], Expected::Candidate("P-1".into()));
        let complaint =
            |outcome: Outcome, screened| Report { outcomes: vec![outcome], screened, erased: 0, told: 0 }.complaint();
        assert_eq!(complaint(right.clone(), 1), None);
        assert!(complaint(outcome("candidate", &["P-2"], Expected::Candidate("P-1".into())), 1).is_some());
        assert!(complaint(outcome("candidate", &["P-2"], Expected::NoMatch), 1).is_some());
        assert!(complaint(Outcome { verdicts: vec![], ..right.clone() }, 0).is_some());
        let mut told = right.clone();
        told.verdicts[0]["candidates"] = json!(["P-1"]);
        assert!(complaint(told, 1).is_some(), "the origin reads what only examiners may");
        let twice = Outcome { verdicts: vec![right.verdicts[0].clone(), right.verdicts[0].clone()], ..right.clone() };
        assert!(complaint(twice, 2).is_some());
        assert!(complaint(right, 2).is_some(), "the hub's own count tells too");
    }

    #[test]
    fn a_capture_that_is_kept_after_its_end_is_complained_about() {
        let done = outcome("no_match", &[], Expected::NoMatch);
        let complaint = |erased| Report { outcomes: vec![done.clone()], screened: 1, erased, told: 0 }.complaint();
        assert_eq!(complaint(1), None);
        assert!(complaint(0).is_some());
    }
}
