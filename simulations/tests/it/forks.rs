//! One author, two histories: a cloned device is caught, a restored one isn't mistaken for it.

use simulations::{Member, World};

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
        let store = world.stop(victim);
        world.start(victim, store.clone());
        let (identity, membership) = (world.identity(victim).clone(), world.site.membership());
        let clone = world.add_as(Member::Officer, identity, membership, store);
        let ours = (0..=world.draw(30)).map(|_| world.capture(victim, 1, 10)).last().unwrap();
        let theirs = (0..=world.draw(30)).map(|_| world.capture(clone, 1, 10)).last().unwrap();
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
            assert!(world.view(device, ours).origin.is_none() && world.view(device, theirs).origin.is_none());
            assert!(before.iter().all(|id| world.view(device, *id).origin.is_some()));
        }
        assert!(world.agree_among(&[b, c, victim, clone]), "seed {seed}");
    }
}

#[test]
fn a_frozen_device_goes_on_under_a_new_log() {
    let mut world = World::new(1);
    world.add(Member::Hub);
    let [victim, b] = [(); 2].map(|()| world.add(Member::Officer));
    world.capture(victim, 1, 10);
    world.settle();
    let store = world.stop(victim);
    world.start(victim, store.clone());
    let (identity, membership) = (world.identity(victim).clone(), world.site.membership());
    let clone = world.add_as(Member::Officer, identity, membership, store);
    world.capture(victim, 1, 10);
    world.capture(clone, 1, 10);
    world.link(victim, b);
    world.link(clone, b);
    world.settle();
    let later = world.capture(victim, 1, 10);
    world.settle();
    assert!(world.view(b, later).origin.is_some());
    assert!(world.agree_among(&[victim, clone, b]));
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
