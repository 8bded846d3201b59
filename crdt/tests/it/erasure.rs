//! What is erased is gone, on every replica alike, and nothing brings it back: no order, no repetition, no restart, no peer.

use crdt::entry::{About, ENTRY_BYTES_MAX, Entry};
use crdt::ids::CaptureId;
use crdt::replica::{AppendError, GRACE_MS, Ground, Proof, ProofError, Refusal, Replica};
use crdt::site::{Authority, Roles};
use crdt::stage::Stage;
use crdt::statement::{
    Erasure, Kind, Outcome, ReviewContent, Seen as Reading, Statement, VerdictContent, VerdictValue, Why, capture_id,
};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::store::{Direction, Store, Table};

use crate::net::Net;
use crate::properties::{Seen, Story, bad_week, observer};
use crate::site::{Dice, Pen, Site, draft, entries_of};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const SUPERVISOR: Roles = Roles::OFFICER.and(Roles::SUPERVISOR);

fn memory() -> MemoryStore {
    MemoryStore::new(DiskModel::AtOnce)
}

fn is_erasable(entry: &Entry) -> bool {
    Kind::rule(entry.header().kind).is_some_and(|rule| rule.kind.is_erasable())
}

fn erased_in<S: Store>(replica: &Replica<S>, entry: &Entry) -> bool {
    let view = entry.header().about.capture().and_then(|id| replica.capture(id).unwrap());
    is_erasable(entry) && view.is_some_and(|view| view.erased.is_some())
}

/// Everything that may go has gone: bodies, and what the read model had from them.
fn nothing_is_left<S: Store>(replica: &Replica<S>) {
    let rows = replica.store().scan(Table::Entries, &[], &[u8::MAX; 9], Direction::Up, usize::MAX).unwrap();
    for (_, bytes) in rows {
        let entry: Entry = crdt::codec::decode(&bytes, ENTRY_BYTES_MAX).unwrap();
        assert!(entry.body.is_none() || !erased_in(replica, &entry), "a body of an erased capture");
        assert!(entry.body.is_some() || erased_in(replica, &entry), "a body is lacking for no reason");
        let Some(view) = entry.header().about.capture().and_then(|id| replica.capture(id).unwrap()) else { continue };
        if let Some(origin) = view.origin.filter(|_| view.erased.is_some()) {
            assert_eq!((origin.purpose.as_str(), origin.blobs.len(), view.edits), ("", 0, 0));
        }
    }
}

/// Whoever has erased passes entries on without bodies; others still have them.
fn partly_stripped(dice: &mut Dice, entries: &[Entry], judge: &Replica<MemoryStore>) -> Vec<Entry> {
    let strip =
        |entry: &Entry| if dice.chance(2) && erased_in(judge, entry) { entry.without_body() } else { entry.clone() };
    entries.iter().map(strip).collect()
}

fn proofs(entries: &[Entry], judge: &Replica<MemoryStore>) -> Vec<Proof> {
    let captures: std::collections::BTreeSet<CaptureId> =
        entries.iter().filter_map(|entry| entry.header().about.capture()).collect();
    captures.into_iter().filter_map(|id| judge.proof(id).unwrap()).collect()
}

#[test]
fn no_order_and_no_way_leaves_or_brings_back_a_body() {
    let (mut erased, mut ways) = (0, 0);
    for seed in 0..40 {
        let (site, mut entries) = Story::tell(seed);
        let empty = || site.open(observer(&site), memory());
        let restart = |replica: Replica<MemoryStore>| site.open(observer(&site), replica.into_store());
        let mut straight = empty();
        straight.ingest(0, entries.clone()).unwrap();
        nothing_is_left(&straight);
        let proofs = proofs(&entries, &straight);
        erased += proofs.len();
        let judge = restart(straight);
        let expected = Seen::of(restart(site.open(observer(&site), judge.store().clone())));
        for way in 0..50 {
            let mut dice = Dice::new(seed * 1_000 + way);
            dice.shuffle(&mut entries);
            let mixed = partly_stripped(&mut dice, &entries, &judge);
            let mut replica = empty();
            if dice.chance(2) {
                // A peer that has erased comes first, and proves it.
                let (refused, _) = replica.take_proofs(0, proofs.clone()).unwrap();
                assert_eq!(refused, []);
            }
            let mut replica = bad_week(&mut dice, &mixed, replica, restart);
            // What came without a body before its erasure was known is asked for again, of one who proves it or still has all.
            if dice.chance(2) {
                replica.take_proofs(0, proofs.clone()).unwrap();
                replica.ingest(0, mixed).unwrap();
            } else {
                replica.ingest(0, entries.clone()).unwrap();
            }
            nothing_is_left(&replica);
            assert_eq!(Seen::of(replica), expected, "seed {seed}, way {way}");
            ways += 1;
        }
    }
    println!("{erased} captures erased, {ways} ways");
    assert!(erased > 60 && ways == 2_000);
}

