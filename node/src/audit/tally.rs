//! What became of captures, counted from headers alone: so that whoever has the headers can count again.

use std::collections::BTreeMap;

use crdt::entry::Header;
use crdt::ids::{CaptureId, DeviceId};
use crdt::replica::GRACE_MS;
use crdt::statement::{Kind, Statement, Why};
use serde::{Deserialize, Serialize};

/// Most captures that are counted, so that no file makes a verifier run out of memory.
pub const CAPTURES_MAX: usize = 2_000_000;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The steps of a delay's histogram: up to how long, in ms, and in words. What takes longer than the last is one step more.
pub const STEPS: [(u64, &str); 12] = [
    (SECOND_MS, "1 s"),
    (5 * SECOND_MS, "5 s"),
    (30 * SECOND_MS, "30 s"),
    (2 * MINUTE_MS, "2 min"),
    (10 * MINUTE_MS, "10 min"),
    (HOUR_MS, "1 h"),
    (6 * HOUR_MS, "6 h"),
    (DAY_MS, "1 d"),
    (3 * DAY_MS, "3 d"),
    (7 * DAY_MS, "7 d"),
    (14 * DAY_MS, "14 d"),
    (30 * DAY_MS, "30 d"),
];

/// How long something took, how often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delays {
    /// Where the clocks of two devices say that it happened before it could.
    pub clocks_disagree: u64,
    /// How often up to each step of [`STEPS`] and not up to the one before.
    pub up_to: [u64; STEPS.len()],
    /// How often longer than the last.
    pub longer: u64,
}

/// What became of some captures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fates {
    /// Recorded.
    pub captured: u64,
    /// Of these, taken over by a hub.
    pub delivered: u64,
    /// Of these, answered.
    pub answered: u64,
    /// Examined.
    pub examined: u64,
    /// Of which the answer was read.
    pub seen: u64,
    /// Neither delivered nor erased.
    pub open: u64,
    /// Delivered, and neither answered nor erased.
    pub waiting: u64,
    /// Erased, whyever.
    pub erased: u64,
    /// Of these, because the purpose was served.
    pub erased_done: u64,
    /// Because it was stated that their time was over.
    pub erased_expired: u64,
    /// Because they were taken back.
    pub erased_withdrawn: u64,
    /// Because it was ordered.
    pub erased_ordered: u64,
    /// Because their time is over, without a word.
    pub erased_lapsed: u64,
}

/// The same of one device's captures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFates {
    /// The device.
    pub device: String,
    /// What people call it.
    pub alias: String,
    /// What became of what it captured.
    #[serde(flatten)]
    pub fates: Fates,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Of all captures.
    pub total: Fates,
    /// By the device that captured.
    pub devices: Vec<DeviceFates>,
    /// From the capture to the first hub's receipt.
    pub to_receipt: Delays,
    /// From the capture to the first answer.
    pub to_answer: Delays,
    /// From the first answer to its first reading.
    pub to_reading: Delays,
}

impl Delays {
    fn add(&mut self, from_ms: u64, to_ms: u64) {
        let Some(took_ms) = to_ms.checked_sub(from_ms) else {
            self.clocks_disagree += 1;
            return;
        };
        match STEPS.iter().position(|(up_to, _)| took_ms <= *up_to) {
            Some(step) => self.up_to[step] += 1,
            None => self.longer += 1,
        }
    }
}

/// A statement of a capture.
#[derive(Clone, Copy, Debug)]
struct Origin {
    /// As [`crdt::view::Origin::outranks`] says which one holds: not of the first log, time, epoch, place.
    rank: (bool, u64, u32, u64),
    device: DeviceId,
    at_ms: u64,
}

/// What is known of one capture: the earliest of each.
#[derive(Clone, Debug, Default)]
struct Fate {
    origin: Option<Origin>,
    receipt_ms: Option<u64>,
    answer_ms: Option<u64>,
    /// Who said so: what the origin's device examined, and what others read, doesn't count.
    readings: Firsts,
    examinations: Firsts,
    erased: Option<(u64, Why)>,
}

/// Most devices of which it is kept when each did something first: as many as a replica keeps marks.
const FIRSTS_MAX: usize = crdt::view::MARKS_MAX;

/// When each device did something first, the earliest devices only: the same whatever the order.
#[derive(Clone, Debug, Default)]
struct Firsts(Vec<(u64, DeviceId)>);

impl Firsts {
    fn add(&mut self, at_ms: u64, device: DeviceId) {
        match self.0.iter().position(|(_, known)| *known == device) {
            Some(place) if self.0[place].0 <= at_ms => return,
            Some(place) => _ = self.0.remove(place),
            None => {}
        }
        let place = self.0.partition_point(|known| *known < (at_ms, device));
        self.0.insert(place, (at_ms, device));
        self.0.truncate(FIRSTS_MAX);
    }

    fn by(&self, counts: impl Fn(DeviceId) -> bool) -> Option<u64> {
        self.0.iter().find(|(_, device)| counts(*device)).map(|(at_ms, _)| *at_ms)
    }
}

/// Counts headers.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<CaptureId, Fate>);

