//! One author, two histories: what is cut stays cut on every replica, whoever found it and whenever the power went.

use crdt::entry::{About, Entry};
use crdt::ids::CaptureId;
use crdt::replica::{Identity, Membership, Replica};
use crdt::site::Roles;
use crdt::statement::{Fork, Kind, Receipt, Statement, VerdictContent};
use crdt::store::Store;
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::sync::Event;
use crdt::time::Hlc;

use crate::net::Net;
use crate::site::{self, Pen, Site, entries_of};

/// A cloned device in two hands: both went on from the same store, each with captures of its own.
fn clones(site: &Site, net: &mut Net) -> [usize; 2] {
    let (identity, membership) = (site.enrol(2, Roles::OFFICER), site.membership());
    let mut before = site.open(identity.clone(), MemoryStore::new(DiskModel::AtOnce));
    before.capture_new(1, [1; 32], &site::draft(10)).unwrap();
    let store = before.into_store();
    [5, 6].map(|seed| {
        let at = net.add_with(store.clone(), identity.clone(), membership.clone());
        net.engines[at].write(2, |replica| replica.capture_new(2, [seed; 32], &site::draft(10))).unwrap();
        at
    })
}

/// A cloned device met its own double before anybody else had seen both histories. It stated the evidence in the very log
/// that the evidence cuts, so the evidence was cut away with it: the two were frozen, and the others, who had one history
/// each, never heard why and never agreed with them again.
#[test]
fn a_device_that_meets_its_own_double_tells_the_others() {
    let site = Site::new();
    let mut net = Net::default();
    let [victim, double] = clones(&site, &mut net);
    let others = [3, 4].map(|seed| net.add(site.enrol(seed, Roles::OFFICER), site.membership()));
    net.link(victim, others[0]);
    net.settle(1_000);
    net.link(victim, double);
    net.settle(1_000);
    net.link(double, others[1]);
    net.link(others[0], others[1]);
    net.settle(10_000);
    let log = net.engines[others[0]].replica().frozen().next().map(|(log, cut)| (*log, *cut));
    assert_eq!(log.map(|(_, cut)| cut), Some(3));
    assert!(net.agree());
}

/// A log of a certificate, two captures, a receipt for each, and the evidence that its author wrote two third entries.
struct Forked {
    log: Vec<Entry>,
    evidence: Vec<Entry>,
}

/// The device that wrote the log, before it hears of the evidence.
fn author(site: &Site, model: DiskModel) -> Replica<MemoryStore> {
    let mut replica = site.open(author_identity(site), MemoryStore::new(model));
    let first = replica.capture_new(1, [1; 32], &site::draft(10)).unwrap();
    let second = replica.capture_new(2, [2; 32], &site::draft(10)).unwrap();
    replica.receipt_new(3, first.about.capture().unwrap()).unwrap();
    replica.receipt_new(3, second.about.capture().unwrap()).unwrap();
    replica
}

fn author_identity(site: &Site) -> Identity {
    site.enrol(2, Roles::OFFICER.and(Roles::HUB))
}

fn forked(site: &Site) -> Forked {
    let log = entries_of(&author(site, DiskModel::AtOnce));
    let mut pen = Pen::new(author_identity(site));
    pen.head = crdt::replica::Head { height: 2, hash: log[1].header().hash() };
    let other = pen.write(9, About::Site, 200, b"another third".to_vec());
    let fork = Fork::of(&log[2].signed, &other.signed).unwrap();
    let mut witness = Pen::new(site.enrol(3, Roles(0)));
    let evidence = Statement::Fork(Box::new(fork)).encode();
    let evidence = vec![witness.introduce(1), witness.write(2, About::Site, Kind::Fork as u8, evidence)];
    Forked { log, evidence }
}

fn reopened(site: &Site, store: MemoryStore) -> Replica<MemoryStore> {
    site.open(site.enrol(9, Roles(0)), store)
}

/// A cut went to the store in two batches, the entries first and the read models after. A crash in between left captures
/// and receipts in the lists whose entries were gone, and nothing ever put that right.
#[test]
fn a_power_cut_within_a_cut_leaves_nothing_of_it() {
    let site = Site::new();
    let Forked { log, evidence } = forked(&site);
    let mut straight = reopened(&site, MemoryStore::new(DiskModel::AtOnce));
    straight.ingest(1, evidence.clone()).unwrap();
    straight.ingest(1, log.clone()).unwrap();
    let mut replica = reopened(&site, MemoryStore::new(DiskModel::WhenSynced));
    replica.ingest(1, log.clone()).unwrap();
    replica.store_mut().sync();
    let before = replica.store().durable();
    replica.ingest(1, evidence.clone()).unwrap();
    let (store, after) = (replica.store().clone(), replica.store().applied());
    assert!(after > before);
    for kept in before.0..=after.0 {
        let mut store = store.clone();
        store.crash_keeping(crdt::store::Ticket(kept));
        let mut replica = reopened(&site, store);
        replica.ingest(1, [evidence.clone(), log.clone()].concat()).unwrap();
        assert_eq!(replica.fingerprint().unwrap(), straight.fingerprint().unwrap(), "{kept} of {after:?} kept");
        assert_eq!(replica.captures(), 1);
    }
}

