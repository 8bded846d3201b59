//! Statements: immutable signed facts, and the one table that says who may state what.
//!
//! **To add a kind:** give it a number in [`Kind`], a line in [`Kind::RULES`], a struct, and an arm in
//! [`Statement::decode`] and [`Statement::encode`]; then say in `view.rs` what it does to the read model. Devices of an older version
//! carry it without understanding it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use thiserror::Error;

use crate::blob::BlobRef;
use crate::codec::{DecodeError, decode, encode};
use crate::entry::{About, BODY_BYTES_MAX, SignedHeader};
use crate::ids::{CaptureId, DeviceId, EntryHash};
use crate::redacted::Redacted;
use crate::revocation::{Charge, Order, TRUSTED_MAX};
use crate::seal::{GroupKey, GroupSealed, Sealed, WrappedKey};
use crate::site::{Certificate, Roles};
use crate::view::EntryRef;

/// Most images of one capture: ten rolled and four plain prints, and faces.
pub const IMAGES_MAX: usize = 20;
/// Most fields of a capture's particulars.
pub const PARTICULARS_MAX: usize = 32;
/// Longest name or value of one of them, in bytes.
pub const PARTICULAR_BYTES_MAX: usize = 500;
/// Most gallery references that a verdict names to its reviewers.
pub const CANDIDATES_MAX: usize = 10;
/// An [`Answer`] is filled up to a multiple of this before it is sealed: none that we give is longer than one.
pub const ANSWER_BLOCK_BYTES: usize = 512;
/// So are references: as many as there may be, of 64 bytes each, take one.
pub const REFERENCES_BLOCK_BYTES: usize = 768;

/// The number of each kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The author's certificate: first in every log, and again at each renewal.
    Certificate = 1,
    /// A person's check begins.
    Capture = 2,
    /// A change to a co-edited record, encrypted for the members.
    Edit = 3,
    /// A hub has the capture whole, on its disk.
    Receipt = 4,
    /// A hub's answer.
    Verdict = 5,
    /// An examiner's word on a verdict.
    Review = 6,
    /// The origin's officer has read the verdict.
    Seen = 7,
    /// Two entries by one author with one number: evidence.
    Fork = 8,
    /// The authority's order that a device is revoked, whoever carries it.
    Revocation = 9,
    /// A supervisor's vote that a device be revoked.
    Vote = 10,
    /// A supervisor lets an entry count that was set aside with its author's revocation.
    Readmission = 11,
    /// A new key under which members write to each other, sealed to each of them.
    GroupKey = 12,
    /// What was taken of a person goes, on every device, for good.
    Erasure = 13,
}

/// What a kind of entry may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The site only.
    Site,
    /// A capture only.
    Capture,
    /// Either.
    Any,
}

/// Who may write a kind, and about what.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The kind.
    pub kind: Kind,
    /// Any of these roles will do; none means every member.
    pub roles: Roles,
    /// What it may be about.
    pub about: Subject,
}

const ANY_ROLE: Roles = Roles::OFFICER.and(Roles::SUPERVISOR).and(Roles::HUB);
const EDITORS: Roles = Roles::OFFICER.and(Roles::SUPERVISOR);
const MEMBERS: Roles = Roles(0);

impl Kind {
    /// Who may write what: the only place that says so.
    pub const RULES: [Rule; 13] = [
        Rule { kind: Self::Certificate, roles: MEMBERS, about: Subject::Site },
        Rule { kind: Self::Capture, roles: Roles::OFFICER, about: Subject::Capture },
        Rule { kind: Self::Edit, roles: EDITORS, about: Subject::Any },
        Rule { kind: Self::Receipt, roles: Roles::HUB, about: Subject::Capture },
        Rule { kind: Self::Verdict, roles: Roles::HUB, about: Subject::Capture },
        Rule { kind: Self::Review, roles: Roles::SUPERVISOR, about: Subject::Capture },
        Rule { kind: Self::Seen, roles: EDITORS, about: Subject::Capture },
        Rule { kind: Self::Fork, roles: MEMBERS, about: Subject::Site },
        Rule { kind: Self::Revocation, roles: MEMBERS, about: Subject::Site },
        Rule { kind: Self::Vote, roles: Roles::SUPERVISOR, about: Subject::Site },
        Rule { kind: Self::Readmission, roles: Roles::SUPERVISOR, about: Subject::Capture },
        Rule { kind: Self::GroupKey, roles: EDITORS, about: Subject::Site },
        // Officers only of what their own device captured: see `Erasure::allows`.
        Rule { kind: Self::Erasure, roles: ANY_ROLE, about: Subject::Capture },
    ];