/// Every sort of thing that is said about a capture, and then its erasure.
struct Told {
    site: Site,
    officer: Replica<MemoryStore>,
    hub: Replica<MemoryStore>,
    supervisor: Replica<MemoryStore>,
    id: CaptureId,
}

impl Told {
    fn of(value: VerdictValue) -> Self {
        let site = Site::new();
        let mut officer = site.open(site.enrol(2, Roles::OFFICER), memory());
        let mut supervisor = site.open(site.enrol(3, SUPERVISOR), memory());
        let mut hub = site.open(site.hub.clone(), memory());
        supervisor.introduce(1).unwrap();
        let id = officer.capture_new(10, [1; 32], &draft(50)).unwrap().about.capture().unwrap();
        let note = crdt::record::EditOp::Note { text: "a note".to_owned().into() };
        officer.edit_new(11, [2; 32], About::Capture(id), &[note]).unwrap();
        hub.ingest(12, [entries_of(&officer), entries_of(&supervisor)].concat()).unwrap();
        hub.receipt_new(12, id).unwrap();
        let content = VerdictContent { value, reason: None, candidates: vec![], basis: vec![] };
        hub.verdict_new(13, [3; 32], id, &content).unwrap();
        let mut told = Self { site, officer, hub, supervisor, id };
        told.meet();
        told
    }

    fn meet(&mut self) {
        let all = [&self.officer, &self.hub, &self.supervisor].map(entries_of).concat();
        for replica in [&mut self.officer, &mut self.hub, &mut self.supervisor] {
            replica.ingest(20, all.clone()).unwrap();
        }
    }

    fn review(&mut self, outcome: Outcome) {
        let content = ReviewContent { outcome, note: "looked".to_owned().into() };
        self.supervisor.review_new(21, [4; 32], self.id, &content).unwrap();
        self.meet();
    }

    fn is_erased(&self) -> bool {
        self.officer.capture(self.id).unwrap().unwrap().erased.is_some()
    }
}

#[test]
fn an_answer_that_ends_it_erases_once_it_is_read_and_any_other_stays() {
    let mut told = Told::of(VerdictValue::NoMatch);
    assert!(!told.is_erased(), "the officer must be able to read it first");
    told.supervisor.seen_new(30, told.id).unwrap();
    told.meet();
    assert!(!told.is_erased(), "another's reading ends nothing");
    told.officer.seen_new(30, told.id).unwrap();
    let view = told.officer.capture(told.id).unwrap().unwrap();
    assert_eq!(view.erased.unwrap().why(), Some(Why::Done));
    for outcomes in [&[][..], &[Outcome::Confirmed], &[Outcome::Undecided], &[Outcome::Refuted, Outcome::Confirmed]] {
        let mut told = Told::of(VerdictValue::Candidate);
        outcomes.iter().for_each(|outcome| told.review(*outcome));
        told.officer.seen_new(30, told.id).unwrap();
        assert!(!told.is_erased(), "{outcomes:?}");
    }
    let mut told = Told::of(VerdictValue::Candidate);
    told.officer.seen_new(20, told.id).unwrap();
    told.review(Outcome::Refuted);
    assert!(!told.is_erased(), "its officer doesn't know yet");
    told.officer.seen_new(30, told.id).unwrap();
    assert!(told.is_erased());
    let mut told = Told::of(VerdictValue::Inconclusive);
    told.officer.seen_new(30, told.id).unwrap();
    assert!(!told.is_erased(), "the person has to be captured again");
}

