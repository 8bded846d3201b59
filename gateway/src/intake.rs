//! What a hub does next with the captures that reach it: accept, screen, answer.
//!
//! A pure machine. A capture that is here whole is accepted (a receipt), queued, screened on one of a few seats, answered.
//! Urgent ones go first, then the oldest. Nothing here is kept on disk: what is unfinished follows from the replica, so a
//! crash at any point only repeats work, and an answer that exists already is never given twice.
//!
//! ```text
//!  whole ──► accept ──► queue ──► screen ──► answer
//!                         ▲         │
//!                         └─ later ─┘   a screening that failed is tried again, after a while
//! ```

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, VecDeque};

use crdt::canary::{self, Canary};
use crdt::ids::CaptureId;
use crdt::statement::{Priority, VerdictContent};
use crdt::time::Hlc;
use crdt::view::Origin;

/// First wait after a screening that failed, in ms; doubled each time.
pub const RETRY_MS_MIN: u64 = 1_000;
/// Longest wait, in ms: a database that is down for the night is asked every minute.
pub const RETRY_MS_MAX: u64 = 60_000;
/// Screenings of one capture that may end with the screener blaming the capture itself. Then the answer is `inconclusive`, with
/// its reason: a print that kills the matcher must not keep others waiting, and its officer must be told.
pub const BLAMED_MAX: u32 = 3;

/// Why a screening gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Not this capture's fault: the database is away, all workers are busy. Tried again without limit.
    Later(String),
    /// Probably this capture's own: the worker died on it. Tried again [`BLAMED_MAX`] times in all.
    Blamed(String),
}

/// In which order captures are screened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// 0 for urgent ones.
    lateness: u8,
    time: Hlc,
    capture: CaptureId,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write a receipt, unless there is one; say [`Intake::accepted`] afterwards.
    Accept(CaptureId),
    /// Screen it on a seat; say [`Intake::screened`] afterwards.
    Screen(CaptureId),
    /// Write this verdict, unless there is one.
    Answer(CaptureId, Box<VerdictContent>),
}

