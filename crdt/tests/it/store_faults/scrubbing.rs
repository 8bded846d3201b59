//! Scrubs: whenever the power goes, all that was promised is there, and what was to be destroyed is.

use crdt::store::{Batch, Direction, Store, StoreError, Table, Ticket};
use crdt::vault::VaultKey;

use super::disk::{Disk, Survivors};
use super::{KEY, apply_one, files, live, made, open, rows};
use crate::site::{self, Dice};

const SECRET: &[u8] = b"MARKER that must be gone";

#[test]
fn whenever_the_power_goes_in_a_scrub_all_that_was_promised_is_there() {
    for seed in 0..240 {
        let (mut dice, dir, disk) = (Dice::new(seed), tempfile::tempdir().unwrap(), made());
        let (store, durable) = open(dir.path(), &disk);
        let mut store = store.unwrap();
        let mut past = live(&mut store, durable, &mut dice, 20);
        store.flush().unwrap();
        disk.cut_after(1 + dice.draw(60));
        for _ in 0..2 {
            assert_eq!(store.scrub().unwrap(), Ticket(past.states.len() as u64));
            past.same_rows();
            // Some of it waits for the scrub, some doesn't.
            for _ in 0..dice.draw(4) {
                apply_one(&mut store, &mut past, &mut dice).unwrap();
            }
            assert_eq!(rows(&store), *past.states.last().unwrap(), "seed {seed}: reads go on");
        }
        store.flush().unwrap();
        assert_eq!(store.unscrubbed(), None);
        assert_eq!(rows(&store), *past.states.last().unwrap());
        drop(store);
        for survivors in Survivors::ALL {
            let case = format!("seed {seed}, {survivors:?}");
            let left = disk.after_power_cut(survivors, &mut dice);
            let store = open(dir.path(), &left).0.unwrap_or_else(|error| panic!("{case}: {error}"));
            past.check_rows(&store, &case);
            drop(store);
            assert_eq!(left.names(), ["data.key", "store.redb"], "{case}: nothing is left over");
            // Once more, from what the opening left.
            past.check_rows(&open(dir.path(), &left).0.unwrap(), &case);
        }
    }
}

#[test]
fn after_a_scrub_no_key_opens_what_was_removed() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), made());
    let mut store = open(dir.path(), &disk).0.unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Entries, [1; 8], SECRET);
    batch.put(Table::Entries, [2; 8], b"what stays".as_slice());
    store.apply(batch).unwrap();
    store.flush().unwrap();
    let (old_key, old_rows) = (disk.bytes("data.key").unwrap(), disk.bytes("store.redb").unwrap());
    assert_eq!(value(&old_key, &old_rows).as_deref(), Some(SECRET), "until then, the key opens it");

    let mut batch = Batch::default();
    batch.remove(Table::Entries, [1; 8]);
    store.apply(batch).unwrap();
    store.scrub().unwrap();
    store.flush().unwrap();
    assert_eq!(store.get(Table::Entries, &[2; 8]).unwrap().unwrap(), b"what stays");
    drop(store);
    // The old rows may be found on the disk; what opens them may not.
    let mut pages = old_rows.chunks(4_096).filter(|page| page.iter().any(|byte| *byte != 0));
    assert!(pages.any(|page| disk.holds(page)), "the test sees files without a name");
    assert!(!disk.holds(&old_key) && !disk.holds(&old_key[17..]), "the old key is overwritten");
    let new_key = disk.bytes("data.key").unwrap();
    assert_eq!(value(&new_key, &old_rows), None, "and the new key doesn't open them");
    assert_eq!(value(&new_key, &disk.bytes("store.redb").unwrap()), None, "nor were they copied");
}

/// What a store of these two files says of the secret's row, if it opens.
fn value(key: &[u8], tables: &[u8]) -> Option<Vec<u8>> {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    disk.put("data.key", key.to_vec());
    disk.put("store.redb", tables.to_vec());
    open(dir.path(), &disk).0.ok()?.get(Table::Entries, &[1; 8]).ok()?
}

