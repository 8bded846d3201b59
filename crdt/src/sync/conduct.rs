//! What is held against whom: things that came and didn't hold, by who sent them and by who wrote them.
//!
//! A fault of the first sort is the peer's whose session it came over, proved by its transport. One of the second sort is the
//! author's, proved by its signature, whoever carried it. Neither counts against a carrier what it couldn't know.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::engine::Engine;
use super::{CloseReason, Event, LinkId};
use crate::entry::{About, EntryError};
use crate::ids::{DeviceId, LogId};
use crate::replica::{Accepted, Refusal, SetAside};
use crate::statement::Kind;
use crate::store::{Store, StoreError};
use crate::view::EntryRef;

/// Faults that end a session: one wrong group or entry may be a bad disk, a hundred are not.
pub(super) const FAULTS_MAX: u32 = 100;
/// Most devices about which faults are kept: a site has dozens. Who comes later is counted in notes only.
pub const CULPRITS_MAX: usize = 256;
/// Most records whose edits wait to be judged. A catch-up of more is judged when somebody looks.
const UNJUDGED_MAX: usize = 1_024;
/// Records that are judged in one round of house-keeping: some 3 ms of work.
const JUDGED_AT_ONCE: usize = 32;
/// Most quarantined edits that are remembered as counted: eight devices' worth of liars in one record.
const COUNTED_MAX: usize = 2_048;

/// A sort of thing that doesn't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Sent a frame that can't be read, can't come then, or is longer than any may be.
    Frame,
    /// Sent an entry whose signature is wrong.
    Signature,
    /// Sent an entry of nobody who belongs to the site.
    Stranger,
    /// Sent an entry that can't be read, or doesn't continue its log.
    Entry,
    /// Asked for what can't be.
    Request,
    /// Sent an image that isn't what it is called.
    Image,
    /// Sent a proof that proves nothing.
    Proof,
    /// Didn't send what it had said it had, when it was asked.
    Withheld,
    /// Wrote a statement that it may not make, or that doesn't hold.
    Statement,
    /// Wrote an entry dated before the one it follows, or outside its certificate's validity.
    Date,
    /// Wrote an edit that doesn't hold.
    Edit,
    /// Wrote two histories.
    Fork,
}

impl Fault {
    /// What the device did, in words that take a number: "sent 3 entries with a wrong signature".
    #[must_use]
    fn words(self, count: u64) -> String {
        let (did, one, many) = match self {
            Self::Frame => ("sent", "frame that can't be read", "frames that can't be read"),
            Self::Signature => ("sent", "entry with a wrong signature", "entries with a wrong signature"),
            Self::Stranger => ("sent", "entry of a stranger", "entries of strangers"),
            Self::Entry => ("sent", "entry that can't be taken in", "entries that can't be taken in"),
            Self::Request => ("made", "impossible request", "impossible requests"),
            Self::Image => ("sent", "piece of an image that is wrong", "pieces of images that are wrong"),
            Self::Proof => ("sent", "proof that proves nothing", "proofs that prove nothing"),
            Self::Withheld => ("kept back", "thing that it had offered", "things that it had offered"),
            Self::Statement => ("wrote", "statement that doesn't hold", "statements that don't hold"),
            Self::Date => ("wrote", "entry with an impossible date", "entries with impossible dates"),
            Self::Edit => ("wrote", "edit that doesn't hold", "edits that don't hold"),
            Self::Fork => ("wrote", "second history", "second histories"),
        };
        format!("{did} {count} {}", if count == 1 { one } else { many })
    }

    pub(super) const fn of_refusal(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Entry(EntryError::Signature) => Self::Signature,
            Refusal::NotAMember => Self::Stranger,
            _ => Self::Entry,
        }
    }

    /// Why an entry without effect is its author's fault; `None` if it isn't.
    const fn of_set_aside(reason: &SetAside) -> Option<Self> {
        match reason {
            SetAside::Backdated | SetAside::Certificate(_) => Some(Self::Date),
            SetAside::Role
            | SetAside::Body(_)
            | SetAside::CaptureId
            | SetAside::Evidence
            | SetAside::Order
            | SetAside::TooManyDecisions => Some(Self::Statement),
            SetAside::Erased | SetAside::Revoked | SetAside::UnknownKind => None,
        }
    }
}

/// How often a device did what, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults(BTreeMap<Fault, u64>);

