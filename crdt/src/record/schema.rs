//! What a record consists of, who may write which part, and the document that all replicas begin from.
//!
//! Two devices that each make the list of notes would make two lists, and one of them would be lost when they merge. So
//! nobody makes a list: the first change of every document, its **genesis**, is the same everywhere to the byte, and edits
//! only put values into the parts that it made. An edit never makes an object of its own.

use std::str::FromStr;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};

use crate::ids::CaptureId;
use crate::statement::{PARTICULAR_BYTES_MAX, Priority, Subject};

/// Longest note, step, hand-over or reason, in bytes: a screenful, and with its change well below what a chunk may have.
pub const TEXT_BYTES_MAX: usize = 2_000;

/// The actor of every genesis. No author's actor can be this one: those are hashes.
pub(crate) const GENESIS_ACTOR: [u8; 16] = *b"greenline record";

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Priority,
    Notes,
    Corrections,
    Links,
    Steps,
    Withdrawn,
    Roster,
    Handover,
    Tasks,
    Done,
}

/// How concurrent edits of a part merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value at the root; concurrent ones are all kept, and shown. A value that its author has seen can be replaced or
    /// taken away, and no other.
    Register,
    /// One such value per key.
    Map,
    /// Values are only ever added; all stay, in an order that is the same everywhere.
    List,
}

/// Who of the editors (officers and supervisors) may write a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Editors,
    Supervisors,
    /// The device that captured, and supervisors.
    Origin,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) part: Part,
    pub(crate) name: &'static str,
    pub(crate) of: Subject,
    pub(crate) shape: Shape,
    pub(crate) who: Who,
}

const fn rule(part: Part, name: &'static str, of: Subject, shape: Shape, who: Who) -> Rule {
    Rule { part, name, of, shape, who }
}

/// All parts of both records. Their order is part of the format: the genesis makes them in it.
pub(crate) const RULES: [Rule; 10] = [
    rule(Part::Priority, "priority", Subject::Capture, Shape::Register, Who::Editors),
    rule(Part::Notes, "notes", Subject::Capture, Shape::List, Who::Editors),
    rule(Part::Corrections, "corrections", Subject::Capture, Shape::Map, Who::Editors),
    rule(Part::Links, "links", Subject::Capture, Shape::Map, Who::Editors),
    rule(Part::Steps, "steps", Subject::Capture, Shape::List, Who::Editors),
    rule(Part::Withdrawn, "withdrawn", Subject::Capture, Shape::Register, Who::Origin),
    rule(Part::Roster, "roster", Subject::Site, Shape::Map, Who::Supervisors),
    rule(Part::Handover, "handover", Subject::Site, Shape::List, Who::Editors),
    rule(Part::Tasks, "tasks", Subject::Site, Shape::List, Who::Supervisors),
    rule(Part::Done, "done", Subject::Site, Shape::Map, Who::Editors),
];

impl Part {
    /// The part's line in the table.
    pub(crate) const fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }

    /// Whether a key may stand in this map.
    pub(crate) fn takes_key(self, key: &str) -> bool {
        match self {
            Self::Corrections | Self::Roster => is_field(key),
            Self::Links => CaptureId::from_str(key).is_ok_and(|id| id.to_string() == key),
            Self::Done => OpId::named(key).is_some(),
            _ => false,
        }
    }

    /// Whether a value may stand in this part.
    pub(crate) fn takes(self, value: &ScalarValue) -> bool {
        match (self, value) {
            (Self::Links | Self::Done, ScalarValue::Boolean(set)) => *set,
            (Self::Priority, ScalarValue::Str(word)) => priority_named(word).is_some(),
            (Self::Corrections, ScalarValue::Str(text)) => text.len() <= PARTICULAR_BYTES_MAX,
            (Self::Links | Self::Done, _) => false,
            (_, ScalarValue::Str(text)) => is_text(text),
            _ => false,
        }
    }
}

/// Whether this can be the name of a particular or of a post.
pub(crate) fn is_field(name: &str) -> bool {
    !name.is_empty() && name.len() <= PARTICULAR_BYTES_MAX
}

/// Whether this can be a note.
pub(crate) fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX
}

pub(crate) const fn priority_name(priority: Priority) -> &'static str {
    match priority {
        Priority::Routine => "routine",
        Priority::Urgent => "urgent",
    }
}

pub(crate) fn priority_named(name: &str) -> Option<Priority> {
    [Priority::Routine, Priority::Urgent].into_iter().find(|priority| priority_name(*priority) == name)
}

/// The name of one operation of a document. Sorted by actor first: one author's operations stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OpId {
    pub(crate) actor: [u8; 16],
    pub(crate) counter: u64,
}

impl OpId {
    pub(crate) fn new(counter: u64, actor: &ActorId) -> Option<Self> {
        Some(Self { counter, actor: actor.to_bytes().try_into().ok()? })
    }

    pub(crate) fn of(id: &ObjId) -> Option<Self> {
        match id {
            ObjId::Root => None,
            ObjId::Id(counter, actor, _) => Self::new(*counter, actor),
        }
    }