    /// The word for it, as in lists.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Capture => "capture",
            Self::Edit => "edit",
            Self::Receipt => "receipt",
            Self::Verdict => "verdict",
            Self::Review => "review",
            Self::Seen => "seen",
            Self::Fork => "fork evidence",
            Self::Revocation => "revocation",
            Self::Vote => "vote",
            Self::Readmission => "readmission",
            Self::GroupKey => "group key",
            Self::Erasure => "erasure",
        }
    }

    /// The rule of a number, if this program knows it.
    #[must_use]
    pub fn rule(number: u8) -> Option<&'static Rule> {
        Self::RULES.iter().find(|rule| rule.kind as u8 == number)
    }

    /// Whether such an entry decides something for the whole site.
    #[must_use]
    pub const fn decides(self) -> bool {
        matches!(self, Self::Revocation | Self::Vote | Self::Readmission | Self::GroupKey)
    }

    /// Whether such an entry proves by itself what it says, whoever carried it into a log.
    #[must_use]
    pub const fn proves_itself(self) -> bool {
        matches!(self, Self::Certificate | Self::Fork | Self::Revocation)
    }

    /// Whether such an entry counts also where its author is revoked: it proves itself, or can't be taken back.
    #[must_use]
    pub const fn outlives_revocation(self) -> bool {
        self.proves_itself() || matches!(self, Self::Erasure)
    }

    /// Whether the body of such an entry goes when the capture that it is about is erased. What stays says nothing of the
    /// person: it is the trail of who did what when.
    #[must_use]
    pub const fn is_erasable(self) -> bool {
        matches!(self, Self::Capture | Self::Edit | Self::Verdict | Self::Review)
    }
}

impl Rule {
    /// Whether a member with `roles` may write this about `about`.
    #[must_use]
    pub fn allows(&self, roles: Roles, about: &About) -> bool {
        let role = self.roles == MEMBERS || roles.any(self.roles);
        let subject = match self.about {
            Subject::Any => true,
            Subject::Site => *about == About::Site,
            Subject::Capture => about.capture().is_some(),
        };
        role && subject
    }
}

/// How urgent a capture is. Urgent ones travel first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// In order of arrival.
    #[default]
    Routine,
    /// Before all routine ones.
    Urgent,
}

/// What an image shows. Finger positions are those of ANSI/NIST-ITL: 1 right thumb to 5 right little finger, 6 left thumb to 10
/// left little finger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Shows {
    /// One finger, 1 to 10.
    Finger(u8),
    /// The face, from the front.
    Face,
}

/// One captured image, in the clear: at the origin and in the hub only.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// What it shows.
    pub shows: Shows,
    /// The file as it came from the scanner or camera.
    pub bytes: Redacted<Vec<u8>>,
}

/// What an officer takes of a person.
#[derive(Clone, Default)]
pub struct CaptureDraft {
    /// A purpose code of the site's policy.
    pub purpose: String,
    /// How urgent.
    pub priority: Priority,
    /// Names, document numbers, coordinates: sealed with the images.
    pub particulars: BTreeMap<String, Redacted<String>>,
    /// Finger prints and face.
    pub images: Vec<Image>,
}

