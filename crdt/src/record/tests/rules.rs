//! Who may what, and what makes an edit count.

use automerge::legacy::{self, ElementId, Key};
use automerge::{ObjType, ROOT, ScalarValue};

use super::*;

#[test]
fn withdrawing_is_for_the_origin_and_supervisors_and_tasks_are_for_supervisors() {
    let withdraw = [EditOp::Withdraw { reason: "left the country".to_owned().into() }];
    for (who, counts) in [(ORIGIN, true), (SUPERVISOR, true), (OFFICER, false)] {
        let mut copy = Paper::new(CAPTURE);
        copy.write(who, &withdraw).unwrap();
        let record = copy.record();
        assert_eq!(record.withdrawn.len(), usize::from(counts), "{who}");
        assert_eq!(reasons(&record), if counts { vec![] } else { vec![Reason::Role] });
    }
    let mut early = Paper::new(CAPTURE);
    early.write(OFFICER, &withdraw).unwrap();
    early.edits[0].standing.origin = None;
    assert_eq!(early.record().pending, 1, "before the capture is here, nobody knows whose it is");
    let mut site = Paper::new(About::Site);
    site.write(OFFICER, &[EditOp::Task { text: "do".to_owned().into() }]).unwrap();
    assert_eq!(reasons(&site.record()), [Reason::Role]);
}

#[test]
fn nobody_writes_as_somebody_else() {
    let mut copy = Paper::new(CAPTURE);
    copy.write(ORIGIN, &[note("mine")]).unwrap();
    let Body::Chunk(stolen) = copy.edits[0].body.clone() else { unreachable!() };
    copy.put(LIAR, stolen);
    let record = copy.record();
    assert_eq!(texts(&record.notes), [(ORIGIN, "mine")]);
    assert_eq!(reasons(&record), [Reason::Actor]);
}

#[test]
fn a_second_history_of_one_author_does_not_count_and_never_voids_the_first() {
    let mut copy = Paper::new(CAPTURE);
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
    let mut copy = Paper::new(CAPTURE);
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
    let mut base = Paper::new(CAPTURE);
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
fn turned(copy: &Paper, who: u8, turn: impl FnOnce(&mut legacy::Change)) -> Vec<u8> {
    let change = copy.forge(who, |record, genesis| record.insert(genesis.object(Part::Notes), 0, "b").unwrap());
    let mut change = Change::from_bytes(change).unwrap().decode();
    turn(&mut change);
    Change::from(change).raw_bytes().to_vec()
}

/// Well-formed, but it goes on from a note in a change that it doesn't build on. Several liars, because a change may be
/// judged before or after the one that it can't have seen.
#[test]
fn a_change_may_only_name_what_its_author_has_seen() {
    let mut copy = Paper::new(CAPTURE);
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
    let mut copy = Paper::new(CAPTURE);
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
    let (mut copy, empty) = (Paper::new(CAPTURE), Paper::new(CAPTURE));
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
