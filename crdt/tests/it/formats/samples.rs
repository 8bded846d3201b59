//! One of everything that is written to a disk or a wire, made from fixed seeds: always the same bytes.

use std::collections::BTreeMap;

use crdt::audit::{Act, Chain, CodeName, Head, Parts, PersonName, Record, Refused, Salted, Under, leaf, segment};
use crdt::blob::{BlobRef, Outline};
use crdt::codec::{encode, encode_padded};
use crdt::entry::{About, Entry};
use crdt::ids::{CaptureId, DeviceId};
use crdt::knowledge::Fact;
use crdt::replica::{Ground, Proof, Replica};
use crdt::revocation::{Cause, Charge};
use crdt::seal::{ContentKey, GroupKey, Reader, Sealed};
use crdt::site::{Request, Roles};
use crdt::statement::{
    ANSWER_BLOCK_BYTES, CaptureDraft, Fork, GroupKeyGrant, GroupKeys, Image, Inside, Kind, Outcome, Priority,
    REFERENCES_BLOCK_BYTES, Readmission, ReviewContent, Shows, Statement, VerdictContent, VerdictValue, Why,
};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::store::{Direction, Store, Table};
use crdt::sync::frame::{Frame, Item, PROTOCOL_VERSION, knock_tag};
use crdt::sync::{Engine, Input};
use crdt::vault::{NONCE_BYTES, VaultKey};
use crdt::view::EntryRef;

use crate::site::{Pen, Site, blob, entries_of};

/// The time at which everything here happened.
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

