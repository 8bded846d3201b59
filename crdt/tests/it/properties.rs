//! Any order, any repetition, any split of the same entries, and a restart in between: the same state, bit for bit.
//!
//! `simulations/tests/it/order.rs` says so of what honest devices write. Here are also reviews, renewals, installs, forks
//! with their evidence, and all that is set aside; and the lists and reasons that people see are compared too.

use std::collections::BTreeMap;

use crdt::codec::decode;
use crdt::entry::{About, ENTRY_BYTES_MAX, Entry};
use crdt::ids::{CaptureId, DeviceId, EntryHash, LogId};
use crdt::replica::{Identity, Query, Replica};
use crdt::site::Roles;
use crdt::statement::{
    Erasure, Fork, Kind, Outcome, Receipt, ReviewContent, Statement, VerdictContent, VerdictValue, Why, capture_id,
};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::store::redb::RedbStore;
use crdt::store::{Direction, Store, Table};
use crdt::sync::Engine;
use crdt::vault::VaultKey;
use crdt::view::{CaptureView, EntryRef};

use crate::site::{Dice, Pen, Site, draft, entries_of};

/// A few authors who hear of each other now and then, and all that they wrote.
pub(crate) struct Story {
    site: Site,
    dice: Dice,
    now_ms: u64,
    authors: Vec<Replica<MemoryStore>>,
    captures: Vec<CaptureId>,
    /// Everything as it was written: who erases has it without its body afterwards.
    written: BTreeMap<EntryHash, Entry>,
}

const SUPERVISOR: Roles = Roles::OFFICER.and(Roles::SUPERVISOR);
/// The author whose certificate is renewed on the way.
const RENEWED: usize = 3;

impl Story {
    pub(crate) fn tell(seed: u64) -> (Site, Vec<Entry>) {
        let site = Site::new();
        let members = [
            site.hub.clone(),
            site.enrol(2, Roles::OFFICER),
            site.enrol(3, SUPERVISOR),
            site.enrol_for(4, SUPERVISOR, (0, 3_000)),
        ];
        let memory = || MemoryStore::new(DiskModel::AtOnce);
        let authors = members.into_iter().map(|member| site.open(member, memory())).collect();
        let mut story =
            Self { site, dice: Dice::new(seed), now_ms: 1, authors, captures: Vec::new(), written: BTreeMap::new() };
        for step in 0..30 {
            story.step();
            story.note_written();
            if step == 15 {
                story.renew();
            }
        }
        let mut entries: Vec<Entry> = story.written.values().cloned().collect();
        entries.sort_by_key(|entry| (entry.header().author, entry.header().seq));
        let known = story.captures.clone();
        entries.extend(misfits(&mut story.dice, &story.site, &known));
        entries.extend(forked(&mut story.dice, &story.site));
        (story.site, entries)
    }

    /// Somebody says something; what isn't possible now is left unsaid.
    fn step(&mut self) {
        self.now_ms += self.dice.draw(300);
        let (now, seed) = (self.now_ms, self.dice.bytes());
        let capture = self.captures.get(self.dice.draw(self.captures.len() as u64) as usize).copied();
        let (author, why) = (self.dice.draw(4) as usize, Why::ALL[self.dice.draw(4) as usize]);
        let replica = &mut self.authors[author];
        match (self.dice.draw(7), capture) {
            (1, Some(id)) => drop(self.authors[0].receipt_new(now, id)),
            (2, Some(id)) => drop(self.authors[0].verdict_new(now, seed, id, &no_match())),
            (3, Some(id)) => drop(replica.review_new(now, seed, id, &refuted())),
            (4, Some(id)) => drop(replica.seen_new(now, id)),
            (5, _) => self.spread(),
            (6, Some(id)) => drop(replica.erase_new(now, id, why)),
            _ if author > 0 => {
                let written = replica.capture_new(now, seed, &draft(50));
                self.captures.extend(written.ok().and_then(|written| written.about.capture()));
                self.spread();
            }
            _ => {}
        }
    }

    fn note_written(&mut self) {
        for entry in self.everything() {
            self.written.entry(entry.header().hash()).or_insert(entry);
        }
    }

