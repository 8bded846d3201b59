//! The read model of a capture: what its entries add up to, kept in the store so that lists open no record.
//!
//! Every operation is a set union or a minimum, so the order in which entries arrive doesn't matter, nor how often.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::blob::BlobRef;
use crate::entry::Header;
use crate::ids::{DeviceId, EntryHash, LogId};
use crate::statement::{Capture, Priority, Why};
use crate::time::Hlc;

/// Most marks of one sort kept per capture. Honest sites have one or two (a verdict per hub); the earliest ones stay.
pub const MARKS_MAX: usize = 16;
/// Most words of one examiner on a capture that count: so three of them alone can't keep a fourth from being heard.
pub const WORDS_MAX: usize = 4;

/// Where an entry stands: the same on every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryRef {
    /// The log.
    pub log: LogId,
    /// The place in it, from 1.
    pub seq: u64,
}

/// That somebody stated something about the capture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// When, by its author's clock.
    pub time: Hlc,
    /// Where the entry stands.
    pub at: EntryRef,
    /// Who.
    pub by: DeviceId,
    /// The entry's name.
    pub entry: EntryHash,
    /// What it refers to: the payload for receipts and verdicts, the verdict for reviews and seen; zeros if that went with the
    /// body. Of an erasure [`Mark::why`].
    pub refers: ByteArray<32>,
}

impl Mark {
    /// Of an erasure: why.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        Why::ALL.into_iter().find(|why| Self::refers_to(*why) == self.refers)
    }

    /// What the mark of an erasure refers to: the number of its reason, and zeros.
    pub(crate) fn refers_to(why: Why) -> ByteArray<32> {
        let mut refers = [0; 32];
        refers[0] = why as u8 + 1;
        refers.into()
    }
}

/// Marks in order of time, bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks(Vec<Mark>);

impl Marks {
    /// Adds a mark. Keeps the first [`MARKS_MAX`] in order, which is the same set whatever the order of adding.
    pub fn add(&mut self, mark: Mark) {
        self.add_of_each(MARKS_MAX, mark);
    }

    /// The same, and of each device the first `each` only: what one device says takes no place from all others.
    pub fn add_of_each(&mut self, each: usize, mark: Mark) {
        let by = mark.by;
        let Err(place) = self.0.binary_search(&mark) else { return };
        self.0.insert(place, mark);
        if self.count_of(by) > each
            && let Some(last) = self.0.iter().rposition(|mark| mark.by == by)
        {
            self.0.remove(last);
        }
        self.0.truncate(MARKS_MAX);
    }

    /// How many are a device's.
    #[must_use]
    pub fn count_of(&self, device: DeviceId) -> usize {
        self.0.iter().filter(|mark| mark.by == device).count()
    }

    /// In order of time.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Mark> {
        self.0.iter()
    }

    /// The earliest.
    #[must_use]
    pub fn first(&self) -> Option<&Mark> {
        self.0.first()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The capture statement itself, without its sealed bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Where the capture's entry stands.
    pub at: EntryRef,
    /// Who captured.
    pub device: DeviceId,
    /// The epoch of that log.
    pub epoch: u32,
    /// When.
    pub time: Hlc,
    /// Purpose code.
    pub purpose: String,
    /// How urgent.
    pub priority: Priority,
    /// When every copy must be gone, in ms.
    pub delete_after_ms: u64,
    /// The capture's body hash.
    pub payload: ByteArray<32>,
    /// Its sealed images.
    pub blobs: Vec<BlobRef>,
}

impl Origin {
    /// What a capture statement adds to the read model.
    #[must_use]
    pub fn new(header: &Header, capture: &Capture) -> Self {
        Self {
            at: EntryRef { log: header.author.log(), seq: header.seq },
            device: header.author.device,
            epoch: header.author.epoch,
            time: header.time,
            purpose: capture.purpose.clone(),
            priority: capture.priority,
            delete_after_ms: capture.delete_after_ms,
            payload: header.body_hash,
            blobs: capture.blobs.clone(),
        }
    }

    /// What is left of it once the capture is erased: what its header says.
    #[must_use]
    pub fn bare(header: &Header) -> Self {
        Self {
            at: EntryRef { log: header.author.log(), seq: header.seq },
            device: header.author.device,
            epoch: header.author.epoch,
            time: header.time,
            purpose: String::new(),
            priority: Priority::Routine,
            delete_after_ms: 0,
            payload: header.body_hash,
            blobs: Vec::new(),
        }
    }

