//! Records under honest hands apart from each other, and under hostile ones.

use std::time::{Duration, Instant};

use automerge::legacy::{self, ElementId, Key, ObjectId, OpType};
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, Automerge, Change, ObjType, ROOT, ReadDoc, ScalarValue};
use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::document::Document;
use super::history::{Body, EDITS_PER_AUTHOR_MAX, Edit, Standing};
use super::preflight::{self, ChunkError};
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
struct Copy {
    about: About,
    edits: Vec<Edit>,
}

impl Copy {
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

// ---- Honest hands ----

#[test]
fn first_edits_in_two_valleys_merge_without_losing_a_word() {
    let [mut a, mut b] = [(); 2].map(|()| Copy::new(CAPTURE));
    a.write(ORIGIN, &[note("scar on the left hand"), correct("family_name", "Doe")]).unwrap();
    a.write(ORIGIN, &[EditOp::Priority { priority: Priority::Urgent }]).unwrap();
    b.write(OFFICER, &[note("speaks French"), correct("family_name", "Dough")]).unwrap();
    b.write(
        OFFICER,
        &[EditOp::Priority { priority: Priority::Routine }, EditOp::Step { text: "fed".to_owned().into() }],
    )
    .unwrap();
    a.merge(&b);
    let record = a.record();
    assert_eq!(a.reversed().record(), record);
    let mut notes = texts(&record.notes);
    notes.sort_unstable();
    assert_eq!(notes, [(ORIGIN, "scar on the left hand"), (OFFICER, "speaks French")]);
    let mut names = texts(&record.corrections["family_name"]);
    names.sort_unstable();
    assert_eq!(names, [(ORIGIN, "Doe"), (OFFICER, "Dough")], "both stand until somebody decides");
    assert_eq!((record.priority, record.priorities.len()), (Some(Priority::Urgent), 2));
    assert_eq!((record.edits, record.pending, record.quarantined.len()), (4, 0, 0));

    a.write(SUPERVISOR, &[correct("family_name", "Doe"), EditOp::Priority { priority: Priority::Routine }]).unwrap();
    let record = a.record();
    assert_eq!(texts(&record.corrections["family_name"]), [(ORIGIN, "Doe")], "settled, and still his who wrote it");
    assert_eq!((record.priority, record.priorities.len()), (Some(Priority::Routine), 1));
}

#[test]
fn a_link_made_again_elsewhere_survives_being_taken_back() {
    let other = CaptureId([9; 16]);
    let mut a = Copy::new(CAPTURE);
    a.write(ORIGIN, &[EditOp::Link { capture: other }]).unwrap();
    let mut b = a.clone();
    a.write(ORIGIN, &[EditOp::Unlink { capture: other }]).unwrap();
    assert!(a.record().links.is_empty());
    assert_eq!(a.write(ORIGIN, &[EditOp::Unlink { capture: other }]), Err(EditError::NothingThere));
    assert_eq!(b.write(OFFICER, &[EditOp::Link { capture: other }]), Err(EditError::NothingNew));
    b.write(OFFICER, &[EditOp::Unlink { capture: other }, EditOp::Link { capture: other }]).unwrap();
    a.merge(&b);
    assert_eq!(a.record().links.len(), 1);
    assert_eq!(a.record().links[0].by, DeviceId([OFFICER; 32]));
}

#[test]
fn the_site_has_a_roster_a_handover_and_tasks() {
    let mut site = Copy::new(About::Site);
    let task = EditOp::Task { text: "charge the batteries".to_owned().into() };
    let roster = EditOp::Roster { post: "gate".into(), text: "team 2".to_owned().into() };
    site.write(SUPERVISOR, &[task.clone(), roster, task]).unwrap();
    site.write(OFFICER, &[EditOp::Handover { text: "quiet night".to_owned().into() }]).unwrap();
    let first = site.record().tasks[0].id.clone();
    site.write(OFFICER, &[EditOp::TaskDone { task: first }]).unwrap();
    let record = site.record();
    assert_eq!(texts(&record.handover), [(OFFICER, "quiet night")]);
    assert_eq!(texts(&record.roster["gate"]), [(SUPERVISOR, "team 2")]);
    let done: Vec<usize> = record.tasks.iter().map(|task| task.done.len()).collect();
    assert_eq!(done, [1, 0]);
    assert_eq!(site.write(OFFICER, &[EditOp::TaskDone { task: "no".into() }]), Err(EditError::NothingThere));
    assert_eq!(site.write(OFFICER, &[note("here?")]), Err(EditError::OtherRecord));
}

#[test]
fn what_is_not_here_yet_is_waited_for_and_what_cannot_be_read_is_no_offence() {
    let mut whole = Copy::new(CAPTURE);
    for (who, text) in [(ORIGIN, "one"), (OFFICER, "two"), (ORIGIN, "three")] {
        whole.write(who, &[note(text)]).unwrap();
    }
    let without = |gone: usize| {
        let mut part = whole.clone();
        part.edits.remove(gone);
        part
    };
    assert_eq!((without(1).record().edits, without(1).record().pending), (1, 1));
    let mut keyless = whole.clone();
    keyless.edits[0].body = Body::Unreadable;
    let record = keyless.record();
    assert_eq!((record.edits, record.pending, record.unreadable, record.quarantined.len()), (0, 2, 1, 0));
    assert_eq!(keyless.write(ORIGIN, &[note("four")]), Err(EditError::Stuck));
    let mut broken = whole.clone();
    broken.edits[2].body = Body::Broken;
    assert_eq!(reasons(&broken.record()), [Reason::Sealed]);
}

#[test]
fn operations_and_records_as_json() {
    let ops = r#"[{"op":"priority","priority":"urgent"},{"op":"note","text":"n"},{"op":"correct","field":"f","value":"v"},
        {"op":"link","capture":"e6bqoayeqcdqobyhbydqobyhb4"},{"op":"unlink","capture":"a4dqobyhbydqobyhbydqobyhby"},
        {"op":"step","text":"s"},{"op":"withdraw","reason":"r"},{"op":"roster","post":"p","text":"t"},
        {"op":"handover","text":"h"},{"op":"task","text":"t"},{"op":"task_done","task":"1@00"}]"#;
    let id = CaptureId([7; 16]).to_string();
    let ops = ops.replace("e6bqoayeqcdqobyhbydqobyhb4", &id).replace("a4dqobyhbydqobyhbydqobyhby", &id);
    let read: Vec<EditOp> = serde_json::from_str(&ops).unwrap();
    assert_eq!(read.len(), 11);
    assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::from_str::<serde_json::Value>(&ops).unwrap());
    assert!(serde_json::from_str::<EditOp>(r#"{"op":"note","text":"n","more":1}"#).is_err());
    assert!(!format!("{read:?}").contains("\"n\""), "texts aren't printed");

    let mut copy = Copy::new(CAPTURE);
    copy.write(ORIGIN, &[note("n"), EditOp::Link { capture: CaptureId([7; 16]) }]).unwrap();
    copy.put(LIAR, vec![1]);
    let json = serde_json::to_value(copy.record()).unwrap();
    assert_eq!(json["notes"][0]["value"], "n");
    assert_eq!(json["notes"][0]["by"], DeviceId([ORIGIN; 32]).to_string());
    assert_eq!(json["links"][0]["value"], id);
    assert_eq!(json["quarantined"][0]["reason"], "the bytes aren't one plain change");
}

// ---- Who may what ----

#[test]
fn withdrawing_is_for_the_origin_and_supervisors_and_tasks_are_for_supervisors() {
    let withdraw = [EditOp::Withdraw { reason: "left the country".to_owned().into() }];
    for (who, counts) in [(ORIGIN, true), (SUPERVISOR, true), (OFFICER, false)] {
        let mut copy = Copy::new(CAPTURE);
        copy.write(who, &withdraw).unwrap();
        let record = copy.record();
        assert_eq!(record.withdrawn.len(), usize::from(counts), "{who}");
        assert_eq!(reasons(&record), if counts { vec![] } else { vec![Reason::Role] });
    }
    let mut early = Copy::new(CAPTURE);
    early.write(OFFICER, &withdraw).unwrap();
    early.edits[0].standing.origin = None;
    assert_eq!(early.record().pending, 1, "before the capture is here, nobody knows whose it is");
    let mut site = Copy::new(About::Site);
    site.write(OFFICER, &[EditOp::Task { text: "do".to_owned().into() }]).unwrap();
    assert_eq!(reasons(&site.record()), [Reason::Role]);
}

#[test]
fn nobody_writes_as_somebody_else() {
    let mut copy = Copy::new(CAPTURE);
    copy.write(ORIGIN, &[note("mine")]).unwrap();
    let Body::Chunk(stolen) = copy.edits[0].body.clone() else { unreachable!() };
    copy.put(LIAR, stolen);
    let record = copy.record();
    assert_eq!(texts(&record.notes), [(ORIGIN, "mine")]);
    assert_eq!(reasons(&record), [Reason::Actor]);
}

#[test]
fn a_second_history_of_one_author_does_not_count_and_never_voids_the_first() {
    let mut copy = Copy::new(CAPTURE);
    let second = copy.forge(LIAR, |record, genesis| {
        record.insert(genesis.object(Part::Notes), 0, "another").unwrap();
    });
    copy.write(LIAR, &[note("first")]).unwrap();
    copy.write(OFFICER, &[note("on top of the first")]).unwrap();
    copy.put(LIAR, second);
    let record = copy.record();
    assert_eq!((record.edits, reasons(&record)), (2, vec![Reason::Turn]));
    assert_eq!(copy.reversed().record(), record);
}

#[test]
fn what_builds_on_a_refused_edit_is_refused_and_nothing_else() {
    let mut copy = Copy::new(CAPTURE);
    copy.write(OFFICER, &[note("good")]).unwrap();
    let mut apart = copy.clone();
    copy.put(
        LIAR,
        copy.forge(LIAR, |record, genesis| {
            record.put(genesis.object(Part::Corrections), "name", 7).unwrap();
        }),
    );
    // One whose program lets everything pass goes on from there.
    copy.put(
        ORIGIN,
        copy.forge(ORIGIN, |record, genesis| {
            record.insert(genesis.object(Part::Notes), 0, "on top").unwrap();
        }),
    );
    apart.write(SUPERVISOR, &[note("apart")]).unwrap();
    copy.merge(&apart);
    let record = copy.record();
    assert_eq!(record.edits, 2);
    assert_eq!(record.pending + record.quarantined.len(), 2);
    assert_eq!(copy.reversed().record(), record);
}

#[test]
fn nothing_that_a_record_has_no_place_for_is_taken() {
    type Forge = fn(&mut Transaction<'_>, &Genesis);
    let forgeries: [(&str, Forge); 11] = [
        ("an object in a list", |r, g| drop(r.insert_object(g.object(Part::Notes), 0, ObjType::Text))),
        ("an object at the root", |r, _| drop(r.put_object(ROOT, "priority", ObjType::Map))),
        ("another list of notes", |r, _| drop(r.put_object(ROOT, "notes", ObjType::List))),
        ("a value in place of a list", |r, _| r.put(ROOT, "notes", "gone").unwrap()),
        ("a list taken away", |r, _| r.delete(ROOT, "notes").unwrap()),
        ("somebody's note changed", |r, g| r.put(g.object(Part::Notes), 0, "never said").unwrap()),
        ("somebody's note taken away", |r, g| r.delete(g.object(Part::Notes), 0).unwrap()),
        ("a part of another record", |r, _| r.put(ROOT, "tasks", "x").unwrap()),
        ("a number for a text", |r, g| r.insert(g.object(Part::Notes), 0, 7).unwrap()),
        ("a counter", |r, g| r.put(g.object(Part::Corrections), "x", ScalarValue::counter(1)).unwrap()),
        ("no capture's name", |r, g| r.put(g.object(Part::Links), "x", true).unwrap()),
    ];
    let mut base = Copy::new(CAPTURE);
    base.write(ORIGIN, &[note("a note"), correct("name", "Doe")]).unwrap();
    for (what, forge) in forgeries {
        let mut copy = base.clone();
        copy.put(LIAR, copy.forge(LIAR, forge));
        copy.write(OFFICER, &[note("and on")]).unwrap();
        assert_eq!(reasons(&copy.record()), [Reason::Content], "{what}");
        assert_eq!(copy.record().edits, 2, "{what}");
    }
}

/// A change by `who`, as Automerge makes it on all that is here and a lie then turns it.
fn turned(copy: &Copy, who: u8, turn: impl FnOnce(&mut legacy::Change)) -> Vec<u8> {
    let change = copy.forge(who, |record, genesis| record.insert(genesis.object(Part::Notes), 0, "b").unwrap());
    let mut change = Change::from_bytes(change).unwrap().decode();
    turn(&mut change);
    Change::from(change).raw_bytes().to_vec()
}

/// Well-formed, but it goes on from a note in a change that it doesn't build on. Several liars, because a change may be
/// judged before or after the one that it can't have seen.
#[test]
fn a_change_may_only_name_what_its_author_has_seen() {
    let mut copy = Copy::new(CAPTURE);
    let first = Genesis::new(Subject::Capture).top + 1;
    let theirs = legacy::OpId(first, ActorId::from(author(OFFICER).actor(CAPTURE.key())));
    let lies = (LIAR..LIAR + 30)
        .map(|who| turned(&copy, who, |change| change.operations[0].key = Key::Seq(ElementId::Id(theirs.clone()))));
    let lies: Vec<_> = lies.collect();
    copy.write(OFFICER, &[note("a")]).unwrap();
    (LIAR..).zip(lies).for_each(|(who, lie)| copy.put(who, lie));
    assert_eq!((copy.record().edits, reasons(&copy.record())), (1, vec![Reason::Past; 30]));
}

#[test]
fn a_change_follows_its_authors_last_one_and_counts_its_operations_from_its_past() {
    let mut copy = Copy::new(CAPTURE);
    let genesis = Genesis::new(Subject::Capture);
    copy.write(OFFICER, &[note("first")]).unwrap();
    let second = turned(&copy, OFFICER, |change| {
        change.deps = vec![genesis.hash];
        change.start_op = std::num::NonZeroU64::new(genesis.top + 1).unwrap();
    });
    let from_nothing = turned(&copy, LIAR, |change| change.deps.clear());
    let too_high = turned(&copy, SUPERVISOR, |change| change.start_op = change.start_op.checked_add(1).unwrap());
    for (who, lie, reason) in
        [(OFFICER, second, Reason::Turn), (LIAR, from_nothing, Reason::Past), (SUPERVISOR, too_high, Reason::Past)]
    {
        let mut copy = copy.clone();
        copy.put(who, lie);
        assert_eq!((copy.record().edits, reasons(&copy.record())), (1, vec![reason]));
    }
}

/// Reading a change doesn't check its checksum, and a change can be written in many ways: only one is taken.
#[test]
fn a_change_is_taken_in_the_one_form_that_automerge_gives_it() {
    let (mut copy, empty) = (Copy::new(CAPTURE), Copy::new(CAPTURE));
    let mut chunk = empty.forge(LIAR, |record, genesis| record.insert(genesis.object(Part::Notes), 0, "b").unwrap());
    chunk[4] ^= 1;
    assert!(Change::from_bytes(chunk.clone()).is_ok(), "Automerge doesn't mind");
    copy.put(LIAR, chunk);
    // The same number in two bytes instead of one.
    let mut longer = empty.forge(LIAR, |record, genesis| record.insert(genesis.object(Part::Notes), 0, "c").unwrap());
    let seq = 10 + 1 + 32 + 1 + 16;
    assert_eq!(longer[seq], 1);
    longer.splice(seq..=seq, [0x81, 0]);
    longer[9] += 1;
    copy.put(LIAR, with_checksum(&longer));
    assert_eq!(reasons(&copy.record()), [Reason::Form; 2]);
}

// ---- Hostile bytes ----

/// A record with three honest authors, and what each of them wrote.
fn honest() -> Copy {
    let [mut a, mut b] = [(); 2].map(|()| Copy::new(CAPTURE));
    a.write(ORIGIN, &[note("one"), correct("name", "Doe"), EditOp::Link { capture: CaptureId([9; 16]) }]).unwrap();
    b.write(OFFICER, &[EditOp::Priority { priority: Priority::Urgent }, note("two"), correct("name", "Dow")]).unwrap();
    a.merge(&b);
    a.write(SUPERVISOR, &[note("three"), note("four"), EditOp::Unlink { capture: CaptureId([9; 16]) }]).unwrap();
    b.write(OFFICER, &[note("five"), EditOp::Step { text: "six".to_owned().into() }]).unwrap();
    a.merge(&b);
    a
}

/// A real change of the liar's own, made on all that is here.
fn liars_change(copy: &Copy) -> Vec<u8> {
    let ops = [note("lie"), correct("name", "D"), EditOp::Unlink { capture: CaptureId([9; 16]) }];
    let document = copy.document();
    let all = document.change(author(LIAR), &ops);
    all.unwrap_or_else(|_| document.change(author(LIAR), &ops[..2]).unwrap())
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

/// The good record after a lie, the liar's next edit, and an honest one; checks that the honest authors lost nothing.
fn lied_to(good: &Copy, lie: Vec<u8>) -> Copy {
    let mut copy = good.clone();
    copy.put(LIAR, lie);
    copy.put(LIAR, liars_change(good));
    copy.write(ORIGIN, &[note("afterwards")]).unwrap();
    let record = copy.record();
    assert!(record.quarantined.iter().all(|it| it.by.0[0] == LIAR), "{:?}", record.quarantined);
    assert_eq!(record.edits + record.quarantined.len() + record.pending, copy.edits.len());
    for text in ["one", "two", "three", "four", "five", "afterwards"] {
        assert!(texts(&record.notes).iter().any(|(_, said)| *said == text), "{text} is lost");
    }
    copy
}

fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % below
}

fn shuffled(copy: &Copy, mut seed: u64) -> Copy {
    let mut copy = copy.clone();
    (1..copy.edits.len()).rev().for_each(|at| copy.edits.swap(at, draw(&mut seed, at + 1)));
    copy
}

/// A change that Automerge would write, if it were told to: well-formed, and wrong in one to three places.
fn well_formed_lie(good: &Copy, seed: &mut u64) -> Option<Vec<u8>> {
    let mut change = Change::from_bytes(liars_change(good)).unwrap().decode();
    let actors = [ORIGIN, OFFICER, SUPERVISOR, LIAR].map(|who| ActorId::from(author(who).actor(CAPTURE.key())));
    let genesis = ActorId::from(super::schema::GENESIS_ACTOR);
    for _ in 0..=draw(seed, 3) {
        let somewhere = legacy::OpId(draw(seed, 24) as u64, actors[draw(seed, 4)].clone());
        let object = legacy::OpId(1 + draw(seed, 5) as u64, genesis.clone());
        let index = draw(seed, change.operations.len());
        let op = &mut change.operations[index];
        match draw(seed, 12) {
            0 => change.start_op = change.start_op.checked_add(draw(seed, 3) as u64)?,
            1 => change.start_op = std::num::NonZeroU64::new(1 + draw(seed, 20) as u64)?,
            2 => change.seq = draw(seed, 4) as u64,
            3 => drop(change.deps.pop()),
            4 => change.deps = vec![Genesis::new(Subject::Capture).hash],
            5 => op.obj = ObjectId::Id(object),
            6 => op.obj = ObjectId::Id(somewhere),
            7 => op.key = Key::Seq(ElementId::Id(somewhere)),
            8 => op.pred = [op.pred.iter().cloned().collect(), vec![somewhere]].concat().into(),
            9 => op.pred = Vec::new().into(),
            10 => op.insert = !op.insert,
            _ => op.action = [OpType::Delete, OpType::Make(ObjType::List), OpType::Increment(1)][draw(seed, 3)].clone(),
        }
    }
    quiet::catch(|| Change::from(change).raw_bytes().to_vec())
}

#[test]
fn well_formed_lies_never_panic_never_split_replicas_and_never_touch_what_others_wrote() {
    quiet::install_panic_hook();
    let (good, mut seed) = (honest(), 5);
    let genesis = Genesis::new(Subject::Capture);
    let whole = good.automerge(&genesis);
    let (mut panics, mut tally) = (0, BTreeMap::<String, usize>::new());
    for _ in 0..600 {
        let Some(lie) = well_formed_lie(&good, &mut seed) else { continue };
        let alone = quiet::catch(|| {
            let change = Change::from_bytes(lie.clone()).unwrap();
            whole.clone().apply_changes([change])
        });
        panics += usize::from(alone.is_none());
        let copy = lied_to(&good, lie);
        let record = copy.record();
        assert_eq!(shuffled(&copy, seed).record(), record);
        let lie = record.quarantined.iter().find(|it| it.seq == FIRST_PLACE);
        let lie = lie.map_or("taken or pending".into(), |it| format!("{:?}", it.reason));
        *tally.entry(lie).or_default() += 1;
    }
    println!("{panics} would have panicked; {tally:?}");
    // Without these the test would prove nothing.
    assert!(panics > 10, "{panics}");
    for reason in ["Content", "Past", "Turn", "taken or pending"] {
        assert!(tally.get(reason).is_some_and(|count| *count > 5), "{tally:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn mutated_changes_never_panic_never_split_replicas_and_never_touch_what_others_wrote(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        order in any::<u64>(),
    ) {
        let good = honest();
        let mut chunk = liars_change(&good);
        for (at, byte) in &flips {
            // The checksum is mended afterwards, so flips go where they mean something.
            let at = 9 + at.index(chunk.len() - 9);
            chunk[at] = *byte;
        }
        let copy = lied_to(&good, with_checksum(&chunk));
        prop_assert_eq!(shuffled(&copy, order).record(), copy.record());
    }

    #[test]
    fn random_bytes_never_get_past_preflight(bytes in prop::collection::vec(any::<u8>(), 0..5_000), honest_head in any::<bool>()) {
        let head = [&[0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1][..], &[(bytes.len() % 128) as u8]].concat();
        let chunk = if honest_head { [head, bytes].concat() } else { bytes };
        let mut copy = Copy::new(CAPTURE);
        copy.put(LIAR, chunk);
        prop_assert_eq!(copy.record().quarantined.len(), 1);
    }

    #[test]
    fn any_order_of_arrival_gives_the_same_record(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle(), apart in prop::collection::vec((0..3usize, 0..3usize), 8)) {
        let mut copies = [(); 3].map(|()| Copy::new(CAPTURE));
        for (round, (writer, teller)) in apart.into_iter().enumerate() {
            copies[writer].write([ORIGIN, OFFICER, SUPERVISOR][writer], &[note(&round.to_string()), correct("name", &round.to_string())]).unwrap();
            let told = copies[teller].clone();
            copies[writer].merge(&told);
        }
        let [mut all, b, c] = copies;
        all.merge(&b);
        all.merge(&c);
        let places: Vec<usize> = order.into_iter().filter(|at| *at < all.edits.len()).collect();
        let shuffled = Copy { about: CAPTURE, edits: places.iter().map(|at| all.edits[*at].clone()).collect() };
        prop_assert_eq!(shuffled.record(), all.record());
        prop_assert_eq!(all.record().notes.len(), 8);
    }
}

/// A plain change with these columns: specification and content.
fn chunk_of(columns: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = vec![0, 16];
    body.extend([LIAR; 16]);
    body.extend([1, 6, 0, 0, 0, columns.len() as u8]);
    for (column, content) in columns {
        body.extend([*column, content.len() as u8]);
    }
    columns.iter().for_each(|(_, content)| body.extend_from_slice(content));
    [&[0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1, body.len() as u8][..], &body].concat()
}

/// With Automerge 0.12 a change of 69 bytes whose columns said "ten million times the same" took six seconds and 3.8 GB.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
fn inflated_columns_and_deflated_chunks_are_refused_at_once() {
    // Ten million as a LEB128 run length.
    let run = [0x80, 0xad, 0xe2, 0x04, 1];
    let mut deflated = chunk_of(&[]);
    deflated[8] = 2;
    let cases = [
        (chunk_of(&[(0x42, &run)]), ChunkError::TooManyOperations),
        (chunk_of(&[(0x34, &run[..4])]), ChunkError::TooManyOperations),
        (chunk_of(&[(0x01, &[0, 0x80, 0xad, 0xe2, 0x04])]), ChunkError::TooManyOperations),
        (chunk_of(&[(0x70, &[1, 0x80, 0xad, 0xe2, 0x04])]), ChunkError::TooManyReplaced),
        (chunk_of(&[(0x73, &run)]), ChunkError::TooManyReplaced),
        (chunk_of(&[(0x4a, &[1, 1])]), ChunkError::Column),
        (deflated, ChunkError::NotAChange),
    ];
    let began = Instant::now();
    for (chunk, error) in cases.iter().cycle().take(7_000) {
        assert_eq!(preflight::check(chunk), Err(*error));
    }
    assert!(began.elapsed() < Duration::from_millis(700), "{:?} for 7,000", began.elapsed());
}

// ---- Bounds, at n and at n + 1 ----

#[test]
fn an_edit_is_as_long_as_a_chunk_and_not_one_byte_longer() {
    let copy = Copy::new(CAPTURE);
    let write = |bytes: usize| {
        let ops = [note(&"x".repeat(TEXT_BYTES_MAX)), note(&"y".repeat(bytes))];
        copy.document().change(author(ORIGIN), &ops)
    };
    let fits = (1..=TEXT_BYTES_MAX).rev().find(|bytes| write(*bytes).is_ok()).unwrap();
    let longest = write(fits).unwrap();
    assert_eq!(longest.len(), CHUNK_BYTES_MAX);
    assert_eq!(preflight::check(&longest), Ok(()));
    assert_eq!(write(fits + 1), Err(EditError::TooLong));
    assert_eq!(preflight::check(&[longest, vec![0]].concat()), Err(ChunkError::TooLong));
}

#[test]
fn an_edit_does_as_much_as_allowed_and_not_more() {
    let mut copy = Copy::new(CAPTURE);
    assert_eq!(copy.write(ORIGIN, &[]), Err(EditError::Count));
    assert_eq!(copy.write(ORIGIN, &vec![note("x"); EDIT_OPS_MAX + 1]), Err(EditError::Count));
    copy.write(ORIGIN, &vec![note("x"); EDIT_OPS_MAX]).unwrap();
    let many = |count: u64| {
        copy.forge(ORIGIN, |record, genesis| {
            (0..count).for_each(|_| record.insert(genesis.object(Part::Steps), 0, "x").unwrap());
        })
    };
    assert_eq!(preflight::check(&many(OPERATIONS_MAX)), Ok(()));
    assert_eq!(preflight::check(&many(OPERATIONS_MAX + 1)), Err(ChunkError::TooManyOperations));
    let text = |bytes| copy.document().change(author(ORIGIN), &[note(&"x".repeat(bytes))]).map(|_| ());
    assert_eq!(
        (text(TEXT_BYTES_MAX), text(TEXT_BYTES_MAX + 1), text(0)),
        (Ok(()), Err(EditError::Text), Err(EditError::Text))
    );
}

#[test]
fn more_heads_than_a_change_can_name_stay_concurrent_and_lose_nothing() {
    let mut all = Copy::new(CAPTURE);
    let authors = DEPENDENCIES_MAX as u8 + 1;
    let edits = (100..100 + authors).map(|who| {
        let mut alone = Copy::new(CAPTURE);
        alone.write(who, &[note("x")]).unwrap();
        alone
    });
    edits.for_each(|alone| all.merge(&alone));
    let over = all.forge(OFFICER, |record, genesis| record.insert(genesis.object(Part::Notes), 0, "y").unwrap());
    assert_eq!(preflight::check(&over), Err(ChunkError::TooManyDependencies));
    for who in [OFFICER, 100 + authors - 1] {
        all.write(who, &[note("y")]).unwrap();
        let Body::Chunk(chunk) = &all.edits.last().unwrap().body else { unreachable!() };
        assert!(Change::from_bytes(chunk.clone()).unwrap().deps().len() <= DEPENDENCIES_MAX as usize);
    }
    let record = all.record();
    assert_eq!((record.notes.len(), record.quarantined.len()), (usize::from(authors) + 2, 0));
}

#[test]
fn an_author_makes_as_many_edits_as_allowed_and_not_one_more() {
    let mut copy = Copy::new(CAPTURE);
    let genesis = Genesis::new(Subject::Capture);
    let mut document = genesis.document.clone();
    document.set_actor(ActorId::from(author(ORIGIN).actor(CAPTURE.key())));
    for _ in 0..=EDITS_PER_AUTHOR_MAX {
        let mut transaction = document.transaction();
        transaction.insert(genesis.object(Part::Notes), 0, "x").unwrap();
        transaction.commit_with(CommitOptions::default().with_time(0));
        copy.put(ORIGIN, document.get_last_local_change().unwrap().raw_bytes().to_vec());
    }
    let record = copy.record();
    assert_eq!((record.edits as u64, reasons(&record)), (EDITS_PER_AUTHOR_MAX, vec![Reason::TooMany]));
    copy.edits.pop();
    assert_eq!(copy.write(ORIGIN, &[note("x")]), Err(EditError::TooMany));
    copy.write(OFFICER, &[note("y")]).unwrap();
    assert_eq!(copy.record().edits as u64, EDITS_PER_AUTHOR_MAX + 1);
}

// ---- What Automerge does, pinned ----

/// If this fails, Automerge writes changes otherwise than the version that the format names: replicas of two versions would
/// refuse each other's edits. That is a new version of the format, not a new fixture.
#[test]
fn a_change_is_written_and_read_as_ever() {
    let Body::Chunk(first) = &honest().edits[0].body else { unreachable!() };
    assert_eq!(HEXLOWER.encode(first), KNOWN_CHANGE);
}

const KNOWN_CHANGE: &str = "856f4a83fed7854e019901016db6d9a04dba87afc6df820d19e6f122d62c7aff1f116293f37ecb3aba01d0a610\
                            8dbd67408efd19cb87fa38efaaf2747e010500000110677265656e6c696e65207265636f726409010202041304\
                            15233403420256045706700203017d0102037f00000200017e046e616d651a626565717363696a626565717363\
                            696a626565717363696a6265000102030102367f026f6e65446f650300";

#[test]
fn lists_of_one_name_made_twice_lose_one_of_them_which_is_why_there_is_a_genesis() {
    let make = |actor: u8| {
        let mut document = Automerge::new().with_actor(ActorId::from([actor; 16]));
        let mut transaction = document.transaction();
        let list = transaction.put_object(ROOT, "notes", ObjType::List).unwrap();
        transaction.insert(list, 0, "a word").unwrap();
        transaction.commit();
        document
    };
    let (mut a, mut b) = (make(1), make(2));
    a.merge(&mut b).unwrap();
    let (_, list) = a.get(ROOT, "notes").unwrap().unwrap();
    assert_eq!(a.length(list), 1);
}
