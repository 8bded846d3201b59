//! What a replica remembers of one author's log.

use serde::{Deserialize, Serialize};

use crate::ids::{Author, EntryHash};
use crate::site::Certificate;
use crate::time::Hlc;

/// The newest entry of a log, as one replica has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many entries the log has here.
    pub height: u64,
    /// The name of the last one.
    pub hash: EntryHash,
}

impl Head {
    /// Of an empty log.
    pub const NONE: Self = Self { height: 0, hash: EntryHash::NONE };
}

/// One author's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Who writes it.
    pub author: Author,
    /// The author's newest certificate in this log.
    pub certificate: Certificate,
    /// Where it ends here.
    pub head: Head,
    /// The time of its last entry.
    pub time: Hlc,
    /// The stretch of consecutive arrival numbers that the last entry belongs to. Local: not part of the shared state.
    pub(crate) run: Run,
}

/// Consecutive entries of a log that arrived one after another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Place of the first in the log.
    pub(crate) first_seq: u64,
    /// Its arrival number.
    pub(crate) first_arrival: u64,
    /// How many.
    pub(crate) count: u64,
}

impl Run {
    /// The arrival number of `seq`, if this stretch has it.
    pub(crate) fn arrival(&self, seq: u64) -> Option<u64> {
        let offset = seq.checked_sub(self.first_seq)?;
        (offset < self.count).then_some(self.first_arrival + offset)
    }

    /// Adds the next entry, beginning a new stretch if others arrived in between.
    pub(crate) fn push(&mut self, seq: u64, arrival: u64) {
        if self.count > 0 && self.first_arrival + self.count == arrival && self.first_seq + self.count == seq {
            self.count += 1;
        } else {
            *self = Self { first_seq: seq, first_arrival: arrival, count: 1 };
        }
    }
}
