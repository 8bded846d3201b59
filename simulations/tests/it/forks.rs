//! One author, two histories: a cloned device is caught and loses nothing, a restored one isn't mistaken for it.

use std::collections::BTreeMap;

use crdt::entry::About;
use crdt::ids::CaptureId;
use crdt::seal::derive;
use crdt::statement::{Outcome, ReviewContent};
use crdt::store::memory::MemoryStore;
use crdt::time::Hlc;
use simulations::{Member, World};

/// Another device that goes on from the same disk, with the same keys.
fn copy_of(world: &mut World, device: usize, store: &MemoryStore) -> usize {
    let (identity, membership) = (world.identity(device).clone(), world.site.membership());
    world.add_as(Member::Officer, identity, membership, store.clone())
}

/// A device is stopped, its disk is copied, and it goes on.
fn clone_of(world: &mut World, device: usize) -> usize {
    let store = world.stop(device);
    world.start(device, store.clone());
    copy_of(world, device, &store)
}

/// Captures, and waits for the disk: what an officer reads as recorded.
fn record(world: &mut World, device: usize) -> (CaptureId, Hlc) {
    let (images, bytes) = (1 + world.draw(2) as u8, 1 + world.draw(40_000) as usize);
    let id = world.capture(device, images, bytes);
    world.run(20);
    (id, world.view(device, id).origin.unwrap().time)
}

#[test]
fn a_cloned_device_is_frozen_at_the_same_place_everywhere() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.add(Member::Hub);
        let [victim, b, c] = [(); 3].map(|()| world.add(Member::Officer));
        let common = 1 + world.draw(40);
        let before: Vec<_> = (0..common).map(|_| world.capture(victim, 1, 10)).collect();
        world.link(victim, b);
        world.settle();
        world.cut_all();
        let clone = clone_of(&mut world, victim);
        for device in [victim, clone] {
            for _ in 0..=world.draw(30) {
                world.capture(device, 1, 10);
            }
        }
        world.link(victim, b);
        world.link(clone, c);
        world.settle();
        world.link(b, c);
        world.settle();
        let log = world.view(b, before[0]).origin.unwrap().at.log;
        // Certificate, the common captures, then the first entry that differs.
        for device in [b, c, victim, clone] {
            let replica = world.engine(device).replica();
            assert_eq!(replica.frozen_at(&log), Some(common + 2), "seed {seed}, device {device}");
            assert_eq!(replica.log(&log).unwrap().head.height, common + 1, "seed {seed}, device {device}");
            assert!(before.iter().all(|id| world.view(device, *id).origin.is_some()));
        }
        assert!(world.agree_among(&[b, c, victim, clone]), "seed {seed}");
    }
}

/// Both copies of a cloned device went on under one next log and forked that too, and all that they had captured since they
/// parted was gone: cut, everywhere, and their officers had long let the people go.
#[test]
fn no_capture_of_any_copy_is_lost() {
    let (mut copied, mut forks) = (0, 0);
    for seed in 0..40 {
        let outcome = copies_apart(seed);
        copied += outcome.0;
        forks += outcome.1;
    }
    println!("{copied} captures of copies, {forks} logs cut");
    assert!(copied > 400 && forks > 20);
}

/// Two or three copies, three others and a hub meet in any order, with crashes; in the end all meet.
fn copies_apart(seed: u64) -> (usize, usize) {
    let mut world = World::new(seed);
    let hub = world.add(Member::Hub);
    let others = [(); 3].map(|()| world.add(Member::Officer));
    let victim = world.add(Member::Officer);
    let mut recorded: BTreeMap<CaptureId, Hlc> = BTreeMap::new();
    for _ in 0..world.draw(4) {
        recorded.extend([record(&mut world, victim)]);
    }
    let disk = world.stop(victim);
    world.start(victim, disk.clone());
    let mut copies = vec![victim];
    for _ in 0..1 + seed % 2 {
        copies.push(copy_of(&mut world, victim, &disk));
    }
    // The hub is in reach from the start, later, or only in the end.
    let all = [copies.clone(), others.to_vec(), vec![hub]].concat();
    for step in 0..40 {
        let in_reach = all.len() - usize::from(step < 15 * (seed % 4));
        let (a, b) = (world.draw(in_reach as u64) as usize, world.draw(in_reach as u64) as usize);
        match world.draw(8) {
            0..=2 => {
                let device = copies[world.draw(copies.len() as u64) as usize];
                recorded.extend([record(&mut world, device)]);
            }
            3..=5 if a != b => _ = world.link(all[a], all[b]),
            6 => world.restart(all[a]),
            7 => world.cut_all(),
            _ => {}
        }
        let pause = world.draw(300);
        world.run(pause);
    }
    heal(&mut world, &all);
    for (id, time) in &recorded {
        for device in &all {
            let view = world.view(*device, *id);
            let origin = view.origin.clone().unwrap_or_else(|| panic!("seed {seed}: lost on device {device}"));
            assert_eq!(origin.time, *time, "seed {seed}: it is dated as it was");
            assert_eq!((view.receipts.len(), view.verdicts.len()), (1, 1), "seed {seed}, device {device}");
            assert!(view.accepted().is_some() && view.screened().is_some(), "seed {seed}: of this very payload");
        }
    }
    assert!(world.agree(), "seed {seed}");
    assert_eq!(world.engine(hub).replica().captures(), recorded.len() as u64, "seed {seed}");
    assert_eq!(world.engine(hub).missing().0, 0, "seed {seed}");
    (recorded.len(), world.engine(hub).replica().frozen().count())
}

