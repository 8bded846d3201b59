//! Erased is erased: under storms of meetings, crashes and copies no body and no image of it is left anywhere, all replicas
//! agree, and what was away or in a backup brings nothing back. What nobody erased is answered all the same.

use std::collections::BTreeMap;

use crdt::blob::BlobRef;
use crdt::codec::decode;
use crdt::entry::{About, ENTRY_BYTES_MAX, Entry};
use crdt::ids::CaptureId;
use crdt::record::EditOp;
use crdt::replica::{GRACE_MS, Replica};
use crdt::revocation::Cause;
use crdt::statement::{Kind, Why};
use crdt::store::memory::MemoryStore;
use crdt::store::{Direction, Store, Table};
use crdt::sync::frame::Frame;
use crdt::sync::{Event, Fault};
use simulations::{Member, World};

use crate::kit::entries_in;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Images of all captures, as they were when they were made.
type Images = BTreeMap<CaptureId, Vec<BlobRef>>;

fn capture(world: &mut World, device: usize, images: &mut Images) -> CaptureId {
    let (count, bytes) = (1 + world.draw(2) as u8, 1 + world.draw(60_000) as usize);
    let id = world.capture(device, count, bytes);
    images.insert(id, world.view(device, id).origin.unwrap().blobs);
    id
}

fn erase(world: &mut World, device: usize, id: CaptureId) -> bool {
    let why = [Why::Done, Why::Expired, Why::Withdrawn][world.draw(3) as usize];
    world.write(device, |replica, now_ms| replica.erase_new(now_ms, id, why)).is_ok()
}

fn is_erased(world: &World, device: usize, id: CaptureId) -> bool {
    world.view(device, id).erased.is_some()
}

/// Neither a body nor an image of an erased capture is on a device; of the others no body lacks.
fn nothing_is_left(world: &World, device: usize, images: &Images) {
    let replica = world.engine(device).replica();
    let rows = replica.store().scan(Table::Entries, &[], &[u8::MAX; 9], Direction::Up, usize::MAX).unwrap();
    for (_, bytes) in rows {
        let entry: Entry = decode(&bytes, ENTRY_BYTES_MAX).unwrap();
        let erasable = Kind::rule(entry.header().kind).is_some_and(|rule| rule.kind.is_erasable());
        let gone = erasable && entry.header().about.capture().is_some_and(|id| is_erased(world, device, id));
        assert_eq!(entry.body.is_none(), gone, "device {device}");
    }
    for (id, blobs) in images.iter().filter(|(id, _)| is_erased(world, device, **id)) {
        for blob in blobs {
            assert!(replica.store().blob_read(blob.id, 0, 1).unwrap().is_empty(), "an image of {id:?} on {device}");
            assert_eq!(replica.store().get(Table::Blobs, &blob.id.0).unwrap(), None);
        }
    }
}

fn heal(world: &mut World, all: &[usize]) {
    world.cut_all();
    all.windows(2).for_each(|pair| _ = world.link(pair[0], pair[1]));
    world.settle();
}

#[test]
fn no_storm_leaves_or_brings_back_anything() {
    let (mut made, mut erased) = (0, 0);
    for seed in 0..60 {
        let counts = storm(seed);
        made += counts.0;
        erased += counts.1;
    }
    println!("{made} captures, {erased} erased");
    assert!(made > 700 && erased > 200);
}

