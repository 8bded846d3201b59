//! Records under honest hands apart from each other, and under hostile ones. Here: what all of these tests use.

mod bounds;
mod hostile;
mod merging;
mod pinned;
mod rules;

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, Automerge, Change};

use super::document::Document;
use super::history::{Body, Edit, Standing};
use super::schema::{Genesis, Part};
use super::*;
use crate::entry::About;
use crate::ids::Author;
use crate::quiet;
use crate::statement::Subject;
use crate::time::Hlc;
use crate::view::EntryRef;

const CAPTURE: About = About::Capture(CaptureId([7; 16]));
const ORIGIN: u8 = 1;
const OFFICER: u8 = 2;
const SUPERVISOR: u8 = 3;
/// Writes what no honest device would.
const LIAR: u8 = 66;

/// Where edits begin in a log: the certificate comes first.
const FIRST_PLACE: u64 = 2;

fn author(who: u8) -> Author {
    Author { device: DeviceId([who; 32]), epoch: 0 }
}

fn edit(who: u8, seq: u64, chunk: Vec<u8>) -> Edit {
    Edit {
        at: EntryRef { log: author(who).log(), seq },
        author: author(who),
        time: Hlc::from_ms(seq * 1_000),
        standing: Standing { supervisor: who == SUPERVISOR, origin: Some(who == ORIGIN) },
        body: Body::Chunk(chunk),
    }
}

/// One copy of a record: the edits that somebody has.
#[derive(Clone)]
struct Paper {
    about: About,
    edits: Vec<Edit>,
}

impl Paper {
    fn new(about: About) -> Self {
        Self { about, edits: Vec::new() }
    }

    fn document(&self) -> Document {
        Document::new(&self.about, self.edits.clone())
    }

    fn record(&self) -> Record {
        self.document().record().clone()
    }

    fn write(&mut self, who: u8, ops: &[EditOp]) -> Result<(), EditError> {
        let chunk = self.document().change(author(who), ops)?;
        self.put(who, chunk);
        Ok(())
    }

    /// Appends a chunk to somebody's log, whatever it is.
    fn put(&mut self, who: u8, chunk: Vec<u8>) {
        let seq = self.edits.iter().filter(|edit| edit.author == author(who)).count() as u64 + FIRST_PLACE;
        self.edits.push(edit(who, seq, chunk));
    }

    fn merge(&mut self, other: &Self) {
        let known: Vec<EntryRef> = self.edits.iter().map(|edit| edit.at).collect();
        self.edits.extend(other.edits.iter().filter(|edit| !known.contains(&edit.at)).cloned());
    }

    fn reversed(&self) -> Self {
        Self { about: self.about, edits: self.edits.iter().rev().cloned().collect() }
    }

    /// What somebody can make with Automerge alone, outside our rules, on all that is here.
    fn forge(&self, who: u8, write: impl FnOnce(&mut Transaction<'_>, &Genesis)) -> Vec<u8> {
        let genesis = Genesis::new(subject(&self.about));
        let mut document = self.automerge(&genesis);
        document.set_actor(ActorId::from(author(who).actor(self.about.key())));
        let mut transaction = document.transaction();
        write(&mut transaction, &genesis);
        transaction.commit_with(CommitOptions::default().with_time(0));
        document.get_last_local_change().unwrap().raw_bytes().to_vec()
    }

    fn automerge(&self, genesis: &Genesis) -> Automerge {
        let mut document = genesis.document.clone();
        let chunk = |edit: &Edit| match &edit.body {
            Body::Chunk(chunk) => Change::from_bytes(chunk.clone()).ok(),
            _ => None,
        };
        document.apply_changes(self.edits.iter().filter_map(chunk).collect::<Vec<_>>()).unwrap();
        document
    }
}

fn subject(about: &About) -> Subject {
    if about.capture().is_some() { Subject::Capture } else { Subject::Site }
}

fn note(text: &str) -> EditOp {
    EditOp::Note { text: text.to_owned().into() }
}

fn correct(field: &str, value: &str) -> EditOp {
    EditOp::Correct { field: field.into(), value: value.to_owned().into() }
}

fn texts(said: &[SaidText]) -> Vec<(u8, &str)> {
    said.iter().map(|said| (said.by.0[0], said.value.reveal().as_str())).collect()
}

fn reasons(record: &Record) -> Vec<Reason> {
    record.quarantined.iter().map(|it| it.reason).collect()
}

/// A record with three honest authors, and what each of them wrote.
fn honest() -> Paper {
    let [mut a, mut b] = [(); 2].map(|()| Paper::new(CAPTURE));
    a.write(ORIGIN, &[note("one"), correct("name", "Doe"), EditOp::Link { capture: CaptureId([9; 16]) }]).unwrap();
    b.write(OFFICER, &[EditOp::Priority { priority: Priority::Urgent }, note("two"), correct("name", "Dow")]).unwrap();
    a.merge(&b);
    a.write(SUPERVISOR, &[note("three"), note("four"), EditOp::Unlink { capture: CaptureId([9; 16]) }]).unwrap();
    b.write(OFFICER, &[note("five"), EditOp::Step { text: "six".to_owned().into() }]).unwrap();
    a.merge(&b);
    a
}

/// Sets a chunk's checksum to what its bytes ask for, if they can be read at all.
fn with_checksum(chunk: &[u8]) -> Vec<u8> {
    let read = quiet::catch(|| Change::from_bytes(chunk.to_vec()).ok().map(|change| change.hash())).flatten();
    let mut chunk = chunk.to_vec();
    if let Some(hash) = read {
        chunk[4..8].copy_from_slice(&hash.0[..4]);
    }
    chunk
}
