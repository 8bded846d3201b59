//! Bounds, in pairs: what works at n fails at n + 1. Those of blobs, bodies, keys, marks and knowledge are beside their code.

use crdt::codec::{DecodeError, decode, encode};
use crdt::entry::{About, BODY_BYTES_MAX, ENTRY_BYTES_MAX, Entry};
use crdt::ids::{Author, BlobId, CaptureId, LogId};
use crdt::replica::{AppendError, EPOCHS_MAX, PAGE_MAX, PARKED_BYTES_MAX, PARKED_MAX, Query, Refusal};
use crdt::revocation::{Cause, Charge, TRUSTED_MAX};
use crdt::seal::READERS_MAX;
use crdt::site::{
    Authority, CertificateError, NAME_BYTES_MAX, PURPOSE_BYTES_MAX, PURPOSES_MAX, Policy, Request, Roles,
};
use crdt::statement::{
    Capture, CaptureDraft, IMAGES_MAX, Image, Kind, PARTICULAR_BYTES_MAX, PARTICULARS_MAX, Shows, Statement,
    StatementError, capture_id,
};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::store::redb::RedbStore;
use crdt::store::{BLOB_END_MAX, Store};
use crdt::sync::Engine;
use crdt::sync::frame::{FRAME_BYTES_MAX, FRONTIER_ITEMS_MAX, Frame};
use crdt::vault::VaultKey;
use crdt::view::EntryRef;

use crate::hostile::peer::Peer;
use crate::net::Net;
use crate::site::{self, Pen, Site, draft};

fn memory() -> MemoryStore {
    MemoryStore::new(DiskModel::AtOnce)
}

#[test]
fn the_longest_entry_fits_into_its_bound_and_the_bound_holds() {
    let site = Site::new();
    let mut pen = Pen::new(site.enrol(2, Roles::OFFICER));
    pen.author.epoch = u32::MAX;
    pen.head.height = u64::MAX - 1;
    let longest = pen.write(u64::MAX, About::Capture(CaptureId([1; 16])), 200, vec![1; BODY_BYTES_MAX]);
    let bytes = encode(&longest);
    assert!(bytes.len() <= ENTRY_BYTES_MAX, "{}", bytes.len());
    assert_eq!(decode::<Entry>(&bytes, ENTRY_BYTES_MAX), Ok(longest));
    let too_long = decode::<Entry>(&vec![1; ENTRY_BYTES_MAX + 1], ENTRY_BYTES_MAX);
    assert!(matches!(too_long, Err(DecodeError::TooLong { .. })));
}

/// A log of small entries, and one that nothing comes before.
fn long_log(site: &Site, count: usize, body: usize) -> Vec<Entry> {
    let mut pen = Pen::new(site.enrol(2, Roles::OFFICER));
    let mut entries = vec![pen.introduce(1)];
    entries.extend((0..count).map(|at| pen.write(2 + at as u64, About::Site, 200, vec![at as u8; body])));
    entries
}

#[test]
fn as_many_entries_are_parked_as_allowed_and_not_one_more() {
    let site = Site::new();
    let entries = long_log(&site, PARKED_MAX + 2, 1);
    for (parked, refused) in [(PARKED_MAX, 0), (PARKED_MAX + 1, 1)] {
        let mut replica = site.observer();
        let outcome = replica.ingest(1, entries[2..2 + parked].to_vec()).unwrap();
        assert_eq!((outcome.parked, outcome.refused.len()), (PARKED_MAX, refused));
        assert!(outcome.refused.iter().all(|(_, refusal)| *refusal == Refusal::ParkingFull));
        let outcome = replica.ingest(1, entries[..2].to_vec()).unwrap();
        assert_eq!(outcome.accepted, 2 + PARKED_MAX, "all that was parked follows");
    }
}