/// A name and its bytes.
pub(crate) type Sample = (&'static str, Vec<u8>);

/// What was written at a small site: a capture with everything in it, its answer, the review, and that it was read.
pub(crate) struct History {
    pub(crate) site: Site,
    pub(crate) officer: Replica<MemoryStore>,
    pub(crate) supervisor: Replica<MemoryStore>,
    pub(crate) hub: Replica<MemoryStore>,
    pub(crate) capture: CaptureId,
}

pub(crate) fn verdict() -> VerdictContent {
    VerdictContent {
        value: VerdictValue::Candidate,
        reason: Some("a clear print".into()),
        candidates: vec!["P-1".into(), "P-2".into()],
        basis: vec![Shows::Finger(2), Shows::Face],
    }
}

pub(crate) fn review() -> ReviewContent {
    ReviewContent { outcome: Outcome::Refuted, note: "another whorl".to_owned().into() }
}

pub(crate) fn capture_draft() -> CaptureDraft {
    let image = |shows, bytes: usize| Image { shows, bytes: blob(1, bytes).1.into() };
    CaptureDraft {
        purpose: "border-check".into(),
        priority: Priority::Urgent,
        particulars: BTreeMap::from([("name".into(), "Somebody".to_owned().into())]),
        images: vec![image(Shows::Finger(2), 100), image(Shows::Face, 40_000)],
    }
}

impl History {
    pub(crate) fn write() -> Self {
        let site = Site::new();
        let open = |identity| site.open(identity, MemoryStore::new(DiskModel::AtOnce));
        let mut officer = open(site.enrol(2, Roles::OFFICER));
        let mut supervisor = open(site.enrol(3, Roles::SUPERVISOR));
        let mut hub = open(site.hub.clone());
        supervisor.introduce(NOW_MS).unwrap();
        let capture = officer.capture_new(NOW_MS, [11; 32], &capture_draft()).unwrap().about.capture().unwrap();
        tell(&[&officer, &supervisor], &mut hub);
        hub.receipt_new(NOW_MS + 1, capture).unwrap();
        hub.verdict_new(NOW_MS + 2, [12; 32], capture, &verdict()).unwrap();
        tell(&[&officer, &hub], &mut supervisor);
        supervisor.review_new(NOW_MS + 3, [13; 32], capture, &review()).unwrap();
        tell(&[&hub], &mut officer);
        // The officer hasn't heard of the review, which would end it.
        officer.seen_new(NOW_MS + 4, capture).unwrap();
        tell(&[&supervisor], &mut officer);
        Self { site, officer, supervisor, hub, capture }
    }

    fn entry(&self, kind: Kind) -> Entry {
        let all = [&self.officer, &self.supervisor, &self.hub].map(entries_of).concat();
        all.into_iter().find(|entry| entry.header().kind == kind as u8).unwrap()
    }

    /// What the supervisor writes who has it erased, on a replica that has it all.
    fn erased(&self) -> Replica<MemoryStore> {
        let mut supervisor = self.site.open(self.site.enrol(3, Roles::SUPERVISOR), self.supervisor.store().clone());
        tell(&[&self.officer, &self.hub], &mut supervisor);
        supervisor.erase_new(NOW_MS + 5, self.capture, Why::Ordered).unwrap();
        supervisor
    }

    fn group_sealed(&self) -> crdt::seal::GroupSealed {
        let context = [b"greenline edit\0".as_slice(), &self.site.authority.site().0, &self.capture.0].concat();
        GroupKey::new([4; 32]).seal(&context, b"a change", [14; 32])
    }

    /// What is said against the officer.
    pub(crate) fn charge(&self) -> Charge {
        let at = EntryRef { log: self.officer.own_author().log(), seq: 300 };
        Charge { device: self.officer.identity().device(), cause: Cause::Stolen, trusted: vec![at] }
    }

    fn readmission(&self) -> Statement {
        let entry = self.entry(Kind::Capture);
        let at = EntryRef { log: entry.header().author.log(), seq: entry.header().seq };
        Statement::Readmission(Readmission { at, entry: entry.header().hash() })
    }

    /// Two keys for one reader.
    fn grant(&self) -> Statement {
        let officer = self.officer.identity();
        let reader = Reader { device: officer.device(), sealing_key: officer.sealing.public() };
        let name = GroupKey::made_by(astray_author(self), &[5; 32]).name();
        let keys = GroupKeys { seed: [5; 32].into(), older: vec![GroupKey::new([4; 32])] };
        let context = [b"greenline group key\0".as_slice(), &self.site.authority.site().0, &name].concat();
        let sealed = Sealed::to_members(&encode(&keys), &[reader], &context, [18; 32]).unwrap();
        Statement::GroupKey(Box::new(GroupKeyGrant { name: name.into(), sealed }))
    }

    /// Two entries of one author at one place, and an edit, by an officer whose pen went astray.
    fn astray(&self) -> (Pen, Fork) {
        let mut pen = Pen::new(self.site.enrol(5, Roles::OFFICER));
        pen.introduce(NOW_MS);
        let mut other = pen.clone();
        let [one, two] = [(&mut pen, 1), (&mut other, 2)].map(|(pen, body)| pen.write(9, About::Site, 200, vec![body]));
        (pen, Fork::of(&one.signed, &two.signed).unwrap())
    }
}

/// Who writes the entries of which no honest history has one.
fn astray_author(history: &History) -> DeviceId {
    history.site.enrol(5, Roles::OFFICER).device()
}

fn tell(from: &[&Replica<MemoryStore>], to: &mut Replica<MemoryStore>) {
    for replica in from {
        to.ingest(NOW_MS, entries_of(*replica)).unwrap();
    }
}

/// One of everything.
pub(crate) fn samples() -> Vec<Sample> {
    let history = History::write();
    [of_the_site(&history), entries(&history), sealed(&history), frames(&history), rows(&history), trail(&history)]
        .concat()
}

fn of_the_site(history: &History) -> Vec<Sample> {
    let officer = history.officer.identity();
    let request = Request { device: officer.device(), sealing_key: officer.sealing.public() };
    vec![
        ("manifest", encode(&history.site.membership().manifest)),
        ("certificate", encode(&officer.certificate)),
        ("request", encode(&request)),
    ]
}

fn entries(history: &History) -> Vec<Sample> {
    let (mut pen, fork) = history.astray();
    let edit = Statement::Edit(history.group_sealed()).encode();
    let edit = pen.write(NOW_MS, About::Capture(history.capture), Kind::Edit as u8, edit);
    let fork = pen.write(NOW_MS, About::Site, Kind::Fork as u8, Statement::Fork(Box::new(fork)).encode());
    let (charge, readmission, grant) = (history.charge(), history.readmission(), history.grant());
    let order = Statement::Revocation(Box::new(history.site.authority.revoke(charge.clone())));
    let order = pen.write(NOW_MS, About::Site, Kind::Revocation as u8, order.encode());
    let vote = pen.write(NOW_MS, About::Site, Kind::Vote as u8, Statement::Vote(Box::new(charge)).encode());
    let about = About::Capture(history.capture);
    let readmission = pen.write(NOW_MS, about, Kind::Readmission as u8, readmission.encode());
    let grant = pen.write(NOW_MS, About::Site, Kind::GroupKey as u8, grant.encode());
    let erased = history.entry(Kind::Capture).without_body();
    let erasure = entries_of(&history.erased()).into_iter().find(|it| it.header().kind == Kind::Erasure as u8).unwrap();
    let written = |kind| encode(&history.entry(kind));
    vec![
        ("entry-certificate", written(Kind::Certificate)),
        ("entry-capture", written(Kind::Capture)),
        ("entry-edit", encode(&edit)),
        ("entry-receipt", written(Kind::Receipt)),
        ("entry-verdict", written(Kind::Verdict)),
        ("entry-review", written(Kind::Review)),
        ("entry-seen", written(Kind::Seen)),
        ("entry-fork", encode(&fork)),
        ("entry-revocation", encode(&order)),
        ("entry-vote", encode(&vote)),
        ("entry-readmission", encode(&readmission)),
        ("entry-group-key", encode(&grant)),
        ("entry-erased", encode(&erased)),
        ("entry-erasure", encode(&erasure)),
    ]
}

fn sealed(history: &History) -> Vec<Sample> {
    let officer = history.officer.identity();
    let reader = Reader { device: officer.device(), sealing_key: officer.sealing.public() };
    let key = ContentKey::new([15; 32]);
    let draft = capture_draft();
    let inside = Inside { particulars: draft.particulars, shows: vec![Shows::Finger(2), Shows::Face] };
    vec![
        ("wrapped-key", encode(&key.wrap(&[reader], b"context", [16; 32]).unwrap()[0])),
        ("sealed", encode(&Sealed::new(b"plain", &[reader], b"context", [17; 32]).unwrap())),
        ("sealed-part", key.seal(3, b"context", b"plain")),
        ("group-sealed", encode(&history.group_sealed())),
        ("inside", encode(&inside)),
        ("verdict-answer", encode_padded(&verdict().answer(), ANSWER_BLOCK_BYTES)),
        ("verdict-references", encode_padded(&verdict().candidates, REFERENCES_BLOCK_BYTES)),
        ("review-content", encode(&review())),
        ("outline", Outline::of(&blob(2, 40_000).1).unwrap().to_bytes()),
    ]
}

fn frames(history: &History) -> Vec<Sample> {
    let (officer, hub) = (history.officer.identity().device(), history.hub.identity().device());
    let log = history.officer.own_author().log();
    let head = history.officer.log(&log).unwrap().head;
    let (blob, bytes) = blob(2, 40_000);
    let outline = Outline::of(&bytes).unwrap().to_bytes();
    let tag = knock_tag(history.officer.site(), officer, hub).into();
    let item = Item { log, height: head.height, prefix: head.hash.prefix().into() };
    let facts = vec![Fact::Holds(history.capture), Fact::Gateway(NOW_MS)];
    let entries = history.officer.entries_from(log, 1, 2, usize::MAX).unwrap();
    let Proof { certificate, ground } = history.erased().proof(history.capture).unwrap().unwrap();
    let header = Box::new(history.entry(Kind::Capture).signed);
    let grounds = vec![(0, ground), (1, Ground::Expired { header, nonce: [9; 16].into() })];
    let certificates = vec![certificate, history.officer.identity().certificate.clone()];
    let frames = [
        ("frame-00-knock", Frame::Knock { version: PROTOCOL_VERSION, tag }),
        ("frame-01-hello", Frame::Hello(Box::new(history.officer.identity().certificate.clone()))),
        ("frame-02-admitted", Frame::Admitted),
        ("frame-03-bye", Frame::Bye("until later".into())),
        ("frame-04-frontier", Frame::Frontier { items: vec![item], opening: true }),
        ("frame-05-want", Frame::Want { log, from: 2, to: 300 }),
        ("frame-06-entries", Frame::Entries(entries.into_iter().map(Into::into).collect())),
        ("frame-07-credit", Frame::Credit(262_144)),
        ("frame-08-prune", Frame::Prune),
        ("frame-09-knowledge", Frame::Knowledge(vec![(hub, facts)])),
        ("frame-10-blob-want", Frame::BlobWant { blob, first: 1, count: 2, outline: true }),
        ("frame-11-blob-outline", Frame::BlobOutline { blob, values: outline.into() }),
        ("frame-12-blob-group", Frame::BlobGroup { blob, index: 2, bytes: bytes[32_768..].to_vec().into() }),
        ("frame-13-blob-gone", Frame::BlobGone(blob)),
        ("frame-14-probe", Frame::Probe { log, lo: 1, hi: 300, middle: [8; 8].into() }),
        ("frame-15-parting", Frame::Parting(Box::new(history.entry(Kind::Capture).signed))),
        ("frame-16-erased", Frame::Erased { certificates, grounds }),
    ];
    frames.into_iter().map(|(name, frame)| (name, frame.encode())).collect()
}

/// A row of each table that isn't an entry, keys and values one after the other as they stand on this page.
fn rows(history: &History) -> Vec<Sample> {
    let known = known(history);
    let log = history.officer.own_author().log();
    let store = history.officer.store();
    let one = |table, prefix: &[u8]| row(store, table, prefix);
    let (erased, orphan) = (history.erased(), orphan(history));
    let gone = |table, prefix: &[u8]| row(erased.store(), table, prefix);
    vec![
        ("row-capture", one(Table::Captures, &history.capture.0)),
        ("row-order", one(Table::Order, &[])),
        ("row-about", one(Table::About, &[])),
        ("row-run", one(Table::Runs, &log.0)),
        ("row-log", one(Table::Meta, &[b"log/".as_slice(), &log.0].concat())),
        ("row-format", one(Table::Meta, b"format")),
        ("row-known", known),
        ("row-frozen", frozen(history)),
        ("row-decision", decided(history, b"decision/")),
        ("row-revoked", decided(history, b"revoked")),
        ("row-capture-erased", gone(Table::Captures, &history.capture.0)),
        ("row-erased", gone(Table::Meta, b"erased/")),
        ("row-eraser", gone(Table::Meta, b"eraser/")),
        ("row-orphan", orphan),
    ]
}

/// A record of the trail, the file that it is in, and the signed end of the chain.
fn trail(history: &History) -> Vec<Sample> {
    let officer = history.officer.identity();
    let record = Record {
        at_ms: NOW_MS,
        operator: "Ana".into(),
        act: Act::Shown(Parts::PARTICULARS.and(Parts::VERDICTS, true)),
        captures: vec![history.capture],
        why: "border-check".into(),
        times: 300,
    };
    let salted = Salted { salt: [19; 16], record };
    let begin = Chain::begin(history.officer.site(), officer.device(), [20; 16]);
    let mut chain = begin;
    chain.extend(&leaf(&salted));
    let header = segment::Header::new(begin, NOW_MS).frame(&trail_key(), &[22; NONCE_BYTES]);
    let group = segment::group_frame(&trail_key(), &begin, std::slice::from_ref(&salted), &[23; NONCE_BYTES]);
    vec![
        ("trail-acts", encode(&acts(history))),
        ("trail-record", salted.encode()),
        ("trail-segment", [header, group].concat()),
        ("trail-head", encode(&Head::new(chain, begin.end, NOW_MS, [24; 32]).sign(&officer.key))),
    ]
}

/// Every act, in the order of their numbers.
pub(crate) fn acts(history: &History) -> Vec<Act> {
    let (device, roles, days) = (history.officer.identity().device(), Roles::OFFICER, 300);
    let (person, code) = (PersonName([25; 16]), CodeName([26; 5]));
    vec![
        Act::Shown(Parts::IMAGES),
        Act::Listed,
        Act::SiteShown,
        Act::Linked,
        Act::Compared,
        Act::Exported,
        Act::Packed,
        Act::Refused(Refused::WrongOpener),
        Act::Locked,
        Act::Unlocked,
        Act::Protected(Under::KeyFile),
        Act::Dropped(300),
        Act::Cut(300),
        Act::PersonAdded(person),
        Act::PersonReplaced(person),
        Act::PersonRemoved(person),
        Act::PeopleListed(300),
        Act::Founded,
        Act::Certified { device, roles, days },
        Act::CodeMade { code, roles, days },
        Act::CodeUsed { code, device },
        Act::CodeWithdrawn(code),
        Act::Ordered { device, cause: Cause::Stolen },
        Act::KeyExported,
        Act::KeyImported,
    ]
}

/// What the sample of a trail's file is encrypted under.
pub(crate) fn trail_key() -> VaultKey {
    VaultKey::new([21; 32])
}

/// Length of the key as u32 big-endian, the key, the value.
fn row(store: &MemoryStore, table: Table, prefix: &[u8]) -> Vec<u8> {
    let rows = store.scan(table, prefix, &[0xff; 40], Direction::Up, 1).unwrap();
    let (key, value) = rows.into_iter().next().unwrap();
    assert!(key.starts_with(prefix));
    [(key.len() as u32).to_be_bytes().as_slice(), &key, &value].concat()
}

/// What an engine saves of a peer that told it something.
fn known(history: &History) -> Vec<u8> {
    let replica = history.site.observer();
    let engine = Engine::new(NOW_MS, replica).unwrap();
    let mut peer = crate::hostile::peer::Peer::meet(&history.site, engine);
    peer.open();
    let device = history.hub.identity().device();
    let facts = vec![Fact::Holds(history.capture)];
    peer.say(&Frame::Knowledge(vec![(device, facts)]));
    peer.engine.handle(NOW_MS + 60_000, Input::Tick);
    row(peer.engine.replica().store(), Table::Meta, &[b"known/".as_slice(), &device.0].concat())
}

/// What a replica keeps of the authority's order.
fn decided(history: &History, prefix: &[u8]) -> Vec<u8> {
    let mut replica = history.site.observer();
    let order = Statement::Revocation(Box::new(history.site.authority.revoke(history.charge()))).encode();
    let mut witness = Pen::new(history.site.enrol(6, Roles(0)));
    let entries = vec![witness.introduce(1), witness.write(2, About::Site, Kind::Revocation as u8, order)];
    replica.ingest(NOW_MS, entries).unwrap();
    row(replica.store(), Table::Meta, prefix)
}

/// What a replica keeps that hears of an erasure before the log in which it stands.
fn orphan(history: &History) -> Vec<u8> {
    let mut replica = history.site.observer();
    replica.take_proofs(NOW_MS, vec![history.erased().proof(history.capture).unwrap().unwrap()]).unwrap();
    row(replica.store(), Table::Meta, b"orphan/")
}

fn frozen(history: &History) -> Vec<u8> {
    let (mut pen, fork) = history.astray();
    pen.head = crdt::replica::Head::NONE;
    let mut witness = Pen::new(history.site.enrol(6, Roles(0)));
    let evidence = Statement::Fork(Box::new(fork)).encode();
    let mut replica = history.site.observer();
    let entries = vec![witness.introduce(1), witness.write(2, About::Site, Kind::Fork as u8, evidence)];
    replica.ingest(NOW_MS, entries).unwrap();
    row(replica.store(), Table::Meta, b"frozen/")
}

/// The blob that the outline and the frames are of.
pub(crate) fn sample_blob() -> (BlobRef, Vec<u8>) {
    blob(2, 40_000)
}
