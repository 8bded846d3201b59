//! What taking entries in costs: `cargo bench -p crdt --features redb --bench replica`.
//!
//! Prints medians, and ratios to the signature checks alone, measured in the same run.
#![allow(missing_docs, clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use std::time::{Duration, Instant};

use crdt::blob::BlobRef;
use crdt::codec::decode;
use crdt::entry::{About, ENTRY_BYTES_MAX, Entry, bad_signatures};
use crdt::ids::CaptureId;
use crdt::record::EditOp;
use crdt::replica::{Identity, Membership, Replica};
use crdt::seal::{ContentKey, GroupKey, Reader, SealingSecret};
use crdt::site::{Authority, Certificate, Policy, Request, Roles};
use crdt::statement::{Capture, CaptureDraft, Image, Shows, Statement, capture_id};
use crdt::store::Store;
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::store::redb::RedbStore;
use crdt::sync::{Engine, Input, LinkClass, Output};
use crdt::vault::VaultKey;

/// Entries per frame of a catch-up over a LAN.
const FRAME: usize = 180;

struct Site {
    authority: Authority,
    membership: Membership,
}

impl Site {
    fn new() -> Self {
        let authority = Authority::from_seed([1; 32]);
        let manifest = authority.manifest("Bench", 1, Policy::default());
        Self { authority, membership: Membership { manifest, group_keys: vec![GroupKey::new([4; 32])], hubs: vec![] } }
    }

    fn enrol(&self, seed: u8) -> Identity {
        self.enrol_as(seed, Roles::OFFICER)
    }

    fn hub(&self, seed: u8) -> Certificate {
        self.enrol_as(seed, Roles::HUB).certificate
    }

    fn enrol_as(&self, seed: u8, roles: Roles) -> Identity {
        let key = crdt::entry::DeviceKey::from_seed([seed; 32]);
        let sealing = SealingSecret::from_seed(&[seed; 32]);
        let request = Request { device: key.id(), sealing_key: sealing.public() };
        let certificate = self.authority.certify(&request, roles, "bench", (0, u64::MAX));
        Identity { key, sealing, certificate }
    }
}

fn main() {
    let site = Site::new();
    let count: usize = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(100_000);
    let (entries, bytes) = captures(&site, count);
    println!("{count} captures, {:.0} bytes each on the wire", bytes as f64 / count as f64);

    let verify = per_entry(entries.len(), || {
        for piece in entries.chunks(FRAME) {
            let pairs: Vec<_> = piece.iter().map(|entry| (entry.header().hash(), entry)).collect();
            assert!(bad_signatures(&pairs).is_empty());
        }
    });
    show("check signatures, in frames", verify, verify);
    let single = per_entry(2_000, || {
        for entry in entries.iter().take(2_000) {
            entry.signed.verify().unwrap();
        }
    });
    show("check one signature", single, verify);

    let in_memory = per_entry(entries.len(), || {
        let store = MemoryStore::new(DiskModel::AtOnce);
        take_in(open(&site, store), &entries, FRAME);
    });
    show("take in, in memory, in frames", in_memory, verify);

    let folder = tempfile::tempdir().unwrap();
    let on_disk = per_entry(entries.len(), || {
        let store = RedbStore::open(&folder.path().join("bulk"), &VaultKey::new([7; 32]), Box::new(|_| {})).unwrap();
        let mut replica = take_in(open(&site, store), &entries, FRAME);
        replica.store_mut().flush().unwrap();
    });
    show("take in, on disk, in frames", on_disk, verify);
    let size = std::fs::metadata(folder.path().join("bulk/store.redb")).unwrap().len();
    println!("  the file is {:.2} x the entries", size as f64 / bytes as f64);

    let began = Instant::now();
    let store = RedbStore::open(&folder.path().join("bulk"), &VaultKey::new([7; 32]), Box::new(|_| {})).unwrap();
    let replica = open(&site, store);
    println!("open with {} captures: {:.2} s", replica.captures(), began.elapsed().as_secs_f64());
    drop(replica);

    for count in [count / 10, count] {
        catch_up(&site, &entries[..=count], verify);
    }

    let one = per_entry(2_000, || {
        let store = MemoryStore::new(DiskModel::AtOnce);
        take_in(open(&site, store), &entries[..2_000], 1);
    });
    show("accept one entry, alone", one, single);
    edits(&site, single);
    sealing(&site, single);
}