#[test]
fn what_is_left_is_the_trail_and_nobody_can_add_to_it() {
    let mut told = Told::of(VerdictValue::Candidate);
    told.review(Outcome::Confirmed);
    told.officer.erase_new(40, told.id, Why::Withdrawn).unwrap();
    told.meet();
    let states = [&told.officer, &told.hub, &told.supervisor].map(|replica| replica.fingerprint().unwrap());
    assert!(states.iter().all(|state| *state == states[0]));
    nothing_is_left(&told.hub);
    let (id, about) = (told.id, About::Capture(told.id));
    let engine = crdt::sync::Engine::new(50, told.site.open(observer(&told.site), told.hub.store().clone())).unwrap();
    let view = engine.replica().capture(id).unwrap().unwrap();
    let stages = engine.stages(50, id, &view).unwrap();
    assert_eq!((stages.now, stages.erased.unwrap().why), (Stage::Withdrawn, Some(Why::Withdrawn)));
    assert!(stages.accepted.is_some() && stages.screened.is_some() && stages.examined.is_some());
    assert!(engine.replica().open_captures().is_empty());
    let note = [crdt::record::EditOp::Note { text: "late".to_owned().into() }];
    let content = ReviewContent { outcome: Outcome::Refuted, note: "late".to_owned().into() };
    let verdict = VerdictContent::inconclusive("late");
    let late = [
        told.officer.edit_new(60, [1; 32], about, &note).unwrap_err(),
        told.officer.seen_new(60, id).unwrap_err(),
        told.officer.erase_new(60, id, Why::Withdrawn).unwrap_err(),
        told.supervisor.review_new(60, [1; 32], id, &content).unwrap_err(),
        told.hub.verdict_new(60, [1; 32], id, &verdict).unwrap_err(),
        told.hub.receipt_new(60, id).unwrap_err(),
    ];
    assert!(late.iter().all(|error| *error == AppendError::Erased), "{late:?}");
    assert_eq!(told.officer.record(about).unwrap(), None);
    assert!(told.hub.open_capture(id).unwrap().is_none());
}

#[test]
fn only_the_origin_and_those_above_erase() {
    let mut told = Told::of(VerdictValue::NoMatch);
    let mut other = told.site.open(told.site.enrol(5, Roles::OFFICER), memory());
    let mut carrier = told.site.open(told.site.enrol(6, Roles(0)), memory());
    let all = entries_of(&told.hub);
    other.ingest(20, all.clone()).unwrap();
    carrier.ingest(20, all).unwrap();
    assert_eq!(other.erase_new(30, told.id, Why::Withdrawn), Err(AppendError::NotOwnCapture));
    assert!(
        matches!(told.officer.erase_new(30, told.id, Why::Ordered), Err(AppendError::Role { .. })),
        "not an officer's word"
    );
    assert!(matches!(carrier.erase_new(30, told.id, Why::Ordered), Err(AppendError::Role { .. })));
    told.supervisor.erase_new(30, told.id, Why::Ordered).unwrap();
    told.meet();
    assert!(told.is_erased());
}

/// Whoever carries entries could otherwise take from them what he likes.
#[test]
fn a_body_is_lacking_only_where_that_is_proved() {
    let mut told = Told::of(VerdictValue::NoMatch);
    let with_bodies = entries_of(&told.hub);
    told.officer.seen_new(30, told.id).unwrap();
    told.meet();
    let stripped = entries_of(&told.hub);
    let proof = told.hub.proof(told.id).unwrap().unwrap();
    let mut robbed = told.site.observer();
    let robbery: Vec<Entry> = with_bodies.iter().filter(|it| is_erasable(it)).map(Entry::without_body).collect();
    let outcome = robbed.ingest(40, robbery.clone()).unwrap();
    assert!(outcome.refused.len() == robbery.len() && outcome.refused.iter().all(|(_, why)| *why == Refusal::NoBody));
    for (forged, why) in forgeries(&told.site, &proof) {
        let (refused, _) = robbed.take_proofs(40, vec![forged]).unwrap();
        assert_eq!(refused.len(), 1, "{why}");
        assert_eq!(robbed.erased(), 0, "{why}");
    }
    assert_eq!(robbed.take_proofs(40, vec![proof]).unwrap().0, []);
    robbed.ingest(40, stripped.clone()).unwrap();
    robbed.ingest(40, stripped).unwrap();
    assert_eq!(robbed.fingerprint().unwrap(), told.hub.fingerprint().unwrap());
    // Of kinds that stay, and of other captures, nothing may lack.
    let seen = entries_of(&told.hub).into_iter().find(|it| it.header().kind == Kind::Seen as u8).unwrap();
    let mut fresh = told.site.observer();
    fresh.take_proofs(40, vec![told.hub.proof(told.id).unwrap().unwrap()]).unwrap();
    assert_eq!(fresh.ingest(40, vec![seen.without_body()]).unwrap().refused[0].1, Refusal::NoBody);
}

