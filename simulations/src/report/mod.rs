//! What simulations come to: a page for people, and the same for programs.
//!
//! A [`Report`] is made of the runs of one scenario, a run for each seed. [`Report::page`] is one file that needs nothing else, to be
//! opened anywhere and printed; [`Report::summary`] and [`Report::events`] are for other tools. The same runs give the same
//! bytes. However large an operation is, they are bounded, and say what they leave out.

mod canvas;
mod compare;
mod curves;
mod events;
mod gather;
mod interval;
mod layout;
mod levels;
mod measures;
mod page;
mod raster;
mod ratios;
mod replay;
mod seeds;
mod summary;
mod sweep;
mod tables;
mod timelines;
mod volume;
mod words;

use std::io::{self, Write};

use serde_json::Value;

pub use compare::{Comparison, Standing, Told};
pub use gather::{Gathered, Reduced};
pub use interval::Mean;
pub use measures::{Better, MEASURES, Measure, Measured, Unit};
pub use sweep::{Over, Sweep};

use gather::First;

/// What came of one scenario. What is told of a single run is told of the first.
pub struct Report<'a> {
    name: &'a str,
    about: &'a str,
    source: &'a str,
    runs: &'a Gathered,
    first: &'a First,
}

impl<'a> Report<'a> {
    /// Of runs. None if there is no run.
    ///
    /// `name` and `about` say what was simulated, `source` is the text of the scenario.
    #[must_use]
    pub fn new(name: &'a str, about: &'a str, source: &'a str, runs: &'a Gathered) -> Option<Self> {
        Some(Self { name, about, source, runs, first: runs.first()? })
    }

    /// The page, as HTML.
    #[must_use]
    pub fn page(&self) -> String {
        page::page(self).into_string()
    }

    /// What was measured, for `summary.json`.
    #[must_use]
    pub fn summary(&self) -> Value {
        summary::summary(self)
    }

    /// Writes what happened in the first run, for `events.jsonl`.
    pub fn events(&self, to: impl Write) -> io::Result<()> {
        events::write(self, to)
    }
}
