//! A whole store of format 2, kept as a file. Pages of zeros are left out, since redb's files are mostly room.
//!
//! Kept is, of each page of 4 KiB that isn't empty: its number (u32 big-endian), its length without the zeros at its end
//! (u16 big-endian), those bytes. The blob beside the tables is written by name from its own bytes.

use std::path::Path;

use crdt::replica::Query;
use crdt::site::Roles;
use crdt::store::Store;
use crdt::store::redb::RedbStore;
use crdt::sync::Engine;

use super::samples::{History, NOW_MS};
use super::{bless, folder};
use crate::site::entries_of;

const PAGE_BYTES: usize = 4_096;
const NAME: &str = "store.redb.pages";

fn packed(file: &[u8]) -> Vec<u8> {
    let mut packed = (file.len() as u64).to_be_bytes().to_vec();
    for (number, page) in file.chunks(PAGE_BYTES).enumerate() {
        let len = page.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if len > 0 {
            packed.extend_from_slice(&(number as u32).to_be_bytes());
            packed.extend_from_slice(&(len as u16).to_be_bytes());
            packed.extend_from_slice(&page[..len]);
        }
    }
    packed
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let (len, mut rest) = packed.split_first_chunk::<8>().unwrap();
    let mut file = vec![0; u64::from_be_bytes(*len) as usize];
    while let Some((number, after)) = rest.split_first_chunk::<4>() {
        let (len, after) = after.split_first_chunk::<2>().unwrap();
        let (bytes, after) = after.split_at(usize::from(u16::from_be_bytes(*len)));
        let at = u32::from_be_bytes(*number) as usize * PAGE_BYTES;
        file[at..at + bytes.len()].copy_from_slice(bytes);
        rest = after;
    }
    file
}

/// The officer's store after the whole history, with one capture's images.
fn write(dir: &Path, history: &History) {
    let store = RedbStore::open(dir, Box::new(|_| {})).unwrap();
    let mut replica = history.site.open(history.site.enrol(2, Roles::OFFICER), store);
    replica.ingest(NOW_MS, entries_of(&history.officer)).unwrap();
    replica.store_mut().flush().unwrap();
}

#[test]
fn a_store_that_was_kept_is_read_by_this_program() {
    let (history, dir) = (History::write(), tempfile::tempdir().unwrap());
    if bless() {
        write(dir.path(), &history);
        let packed = packed(&std::fs::read(dir.path().join("store.redb")).unwrap());
        assert!(packed.len() < 200_000, "{}", packed.len());
        std::fs::write(folder().join(NAME), packed).unwrap();
    }
    let kept = std::fs::read(folder().join(NAME)).unwrap();
    std::fs::write(dir.path().join("store.redb"), unpacked(&kept)).unwrap();
    let store = RedbStore::open(dir.path(), Box::new(|_| {})).unwrap();
    let replica = history.site.open(history.site.enrol(2, Roles::OFFICER), store);
    assert_eq!(replica.fingerprint().unwrap(), history.officer.fingerprint().unwrap());
    assert_eq!(entries_of(&replica), entries_of(&history.officer));
    let engine = Engine::new(NOW_MS, replica).unwrap();
    let (page, _) = engine.captures(NOW_MS, &Query { limit: 9, ..Query::default() }).unwrap();
    assert_eq!(page.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [history.capture]);
    assert_eq!(page[0].2.now, crdt::stage::Stage::Seen);
}