#[test]
fn as_many_bytes_are_parked_as_allowed_and_not_one_entry_more() {
    let site = Site::new();
    let entries = long_log(&site, 80, BODY_BYTES_MAX);
    let fit = PARKED_BYTES_MAX / entries[1].wire_bytes();
    let mut replica = site.observer();
    let outcome = replica.ingest(1, entries[2..2 + fit].to_vec()).unwrap();
    assert_eq!((outcome.parked, outcome.refused.len()), (fit, 0));
    let outcome = replica.ingest(1, entries[2 + fit..3 + fit].to_vec()).unwrap();
    assert_eq!((outcome.parked, outcome.refused.len()), (0, 1));
}

#[test]
fn a_device_has_as_many_logs_as_allowed_and_not_one_more() {
    let site = Site::new();
    let mut replica = site.observer();
    for (epoch, taken) in [(EPOCHS_MAX - 1, 1), (EPOCHS_MAX, 0)] {
        let mut pen = Pen::new(site.enrol(2, Roles::OFFICER));
        pen.author = Author { epoch, ..pen.author };
        let outcome = replica.ingest(1, vec![pen.introduce(1)]).unwrap();
        assert_eq!(outcome.accepted, taken);
        assert_eq!(outcome.refused.len(), 1 - taken);
    }
}

#[test]
fn a_device_that_has_used_up_its_logs_says_so() {
    let site = Site::new();
    let identity = site.enrol(2, Roles::OFFICER);
    let log = |epoch: u32| {
        let mut pen = Pen::new(identity.clone());
        pen.author.epoch = epoch;
        pen.introduce(1)
    };
    for (known, left) in [(EPOCHS_MAX - 2, true), (EPOCHS_MAX - 1, false)] {
        let mut replica = site.open(identity.clone(), memory());
        replica.ingest(1, (0..=known).rev().map(log).collect()).unwrap();
        let written = replica.capture_new(1, [1; 32], &draft(1));
        assert_eq!(written.is_ok(), left, "{known}");
        assert!(left || written == Err(AppendError::TooManyLogs));
        assert_eq!(replica.introduce(1).is_ok(), left);
    }
}

/// A device asked for every log that it lacked at once, and the peer took that for an attack: nobody could catch up on a site
/// where a few members had made as many logs as they may.
#[test]
fn more_logs_than_one_may_ask_for_at_a_time_are_asked_for_one_after_another() {
    let site = Site::new();
    let mut full = site.observer();
    let devices = crdt::sync::SERVING_MAX / EPOCHS_MAX as usize + 1;
    for device in 0..devices {
        let mut pen = Pen::new(site.enrol(2 + device as u8, Roles(0)));
        let log = |epoch: u32| {
            pen.author.epoch = epoch;
            pen.head = crdt::replica::Head::NONE;
            pen.introduce(1)
        };
        full.ingest(1, (0..EPOCHS_MAX).map(log).collect()).unwrap();
    }
    let mut net = Net::default();
    let full = net.add_with(full.into_store(), site.enrol(201, Roles(0)), site.membership());
    let empty = net.add(site.enrol(202, Roles(0)), site.membership());
    net.link(full, empty);
    net.settle(3_000);
    assert!(net.engines[empty].replica().logs().count() > crdt::sync::SERVING_MAX);
    assert_eq!(net.engines[full].conduct().count(), 0);
    assert!(net.agree());
}

