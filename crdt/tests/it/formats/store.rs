//! A whole store of each format, kept as files. Pages of zeros are left out, since redb's files are mostly room.
//!
//! Kept is, of each page of 4 KiB that isn't empty: its number (u32 big-endian), its length without the zeros at its end
//! (u16 big-endian), those bytes. The blob beside the tables is written by name from its own bytes.

use std::path::Path;

use crdt::replica::Query;
use crdt::site::Roles;
use crdt::store::redb::RedbStore;
use crdt::store::{Direction, Store, Table};
use crdt::sync::Engine;
use crdt::vault::VaultKey;

use super::samples::{History, NOW_MS};
use super::{bless, folder};
use crate::site::entries_of;

const PAGE_BYTES: usize = 4_096;
const NAME: &str = "store.redb.pages";
const NAME_2: &str = "store-2.redb.pages";
const KEY_2: &str = "store-2.data.key";

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
    let mut replica = history.site.open(history.site.enrol(2, Roles::OFFICER), open(dir));
    replica.ingest(NOW_MS, entries_of(&history.officer)).unwrap();
    replica.store_mut().flush().unwrap();
}

/// The same as programs of format 1 wrote it: in the clear, and read models end before `erased`.
fn write_1(file: &Path, history: &History) {
    let store = history.officer.store();
    let database = redb::Database::create(file).unwrap();
    let transaction = database.begin_write().unwrap();
    for table in Table::ALL {
        let name = format!("{table:?}").to_lowercase();
        let mut rows = transaction.open_table(redb::TableDefinition::<&[u8], &[u8]>::new(&name)).unwrap();
        for (key, value) in store.scan(table, &[], &[u8::MAX; 64], Direction::Up, usize::MAX).unwrap() {
            let shrunk = value.len() - usize::from(table == Table::Captures);
            rows.insert(key.as_slice(), &value[..shrunk]).unwrap();
        }
        if table == Table::Meta {
            rows.insert(b"format".as_slice(), 1_u32.to_be_bytes().as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
}

fn open(dir: &Path) -> RedbStore {
    RedbStore::open(dir, &VaultKey::new([7; 32]), Box::new(|_| {})).unwrap()
}

/// What the store in a folder says is what the officer's replica says.
fn check(dir: &Path, history: &History) {
    let replica = history.site.open(history.site.enrol(2, Roles::OFFICER), open(dir));
    assert_eq!(replica.fingerprint().unwrap(), history.officer.fingerprint().unwrap());
    assert_eq!(entries_of(&replica), entries_of(&history.officer));
    let engine = Engine::new(NOW_MS, replica).unwrap();
    let (page, _) = engine.captures(NOW_MS, &Query { limit: 9, ..Query::default() }).unwrap();
    assert_eq!(page.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [history.capture]);
    assert_eq!(page[0].2.now, crdt::stage::Stage::Seen);
}

/// Its rows are in the clear. It is encrypted when it is opened, and the clear bytes are overwritten.
#[test]
fn a_store_of_format_1_is_read_by_this_program() {
    let (history, dir) = (History::write(), tempfile::tempdir().unwrap());
    let file = dir.path().join("store.redb");
    if bless() {
        write_1(&file, &history);
        std::fs::write(folder().join(NAME), packed(&std::fs::read(&file).unwrap())).unwrap();
    }
    let kept = unpacked(&std::fs::read(folder().join(NAME)).unwrap());
    std::fs::write(&file, &kept).unwrap();
    let (old, device) = (std::fs::File::open(&file).unwrap(), history.officer.identity().device().0);
    assert!(has(&kept, &device), "who reads the file reads who belongs");
    check(dir.path(), &history);
    assert!(!has(&std::fs::read(&file).unwrap(), &device));
    let mut left = Vec::new();
    std::io::Read::read_to_end(&mut &old, &mut left).unwrap();
    assert!(left.iter().all(|byte| *byte == 0), "the bytes of the file that was there before");
    check(dir.path(), &history);
    let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["blobs", "data.key", "store.redb"]);
}

#[test]
fn a_store_of_format_2_is_read_by_this_program() {
    let (history, dir) = (History::write(), tempfile::tempdir().unwrap());
    if bless() {
        write(dir.path(), &history);
        let packed = packed(&std::fs::read(dir.path().join("store.redb")).unwrap());
        assert!(packed.len() < 200_000, "{}", packed.len());
        std::fs::write(folder().join(NAME_2), packed).unwrap();
        std::fs::copy(dir.path().join("data.key"), folder().join(KEY_2)).unwrap();
    }
    let kept = unpacked(&std::fs::read(folder().join(NAME_2)).unwrap());
    std::fs::write(dir.path().join("store.redb"), kept).unwrap();
    std::fs::copy(folder().join(KEY_2), dir.path().join("data.key")).unwrap();
    check(dir.path(), &history);
}

fn has(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