/// Captures of two images, sealed to the hub alone and to more readers, beside what hashing and storing the images costs.
fn sealing(site: &Site, single: Duration) {
    const CAPTURES: usize = 40;
    const IMAGE_BYTES: usize = 60_000;
    println!("sealing a capture of two images of {IMAGE_BYTES} bytes (base: check one signature)");
    let images = [Shows::Finger(2), Shows::Finger(7)].map(|shows| Image { shows, bytes: vec![7; IMAGE_BYTES].into() });
    let plain = per_entry(CAPTURES, || {
        let mut store = MemoryStore::new(DiskModel::AtOnce);
        for _ in 0..CAPTURES {
            for image in &images {
                let blob = BlobRef::of(image.bytes.reveal()).unwrap();
                store.blob_write(blob.id, 0, image.bytes.reveal()).unwrap();
                store.blob_finish(blob.id).unwrap();
            }
        }
    });
    show("hash and keep the images, bare", plain, single);
    let draft = CaptureDraft { purpose: "exercise".into(), images: images.to_vec(), ..CaptureDraft::default() };
    for hubs in [1, 2, 4] {
        let membership =
            Membership { hubs: (0..hubs).map(|hub| site.hub(50 + hub)).collect(), ..site.membership.clone() };
        let store = MemoryStore::new(DiskModel::AtOnce);
        let mut replica = Replica::open(store, site.enrol(9), membership).unwrap();
        let mut number = 0_u64;
        let sealed = per_entry(CAPTURES, || {
            for _ in 0..CAPTURES {
                number += 1;
                let mut seed = [0; 32];
                seed[..8].copy_from_slice(&number.to_be_bytes());
                replica.capture_new(1, seed, &draft).unwrap();
            }
        });
        show(&format!("make a capture, {} readers", hubs + 1), sealed, single);
    }
}

/// Edits of one capture, each taken in alone and looked at by somebody: the record is made anew every time.
fn edits(site: &Site, single: Duration) {
    const EDITS: usize = 20;
    let mut author = open(site, MemoryStore::new(DiskModel::AtOnce));
    let (capture, _) = captures(site, 1);
    let about = capture.last().unwrap().header().about;
    author.ingest(1, capture.clone()).unwrap();
    let note = [EditOp::Note { text: "came back with a second document".to_owned().into() }];
    let writing = per_entry(EDITS, || {
        for seed in 0..EDITS as u8 {
            author.edit_new(1, [seed; 32], about, &note).unwrap();
        }
    });
    show("make an edit, of 20", writing, single);
    let sent = author.entries_from(author.own_author().log(), 1, u64::MAX, usize::MAX).unwrap();
    let sent: Vec<Entry> = sent.iter().map(|bytes| decode(bytes, ENTRY_BYTES_MAX).unwrap()).collect();
    for (what, look) in [("take in an edit, unread", false), ("take in an edit and read, of 20", true)] {
        let mut reader = open(site, MemoryStore::new(DiskModel::AtOnce));
        reader.ingest(1, [capture.clone(), sent[..1].to_vec()].concat()).unwrap();
        let time = per_entry(EDITS, || {
            for entry in &sent[1..] {
                reader.ingest(1, vec![entry.clone()]).unwrap();
                if look {
                    reader.record(about).unwrap();
                }
            }
        });
        show(what, time, single);
        assert_eq!(reader.record(about).unwrap().unwrap().edits, EDITS);
    }
}

fn open<S: Store>(site: &Site, store: S) -> Replica<S> {
    Replica::open(store, site.enrol(9), site.membership.clone()).unwrap()
}

fn take_in<S: Store>(mut replica: Replica<S>, entries: &[Entry], frame: usize) -> Replica<S> {
    for piece in entries.chunks(frame) {
        let outcome = replica.ingest(1, piece.to_vec()).unwrap();
        assert_eq!(outcome.accepted, piece.len());
        replica.take_news();
    }
    replica
}

