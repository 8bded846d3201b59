//! Screening: what a hub asks a database. One trait, whatever is behind it.

use crdt::statement::{Image, VerdictContent};

use crate::intake::Failed;

/// A database that captures are compared with.
///
/// Search only: what is handed in is compared and forgotten. No raw score comes out, and an answer is one of three values.
pub trait Screener: Send + Sync + 'static {
    /// Compares a person's images, in the clear. May take its time: it is called on a thread of its own.
    ///
    /// The answer's `basis` names the images that it rests on; images that it can't use are left out of it.
    fn screen(&self, images: &[Image]) -> Result<VerdictContent, Failed>;

    /// Its name and state in a few words, for the hub's operator; says nothing about anybody.
    fn describe(&self) -> String;
}