/// How a capture stands that isn't answered yet.
#[derive(Debug)]
struct Job {
    rank: Rank,
    failures: u32,
    blamed: u32,
    on_seat: bool,
    /// Nobody wants the answer any more.
    erased: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Intake {
    seats: usize,
    taken: usize,
    jobs: BTreeMap<CaptureId, Job>,
    /// Jobs that could be screened now.
    ready: BTreeSet<Rank>,
    /// Jobs that wait for their next try.
    waiting: BTreeSet<(u64, CaptureId)>,
    outputs: VecDeque<Output>,
}

impl Intake {
    /// A machine that screens up to `seats` captures at a time.
    #[must_use]
    pub const fn new(seats: usize) -> Self {
        Self {
            seats,
            taken: 0,
            jobs: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// A capture is here with all its images, and no hub has accepted it.
    pub fn whole(&mut self, capture: CaptureId) {
        if !self.jobs.contains_key(&capture) {
            self.outputs.push_back(Output::Accept(capture));
        }
    }

    /// This hub has accepted a capture, now or before a restart.
    pub fn accepted(&mut self, capture: CaptureId, origin: &Origin) {
        if let Some(rank) = self.admit(capture, origin) {
            self.ready.insert(rank);
            self.seat();
        }
    }

    /// An answer couldn't be written: the capture is screened again after a while.
    pub fn unanswered(&mut self, now_ms: u64, capture: CaptureId, origin: &Origin) {
        if self.admit(capture, origin).is_some() {
            self.put_off(now_ms, capture);
        }
    }

    /// A screening ended.
    pub fn screened(&mut self, now_ms: u64, capture: CaptureId, result: Result<VerdictContent, Failed>) {
        if canary::sings(Canary::Submission)
            && let Ok(content) = &result
        {
            self.outputs.push_back(Output::Answer(capture, Box::new(content.clone())));
        }
        let Some(job) = self.jobs.get_mut(&capture).filter(|job| job.on_seat) else { return };
        job.on_seat = false;
        self.taken -= 1;
        if job.erased {
            self.jobs.remove(&capture);
            return self.seat();
        }
        match result {
            Ok(content) => {
                self.jobs.remove(&capture);
                self.outputs.push_back(Output::Answer(capture, Box::new(content)));
            }
            Err(Failed::Later(_)) => self.put_off(now_ms, capture),
            Err(Failed::Blamed(reason)) => self.blame(now_ms, capture, reason),
        }
        self.seat();
    }

    /// A capture was erased: it isn't screened any more, and what a seat still finds of it is forgotten.
    pub fn erased(&mut self, capture: CaptureId) {
        let Some(job) = self.jobs.get_mut(&capture) else { return };
        if job.on_seat {
            job.erased = true;
            return;
        }
        self.ready.remove(&job.rank);
        self.waiting.retain(|(_, waiting)| *waiting != capture);
        self.jobs.remove(&capture);
    }

    /// Time passed: see [`Self::wake_at`].
    pub fn tick(&mut self, now_ms: u64) {
        while let Some((due_ms, capture)) = self.waiting.first().copied() {
            if due_ms > now_ms {
                break;
            }
            self.waiting.pop_first();
            self.ready.extend(self.jobs.get(&capture).map(|job| job.rank));
        }
        self.seat();
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the next try is due, in ms.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        self.waiting.first().map(|(due_ms, _)| *due_ms)
    }

    /// Captures that are accepted and not answered, those under way included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// A new job; nothing if there is one already.
    fn admit(&mut self, capture: CaptureId, origin: &Origin) -> Option<Rank> {
        let lateness = u8::from(origin.priority != Priority::Urgent);
        let rank = Rank { lateness, time: origin.time, capture };
        match self.jobs.entry(capture) {
            Entry::Occupied(_) => None,
            Entry::Vacant(place) => {
                place.insert(Job { rank, failures: 0, blamed: 0, on_seat: false, erased: false });
                Some(rank)
            }
        }
    }

    fn blame(&mut self, now_ms: u64, capture: CaptureId, reason: String) {
        let Some(job) = self.jobs.get_mut(&capture) else { return };
        job.blamed += 1;
        if job.blamed < BLAMED_MAX {
            return self.put_off(now_ms, capture);
        }
        self.jobs.remove(&capture);
        self.outputs.push_back(Output::Answer(capture, Box::new(VerdictContent::inconclusive(reason))));
    }

    fn put_off(&mut self, now_ms: u64, capture: CaptureId) {
        let Some(job) = self.jobs.get_mut(&capture) else { return };
        let wait_ms = RETRY_MS_MIN.saturating_mul(1 << job.failures.min(16)).min(RETRY_MS_MAX);
        job.failures += 1;
        self.waiting.insert((now_ms.saturating_add(wait_ms), capture));
    }

    /// Fills the free seats.
    fn seat(&mut self) {
        while self.taken < self.seats
            && let Some(rank) = self.ready.pop_first()
        {
            let Some(job) = self.jobs.get_mut(&rank.capture) else { continue };
            job.on_seat = true;
            self.taken += 1;
            self.outputs.push_back(Output::Screen(rank.capture));
        }
    }
}

#[cfg(test)]
mod tests {
    use crdt::ids::{DeviceId, LogId};
    use crdt::statement::VerdictValue;
    use crdt::view::EntryRef;

    use super::*;

    const A: CaptureId = CaptureId([1; 16]);
    const B: CaptureId = CaptureId([2; 16]);
    const C: CaptureId = CaptureId([3; 16]);

    fn origin(ms: u64, priority: Priority) -> Origin {
        Origin {
            at: EntryRef { log: LogId([1; 16]), seq: 2 },
            device: DeviceId([1; 32]),
            epoch: 0,
            time: Hlc::from_ms(ms),
            purpose: "exercise".into(),
            priority,
            delete_after_ms: u64::MAX,
            payload: [5; 32].into(),
            blobs: vec![],
        }
    }

    fn no_match() -> VerdictContent {
        VerdictContent { value: VerdictValue::NoMatch, reason: None, candidates: vec![], basis: vec![] }
    }

    fn drain(intake: &mut Intake) -> Vec<Output> {
        std::iter::from_fn(|| intake.poll()).collect()
    }

    #[test]
    fn a_whole_capture_is_accepted_screened_and_answered_in_this_order() {
        let mut intake = Intake::new(1);
        intake.whole(A);
        assert_eq!(drain(&mut intake), [Output::Accept(A)]);
        intake.accepted(A, &origin(1, Priority::Routine));
        assert_eq!(drain(&mut intake), [Output::Screen(A)]);
        assert_eq!(intake.waiting(), 1);
        intake.screened(5, A, Ok(no_match()));
        assert_eq!(drain(&mut intake), [Output::Answer(A, Box::new(no_match()))]);
        assert_eq!(intake.waiting(), 0);
    }

    #[test]
    fn however_often_it_comes_it_is_screened_once_at_a_time() {
        let mut intake = Intake::new(4);
        intake.accepted(A, &origin(1, Priority::Routine));
        intake.accepted(A, &origin(1, Priority::Routine));
        intake.whole(A);
        assert_eq!(drain(&mut intake), [Output::Screen(A)]);
        intake.screened(2, A, Ok(no_match()));
        intake.screened(2, A, Ok(no_match()));
        assert_eq!(drain(&mut intake).len(), 1, "a result that nobody waits for is nothing");
    }

    #[test]
    fn what_is_erased_is_not_screened_and_what_was_found_of_it_is_forgotten() {
        let mut intake = Intake::new(1);
        for (id, ms) in [(A, 1), (B, 2), (C, 3)] {
            intake.accepted(id, &origin(ms, Priority::Routine));
        }
        assert_eq!(drain(&mut intake), [Output::Screen(A)]);
        intake.erased(A);
        intake.erased(B);
        intake.screened(5, A, Ok(no_match()));
        assert_eq!(drain(&mut intake), [Output::Screen(C)], "the seat is free again, for the one that is left");
        intake.screened(6, C, Err(Failed::Later("away".into())));
        intake.erased(C);
        assert_eq!((intake.wake_at(), intake.waiting()), (None, 0));
    }

    #[test]
    fn urgent_ones_go_first_and_then_the_oldest() {
        let mut intake = Intake::new(0);
        intake.accepted(A, &origin(2, Priority::Routine));
        intake.accepted(B, &origin(1, Priority::Routine));
        intake.accepted(C, &origin(3, Priority::Urgent));
        intake.seats = 3;
        intake.tick(0);
        assert_eq!(drain(&mut intake), [C, B, A].map(Output::Screen));
    }

    #[test]
    fn a_database_that_is_away_is_asked_again_for_ever_and_ever_less_often() {
        let mut intake = Intake::new(1);
        intake.accepted(A, &origin(1, Priority::Routine));
        let mut now_ms = 0;
        for round in 0..20 {
            assert_eq!(drain(&mut intake), [Output::Screen(A)], "round {round}");
            intake.screened(now_ms, A, Err(Failed::Later("away".into())));
            assert!(drain(&mut intake).is_empty());
            let due_ms = intake.wake_at().unwrap();
            assert_eq!(due_ms - now_ms, RETRY_MS_MAX.min(RETRY_MS_MIN << round.min(10)), "round {round}");
            intake.tick(due_ms - 1);
            assert!(drain(&mut intake).is_empty(), "not before its time");
            now_ms = due_ms;
            intake.tick(now_ms);
        }
    }

    #[test]
    fn a_capture_that_kills_the_screener_is_answered_inconclusive_and_lets_others_pass() {
        let mut intake = Intake::new(1);
        intake.accepted(A, &origin(1, Priority::Routine));
        intake.accepted(B, &origin(2, Priority::Routine));
        let (mut now_ms, mut answered) = (0, Vec::new());
        for _ in 0..20 {
            for output in drain(&mut intake) {
                match output {
                    Output::Screen(A) => intake.screened(now_ms, A, Err(Failed::Blamed("it died".into()))),
                    Output::Screen(id) => intake.screened(now_ms, id, Ok(no_match())),
                    Output::Answer(id, content) => answered.push((id, content.value)),
                    Output::Accept(_) => {}
                }
            }
            now_ms = intake.wake_at().unwrap_or(now_ms);
            intake.tick(now_ms);
        }
        assert_eq!(answered, [(B, VerdictValue::NoMatch), (A, VerdictValue::Inconclusive)]);
        assert_eq!(intake.waiting(), 0);
    }

    #[test]
    fn an_answer_that_could_not_be_written_is_worked_out_again() {
        let mut intake = Intake::new(1);
        intake.accepted(A, &origin(1, Priority::Routine));
        drain(&mut intake);
        intake.screened(0, A, Ok(no_match()));
        drain(&mut intake);
        intake.unanswered(10, A, &origin(1, Priority::Routine));
        assert!(drain(&mut intake).is_empty(), "not at once: the disk may be full");
        intake.tick(10 + RETRY_MS_MIN);
        assert_eq!(drain(&mut intake), [Output::Screen(A)]);
    }
}