#[test]
fn a_draft_is_taken_at_its_bounds_and_refused_beyond() {
    let site = Site::new();
    let image = |bytes: usize| Image { shows: Shows::Face, bytes: vec![1; bytes].into() };
    let images = |count: usize| CaptureDraft { images: vec![image(1); count], ..draft(1) };
    let particulars = |count: usize, name: usize, value: usize| {
        let field = |at: usize| (format!("{at:0name$}"), "x".repeat(value).into());
        CaptureDraft { particulars: (0..count).map(field).collect(), ..draft(1) }
    };
    let capture = |draft: &CaptureDraft| {
        let mut replica = site.open(site.enrol(2, Roles::OFFICER), memory());
        replica.capture_new(1, [1; 32], draft).map(|written| replica.entry(written.at).unwrap().unwrap())
    };
    assert!(capture(&images(IMAGES_MAX)).is_ok());
    assert_eq!(capture(&images(IMAGES_MAX + 1)).unwrap_err(), AppendError::TooManyImages);
    assert_eq!(capture(&images(0)).unwrap_err(), AppendError::NoImages);
    let n = PARTICULAR_BYTES_MAX;
    // All fields at their longest together still fit into an entry.
    let longest = CaptureDraft { images: vec![image(1); IMAGES_MAX], ..particulars(PARTICULARS_MAX, n, n) };
    assert!(encode(&capture(&longest).unwrap()).len() <= ENTRY_BYTES_MAX);
    for beyond in [particulars(PARTICULARS_MAX + 1, 2, 1), particulars(1, n + 1, 1), particulars(1, 1, n + 1)] {
        assert_eq!(capture(&beyond).unwrap_err(), AppendError::Particulars);
    }
}

#[test]
fn the_longest_image_is_sealed_and_a_longer_one_is_refused() {
    let site = Site::new();
    let mut replica = site.open(site.enrol(2, Roles::OFFICER), memory());
    // A blob is the image and 16 bytes of seal.
    let longest = crdt::blob::BLOB_BYTES_MAX - 16;
    let written = replica.capture_new(1, [1; 32], &draft(longest)).unwrap();
    assert_eq!(replica.open_capture(written.about.capture().unwrap()).unwrap().unwrap().unwrap().images.len(), 1);
    assert!(matches!(replica.capture_new(2, [2; 32], &draft(longest + 1)), Err(AppendError::Image(_))));
}

#[test]
fn a_capture_that_others_wrote_is_held_to_the_same_bounds() {
    let site = Site::new();
    let mut replica = site.open(site.enrol(2, Roles::OFFICER), memory());
    let written = replica.capture_new(1, [1; 32], &draft(1)).unwrap();
    let entry = replica.entry(written.at).unwrap().unwrap();
    let sound: Capture = decode(entry.body.as_ref().unwrap(), BODY_BYTES_MAX).unwrap();
    let read = |capture: Capture| Statement::decode(Kind::Capture, &encode(&capture)).err();
    let (key, blob) = (sound.keys[0].clone(), sound.blobs[0]);
    assert_eq!(read(Capture { keys: vec![key.clone(); READERS_MAX], ..sound.clone() }), None);
    assert_eq!(read(Capture { blobs: vec![blob; IMAGES_MAX], ..sound.clone() }), None);
    assert_eq!(read(Capture { purpose: "x".repeat(PURPOSE_BYTES_MAX), ..sound.clone() }), None);
    let beyond = [
        Capture { keys: vec![key; READERS_MAX + 1], ..sound.clone() },
        Capture { blobs: vec![blob; IMAGES_MAX + 1], ..sound.clone() },
        Capture { purpose: "x".repeat(PURPOSE_BYTES_MAX + 1), ..sound },
    ];
    for capture in beyond {
        assert!(matches!(read(capture), Some(StatementError::Bounds(_))));
    }
}