#[test]
fn a_scrub_that_cannot_be_done_leaves_all_as_it_was_and_says_why() {
    // The first three syncs are of the new key and of the new tables.
    for sync in 1..=3 {
        let (mut dice, dir, disk) = (Dice::new(sync), tempfile::tempdir().unwrap(), made());
        let (store, durable) = open(dir.path(), &disk);
        let mut store = store.unwrap();
        let mut past = live(&mut store, durable, &mut dice, 20);
        store.flush().unwrap();
        let key = disk.bytes("data.key");
        disk.fail_sync(sync);
        let ticket = store.scrub().unwrap();
        past.same_rows();
        store.flush().unwrap();
        assert_eq!(store.durable(), ticket);
        let why = store.unscrubbed().unwrap();
        assert!(why.to_string().contains("the disk doesn't answer"), "{why}");
        assert_eq!(disk.bytes("data.key"), key, "sync {sync}");
        apply_one(&mut store, &mut past, &mut dice).unwrap();
        store.flush().unwrap();
        store.scrub().unwrap();
        past.same_rows();
        store.flush().unwrap();
        assert_eq!(store.unscrubbed(), None, "the next one is done");
        assert_ne!(disk.bytes("data.key"), key);
        assert_eq!(rows(&store), *past.states.last().unwrap());
    }
}

#[test]
fn a_disk_without_room_for_a_copy_goes_on_without_a_scrub() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), made());
    let mut store = open(dir.path(), &disk).0.unwrap();
    let mut batch = Batch::default();
    (0..200_u8).for_each(|n| batch.put(Table::Entries, [n; 8], vec![n; 4_000]));
    store.apply(batch).unwrap();
    store.flush().unwrap();
    disk.fill(100_000);
    store.scrub().unwrap();
    let flushed = store.flush();
    assert_eq!(store.unscrubbed(), Some(StoreError::Full));
    // Whether the full disk ends writing is another matter; what was promised is there.
    assert!(matches!(flushed, Ok(()) | Err(StoreError::Full)));
    drop(store);
    disk.fill(usize::MAX);
    let mut store = open(dir.path(), &disk).0.unwrap();
    assert_eq!(store.scan(Table::Entries, &[], &[255; 9], Direction::Up, 999).unwrap().len(), 200);
    store.scrub().unwrap();
    store.flush().unwrap();
    assert_eq!(store.unscrubbed(), None);
}

#[test]
fn the_bytes_of_a_removed_blob_are_overwritten_also_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let open = || crdt::store::redb::RedbStore::open(dir.path(), &VaultKey::new([KEY; 32]), Box::new(|_| {})).unwrap();
    let mut store = open();
    let mut handles = Vec::new();
    for (fill, finished) in [(1, true), (2, false)] {
        let (blob, bytes) = site::blob(fill, 100_000);
        store.blob_write(blob.id, 0, &bytes).unwrap();
        if finished {
            store.blob_finish(blob.id).unwrap();
        }
        store.flush().unwrap();
        let path = files(&dir.path().join("blobs")).into_iter().find(|path| !handles.iter().any(|(p, _)| p == path));
        let path = path.unwrap();
        handles.push((path.clone(), std::fs::File::open(path).unwrap()));
    }
    for (blob, _) in store.blob_list().unwrap() {
        store.blob_remove(blob).unwrap();
        assert_eq!(store.blob_read(blob, 0, 9).unwrap(), b"", "gone at once");
    }
    drop(store);
    // As a crash leaves it: out of the way, and not overwritten yet.
    let shelf = handles[0].0.parent().unwrap();
    let away = shelf.join("x.7.0.gone");
    std::fs::write(&away, SECRET).unwrap();
    handles.push((away.clone(), std::fs::File::open(&away).unwrap()));
    drop(open());
    assert_eq!(files(&dir.path().join("blobs")), Vec::<std::path::PathBuf>::new());
    for (path, mut file) in handles {
        let mut left = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut left).unwrap();
        assert!(!left.is_empty() && left.iter().all(|byte| *byte == 0), "{}", path.display());
    }
}

#[test]
fn another_key_opens_nothing_and_breaks_nothing() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), made());
    let mut store = open(dir.path(), &disk).0.unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Entries, [1; 8], SECRET);
    store.apply(batch).unwrap();
    drop(store);
    let other = VaultKey::new([KEY + 1; 32]);
    let opened = crdt::store::redb::RedbStore::open_with(dir.path(), Box::new(disk.clone()), &other, Box::new(|_| {}));
    assert_eq!(opened.err(), Some(StoreError::Key));
    let store = open(dir.path(), &disk).0.unwrap();
    assert_eq!(store.get(Table::Entries, &[1; 8]).unwrap().unwrap(), SECRET);
}
