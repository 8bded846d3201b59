//! Records that people write together: apart, through carriers, beside liars and clones.

use crdt::entry::{About, Entry};
use crdt::record::{EditError, EditOp, Reason, Record};
use crdt::replica::{AppendError, Replica};
use crdt::statement::{Priority, Statement};
use crdt::store::memory::{DiskModel, MemoryStore};
use simulations::{Member, World};

use crate::kit::entries_of;

fn note(text: &str) -> EditOp {
    EditOp::Note { text: text.to_owned().into() }
}

fn notes(record: &Record) -> Vec<&str> {
    record.notes.iter().map(|said| said.value.reveal().as_str()).collect()
}

/// A hub, two officers and a capture that all of them have.
fn case(seed: u64) -> (World, [usize; 3], About) {
    let mut world = World::new(seed);
    let hub = world.add(Member::Hub);
    let [a, b] = [(); 2].map(|()| world.add(Member::Officer));
    let capture = world.capture(a, 1, 100);
    world.link(a, b);
    world.link(b, hub);
    world.settle();
    world.cut_all();
    (world, [hub, a, b], About::Capture(capture))
}

#[test]
fn two_officers_in_two_valleys_edit_one_case_and_a_mule_brings_it_together() {
    let (mut world, [hub, a, b], about) = case(1);
    let mule = world.add(Member::Carrier);
    let correct = |value: &str| EditOp::Correct { field: "family_name".into(), value: value.to_owned().into() };
    world.edit(a, about, &[note("limps"), correct("Doe")]).unwrap();
    world.edit(b, about, &[note("speaks French"), correct("Dough")]).unwrap();
    world.edit(a, about, &[EditOp::Priority { priority: Priority::Urgent }, note("has a child with her")]).unwrap();
    for (one, other) in [(a, mule), (mule, b), (b, mule), (mule, a), (mule, hub)] {
        let link = world.link(one, other);
        world.settle();
        world.cut(link);
    }
    let expected = world.record(a, about);
    assert_eq!((expected.edits, expected.notes.len(), expected.pending), (3, 3, 0));
    assert_eq!(expected.corrections["family_name"].len(), 2, "both are shown");
    assert_eq!(expected.priority, Some(Priority::Urgent));
    let by_a = expected.notes.iter().filter(|said| said.by == world.identity(a).device()).count();
    assert_eq!(by_a, 2);
    for device in [b, mule, hub] {
        assert_eq!(world.record(device, about), expected);
    }
    assert!(world.agree());
    assert_eq!(world.view(hub, about.capture().unwrap()).edits, 3);
    world.restart(b);
    assert_eq!(world.record(b, about), expected, "after a power cut too");
}

#[test]
fn the_site_has_one_record_for_all_shifts() {
    let (mut world, [_, a, b], _) = case(2);
    let supervisor = world.add(Member::Supervisor);
    let task = [EditOp::Task { text: "charge the batteries".to_owned().into() }];
    let refused = AppendError::Edit(EditError::Refused(Reason::Role));
    assert_eq!(world.edit(a, About::Site, &task), Err(refused));
    world.edit(supervisor, About::Site, &task).unwrap();
    world.edit(b, About::Site, &[EditOp::Handover { text: "quiet night".to_owned().into() }]).unwrap();
    world.link(a, b);
    world.link(a, supervisor);
    world.settle();
    let id = world.record(a, About::Site).tasks[0].id.clone();
    world.edit(a, About::Site, &[EditOp::TaskDone { task: id }]).unwrap();
    world.settle();
    let record = world.record(supervisor, About::Site);
    assert_eq!(record.tasks[0].done[0].by, world.identity(a).device());
    assert_eq!((record.handover.len(), record.edits), (1, 3));
    assert_eq!(world.record(b, About::Site), record);
}

#[test]
fn hubs_and_carriers_do_not_edit_and_nobody_edits_what_is_not_there() {
    let (mut world, [hub, a, _], about) = case(3);
    let carrier = world.add(Member::Carrier);
    for device in [hub, carrier] {
        assert!(matches!(world.edit(device, about, &[note("x")]), Err(AppendError::Role { .. })));
    }
    let nowhere = About::Capture(crdt::ids::CaptureId([1; 16]));
    assert_eq!(world.edit(a, nowhere, &[note("x")]), Err(AppendError::UnknownCapture));
}

