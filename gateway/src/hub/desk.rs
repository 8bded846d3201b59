//! One site's desk: carries out what the intake decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crdt::audit::{Act, Record};
use crdt::ids::CaptureId;
use crdt::replica::{AppendError, Opened};
use crdt::seal::Seed;
use crdt::statement::{VerdictContent, VerdictValue};
use crdt::store::StoreError;
use crdt::sync::Event;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::clerk::{self, Acceptance};
use crate::driver::{Driver, DriverError, Engine, steady_ms};
use crate::intake::{Failed, Intake, Output};
use crate::screen::Screener;
use crate::trail::Trail;

/// How long to sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// What a desk has done since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Screenings that ended in an answer.
    pub(super) screened: AtomicU64,
    /// Screenings that failed and were put off.
    pub(super) failed: AtomicU64,
    /// Captures that came and aren't sealed to this hub.
    pub(super) sealed_to_others: AtomicU64,
}

type Done = (CaptureId, Result<VerdictContent, Failed>);

/// See the module.
pub(super) struct Desk {
    driver: Driver,
    trail: Trail,
    intake: Intake,
    screener: Arc<dyn Screener>,
    counts: Arc<Counts>,
    done: mpsc::Sender<Done>,
    finished: mpsc::Receiver<Done>,
}

impl Desk {
    pub(super) fn new(
        driver: Driver,
        trail: Trail,
        screener: Arc<dyn Screener>,
        seats: usize,
        counts: Arc<Counts>,
    ) -> Self {
        let seats = seats.max(1);
        let (done, finished) = mpsc::channel(seats);
        Self { driver, trail, intake: Intake::new(seats), screener, counts, done, finished }
    }

    pub(super) async fn run(mut self) {
        let mut news = self.driver.events();
        let mut result = self.look_at_everything().await;
        while result.is_ok() {
            result = self.turn(&mut news).await;
        }
    }

    /// One thing that happens, and what follows from it. An error means that the engine has stopped.
    async fn turn(&mut self, news: &mut broadcast::Receiver<Event>) -> Result<(), DriverError> {
        self.carry_out().await?;
        let due = self.intake.wake_at();
        let wake = due.map_or(IDLE, |at_ms| Duration::from_millis(at_ms.saturating_sub(steady_ms()).max(1)));
        tokio::select! {
            event = news.recv() => match event {
                Ok(Event::Whole(capture)) => self.intake.whole(capture),
                Ok(Event::Erased(capture)) => self.intake.erased(capture),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.look_at_everything().await?,
                Err(RecvError::Closed) => return Err(DriverError::Stopped),
            },
            Some((capture, result)) = self.finished.recv() => self.note(capture, result),
            () = sleep(wake) => {}
        }
        self.intake.tick(steady_ms());
        Ok(())
    }

    /// What a crash or a lost piece of news may have left undone follows from the replica alone.
    async fn look_at_everything(&mut self) -> Result<(), DriverError> {
        let (unanswered, whole) =
            self.driver.call(|engine, _| (clerk::unanswered(engine), engine.whole_captures())).await?;
        for (capture, origin) in unanswered? {
            self.intake.accepted(capture, &origin);
        }
        whole.into_iter().for_each(|capture| self.intake.whole(capture));
        Ok(())
    }

    async fn carry_out(&mut self) -> Result<(), DriverError> {
        while let Some(output) = self.intake.poll() {
            match output {
                Output::Accept(capture) => self.accept(capture).await?,
                Output::Screen(capture) => self.screen(capture).await?,
                Output::Answer(capture, content) => self.answer(capture, *content).await?,
            }
        }
        Ok(())
    }