/// Proofs that prove nothing.
fn forgeries(site: &Site, proof: &Proof) -> Vec<(Proof, &'static str)> {
    let Ground::Stated(entry) = &proof.ground else { panic!("somebody stated it") };
    let stated = |entry: Entry, certificate| Proof { certificate, ground: Ground::Stated(Box::new(entry)) };
    let mut unsigned = (**entry).clone();
    unsigned.signed.signature[3] ^= 1;
    let body = entry.body.clone().unwrap().into_vec();
    let (about, ms) = (entry.header().about, entry.header().time.ms());
    let by = |identity: &crdt::replica::Identity| {
        Pen::new(identity.clone()).write(ms, about, Kind::Erasure as u8, body.clone())
    };
    let (other, carrier) = (site.enrol(5, Roles::OFFICER), site.enrol(6, Roles(0)));
    let late = site.enrol_for(3, SUPERVISOR, (0, ms));
    let stranger = Authority::from_seed([9; 32]);
    let request = crdt::site::Request { device: proof.certificate.device, sealing_key: proof.certificate.sealing_key };
    let foreign = stranger.certify(&request, SUPERVISOR, "me", (0, u64::MAX));
    let mut reading = Pen::new(other.clone());
    let reading = reading.write(
        ms,
        about,
        Kind::Seen as u8,
        Statement::Seen(Reading { verdict: entry.header().hash() }).encode(),
    );
    vec![
        (stated(unsigned, proof.certificate.clone()), "a signature that isn't the author's"),
        (stated(entry.without_body(), proof.certificate.clone()), "no body"),
        (stated(by(&other), other.certificate.clone()), "another officer"),
        (stated(by(&carrier), carrier.certificate.clone()), "a carrier"),
        (stated(by(&late), late.certificate.clone()), "a certificate that wasn't valid then"),
        (stated(by(&other), proof.certificate.clone()), "another's certificate"),
        (stated((**entry).clone(), foreign), "another site's certificate"),
        (stated(reading, other.certificate.clone()), "not an erasure"),
    ]
}

/// By hand, as no honest program would write it.
#[test]
fn what_another_officer_states_is_set_aside() {
    let told = Told::of(VerdictValue::NoMatch);
    let mut stating = told.site.open(told.site.enrol(3, SUPERVISOR), told.supervisor.store().clone());
    stating.erase_new(30, told.id, Why::Ordered).unwrap();
    let stated = entries_of(&stating).into_iter().find(|it| it.header().kind == Kind::Erasure as u8).unwrap();
    let body = stated.body.unwrap().into_vec();
    for (roles, expected) in [(Roles::OFFICER, false), (SUPERVISOR, true)] {
        let mut pen = Pen::new(told.site.enrol(5, roles));
        let log = [pen.introduce(30), pen.write(31, About::Capture(told.id), Kind::Erasure as u8, body.clone())];
        let mut replica = told.site.open(observer(&told.site), told.hub.store().clone());
        replica.ingest(40, log.to_vec()).unwrap();
        assert_eq!(replica.capture(told.id).unwrap().unwrap().erased.is_some(), expected);
    }
}

/// Were they gone before, a power cut would leave a capture that nobody erased without its images.
#[test]
fn images_go_once_the_erasure_is_on_disk() {
    let site = Site::new();
    let replica = site.open(site.enrol(2, Roles::OFFICER), MemoryStore::new(DiskModel::WhenSynced));
    let mut engine = crdt::sync::Engine::new(1, replica).unwrap();
    let id = engine.write(1, |replica| replica.capture_new(1, [1; 32], &draft(50))).unwrap().about.capture().unwrap();
    let blob = engine.replica().capture(id).unwrap().unwrap().origin.unwrap().blobs[0];
    engine.store_mut().sync();
    let written = engine.write(2, |replica| replica.erase_new(2, id, Why::Withdrawn)).unwrap();
    assert!(engine.replica().whole_blob(&blob).unwrap().is_some());
    engine.store_mut().sync();
    engine.handle(3, crdt::sync::Input::Durable(written.ticket));
    assert!(engine.replica().whole_blob(&blob).unwrap().is_none());
}

