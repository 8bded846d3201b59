//! Fills a device's store while it is switched off.

use std::path::Path;

use crdt::blob::BlobRef;
use crdt::entry::About;
use crdt::ids::BlobId;
use crdt::replica::Replica;
use crdt::seal::{ContentKey, Reader, derive};
use crdt::statement::{Capture, Priority, Statement, capture_id};
use crdt::store::Store;
use crdt::store::redb::RedbStore;
use node::home::Home;

/// Length of an image that is named, in bytes.
const IMAGE_BYTES: u32 = 90_000;

/// Writes captures into the log of the device in `home`, dated `now_ms`, each with so many images that are nowhere. No hub has
/// accepted them: what a device remembers of such captures is the most that it remembers of any.
pub(crate) fn fill(home: &Path, count: usize, images: u8, now_ms: u64) {
    let home = Home::open(home).unwrap();
    let site = home.site().unwrap();
    let (identity, membership) = home.membership(site).unwrap();
    let reader = Reader { device: identity.device(), sealing_key: identity.sealing.public() };
    // Key wraps of the right size, the same for all: nobody will open these.
    let keys = ContentKey::new([1; 32]).wrap(&[reader, reader], b"", [2; 32]).unwrap();
    let store =
        RedbStore::open(&home.store_dir(site).unwrap(), &home.store_key(site).unwrap(), Box::new(|_| {})).unwrap();
    let mut replica = Replica::open(store, identity, membership).unwrap();
    for number in 0..count as u128 {
        let nonce = number.to_be_bytes();
        let capture = Capture {
            nonce: nonce.into(),
            purpose: "exercise".into(),
            priority: Priority::Routine,
            delete_after_ms: u64::MAX,
            keys: keys.clone(),
            inside: vec![7; 120].into(),
            blobs: (0..images).map(|image| nowhere(number, image)).collect(),
        };
        let about = About::Capture(capture_id(replica.identity().device(), &nonce));
        replica.append(now_ms, about, &Statement::Capture(Box::new(capture))).unwrap();
        replica.take_news();
    }
    replica.store_mut().flush().unwrap();
}

fn nowhere(capture: u128, image: u8) -> BlobRef {
    BlobRef { id: BlobId(derive(&[image; 32], &capture.to_string())), bytes: IMAGE_BYTES }
}
