//! Devices that don't belong any more: what they wrote before stays, what they write after counts nowhere, in whatever order
//! the news travels.

use std::collections::{BTreeMap, BTreeSet};

use crdt::codec::encode;
use crdt::entry::{About, Entry};
use crdt::ids::{CaptureId, DeviceId, EntryHash};
use crdt::record::EditOp;
use crdt::replica::{AppendError, DECISIONS_MAX, Identity, Query, Replica};
use crdt::revocation::Cause;
use crdt::seal::{Reader, Sealed};
use crdt::statement::{GroupKeyGrant, GroupKeys, Kind, Statement, Why};
use crdt::store::Store;
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::sync::{CloseReason, Event};
use proptest::prelude::*;
use simulations::{Member, World};

use crate::kit::entries_of;

/// A hub, two supervisors, an officer, and a thief with a device of the site; all have met, and the thief has captured once.
struct Post {
    world: World,
    hub: usize,
    supervisors: [usize; 2],
    officer: usize,
    thief: usize,
    before: CaptureId,
}

fn post(seed: u64) -> Post {
    let mut world = World::new(seed);
    world.hubs_answer = false;
    let hub = world.add(Member::Hub);
    let supervisors = [(); 2].map(|()| world.add(Member::Supervisor));
    let [officer, thief] = [(); 2].map(|()| world.add(Member::Officer));
    let before = world.capture(thief, 1, 100);
    for device in [supervisors[0], supervisors[1], officer, thief] {
        world.link(hub, device);
    }
    world.settle();
    world.cut_all();
    Post { world, hub, supervisors, officer, thief, before }
}

impl Post {
    fn id(&self, device: usize) -> DeviceId {
        self.world.identity(device).device()
    }

    /// A supervisor votes that a device be revoked, with all trusted that the supervisor has of it.
    fn vote(&mut self, by: usize, against: usize) {
        let device = self.id(against);
        let written = self.world.write(by, |replica, now_ms| {
            let charge = replica.charge(device, Cause::Stolen, None)?;
            replica.vote_new(now_ms, charge)
        });
        written.unwrap();
    }

    fn meet(&mut self, one: usize, other: usize) {
        let link = self.world.link(one, other);
        self.world.settle();
        self.world.cut(link);
    }

    fn knows(&self, device: usize, capture: CaptureId) -> bool {
        self.world.view(device, capture).origin.is_some()
    }

    fn is_out(&self, at: usize, device: usize) -> bool {
        self.world.engine(at).replica().revoked().is_out(&self.id(device))
    }
}

fn note(text: &str) -> EditOp {
    EditOp::Note { text: text.to_owned().into() }
}

#[test]
fn one_supervisor_revokes_nobody_and_two_do_wherever_their_votes_meet() {
    let mut post = post(1);
    let Post { supervisors: [a, b], officer, hub, thief, before, .. } = post;
    post.vote(a, thief);
    post.meet(a, officer);
    assert!(!post.is_out(officer, thief));
    post.vote(b, thief);
    post.meet(b, officer);
    assert!(post.is_out(officer, thief), "the two votes met here");
    assert!(!post.is_out(hub, thief));
    post.meet(officer, hub);
    assert!(post.is_out(hub, thief));
    assert!(post.knows(hub, before), "what it wrote before counts");
}

#[test]
fn what_a_revoked_device_writes_counts_nowhere_whether_it_comes_before_or_after_the_news() {
    let mut post = post(2);
    let Post { supervisors: [a, b], officer, hub, thief, .. } = post;
    // Its word reaches one before the revocation, the others after it.
    let after = post.world.capture(thief, 1, 100);
    post.meet(thief, officer);
    assert!(post.knows(officer, after));
    post.vote(a, thief);
    post.vote(b, thief);
    post.meet(a, b);
    post.meet(b, officer);
    assert!(!post.knows(officer, after), "it came before");
    post.meet(officer, hub);
    post.meet(hub, a);
    for device in [a, b, officer, hub] {
        post.meet(officer, device);
        assert!(!post.knows(device, after), "it came after, by another way");
    }
    assert!(post.world.agree_among(&[a, b, officer, hub]));
    let set_aside = post.world.engine(a).replica().set_aside(0).unwrap();
    assert_eq!(set_aside.iter().filter(|it| it.void && it.header.about == About::Capture(after)).count(), 1);
    for device in [a, b, officer, hub] {
        post.world.restart(device);
        assert!(!post.knows(device, after), "after a power cut too");
    }
    assert!(post.world.agree_among(&[a, b, officer, hub]));
}