    fn spread(&mut self) {
        self.note_written();
        let all = self.everything();
        for author in &mut self.authors {
            author.ingest(self.now_ms, all.clone()).unwrap();
        }
    }

    fn renew(&mut self) {
        let store = self.authors.remove(RENEWED).into_store();
        let renewed = self.site.enrol(4, SUPERVISOR);
        self.authors.insert(RENEWED, self.site.open(renewed, store));
        // Also with nothing to say, it tells its new certificate.
        self.authors[RENEWED].introduce(self.now_ms).unwrap();
    }

    fn everything(&self) -> Vec<Entry> {
        let own = |replica: &Replica<MemoryStore>| {
            let author = replica.own_author();
            entries_of(replica).into_iter().filter(move |entry| entry.header().author == author).collect::<Vec<_>>()
        };
        self.authors.iter().flat_map(own).collect()
    }
}

fn no_match() -> VerdictContent {
    VerdictContent { value: VerdictValue::NoMatch, reason: None, candidates: vec![], basis: vec![] }
}

fn refuted() -> ReviewContent {
    ReviewContent { outcome: Outcome::Refuted, note: "not the same".to_owned().into() }
}

/// Entries that keep their place and have no effect, between some that have.
fn misfits(dice: &mut Dice, site: &Site, captures: &[CaptureId]) -> Vec<Entry> {
    let mut pen = Pen::new(site.enrol(5, Roles::OFFICER));
    let mut entries = vec![pen.introduce(100)];
    for step in 0..16 {
        let ms = 200 + step * 10;
        let about =
            captures.get(dice.draw(captures.len() as u64) as usize).map_or(About::Site, |id| About::Capture(*id));
        let receipt = Statement::Receipt(Receipt { payload: dice.bytes().into() }).encode();
        let own = About::Capture(capture_id(pen.author.device, &[0; 16]));
        entries.push(match dice.draw(13) {
            0 => pen.write(ms, about, Kind::Receipt as u8, receipt),
            1 => pen.write(50, About::Site, Kind::Seen as u8, vec![0; 32]),
            2 => pen.write(ms, about, 200, b"of a newer kind".to_vec()),
            3 => pen.write(ms, about, Kind::Seen as u8, b"no body of this kind".to_vec()),
            4 => pen.write(ms, About::Site, Kind::Fork as u8, no_evidence(&entries)),
            5 => pen.write(ms, About::Site, Kind::Certificate as u8, crdt::codec::encode(&site.hub.certificate)),
            // Of another's capture, and of none that has this id.
            8 => pen.write(ms, about, Kind::Erasure as u8, erasure(site.enrol(2, Roles::OFFICER).device(), [9; 16])),
            9 => pen.write(ms, about, Kind::Erasure as u8, erasure(pen.author.device, [9; 16])),
            // Of erased captures nobody can tell whether the body held.
            10 => pen.write(ms, about, Kind::Edit as u8, b"no body of this kind".to_vec()),
            11 => pen.write(ms, own, Kind::Capture as u8, b"no body of this kind".to_vec()),
            12 => pen.write(ms, own, Kind::Erasure as u8, erasure(pen.author.device, [0; 16])),
            6 => capture(&mut pen, ms, dice.draw(2) as u8, CaptureId([9; 16])),
            // The second with this nonce is set aside.
            _ => {
                let id = capture_id(pen.author.device, &[0; 16]);
                capture(&mut pen, ms, 0, id)
            }
        });
    }
    let mut late = Pen::new(site.enrol_for(6, SUPERVISOR, (0, 1_000)));
    entries.push(late.introduce(900));
    entries.push(late.write(999, About::Site, 200, vec![]));
    entries.push(late.write(1_000, about_of(captures), Kind::Seen as u8, vec![0; 32]));
    let mut early = Pen::new(site.enrol_for(7, SUPERVISOR, (5_000, 6_000)));
    entries.push(early.introduce(4_000));
    entries.push(early.write(5_000, about_of(captures), Kind::Seen as u8, vec![0; 32]));
    entries
}

