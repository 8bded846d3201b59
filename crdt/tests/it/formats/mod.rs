//! The bytes of format 1, kept as fixtures, and read by a second reader that was written from `docs/FORMATS.md`.
//!
//! Every sample is made anew from fixed seeds and compared with its file in `crdt/tests/fixtures/v1`. They differ only if a
//! format changed, and bytes that were released don't change: a new format is a new version number and a new folder.
//! Before a release, when the change is meant, `BLESS=1 cargo test -p crdt --features redb --test it formats` writes the
//! fixtures anew. Without it nothing is ever written, also not a fixture that is missing.

mod reader;
mod samples;
mod store;

use std::path::PathBuf;
use std::sync::Once;

use crdt::audit::Act;
use crdt::codec::{decode, encode, encode_padded};
use crdt::entry::Entry;
use crdt::seal::{ContentKey, GroupKey, GroupSealed, Sealed, WrappedKey};
use crdt::site::{Certificate, Manifest, Request};
use crdt::statement::{ANSWER_BLOCK_BYTES, Kind, REFERENCES_BLOCK_BYTES, Statement};
use crdt::sync::frame::Frame;
use ed25519_zebra::{Signature, VerificationKey};
use reader::{Reader, derived};
pub(crate) use samples::samples;
use samples::{History, NOW_MS};

use crate::site::HUB;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "v1"].iter().collect()
}

/// Whether the fixtures are to be written anew.
fn bless() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

fn write_anew() {
    std::fs::create_dir_all(folder()).unwrap();
    for (name, bytes) in samples() {
        std::fs::write(folder().join(format!("{name}.bin")), bytes).unwrap();
    }
}