fn storm(seed: u64) -> (usize, usize) {
    let mut world = World::new(seed);
    let hub = world.add(Member::Hub);
    let members = [Member::Supervisor, Member::Officer, Member::Officer, Member::Officer, Member::Carrier];
    let all: Vec<usize> = members.into_iter().map(|member| world.add(member)).chain([hub]).collect();
    let (mut images, mut ids, mut gone) = (Images::new(), Vec::new(), Vec::new());
    for _ in 0..80 {
        let device = all[world.draw(6) as usize];
        let id = ids.get(world.draw(ids.len() as u64) as usize).copied();
        match (world.draw(10), id) {
            (0 | 1, _) => {
                let officer = all[world.draw(4) as usize];
                ids.push(capture(&mut world, officer, &mut images));
            }
            (2, Some(id)) => {
                let note = EditOp::Note { text: "a note".to_owned().into() };
                let _ = world.edit(device, About::Capture(id), &[note]);
            }
            (3 | 8 | 9, Some(id)) => gone.extend(erase(&mut world, device, id).then_some(id)),
            (4, Some(id)) => _ = world.write(device, |replica, now_ms| replica.seen_new(now_ms, id)),
            (5, _) => {
                let other = all[world.draw(6) as usize];
                if device != other {
                    world.link(device, other);
                }
            }
            (6, _) => world.cut_all(),
            (7, _) => {
                // What isn't on disk yet a power cut takes back, an erasure too.
                world.run(20);
                world.restart(device);
            }
            _ => {}
        }
        world.run(20);
        let pause = world.draw(200);
        world.run(pause);
    }
    heal(&mut world, &all);
    assert!(world.agree(), "seed {seed}");
    for device in &all {
        nothing_is_left(&world, *device, &images);
        assert!(gone.iter().all(|id| is_erased(&world, *device, *id)), "seed {seed}");
        // A device and its clone did write two histories. Images that were erased here while they were under way once
        // counted as owed for ever: nothing more was asked of that peer, until it was taken for one that stalls.
        let blamed: Vec<_> =
            world.engine(*device).conduct().filter(|(_, faults)| faults.total() > faults.of(Fault::Fork)).collect();
        assert!(blamed.is_empty(), "seed {seed}: nobody was blamed: {blamed:?}");
        for id in &ids {
            let view = world.view(*device, *id);
            assert!(view.erased.is_some() || view.screened().is_some(), "seed {seed}: neither answered nor erased");
        }
    }
    let erased = ids.iter().filter(|id| is_erased(&world, hub, **id)).count();
    (ids.len(), erased)
}

/// Copies of a device erase while they are apart, also what the other doesn't know of, in a log that is cut when they meet. The
/// erasure is over with its log, what it took isn't back: so it has to reach the others all the same.
#[test]
fn an_erasure_outlives_the_cut_of_its_log() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        let hub = world.add(Member::Hub);
        let [b, c] = [(); 2].map(|()| world.add(Member::Officer));
        let victim = world.add(Member::Officer);
        let mut images = Images::new();
        let common: Vec<CaptureId> = (0..3).map(|_| capture(&mut world, victim, &mut images)).collect();
        world.settle();
        world.link(victim, b);
        world.link(victim, c);
        world.settle();
        world.cut_all();
        let disk = world.stop(victim);
        world.start(victim, disk.clone());
        let (identity, membership) = (world.identity(victim).clone(), world.site.membership());
        let copy = world.add_as(Member::Officer, identity, membership, disk);
        let own = capture(&mut world, copy, &mut images);
        assert!(erase(&mut world, copy, common[0]) && erase(&mut world, copy, own));
        capture(&mut world, victim, &mut images);
        world.settle();
        world.link(copy, b);
        world.link(victim, c);
        world.settle();
        if seed % 2 == 0 {
            // The copy is never heard of again: nobody says again what it said.
            world.stop(copy);
        }
        let all: Vec<usize> = [b, c, victim, copy, hub].into_iter().filter(|it| seed % 2 == 1 || *it != copy).collect();
        heal(&mut world, &all);
        assert!(world.agree_among(&all), "seed {seed}");
        for device in all {
            assert!(world.engine(device).replica().frozen().count() > 0);
            assert!(is_erased(&world, device, common[0]), "seed {seed}, device {device}");
            nothing_is_left(&world, device, &images);
        }
    }
}

#[test]
fn what_is_withdrawn_before_the_hub_has_it_is_never_screened() {
    let mut world = World::new(1);
    let hub = world.add(Member::Hub);
    let [officer, mule] = [Member::Officer, Member::Carrier].map(|member| world.add(member));
    let mut images = Images::new();
    let ids: Vec<CaptureId> = (0..4).map(|_| capture(&mut world, officer, &mut images)).collect();
    world.link(officer, mule);
    world.settle();
    assert!(erase(&mut world, officer, ids[1]));
    world.settle();
    world.cut_all();
    world.link(mule, hub);
    world.settle();
    assert!(world.view(hub, ids[1]).verdicts.is_empty() && world.view(hub, ids[1]).receipts.is_empty());
    assert!([0, 2, 3].iter().all(|at| world.view(hub, ids[*at]).screened().is_some()));
    let whole = |event: &Event| *event == Event::Whole(ids[1]);
    assert!(!world.device(hub).events.iter().any(whole));
    [officer, mule, hub].iter().for_each(|device| nothing_is_left(&world, *device, &images));
}