/// A member whose program was tampered with: its entries are sound, their bodies are whatever it likes.
#[test]
fn a_liars_edits_are_set_aside_everywhere_alike_and_stop_nobody() {
    let (mut world, [hub, a, b], about) = case(4);
    let liar = world.add(Member::Officer);
    world.edit(a, about, &[note("before")]).unwrap();
    let key = world.site.membership().group_keys[0].clone();
    let site = world.engine(liar).replica().site();
    let context = [b"greenline edit\0".as_slice(), &site.0, about.key()].concat();
    for round in 0..40u8 {
        let mut body = vec![round; 5 + usize::from(round) * 100];
        if round % 2 == 0 {
            body[..5].copy_from_slice(&[0x85, 0x6f, 0x4a, 0x83, round]);
        }
        let sealed = key.seal(if round % 5 == 4 { b"elsewhere" } else { &context }, &body, [round; 32]);
        world.state(liar, about, &Statement::Edit(sealed)).unwrap();
    }
    world.link(liar, b);
    world.settle();
    world.edit(b, about, &[note("between")]).unwrap();
    world.link(a, b);
    world.link(b, hub);
    world.settle();
    world.edit(a, about, &[note("after")]).unwrap();
    world.settle();
    let record = world.record(hub, about);
    assert_eq!((record.edits, record.quarantined.len(), record.pending), (3, 40, 0));
    let mut words = notes(&record);
    words.sort_unstable();
    assert_eq!(words, ["after", "before", "between"]);
    let entries = entries_of(&world, hub);
    for step in [1, 7, 13] {
        assert_eq!(record_from(&world, a, about, &entries, step), record, "step {step}");
    }
}

/// Entries one by one, in an order that jumps about.
fn record_from(world: &World, device: usize, about: About, entries: &[Entry], step: usize) -> Record {
    let store = MemoryStore::new(DiskModel::AtOnce);
    let mut replica = Replica::open(store, world.identity(device).clone(), world.site.membership()).unwrap();
    for at in 0..entries.len() * step {
        replica.ingest(world.now_ms, vec![entries[at * step % entries.len()].clone()]).unwrap();
        replica.record(about).unwrap();
    }
    replica.ingest(world.now_ms, entries.to_vec()).unwrap();
    replica.record(about).unwrap().unwrap()
}

/// An officer built on a note by a device that was cloned. The clone's fork voids that note, and with it his own: he must be
/// able to go on all the same.
#[test]
fn who_built_on_what_a_fork_voided_can_go_on() {
    let (mut world, [hub, victim, b], about) = case(5);
    world.edit(b, about, &[note("stays")]).unwrap();
    world.link(victim, b);
    world.settle();
    world.cut_all();
    let store = world.stop(victim);
    world.start(victim, store.clone());
    let (identity, membership) = (world.identity(victim).clone(), world.site.membership());
    world.edit(victim, about, &[note("void")]).unwrap();
    let link = world.link(victim, b);
    world.settle();
    world.cut(link);
    world.edit(b, about, &[note("built on the void")]).unwrap();
    assert_eq!(notes(&world.record(b, about)), ["stays", "void", "built on the void"]);

    let clone = world.add_as(Member::Officer, identity, membership, store);
    world.capture(clone, 1, 10);
    world.settle();
    world.link(clone, b);
    world.settle();
    assert_eq!(world.engine(b).replica().frozen().count(), 1);
    let record = world.record(b, about);
    assert_eq!((notes(&record), record.pending), (vec!["stays"], 1));
    world.edit(b, about, &[note("goes on")]).unwrap();
    assert_ne!(world.engine(b).replica().own_author().epoch, 0, "in a new log");
    world.link(b, hub);
    world.settle();
    let record = world.record(hub, about);
    assert_eq!((notes(&record), record.pending, record.quarantined.len()), (vec!["stays", "goes on"], 1, 0));
    assert_eq!(world.record(b, about), record);
}
