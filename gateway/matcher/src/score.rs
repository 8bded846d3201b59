//! From finger scores to a decision.
//!
//! bozorth3 scores one pair of prints. A person's score is the sum over the fingers that both sides have (the best pair of each
//! finger), because single fingers are close: an inked roll against a plain impression of the same finger may score 4. What the
//! sum must reach depends on how many fingers went into it.

use serde::{Deserialize, Serialize};

use crate::{
    person::{FingerPrint, Reference},
    position::Position,
    template::Poor,
};

/// Usable fingers that "no match" needs. One is enough for exercises: of live scans, 98 % of single fingers reach their threshold.
/// Of worn ones only 85 % do, and an operation would ask for two fingers at least, and a better matcher.
pub const FINGERS_FOR_NO_MATCH: usize = 1;

/// Most candidates of one decision: an examiner looks at each.
pub const CANDIDATES_MAX: usize = 20;

/// What the score of so many fingers must reach for a candidate.
///
/// From 200 synthetic people with ten fingers each; `cargo bench -p matcher --bench scores` prints the whole of it again, and
/// `docs/SCREENING.md` says what it can't tell about real prints.
///
/// | fingers | threshold | same finger, good | same, worn | other finger | missed: good, worn | wrongly found |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | 1 | 60 | 27 to 324, median 149 | 18 to 296, 94 | 0 to 54, 9 | 31 of 1,998, 303 of 1,964 | 0 of 99,900 |
/// | 2 | 80 | 95 to 595, 299 | 74 to 433, 194 | 0 to 70, 19 | 0 of 1,000, 9 of 1,000 | 0 of 50,000 |
/// | 4 | 112 | 373 to 865, 594 | 228 to 648, 394 | 14 to 90, 39 | 0 of 400, 0 of 400 | 0 of 20,000 |
/// | 10 | 200 | 1,110 to 1,971, 1,504 | 737 to 1,281, 993 | 54 to 178, 98 | 0 of 200, 0 of 200 | 0 of 10,000 |
///
/// Each threshold lies just above all other fingers, and the ones between on a line. Real prints agree where they are known:
/// live scans of one finger score 75 to 161 and of others at most 18; ten inked fingers sum to 233, those of others to 60.
pub fn threshold(fingers: u8) -> u32 {
    const THRESHOLDS: [u32; 10] = [60, 80, 96, 112, 127, 142, 157, 172, 186, 200];
    let last = THRESHOLDS.len() - 1;
    THRESHOLDS[usize::from(fingers.max(1) - 1).min(last)]
}

/// A sum of finger scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fused {
    /// Sum of the best score of each finger.
    pub score: u32,
    /// How many fingers went into it.
    pub fingers: u8,
}

impl Fused {
    /// Adds a finger's best score.
    pub fn add(&mut self, score: u32) {
        self.score = self.score.saturating_add(score);
        self.fingers = self.fingers.saturating_add(1);
    }

    /// Whether it is enough for a candidate.
    pub fn is_candidate(self) -> bool {
        self.fingers > 0 && self.score >= threshold(self.fingers)
    }

    /// The score in per cent of its threshold, which makes sums over different numbers of fingers comparable.
    pub fn strength(self) -> u32 {
        if self.fingers == 0 {
            return 0;
        }
        self.score.saturating_mul(100) / threshold(self.fingers)
    }
}

/// A person of the gallery and how alike the prints are. Stays in the hub: a raw score never leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// Who.
    pub reference: Reference,
    /// How alike.
    pub fused: Fused,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Searched {
    /// The strongest, strongest first; at most [`CANDIDATES_MAX`].
    pub ranked: Vec<Ranked>,
    /// People that at least one finger was compared with.
    pub compared: u32,
    /// People that no finger could be compared with.
    pub not_compared: u32,
}

/// What screening says. Three values, never a boolean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nobody of the gallery reaches the threshold, on prints good enough to tell.
    NoMatch,
    /// These do, strongest first. For an examiner to confirm before anybody acts.
    Candidate(Vec<Reference>),
    /// The search can't tell.
    Inconclusive(Reason),
}

/// Why a search can't tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There were no prints at all.
    #[error("no prints were sent")]
    NoPrints,
    /// Every print is too poor; this is what the first one lacks.
    #[error("no print is good enough to search: {position}: {poor}")]
    AllPoor {
        /// The first print's finger.
        position: Position,
        /// What is wrong with it.
        poor: Poor,
    },
    /// Fewer usable fingers than "no match" needs.
    #[error("{usable} usable fingers are too few to say no match (at least {FINGERS_FOR_NO_MATCH})")]
    TooFewFingers {
        /// How many are usable.
        usable: u32,
    },
    /// There is nobody to compare with.
    #[error("the gallery is empty")]
    EmptyGallery,
    /// Some people have no usable print of any finger that was sent.
    #[error("{people} people of the gallery have none of these fingers on file")]
    NotCompared {
        /// How many.
        people: u32,
    },
}

/// The prints good enough to search, and what the others lack.
pub fn sort_out(prints: &[FingerPrint]) -> (Vec<FingerPrint>, Vec<(Position, Poor)>) {
    let mut usable = Vec::new();
    let mut poor = Vec::new();
    for (position, template) in prints {
        match template.quality() {
            Ok(()) => usable.push((*position, template.clone())),
            Err(why) => poor.push((*position, why)),
        }
    }
    (usable, poor)
}

/// Why there is nothing to search, if no print is usable.
pub fn nothing_to_search(poor: &[(Position, Poor)]) -> Reason {
    match poor.first() {
        None => Reason::NoPrints,
        Some((position, poor)) => Reason::AllPoor { position: *position, poor: *poor },
    }
}

/// What a search on these usable prints means. A candidate stands, however poor the other prints were. "No match" is only said
/// of enough fingers, compared with everybody in a gallery that isn't empty.
pub fn decide(usable: &[FingerPrint], searched: &Searched) -> Decision {
    let candidates: Vec<Reference> = searched
        .ranked
        .iter()
        .filter(|ranked| ranked.fused.is_candidate())
        .map(|ranked| ranked.reference.clone())
        .collect();
    if !candidates.is_empty() {
        return Decision::Candidate(candidates);
    }
    let fingers = fingers(usable);
    let reason = if searched.compared == 0 && searched.not_compared == 0 {
        Reason::EmptyGallery
    } else if fingers < FINGERS_FOR_NO_MATCH {
        Reason::TooFewFingers { usable: u32::try_from(fingers).unwrap_or(u32::MAX) }
    } else if searched.not_compared > 0 {
        Reason::NotCompared { people: searched.not_compared }
    } else {
        return Decision::NoMatch;
    };
    Decision::Inconclusive(reason)
}

/// Distinct fingers; each print of an unknown finger counts as one.
fn fingers(prints: &[FingerPrint]) -> usize {
    let known: std::collections::BTreeSet<Position> =
        prints.iter().map(|(position, _)| *position).filter(|position| *position != Position::UNKNOWN).collect();
    known.len() + prints.iter().filter(|(position, _)| *position == Position::UNKNOWN).count()
}

/// Keeps the strongest, strongest first, in an order that depends on nothing but them.
pub(crate) fn rank(mut people: Vec<Ranked>) -> Vec<Ranked> {
    people.sort_by(|a, b| b.fused.strength().cmp(&a.fused.strength()).then_with(|| a.reference.cmp(&b.reference)));
    people.truncate(CANDIDATES_MAX);
    people
}
