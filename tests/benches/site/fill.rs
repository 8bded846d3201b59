//! Fills a device's store while it is switched off.

use std::path::Path;

use crdt::entry::About;
use crdt::replica::Replica;
use crdt::seal::{ContentKey, Reader};
use crdt::statement::{Capture, Priority, Statement, capture_id};
use crdt::store::Store;
use crdt::store::redb::RedbStore;
use node::home::Home;

/// Writes captures without images into the log of the device in `home`, dated `now_ms`. No hub has accepted them: what a device
/// remembers of such captures is the most that it remembers of any.
pub(crate) fn fill(home: &Path, count: usize, now_ms: u64) {
    let home = Home::open(home).unwrap();
    let site = home.site().unwrap();
    let (identity, membership) = home.membership(site).unwrap();
    let reader = Reader { device: identity.device(), sealing_key: identity.sealing.public() };
    // Key wraps of the right size, the same for all: nobody will open these.
    let keys = ContentKey::new([1; 32]).wrap(&[reader, reader], b"", [2; 32]).unwrap();
    let store = RedbStore::open(&home.store_dir(site), Box::new(|_| {})).unwrap();
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
            blobs: Vec::new(),
        };
        let about = About::Capture(capture_id(replica.identity().device(), &nonce));
        replica.append(now_ms, about, &Statement::Capture(Box::new(capture))).unwrap();
        replica.take_news();
    }
    replica.store_mut().flush().unwrap();
}
