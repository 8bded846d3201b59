//! What is done again within a while is counted, not written each time: a page that looks every few seconds is one reading
//! after another by the same person, and a full disk helps nobody.
//!
//! The first time is written before anything is shown. The repetitions of a minute become one more record, which counts them.
//! A crash within that minute loses the count and nothing else.

use std::collections::BTreeMap;

use super::{Act, Record};
use crate::ids::CaptureId;

/// How long the same is counted as a repetition, in ms, from its first time.
pub const FOLD_MS: u64 = 60_000;
/// Most different things counted at a time. Beyond it the oldest is closed, which costs a record, not a reading.
const WINDOWS_MAX: usize = 256;

/// What becomes of something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folded {
    /// It is to be written now.
    New(Record),
    /// It is a repetition, and counted.
    Again,
}

/// What makes two things the same: all but when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Same {
    operator: String,
    act: Act,
    captures: Vec<CaptureId>,
    why: String,
}

/// Repetitions of one thing.
#[derive(Clone, Copy, Debug)]
struct Window {
    first_ms: u64,
    last_ms: u64,
    times: u32,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Fold(BTreeMap<Same, Window>);

impl Fold {
    /// Something was done. Write what [`Self::due`] has first.
    pub fn note(&mut self, record: Record) -> Folded {
        if !record.act.is_counted() {
            return Folded::New(record);
        }
        let same = Same {
            operator: record.operator.clone(),
            act: record.act,
            captures: record.captures.clone(),
            why: record.why.clone(),
        };
        if let Some(window) = self.0.get_mut(&same) {
            window.times = window.times.saturating_add(record.times);
            window.last_ms = window.last_ms.max(record.at_ms);
            return Folded::Again;
        }
        self.0.insert(same, Window { first_ms: record.at_ms, last_ms: record.at_ms, times: 0 });
        Folded::New(record)
    }

    /// The counts that are complete: of windows that are over, and of the oldest if there are too many.
    pub fn due(&mut self, now_ms: u64) -> Vec<Record> {
        // A clock that was set back ends a window too: it would last for as long as the clock was wrong.
        let over = |window: &Window| now_ms < window.first_ms || now_ms - window.first_ms >= FOLD_MS;
        let mut closed: Vec<Same> =
            self.0.iter().filter(|(_, window)| over(window)).map(|(same, _)| same.clone()).collect();
        if closed.is_empty() && self.0.len() >= WINDOWS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, window)| window.first_ms);
            closed.extend(oldest.map(|(same, _)| same.clone()));
        }
        closed.into_iter().filter_map(|same| self.close(same)).collect()
    }

    /// All counts, at the end.
    pub fn finish(&mut self) -> Vec<Record> {
        let all: Vec<Same> = self.0.keys().cloned().collect();
        all.into_iter().filter_map(|same| self.close(same)).collect()
    }

    /// When a window is over next, in ms.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        self.0.values().map(|window| window.first_ms.saturating_add(FOLD_MS)).min()
    }

    fn close(&mut self, same: Same) -> Option<Record> {
        let Window { last_ms, times, .. } = self.0.remove(&same)?;
        let Same { operator, act, captures, why } = same;
        (times > 0).then_some(Record { at_ms: last_ms, operator, act, captures, why, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::PersonName;

    fn listed(at_ms: u64, operator: &str) -> Record {
        Record { at_ms, operator: operator.into(), act: Act::Listed, captures: vec![], why: String::new(), times: 1 }
    }

    #[test]
    fn repetitions_are_counted_once_their_minute_is_over_and_all_add_up() {
        let mut fold = Fold::default();
        assert_eq!(fold.note(listed(0, "ana")), Folded::New(listed(0, "ana")));
        assert_eq!(fold.note(listed(1, "ben")), Folded::New(listed(1, "ben")), "another person");
        assert_eq!((fold.note(listed(5, "ana")), fold.note(listed(7, "ana"))), (Folded::Again, Folded::Again));
        assert_eq!((fold.due(FOLD_MS - 1), fold.wake_at()), (vec![], Some(FOLD_MS)));
        assert_eq!(fold.due(FOLD_MS), [Record { times: 2, ..listed(7, "ana") }]);
        assert_eq!(fold.note(listed(FOLD_MS, "ana")), Folded::New(listed(FOLD_MS, "ana")));
        assert_eq!(fold.note(listed(FOLD_MS, "ben")), Folded::Again, "his minute isn't over");
        assert_eq!(fold.finish(), [listed(FOLD_MS, "ben")]);
        assert_eq!((fold.finish(), fold.wake_at()), (vec![], None));
    }

    #[test]
    fn what_changes_something_is_a_record_each_time() {
        let mut fold = Fold::default();
        let name = PersonName([1; 16]);
        for act in [Act::PersonAdded(name), Act::PersonRemoved(name), Act::PersonAdded(name)] {
            let done = Record { act, ..listed(0, "ana") };
            assert_eq!(fold.note(done.clone()), Folded::New(done));
        }
        assert_eq!(fold.finish(), []);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_a_window_and_so_do_too_many() {
        let mut fold = Fold::default();
        fold.note(listed(1_000, "ana"));
        fold.note(listed(1_001, "ana"));
        assert_eq!(fold.due(999).len(), 1);
        for n in 0..WINDOWS_MAX as u64 {
            fold.note(listed(n, &n.to_string()));
        }
        fold.note(listed(5, "0"));
        assert_eq!(fold.due(300), [listed(5, "0")], "the oldest");
        assert_eq!(fold.due(300), [], "one is enough");
    }
}