/// A person's check, as it travels. Carriers read sizes, purpose and priority; the rest is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Random; with the author's device it makes the capture's id, so that nobody can claim another's.
    pub nonce: ByteArray<16>,
    /// Why this person is checked: a code of the site's policy.
    pub purpose: String,
    /// How urgent.
    pub priority: Priority,
    /// When every copy must be gone, in ms since 1970.
    pub delete_after_ms: u64,
    /// The capture's content key, once per reader.
    pub keys: Vec<WrappedKey>,
    /// Sealed [`Inside`]: part 0 of the payload.
    pub inside: ByteBuf,
    /// The sealed images: parts 1 and up.
    pub blobs: Vec<BlobRef>,
}

/// What is sealed in the body of a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Names, document numbers, coordinates.
    pub particulars: BTreeMap<String, Redacted<String>>,
    /// What each blob shows, in their order.
    pub shows: Vec<Shows>,
}

/// The id that a capture must have: bound to its author's device, which can state it again in another of its logs.
#[must_use]
pub fn capture_id(device: DeviceId, nonce: &[u8; 16]) -> CaptureId {
    let mut hasher = blake3::Hasher::new_derive_key("greenline capture id v1");
    hasher.update(&device.0);
    hasher.update(nonce);
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    CaptureId(id)
}

/// A hub has the capture and all its blobs on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Body hash of the capture that was received.
    pub payload: ByteArray<32>,
}

/// A hub's answer. That it exists is open, what it says is sealed. Both parts are always there and are filled up, so that
/// neither their number nor their length tells what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Body hash of the capture that was screened.
    pub payload: ByteArray<32>,
    /// Sealed [`Answer`]: to the origin, the supervisors and the hub itself.
    pub answer: Sealed,
    /// Sealed database references, best first: to the supervisors who may examine, which the origin's device never may.
    pub references: Sealed,
}

/// The three values of an answer, in rising order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictValue {
    /// Nobody in the database has these prints.
    NoMatch,
    /// It could not be said.
    Inconclusive,
    /// Somebody may have: an examiner must look before anyone acts.
    Candidate,
}

/// What a hub found. It leaves the hub in two sealed parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictContent {
    /// The answer.
    pub value: VerdictValue,
    /// In words, for `inconclusive`: what was wrong, and what to do.
    pub reason: Option<String>,
    /// Database references for the examiner, best first, without scores; empty unless `candidate`.
    pub candidates: Vec<String>,
    /// The images that it rests on.
    pub basis: Vec<Shows>,
}

impl VerdictContent {
    /// It can't be said, and why.
    #[must_use]
    pub fn inconclusive(reason: impl Into<String>) -> Self {
        let (candidates, basis) = (Vec::new(), Vec::new());
        Self { value: VerdictValue::Inconclusive, reason: Some(reason.into()), candidates, basis }
    }

    /// All of it but the references.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer { value: self.value, reason: self.reason.clone(), basis: self.basis.clone() }
    }
}

/// What a verdict says to whoever asked and to the supervisors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The answer.
    pub value: VerdictValue,
    /// In words, for `inconclusive`: what was wrong, and what to do.
    pub reason: Option<String>,
    /// The images that it rests on.
    pub basis: Vec<Shows>,
}

/// An examiner's word on a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The verdict that was examined.
    pub verdict: EntryHash,
    /// Sealed [`ReviewContent`].
    pub sealed: Sealed,
}

/// How an examination ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The examiner can't say.
    Undecided,
    /// Not the same person.
    Refuted,
    /// The same person.
    Confirmed,
}

/// What a review says, for its readers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewContent {
    /// How it ended.
    pub outcome: Outcome,
    /// The examiner's words.
    pub note: Redacted<String>,
}

/// The origin's officer has read a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The verdict that was read.
    pub verdict: EntryHash,
}

/// An entry that was set aside with its author's revocation counts after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readmission {
    /// Where it stands.
    pub at: EntryRef,
    /// The entry: the log could be forked there.
    pub entry: EntryHash,
}