#[test]
fn an_erasure_names_the_capture_that_it_is_about() {
    let site = Site::new();
    let mut pen = Pen::new(site.enrol(3, SUPERVISOR));
    let victim = site.enrol(2, Roles::OFFICER).device();
    let at = crdt::view::EntryRef { log: pen.author.log(), seq: 2 };
    let entry = crdt::ids::EntryHash([1; 32]);
    let erasure = Erasure { why: Why::Ordered, device: victim, nonce: [7; 16].into(), at, entry };
    let body = Statement::Erasure(Box::new(erasure)).encode();
    let (right, wrong) = (capture_id(victim, &[7; 16]), capture_id(victim, &[8; 16]));
    let mut replica = site.observer();
    let first = pen.introduce(1);
    let log =
        [(wrong, 2), (right, 3)].map(|(id, ms)| pen.write(ms, About::Capture(id), Kind::Erasure as u8, body.clone()));
    replica.ingest(5, [vec![first], log.to_vec()].concat()).unwrap();
    assert!(replica.capture(wrong).unwrap().is_none_or(|view| view.erased.is_none()));
    assert!(replica.capture(right).unwrap().unwrap().erased.is_some());
}

// ---- Between peers ----

fn net_at(now_ms: u64) -> Net {
    let mut net = Net::default();
    net.now_ms = now_ms;
    net
}

#[test]
fn an_empty_device_catches_up_from_one_that_has_erased() {
    let mut told = Told::of(VerdictValue::NoMatch);
    told.officer.seen_new(30, told.id).unwrap();
    told.meet();
    let mut net = net_at(1_000);
    let holder = net.add_with(told.hub.into_store(), told.site.hub.clone(), told.site.membership());
    let empty = net.add(told.site.enrol(7, Roles::OFFICER), told.site.membership());
    net.link(empty, holder);
    net.settle(12_000);
    assert!(net.agree());
    let refused = net.engines[empty].conduct().count();
    assert_eq!((net.engines[empty].replica().erased(), refused), (1, 0));
}

/// A device that was away comes back with all it had, in both directions, and an image that nobody else has any more.
#[test]
fn who_was_away_brings_nothing_back() {
    let mut told = Told::of(VerdictValue::NoMatch);
    let away = told.supervisor.into_store();
    told.supervisor = told.site.open(told.site.enrol(3, SUPERVISOR), away.clone());
    told.officer.seen_new(30, told.id).unwrap();
    told.meet();
    let mut net = net_at(90 * DAY_MS);
    let holder = net.add_with(told.hub.into_store(), told.site.hub.clone(), told.site.membership());
    let back = net.add_with(away, told.site.enrol(3, SUPERVISOR), told.site.membership());
    net.link(back, holder);
    net.settle(12_000);
    assert!(net.agree());
    nothing_is_left(net.engines[back].replica());
}

// ---- Time ----

fn ends_ms() -> u64 {
    10 + 30 * DAY_MS
}

#[test]
fn what_is_past_its_time_goes_by_every_clock_a_day_later_and_not_before() {
    let told = Told::of(VerdictValue::Candidate);
    let carrier = || {
        let mut net = net_at(100);
        let store = told.hub.store().clone();
        let at = net.add_with(store, told.site.enrol(6, Roles(0)), told.site.membership());
        (net, at)
    };
    let erased_at = |ms: u64| {
        let (mut net, at) = carrier();
        net.now_ms = ms;
        net.settle(0);
        net.engines[at].handle(ms, crdt::sync::Input::Tick);
        nothing_is_left(net.engines[at].replica());
        net.engines[at].replica().erased()
    };
    assert_eq!(erased_at(ends_ms() + GRACE_MS - 1), 0);
    assert_eq!(erased_at(ends_ms() + GRACE_MS), 1);
}