#[test]
fn its_sessions_end_at_once_and_no_new_one_begins() {
    let mut post = post(3);
    let Post { supervisors: [a, b], officer, thief, .. } = post;
    post.vote(a, thief);
    post.meet(a, officer);
    post.world.link(thief, officer);
    post.world.link(b, officer);
    post.world.settle();
    let open = |post: &Post| post.world.engine(officer).peers().iter().any(|peer| peer.device == post.id(thief));
    assert!(open(&post));
    post.vote(b, thief);
    post.world.settle();
    assert!(!open(&post));
    let told = |event: &&Event| matches!(event, Event::Ended { reason: Some(CloseReason::Bye(why)), .. } if why.contains("revoked"));
    assert_eq!(post.world.device(thief).events.iter().filter(told).count(), 1, "it is told why");
    post.world.link(thief, officer);
    post.world.settle();
    assert!(!open(&post));
    assert_eq!(post.world.device(thief).events.iter().filter(told).count(), 2);
}

#[test]
fn the_authority_alone_suffices_and_any_member_carries_its_order() {
    let mut post = post(4);
    let Post { officer, hub, thief, before, .. } = post;
    let carrier = post.world.add(Member::Carrier);
    let device = post.id(thief);
    let mut charge = post.world.engine(officer).replica().charge(device, Cause::Lost, None).unwrap();
    charge.trusted.clear();
    let order = post.world.site.authority().revoke(charge.clone());
    let forged = crdt::site::Authority::from_seed([9; 32]).revoke(charge);
    let refused = post.world.write(carrier, |replica, now_ms| replica.order_new(now_ms, forged.clone()));
    assert!(matches!(refused, Err(AppendError::Certificate(_))));
    post.world.state(carrier, About::Site, &Statement::Revocation(Box::new(forged))).unwrap();
    post.meet(carrier, hub);
    assert!(!post.is_out(hub, thief), "a forged order is set aside");
    post.world.write(carrier, |replica, now_ms| replica.order_new(now_ms, order)).unwrap();
    post.meet(carrier, hub);
    assert!(post.is_out(hub, thief));
    assert!(!post.knows(hub, before), "nothing of it is trusted");
    let (mut thiefs, now_ms) = (replica_of(&post.world, thief), post.world.now_ms);
    thiefs.ingest(now_ms, entries_of(&post.world, hub)).unwrap();
    let draft = post.world.draft(1, 10);
    assert_eq!(thiefs.capture_new(now_ms, [1; 32], &draft), Err(AppendError::Revoked), "it says so itself");
}

#[test]
fn a_supervisor_readmits_a_capture_and_it_is_screened_after_all() {
    let mut post = post(5);
    let Post { supervisors: [a, b], officer, hub, thief, .. } = post;
    let [good, bad] = [(); 2].map(|()| post.world.capture(thief, 1, 100));
    post.meet(thief, officer);
    post.vote(a, thief);
    post.vote(b, thief);
    post.meet(a, b);
    post.meet(b, officer);
    post.meet(officer, a);
    assert!(!post.knows(a, good) && !post.knows(officer, good));
    // The images are still where they came before the revocation, also after a restart.
    post.world.restart(officer);
    post.world.write(a, |replica, now_ms| replica.readmit_new(now_ms, good)).unwrap();
    let again = post.world.write(a, |replica, now_ms| replica.readmit_new(now_ms, good));
    assert_eq!(again, Err(AppendError::NotVoid));
    let officers = post.world.write(officer, |replica, now_ms| replica.readmit_new(now_ms, bad));
    assert!(matches!(officers, Err(AppendError::Role { .. })));
    post.meet(a, officer);
    post.world.hubs_answer = true;
    post.world.link(officer, hub);
    post.world.link(a, hub);
    post.world.link(b, hub);
    post.world.settle();
    for device in [a, b, officer, hub] {
        assert!(post.world.view(device, good).screened().is_some(), "readmitted");
        assert!(!post.knows(device, bad), "not readmitted");
    }
    assert!(post.world.agree_among(&[a, b, officer, hub]));
}

