//! What examiners' words on a candidate amount to: the one function that says whether anybody may act.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::DeviceId;
use crate::statement::Outcome;
use crate::time::Hlc;

/// How a candidate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Too few examiners have looked at it, or they can't say: nobody acts.
    Awaiting,
    /// One says yes and one says no: nobody acts before they agree.
    Disputed,
    /// It is somebody else.
    Refuted,
    /// It is the same person.
    Confirmed,
}

impl Standing {
    /// Whether nobody may act on the candidate.
    #[must_use]
    pub const fn is_locked(self) -> bool {
        matches!(self, Self::Awaiting | Self::Disputed)
    }
}

/// An examiner's word, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Whose.
    pub by: DeviceId,
    /// When.
    pub time: Hlc,
    /// What it says.
    pub outcome: Outcome,
}

/// What all words on one candidate amount to, where `needed` examiners must agree.
///
/// The last word of each examiner counts. The device that captured is no examiner of its own capture. As many as are needed
/// must say the same, and none the opposite; who is undecided counts for neither.
#[must_use]
pub fn standing(words: &[Word], origin: DeviceId, needed: u8) -> Standing {
    let mut last: BTreeMap<DeviceId, (Hlc, Outcome)> = BTreeMap::new();
    for word in words.iter().filter(|word| word.by != origin) {
        let known = last.entry(word.by).or_insert((word.time, word.outcome));
        *known = (*known).max((word.time, word.outcome));
    }
    let say = |outcome| last.values().filter(|(_, said)| *said == outcome).count();
    let (yes, no) = (say(Outcome::Confirmed), say(Outcome::Refuted));
    let needed = usize::from(needed.max(1));
    match (yes, no) {
        (1.., 1..) => Standing::Disputed,
        (yes, 0) if yes >= needed => Standing::Confirmed,
        (0, no) if no >= needed => Standing::Refuted,
        _ => Standing::Awaiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: DeviceId = DeviceId([9; 32]);

    fn word(by: u8, ms: u64, outcome: Outcome) -> Word {
        Word { by: DeviceId([by; 32]), time: Hlc::from_ms(ms), outcome }
    }

    #[test]
    fn as_many_examiners_as_the_policy_asks_for_and_not_one_fewer() {
        let (one, two) = (word(1, 5, Outcome::Confirmed), word(2, 6, Outcome::Confirmed));
        assert_eq!(standing(&[one], ORIGIN, 1), Standing::Confirmed);
        assert_eq!(standing(&[one], ORIGIN, 2), Standing::Awaiting);
        assert_eq!(standing(&[one, word(1, 7, Outcome::Confirmed)], ORIGIN, 2), Standing::Awaiting, "one is no two");
        assert_eq!(standing(&[one, word(2, 6, Outcome::Undecided)], ORIGIN, 2), Standing::Awaiting);
        assert_eq!(standing(&[one, two], ORIGIN, 2), Standing::Confirmed);
        assert_eq!(standing(&[word(9, 5, Outcome::Confirmed)], ORIGIN, 1), Standing::Awaiting, "not its own");
        assert_eq!(standing(&[], ORIGIN, 1), Standing::Awaiting);
    }

    #[test]
    fn who_disagrees_locks_until_the_last_words_agree() {
        let (yes, no) = (word(1, 5, Outcome::Confirmed), word(2, 6, Outcome::Refuted));
        assert_eq!(standing(&[yes, no], ORIGIN, 1), Standing::Disputed);
        assert!(standing(&[yes, no], ORIGIN, 1).is_locked());
        let changed = word(1, 7, Outcome::Refuted);
        assert_eq!(standing(&[changed, yes, no], ORIGIN, 2), Standing::Refuted);
        assert!(!Standing::Refuted.is_locked() && !Standing::Confirmed.is_locked());
    }
}