    /// Reads the one text that [`std::fmt::Display`] gives an operation.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (counter, actor) = name.split_once('@')?;
        let id = Self::new(counter.parse().ok()?, &ActorId::try_from(actor).ok()?)?;
        (id.to_string() == name).then_some(id)
    }
}

impl std::fmt::Display for OpId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.counter, data_encoding::HEXLOWER.encode(&self.actor))
    }
}

/// The document that all replicas begin from.
pub(crate) struct Genesis {
    pub(crate) document: Automerge,
    pub(crate) hash: ChangeHash,
    /// How many operations it has.
    pub(crate) top: u64,
    subject: Subject,
    objects: Vec<(Part, ObjId)>,
}

impl Genesis {
    /// Makes the genesis of a capture's or of the site's record: always the same bytes.
    ///
    /// # Panics
    ///
    /// Never: nothing in it depends on anything (a test makes both).
    pub(crate) fn new(subject: Subject) -> Self {
        let mut document = Automerge::new().with_actor(ActorId::from(GENESIS_ACTOR));
        let mut objects = Vec::new();
        let mut transaction = document.transaction();
        for rule in RULES.iter().filter(|rule| rule.of == subject) {
            let sort = match rule.shape {
                Shape::Register => continue,
                Shape::Map => ObjType::Map,
                Shape::List => ObjType::List,
            };
            let id = transaction.put_object(ROOT, rule.name, sort).expect("an empty document takes any part");
            objects.push((rule.part, id));
        }
        let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(0));
        let hash = hash.expect("a genesis has operations");
        Self { document, hash, top: objects.len() as u64, subject, objects }
    }

    /// The object of a map or list; the root for a register.
    pub(crate) fn object(&self, part: Part) -> ObjId {
        let found = self.objects.iter().find(|(known, _)| *known == part);
        found.map_or(ROOT, |(_, id)| id.clone())
    }

    /// The map or list that an operation of the genesis made.
    pub(crate) fn part_made_by(&self, id: &OpId) -> Option<Part> {
        self.objects.iter().find(|(_, object)| OpId::of(object).as_ref() == Some(id)).map(|(part, _)| *part)
    }

    /// The register of this name.
    pub(crate) fn register(&self, name: &str) -> Option<Part> {
        let fits = |rule: &&Rule| rule.of == self.subject && rule.shape == Shape::Register && rule.name == name;
        RULES.iter().find(fits).map(|rule| rule.part)
    }

    /// Whether a part belongs to this record.
    pub(crate) fn has(&self, part: Part) -> bool {
        part.rule().of == self.subject
    }

    /// How many values a list has in `document`.
    pub(crate) fn length(&self, document: &impl ReadDoc, part: Part) -> usize {
        document.length(self.object(part))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_its_parts() {
        for (index, rule) in RULES.iter().enumerate() {
            assert_eq!(rule.part as usize, index);
        }
    }

    /// If this fails, replicas of two versions would share no document: that is a new format, not a new fixture.
    #[test]
    fn the_genesis_is_the_same_everywhere_to_the_byte() {
        for (subject, bytes) in [(Subject::Capture, CAPTURE), (Subject::Site, SITE)] {
            let genesis = Genesis::new(subject);
            let change = genesis.document.get_changes(&[]).remove(0);
            assert_eq!(HEXLOWER.encode(change.raw_bytes()), bytes);
            assert_eq!(change.hash(), genesis.hash);
            assert_eq!(change.max_op(), genesis.top);
        }
    }

    const CAPTURE: &str = "856f4a836db6d9a0014c0010677265656e6c696e65207265636f7264010100000005151f34014206560270027c\
                           056e6f7465730b636f7272656374696f6e73056c696e6b73057374657073047f0202007f0204000400";
    const SITE: &str = "856f4a8321473e9601490010677265656e6c696e65207265636f7264010100000005151c34014206560270027c06\
                        726f737465720868616e646f766572057461736b7304646f6e65047f0002027f0004000400";

    #[test]
    fn an_operation_has_one_name() {
        let id = OpId { counter: 12, actor: [0xab; 16] };
        assert_eq!(OpId::named(&id.to_string()), Some(id));
        for name in ["012@abababababababababababababababab", "12@ABababababababababababababababab", "12@ab", "12", ""] {
            assert_eq!(OpId::named(name), None, "{name}");
        }
    }

    #[test]
    fn texts_are_taken_at_their_longest_and_not_one_byte_longer() {
        for (part, max) in [(Part::Notes, TEXT_BYTES_MAX), (Part::Corrections, PARTICULAR_BYTES_MAX)] {
            let value = |bytes| ScalarValue::Str("x".repeat(bytes).into());
            assert!(part.takes(&value(max)));
            assert!(!part.takes(&value(max + 1)));
        }
        assert!(Part::Roster.takes_key(&"x".repeat(PARTICULAR_BYTES_MAX)));
        assert!(!Part::Roster.takes_key(&"x".repeat(PARTICULAR_BYTES_MAX + 1)));
    }
}
