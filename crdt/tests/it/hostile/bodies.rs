//! What every reader of foreign bytes has to bear, as plain functions: the tests call them with random and with mutated bytes,
//! the fuzz targets in `crdt/fuzz` with whatever the fuzzer makes up.
//!
//! A body panics if a reader panics, if what was read doesn't read back the same, or if a check lets through what it must not.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use crdt::audit::{Act, Record, segment};
use crdt::blob::{BlobRef, GROUP_BYTES, Outline};
use crdt::codec::{decode, decode_padded, encode, encode_padded};
use crdt::entry::{About, ENTRY_BYTES_MAX, Entry, SignedHeader, bad_signatures};
use crdt::ids::{BlobId, CaptureId, DeviceId, EntryHash, LogId, SiteId};
use crdt::knowledge::{Fact, Known};
use crdt::replica::{Cursor, Head, Log};
use crdt::seal::{ContentKey, GroupKey, GroupSealed, Sealed, SealingSecret, WrappedKey};
use crdt::site::{Certificate, Manifest, Request, Roles};
use crdt::statement::{ANSWER_BLOCK_BYTES, Answer, Inside, Kind, REFERENCES_BLOCK_BYTES, ReviewContent, Statement};
use crdt::sync::Engine;
use crdt::sync::frame::Frame;
use crdt::vault::VaultKey;
use crdt::view::CaptureView;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::peer::Peer;
use crate::site::{Pen, Site};

/// A named body.
pub(crate) type Body = (&'static str, fn(&[u8]));

/// All bodies, by the name of their fuzz target.
pub(crate) const ALL: [Body; 10] = [
    ("entry", entry),
    ("statement", statement),
    ("site", site),
    ("frame", frame),
    ("sealed", sealed),
    ("outline", outline),
    ("stored", stored),
    ("ids", ids),
    ("record", record),
    ("trail", trail),
];

/// Reads a value; if that works, it is written and read back the same.
fn read<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let value: T = decode(data, ENTRY_BYTES_MAX).ok()?;
    let again = decode(&encode(&value), usize::MAX);
    assert_eq!(again.as_ref(), Ok(&value));
    Some(value)
}

/// The same, of one that is filled up with zeros.
fn read_padded<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8], block: usize) {
    let Ok(value) = decode_padded::<T>(data, block, ENTRY_BYTES_MAX) else { return };
    let again = decode_padded(&encode_padded(&value, block), block, usize::MAX);
    assert_eq!(again.as_ref(), Ok(&value));
}

/// Entries, alone and in batches.
pub(crate) fn entry(data: &[u8]) {
    if let Some(signed) = read::<SignedHeader>(data) {
        let _ = signed.verify();
    }
    let Some(entry) = read::<Entry>(data) else { return };
    let shape = entry.check_shape(entry.header().site);
    let holds = entry.signed.verify().is_ok();
    let hash = entry.header().hash();
    let batch = [(hash, &entry), (hash, &entry)];
    assert_eq!(bad_signatures(&batch).is_empty(), holds, "alone and in a batch the same");
    if shape.is_ok()
        && let Some(body) = &entry.body
    {
        assert_eq!(blake3::hash(body).as_bytes(), &*entry.header().body_hash);
    }
    let _ = Kind::rule(entry.header().kind).map(|rule| Statement::decode(rule.kind, data));
}

/// The body of each kind of entry, and what is sealed in them.
pub(crate) fn statement(data: &[u8]) {
    for rule in &Kind::RULES {
        let Ok(statement) = Statement::decode(rule.kind, data) else { continue };
        assert_eq!(statement.kind(), rule.kind);
        assert_eq!(Statement::decode(rule.kind, &statement.encode()), Ok(statement.clone()));
        match statement {
            Statement::Fork(fork) => drop(fork.proves()),
            Statement::Capture(capture) => assert!(capture.blobs.iter().all(BlobRef::is_bounded)),
            _ => {}
        }
    }
    read::<Inside>(data);
    read_padded::<Answer>(data, ANSWER_BLOCK_BYTES);
    read_padded::<Vec<String>>(data, REFERENCES_BLOCK_BYTES);
    read::<ReviewContent>(data);
}

/// Certificates, manifests, requests. Nothing that the authority didn't sign is believed.
pub(crate) fn site(data: &[u8]) {
    let ours = Site::new();
    if let Some(certificate) = read::<Certificate>(data) {
        let _ = certificate.valid_at(1);
        let believed = certificate.verify(&ours.membership().manifest).is_ok();
        assert!(!believed || certificate == signed_anew(&ours, &certificate), "only what the authority signed");
    }
    if let Some(manifest) = read::<Manifest>(data) {
        let _ = (manifest.verify(), manifest.site());
        let _ = ours.hub.certificate.verify(&manifest);
    }
    read::<Request>(data);
}

/// What the authority itself would sign of this. Its signatures follow from what they are over.
fn signed_anew(site: &Site, certificate: &Certificate) -> Certificate {
    let Certificate { device, sealing_key, roles, ref alias, not_before_ms, not_after_ms, .. } = *certificate;
    site.authority.certify(&Request { device, sealing_key }, roles, alias, (not_before_ms, not_after_ms))
}