fn about_of(captures: &[CaptureId]) -> About {
    captures.first().map_or(About::Site, |id| About::Capture(*id))
}

fn no_evidence(entries: &[Entry]) -> Vec<u8> {
    let signed = entries[0].signed.clone();
    Statement::Fork(Box::new(Fork { a: signed.clone(), b: signed })).encode()
}

fn erasure(device: DeviceId, nonce: [u8; 16]) -> Vec<u8> {
    let at = EntryRef { log: LogId([1; 16]), seq: 2 };
    let erasure = Erasure { why: Why::Withdrawn, device, nonce: nonce.into(), at, entry: EntryHash([2; 32]) };
    Statement::Erasure(Box::new(erasure)).encode()
}

fn capture(pen: &mut Pen, ms: u64, nonce: u8, id: CaptureId) -> Entry {
    let capture = crdt::statement::Capture {
        nonce: [nonce; 16].into(),
        purpose: "exercise".into(),
        priority: crdt::statement::Priority::Urgent,
        delete_after_ms: 1,
        keys: vec![],
        inside: vec![1, 2, 3].into(),
        blobs: vec![],
    };
    pen.write(ms, About::Capture(id), Kind::Capture as u8, crdt::codec::encode(&capture))
}

/// Two histories of one author, and the evidence; sometimes two pieces of it, at different places.
fn forked(dice: &mut Dice, site: &Site) -> Vec<Entry> {
    let mut pen = Pen::new(site.enrol(8, Roles::OFFICER));
    let mut entries = vec![pen.introduce(1)];
    for step in 0..1 + dice.draw(4) {
        let id = capture_id(pen.author.device, &[step as u8; 16]);
        entries.push(capture(&mut pen, 10 + step, step as u8, id));
    }
    if dice.chance(2) {
        let id = capture_id(pen.author.device, &[0; 16]);
        entries.push(pen.write(20, About::Capture(id), Kind::Erasure as u8, erasure(pen.author.device, [0; 16])));
    }
    let mut other = pen.clone();
    let branch = |pen: &mut Pen, nonce: u8| -> Vec<Entry> {
        let id = |nonce| capture_id(pen.author.device, &[nonce; 16]);
        let ids = [id(nonce), id(nonce + 1), id(nonce + 2)];
        (0..3).map(|at| capture(pen, 30 + u64::from(at), nonce + at, ids[at as usize])).collect()
    };
    let (ours, theirs) = (branch(&mut pen, 50), branch(&mut other, 60));
    let mut witness = Pen::new(site.enrol(9, Roles(0)));
    entries.push(witness.introduce(1));
    let mut places = vec![0];
    places.extend(dice.chance(2).then_some(2));
    dice.shuffle(&mut places);
    for at in places {
        let fork = Fork::of(&ours[at].signed, &theirs[at].signed).unwrap();
        entries.push(witness.write(50, About::Site, Kind::Fork as u8, Statement::Fork(Box::new(fork)).encode()));
    }
    entries.extend(ours);
    entries.extend(theirs);
    let captures: Vec<Entry> = entries.iter().filter(|it| it.header().kind == Kind::Capture as u8).cloned().collect();
    entries.extend(stated_again(dice, site, &captures));
    entries
}

/// Captures of a forked log, stated again in other logs of their device, earlier or later, some with another body; one of these
/// logs is forked too.
fn stated_again(dice: &mut Dice, site: &Site, captures: &[Entry]) -> Vec<Entry> {
    let mut witness = Pen::new(site.enrol(10, Roles(0)));
    let mut entries = vec![witness.introduce(1)];
    for epoch in [9, 5, 200] {
        let mut pen = Pen::new(site.enrol(8, Roles::OFFICER));
        pen.author.epoch = epoch;
        let mut ms = dice.draw(40);
        let mut log = vec![pen.introduce(ms)];
        let cut = 1 + dice.draw(4) as usize;
        let mut other = pen.clone();
        for at in 0..6 {
            let entry = &captures[dice.draw(captures.len() as u64) as usize];
            let mut body = entry.body.clone().unwrap().into_vec();
            // Before the number of blobs comes what is sealed.
            let sealed = body.len() - 2;
            body[sealed] ^= u8::from(dice.chance(4));
            ms += dice.draw(10);
            log.push(pen.write(ms, entry.header().about, Kind::Capture as u8, body));
            if at + 1 == cut {
                other = pen.clone();
            }
        }
        if epoch == 5 {
            let fork = Fork::of(&log[cut + 1].signed, &other.write(ms, About::Site, 200, vec![]).signed).unwrap();
            entries.push(witness.write(50, About::Site, Kind::Fork as u8, Statement::Fork(Box::new(fork)).encode()));
        }
        entries.extend(log);
    }
    entries
}