#[test]
fn what_members_write_after_a_revocation_the_revoked_cannot_read() {
    let mut post = post(6);
    let Post { supervisors: [a, b], officer, thief, before, .. } = post;
    let about = About::Capture(before);
    post.world.edit(officer, about, &[note("before")]).unwrap();
    post.vote(a, thief);
    post.vote(b, thief);
    post.meet(a, b);
    post.meet(a, officer);
    post.world.edit(officer, about, &[note("after")]).unwrap();
    // A thief who still gets hold of the entries.
    let entries = entries_of(&post.world, officer);
    let mut replica = replica_of(&post.world, thief);
    replica.ingest(post.world.now_ms, entries).unwrap();
    let record = replica.record(about).unwrap().unwrap();
    assert_eq!((record.notes.len(), record.unreadable), (1, 1));
    post.meet(officer, a);
    post.meet(a, b);
    for device in [a, b] {
        assert_eq!(post.world.record(device, about).notes.len(), 2);
    }
    // Somebody whose device is locked meanwhile: it can't open the new key, and makes none of its own every few seconds.
    let mut locked = replica_of(&post.world, b);
    locked.forget_sealing();
    locked.ingest(post.world.now_ms, entries_of(&post.world, officer)).unwrap();
    let sealing = post.world.identity(b).sealing.clone();
    assert_eq!(locked.record(about).unwrap().unwrap().unreadable, 1);
    assert!(locked.give_back_sealing(sealing).unwrap());
    assert_eq!(locked.record(about).unwrap().unwrap().notes.len(), 2);
}

#[test]
fn keys_made_on_both_sides_of_a_partition_both_work_and_who_comes_later_reads_all() {
    let mut post = post(7);
    let Post { supervisors: [a, b], officer, hub, thief, before, .. } = post;
    let about = About::Capture(before);
    for supervisor in [a, b] {
        post.vote(supervisor, thief);
    }
    let device = post.id(thief);
    let votes = |post: &Post, at: usize| post.world.engine(at).replica().charges(&device).1.len();
    assert_eq!((votes(&post, a), votes(&post, b)), (1, 1));
    // The votes meet at two places at once that can't hear each other.
    let carrier = post.world.add(Member::Carrier);
    post.meet(a, carrier);
    post.meet(b, carrier);
    post.meet(carrier, officer);
    assert!(post.is_out(carrier, thief) && post.is_out(officer, thief));
    post.world.edit(officer, about, &[note("in the one valley")]).unwrap();
    post.world.edit(b, about, &[note("in the other")]).unwrap();
    post.meet(a, officer);
    post.meet(a, b);
    post.meet(b, officer);
    let late = post.world.add(Member::Officer);
    post.meet(late, hub);
    post.meet(late, a);
    for device in [a, b, officer] {
        assert_eq!(post.world.record(device, about).notes.len(), 2);
    }
    // A supervisor's device sees that somebody lacks the keys, and hands them on.
    post.world.link(late, a);
    post.world.run(20_000);
    assert_eq!(post.world.record(late, about).notes.len(), 2);
}