#[test]
fn an_empty_device_takes_from_one_that_erased_by_its_clock_what_is_past_its_time_by_its_own() {
    let told = Told::of(VerdictValue::Candidate);
    for (late_ms, expected) in [(0, true), (2 * GRACE_MS + 12_000, false)] {
        let mut net = net_at(ends_ms() + GRACE_MS);
        let carrier = told.site.enrol(6, Roles(0));
        let holder = net.add_with(told.hub.store().clone(), carrier, told.site.membership());
        net.settle(6_000);
        assert_eq!(net.engines[holder].replica().erased(), 1);
        net.now_ms -= late_ms;
        let empty = net.add(told.site.enrol(7, Roles(0)), told.site.membership());
        net.link(empty, holder);
        net.settle(1_000);
        assert_eq!(net.agree(), expected);
        assert_eq!(net.engines[empty].replica().erased(), u64::from(expected));
    }
}

#[test]
fn who_brings_what_is_long_past_its_time_brings_nothing() {
    let told = Told::of(VerdictValue::Candidate);
    let entries = entries_of(&told.hub);
    let mut replica = told.site.observer();
    replica.ingest(ends_ms() + GRACE_MS - 1, entries.clone()).unwrap();
    assert_eq!(replica.erased(), 0);
    let mut replica = told.site.observer();
    replica.ingest(ends_ms() + GRACE_MS, entries).unwrap();
    assert_eq!(replica.erased(), 1);
    nothing_is_left(&replica);
}

/// A hub whose clock was a month ahead would have had everybody erase everything.
#[test]
fn a_clock_that_nobody_else_shares_states_no_expiry() {
    let told = Told::of(VerdictValue::Candidate);
    let states = |others_ms: Option<u64>| {
        let mut hub = told.site.open(told.site.hub.clone(), told.hub.store().clone());
        if let Some(ms) = others_ms {
            let mut pen = Pen::new(told.site.enrol(8, Roles(0)));
            hub.ingest(ms, vec![pen.introduce(ms)]).unwrap();
        }
        let before = entries_of(&hub).len();
        let mut engine = crdt::sync::Engine::new(ends_ms(), hub).unwrap();
        engine.handle(ends_ms() + 6_000, crdt::sync::Input::Tick);
        (entries_of(engine.replica()).len() - before, engine.replica().erased())
    };
    let hour_ms = 60 * 60 * 1_000;
    assert_eq!(states(None), (0, 0));
    assert_eq!(states(Some(ends_ms() - hour_ms - 1)), (0, 0));
    assert_eq!(states(Some(ends_ms() - hour_ms)), (1, 1));
    assert_eq!(states(Some(ends_ms() + 2 * hour_ms)), (0, 0), "a clock that is itself too far off says nothing");
}

#[test]
fn a_proof_by_time_is_of_the_captures_own_header() {
    let told = Told::of(VerdictValue::Candidate);
    let mut old = told.site.open(told.site.enrol(6, Roles(0)), told.hub.store().clone());
    old.ingest(ends_ms() + GRACE_MS, vec![]).unwrap();
    let mut engine = crdt::sync::Engine::new(ends_ms() + GRACE_MS, old).unwrap();
    engine.handle(ends_ms() + GRACE_MS + 6_000, crdt::sync::Input::Tick);
    let proof = engine.replica().proof(told.id).unwrap().unwrap();
    assert!(proof.stands_at().is_none());
    let mut fresh = told.site.observer();
    assert_eq!(fresh.take_proofs(ends_ms() - 1, vec![proof.clone()]).unwrap().0, [ProofError::NotYet]);
    // Another officer dates a capture of that id long back.
    let mut pen = Pen::new(told.site.enrol(5, Roles::OFFICER));
    let backdated = pen.write(1, About::Capture(told.id), Kind::Capture as u8, vec![]);
    let Ground::Expired { nonce, .. } = proof.ground.clone() else { panic!("by time") };
    let ground = Ground::Expired { header: Box::new(backdated.signed), nonce };
    let forged = Proof { certificate: pen.identity.certificate.clone(), ground };
    assert_eq!(fresh.take_proofs(ends_ms(), vec![forged]).unwrap().0, [ProofError::Nothing]);
    assert_eq!(fresh.take_proofs(ends_ms(), vec![proof]).unwrap().0, []);
    assert_eq!(fresh.erased(), 1);
}