/// A new group key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupKeyGrant {
    /// The new key's name; see [`crate::seal::GroupKey::name`].
    pub name: ByteArray<8>,
    /// Sealed [`GroupKeys`].
    pub sealed: Sealed,
}

/// What is sealed in it.
#[derive(Clone, Serialize, Deserialize)]
pub struct GroupKeys {
    /// Makes the new key, together with the author's id: see [`crate::seal::GroupKey::made_by`].
    pub seed: ByteArray<32>,
    /// Other keys that the author has, so that who joined later reads what was written before.
    pub older: Vec<GroupKey>,
}

/// Why a capture is erased. One word of a few: in words of their own people would say something about somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The purpose is served: the officer has read an answer after which nobody needs the data. Which one, it doesn't say.
    Done,
    /// It was kept as long as it may be.
    Expired,
    /// Whoever took it takes it back: a mistake, or no longer wanted.
    Withdrawn,
    /// A supervisor orders it: a court or the person asked for it.
    Ordered,
}

impl Why {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::Done, Self::Expired, Self::Withdrawn, Self::Ordered];

    /// The word for it, as in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Ordered => "ordered",
        }
    }
}

/// A capture is erased: every body about it that says anything of the person, and its images.
///
/// It proves by itself whose capture it is, so that it holds on a replica that never sees the capture's body; and it is
/// final, whatever becomes of its author or its log later: what is gone can't come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Why.
    pub why: Why,
    /// The device that captured.
    pub device: DeviceId,
    /// The capture's nonce, which binds its id to that device.
    pub nonce: ByteArray<16>,
    /// Where the capture stands.
    pub at: EntryRef,
    /// The capture's entry.
    pub entry: EntryHash,
}

impl Erasure {
    /// Whether a member with `roles` may erase this: a hub and a supervisor anything, an officer what the own device captured.
    /// An order is a supervisor's alone.
    #[must_use]
    pub fn allows(&self, roles: Roles, author: DeviceId) -> bool {
        let above = if self.why == Why::Ordered { Roles::SUPERVISOR } else { Roles::HUB.and(Roles::SUPERVISOR) };
        let own = self.why != Why::Ordered && roles.has(Roles::OFFICER) && author == self.device;
        roles.any(above) || own
    }

    /// Whether this is about the capture that it is said to be about.
    #[must_use]
    pub fn is_about(&self, about: &About) -> bool {
        about.capture() == Some(capture_id(self.device, &self.nonce))
    }
}

/// Two headers that one author signed with one sequence number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The one with the smaller hash.
    pub a: SignedHeader,
    /// The other.
    pub b: SignedHeader,
}

impl Fork {
    /// Evidence from two headers, in an order that doesn't depend on who found it; `None` if they prove nothing.
    #[must_use]
    pub fn of(one: &SignedHeader, other: &SignedHeader) -> Option<Self> {
        let (first, second) = (one.header.hash(), other.header.hash());
        let (a, b) = if first < second { (one, other) } else { (other, one) };
        let fork = Self { a: a.clone(), b: b.clone() };
        (first != second && fork.same_place()).then_some(fork)
    }

    /// Whether this proves that the author wrote two histories. Anyone can check it.
    #[must_use]
    pub fn proves(&self) -> bool {
        self.same_place()
            && self.a.header.hash() < self.b.header.hash()
            && self.a.verify().is_ok()
            && self.b.verify().is_ok()
    }

    fn same_place(&self) -> bool {
        let (a, b) = (&self.a.header, &self.b.header);
        a.site == b.site && a.author == b.author && a.seq == b.seq && a.seq > 0
    }
}