/// A device with its store as it was: away for ninety days, or restored from a backup. It even goes on writing about what it
/// doesn't know is gone.
#[test]
fn a_device_that_was_away_and_one_from_a_backup_bring_nothing_back() {
    for restored in [false, true] {
        let mut world = World::new(2);
        let hub = world.add(Member::Hub);
        let [officer, away, other] = [(); 3].map(|()| world.add(Member::Officer));
        let mut images = Images::new();
        let ids: Vec<CaptureId> = (0..3).map(|_| capture(&mut world, officer, &mut images)).collect();
        let own = capture(&mut world, away, &mut images);
        world.link(officer, away);
        world.settle();
        world.cut_all();
        let disk = world.stop(away);
        assert!(erase(&mut world, officer, ids[0]));
        world.link(officer, other);
        world.link(officer, hub);
        world.settle();
        world.now_ms += if restored { 0 } else { 90 * DAY_MS };
        world.run(20_000);
        world.start(away, disk);
        let late = capture(&mut world, away, &mut images);
        let note = [EditOp::Note { text: "late".to_owned().into() }];
        let _ = world.edit(away, About::Capture(ids[0]), &note);
        world.link(away, other);
        world.settle();
        let all = [officer, away, other, hub];
        assert!(world.agree_among(&all), "restored: {restored}");
        for device in all {
            nothing_is_left(&world, device, &images);
            assert!(is_erased(&world, device, ids[0]));
            // After ninety days the others are past their time, whoever had them, and what was made now isn't.
            assert!([ids[1], ids[2], own].iter().all(|id| is_erased(&world, device, *id) != restored));
            assert!(world.view(device, late).screened().is_some());
        }
    }
}

#[test]
fn what_is_past_its_time_goes_everywhere_and_it_is_said_once() {
    let mut world = World::new(3);
    let hub = world.add(Member::Hub);
    let all = [Member::Officer, Member::Supervisor, Member::Supervisor, Member::Carrier].map(|m| world.add(m));
    let mut images = Images::new();
    let ids: Vec<CaptureId> = (0..200).map(|_| world.capture(all[0], 1, 10)).collect();
    images.extend(ids.iter().map(|id| (*id, world.view(all[0], *id).origin.unwrap().blobs)));
    all.iter().for_each(|device| _ = world.link(*device, hub));
    world.settle();
    world.now_ms += 30 * DAY_MS;
    let fresh = capture(&mut world, all[1], &mut images);
    world.settle();
    for device in all.into_iter().chain([hub]) {
        for id in &ids {
            let erased = world.view(device, *id).erased.unwrap();
            assert_eq!((erased.statements.len(), erased.why()), (1, Some(Why::Expired)));
        }
        assert!(!is_erased(&world, device, fresh));
        nothing_is_left(&world, device, &images);
    }
    assert!(world.agree());
}

#[test]
fn without_a_word_each_device_does_it_a_day_later() {
    let mut world = World::new(4);
    world.add(Member::Hub);
    let [a, b] = [(); 2].map(|()| world.add(Member::Carrier));
    let officer = world.add(Member::Officer);
    let mut images = Images::new();
    let id = capture(&mut world, officer, &mut images);
    world.link(officer, a);
    world.link(a, b);
    world.settle();
    world.stop(officer);
    let after_ms = 30 * DAY_MS + GRACE_MS;
    world.now_ms += after_ms - 60_000;
    world.run(10_000);
    assert!(![a, b].iter().any(|device| is_erased(&world, *device, id)));
    world.run(60_000 + 900_000);
    for device in [a, b] {
        assert!(is_erased(&world, device, id));
        nothing_is_left(&world, device, &images);
    }
    assert!(world.agree_among(&[a, b]));
}

