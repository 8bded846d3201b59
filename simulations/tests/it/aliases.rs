//! A member's capture that names another's images: with their lengths or with wrong ones, it makes nothing whole that isn't,
//! takes nothing away, and keeps nothing from arriving.

use crdt::blob::BlobRef;
use crdt::entry::{About, ENTRY_VERSION, Entry, Header};
use crdt::ids::CaptureId;
use crdt::statement::{Capture, Fork, Priority, Statement, capture_id};
use crdt::store::Store;
use crdt::sync::Event;
use crdt::time::Hlc;
use simulations::{Member, World};

/// States a capture of `device` that names `blobs`.
fn state_alias(world: &mut World, device: usize, nonce: u8, blobs: Vec<BlobRef>) -> CaptureId {
    let id = capture_id(world.identity(device).device(), &[nonce; 16]);
    let capture = Capture {
        nonce: [nonce; 16].into(),
        purpose: "exercise".into(),
        // Before all others.
        priority: Priority::Urgent,
        delete_after_ms: u64::MAX,
        keys: vec![],
        inside: vec![].into(),
        blobs,
    };
    world.state(device, About::Capture(id), &Statement::Capture(Box::new(capture))).unwrap();
    id
}

fn blobs_of(world: &World, device: usize, capture: CaptureId) -> Vec<BlobRef> {
    world.view(device, capture).origin.unwrap().blobs
}

fn holds(world: &World, device: usize, blobs: &[BlobRef]) -> bool {
    blobs.iter().all(|blob| world.engine(device).replica().whole_blob(blob).unwrap().is_some())
}

fn whole(world: &World, device: usize, capture: CaptureId) -> usize {
    world.device(device).events.iter().filter(|event| **event == Event::Whole(capture)).count()
}

/// Lengths that aren't the blob's: in the same group, in another one, the shortest and the longest there are.
fn lies(blob: BlobRef) -> Vec<BlobRef> {
    let longest = crdt::blob::BLOB_BYTES_MAX as u32;
    let bytes = [blob.bytes - 1, blob.bytes + 1, 1, blob.bytes + 50_000, longest];
    bytes.into_iter().map(|bytes| BlobRef { bytes, ..blob }).collect()
}

/// The first capture to name a blob decided how long it was. With a wrong length the right one's groups didn't hold: peers were
/// blamed for them, and the capture whose images they are was never whole.
#[test]
fn a_wrong_length_keeps_no_image_from_arriving_and_makes_nothing_whole() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let hub = world.add(Member::Hub);
        let [victim, attacker, b] = [(); 3].map(|()| world.add(Member::Officer));
        let bytes = [10, 16_000, 40_000, 100_000][seed as usize % 4];
        let id = world.capture(victim, 2, bytes);
        let blobs = blobs_of(&world, victim, id);
        let lies: Vec<Vec<BlobRef>> = blobs.iter().flat_map(|blob| lies(*blob)).map(|lie| vec![lie]).collect();
        let mut nonces = 0..;
        let mut aliases: Vec<CaptureId> = Vec::new();
        for lie in lies.into_iter().chain([vec![blobs[0], lies_about(blobs[1])]]) {
            aliases.push(state_alias(&mut world, attacker, nonces.next().unwrap(), lie));
        }
        // The lie comes first, or the truth, or both at once.
        let links = [[attacker, victim], [victim, attacker]][seed as usize % 2];
        for device in links {
            world.link(device, b);
            if seed % 3 > 0 {
                world.settle();
            }
        }
        world.settle();
        assert!(whole(&world, b, id) == 1 && holds(&world, b, &blobs), "seed {seed}");
        world.restart(b);
        world.cut_all();
        world.crash(victim);
        // Also if the attacker is the one who carries it to the hub.
        world.link(attacker, hub);
        if seed % 5 > 0 {
            world.link(b, hub);
        }
        world.settle();
        assert_eq!(world.view(hub, id).receipts.len(), 1, "seed {seed}");
        for alias in aliases {
            assert!(world.view(hub, alias).origin.is_some());
            for device in [hub, b, attacker] {
                assert_eq!(whole(&world, device, alias), 0, "seed {seed}, device {device}");
            }
            assert!(!world.engine(attacker).whole_captures().contains(&alias), "seed {seed}");
        }
        for (device, other) in [(b, victim), (b, attacker), (hub, attacker), (hub, b)] {
            let other = world.identity(other).device();
            assert!(world.engine(device).conduct().all(|(who, _)| *who != other), "seed {seed}: nobody is blamed");
        }
    }
}

fn lies_about(blob: BlobRef) -> BlobRef {
    lies(blob).remove(0)
}

/// A capture's id is its device's, whichever log states it.
#[test]
fn nobody_can_claim_the_capture_of_another() {
    let mut world = World::new(1);
    world.add(Member::Hub);
    let [victim, attacker] = [(); 2].map(|()| world.add(Member::Officer));
    let id = world.capture(victim, 1, 10);
    world.link(victim, attacker);
    world.settle();
    let origin = world.view(attacker, id).origin.unwrap();
    let entry = world.engine(attacker).replica().entry(origin.at).unwrap().unwrap();
    let statement = Statement::decode(crdt::statement::Kind::Capture, &entry.body.unwrap()).unwrap();
    world.state(attacker, About::Capture(id), &statement).unwrap();
    world.settle();
    for device in [victim, attacker] {
        assert_eq!(world.view(device, id).origin, Some(origin.clone()));
        assert_eq!(world.engine(device).replica().captures(), 1);
    }
}

