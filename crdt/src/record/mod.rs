//! Records: what several people write together about a capture, or about the site.
//!
//! A record is one small Automerge document. Each edit of it is one change, which travels as the body of a signed entry; the
//! document itself travels never, and is kept nowhere but in memory while somebody looks at it. It is made anew from the
//! entries whenever they grow.
//!
//! ```text
//!  entries ─ open ─► preflight ─► change ─► history ─► document ─► Record
//!           group key   bytes     meaning    which      Automerge   what people read
//!                                             count
//! ```
//!
//! Automerge 0.12 takes hostile changes badly: it panics, or spoils the document, or takes gigabytes. So nothing reaches it
//! that our own rules (`schema`, `history`) haven't found to be what one of our writers could have written. What remains
//! is caught (`crate::quiet`) and read back before it is shown.

mod change;
pub(crate) mod document;
pub(crate) mod history;
mod op;
mod preflight;
mod read;
mod reason;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use history::EDITS_PER_AUTHOR_MAX;
pub use op::{EDIT_OPS_MAX, EditError, EditOp};
pub use preflight::{CHUNK_BYTES_MAX, ChunkError, DEPENDENCIES_MAX, OPERATIONS_MAX};
pub use reason::Reason;
pub use schema::TEXT_BYTES_MAX;

use serde::{Serialize, Serializer};

use crate::ids::{CaptureId, DeviceId, LogId};
use crate::redacted::Redacted;
use crate::statement::Priority;

/// Something that somebody wrote into a record. Who and when is what the signed entry says, not what the change claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said<T> {
    /// The device.
    #[serde(serialize_with = "as_text")]
    pub by: DeviceId,
    /// When, by its clock, in ms.
    pub at_ms: u64,
    /// What.
    pub value: T,
}

/// A text that somebody wrote.
pub type SaidText = Said<Redacted<String>>;

/// What a record says. Of values that were written at the same time all are kept, the one that Automerge puts first first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Record {
    /// How urgent the capture is after all; urgent, if anyone who wrote at the same time says so. `None` if nobody did.
    pub priority: Option<Priority>,
    /// What `priority` comes from.
    pub priorities: Vec<Said<Priority>>,
    /// Case notes.
    pub notes: Vec<SaidText>,
    /// Particulars, as they should read.
    pub corrections: BTreeMap<String, Vec<SaidText>>,
    /// Captures that belong with this one.
    pub links: Vec<Said<Linked>>,
    /// What was done with the person or the case.
    pub steps: Vec<SaidText>,
    /// Why the capture is withdrawn, if it is.
    pub withdrawn: Vec<SaidText>,
    /// The site: who is where.
    pub roster: BTreeMap<String, Vec<SaidText>>,
    /// The site: what one shift tells the next.
    pub handover: Vec<SaidText>,
    /// The site: what is to be done.
    pub tasks: Vec<Task>,
    /// How many edits this comes from.
    pub edits: usize,
    /// Edits without effect, and why.
    pub quarantined: Vec<Quarantined>,
    /// Edits that build on others which aren't here yet.
    pub pending: usize,
    /// Edits under a group key that this device hasn't been given.
    pub unreadable: usize,
}

/// Another capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Linked(#[serde(serialize_with = "as_text")] pub CaptureId);

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Its name, for [`EditOp::TaskDone`].
    pub id: String,
    /// What is to be done.
    #[serde(flatten)]
    pub said: SaidText,
    /// Who has done it; several, if they didn't know of each other.
    pub done: Vec<Said<()>>,
}

/// An edit without effect. It keeps its place in its author's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The log.
    #[serde(serialize_with = "as_text")]
    pub log: LogId,
    /// The place in it.
    pub seq: u64,
    /// Whose log it is.
    #[serde(serialize_with = "as_text")]
    pub by: DeviceId,
    /// Why it has no effect.
    #[serde(serialize_with = "as_text")]
    pub reason: Reason,
}

fn as_text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
