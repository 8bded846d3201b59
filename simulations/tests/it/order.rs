//! Any order, any repetition, any split of the same entries gives the same state, bit for bit.

use crdt::entry::Entry;
use crdt::replica::Replica;
use crdt::store::memory::{DiskModel, MemoryStore};
use proptest::prelude::*;
use simulations::{Member, World};

use crate::kit::entries_of;

/// A world with captures, answers, readings and a fork, and all its entries.
fn history(seed: u64) -> (World, usize, Vec<Entry>) {
    let mut world = World::new(seed);
    let hub = world.add(Member::Hub);
    let [a, b] = [Member::Officer, Member::Supervisor].map(|m| world.add(m));
    for officer in [a, b, a, a] {
        let id = world.capture(officer, 1, 100);
        world.link(officer, hub);
        world.settle();
        world.cut_all();
        world.write(officer, |replica, now_ms| replica.seen_new(now_ms, id)).unwrap();
    }
    world.link(a, b);
    world.link(b, hub);
    world.settle();
    let entries = entries_of(&world, hub);
    let observer = world.add(Member::Carrier);
    (world, observer, entries)
}

fn empty(world: &World, device: usize) -> Replica<MemoryStore> {
    let store = MemoryStore::new(DiskModel::AtOnce);
    Replica::open(store, world.identity(device).clone(), world.site.membership()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_order_repetition_and_split_gives_the_same_state(
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
        sizes in prop::collection::vec(1usize..9, 40),
    ) {
        let (world, observer, entries) = history(5);
        let mut straight = empty(&world, observer);
        straight.ingest(0, entries.clone()).unwrap();
        let mut shuffled = empty(&world, observer);
        let drawn: Vec<Entry> = order.iter().map(|index| index.get(&entries).clone()).collect();
        let mut rest = [drawn, entries.iter().rev().cloned().collect()].concat();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let piece = rest.drain(..(*size).min(rest.len())).collect();
            shuffled.ingest(0, piece).unwrap();
        }
        prop_assert_eq!(straight.fingerprint().unwrap(), shuffled.fingerprint().unwrap());
        let reopened = {
            let (identity, membership) = (world.identity(observer).clone(), world.site.membership());
            Replica::open(shuffled.into_store(), identity, membership).unwrap()
        };
        prop_assert_eq!(straight.fingerprint().unwrap(), reopened.fingerprint().unwrap());
        prop_assert_eq!(straight.captures(), reopened.captures());
    }
}

/// Evidence of a fork may come before, between or after the entries that it voids.
#[test]
fn the_order_of_evidence_and_entries_does_not_matter() {
    let mut world = World::new(9);
    world.add(Member::Hub);
    let [victim, b] = [(); 2].map(|()| world.add(Member::Officer));
    world.capture(victim, 1, 10);
    world.settle();
    let store = world.stop(victim);
    world.start(victim, store.clone());
    let (identity, membership) = (world.identity(victim).clone(), world.site.membership());
    let clone = world.add_as(Member::Officer, identity, membership, store);
    for device in [victim, clone] {
        for _ in 0..3 {
            world.capture(device, 1, 10);
        }
        world.settle();
    }
    let voided: Vec<Entry> = [victim, clone].iter().flat_map(|device| entries_of(&world, *device)).collect();
    world.link(victim, b);
    world.link(clone, b);
    world.settle();
    let counts = entries_of(&world, b);
    assert_eq!(world.engine(b).replica().frozen().count(), 1);
    let state = |pieces: &[&[Entry]]| {
        let mut replica = empty(&world, b);
        for piece in pieces {
            replica.ingest(0, piece.to_vec()).unwrap();
        }
        replica.fingerprint().unwrap()
    };
    let (half_a, half_b) = voided.split_at(voided.len() / 2);
    let expected = state(&[&counts]);
    assert_eq!(state(&[half_a, &counts, half_b]), expected);
    assert_eq!(state(&[half_b, half_a, &counts]), expected);
    assert_eq!(state(&[&counts, half_b, half_a]), expected);
}
