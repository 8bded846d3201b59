//! The built-in screening: the hub's gallery, searched with NIST's matcher. For exercises, tests and small operations.

use std::sync::{Mutex, PoisonError};

use crdt::statement::{CANDIDATES_MAX, Image, Shows, VerdictContent, VerdictValue};
use gateway::intake::Failed;
use gateway::screen::Screener;
use matcher::gallery::Stamp;
use matcher::{Decision, ExtractError, Gallery, Pool, Position, SearchError, Template};

/// A gallery and the worker processes that search it.
pub(crate) struct Builtin {
    pool: Pool,
    gallery: Gallery,
    /// What the workers hold; the folder may be changed by other processes at any time.
    loaded: Mutex<Option<Loaded>>,
}

struct Loaded {
    stamp: Stamp,
    people: usize,
    damaged: usize,
}

/// The prints of a capture, as far as the matcher can read them.
#[derive(Default)]
struct Prints {
    templates: Vec<(Position, Template)>,
    basis: Vec<Shows>,
    /// What is wrong with the first one that can't be read.
    unreadable: Option<String>,
    face: bool,
}

impl Builtin {
    pub(crate) fn new(pool: Pool, gallery: Gallery) -> Self {
        Self { pool, gallery, loaded: Mutex::new(None) }
    }

    /// Takes over the gallery as it is on disk now, if it has changed.
    fn refresh(&self) -> Result<(), Failed> {
        let later = |error: &dyn std::fmt::Display| Failed::Later(error.to_string());
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.gallery.stamp().map_err(|error| later(&error))?;
        if loaded.as_ref().is_some_and(|loaded| loaded.stamp == stamp) {
            return Ok(());
        }
        let contents = self.gallery.load_all().map_err(|error| later(&error))?;
        self.pool.load(&contents.people).map_err(|error| later(&error))?;
        for damaged in &contents.damaged {
            tracing::warn!(%damaged, "gallery");
        }
        let (people, damaged) = (contents.people.len(), contents.damaged.len());
        tracing::info!(people, damaged, "gallery loaded");
        *loaded = Some(Loaded { stamp: contents.stamp, people, damaged });
        Ok(())
    }

    fn read(&self, images: &[Image]) -> Result<Prints, Failed> {
        let mut prints = Prints::default();
        for image in images {
            let Shows::Finger(number) = image.shows else {
                prints.face = true;
                continue;
            };
            let position = Position::from_code(number).unwrap_or(Position::UNKNOWN);
            match self.pool.extract(image.bytes.reveal()) {
                Ok(extracted) => {
                    // What is too poor to be searched is nothing that an answer rests on.
                    prints.basis.extend(extracted.poor.is_none().then_some(image.shows));
                    prints.templates.push((position, extracted.template));
                }
                Err(ExtractError::Unavailable(error)) => return Err(Failed::Later(error.to_string())),
                // The intake tries it again before it gives up on it.
                Err(error @ (ExtractError::Crashed | ExtractError::TimedOut)) => {
                    return Err(Failed::Blamed(format!("{position}: {error}")));
                }
                Err(error) => {
                    prints.unreadable.get_or_insert(format!("{position}: {error}"));
                }
            }
        }
        Ok(prints)
    }
}

impl Screener for Builtin {
    fn screen(&self, images: &[Image]) -> Result<VerdictContent, Failed> {
        self.refresh()?;
        let prints = self.read(images)?;
        if prints.templates.is_empty() {
            return Ok(VerdictContent::inconclusive(prints.nothing_to_search()));
        }
        let decision = self.pool.screen(&prints.templates).map_err(|error| match error {
            SearchError::Crashed | SearchError::TimedOut => Failed::Blamed(error.to_string()),
            other => Failed::Later(other.to_string()),
        })?;
        Ok(prints.answer(decision))
    }

    fn describe(&self) -> String {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let restarts = self.pool.restarts();
        match &*loaded {
            Some(Loaded { people, damaged, .. }) => {
                format!("built-in: {people} people in the gallery, {damaged} damaged, {restarts} workers restarted")
            }
            None => "built-in: the gallery is read with the first capture".into(),
        }
    }
}

impl Prints {
    fn nothing_to_search(&self) -> String {
        match (&self.unreadable, self.face) {
            (Some(why), _) => format!("no print can be read ({why})"),
            (None, true) => "a face alone can't be searched here; take fingerprints too".into(),
            (None, false) => "there are no images to search with".into(),
        }
    }

    fn answer(self, decision: Decision) -> VerdictContent {
        match decision {
            // An image that nobody could look at may be the one that matches.
            Decision::NoMatch if self.unreadable.is_some() => {
                let why = self.unreadable.unwrap_or_default();
                let reason = format!("a print can't be read ({why}), the others match nobody");
                VerdictContent { basis: self.basis, ..VerdictContent::inconclusive(reason) }
            }
            Decision::NoMatch => {
                VerdictContent { value: VerdictValue::NoMatch, reason: None, candidates: Vec::new(), basis: self.basis }
            }
            Decision::Candidate(references) => VerdictContent {
                value: VerdictValue::Candidate,
                reason: None,
                candidates: references.iter().take(CANDIDATES_MAX).map(ToString::to_string).collect(),
                basis: self.basis,
            },
            Decision::Inconclusive(reason) => {
                VerdictContent { basis: self.basis, ..VerdictContent::inconclusive(reason.to_string()) }
            }
        }
    }
}