#[test]
fn names_and_purposes_of_a_site_are_bounded() {
    let authority = Authority::from_seed([1; 32]);
    let manifest = |name: usize, purposes: usize, bytes: usize| {
        let policy = Policy { purposes: vec!["p".repeat(bytes); purposes], ..Policy::default() };
        authority.manifest(&"n".repeat(name), 1, policy).verify()
    };
    assert_eq!(manifest(NAME_BYTES_MAX, PURPOSES_MAX, PURPOSE_BYTES_MAX), Ok(()));
    for beyond in
        [manifest(NAME_BYTES_MAX + 1, 1, 1), manifest(1, PURPOSES_MAX + 1, 1), manifest(1, 1, PURPOSE_BYTES_MAX + 1)]
    {
        assert_eq!(beyond, Err(CertificateError::TooLong));
    }
    let ours = authority.manifest("n", 1, Policy::default());
    let request = Request { device: crdt::ids::DeviceId([2; 32]), sealing_key: [3; 32] };
    let alias = |bytes: usize| authority.certify(&request, Roles(0), &"a".repeat(bytes), (0, 1)).verify(&ours);
    assert_eq!(alias(NAME_BYTES_MAX), Ok(()));
    assert_eq!(alias(NAME_BYTES_MAX + 1), Err(CertificateError::TooLong));
}

#[test]
fn a_frame_is_read_up_to_its_bound() {
    let frame = |bytes: usize| Frame::Entries(vec![vec![0; bytes].into()]).encode();
    let overhead = frame(FRAME_BYTES_MAX / 2).len() - FRAME_BYTES_MAX / 2;
    assert!(Frame::decode(&frame(FRAME_BYTES_MAX - overhead)).is_ok());
    let beyond = frame(FRAME_BYTES_MAX - overhead + 1);
    assert_eq!(beyond.len(), FRAME_BYTES_MAX + 1);
    assert!(matches!(Frame::decode(&beyond), Err(DecodeError::TooLong { .. })));
}

#[test]
fn a_frontier_of_one_log_too_many_goes_in_two_frames() {
    let site = Site::new();
    // Each log of its own device; the peer's own log isn't there yet.
    for (logs, frames) in [(FRONTIER_ITEMS_MAX, 1), (FRONTIER_ITEMS_MAX + 1, 2)] {
        let mut replica = site.observer();
        replica.ingest(1, (0..logs).map(|at| stranger(&site, at).introduce(1)).collect()).unwrap();
        replica.on_durable(replica.last_ticket());
        let mut peer = Peer::meet(&site, Engine::new(0, replica).unwrap());
        peer.open();
        let sizes: Vec<usize> = peer.heard().iter().filter_map(items).collect();
        assert_eq!(sizes.len(), frames, "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), logs);
    }
}

fn items(frame: &Frame) -> Option<usize> {
    match frame {
        Frame::Frontier { items, .. } => Some(items.len()),
        _ => None,
    }
}

/// A member with keys of its own.
fn stranger(site: &Site, at: usize) -> Pen {
    let seed = *blake3::hash(&at.to_be_bytes()).as_bytes();
    let key = crdt::entry::DeviceKey::from_seed(seed);
    let request = Request { device: key.id(), sealing_key: [3; 32] };
    let certificate = site.authority.certify(&request, Roles(0), "carrier", (0, u64::MAX));
    Pen::new(crdt::replica::Identity { key, certificate, ..site.enrol(1, Roles(0)) })
}

#[test]
fn a_peer_that_asks_for_too_much_or_says_too_much_that_is_wrong_is_hung_up_on() {
    let site = Site::new();
    let log = crdt::ids::LogId([1; 16]);
    let blob = site::blob(1, 100).0;
    // Each of these is counted against the peer; a hundred are too many.
    let wrong: [Frame; 4] = [
        Frame::Want { log, from: 0, to: 1 },
        Frame::Probe { log, lo: u64::MAX, hi: 1, middle: [0; 8].into() },
        Frame::Entries(vec![vec![0; 3].into()]),
        Frame::BlobWant { blob: crdt::blob::BlobRef { bytes: 0, ..blob }, first: 0, count: 1, outline: true },
    ];
    for frame in wrong {
        let mut peer = Peer::meet(&site, Engine::new(0, site.observer()).unwrap());
        peer.open();
        (0..99).for_each(|_| peer.say(&frame));
        assert!(peer.is_admitted(), "{frame:?}");
        peer.say(&frame);
        assert!(!peer.is_admitted(), "{frame:?}");
    }
}

#[test]
fn a_peer_may_have_as_many_requests_for_blobs_open_as_allowed() {
    let site = Site::new();
    for (requests, refused) in [(crdt::sync::BLOB_SERVING_MAX, 0), (crdt::sync::BLOB_SERVING_MAX + 1, 1)] {
        let mut peer = Peer::meet(&site, Engine::new(0, site.observer()).unwrap());
        peer.open();
        let blob = crdt::blob::BlobRef { id: BlobId([1; 32]), bytes: 1 };
        let want = Frame::BlobWant { blob, first: 0, count: 1, outline: false };
        (0..requests).for_each(|_| peer.say(&want));
        assert_eq!(peer.refused(), refused);
    }
}

#[test]
fn a_page_has_as_many_lines_as_allowed_and_a_cursor_for_the_rest() {
    let site = Site::new();
    let mut pen = Pen::new(site.enrol(2, Roles::OFFICER));
    let mut replica = site.observer();
    let mut entries = vec![pen.introduce(1)];
    for at in 0..=PAGE_MAX as u64 {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&at.to_be_bytes());
        let capture = Capture {
            nonce: nonce.into(),
            purpose: String::new(),
            priority: crdt::statement::Priority::Routine,
            delete_after_ms: 1,
            keys: vec![],
            inside: vec![].into(),
            blobs: vec![],
        };
        let about = About::Capture(capture_id(pen.author.device, &nonce));
        entries.push(pen.write(2 + at, about, Kind::Capture as u8, encode(&capture)));
    }
    replica.ingest(1, entries).unwrap();
    let engine = Engine::new(0, replica).unwrap();
    let query = Query { limit: usize::MAX, ..Query::default() };
    let (page, cursor) = engine.captures(0, &query).unwrap();
    assert_eq!(page.len(), PAGE_MAX);
    // A page that ends with the last capture is the last, full or not.
    for limit in [1, 2] {
        let (rest, end) = engine.captures(0, &Query { after: cursor, limit, ..query.clone() }).unwrap();
        assert_eq!((rest.len(), end), (1, None));
    }
}