impl Tally {
    /// Whether entries of this kind say what became of a capture.
    #[must_use]
    pub fn counts(kind: u8) -> bool {
        let kinds = [Kind::Capture, Kind::Receipt, Kind::Verdict, Kind::Review, Kind::Seen, Kind::Erasure];
        kinds.iter().any(|counted| *counted as u8 == kind)
    }

    /// Takes an entry into account. `false` if there are too many captures.
    pub fn add(&mut self, header: &Header, body: Option<&[u8]>) -> bool {
        let Some(capture) = header.about.capture().filter(|_| Self::counts(header.kind)) else { return true };
        if self.0.len() >= CAPTURES_MAX && !self.0.contains_key(&capture) {
            return false;
        }
        self.0.entry(capture).or_default().add(header, body);
        true
    }

    /// What it all amounts to at a moment, under a policy of so many days.
    #[must_use]
    pub fn sum(&self, now_ms: u64, retention_days: u16, alias: impl Fn(DeviceId) -> String) -> Counts {
        let (mut counts, mut devices) = (Counts::default(), BTreeMap::<DeviceId, Fates>::new());
        let kept_ms = u64::from(retention_days) * DAY_MS + GRACE_MS;
        for fate in self.0.values() {
            let Some(Origin { device, at_ms, .. }) = fate.origin else { continue };
            let lapsed = now_ms >= at_ms.saturating_add(kept_ms);
            fate.count(lapsed, &mut counts.total);
            fate.count(lapsed, devices.entry(device).or_default());
            let steps = [
                (Some(at_ms), fate.receipt_ms, &mut counts.to_receipt),
                (Some(at_ms), fate.answer_ms, &mut counts.to_answer),
                (fate.answer_ms, fate.reading_ms(), &mut counts.to_reading),
            ];
            for (from, to, delays) in steps {
                if let (Some(from_ms), Some(to_ms)) = (from, to) {
                    delays.add(from_ms, to_ms);
                }
            }
        }
        let line = |(device, fates): (DeviceId, Fates)| DeviceFates {
            device: device.to_string(),
            alias: alias(device),
            fates,
        };
        counts.devices = devices.into_iter().map(line).collect();
        counts
    }
}

impl Fate {
    fn add(&mut self, header: &Header, body: Option<&[u8]>) {
        let at_ms = header.time.ms();
        let earliest = |known: &mut Option<u64>| *known = Some(known.map_or(at_ms, |known| known.min(at_ms)));
        match Kind::rule(header.kind).map(|rule| rule.kind) {
            Some(Kind::Capture) => {
                let rank = (header.author.epoch > 0, header.time.0, header.author.epoch, header.seq);
                if self.origin.is_none_or(|held| rank < held.rank) {
                    self.origin = Some(Origin { rank, device: header.author.device, at_ms });
                }
            }
            Some(Kind::Receipt) => earliest(&mut self.receipt_ms),
            Some(Kind::Verdict) => earliest(&mut self.answer_ms),
            Some(Kind::Seen) => self.readings.add(at_ms, header.author.device),
            Some(Kind::Review) => self.examinations.add(at_ms, header.author.device),
            Some(Kind::Erasure) => {
                let stated = body.map(|body| Statement::decode(Kind::Erasure, body));
                if let Some(Ok(Statement::Erasure(erasure))) = stated
                    && self.erased.is_none_or(|known| (header.time.0, erasure.why) < known)
                {
                    self.erased = Some((header.time.0, erasure.why));
                }
            }
            _ => {}
        }
    }

    /// When the officer who captured read the answer: nobody else's reading is one.
    fn reading_ms(&self) -> Option<u64> {
        let origin = self.origin?.device;
        self.readings.by(|device| device == origin)
    }

    /// Nobody examines their own capture.
    fn is_examined(&self) -> bool {
        self.origin.is_some_and(|origin| self.examinations.by(|device| device != origin.device).is_some())
    }

    fn count(&self, lapsed: bool, fates: &mut Fates) {
        let erased = lapsed || self.erased.is_some();
        fates.captured += 1;
        fates.delivered += u64::from(self.receipt_ms.is_some());
        fates.answered += u64::from(self.answer_ms.is_some());
        fates.examined += u64::from(self.is_examined());
        fates.seen += u64::from(self.reading_ms().is_some());
        fates.open += u64::from(self.receipt_ms.is_none() && !erased);
        fates.waiting += u64::from(self.receipt_ms.is_some() && self.answer_ms.is_none() && !erased);
        fates.erased += u64::from(erased);
        let why = match self.erased.map(|(_, why)| why) {
            Some(Why::Done) => &mut fates.erased_done,
            Some(Why::Expired) => &mut fates.erased_expired,
            Some(Why::Withdrawn) => &mut fates.erased_withdrawn,
            Some(Why::Ordered) => &mut fates.erased_ordered,
            None => &mut fates.erased_lapsed,
        };
        *why += u64::from(erased);
    }
}

#[cfg(test)]
mod tests {
    use crdt::entry::About;
    use crdt::ids::{Author, EntryHash, SiteId};
    use crdt::statement::Erasure;
    use crdt::time::Hlc;
    use crdt::view::EntryRef;

