//! Reading a document: what it says, and who said so.

use std::collections::BTreeMap;

use automerge::{ObjId, Prop, ROOT, ReadDoc, ScalarValue, Value};

use super::history::Accepted;
use super::schema::{Genesis, OpId, Part, priority_named};
use super::{Linked, Record, Said, SaidText, Task};
use crate::ids::{CaptureId, DeviceId};

/// Which entry each operation came in.
pub(crate) struct Voices(BTreeMap<OpId, Voice>);

struct Voice {
    top: u64,
    by: DeviceId,
    at_ms: u64,
}

impl Voices {
    pub(crate) fn of<'a>(accepted: impl Iterator<Item = &'a Accepted>) -> Self {
        let voice = |it: &Accepted| {
            let first = it.sound.op(0);
            (first, Voice { top: it.sound.top(), by: it.edit.author.device, at_ms: it.edit.time.ms() })
        };
        Self(accepted.map(voice).collect())
    }

    fn said<T>(&self, op: &ObjId, value: T) -> Option<Said<T>> {
        let op = OpId::of(op)?;
        let (first, voice) = self.0.range(..=op).next_back()?;
        let theirs = first.actor == op.actor && op.counter <= voice.top;
        theirs.then(|| Said { by: voice.by, at_ms: voice.at_ms, value })
    }
}

/// What a document says.
pub(crate) fn read(genesis: &Genesis, document: &impl ReadDoc, voices: &Voices) -> Record {
    let reader = Reader { genesis, document, voices };
    let priorities = reader.values(ROOT, Part::Priority.rule().name, |value| priority_named(text(value)?));
    Record {
        priority: priorities.iter().map(|said| said.value).max(),
        priorities,
        notes: reader.list(Part::Notes),
        corrections: reader.map(Part::Corrections),
        links: reader.links(),
        steps: reader.list(Part::Steps),
        withdrawn: reader.texts(ROOT, Part::Withdrawn.rule().name),
        roster: reader.map(Part::Roster),
        handover: reader.list(Part::Handover),
        tasks: reader.tasks(),
        ..Record::default()
    }
}

/// The names of all tasks.
pub(crate) fn task_names(genesis: &Genesis, document: &impl ReadDoc) -> impl Iterator<Item = String> {
    let list = genesis.object(Part::Tasks);
    let tasks = (0..genesis.length(document, Part::Tasks)).filter_map(move |index| document.get(&list, index).ok()?);
    tasks.filter_map(|(_, op)| OpId::of(&op)).map(|op| op.to_string())
}

struct Reader<'a, D> {
    genesis: &'a Genesis,
    document: &'a D,
    voices: &'a Voices,
}

impl<D: ReadDoc> Reader<'_, D> {
    /// All values at a place, the one that Automerge prefers first.
    fn values<T>(
        &self,
        object: ObjId,
        place: impl Into<Prop>,
        value: impl Fn(&ScalarValue) -> Option<T>,
    ) -> Vec<Said<T>> {
        let found = self.document.get_all(object, place).unwrap_or_default();
        let said = |(held, op): &(Value<'_>, ObjId)| match held {
            Value::Scalar(held) => self.voices.said(op, value(held)?),
            Value::Object(_) => None,
        };
        found.iter().rev().filter_map(said).collect()
    }

    fn texts(&self, object: ObjId, place: impl Into<Prop>) -> Vec<SaidText> {
        self.values(object, place, |value| Some(text(value)?.to_owned().into()))
    }

    fn list(&self, part: Part) -> Vec<SaidText> {
        if !self.genesis.has(part) {
            return Vec::new();
        }
        let length = self.genesis.length(self.document, part);
        (0..length).flat_map(|index| self.texts(self.genesis.object(part), index)).collect()
    }

    fn map(&self, part: Part) -> BTreeMap<String, Vec<SaidText>> {
        self.keys(part).into_iter().map(|key| (key.clone(), self.texts(self.genesis.object(part), key))).collect()
    }

    fn keys(&self, part: Part) -> Vec<String> {
        if self.genesis.has(part) { self.document.keys(self.genesis.object(part)).collect() } else { Vec::new() }
    }

    fn links(&self) -> Vec<Said<Linked>> {
        let link = |key: String| {
            let linked = Linked(key.parse::<CaptureId>().ok()?);
            self.values(self.genesis.object(Part::Links), key, |_| Some(linked)).into_iter().next()
        };
        self.keys(Part::Links).into_iter().filter_map(link).collect()
    }

    fn tasks(&self) -> Vec<Task> {
        let texts = self.list(Part::Tasks);
        let names = task_names(self.genesis, self.document).take(texts.len());
        let done = |name: &str| self.values(self.genesis.object(Part::Done), name, |_| Some(()));
        names.zip(texts).map(|(id, said)| Task { done: done(&id), id, said }).collect()
    }
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Str(text) => Some(text),
        _ => None,
    }
}