    async fn accept(&mut self, capture: CaptureId) -> Result<(), DriverError> {
        match self.driver.call(move |engine, now_ms| clerk::accept(engine, now_ms, capture)).await? {
            Ok(Acceptance::Ours(origin)) => self.intake.accepted(capture, &origin),
            Ok(Acceptance::Settled) => {}
            Ok(Acceptance::SealedToOthers) => {
                self.counts.sealed_to_others.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    %capture,
                    "not sealed to this hub: its device was enrolled before this hub; enrol that device again"
                );
            }
            // It stays whole and open: the next start, or the next look, finds it.
            Err(error) => tracing::error!(%capture, %error, "a receipt can't be written"),
        }
        Ok(())
    }

    async fn screen(&mut self, capture: CaptureId) -> Result<(), DriverError> {
        if let Some(refusal) = self.driver.call(move |engine, _| clerk::refuse(engine, capture)).await? {
            self.note(capture, Ok(refusal));
            return Ok(());
        }
        let opened = self.driver.call(move |engine, _| engine.replica().open_capture(capture)).await?;
        let opened = match opened {
            Ok(Some(Ok(opened))) => opened,
            Ok(Some(Err(error))) => {
                self.note(capture, Ok(clerk::unreadable(error)));
                return Ok(());
            }
            Ok(None) if self.driver.call(move |engine, _| clerk::is_erased(engine, capture)).await? => {
                self.intake.erased(capture);
                self.intake.screened(steady_ms(), capture, Err(Failed::Later("erased".into())));
                return Ok(());
            }
            Ok(None) => {
                self.note(capture, Err(Failed::Later("the capture isn't here".into())));
                return Ok(());
            }
            Err(error) => {
                self.note(capture, Err(Failed::Later(error.to_string())));
                return Ok(());
            }
        };
        let record = match self.driver.call(move |engine, now_ms| compared(engine, now_ms, capture)).await? {
            Ok(record) => record,
            Err(error) => {
                self.note(capture, Err(Failed::Later(error.to_string())));
                return Ok(());
            }
        };
        let (screener, trail, done) = (self.screener.clone(), self.trail.clone(), self.done.clone());
        tokio::spawn(async move {
            let result = note_and_screen(&trail, record, screener, opened).await;
            // At a shutdown nobody waits any more; the next start screens it again.
            let _ = done.send((capture, result)).await;
        });
        Ok(())
    }

    fn note(&mut self, capture: CaptureId, result: Result<VerdictContent, Failed>) {
        let count = if result.is_ok() { &self.counts.screened } else { &self.counts.failed };
        count.fetch_add(1, Ordering::Relaxed);
        if let Err(Failed::Later(reason) | Failed::Blamed(reason)) = &result {
            tracing::warn!(%capture, reason, "a screening is put off");
        }
        self.intake.screened(steady_ms(), capture, result);
    }

    async fn answer(&mut self, capture: CaptureId, content: VerdictContent) -> Result<(), DriverError> {
        let mut seed: Seed = [0; 32];
        let written = match getrandom::fill(&mut seed) {
            Ok(()) => {
                let answer = move |engine: &mut Engine, now_ms| clerk::answer(engine, now_ms, seed, capture, &content);
                self.driver.call(answer).await?
            }
            Err(error) => Err(AppendError::Store(StoreError::Io(format!("no random numbers: {error}")))),
        };
        if let Err(error) = written {
            tracing::error!(%capture, %error, "a verdict can't be written");
            let origin = self.driver.call(move |engine, _| clerk::origin(engine, capture)).await?;
            if let Ok(Some(origin)) = origin {
                self.intake.unanswered(steady_ms(), capture, &origin);
            }
        }
        Ok(())
    }
}

fn compared(engine: &Engine, at_ms: u64, id: CaptureId) -> Result<Record, StoreError> {
    let operator = engine.replica().identity().certificate.alias.clone();
    let why = clerk::origin(engine, id)?.map(|origin| origin.purpose).unwrap_or_default();
    Ok(Record { at_ms, operator, act: Act::Compared, captures: vec![id], why, times: 1 })
}

/// What can't be noted isn't compared: it waits like for a database that is away.
async fn note_and_screen(
    trail: &Trail,
    record: Record,
    screener: Arc<dyn Screener>,
    opened: Opened,
) -> Result<VerdictContent, Failed> {
    trail.note(vec![record]).await.map_err(|error| Failed::Later(error.to_string()))?;
    let screened = tokio::task::spawn_blocking(move || screen(&*screener, &opened)).await;
    screened.unwrap_or_else(|error| Err(Failed::Later(format!("the screener failed: {error}"))))
}

/// Screens what could be opened. "No match" is only said of all images that the capture has.
fn screen(screener: &dyn Screener, opened: &Opened) -> Result<VerdictContent, Failed> {
    let (here, all) = (opened.images.len(), opened.inside.shows.len());
    let content = screener.screen(&opened.images)?;
    if content.value == VerdictValue::NoMatch && here < all {
        let reason = format!("{} of {all} images can't be opened; capture the person again", all - here);
        return Ok(VerdictContent { basis: content.basis, ..VerdictContent::inconclusive(reason) });
    }
    Ok(content)
}