/// A member could hand the others a key that the revoked have, as if it were new: all would go on writing under it.
#[test]
fn nobody_can_pass_off_an_old_key_as_a_new_one() {
    let mut post = post(8);
    let Post { supervisors: [a, b], officer, thief, before, .. } = post;
    let (friend, about) = (post.world.add(Member::Officer), About::Capture(before));
    post.vote(a, thief);
    post.vote(b, thief);
    post.meet(a, b);
    post.meet(a, officer);
    post.meet(officer, friend);
    let founding = post.world.site.membership().group_keys[0].clone();
    let name = founding.name();
    let members: Vec<Reader> = [a, b, officer, friend, post.hub].map(|it| reader(post.world.identity(it))).to_vec();
    let context = [b"greenline group key\0".as_slice(), &post.world.engine(a).replica().site().0, &name].concat();
    let keys = GroupKeys { seed: [1; 32].into(), older: vec![founding] };
    let sealed = Sealed::to_members(&encode(&keys), &members, &context, [2; 32]).unwrap();
    let grant = Statement::GroupKey(Box::new(GroupKeyGrant { name: name.into(), sealed }));
    post.world.state(friend, About::Site, &grant).unwrap();
    post.meet(friend, officer);
    post.world.edit(officer, about, &[note("after")]).unwrap();
    let mut replica = replica_of(&post.world, thief);
    replica.ingest(post.world.now_ms, entries_of(&post.world, officer)).unwrap();
    assert_eq!(replica.record(about).unwrap().unwrap().unreadable, 1);
}

fn reader(identity: &Identity) -> Reader {
    Reader { device: identity.device(), sealing_key: identity.sealing.public() }
}

/// As many decisions of a log count as are allowed, and not one more, on every replica alike.
#[test]
fn one_member_cannot_make_the_others_weigh_votes_without_end() {
    let mut post = post(9);
    let Post { supervisors: [a, _], officer, thief, .. } = post;
    for _ in 0..=DECISIONS_MAX {
        post.vote(a, thief);
    }
    post.meet(a, officer);
    for device in [a, officer] {
        let set_aside = post.world.engine(device).replica().set_aside(0).unwrap();
        assert_eq!(
            set_aside.iter().map(|it| it.reason.as_str()).collect::<Vec<_>>(),
            ["too many decisions of one device"]
        );
    }
    assert!(!post.is_out(officer, thief), "however often one votes");
}

fn replica_of(world: &World, device: usize) -> Replica<MemoryStore> {
    let store = MemoryStore::new(DiskModel::WhenSynced);
    Replica::open(store, world.identity(device).clone(), world.site.membership()).unwrap()
}

/// A site where supervisors revoke officers and each other, readmit, erase, edit and capture, apart and together; everything that
/// was ever written.
fn troubled(seed: u64) -> (World, usize, Vec<Entry>) {
    let mut world = World::new(seed);
    let hub = world.add(Member::Hub);
    let supervisors = [(); 3].map(|()| world.add(Member::Supervisor));
    let officers = [(); 2].map(|()| world.add(Member::Officer));
    let all = [&supervisors[..], &officers].concat();
    for device in &all {
        world.link(*device, hub);
    }
    world.settle();
    world.cut_all();
    // As they were before anything of them was erased.
    let mut written: BTreeMap<EntryHash, Entry> = BTreeMap::new();
    for _ in 0..40 {
        let device = all[world.draw(all.len() as u64) as usize];
        match world.draw(7) {
            0 => drop(world.draft(1, 10)),
            // Where much is erased, little is left to be readmitted: the others meet and readmit the more.
            1 | 6 if !seed.is_multiple_of(2) => {
                let known = world.engine(device).captures(0, &Query { limit: 20, ..Query::default() }).unwrap().0;
                let set_aside = world.engine(device).replica().set_aside(0).unwrap();
                let void = set_aside.iter().filter_map(|it| it.header.about.capture());
                let ids: Vec<CaptureId> = known.iter().map(|(id, ..)| *id).chain(void).collect();
                if !ids.is_empty() {
                    let id = ids[world.draw(ids.len() as u64) as usize];
                    let _ = world.write(device, |replica, now_ms| replica.erase_new(now_ms, id, Why::Ordered));
                }
            }
            2 => {
                let against = [supervisors[0], officers[0], officers[0]][world.draw(3) as usize];
                let against = world.identity(against).device();
                let _ = world.write(device, |replica, now_ms| {
                    let charge = replica.charge(against, Cause::Misused, None)?;
                    replica.vote_new(now_ms, charge)
                });
            }
            3 | 6 => {
                // Whichever has something to readmit: most have nothing.
                for supervisor in &supervisors[1..] {
                    let void = world.engine(*supervisor).replica().set_aside(0).unwrap();
                    let captures = void.iter().filter(|it| it.void && it.header.kind == Kind::Capture as u8);
                    let ids: Vec<CaptureId> = captures.filter_map(|it| it.header.about.capture()).collect();
                    if !ids.is_empty() {
                        let id = ids[world.draw(ids.len() as u64) as usize];
                        let _ = world.write(*supervisor, |replica, now_ms| replica.readmit_new(now_ms, id));
                    }
                }
            }
            4 => drop(world.edit(device, About::Site, &[EditOp::Handover { text: "x".to_owned().into() }])),
            _ => {
                let link = world.link(device, hub);
                world.settle();
                world.cut(link);
            }
        }
        let (draft, seed) = (world.draft(1, 10), [world.draw(250) as u8; 32]);
        let _ = world.write(device, |replica, now_ms| replica.capture_new(now_ms, seed, &draft));
        for entry in [device, hub].into_iter().flat_map(|at| entries_of(&world, at)) {
            written.entry(entry.header().hash()).or_insert(entry);
        }
    }
    // A hub's answers may be read for the first time after they were erased: nobody has their bodies any more.
    let mut entries: Vec<Entry> = written.into_values().collect();
    let lacking: BTreeSet<_> = entries.iter().filter(|it| it.body.is_none()).map(|it| it.header().author).collect();
    entries.retain(|entry| !lacking.contains(&entry.header().author));
    let observer = world.add(Member::Carrier);
    (world, observer, entries)
}

