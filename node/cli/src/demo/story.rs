//! The story, as it happens.

use std::time::Instant;

use crate::failure::Failure;
use crate::output;

/// Tells what happens, with the seconds since the beginning.
pub(super) struct Story {
    began: Instant,
}

impl Story {
    pub(super) fn begin() -> Result<Self, Failure> {
        output::say("Greenline demo: captures from places with no Internet, and their answers\n")?;
        Ok(Self { began: Instant::now() })
    }

    /// A new scene.
    pub(super) fn scene(&self, title: &str) -> Result<(), Failure> {
        output::say(format!("\n{title}"))
    }

    /// One thing that happened.
    pub(super) fn tell(&self, what: impl std::fmt::Display) -> Result<(), Failure> {
        output::say(format!("{:7.1} s  {what}", self.began.elapsed().as_secs_f64()))
    }

    pub(super) fn blank(&self) -> Result<(), Failure> {
        output::say("")
    }
}