    /// Whether this statement of a capture holds, and not another of the same one. A device whose log was cut states its
    /// captures again, and so does a copy of it that has them: the device's first log holds, and else the earliest time. So
    /// one that doesn't hold is never in the first log, and is found in the table of what is stated about the capture.
    #[must_use]
    pub fn outranks(&self, other: &Self) -> bool {
        let rank = |origin: &Self| (origin.epoch > 0, origin.time, origin.epoch, origin.at.seq);
        rank(self) < rank(other)
    }

    /// Length of all images together, in bytes.
    #[must_use]
    pub fn blob_bytes(&self) -> u64 {
        self.blobs.iter().map(|blob| u64::from(blob.bytes)).sum()
    }
}

/// That a capture is erased here. What is left of its read model follows from headers, and from bodies that stay, alone: so it
/// is the same on a replica that never had the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// The device that captured.
    pub device: DeviceId,
    /// Who said so, in logs that stand. Empty if its time was over before anybody did, or if those logs were cut.
    pub statements: Marks,
}

impl Erased {
    /// Why, by the earliest statement.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        self.statements.first().and_then(Mark::why)
    }
}

/// All that is known of one capture. A verdict may come before the capture itself: then `origin` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureView {
    /// The capture statement.
    pub origin: Option<Origin>,
    /// Hubs that have it whole.
    pub receipts: Marks,
    /// Answers.
    pub verdicts: Marks,
    /// Examinations.
    pub reviews: Marks,
    /// Readings by the origin.
    pub seen: Marks,
    /// How many edits its record has had.
    pub edits: u32,
    /// Whether all this is only what is left of it.
    pub erased: Option<Erased>,
}

impl CaptureView {
    /// Whether a hub has taken it: its receipt names this very payload.
    #[must_use]
    pub fn accepted(&self) -> Option<&Mark> {
        self.for_payload(&self.receipts)
    }

    /// The first answer to this very payload.
    #[must_use]
    pub fn screened(&self) -> Option<&Mark> {
        if self.erased.is_some() {
            return self.verdicts.first().filter(|_| self.origin.is_some());
        }
        self.for_payload(&self.verdicts)
    }

    /// Whether nothing is known but, at most, that it is erased.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        let marks = [&self.receipts, &self.verdicts, &self.reviews, &self.seen];
        let said = self.erased.as_ref().is_some_and(|erased| !erased.statements.is_empty());
        self.origin.is_none() && self.edits == 0 && !said && marks.iter().all(|marks| marks.is_empty())
    }

    fn for_payload<'a>(&self, marks: &'a Marks) -> Option<&'a Mark> {
        let payload = &self.origin.as_ref()?.payload;
        marks.iter().find(|mark| mark.refers == *payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(n: u64) -> Mark {
        Mark {
            time: Hlc(n),
            at: EntryRef { log: LogId([1; 16]), seq: n },
            by: DeviceId([2; 32]),
            entry: EntryHash([3; 32]),
            refers: ByteArray::new([0; 32]),
        }
    }

    #[test]
    fn the_earliest_marks_stay_whatever_the_order() {
        let count = MARKS_MAX as u64 + 4;
        let (mut up, mut down) = (Marks::default(), Marks::default());
        (0..count).for_each(|n| up.add(mark(n)));
        (0..count).rev().for_each(|n| down.add(mark(n)));
        (0..count).for_each(|n| down.add(mark(n)));
        assert_eq!(up, down);
        assert_eq!(up.len(), MARKS_MAX);
        assert_eq!(up.first().unwrap().time, Hlc(0));
    }

    #[test]
    fn one_device_takes_no_place_from_others_whatever_the_order() {
        let by = |device: u8, n: u64| Mark { by: DeviceId([device; 32]), ..mark(n) };
        let early = (0..40).map(|n| by(1, n));
        let all: Vec<Mark> = early.chain((40..60).map(|n| by(2 + (n % 5) as u8, n))).collect();
        let (mut up, mut down) = (Marks::default(), Marks::default());
        all.iter().for_each(|mark| up.add_of_each(4, mark.clone()));
        all.iter().rev().for_each(|mark| down.add_of_each(4, mark.clone()));
        all.iter().for_each(|mark| down.add_of_each(4, mark.clone()));
        assert_eq!(up, down);
        assert_eq!((up.len(), up.count_of(DeviceId([1; 32]))), (MARKS_MAX, 4));
        assert_eq!(
            up.iter().map(|mark| mark.time.0).collect::<Vec<_>>(),
            [0, 1, 2, 3].into_iter().chain(40..52).collect::<Vec<_>>()
        );
    }
}
