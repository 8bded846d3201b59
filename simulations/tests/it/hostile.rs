//! Strangers, liars and garbage: nobody panics, nobody learns what isn't theirs, the others go on.

use crdt::entry::DeviceKey;
use crdt::replica::Identity;
use crdt::site::{Authority, Request, Roles};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::sync::Event;
use crdt::sync::frame::Frame;
use simulations::{Member, World};

fn admitted(world: &World, device: usize) -> usize {
    world.device(device).events.iter().filter(|event| matches!(event, Event::Admitted { .. })).count()
}

#[test]
fn a_stranger_learns_nothing_and_is_dropped() {
    let mut world = World::new(1);
    world.add(Member::Hub);
    let member = world.add(Member::Officer);
    let mut elsewhere = World::new(2);
    let identity = elsewhere.site.enrol(Member::Supervisor);
    let membership = elsewhere.site.membership();
    let store = MemoryStore::new(DiskModel::AtOnce);
    let stranger = world.add_as(Member::Supervisor, identity, membership, store);
    for (a, b) in [(stranger, member), (member, stranger)] {
        world.link(a, b);
        world.settle();
        assert_eq!((admitted(&world, member), admitted(&world, stranger)), (0, 0));
        assert!(world.links().is_empty(), "the link is closed");
    }
    // All that a member ever says to a stranger is a tag that means nothing without the site's id.
    let sent = world.engine(member).traffic().sent_bytes;
    assert!(sent <= 20, "{sent} bytes");
}

#[test]
fn an_expired_certificate_is_refused_in_words_and_a_valid_one_is_not() {
    let mut world = World::new(3);
    world.add(Member::Hub);
    let member = world.add(Member::Officer);
    let (expired, valid) = (world.now_ms, world.now_ms + 1);
    let membership = world.site.membership();
    for (until, expected) in [(expired, 0), (valid + 60_000, 1)] {
        let identity = world.site.enrol_until(Member::Officer, until);
        let store = MemoryStore::new(DiskModel::WhenSynced);
        let late = world.add_as(Member::Officer, identity, membership.clone(), store);
        world.link(late, member);
        world.settle();
        assert_eq!(admitted(&world, late), expected);
        let told = format!("{:?}", world.device(late).events);
        assert_eq!(told.contains("expired"), expected == 0, "{told}");
        world.cut_all();
    }
}

#[test]
fn someone_elses_certificate_admits_nobody() {
    let mut world = World::new(4);
    world.add(Member::Hub);
    let [member, other] = [(); 2].map(|()| world.add(Member::Officer));
    let borrowed = world.identity(other).clone();
    let thief = Identity { key: DeviceKey::from_seed([9; 32]), ..borrowed.clone() };
    let forged = Authority::from_seed([8; 32]).certify(
        &Request { device: thief.key.id(), sealing_key: [0; 32] },
        Roles::SUPERVISOR,
        "me",
        (0, u64::MAX),
    );
    let membership = world.site.membership();
    for certificate in [borrowed.certificate, forged] {
        let identity = Identity { certificate, ..thief.clone() };
        let store = MemoryStore::new(DiskModel::WhenSynced);
        let intruder = world.add_as(Member::Officer, identity, membership.clone(), store);
        world.link(intruder, member);
        world.settle();
        assert_eq!(admitted(&world, member), 0);
    }
}

#[test]
fn mutated_frames_never_panic_and_never_change_what_others_hold() {
    let mut tried = 0;
    for seed in 0..30 {
        let mut world = World::new(seed);
        let hub = world.add(Member::Hub);
        let [a, b] = [(); 2].map(|()| world.add(Member::Officer));
        for _ in 0..5 {
            world.capture(a, 1, 40_000);
        }
        let samples = samples(&mut world, a, b);
        for _ in 0..60 {
            let link = world.link(a, b);
            let pause = world.draw(40);
            world.run(pause);
            for _ in 0..1 + world.draw(4) {
                let mut bytes = samples[world.draw(samples.len() as u64) as usize].clone();
                for _ in 0..1 + world.draw(3) {
                    let at = world.draw(bytes.len() as u64) as usize;
                    bytes[at] ^= 1 << world.draw(8);
                }
                let keep = world.draw(bytes.len() as u64 * 3) as usize + 1;
                bytes.truncate(keep);
                world.inject(link, b, bytes);
                tried += 1;
            }
            world.run(20);
            world.cut_all();
        }
        for device in [a, b] {
            world.link(device, hub);
        }
        world.settle();
        assert!(world.agree(), "seed {seed}");
        assert_eq!(world.engine(hub).replica().captures(), 5);
    }
    println!("{tried} mutated frames");
}

/// One frame of each sort, as they really occur between two members.
fn samples(world: &mut World, a: usize, b: usize) -> Vec<Vec<u8>> {
    let replica = world.engine(a).replica();
    let own = replica.own_author().log();
    let entries = replica.entries_from(own, 1, 9, usize::MAX).unwrap();
    let entry = replica.entry(crdt::view::EntryRef { log: own, seq: 2 }).unwrap().unwrap();
    let view = replica.capture(entry.header().about.capture().unwrap()).unwrap().unwrap();
    let blob = view.origin.unwrap().blobs[0];
    let group = replica.whole_blob(&blob).unwrap().unwrap()[..16_384].to_vec();
    let certificate = world.identity(b).certificate.clone();
    let ground = crdt::replica::Ground::Expired { header: Box::new(entry.signed.clone()), nonce: [1; 16].into() };
    let certificates = vec![certificate.clone()];
    let item = crdt::sync::frame::Item { log: own, height: 4, prefix: [7; 8].into() };
    let fact = crdt::knowledge::Fact::Holds(entry.header().about.capture().unwrap());
    [
        Frame::Knock { version: 1, tag: [1; 16].into() },
        Frame::Hello(Box::new(certificate)),
        Frame::Admitted,
        Frame::Frontier { items: vec![item], opening: true },
        Frame::Want { log: own, from: 1, to: 3 },
        Frame::Entries(entries.into_iter().map(Into::into).collect()),
        Frame::Credit(5),
        Frame::Knowledge(vec![(world.identity(a).device(), vec![fact])]),
        Frame::BlobWant { blob, first: 0, count: 2, outline: true },
        Frame::BlobOutline { blob, values: vec![3; 96].into() },
        Frame::BlobGroup { blob, index: 1, bytes: group.into() },
        Frame::BlobGone(blob),
        Frame::Probe { log: own, lo: 0, hi: 4, middle: [0; 8].into() },
        Frame::Parting(Box::new(entry.signed)),
        Frame::Erased { certificates, grounds: vec![(0, ground)] },
    ]
    .iter()
    .map(Frame::encode)
    .collect()
}