/// A fixture's bytes.
fn fixture(name: &str) -> Vec<u8> {
    static ANEW: Once = Once::new();
    if bless() {
        ANEW.call_once(write_anew);
    }
    let path = folder().join(format!("{name}.bin"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; see the module's first lines", path.display()))
}

#[test]
fn every_sample_is_byte_for_byte_its_fixture() {
    let samples = samples();
    for (name, bytes) in &samples {
        assert!(*bytes == fixture(name), "`{name}` isn't written as it was in format 1: see the module's first lines");
    }
    let kept = std::fs::read_dir(folder()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.ends_with(".bin")
    });
    assert_eq!(kept.count(), samples.len(), "a fixture that no sample makes");
}

#[test]
fn every_fixture_reads_back() {
    fn same<T: serde::Serialize + serde::de::DeserializeOwned>(name: &str) -> T {
        let bytes = fixture(name);
        let value: T = decode(&bytes, bytes.len()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(encode(&value), bytes, "{name}");
        value
    }
    let history = History::write();
    let manifest: Manifest = same("manifest");
    assert_eq!(manifest.verify(), Ok(()));
    assert_eq!(same::<Certificate>("certificate").verify(&manifest), Ok(()));
    same::<Request>("request");
    for (name, _) in samples() {
        if name.starts_with("frame-") {
            same::<Frame>(name);
        }
        if name.starts_with("entry-") {
            let entry: Entry = same(name);
            assert_eq!(entry.check_shape(manifest.site()), Ok(()), "{name}");
            assert_eq!(entry.signed.verify(), Ok(()), "{name}");
            if let Some(body) = &entry.body {
                let kind = Kind::rule(entry.header().kind).unwrap().kind;
                assert_eq!(Statement::decode(kind, body).unwrap().encode(), **body, "{name}");
            }
        }
    }
    let officer = history.officer.identity();
    let sealed: Sealed = same("sealed");
    assert_eq!(sealed.open(officer.device(), &officer.sealing, b"context").unwrap(), b"plain");
    let key = ContentKey::unwrap(&[same::<WrappedKey>("wrapped-key")], officer.device(), &officer.sealing, b"context");
    assert_eq!(key.unwrap().open(3, b"context", &fixture("sealed-part")).unwrap(), b"plain");
    let context = [b"greenline edit\0".as_slice(), &manifest.site().0, &history.capture.0].concat();
    let opened = GroupKey::new([4; 32]).open(&context, &same::<GroupSealed>("group-sealed")).unwrap();
    assert_eq!(opened, b"a change");
    let opened = history.officer.open_capture(history.capture).unwrap().unwrap().unwrap();
    assert_eq!(encode(&opened.inside), fixture("inside"));
    assert_eq!(opened.images.len(), 2);
    let verdict = history.supervisor.verdicts(history.capture).unwrap().remove(0);
    assert_eq!(encode_padded(&verdict.content.unwrap(), ANSWER_BLOCK_BYTES), fixture("verdict-answer"));
    assert_eq!(encode_padded(&verdict.references.unwrap(), REFERENCES_BLOCK_BYTES), fixture("verdict-references"));
    let reviews = history.officer.reviews(history.capture).unwrap();
    assert_eq!(encode(reviews[0].content.as_ref().unwrap()), fixture("review-content"));
}

fn signed(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = VerificationKey::try_from(<[u8; 32]>::try_from(key).unwrap()).unwrap();
    key.verify(&Signature::from(<[u8; 64]>::try_from(signature).unwrap()), message).is_ok()
}

#[test]
fn the_page_says_what_a_manifest_and_a_certificate_are() {
    let bytes = fixture("manifest");
    let mut it = Reader::new(&bytes);
    assert_eq!(it.u8(), 2, "version");
    let (authority, name, revision) = (it.take(32), it.text(), it.number());
    assert_eq!((name.as_str(), revision), ("Post 4", 1));
    assert_eq!(it.list(Reader::text), ["border-check", "criminal", "non-criminal", "exercise"]);
    assert_eq!((it.number(), it.bool(), it.bool()), (30, true, false), "days, origin reads, supervisors read");
    assert_eq!((it.u8(), it.u8()), (2, 1), "supervisors who revoke, examiners");
    let signature = it.fixed(64);
    it.end();
    let fields = &bytes[..bytes.len() - 65];
    assert!(signed(&authority, &[b"greenline manifest\0", fields].concat(), &signature));

    let bytes = fixture("certificate");
    let mut it = Reader::new(&bytes);
    let certificate = it.certificate();
    it.end();
    assert_eq!(certificate.site, blake3::hash(&authority).as_bytes());
    assert_eq!(
        (certificate.roles, certificate.alias.as_str(), certificate.validity_ms),
        (1, "device 2", (0, u64::MAX))
    );
    assert!(signed(
        &authority,
        &[b"greenline certificate\0", certificate.fields.as_slice()].concat(),
        &certificate.signature
    ));

    let bytes = fixture("request");
    let mut it = Reader::new(&bytes);
    assert_eq!((it.take(32), it.take(32)), (certificate.device, certificate.sealing_key));
    it.end();
}

#[test]
fn the_page_says_what_an_entry_is() {
    let bytes = fixture("entry-capture");
    let (header, body) = Reader::new(&bytes).entry();
    let body = body.unwrap();
    assert_eq!((header.epoch, header.seq, header.kind), (0, 2, 2));
    assert_eq!((header.time_ms, header.counter), (NOW_MS, 1), "the certificate before it has the same millisecond");
    assert_eq!(
        (header.body_hash.as_slice(), header.body_len),
        (blake3::hash(&body).as_bytes().as_slice(), body.len() as u64)
    );
    assert!(signed(&header.device, &header.hash, &header.signature));

    let mut it = Reader::new(&body);
    let (nonce, purpose, priority) = (it.fixed(16), it.text(), it.number());
    let delete_after_ms = it.number();
    let (keys, inside, blobs) = (it.list(Reader::wrapped_key), it.bytes(), it.list(Reader::blob));
    it.end();
    assert_eq!((purpose.as_str(), priority), ("border-check", 1));
    assert_eq!(delete_after_ms, NOW_MS + 30 * 24 * 60 * 60 * 1_000);
    assert_eq!((keys.len(), blobs.len()), (2, 2), "the hub and the origin; a finger and a face");
    assert_eq!(inside.len(), fixture("inside").len() + 16);
    let capture = &derived("greenline capture id v1", &[&header.device, &nonce])[..16];
    assert_eq!(header.capture.as_deref(), Some(capture));

    let bytes = fixture("entry-erased");
    let (erased, body) = Reader::new(&bytes).entry();
    assert_eq!((erased, body), (header, None));
}

#[test]
fn the_page_says_what_each_kind_of_body_is() {
    let body = |name: &str| {
        let bytes = fixture(name);
        let (header, body) = Reader::new(&bytes).entry();
        (header, body.unwrap())
    };
    let (first, certificate) = body("entry-certificate");
    assert_eq!((first.seq, first.kind, first.prev, first.capture), (1, 1, vec![0; 32], None));
    let mut it = Reader::new(&certificate);
    assert_eq!(it.certificate().device, first.device);
    it.end();

    let (capture, _) = body("entry-capture");
    assert_eq!(capture.prev, first.hash);
    let (receipt, bytes) = body("entry-receipt");
    let mut it = Reader::new(&bytes);
    assert_eq!((receipt.kind, it.fixed(32)), (4, capture.body_hash.clone()));
    it.end();

    let (verdict, bytes) = body("entry-verdict");
    let mut it = Reader::new(&bytes);
    assert_eq!((verdict.kind, it.fixed(32)), (5, capture.body_hash));
    assert_eq!(it.list(Reader::wrapped_key).len(), 3, "the supervisor, the origin, the hub itself");
    assert_eq!(it.bytes().len(), fixture("verdict-answer").len() + 16);
    assert_eq!(it.list(Reader::wrapped_key).len(), 1, "the supervisor");
    assert_eq!(it.bytes().len(), fixture("verdict-references").len() + 16);
    it.end();

    let (review, bytes) = body("entry-review");
    let mut it = Reader::new(&bytes);
    assert_eq!((review.kind, it.take(32).as_slice()), (6, verdict.hash.as_slice()));
    assert_eq!((it.list(Reader::wrapped_key).len(), it.bytes().len()), (2, fixture("review-content").len() + 16));
    it.end();

    let (seen, bytes) = body("entry-seen");
    assert_eq!((seen.kind, bytes.as_slice()), (7, verdict.hash.as_slice()));

    let (fork, bytes) = body("entry-fork");
    let mut it = Reader::new(&bytes);
    let (a, b) = (it.signed_header(), it.signed_header());
    it.end();
    assert_eq!((fork.kind, &a.device, a.seq), (8, &b.device, b.seq));
    assert!(a.hash < b.hash && signed(&a.device, &a.hash, &a.signature) && signed(&b.device, &b.hash, &b.signature));

    let (order, bytes) = body("entry-revocation");
    let mut it = Reader::new(&bytes);
    let (device, cause, trusted) = (it.take(32), it.number(), it.list(|it| (it.take(16), it.number())));
    assert_eq!((order.kind, &device, cause, trusted[0].1), (9, &first.device, 1, 300));
    let charge = bytes[..bytes.len() - 65].to_vec();
    let signature = it.fixed(64);
    it.end();
    let manifest = fixture("manifest");
    let message = [b"greenline revocation\0".as_slice(), &order.site, &charge].concat();
    assert!(signed(&manifest[1..33], &message, &signature));

    let (vote, bytes) = body("entry-vote");
    assert_eq!((vote.kind, bytes), (10, charge));

    let (readmission, bytes) = body("entry-readmission");
    let mut it = Reader::new(&bytes);
    assert_eq!((readmission.kind, it.take(16).len(), it.number()), (11, 16, capture.seq));
    assert_eq!(it.take(32).as_slice(), capture.hash.as_slice());
    it.end();

    let (grant, bytes) = body("entry-group-key");
    let mut it = Reader::new(&bytes);
    assert_eq!(grant.kind, 12);
    let key = derived("greenline group key v1", &[&grant.device, &[5; 32]]);
    assert_eq!(it.fixed(8), derived("greenline group key name v1", &[&key])[..8]);
    assert_eq!((it.list(Reader::wrapped_key).len(), it.bytes().len()), (1, 1 + 32 + 1 + 32 + 16));
    it.end();
    let (erasure, bytes) = body("entry-erasure");
    let mut it = Reader::new(&bytes);
    let (why, device, nonce, log, seq) = (it.number(), it.take(32), it.fixed(16), it.take(16), it.number());
    assert_eq!((erasure.kind, why, seq, it.take(32).as_slice()), (13, 3, 2, capture.hash.as_slice()));
    it.end();
    assert_eq!(log, derived("greenline log id v1", &[&device, &0u32.to_be_bytes()])[..16]);
    assert_eq!(erasure.capture.as_deref(), Some(&derived("greenline capture id v1", &[&device, &nonce])[..16]));

    let (edit, bytes) = body("entry-edit");
    assert_eq!((edit.kind, bytes), (3, fixture("group-sealed")));
}

#[test]
fn the_page_says_what_is_sealed_and_what_is_in_it() {
    let bytes = fixture("group-sealed");
    let mut it = Reader::new(&bytes);
    assert_eq!(it.fixed(8), derived("greenline group key name v1", &[&[4; 32]])[..8]);
    let (salt, ciphertext) = (it.fixed(16), it.bytes());
    it.end();
    let subkey: [u8; 32] = derived("greenline group subkey v1", &[&[4; 32], &salt]).try_into().unwrap();
    let history = History::write();
    let context = [b"greenline edit\0".as_slice(), &history.site.authority.site().0, &history.capture.0].concat();
    assert_eq!(ContentKey::new(subkey).open(0, &context, &ciphertext).unwrap(), b"a change");

    let bytes = fixture("sealed");
    let mut it = Reader::new(&bytes);
    let [to, ..] = it.list(Reader::wrapped_key).remove(0);
    assert_eq!(to, history.officer.identity().device().0[..8]);
    assert_eq!(it.bytes().len(), b"plain".len() + 16);
    it.end();

    let bytes = fixture("inside");
    let mut it = Reader::new(&bytes);
    assert_eq!(it.list(|it| (it.text(), it.text())), [("name".to_owned(), "Somebody".to_owned())]);
    assert_eq!(it.list(shows), [Some(2), None]);
    it.end();

    let bytes = fixture("verdict-answer");
    let mut it = Reader::new(&bytes);
    assert_eq!((it.number(), it.option(Reader::text).as_deref()), (2, Some("a clear print")));
    assert_eq!((it.list(shows), bytes.len()), (vec![Some(2), None], 512));
    it.zeros();

    let bytes = fixture("verdict-references");
    let mut it = Reader::new(&bytes);
    assert_eq!((it.list(Reader::text), bytes.len()), (vec!["P-1".into(), "P-2".into()], 768));
    it.zeros();

    let bytes = fixture("review-content");
    let mut it = Reader::new(&bytes);
    assert_eq!((it.number(), it.text().as_str()), (1, "another whorl"));
    it.end();
}

/// A finger's number, or none for the face.
fn shows(it: &mut Reader<'_>) -> Option<u8> {
    match it.number() {
        0 => Some(it.u8()),
        1 => None,
        other => panic!("shows {other}"),
    }
}

#[test]
fn the_page_says_what_each_frame_is() {
    let mut names: Vec<&str> =
        samples().iter().map(|(name, _)| *name).filter(|name| name.starts_with("frame")).collect();
    names.sort_unstable();
    assert_eq!(names.len(), 17);
    for (index, name) in names.into_iter().enumerate() {
        let bytes = fixture(name);
        let mut it = Reader::new(&bytes);
        assert_eq!(it.number(), index as u64, "{name}");
        read_frame(index, &mut it);
        it.end();
    }
}

fn read_frame(index: usize, it: &mut Reader<'_>) {
    let (blob, bytes) = samples::sample_blob();
    match index {
        0 => assert_eq!((it.number(), it.fixed(16)), (1, tag())),
        1 => drop(it.certificate()),
        3 => assert_eq!(it.text(), "until later"),
        4 => {
            let items = it.list(|it| (it.take(16), it.number(), it.fixed(8)));
            assert_eq!((items.len(), items[0].1, it.bool()), (1, 3, true));
        }
        5 => assert_eq!((it.take(16).len(), it.number(), it.number()), (16, 2, 300)),
        6 => assert_eq!(it.list(Reader::bytes)[1], fixture("entry-capture")),
        7 => assert_eq!(it.number(), 262_144),
        9 => {
            let facts = it.list(|it| (it.take(32), it.list(fact))).remove(0).1;
            assert_eq!(facts, [0, NOW_MS]);
        }
        10 => {
            assert_eq!(it.blob(), (blob.id.0.to_vec(), 40_000));
            assert_eq!((it.number(), it.number(), it.bool()), (1, 2, true));
        }
        11 => assert_eq!((it.blob(), it.bytes()), ((blob.id.0.to_vec(), 40_000), fixture("outline"))),
        12 => {
            assert_eq!((it.blob(), it.number()), ((blob.id.0.to_vec(), 40_000), 2));
            assert_eq!(it.bytes(), bytes[32_768..]);
        }
        13 => assert_eq!(it.blob(), (blob.id.0.to_vec(), 40_000)),
        14 => assert_eq!((it.take(16).len(), it.number(), it.number(), it.fixed(8)), (16, 1, 300, vec![8; 8])),
        15 => assert_eq!(it.signed_header().kind, 2),
        16 => {
            assert_eq!(it.list(|it| it.certificate().roles), [2, 1]);
            assert_eq!(it.list(|it| (it.number(), ground(it))), [(0, 13), (1, 2)]);
        }
        _ => {} // Admitted and prune say all with their number.
    }
}

/// The kind of the entry that says why.
fn ground(it: &mut Reader<'_>) -> u8 {
    match it.number() {
        0 => {
            let kind = it.signed_header().kind;
            assert!(it.option(Reader::bytes).is_some());
            kind
        }
        1 => (it.signed_header().kind, it.fixed(16)).0,
        other => panic!("ground {other}"),
    }
}

/// The number in a fact.
fn fact(it: &mut Reader<'_>) -> u64 {
    match it.number() {
        0 => it.take(16).len() as u64 - 16,
        1 => it.number(),
        other => panic!("fact {other}"),
    }
}

fn tag() -> Vec<u8> {
    let site = blake3::hash(&fixture("manifest")[1..33]);
    let device = |seed: u8| crdt::entry::DeviceKey::from_seed([seed; 32]).id().0;
    derived("greenline knock v1", &[site.as_bytes(), &device(2), &device(HUB)])[..16].to_vec()
}

#[test]
fn the_page_says_what_an_outline_is() {
    let (blob, bytes) = samples::sample_blob();
    let values = fixture("outline");
    assert_eq!(values.len(), 3 * 32, "40,000 bytes are three groups");
    assert!(crdt::blob::Outline::verify(blob, &values).is_ok());
    assert_eq!(blob.id.0, *blake3::hash(&bytes).as_bytes());
}

#[test]
fn the_page_says_what_a_trail_is() {
    let salted = fixture("trail-record");
    let mut it = Reader::new(&salted);
    assert_eq!((it.take(16), it.number(), it.text().as_str()), (vec![19; 16], NOW_MS, "Ana"));
    assert_eq!((it.number(), it.u8()), (0, 5), "shown: particulars and verdicts");
    let history = History::write();
    assert_eq!(it.list(|it| it.take(16)), [history.capture.0.to_vec()]);
    assert_eq!((it.text().as_str(), it.number()), ("border-check", 300));
    it.end();

    let bytes = fixture("trail-head");
    let mut it = Reader::new(&bytes);
    assert_eq!(it.u8(), 1, "version");
    let (site, device, trail, number, link) = (it.take(32), it.take(32), it.take(16), it.number(), it.take(32));
    let begins = derived("greenline trail begins v1", &[&site, &device, &trail]);
    let leaf = derived("greenline trail record v1", &[&salted]);
    let after = derived("greenline trail link v1", &[&1u64.to_be_bytes(), &begins, &leaf]);
    assert_eq!((number, link.as_slice()), (1, after.as_slice()));
    assert_eq!((it.number(), it.take(32).as_slice()), (0, begins.as_slice()), "it begins where it began");
    assert_eq!((it.number(), it.fixed(32)), (NOW_MS, vec![24; 32]));
    let signature = it.fixed(64);
    it.end();
    assert!(signed(&device, &[b"greenline trail head\0", &bytes[..bytes.len() - 65]].concat(), &signature));

    let bytes = fixture("trail-segment");
    let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
    let (header, group) = rest.split_at(u32::from_be_bytes(*length) as usize);
    let header = samples::trail_key().open(b"greenline trail segment", header).unwrap();
    let mut it = Reader::new(&header);
    assert_eq!((it.u8(), it.take(80)), (1, [site, device, trail.clone()].concat()));
    assert_eq!((it.number(), it.take(32).as_slice(), it.number()), (0, begins.as_slice(), NOW_MS));
    it.end();
    let context = [b"greenline trail records".as_slice(), &trail, &0u64.to_be_bytes()].concat();
    let group = samples::trail_key().open(&context, &group[4..]).unwrap();
    let mut it = Reader::new(&group);
    assert_eq!(it.list(Reader::bytes), [salted]);
    it.end();
}

/// What each act in the sample is in words.
const ACTS: [&str; 25] = [
    "was shown what images show",
    "was shown verdicts in a list",
    "was shown what people leave each other",
    "linked captures, or took a link back",
    "compared it with the database",
    "exported the trail",
    "made a proof pack",
    "was refused: that didn't unlock the device",
    "locked the device",
    "unlocked the device",
    "put the keys under a key file",
    "dropped the records up to number 300: they were past their time",
    "cut 300 bytes off the trail that didn't read",
    "added person 19191919191919191919191919191919 to the gallery",
    "replaced the prints of person 19191919191919191919191919191919 in the gallery",
    "removed person 19191919191919191919191919191919 from the gallery",
    "was shown the gallery (300 in it)",
    "founded the site",
    "certified device DEVICE for 300 days as officer",
    "gave out code dinbugq2, for a device that is certified for 300 days as officer",
    "let device DEVICE use code dinbugq2",
    "withdrew code dinbugq2",
    "signed that device DEVICE is revoked: stolen",
    "exported the authority's key",
    "made this folder of an exported key",
];

/// The words too: an export's lines say them, and whoever checks it compares.
#[test]
fn the_page_says_what_each_act_is() {
    let bytes = fixture("trail-acts");
    let device = History::write().officer.identity().device();
    let mut it = Reader::new(&bytes);
    let count = it.number();
    for act in 0..count {
        assert_eq!(it.number(), act);
        match act {
            0 => assert_eq!(it.u8(), 2, "what images show"),
            7 => assert_eq!(it.number(), 3, "wrong opener"),
            10 => assert_eq!(it.number(), 2, "key file"),
            11 | 12 | 16 => assert_eq!(it.number(), 300),
            13..=15 => assert_eq!(it.take(16), [25; 16]),
            18 => assert_eq!((it.take(32), it.u8(), it.number()), (device.0.to_vec(), 1, 300)),
            19 => assert_eq!((it.take(5), it.u8(), it.number()), (vec![26; 5], 1, 300)),
            20 => assert_eq!((it.take(5), it.take(32)), (vec![26; 5], device.0.to_vec())),
            21 => assert_eq!(it.take(5), [26; 5]),
            22 => assert_eq!((it.take(32), it.number()), (device.0.to_vec(), 1), "stolen"),
            _ => {}
        }
    }
    it.end();
    assert_eq!(count, 25);
    assert!(decode::<Act>(&[25], 1).is_err(), "an act that no fixture has: add it to the sample, and to the page");
    let acts: Vec<Act> = decode(&bytes, bytes.len()).unwrap();
    let device = device.to_string();
    for (act, words) in acts.iter().zip(ACTS) {
        assert_eq!(act.words(), words.replace("DEVICE", &device));
    }
}

/// Key and value of a row.
fn row(name: &str) -> (Vec<u8>, Vec<u8>) {
    let bytes = fixture(name);
    let (len, rest) = bytes.split_first_chunk::<4>().unwrap();
    let (key, value) = rest.split_at(u32::from_be_bytes(*len) as usize);
    (key.to_vec(), value.to_vec())
}

#[test]
fn the_page_says_what_the_rows_of_a_store_are() {
    let bytes = fixture("entry-capture");
    let (header, _) = Reader::new(&bytes).entry();
    let capture = header.capture.clone().unwrap();
    let log = derived("greenline log id v1", &[&header.device, &0u32.to_be_bytes()])[..16].to_vec();
    let time = (header.time_ms << 16 | header.counter).to_be_bytes();
    assert_eq!(row("row-order"), ([time.as_slice(), &capture].concat(), vec![]));
    let (key, value) = row("row-about");
    assert_eq!((key[0], &key[1..17], key.len(), value.len()), (1, capture.as_slice(), 25, 0));
    assert_eq!(row("row-format"), (b"format".to_vec(), vec![0, 0, 0, 2]));
    let (key, value) = row("row-frozen");
    assert_eq!((&key[..7], key.len(), value), (b"frozen/".as_slice(), 23, 2u64.to_be_bytes().to_vec()));
    let (key, value) = row("row-run");
    assert_eq!(key, [log.as_slice(), &1u64.to_be_bytes()].concat());
    let mut it = Reader::new(&value);
    assert_eq!((it.number(), it.number()), (0, 2), "certificate and capture came first");
    it.end();
    the_row_of_a_log(&header.device, &log);
    the_row_of_a_capture(&capture, &log);
    the_row_of_a_device(&capture);
    the_rows_of_an_erased_capture(&capture, &header);
}

fn the_row_of_a_log(device: &[u8], log: &[u8]) {
    let (key, value) = row("row-log");
    assert_eq!(key, [b"log/", log].concat());
    let mut it = Reader::new(&value);
    assert_eq!((it.take(32).as_slice(), it.number()), (device, 0), "author");
    assert_eq!(it.certificate().device, device);
    let bytes = fixture("entry-seen");
    assert_eq!((it.number(), it.take(32)), (3, Reader::new(&bytes).entry().0.hash.to_vec()), "head");
    assert_eq!(it.number() >> 16, NOW_MS + 4, "time");
    assert_eq!((it.number(), it.number() > 1, it.number()), (3, true, 1), "the last run");
    it.end();
}

fn the_row_of_a_capture(capture: &[u8], log: &[u8]) {
    let (key, value) = row("row-capture");
    assert_eq!(key, capture);
    let mut it = Reader::new(&value);
    let payload = it.option(|it| {
        assert_eq!((it.take(16).as_slice(), it.number()), (log, 2), "place");
        let (_device, epoch, _time) = (it.take(32), it.number(), it.number());
        assert_eq!(epoch, 0);
        assert_eq!((it.text().as_str(), it.number()), ("border-check", 1));
        let _delete_after_ms = it.number();
        let payload = it.fixed(32);
        assert_eq!(it.list(Reader::blob).len(), 2);
        payload
    });
    let bytes = fixture("entry-capture");
    assert_eq!(payload, Some(Reader::new(&bytes).entry().0.body_hash));
    let marks: Vec<usize> = (0..4).map(|_| it.marks()).collect();
    assert_eq!((marks, it.number()), (vec![1, 1, 1, 1], 0), "receipts, verdicts, reviews, seen; edits");
    assert_eq!(it.option(|_| ()), None, "erased");
    it.end();
}

fn the_rows_of_an_erased_capture(capture: &[u8], header: &reader::Header) {
    let (key, value) = row("row-capture-erased");
    assert_eq!(key, capture);
    let mut it = Reader::new(&value);
    let origin = it.option(|it| {
        let (_at, _device, _epoch, _time) = ((it.take(16), it.number()), it.take(32), it.number(), it.number());
        (it.text(), it.number(), it.number(), it.fixed(32), it.list(Reader::blob).len())
    });
    assert_eq!(origin, Some((String::new(), 0, 0, header.body_hash.clone(), 0)));
    let marks: Vec<usize> = (0..4).map(|_| it.marks()).collect();
    assert_eq!((marks, it.number()), (vec![1, 1, 1, 1], 0));
    assert_eq!(it.option(|it| (it.take(32), it.marks())), Some((header.device.clone(), 1)));
    it.end();

    let (key, certificate) = row("row-eraser");
    assert_eq!(key, [b"eraser/".as_slice(), blake3::hash(&certificate).as_bytes()].concat());
    let (key, value) = row("row-erased");
    assert_eq!(key, [b"erased/", capture].concat());
    let mut it = Reader::new(&value);
    assert_eq!((it.take(32), it.take(32)), (header.device.clone(), blake3::hash(&certificate).as_bytes().to_vec()));
    assert_eq!(ground(&mut it), 13);
    it.end();
    assert_eq!(row("row-orphan"), ([b"orphan/", capture].concat(), vec![]));
}

fn the_row_of_a_device(capture: &[u8]) {
    let (key, value) = row("row-known");
    assert_eq!((&key[..6], key.len()), (b"known/".as_slice(), 38));
    let mut it = Reader::new(&value);
    let (_heard_ms, gateway_ms) = (it.number(), (it.number(), it.number()));
    assert_eq!(gateway_ms, (0, 0));
    assert_eq!(it.list(|it| it.take(16)), [capture.to_vec()]);
    it.end();
}