/// Captures as they travel, with dummy key wraps of the right size: sealing isn't what is measured here.
fn captures(site: &Site, count: usize) -> (Vec<Entry>, usize) {
    let identity = site.enrol(2);
    let reader = Reader { device: identity.device(), sealing_key: identity.sealing.public() };
    let keys = ContentKey::new([1; 32]).wrap(&[reader, reader], b"", [2; 32]).unwrap();
    let store = MemoryStore::new(DiskModel::AtOnce);
    let mut replica = Replica::open(store, identity, site.membership.clone()).unwrap();
    let log = replica.own_author().log();
    for number in 0..count as u64 {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let capture = Capture {
            nonce: nonce.into(),
            purpose: "exercise".into(),
            priority: crdt::statement::Priority::Routine,
            delete_after_ms: u64::MAX,
            keys: keys.clone(),
            inside: vec![7; 120].into(),
            blobs: Vec::new(),
        };
        let id: CaptureId = capture_id(replica.identity().device(), &nonce);
        replica.append(number, About::Capture(id), &Statement::Capture(Box::new(capture))).unwrap();
        replica.take_news();
    }
    let encoded = replica.entries_from(log, 1, u64::MAX, usize::MAX).unwrap();
    let bytes = encoded.iter().map(Vec::len).sum();
    (encoded.iter().map(|bytes| decode(bytes, ENTRY_BYTES_MAX).unwrap()).collect(), bytes)
}

/// An empty device meets one that has it all: what it takes, and what it costs on the wire.
fn catch_up(site: &Site, entries: &[Entry], base: Duration) {
    let engine = |seed, replica: Replica<MemoryStore>| (site.enrol(seed).key.id(), Engine::new(1, replica).unwrap());
    let has = take_in(open(site, MemoryStore::new(DiskModel::AtOnce)), entries, FRAME);
    let lacks = Replica::open(MemoryStore::new(DiskModel::AtOnce), site.enrol(8), site.membership.clone()).unwrap();
    let mut ends = [engine(9, has), engine(8, lacks)];
    let time = per_entry(entries.len(), || {
        for (at, initiator) in [(0, true), (1, false)] {
            let device = ends[1 - at].0;
            ends[at].1.handle(1, Input::LinkUp { link: 1, device, initiator, class: LinkClass::Lan });
        }
        let mut now_ms = 1;
        while ends[1].1.replica().captures() < entries.len() as u64 - 1 {
            let said = [0, 1].map(|at| speak(&mut ends, at, now_ms));
            if said == [false, false] {
                now_ms += 10;
                ends.iter_mut().for_each(|(_, engine)| engine.handle(now_ms, Input::Tick));
            }
        }
    });
    let traffic = ends[1].1.traffic();
    let wire = (traffic.sent_bytes + traffic.received_bytes) as f64;
    let bytes: usize = entries.iter().map(|entry| crdt::codec::encode(entry).len()).sum();
    show(&format!("catch up {} captures", entries.len() - 1), time, base);
    let (total_s, ratio) = (time.as_secs_f64() * entries.len() as f64, wire / bytes as f64);
    println!("  {total_s:.2} s in all; on the wire {ratio:.3} x the bytes of the entries");
}

/// Carries what one end has to say now to the other.
fn speak(ends: &mut [(crdt::ids::DeviceId, Engine<MemoryStore>); 2], at: usize, now_ms: u64) -> bool {
    let mut said = false;
    let durable = ends[at].1.replica().store().durable();
    ends[at].1.handle(now_ms, Input::Durable(durable));
    while let Some(output) = ends[at].1.poll() {
        assert!(!matches!(output, Output::Close { .. }), "{output:?}");
    }
    ends[at].1.take_ready();
    while let Some(bytes) = ends[at].1.transmit(1) {
        said = true;
        ends[1 - at].1.handle(now_ms, Input::Frame { link: 1, bytes });
    }
    said
}

fn per_entry(count: usize, work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed() / u32::try_from(count).unwrap()
}

fn show(what: &str, time: Duration, base: Duration) {
    let ratio = time.as_secs_f64() / base.as_secs_f64();
    println!("{what:32} {:7.1} us an entry, {ratio:5.2} x the base", time.as_secs_f64() * 1e6);
}