    use super::*;

    const DAYS: u16 = 30;

    fn header(capture: u8, kind: Kind, epoch: u32, at_ms: u64) -> Header {
        Header {
            version: 1,
            site: SiteId([1; 32]),
            author: Author { device: DeviceId([2; 32]), epoch },
            seq: 2,
            prev: EntryHash([3; 32]),
            time: Hlc::from_ms(at_ms),
            about: About::Capture(CaptureId([capture; 16])),
            kind: kind as u8,
            body_hash: [0; 32].into(),
            body_len: 0,
        }
    }

    fn erasure(why: Why) -> Vec<u8> {
        let at = EntryRef { log: Author { device: DeviceId([2; 32]), epoch: 0 }.log(), seq: 2 };
        let (device, nonce, entry) = (DeviceId([2; 32]), [4; 16].into(), EntryHash([5; 32]));
        Statement::Erasure(Box::new(Erasure { why, device, nonce, at, entry })).encode()
    }

    fn sum(entries: &[(Header, Option<Vec<u8>>)], now_ms: u64) -> Counts {
        let mut tally = Tally::default();
        assert!(entries.iter().all(|(header, body)| tally.add(header, body.as_deref())));
        tally.sum(now_ms, DAYS, |_| "ana".into())
    }

    #[test]
    fn each_capture_is_counted_once_whatever_the_order_and_by_its_first_of_each() {
        let mut entries = vec![
            (header(1, Kind::Capture, 1, 900), None),
            (header(1, Kind::Capture, 0, 1_000), None),
            (header(1, Kind::Receipt, 0, 3_000), None),
            (header(1, Kind::Receipt, 0, 2_000), None),
            (header(1, Kind::Verdict, 0, 7_001), None),
            (header(1, Kind::Seen, 0, 7_000), None),
            (header(1, Kind::Erasure, 0, 9_000), Some(erasure(Why::Ordered))),
            (header(1, Kind::Erasure, 0, 8_000), Some(erasure(Why::Done))),
            (header(2, Kind::Capture, 0, 1_000), None),
            (header(3, Kind::Capture, 0, 1_000), None),
            (header(3, Kind::Receipt, 0, 1_000), None),
            // Of this one nothing is known but that somebody answered it.
            (header(4, Kind::Verdict, 0, 1_000), None),
        ];
        let counts = sum(&entries, 10_000);
        entries.reverse();
        assert_eq!(sum(&entries, 10_000), counts);
        let expected = Fates {
            captured: 3,
            delivered: 2,
            answered: 1,
            seen: 1,
            open: 1,
            waiting: 1,
            erased: 1,
            erased_done: 1,
            ..Fates::default()
        };
        assert_eq!((&counts.total, &counts.devices[0].fates), (&expected, &expected));
        assert_eq!((counts.to_receipt.up_to[0], counts.to_answer.up_to[2]), (2, 1), "1 s, to the ms; 6 s");
        assert_eq!(counts.to_reading, Delays { clocks_disagree: 1, ..Delays::default() });
    }

    #[test]
    fn only_the_origin_reads_and_only_others_examine() {
        let by = |device: u8, kind, at_ms| {
            let author = Author { device: DeviceId([device; 32]), epoch: 0 };
            (Header { author, ..header(1, kind, 0, at_ms) }, None)
        };
        let captured = [by(2, Kind::Capture, 1_000), by(9, Kind::Verdict, 2_000)];
        // More than are kept say so before the origin does, one of them without end.
        let others = (20..60).map(|at| by(3 + at % 10, Kind::Seen, 2_000 + u64::from(at)));
        let own = [by(2, Kind::Review, 3_000)];
        let mut entries: Vec<_> = captured.into_iter().chain(others).chain(own).collect();
        let total = sum(&entries, 10_000).total;
        assert_eq!((total.answered, total.seen, total.examined), (1, 0, 0));
        entries.extend([by(2, Kind::Seen, 4_000), by(3, Kind::Review, 3_500)]);
        let counts = sum(&entries, 10_000);
        assert_eq!((counts.total.seen, counts.total.examined, counts.to_reading.up_to[1]), (1, 1, 1));
        entries.reverse();
        assert_eq!(sum(&entries, 10_000), counts);
    }

    #[test]
    fn what_is_past_its_time_is_erased_without_a_word() {
        let entries = [(header(1, Kind::Capture, 0, 5), None)];
        let ends_ms = 5 + u64::from(DAYS) * DAY_MS + GRACE_MS;
        let (before, after) = (sum(&entries, ends_ms - 1).total, sum(&entries, ends_ms).total);
        assert_eq!((before.open, before.erased), (1, 0));
        assert_eq!((after.open, after.erased, after.erased_lapsed), (0, 1, 1));
    }

    #[test]
    fn a_delay_is_in_the_step_that_it_ends_in() {
        let mut delays = Delays::default();
        for (took_ms, _) in STEPS {
            delays.add(0, took_ms);
            delays.add(0, took_ms + 1);
        }
        assert_eq!((delays.up_to[0], delays.up_to[1], delays.longer), (1, 2, 1));
        assert!(STEPS.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
