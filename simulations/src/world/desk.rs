//! A hub's desk in virtual time: the production intake, with screenings that take as long as they are said to.

use crdt::ids::CaptureId;
use crdt::seal::Seed;
use crdt::statement::{VerdictContent, VerdictValue};
use crdt::store::memory::MemoryStore;
use crdt::sync::{Engine, Event};
use gateway::clerk::{self, Acceptance};
use gateway::intake::{Failed, Intake, Output};

/// Screenings at a time, as many as a hub's cores would do.
pub(crate) const SEATS: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    intake: Intake,
    /// How long a screening takes, in ms.
    screening_ms: u64,
    /// When the intake is woken.
    ticks_ms: Option<u64>,
}

/// What is to happen later.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Later {
    /// A screening is finished.
    Screened(u64, CaptureId),
    /// The intake wants to be woken.
    Tick(u64),
}

impl Desk {
    /// What a hub begins with after a start: whatever the last one left undone.
    pub(super) fn open(engine: &Engine<MemoryStore>, screening_ms: u64) -> Self {
        let mut intake = Intake::new(SEATS);
        // In this world every disk can be read.
        for (capture, origin) in clerk::unanswered(engine).unwrap_or_default() {
            intake.accepted(capture, &origin);
        }
        engine.whole_captures().into_iter().for_each(|capture| intake.whole(capture));
        Self { intake, screening_ms, ticks_ms: None }
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Whole(capture) => self.intake.whole(*capture),
            Event::Erased(capture) => self.intake.erased(*capture),
            _ => {}
        }
    }

    /// A screening is finished.
    pub(super) fn finish(&mut self, now_ms: u64, capture: CaptureId, result: Result<VerdictContent, Failed>) {
        self.intake.screened(now_ms, capture, result);
    }

    pub(super) fn tick(&mut self, now_ms: u64) {
        self.ticks_ms = None;
        self.intake.tick(now_ms);
    }

    /// Carries out what the intake wants, and says whether that was anything. Waits are by a clock that nobody sets, `steady_ms`;
    /// `now_ms` is what the hub's says. `seed` makes the seeds of verdicts.
    pub(super) fn work(
        &mut self,
        engine: &mut Engine<MemoryStore>,
        (steady_ms, now_ms): (u64, u64),
        seed: impl Fn(CaptureId) -> Seed,
    ) -> (bool, Vec<Later>) {
        let (mut worked, mut later) = (false, Vec::new());
        while let Some(output) = self.intake.poll() {
            worked = true;
            match output {
                Output::Accept(capture) => {
                    if let Ok(Acceptance::Ours(origin)) = clerk::accept(engine, now_ms, capture) {
                        self.intake.accepted(capture, &origin);
                    }
                }
                Output::Screen(capture) => later.extend(self.screen(engine, steady_ms, capture)),
                Output::Answer(capture, content) => {
                    if clerk::answer(engine, now_ms, seed(capture), capture, &content).is_err()
                        && let Ok(Some(origin)) = clerk::origin(engine, capture)
                    {
                        self.intake.unanswered(steady_ms, capture, &origin);
                    }
                }
            }
        }
        if self.ticks_ms != self.intake.wake_at() {
            self.ticks_ms = self.intake.wake_at();
            later.extend(self.ticks_ms.map(Later::Tick));
        }
        (worked, later)
    }

    fn screen(&mut self, engine: &Engine<MemoryStore>, steady_ms: u64, capture: CaptureId) -> Option<Later> {
        if let Some(refusal) = clerk::refuse(engine, capture) {
            self.finish(steady_ms, capture, Ok(refusal));
            return None;
        }
        // What a screening would see of the images nobody looks at here.
        match engine.replica().open_inside(capture) {
            Ok(Some(Ok(_))) => Some(Later::Screened(steady_ms + self.screening_ms, capture)),
            Ok(Some(Err(error))) => {
                self.finish(steady_ms, capture, Ok(clerk::unreadable(error)));
                None
            }
            Ok(None) | Err(_) => {
                if clerk::is_erased(engine, capture) {
                    self.intake.erased(capture);
                }
                self.finish(steady_ms, capture, Err(Failed::Later("the capture isn't here".into())));
                None
            }
        }
    }
}

/// What a screening ends with while the database is away.
pub(super) fn away() -> Failed {
    Failed::Later("the database is away".to_owned())
}

/// What is said of a person whom nobody looks for.
pub(super) fn no_match() -> VerdictContent {
    VerdictContent { value: VerdictValue::NoMatch, reason: None, candidates: vec![], basis: vec![] }
}