impl Faults {
    /// How often it did this.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// All in words: "sent 2 entries with a wrong signature, wrote 1 edit that doesn't hold".
    #[must_use]
    pub fn words(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(fault, count)| fault.words(*count)).collect();
        words.join(", ")
    }
}

/// The book of faults.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    devices: BTreeMap<DeviceId, Faults>,
    /// Cut logs of which it isn't known yet whose they are.
    pub(super) forked: BTreeSet<LogId>,
    /// Records with edits that nobody has judged yet.
    unjudged: BTreeSet<About>,
    /// Edits that were counted.
    counted: BTreeSet<EntryRef>,
}

impl Conduct {
    pub(super) fn note(&mut self, device: DeviceId, fault: Fault) {
        if self.devices.len() < CULPRITS_MAX || self.devices.contains_key(&device) {
            *self.devices.entry(device).or_default().0.entry(fault).or_default() += 1;
        }
    }

    fn count_of(&self, device: &DeviceId) -> u64 {
        self.devices.get(device).map_or(0, Faults::total)
    }
}

impl<S: Store> Engine<S> {
    /// Devices of which something is held against them, with what.
    pub fn conduct(&self) -> impl Iterator<Item = (&DeviceId, &Faults)> {
        self.conduct.devices.iter()
    }

    /// How many things are held against a device.
    #[must_use]
    pub fn faults_of(&self, device: &DeviceId) -> u64 {
        self.conduct.count_of(device)
    }

    /// Counts a fault against the peer of a session; too many end it.
    pub(super) fn fault(&mut self, link: LinkId, fault: Fault, reason: String) -> Result<(), CloseReason> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        session.faults += 1;
        let (device, too_many) = (session.device, session.faults >= FAULTS_MAX);
        self.blame(device, fault, reason);
        if too_many { Err(CloseReason::Misbehaved) } else { Ok(()) }
    }

    /// Counts a fault against a device, and tells of it.
    pub(super) fn blame(&mut self, device: DeviceId, fault: Fault, reason: String) {
        self.conduct.note(device, fault);
        self.outputs.push_back(super::Output::Event(Event::Refused { device, fault, reason }));
    }

    /// Looks at an entry that was taken in: whether it is one of those that its author shouldn't have written.
    pub(super) fn look_at_author(&mut self, entry: &Accepted) {
        if let Some(reason) = &entry.set_aside
            && let Some(fault) = Fault::of_set_aside(reason)
            && let Some(author) = self.replica.log(&entry.at.log).map(|log| log.author.device)
        {
            self.blame(author, fault, reason.to_string());
        }
        if entry.kind == Kind::Edit as u8 && self.conduct.unjudged.len() < UNJUDGED_MAX {
            self.conduct.unjudged.insert(entry.about);
        }
    }

    /// Judges records whose edits changed, a few at a time: nobody need look at one for its liars to be named. Says whether
    /// more wait.
    pub(super) fn judge_edits(&mut self) -> Result<bool, StoreError> {
        for _ in 0..JUDGED_AT_ONCE {
            let Some(about) = self.conduct.unjudged.pop_first() else { return Ok(false) };
            let Some(record) = self.replica.record(about)? else { continue };
            for edit in record.quarantined {
                let at = EntryRef { log: edit.log, seq: edit.seq };
                if self.conduct.counted.len() < COUNTED_MAX && self.conduct.counted.insert(at) {
                    self.blame(edit.by, Fault::Edit, edit.reason.to_string());
                }
            }
        }
        Ok(!self.conduct.unjudged.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_culprits_are_kept_as_allowed_and_those_go_on_being_counted() {
        let mut conduct = Conduct::default();
        for number in 0..=CULPRITS_MAX as u16 {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&number.to_be_bytes());
            conduct.note(DeviceId(id), Fault::Frame);
            conduct.note(DeviceId([0; 32]), Fault::Image);
        }
        assert_eq!(conduct.devices.len(), CULPRITS_MAX);
        assert_eq!(conduct.count_of(&DeviceId([0; 32])), CULPRITS_MAX as u64 + 2);
    }

    #[test]
    fn words_agree_with_their_number() {
        assert_eq!(Fault::Signature.words(1), "sent 1 entry with a wrong signature");
        assert_eq!(Fault::Withheld.words(2), "kept back 2 things that it had offered");
    }
}
