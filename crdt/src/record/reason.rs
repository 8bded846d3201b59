//! Why an edit has no effect.

use thiserror::Error;

use super::history::EDITS_PER_AUTHOR_MAX;
use super::preflight::ChunkError;

/// Why an edit is kept without effect: the same on every replica that has the same entries and group keys.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It names a group key under which it doesn't open.
    #[error("the body doesn't open under the group key that it names")]
    Sealed,
    /// It isn't handed to Automerge at all.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// Automerge can't read it, or would write it otherwise.
    #[error("the change isn't in the form in which Automerge writes it")]
    Form,
    /// It claims to be somebody else's.
    #[error("the change isn't its author's")]
    Actor,
    /// It does something that no editor can do.
    #[error("the change does something that a record has no place for")]
    Content,
    /// Its author may not write that part.
    #[error("the author may not write this part of the record")]
    Role,
    /// It doesn't follow its author's edit before.
    #[error("the change doesn't follow the author's edit before")]
    Turn,
    /// More than [`EDITS_PER_AUTHOR_MAX`].
    #[error("the author has made {EDITS_PER_AUTHOR_MAX} edits of this record, as many as are taken")]
    TooMany,
    /// It refers to something that its author can't have seen.
    #[error("the change refers to something that isn't in the record it was made on")]
    Past,
    /// It builds on an edit that has no effect.
    #[error("the change builds on one that has no effect")]
    BuildsOn,
    /// Automerge can't apply it, or can't read back what comes of it.
    #[error("Automerge can't apply the change")]
    Engine,
}
