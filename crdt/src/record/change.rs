//! One change, read: sound in itself, and in the terms of a record. Whether it fits its past is for [`super::history`].

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpType};
use automerge::{Change, ChangeHash};

use super::preflight;
use super::reason::Reason;
use super::schema::{Genesis, OpId, Part, Shape};
use crate::quiet;

/// One operation, in the terms of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) part: Part,
    /// The key, if the part is a map.
    pub(crate) key: Option<String>,
    /// Whether this gives a value, rather than taking one away.
    pub(crate) gives: bool,
    /// The value of a list after which this one is inserted; `None` at its beginning.
    pub(crate) after: Option<OpId>,
    /// The values that this replaces.
    pub(crate) replaces: Vec<OpId>,
}

/// A change that is sound in itself.
pub(crate) struct Sound {
    pub(crate) change: Change,
    pub(crate) hash: ChangeHash,
    pub(crate) actor: [u8; 16],
    pub(crate) touches: Vec<Touch>,
}

impl Sound {
    /// Reads a change that `actor` is supposed to have made to a record of this genesis.
    pub(crate) fn read(chunk: &[u8], actor: [u8; 16], genesis: &Genesis) -> Result<Self, Reason> {
        preflight::check(chunk)?;
        let (change, operations) = quiet::catch(|| parse(chunk)).flatten().ok_or(Reason::Form)?;
        if change.actor_id().to_bytes() != actor {
            return Err(Reason::Actor);
        }
        let touches = operations.iter().map(|op| touch(op, genesis).ok_or(Reason::Content));
        let touches = touches.collect::<Result<Vec<_>, _>>()?;
        if touches.is_empty() {
            return Err(Reason::Content);
        }
        Ok(Self { hash: change.hash(), change, actor, touches })
    }

    /// The place of this change among its author's.
    pub(crate) fn seq(&self) -> u64 {
        self.change.seq()
    }

    /// The number of its first operation.
    pub(crate) fn first(&self) -> u64 {
        self.change.start_op().get()
    }

    /// The number of its last operation.
    pub(crate) fn top(&self) -> u64 {
        self.first().saturating_add(self.touches.len() as u64 - 1)
    }

    /// The name of its `index`-th operation.
    pub(crate) fn op(&self, index: usize) -> OpId {
        OpId { counter: self.first().saturating_add(index as u64), actor: self.actor }
    }
}

/// Lets Automerge read the change, and write it again: only what comes out the same to the byte has one meaning. This checks
/// the checksum too, which reading doesn't.
fn parse(chunk: &[u8]) -> Option<(Change, Vec<Op>)> {
    let change = Change::from_bytes(chunk.to_vec()).ok()?;
    let read = change.decode();
    let plain = read.time == 0 && read.message.is_none() && read.extra_bytes.is_empty() && read.author.is_none();
    let ordered = read.deps.is_sorted_by(|a, b| a < b);
    let operations = read.operations.clone();
    let again = Change::from(read);
    (plain && ordered && again.raw_bytes() == chunk).then_some((change, operations))
}

fn touch(op: &Op, genesis: &Genesis) -> Option<Touch> {
    let part = part_of(op, genesis)?;
    let replaces = op.pred.iter().map(op_id).collect::<Option<Vec<_>>>()?;
    if replaces.windows(2).any(|two| two[0] == two[1]) {
        return None;
    }
    let gives = match &op.action {
        OpType::Put(value) if part.takes(value) => true,
        // Automerge writes this too when somebody settles on the preferred one of several concurrent values.
        OpType::Delete => false,
        _ => return None,
    };
    let touch = Touch { part, key: None, gives, after: None, replaces };
    match (part.rule().shape, &op.key) {
        (Shape::Register, Key::Map(_)) if !op.insert => Some(touch),
        (Shape::Map, Key::Map(key)) if !op.insert && part.takes_key(key) => {
            Some(Touch { key: Some(key.to_string()), ..touch })
        }
        (Shape::List, Key::Seq(after)) if op.insert && touch.replaces.is_empty() => {
            Some(Touch { after: element(after)?, ..touch })
        }
        _ => None,
    }
}

fn part_of(op: &Op, genesis: &Genesis) -> Option<Part> {
    match (&op.obj, &op.key) {
        (ObjectId::Root, Key::Map(name)) => genesis.register(name),
        (ObjectId::Id(id), _) => genesis.part_made_by(&op_id(id)?),
        (ObjectId::Root, Key::Seq(_)) => None,
    }
}

fn element(after: &ElementId) -> Option<Option<OpId>> {
    match after {
        ElementId::Head => Some(None),
        ElementId::Id(id) => op_id(id).map(Some),
    }
}

fn op_id(id: &automerge::legacy::OpId) -> Option<OpId> {
    OpId::new(id.counter(), id.actor())
}