/// Everybody meets, in a line in any order: nobody but the last has the hub at hand.
fn heal(world: &mut World, all: &[usize]) {
    let mut line = all[..all.len() - 1].to_vec();
    for at in (1..line.len()).rev() {
        let other = world.draw(at as u64 + 1) as usize;
        line.swap(at, other);
    }
    line.push(all[all.len() - 1]);
    world.cut_all();
    line.windows(2).for_each(|pair| _ = world.link(pair[0], pair[1]));
    world.settle();
}

/// The device that both copies are one of has no history of its own to tell apart: the other copy's captures come to it as
/// its own, and it said that it held their images.
#[test]
fn a_copy_fetches_the_images_of_what_the_other_captured() {
    let mut world = World::new(7);
    let hub = world.add(Member::Hub);
    let [victim, b] = [(); 2].map(|()| world.add(Member::Officer));
    world.capture(victim, 1, 10);
    world.settle();
    let clone = clone_of(&mut world, victim);
    let ids = [victim, clone].map(|device| world.capture(device, 2, 30_000));
    world.link(victim, clone);
    world.settle();
    // The clone is lost, and only the victim meets the hub.
    world.crash(clone);
    world.link(victim, hub);
    world.settle();
    assert!(ids.iter().all(|id| world.view(hub, *id).accepted().is_some()));
    world.link(victim, b);
    world.settle();
    assert!(world.agree_among(&[victim, hub, b]));
}

#[test]
fn a_frozen_device_goes_on_under_a_new_log() {
    let mut world = World::new(1);
    world.add(Member::Hub);
    let [victim, b] = [(); 2].map(|()| world.add(Member::Officer));
    world.capture(victim, 1, 10);
    world.settle();
    let clone = clone_of(&mut world, victim);
    world.capture(victim, 1, 10);
    world.capture(clone, 1, 10);
    world.link(victim, b);
    world.link(clone, b);
    world.settle();
    world.cut_all();
    // Each has a log of its own now: apart or not, they don't fork again.
    let later = [victim, clone].map(|device| world.capture(device, 1, 10));
    world.settle();
    world.link(victim, b);
    world.link(clone, b);
    world.settle();
    assert!(later.iter().all(|id| world.view(b, *id).origin.is_some()));
    assert_eq!(world.engine(b).replica().frozen().count(), 1);
    assert!(world.agree_among(&[victim, clone, b]));
}

/// What a cut made a device say again went out to all but the one whose news had cut it, before it was on disk. A crash took it
/// back, and others had a log that its author knew nothing of.
#[test]
fn what_is_said_again_is_not_pushed_before_it_is_on_disk() {
    let mut world = World::new(8);
    world.add(Member::Hub);
    let [victim, b, c, d] = [(); 4].map(|()| world.add(Member::Officer));
    world.capture(victim, 1, 10);
    world.settle();
    let clone = clone_of(&mut world, victim);
    let [id, _] = [victim, clone].map(|device| world.capture(device, 1, 10));
    world.link(clone, b);
    world.link(victim, c);
    world.link(victim, d);
    world.settle();
    // Their histories meet at b and c, and c tells the victim.
    world.link(b, c);
    while world.engine(victim).replica().frozen().count() == 0 {
        world.step();
    }
    let again = world.view(victim, id).origin.unwrap().at;
    assert_eq!(again.log, world.engine(victim).replica().own_author().log());
    while world.engine(victim).replica().frontier().get(&again.log).is_none_or(|head| head.height < again.seq) {
        assert!([c, d].iter().all(|device| world.engine(*device).replica().log(&again.log).is_none()));
        world.step();
    }
    world.settle();
    assert!(world.agree_among(&[victim, clone, b, c, d]));
}