/// Or the property below would hold of nothing.
#[test]
fn trouble_has_everything_in_it() {
    let (mut revoked, mut void, mut readmitted, mut erased) = (0, 0, 0, 0);
    for seed in 0..24 {
        let (world, observer, entries) = troubled(seed);
        let mut replica = replica_of(&world, observer);
        replica.ingest(0, entries.clone()).unwrap();
        revoked += replica.revoked().len();
        erased += replica.erased();
        void += replica.set_aside(0).unwrap().iter().filter(|it| it.void).count();
        readmitted += entries.iter().filter(|it| it.header().kind == Kind::Readmission as u8).count();
    }
    let all = format!("{revoked} revoked, {void} void, {readmitted} readmitted, {erased} erased");
    assert!(revoked > 10 && void > 50 && readmitted >= 1 && erased > 15, "{all}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_votes_entries_and_restarts_makes_a_difference(
        seed in 0u64..1_000,
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        sizes in prop::collection::vec(1usize..9, 20),
    ) {
        let (world, observer, entries) = troubled(seed);
        let mut straight = replica_of(&world, observer);
        straight.ingest(0, entries.clone()).unwrap();
        let mut shuffled = replica_of(&world, observer);
        let drawn: Vec<Entry> = order.iter().map(|index| index.get(&entries).clone()).collect();
        let mut rest = [drawn, entries.iter().rev().cloned().collect()].concat();
        for (turn, size) in sizes.iter().cycle().enumerate() {
            if rest.is_empty() {
                break;
            }
            let piece = rest.drain(..(*size).min(rest.len())).collect();
            shuffled.ingest(0, piece).unwrap();
            if turn % 7 == 3 && turn < 30 {
                // The power goes between two batches: what isn't durable comes again.
                let mut store = shuffled.into_store();
                if turn % 2 == 0 { store.sync() } else { store.sync_to(crdt::store::Ticket(store.durable().0 + 1)) }
                store.crash();
                let (identity, membership) = (world.identity(observer).clone(), world.site.membership());
                shuffled = Replica::open(store, identity, membership).unwrap();
                rest.extend(entries.iter().cloned());
            }
        }
        shuffled.ingest(0, entries.clone()).unwrap();
        prop_assert_eq!(straight.revoked(), shuffled.revoked());
        prop_assert_eq!(straight.fingerprint().unwrap(), shuffled.fingerprint().unwrap());
        prop_assert_eq!(straight.captures(), shuffled.captures());
    }
}
