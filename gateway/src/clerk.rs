//! What a hub does to its replica for a capture: take it up, give the receipt, give the verdict.
//!
//! Pure, and the same for the hub's desk and the simulator's: what [`crate::intake`] wants is carried out here, on any store.
//! Each act looks first whether it is still needed, so that a crash or a second hub makes nothing happen twice.

use crdt::canary::{self, Canary};
use crdt::ids::CaptureId;
use crdt::replica::AppendError;
use crdt::seal::{SealError, Seed};
use crdt::statement::VerdictContent;
use crdt::store::{Store, StoreError};
use crdt::sync::Engine;
use crdt::view::Origin;

/// What became of a wish to accept a capture.
#[derive(Debug)]
pub enum Acceptance {
    /// There is a receipt of this hub.
    Ours(Origin),
    /// Nothing to do: another hub has it, or it is gone.
    Settled,
    /// It isn't sealed to this hub.
    SealedToOthers,
}

/// Captures that this hub has accepted and nobody has answered: what is to be screened after a start.
pub fn unanswered<S: Store>(engine: &Engine<S>) -> Result<Vec<(CaptureId, Origin)>, StoreError> {
    let mut found = Vec::new();
    for id in engine.replica().unanswered() {
        found.extend(origin(engine, *id)?.map(|origin| (*id, origin)));
    }
    Ok(found)
}

/// Where a capture comes from; none if it isn't here, or is erased.
pub fn origin<S: Store>(engine: &Engine<S>, id: CaptureId) -> Result<Option<Origin>, StoreError> {
    Ok(engine.replica().capture(id)?.filter(|view| view.erased.is_none()).and_then(|view| view.origin))
}

/// Writes a receipt, unless some hub's is there already: whoever accepts first screens.
pub fn accept<S: Store>(engine: &mut Engine<S>, now_ms: u64, id: CaptureId) -> Result<Acceptance, AppendError> {
    let Some(view) = engine.replica().capture(id)? else { return Ok(Acceptance::Settled) };
    let Some(origin) = view.origin.clone() else { return Ok(Acceptance::Settled) };
    // Its device was copied: a cut took it away while it was screened, and now it is stated again.
    if engine.replica().unanswered().contains(&id) {
        return Ok(Acceptance::Ours(origin));
    }
    if view.accepted().is_some() || view.erased.is_some() {
        return Ok(Acceptance::Settled);
    }
    if matches!(engine.replica().open_inside(id)?, Some(Err(SealError::NotForUs))) {
        return Ok(Acceptance::SealedToOthers);
    }
    engine.write(now_ms, |replica| replica.receipt_new(now_ms, id))?;
    Ok(Acceptance::Ours(origin))
}

/// The answer to a capture that was made for something that this site doesn't do; none for others. No honest program makes such
/// a capture; nobody is compared for it.
pub fn refuse<S: Store>(engine: &Engine<S>, id: CaptureId) -> Option<VerdictContent> {
    let purposes = &engine.replica().membership().manifest.policy.purposes;
    // A store that can't be read says so elsewhere.
    let origin = origin(engine, id).ok().flatten()?;
    (!purposes.contains(&origin.purpose)).then(|| {
        VerdictContent::inconclusive(
            "not compared: its purpose isn't one of this site's; capture the person again for one that is",
        )
    })
}

/// The answer to a capture that this hub should be able to open and can't.
#[must_use]
pub fn unreadable(error: SealError) -> VerdictContent {
    VerdictContent::inconclusive(format!("the capture can't be opened ({error}); capture the person again"))
}

/// Writes a verdict, unless one is there already: however often it was worked out, one takes effect.
pub fn answer<S: Store>(
    engine: &mut Engine<S>,
    now_ms: u64,
    seed: Seed,
    id: CaptureId,
    content: &VerdictContent,
) -> Result<(), AppendError> {
    let answered = engine.replica().capture(id)?.is_none_or(|view| view.screened().is_some() || view.erased.is_some());
    if !answered || canary::sings(Canary::Submission) {
        engine.write(now_ms, |replica| replica.verdict_new(now_ms, seed, id, content))?;
    }
    Ok(())
}

/// Whether a capture is erased here.
pub fn is_erased<S: Store>(engine: &Engine<S>, id: CaptureId) -> bool {
    // A store that can't be read says so elsewhere.
    engine.replica().capture(id).ok().flatten().is_some_and(|view| view.erased.is_some())
}
