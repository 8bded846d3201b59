//! What people ask of a record, and how it becomes operations of a change.

use std::str::FromStr;

use automerge::transaction::{Transactable, Transaction};
use automerge::{AutomergeError, ROOT, ReadDoc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::history::EDITS_PER_AUTHOR_MAX;
use super::preflight::CHUNK_BYTES_MAX;
use super::reason::Reason;
use super::schema::{Genesis, Part, TEXT_BYTES_MAX, is_field, is_text, priority_name};
use crate::ids::CaptureId;
use crate::redacted::Redacted;
use crate::statement::{PARTICULAR_BYTES_MAX, Priority};

/// Most things that one edit does. They are one entry, and happen together or not at all.
pub const EDIT_OPS_MAX: usize = 64;

/// One thing that an edit does to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum EditOp {
    /// Capture: sets how urgent it is.
    Priority {
        /// How urgent.
        priority: Priority,
    },
    /// Capture: adds a case note.
    Note {
        /// The note.
        text: Redacted<String>,
    },
    /// Capture: says how a particular should read.
    Correct {
        /// The particular's name.
        field: String,
        /// How it should read.
        value: Redacted<String>,
    },
    /// Capture: says that another one belongs with it.
    Link {
        /// The other one.
        #[serde(with = "id_as_text")]
        capture: CaptureId,
    },
    /// Capture: takes a link back.
    Unlink {
        /// The other one.
        #[serde(with = "id_as_text")]
        capture: CaptureId,
    },
    /// Capture: adds a handling step.
    Step {
        /// What was done.
        text: Redacted<String>,
    },
    /// Capture: withdraws it. For the device that captured, and supervisors.
    Withdraw {
        /// Why.
        reason: Redacted<String>,
    },
    /// Site: puts somebody on a post. For supervisors.
    Roster {
        /// The post.
        post: String,
        /// Who is there.
        text: Redacted<String>,
    },
    /// Site: adds a note for the next shift.
    Handover {
        /// The note.
        text: Redacted<String>,
    },
    /// Site: adds a task. For supervisors.
    Task {
        /// What is to be done.
        text: Redacted<String>,
    },
    /// Site: says that a task is done.
    TaskDone {
        /// The task's name, as the record lists it.
        task: String,
    },
}

/// Why an edit isn't possible. Nothing was kept of it.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum EditError {
    /// Nothing was asked for.
    #[error("an edit does 1 to {EDIT_OPS_MAX} things; split it")]
    Count,
    /// A text is empty or too long.
    #[error("a text has 1 to {TEXT_BYTES_MAX} bytes; shorten it, or write two")]
    Text,
    /// A name or a corrected value is empty or too long.
    #[error("a name has 1 to {PARTICULAR_BYTES_MAX} bytes and a corrected value at most as many; shorten it")]
    Field,
    /// All together it is too long.
    #[error("all together this edit has more than {CHUNK_BYTES_MAX} bytes; split it")]
    TooLong,
    /// The operation is for the other sort of record.
    #[error("a capture's record has no hand-over, roster or tasks, and the site's record has nothing else")]
    OtherRecord,
    /// There is no such link or task.
    #[error("there is no such link or task in the record; read it again")]
    NothingThere,
    /// All that was asked for is so already.
    #[error("the record says so already")]
    NothingNew,
    /// The own log's edits of this record are used up.
    #[error(
        "this device has made {EDITS_PER_AUTHOR_MAX} edits of this record, the most there may be; use another device"
    )]
    TooMany,
    /// The own edits before have no effect: their log can't go on here.
    #[error("an earlier edit by this device waits for entries of others; wait for them to come and try again")]
    Stuck,
    /// Others wouldn't take it.
    #[error("this edit isn't possible: {0}")]
    Refused(Reason),
}

impl EditOp {
    /// The part that this writes.
    pub(crate) const fn part(&self) -> Part {
        match self {
            Self::Priority { .. } => Part::Priority,
            Self::Note { .. } => Part::Notes,
            Self::Correct { .. } => Part::Corrections,
            Self::Link { .. } | Self::Unlink { .. } => Part::Links,
            Self::Step { .. } => Part::Steps,
            Self::Withdraw { .. } => Part::Withdrawn,
            Self::Roster { .. } => Part::Roster,
            Self::Handover { .. } => Part::Handover,
            Self::Task { .. } => Part::Tasks,
            Self::TaskDone { .. } => Part::Done,
        }
    }

    /// Checks the bounds of what people wrote.
    pub(crate) fn check(&self) -> Result<(), EditError> {
        let text = |text: &Redacted<String>| if is_text(text.reveal()) { Ok(()) } else { Err(EditError::Text) };
        let field = |name: &str| if is_field(name) { Ok(()) } else { Err(EditError::Field) };
        match self {
            Self::Note { text: it } | Self::Step { text: it } | Self::Withdraw { reason: it } => text(it),
            Self::Handover { text: it } | Self::Task { text: it } => text(it),
            Self::Roster { post, text: it } => field(post).and_then(|()| text(it)),
            Self::Correct { value, .. } if value.reveal().len() > PARTICULAR_BYTES_MAX => Err(EditError::Field),
            Self::Correct { field: name, .. } => field(name),
            Self::Priority { .. } | Self::Link { .. } | Self::Unlink { .. } | Self::TaskDone { .. } => Ok(()),
        }
    }

    /// Does it.
    pub(crate) fn perform(&self, genesis: &Genesis, record: &mut Transaction<'_>) -> Result<(), OpError> {
        let part = self.part();
        let object = genesis.object(part);
        match self {
            Self::Priority { priority } => record.put(ROOT, part.rule().name, priority_name(*priority))?,
            Self::Withdraw { reason } => record.put(ROOT, part.rule().name, reason.reveal().as_str())?,
            Self::Note { text } | Self::Step { text } | Self::Handover { text } | Self::Task { text } => {
                let end = genesis.length(record, part);
                record.insert(object, end, text.reveal().as_str())?;
            }
            Self::Correct { field: key, value: text } | Self::Roster { post: key, text } => {
                record.put(object, key.as_str(), text.reveal().as_str())?;
            }
            Self::Link { capture } => record.put(object, capture.to_string(), true)?,
            Self::Unlink { capture } => {
                let key = capture.to_string();
                record.get(&object, key.as_str())?.ok_or(OpError::NothingThere)?;
                record.delete(object, key)?;
            }
            Self::TaskDone { task } => {
                let known = super::read::task_names(genesis, record).any(|name| name == *task);
                known.then_some(()).ok_or(OpError::NothingThere)?;
                record.put(object, task.as_str(), true)?;
            }
        }
        Ok(())
    }
}

/// Why an operation can't be done on a document.
pub(crate) enum OpError {
    NothingThere,
    Engine,
}

impl From<AutomergeError> for OpError {
    fn from(_: AutomergeError) -> Self {
        Self::Engine
    }
}

impl From<OpError> for EditError {
    fn from(error: OpError) -> Self {
        match error {
            OpError::NothingThere => Self::NothingThere,
            OpError::Engine => Self::Refused(Reason::Engine),
        }
    }
}

mod id_as_text {
    use super::{CaptureId, Deserialize, Deserializer, FromStr, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &CaptureId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CaptureId, D::Error> {
        let text = String::deserialize(deserializer)?;
        CaptureId::from_str(&text).map_err(serde::de::Error::custom)
    }
}