/// When a log was cut, the place before the cut was promised at once, whether or not the entries up to there were on disk:
/// a crash could take back what a peer had been told.
#[test]
fn a_cut_promises_nothing_that_is_not_on_disk() {
    let site = Site::new();
    let Forked { log, evidence } = forked(&site);
    let id = log[0].header().author.log();
    let mut replica = reopened(&site, MemoryStore::new(DiskModel::WhenSynced));
    let promised = |replica: &Replica<MemoryStore>| replica.frontier().get(&id).map(|head| head.height);
    let first = replica.ingest(1, log[..1].to_vec()).unwrap().ticket.unwrap();
    replica.on_durable(first);
    let rest = replica.ingest(1, log[1..].to_vec()).unwrap().ticket.unwrap();
    let cut = replica.ingest(1, evidence).unwrap().ticket.unwrap();
    assert_eq!(promised(&replica), Some(1));
    replica.on_durable(rest);
    assert_eq!(promised(&replica), Some(2), "what is kept of the log is on disk now");
    replica.on_durable(cut);
    assert_eq!(promised(&replica), Some(2));
}

/// A witness was found to have two histories itself, and its log was cut before the evidence that it had stated against
/// another. Those who had seen that evidence stayed frozen; whoever came later never heard of it and stayed apart.
#[test]
fn evidence_outlives_the_log_that_it_was_stated_in() {
    let site = Site::new();
    let Forked { log, evidence } = forked(&site);
    let mut pen = Pen::new(site.enrol(3, Roles(0)));
    pen.introduce(1);
    let other = pen.write(7, About::Site, 200, b"another second".to_vec());
    let fork = Fork::of(&evidence[1].signed, &other.signed).unwrap();
    let against = Statement::Fork(Box::new(fork));
    let mut net = Net::default();
    let [a, b] = [10, 11].map(|seed| net.add(site.enrol(seed, Roles::OFFICER), site.membership()));
    let carrier = carrier_of(&site, &mut net, 12, &[log.clone(), evidence].concat());
    net.link(carrier, a);
    net.settle(1_000);
    net.engines[a].write(net.now_ms, |replica| replica.append(9, About::Site, &against)).unwrap();
    net.settle(1_000);
    let late = carrier_of(&site, &mut net, 13, &log);
    net.link(b, a);
    net.link(late, b);
    net.settle(10_000);
    assert_eq!(net.engines[b].replica().frozen().count(), 2);
    assert!(net.agree());
}

fn carrier_of(site: &Site, net: &mut Net, seed: u8, entries: &[Entry]) -> usize {
    let membership: Membership = site.membership();
    let mut replica = site.open(site.enrol(seed, Roles(0)), MemoryStore::new(DiskModel::AtOnce));
    replica.ingest(1, entries.to_vec()).unwrap();
    net.add_with(replica.into_store(), site.enrol(seed, Roles(0)), membership)
}

/// The receipts of a cut log are gone, and the capture that they named waits for a hub again.
#[test]
fn a_capture_is_open_again_when_its_receipt_is_cut() {
    let site = Site::new();
    let Forked { log, evidence } = forked(&site);
    let mut replica = reopened(&site, MemoryStore::new(DiskModel::AtOnce));
    replica.ingest(1, log.clone()).unwrap();
    assert!(replica.open_captures().is_empty());
    replica.ingest(1, evidence).unwrap();
    let first = log[1].header().about.capture().unwrap();
    assert_eq!(replica.open_captures().iter().copied().collect::<Vec<_>>(), [first]);
    let receipt = Statement::Receipt(Receipt { payload: log[1].header().body_hash });
    assert_eq!(receipt.kind(), Kind::Receipt);
}

/// What a replica has of one kind, under whatever log.
fn said(replica: &Replica<MemoryStore>, kind: Kind) -> Vec<(Hlc, About)> {
    let entries = entries_of(replica).into_iter().filter(|entry| entry.header().kind == kind as u8);
    let mut said: Vec<_> = entries.map(|entry| (entry.header().time, entry.header().about)).collect();
    said.sort();
    said
}

/// What is cut of the own log is said again in one batch with the cut: never lost, never said twice, whenever the power goes,
/// and dated as it was.
#[test]
fn a_power_cut_within_the_cut_of_the_own_log_loses_nothing_and_repeats_nothing() {
    let site = Site::new();
    let Forked { evidence, .. } = forked(&site);
    let mut replica = author(&site, DiskModel::WhenSynced);
    replica.store_mut().sync();
    let kinds = [Kind::Capture, Kind::Receipt];
    let (before, recorded) = (replica.store().durable(), kinds.map(|kind| said(&replica, kind)));
    replica.ingest(5, evidence.clone()).unwrap();
    let (store, after, straight) = (replica.store().clone(), replica.store().applied(), replica.fingerprint().unwrap());
    assert!(after.0 > before.0 + 1, "the evidence first, then the cut");
    for kept in before.0..=after.0 {
        let mut store = store.clone();
        store.crash_keeping(crdt::store::Ticket(kept));
        let mut replica = site.open(author_identity(&site), store);
        replica.ingest(9, evidence.clone()).unwrap();
        assert_eq!(kinds.map(|kind| said(&replica, kind)), recorded, "{kept} of {after:?} kept");
        assert_eq!((replica.captures(), replica.open_captures().len()), (2, 0));
        assert_eq!(replica.fingerprint().unwrap(), straight, "{kept} of {after:?} kept");
    }
}