/// Frames.
pub(crate) fn frame(data: &[u8]) {
    let Ok(frame) = Frame::decode(data) else { return };
    assert_eq!(Frame::decode(&frame.encode()).as_ref(), Ok(&frame));
    if let Frame::Entries(entries) = frame {
        entries.iter().for_each(|bytes| entry(bytes));
    }
}

/// Sealed values: what wasn't sealed to us never opens.
pub(crate) fn sealed(data: &[u8]) {
    let (device, secret) = (DeviceId([5; 32]), SealingSecret::from_seed(&[5; 32]));
    if let Some(sealed) = read::<Sealed>(data) {
        let _ = sealed.open(device, &secret, b"context");
        let to = sealed.keys.first().map(|key| encode(key)[1..9].to_vec());
        if let Some(to) = to {
            let mut aimed = [0; 32];
            aimed[..8].copy_from_slice(&to);
            assert!(sealed.open(DeviceId(aimed), &secret, b"another context").is_err());
        }
    }
    if let Some(sealed) = read::<GroupSealed>(data) {
        assert!(GroupKey::new([6; 32]).open(b"another context", &sealed).is_err());
    }
    if let Some(key) = read::<WrappedKey>(data) {
        let _ = ContentKey::unwrap(&[key], device, &secret, b"context");
    }
    let _ = ContentKey::new([7; 32]).open(1, b"", data);
}

/// Outlines: a length and an id, then the values.
pub(crate) fn outline(data: &[u8]) {
    let Some((bytes, rest)) = data.split_first_chunk::<4>() else { return };
    let Some((id, values)) = rest.split_first_chunk::<32>() else { return };
    let blob = BlobRef { id: BlobId(*id), bytes: u32::from_be_bytes(*bytes) };
    let Ok(outline) = Outline::verify(blob, values) else { return };
    assert_eq!(outline.to_bytes(), values);
    for index in [0, 1, blob.groups().saturating_sub(1), blob.groups(), u32::MAX] {
        let group = &values[..values.len().min(GROUP_BYTES)];
        let held = outline.check(index, group).is_ok();
        assert!(!held || blob.groups() > 1 || blake3::hash(group).as_bytes() == id);
    }
}

/// Rows of a store.
pub(crate) fn stored(data: &[u8]) {
    if let Some(view) = read::<CaptureView>(data) {
        let _ = (view.accepted(), view.screened());
        let _ = view.origin.as_ref().map(crdt::view::Origin::blob_bytes);
    }
    read::<Log>(data);
    read::<Head>(data);
    read::<Cursor>(data);
    read::<Fact>(data);
    if let Some(known) = read::<Known>(data) {
        let _ = (known.is_gateway(u64::MAX), known.is_gateway(0));
    }
}

/// A change to a record, as a member would send it: sealed under the group key, in a sound entry. Whatever it is, a replica has an
/// opinion on it, and another one the same.
pub(crate) fn record(data: &[u8]) {
    let site = Site::new();
    let mut pen = Pen::new(site.enrol(150, Roles::OFFICER));
    let context = [b"greenline edit\0".as_slice(), &site.authority.site().0].concat();
    let sealed = GroupKey::new([4; 32]).seal(&context, &data[..data.len().min(4_200)], [6; 32]);
    let edit = Statement::Edit(sealed).encode();
    let entries = vec![pen.introduce(1_000), pen.write(1_000, About::Site, Kind::Edit as u8, edit)];
    let [mut one, mut other] = [site.observer(), site.observer()];
    one.ingest(1_000, entries.clone()).unwrap();
    entries.into_iter().rev().for_each(|entry| drop(other.ingest(1_000, vec![entry]).unwrap()));
    assert_eq!(one.record(About::Site), other.record(About::Site));
}

/// Files of the audit trail, and what is in them.
pub(crate) fn trail(data: &[u8]) {
    let key = VaultKey::new([7; 32]);
    let _ = segment::read_header(&key, data, (SiteId([1; 32]), DeviceId([2; 32])));
    read::<Vec<Act>>(data);
    if let Some(record) = read::<Record>(data) {
        let _ = record.check();
    }
    let _ = key.open(b"context", data);
}

/// Ids as people type them.
pub(crate) fn ids(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    id::<SiteId>(&text);
    id::<DeviceId>(&text);
    id::<LogId>(&text);
    id::<CaptureId>(&text);
    id::<BlobId>(&text);
    id::<EntryHash>(&text);
}

fn id<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(id) => assert_eq!(id.to_string(), text.trim().to_ascii_lowercase()),
        Err(error) => assert!(error.to_string().len() < 500, "a long text isn't repeated"),
    }
}

/// A whole conversation: as many steps of the handshake as the first byte says, then frames with their lengths before them.
/// Afterwards the engine takes a capture in as ever.
pub(crate) fn session(data: &[u8]) {
    let site = Site::new();
    let mut peer = Peer::meet(&site, Engine::new(0, site.observer()).unwrap());
    let (steps, mut rest) = data.split_first().map_or((0, data), |(first, rest)| (first % 4, rest));
    let handshake = peer.handshake();
    handshake[..usize::from(steps)].iter().for_each(|frame| peer.say(frame));
    while let Some((len, frames)) = rest.split_first_chunk::<2>() {
        let (frame, after) = frames.split_at(usize::from(u16::from_be_bytes(*len)).min(frames.len()));
        peer.say_bytes(frame.to_vec());
        peer.heard();
        rest = after;
    }
    peer.still_serves(&site);
}