/// A body that this program understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// See [`Kind::Certificate`].
    Certificate(Box<Certificate>),
    /// See [`Kind::Capture`].
    Capture(Box<Capture>),
    /// See [`Kind::Edit`].
    Edit(GroupSealed),
    /// See [`Kind::Receipt`].
    Receipt(Receipt),
    /// See [`Kind::Verdict`].
    Verdict(Verdict),
    /// See [`Kind::Review`].
    Review(Review),
    /// See [`Kind::Seen`].
    Seen(Seen),
    /// See [`Kind::Fork`].
    Fork(Box<Fork>),
    /// See [`Kind::Revocation`].
    Revocation(Box<Order>),
    /// See [`Kind::Vote`].
    Vote(Box<Charge>),
    /// See [`Kind::Readmission`].
    Readmission(Readmission),
    /// See [`Kind::GroupKey`].
    GroupKey(Box<GroupKeyGrant>),
    /// See [`Kind::Erasure`].
    Erasure(Box<Erasure>),
}

/// Why a body is set aside although its entry continues its log.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum StatementError {
    /// The bytes aren't of this kind.
    #[error("the body can't be read: {0}")]
    Decode(#[from] DecodeError),
    /// Some field is outside its bounds.
    #[error("{0}")]
    Bounds(&'static str),
}

impl Statement {
    /// Reads a body of a known kind.
    pub fn decode(kind: Kind, body: &[u8]) -> Result<Self, StatementError> {
        let statement = match kind {
            Kind::Certificate => Self::Certificate(Box::new(read(body)?)),
            Kind::Capture => Self::Capture(Box::new(read(body)?)),
            Kind::Edit => Self::Edit(read(body)?),
            Kind::Receipt => Self::Receipt(read(body)?),
            Kind::Verdict => Self::Verdict(read(body)?),
            Kind::Review => Self::Review(read(body)?),
            Kind::Seen => Self::Seen(read(body)?),
            Kind::Fork => Self::Fork(Box::new(read(body)?)),
            Kind::Revocation => Self::Revocation(Box::new(read(body)?)),
            Kind::Vote => Self::Vote(Box::new(read(body)?)),
            Kind::Readmission => Self::Readmission(read(body)?),
            Kind::GroupKey => Self::GroupKey(Box::new(read(body)?)),
            Kind::Erasure => Self::Erasure(Box::new(read(body)?)),
        };
        statement.check_bounds()?;
        Ok(statement)
    }

    /// The body's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Certificate(it) => encode(it),
            Self::Capture(it) => encode(it),
            Self::Edit(it) => encode(it),
            Self::Receipt(it) => encode(it),
            Self::Verdict(it) => encode(it),
            Self::Review(it) => encode(it),
            Self::Seen(it) => encode(it),
            Self::Fork(it) => encode(it),
            Self::Revocation(it) => encode(it),
            Self::Vote(it) => encode(it),
            Self::Readmission(it) => encode(it),
            Self::GroupKey(it) => encode(it),
            Self::Erasure(it) => encode(it),
        }
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Certificate(_) => Kind::Certificate,
            Self::Capture(_) => Kind::Capture,
            Self::Edit(_) => Kind::Edit,
            Self::Receipt(_) => Kind::Receipt,
            Self::Verdict(_) => Kind::Verdict,
            Self::Review(_) => Kind::Review,
            Self::Seen(_) => Kind::Seen,
            Self::Fork(_) => Kind::Fork,
            Self::Revocation(_) => Kind::Revocation,
            Self::Vote(_) => Kind::Vote,
            Self::Readmission(_) => Kind::Readmission,
            Self::GroupKey(_) => Kind::GroupKey,
            Self::Erasure(_) => Kind::Erasure,
        }
    }

    fn check_bounds(&self) -> Result<(), StatementError> {
        match self {
            Self::Capture(capture) => capture.check_bounds(),
            Self::Revocation(order) => check_charge(&order.charge),
            Self::Vote(charge) => check_charge(charge),
            Self::GroupKey(grant) if grant.sealed.keys.len() > crate::seal::MEMBERS_MAX => {
                Err(StatementError::Bounds("too many members"))
            }
            _ => Ok(()),
        }
    }
}

fn check_charge(charge: &Charge) -> Result<(), StatementError> {
    let few = charge.trusted.len() <= TRUSTED_MAX;
    if few { Ok(()) } else { Err(StatementError::Bounds("too many logs of one device")) }
}