/// All that anybody can see of a replica.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    fingerprint: [u8; 32],
    heads: [u8; 8],
    captures: u64,
    open: Vec<CaptureId>,
    frozen: Vec<(LogId, u64)>,
    set_aside: BTreeMap<EntryHash, String>,
    list: Vec<(CaptureId, CaptureView, String)>,
    verdicts: usize,
}

impl Seen {
    pub(crate) fn of<S: Store>(replica: Replica<S>) -> Self {
        let engine = Engine::new(10_000, replica).unwrap();
        let replica = engine.replica();
        let list = engine.captures(10_000, &Query { limit: 500, ..Query::default() }).unwrap().0;
        let verdicts = list.iter().map(|(id, ..)| replica.verdicts(*id).unwrap().len()).sum();
        Self {
            fingerprint: replica.fingerprint().unwrap(),
            heads: replica.heads_digest(),
            captures: replica.captures(),
            open: replica.open_captures().iter().copied().collect(),
            frozen: replica.frozen().map(|(log, at)| (*log, *at)).collect(),
            set_aside: set_aside(replica),
            list: list.into_iter().map(|(id, view, stages)| (id, view, format!("{stages:?}"))).collect(),
            verdicts,
        }
    }
}

fn set_aside<S: Store>(replica: &Replica<S>) -> BTreeMap<EntryHash, String> {
    let rows = replica.store().scan(Table::Quarantine, &[], &[u8::MAX; 9], Direction::Up, usize::MAX).unwrap();
    let named = |(arrival, reason): (Vec<u8>, Vec<u8>)| {
        let bytes = replica.store().get(Table::Entries, &arrival).unwrap().unwrap();
        let entry: Entry = decode(&bytes, ENTRY_BYTES_MAX).unwrap();
        (entry.header().hash(), String::from_utf8(reason).unwrap())
    };
    rows.into_iter().map(named).collect()
}

/// Takes entries in as they may come over a bad week: shuffled, repeated, in pieces, with restarts; and in the end all of
/// them once more, last first, as a peer would send what is still missing.
pub(crate) fn bad_week<S: Store>(
    dice: &mut Dice,
    entries: &[Entry],
    mut replica: Replica<S>,
    restart: impl Fn(Replica<S>) -> Replica<S>,
) -> Replica<S> {
    let mut drawn = entries.to_vec();
    let repeated = (0..entries.len()).map(|_| entries[dice.draw(entries.len() as u64) as usize].clone());
    drawn.extend(repeated.collect::<Vec<_>>());
    dice.shuffle(&mut drawn);
    drawn.extend(entries.iter().rev().cloned());
    while !drawn.is_empty() {
        let piece = drawn.drain(..(1 + dice.draw(9) as usize).min(drawn.len())).collect();
        replica.ingest(0, piece).unwrap();
        if dice.chance(12) {
            replica = restart(replica);
        }
    }
    // What was parked when it restarted is asked for again.
    replica = restart(replica);
    replica.ingest(0, entries.to_vec()).unwrap();
    replica
}

pub(crate) fn observer(site: &Site) -> Identity {
    site.enrol(201, SUPERVISOR)
}