#[test]
fn a_blob_reaches_as_far_as_allowed_and_not_one_byte_further() {
    let dir = tempfile::tempdir().unwrap();
    fn check(mut store: impl Store) {
        let blob = BlobId([1; 32]);
        assert!(store.blob_write(blob, BLOB_END_MAX - 1, &[1]).is_ok());
        assert!(store.blob_write(blob, BLOB_END_MAX, &[1]).is_err());
        assert!(store.blob_write(blob, u64::MAX, &[1]).is_err());
    }
    check(memory());
    check(RedbStore::open(dir.path(), &VaultKey::new([7; 32]), Box::new(|_| {})).unwrap());
}

#[test]
fn a_charge_names_as_many_logs_as_allowed_and_not_one_more() {
    let read = |logs: usize| {
        let at = |n: usize| EntryRef { log: LogId([n as u8; 16]), seq: 1 };
        let charge =
            Charge { device: crdt::ids::DeviceId([2; 32]), cause: Cause::Lost, trusted: (0..logs).map(at).collect() };
        Statement::decode(Kind::Vote, &encode(&charge)).err()
    };
    assert_eq!(read(TRUSTED_MAX), None);
    assert!(matches!(read(TRUSTED_MAX + 1), Some(StatementError::Bounds(_))));
}

#[test]
fn a_policy_asks_for_at_least_one_of_each() {
    let authority = Authority::from_seed([1; 32]);
    let verify =
        |quorum, examiners| authority.manifest("n", 1, Policy { quorum, examiners, ..Policy::default() }).verify();
    assert_eq!(verify(1, 1), Ok(()));
    assert_eq!([verify(0, 1), verify(1, 0)], [Err(CertificateError::Policy); 2]);
}