/// What a revoked device captured is in no list, so nobody came upon it when its time was over; and its images stayed with who
/// had them until the next start.
#[test]
fn what_is_set_aside_goes_too_when_its_time_is_over() {
    let mut world = World::new(7);
    world.hubs_answer = false;
    let hub = world.add(Member::Hub);
    let [a, b] = [(); 2].map(|()| world.add(Member::Supervisor));
    let [officer, thief] = [(); 2].map(|()| world.add(Member::Officer));
    [a, b, officer, thief].into_iter().for_each(|device| _ = world.link(hub, device));
    world.settle();
    world.cut_all();
    let mut images = Images::new();
    let void = capture(&mut world, thief, &mut images);
    world.link(thief, officer);
    world.settle();
    world.cut_all();
    let device = world.identity(thief).device();
    for supervisor in [a, b] {
        let vote = |replica: &mut Replica<MemoryStore>, now_ms| {
            let charge = replica.charge(device, Cause::Stolen, None)?;
            replica.vote_new(now_ms, charge)
        };
        world.write(supervisor, vote).unwrap();
    }
    heal(&mut world, &[a, b, officer]);
    assert!(world.view(officer, void).origin.is_none(), "it doesn't count");
    let holds = |world: &World| world.engine(officer).replica().whole_blob(&images[&void][0]).unwrap().is_some();
    assert!(holds(&world));
    world.now_ms += 30 * DAY_MS + GRACE_MS;
    world.run(2 * 60 * 60 * 1_000);
    assert!(is_erased(&world, officer, void) && !holds(&world));
    [a, b, officer].iter().for_each(|device| nothing_is_left(&world, *device, &images));
    assert!(world.agree_among(&[a, b, officer]));
}

/// An old peer, or a hostile one, sends images that nobody asked for, and entries that it stripped.
#[test]
fn images_pushed_are_not_kept_and_stripped_entries_not_taken() {
    let mut world = World::new(5);
    let hub = world.add(Member::Hub);
    let [officer, b] = [(); 2].map(|()| world.add(Member::Officer));
    let mut images = Images::new();
    let [id, other] = [(); 2].map(|()| capture(&mut world, officer, &mut images));
    let link = world.link(officer, b);
    world.settle();
    let replica = world.engine(officer).replica();
    let entries = entries_in(replica);
    let pushed: Vec<Vec<u8>> = images[&id].iter().flat_map(|blob| groups(replica, blob)).collect();
    assert!(erase(&mut world, officer, id));
    world.settle();
    for bytes in pushed {
        world.inject(link, b, bytes);
    }
    world.settle();
    nothing_is_left(&world, b, &images);
    // To a device that has nothing: first all without bodies, then as they are.
    let fresh = world.add(Member::Officer);
    let link = world.link(officer, fresh);
    world.run(6);
    let stripped = entries.iter().map(|entry| crdt::codec::encode(&entry.without_body()).into()).collect();
    world.inject(link, fresh, Frame::Entries(stripped).encode());
    world.settle();
    assert!(world.agree_among(&[officer, b, fresh]));
    assert!(world.view(fresh, other).origin.is_some_and(|origin| !origin.blobs.is_empty()));
    world.link(fresh, hub);
    world.settle();
    assert!(world.view(hub, other).screened().is_some() && is_erased(&world, hub, id));
    nothing_is_left(&world, hub, &images);
}

fn groups(replica: &Replica<MemoryStore>, blob: &BlobRef) -> Vec<Vec<u8>> {
    let bytes = replica.whole_blob(blob).unwrap().unwrap();
    let outline = crdt::blob::Outline::of(&bytes).unwrap().to_bytes();
    let group = |(index, group): (usize, &[u8])| {
        Frame::BlobGroup { blob: *blob, index: index as u32, bytes: group.to_vec().into() }.encode()
    };
    let outline = Frame::BlobOutline { blob: *blob, values: outline.into() }.encode();
    std::iter::once(outline).chain(bytes.chunks(16 * 1024).enumerate().map(group)).collect()
}

/// Whenever the power goes while something is erased, it is whole before or erased after, and never in between.
#[test]
fn a_power_cut_while_it_is_erased_leaves_nothing_in_between() {
    for pause_ms in 0..12 {
        let mut world = World::new(pause_ms);
        let hub = world.add(Member::Hub);
        let [officer, b] = [(); 2].map(|()| world.add(Member::Officer));
        let mut images = Images::new();
        let id = capture(&mut world, officer, &mut images);
        world.link(officer, b);
        world.settle();
        assert!(erase(&mut world, officer, id));
        world.run(pause_ms);
        let device = if pause_ms % 2 == 0 { officer } else { b };
        world.restart(device);
        let view = world.view(device, id);
        if view.erased.is_none() {
            let blobs = view.origin.unwrap().blobs;
            assert!(blobs.iter().all(|blob| world.engine(device).replica().whole_blob(blob).unwrap().is_some()));
        }
        nothing_is_left(&world, device, &images);
        heal(&mut world, &[officer, b, hub]);
        assert!(world.agree());
        [officer, b, hub].iter().for_each(|device| nothing_is_left(&world, *device, &images));
    }
}