/// Three devices hold a victim's capture, and an attacker's one that names the same images; the victim itself is gone.
fn after_the_victim(seed: u64) -> (World, [usize; 3], [CaptureId; 2], Vec<BlobRef>) {
    let mut world = World::new(seed);
    let hub = world.add(Member::Hub);
    let [victim, attacker, b] = [(); 3].map(|()| world.add(Member::Officer));
    let id = world.capture(victim, 2, 40_000);
    let blobs = blobs_of(&world, victim, id);
    if seed.is_multiple_of(2) {
        state_alias(&mut world, attacker, 1, blobs.clone());
    }
    world.link(victim, b);
    world.link(attacker, b);
    world.settle();
    let alias = match seed % 2 {
        0 => capture_id(world.identity(attacker).device(), &[1; 16]),
        _ => state_alias(&mut world, attacker, 1, blobs.clone()),
    };
    world.settle();
    world.cut_all();
    world.crash(victim);
    (world, [hub, attacker, b], [id, alias], blobs)
}

/// A receipt lets carriers drop a capture's images; not those that another capture needs as well.
#[test]
fn the_receipt_of_another_capture_takes_no_image_away() {
    for seed in 0..8 {
        let (mut world, [hub, attacker, b], [id, alias], blobs) = after_the_victim(seed);
        // The hub hears of both from the attacker, and of the alias's receipt b hears first.
        world.hubs_answer = false;
        let link = world.link(attacker, hub);
        world.settle();
        world.write(hub, |replica, now_ms| replica.receipt_new(now_ms, alias)).unwrap();
        world.settle();
        world.cut(link);
        world.link(attacker, b);
        world.settle();
        assert!(world.view(b, alias).accepted().is_some() && world.view(b, id).accepted().is_none());
        assert!(holds(&world, b, &blobs), "seed {seed}");
        world.restart(b);
        world.settle();
        assert!(holds(&world, b, &blobs), "seed {seed}: after a restart");
        // At the hub, too, the answer to one of them leaves the other's images.
        world.write(hub, |replica, now_ms| replica.receipt_new(now_ms, id)).unwrap();
        let content = crdt::statement::VerdictContent::inconclusive("not this hub's");
        world.write(hub, |replica, now_ms| replica.verdict_new(now_ms, [1; 32], alias, &content)).unwrap();
        world.settle();
        for _ in 0..2 {
            let opened = world.engine(hub).replica().open_capture(id).unwrap().unwrap().unwrap();
            assert_eq!(opened.images.len(), 2, "seed {seed}");
            world.restart(hub);
        }
        world.write(hub, |replica, now_ms| replica.verdict_new(now_ms, [2; 32], id, &content)).unwrap();
        world.link(hub, b);
        world.settle();
        assert!(
            world.engine(hub).replica().store().blob_list().unwrap().is_empty(),
            "seed {seed}: nobody needs them now"
        );
        assert!(world.engine(b).replica().store().blob_list().unwrap().is_empty(), "seed {seed}");
    }
}

/// The attacker forks his log, so that his capture is cut: the images that it named stay with the victim's.
#[test]
fn the_cut_of_another_capture_takes_no_image_away() {
    for seed in 0..8 {
        let (mut world, [hub, attacker, b], [id, alias], blobs) = after_the_victim(seed);
        let fork = forked(&world, attacker, world.view(b, alias).origin.unwrap().at.seq);
        world.state(b, About::Site, &Statement::Fork(Box::new(fork))).unwrap();
        world.settle();
        assert!(world.view(b, alias).origin.is_none());
        assert!(holds(&world, b, &blobs), "seed {seed}");
        if seed % 3 == 0 {
            world.restart(b);
        }
        world.link(b, hub);
        world.settle();
        assert_eq!(world.view(hub, id).receipts.len(), 1, "seed {seed}");
        assert!(
            world.engine(b).replica().store().blob_list().unwrap().is_empty(),
            "seed {seed}: it was the last to need them"
        );
        // What its author says again of it is a capture like any other, whose images are nowhere now but with him.
        world.link(attacker, b);
        world.settle();
        assert!(world.view(hub, alias).origin.is_some());
        assert!(world.agree_among(&[hub, attacker, b]), "seed {seed}");
    }
}

/// Evidence that a device wrote two entries at one place of its log.
fn forked(world: &World, device: usize, seq: u64) -> Fork {
    let replica = world.engine(device).replica();
    let log = replica.own_author().log();
    let entry = replica.entry(crdt::view::EntryRef { log, seq }).unwrap().unwrap();
    let header = Header { version: ENTRY_VERSION, time: Hlc(1), kind: 200, ..entry.header().clone() };
    let other = Entry::sign(&world.identity(device).key, header, vec![]);
    Fork::of(&entry.signed, &other.signed).unwrap()
}