/// Two copies that leave a log for the same next one, each with a capture of its own.
fn copies_that_meet_again(site: &Site) -> [Replica<MemoryStore>; 2] {
    let Forked { evidence, .. } = forked(site);
    let mut before = site.open(author_identity(site), MemoryStore::new(DiskModel::AtOnce));
    before.capture_new(1, [1; 32], &site::draft(10)).unwrap();
    let store = before.into_store();
    let copy = |seed: u32| {
        let mut replica = site.open(author_identity(site), store.clone());
        let seed = *blake3::hash(&seed.to_be_bytes()).as_bytes();
        replica.capture_new(2, seed, &site::draft(10)).unwrap();
        replica.ingest(5, evidence.clone()).unwrap();
        replica
    };
    let first = copy(0);
    let epoch = first.own_author().epoch;
    let second = (1..).map(copy).find(|second| second.own_author().epoch == epoch).unwrap();
    [first, second]
}

/// Once in 255 times two copies choose the same next log. They fork that as well, and go on under two others.
#[test]
fn copies_that_choose_the_same_next_log_part_again_and_lose_nothing() {
    let site = Site::new();
    let mut net = Net::default();
    let copies = copies_that_meet_again(&site).map(|replica| {
        let identity = replica.identity().clone();
        net.add_with(replica.into_store(), identity, site.membership())
    });
    let other = net.add(site.enrol(3, Roles::OFFICER), site.membership());
    let [a, b] = copies.map(|at| net.engines[at].replica().own_author());
    assert_eq!(a, b);
    net.link(copies[0], other);
    net.link(copies[1], other);
    net.settle(10_000);
    let [a, b] = copies.map(|at| net.engines[at].replica().own_author());
    assert_ne!(a, b);
    assert!(net.agree());
    let replica = net.engines[other].replica();
    assert_eq!((replica.frozen().count(), replica.captures()), (2, 3));
}

/// A hub had accepted a capture and was screening it when its device's log was cut. The capture came back in another log, but
/// nobody told the hub to go on: it was answered at the next start.
#[test]
fn work_on_a_capture_goes_on_when_a_cut_took_it_away_and_it_is_stated_again() {
    let site = Site::new();
    let mut net = Net::default();
    let hub = net.add(site.hub.clone(), site.membership());
    let [victim, double] = clones(&site, &mut net);
    net.link(victim, hub);
    net.settle(1_000);
    let open: Vec<CaptureId> = net.engines[hub].whole_captures();
    assert_eq!(open.len(), 2);
    for id in &open {
        net.engines[hub].write(net.now_ms, |replica| replica.receipt_new(9, *id)).unwrap();
    }
    net.link(double, hub);
    net.settle(10_000);
    let whole = |id: &CaptureId| net.events[hub].iter().filter(|event| **event == Event::Whole(*id)).count();
    assert_eq!(open.iter().map(whole).max(), Some(2), "the one that was cut is whole again");
    let replica = net.engines[hub].replica();
    assert!(open.iter().all(|id| replica.unanswered().contains(id)));
    for id in open {
        let opened = net.engines[hub].replica().open_capture(id).unwrap().unwrap().unwrap();
        assert_eq!(opened.images.len(), 1);
        let verdict = VerdictContent::inconclusive("poor");
        net.engines[hub].write(net.now_ms, |replica| replica.verdict_new(9, [1; 32], id, &verdict)).unwrap();
    }
    assert!(net.engines[hub].replica().unanswered().is_empty());
    assert_eq!(net.engines[hub].replica().store().blob_list().unwrap().len(), 1, "of the capture it hasn't accepted");
}

/// A copy of the device was first to say a lost capture again: once is enough.
#[test]
fn what_stands_in_another_log_of_the_device_is_not_said_again() {
    let site = Site::new();
    let Forked { log, evidence } = forked(&site);
    let mut pen = Pen::new(author_identity(&site));
    pen.author.epoch = 9;
    let (about, body) = (log[2].header().about, log[2].body.clone().unwrap());
    let copied = vec![pen.introduce(1), pen.write(2, about, Kind::Capture as u8, body.into_vec())];
    let mut replica = author(&site, DiskModel::AtOnce);
    replica.ingest(5, copied).unwrap();
    replica.ingest(5, evidence).unwrap();
    assert_eq!((said(&replica, Kind::Capture).len(), replica.captures()), (2, 2));
    assert_eq!(said(&replica, Kind::Receipt).len(), 2, "what only this copy said is");
}