/// A carrier lost its copy of a capture that was cut, and said afterwards that it had it all the same. When it had it again that
/// was no news, so nobody asked.
#[test]
fn a_carrier_says_anew_what_it_has_anew() {
    for pause_ms in [300, 12_000] {
        let mut world = World::new(6);
        let hub = world.add(Member::Hub);
        let [victim, b] = [(); 2].map(|()| world.add(Member::Officer));
        world.capture(victim, 1, 10);
        world.settle();
        let clone = clone_of(&mut world, victim);
        let [id, _] = [victim, clone].map(|device| world.capture(device, 1, 90_000));
        world.link(victim, b);
        world.settle();
        world.cut_all();
        world.link(clone, b);
        world.run(pause_ms);
        assert!(world.view(b, id).origin.is_none());
        world.restart(b);
        world.link(b, hub);
        world.settle();
        world.link(victim, b);
        world.settle();
        assert!(world.view(hub, id).accepted().is_some(), "after {pause_ms} ms");
    }
}

/// Not only captures: what a copied supervisor said of others' captures holds as well, and is said once.
#[test]
fn what_a_copied_supervisor_said_is_said_again() {
    let mut world = World::new(3);
    let hub = world.add(Member::Hub);
    let [victim, b] = [Member::Supervisor, Member::Officer].map(|member| world.add(member));
    let ids = [(); 2].map(|()| world.capture(b, 1, 10));
    world.link(b, hub);
    world.link(victim, hub);
    world.settle();
    world.cut_all();
    let clone = clone_of(&mut world, victim);
    for (device, id) in [victim, clone].into_iter().zip(ids) {
        let content = ReviewContent { outcome: Outcome::Refuted, note: "another whorl".to_owned().into() };
        let seed = derive(&[3; 32], &device.to_string());
        world.write(device, |replica, now_ms| replica.review_new(now_ms, seed, id, &content)).unwrap();
        world.write(device, |replica, now_ms| replica.seen_new(now_ms, id)).unwrap();
    }
    world.link(victim, clone);
    world.link(clone, b);
    world.settle();
    for id in ids {
        let view = world.view(b, id);
        assert_eq!((view.reviews.len(), view.seen.len()), (1, 1));
        let said = world.engine(b).replica().reviews(id).unwrap().remove(0);
        assert_eq!(said.content.unwrap().outcome, Outcome::Refuted);
    }
    assert!(world.agree_among(&[victim, clone, b]));
}

/// Edits are bound to their log: those of the cut part are lost, those on captures that come back are not.
#[test]
fn what_others_wrote_about_a_cut_capture_comes_back_with_it() {
    let mut world = World::new(4);
    world.add(Member::Hub);
    let [victim, b, c] = [(); 3].map(|()| world.add(Member::Officer));
    world.capture(victim, 1, 10);
    world.settle();
    let clone = clone_of(&mut world, victim);
    let [id, _] = [victim, clone].map(|device| world.capture(device, 1, 10));
    let link = world.link(victim, b);
    world.settle();
    let note = crdt::record::EditOp::Note { text: "a note".to_owned().into() };
    world.edit(b, About::Capture(id), &[note]).unwrap();
    world.cut(link);
    world.link(clone, b);
    world.settle();
    assert!(world.view(b, id).origin.is_none(), "cut, and its author hasn't heard of it yet");
    world.link(victim, b);
    world.link(c, b);
    world.settle();
    for device in [victim, clone, b, c] {
        assert_eq!(world.record(device, About::Capture(id)).notes.len(), 1);
        assert!(world.view(device, id).origin.is_some());
    }
}

#[test]
fn a_device_restored_from_a_backup_begins_a_new_log_instead_of_forking() {
    let mut world = World::new(2);
    world.add(Member::Hub);
    let [a, b] = [(); 2].map(|()| world.add(Member::Officer));
    let first = world.capture(a, 1, 10);
    world.settle();
    let backup = world.stop(a);
    world.start(a, backup.clone());
    let second = world.capture(a, 1, 10);
    world.link(a, b);
    world.settle();
    world.crash(a);
    world.start(a, backup);
    world.link(a, b);
    world.settle();
    let third = world.capture(a, 1, 10);
    world.settle();
    for device in [a, b] {
        for id in [first, second, third] {
            assert!(world.view(device, id).origin.is_some());
        }
        assert_eq!(world.engine(device).replica().frozen().count(), 0);
    }
    assert!(world.agree_among(&[a, b]));
}