impl Capture {
    fn check_bounds(&self) -> Result<(), StatementError> {
        if self.purpose.len() > crate::site::PURPOSE_BYTES_MAX {
            return Err(StatementError::Bounds("the purpose code is too long"));
        }
        if self.blobs.len() > IMAGES_MAX {
            return Err(StatementError::Bounds("too many images"));
        }
        if self.keys.len() > crate::seal::READERS_MAX {
            return Err(StatementError::Bounds("too many readers"));
        }
        if !self.blobs.iter().all(BlobRef::is_bounded) {
            return Err(StatementError::Bounds("an image is empty or too long"));
        }
        Ok(())
    }
}

/// The one documented order of verdicts that disagree: a candidate outweighs an inconclusive answer, which outweighs no match,
/// whoever gave them; all of them are shown.
#[must_use]
pub fn weightiest(answers: &[Answer]) -> Option<&Answer> {
    answers.iter().max_by_key(|answer| answer.value)
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    decode(body, BODY_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_rule_and_roles_are_kept_apart() {
        assert!(Kind::RULES.is_sorted_by(|one, next| (one.kind as u8) < next.kind as u8), "each number once, in order");
        let capture = About::Capture(CaptureId([1; 16]));
        let verdict = Kind::rule(Kind::Verdict as u8).unwrap();
        assert!(verdict.allows(Roles::HUB, &capture));
        assert!(!verdict.allows(Roles::OFFICER.and(Roles::SUPERVISOR), &capture));
        assert!(!verdict.allows(Roles::HUB, &About::Site));
        assert!(Kind::rule(200).is_none());
    }

    #[test]
    fn an_officer_erases_what_the_own_device_captured_and_others_anything() {
        let (device, other) = (DeviceId([1; 32]), DeviceId([2; 32]));
        let at = EntryRef { log: crate::ids::LogId([3; 16]), seq: 2 };
        let nonce = ByteArray::new([4; 16]);
        let erasure = Erasure { why: Why::Withdrawn, device, nonce, at, entry: EntryHash([5; 32]) };
        assert!(erasure.allows(Roles::OFFICER, device) && !erasure.allows(Roles::OFFICER, other));
        assert!(erasure.allows(Roles::SUPERVISOR, other) && erasure.allows(Roles::HUB, other));
        assert!(!erasure.allows(Roles(0), device));
        let ordered = Erasure { why: Why::Ordered, ..erasure };
        assert!(ordered.allows(Roles::SUPERVISOR, other));
        assert!(!ordered.allows(Roles::OFFICER.and(Roles::HUB), device), "an order is a supervisor's");
        assert!(erasure.is_about(&About::Capture(capture_id(device, &nonce))));
        assert!(!erasure.is_about(&About::Capture(capture_id(other, &nonce))) && !erasure.is_about(&About::Site));
    }

    #[test]
    fn the_weightiest_verdict_is_the_candidate() {
        let content = |value| Answer { value, reason: None, basis: vec![] };
        let all = [VerdictValue::Candidate, VerdictValue::NoMatch, VerdictValue::Inconclusive].map(content);
        assert_eq!(weightiest(&all).unwrap().value, VerdictValue::Candidate);
        assert_eq!(weightiest(&all[1..]).unwrap().value, VerdictValue::Inconclusive);
        assert_eq!(weightiest(&[]), None);
    }

    #[test]
    fn bodies_read_back_and_foreign_bytes_are_refused() {
        let receipt = Statement::Receipt(Receipt { payload: ByteArray::new([4; 32]) });
        assert_eq!(Statement::decode(Kind::Receipt, &receipt.encode()), Ok(receipt.clone()));
        assert!(Statement::decode(Kind::Verdict, &receipt.encode()).is_err());
        assert!(Statement::decode(Kind::Receipt, &[receipt.encode(), vec![0]].concat()).is_err());
    }
}