#[test]
fn no_order_and_no_restart_makes_a_difference() {
    let mut reasons = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let (site, mut entries) = Story::tell(seed);
        let empty = || site.open(observer(&site), MemoryStore::new(DiskModel::AtOnce));
        let mut straight = empty();
        straight.ingest(0, entries.clone()).unwrap();
        let expected = Seen::of(straight);
        reasons.extend(expected.set_aside.values().cloned());
        let mut dice = Dice::new(1_000 + seed);
        dice.shuffle(&mut entries);
        let restart = |replica: Replica<MemoryStore>| site.open(observer(&site), replica.into_store());
        let found = Seen::of(bad_week(&mut dice, &entries, empty(), restart));
        assert_eq!(found, expected, "seed {seed}");
    }
    assert!(reasons.len() >= 8, "every sort of misfit occurs: {reasons:#?}");
}

#[test]
fn nor_does_the_store_on_disk() {
    for seed in 0..6 {
        let (site, entries) = Story::tell(seed);
        let mut straight = site.open(observer(&site), MemoryStore::new(DiskModel::AtOnce));
        straight.ingest(0, entries.clone()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            site.open(observer(&site), RedbStore::open(dir.path(), &VaultKey::new([7; 32]), Box::new(|_| {})).unwrap())
        };
        let restart = |replica: Replica<RedbStore>| {
            drop(replica);
            open()
        };
        let found = Seen::of(bad_week(&mut Dice::new(seed), &entries, open(), restart));
        assert_eq!(found, Seen::of(straight), "seed {seed}");
    }
}

/// Whoever carried an entry could strip its body: header and signature still held, the receiving replica kept it as erased,
/// and called the whole entry a repetition when it came. So any carrier could make a capture vanish, here and everywhere
/// downstream, and replicas with the same headers disagreed. As long as nobody can state an erasure, nobody is believed it.
#[test]
fn a_body_that_was_stripped_on_the_way_does_not_keep_the_entry_out() {
    let (site, entries) = Story::tell(1);
    let mut straight = site.open(observer(&site), MemoryStore::new(DiskModel::AtOnce));
    straight.ingest(0, entries.clone()).unwrap();
    let mut robbed = site.open(observer(&site), MemoryStore::new(DiskModel::AtOnce));
    let stripped = entries.iter().map(|entry| Entry { body: None, ..entry.clone() }).collect::<Vec<_>>();
    let outcome = robbed.ingest(0, stripped).unwrap();
    assert_eq!((outcome.accepted, outcome.parked), (0, 0));
    assert_eq!(outcome.refused.len(), entries.len(), "whoever sent it is counted");
    robbed.ingest(0, entries).unwrap();
    assert_eq!(Seen::of(robbed), Seen::of(straight));
}

/// One device with its clock years ahead said something; all others laughed at it, until they were restarted and took its
/// time for their own: what they wrote from then on was dated after their certificates, and set aside everywhere.
#[test]
fn a_restart_takes_over_no_clock_that_was_not_followed_before() {
    let site = Site::new();
    let (year_ms, now_ms) = (365 * 24 * 60 * 60 * 1_000, 1_000);
    let mut ahead = Pen::new(site.enrol(2, Roles::OFFICER));
    let wrong = [ahead.introduce(1), ahead.write(2 * year_ms, About::Site, 200, vec![])];
    let officer = || site.enrol_for(3, Roles::OFFICER, (0, year_ms));
    let mut replica = site.open(officer(), MemoryStore::new(DiskModel::AtOnce));
    replica.ingest(now_ms, wrong.to_vec()).unwrap();
    let mut replica = site.open(officer(), replica.into_store());
    let written = replica.capture_new(now_ms, [1; 32], &draft(10)).unwrap();
    assert_eq!(replica.entry(written.at).unwrap().unwrap().header().time.ms(), now_ms);
    assert_eq!(replica.captures(), 1);
    // One that is ahead by less than an hour is followed, before and after a restart: what answers sorts after the question.
    let mut near = Pen::new(site.enrol(4, Roles::OFFICER));
    let question = near.introduce(now_ms + 60_000);
    replica.ingest(now_ms, vec![question.clone()]).unwrap();
    let mut replica = site.open(officer(), replica.into_store());
    let answer = replica.capture_new(now_ms, [2; 32], &draft(10)).unwrap();
    assert!(replica.entry(answer.at).unwrap().unwrap().header().time > question.header().time);
}
