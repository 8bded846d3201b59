//! The store on a disk that fails: power cuts at any point, a full disk, a sync that fails, files that aren't stores.

mod disk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crdt::ids::BlobId;
use crdt::store::redb::RedbStore;
use crdt::store::{Batch, Direction, FORMAT, FORMAT_KEY, Store, StoreError, Table, Ticket};
use disk::{Disk, Survivors};

use crate::site::{self, Dice, Site};

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Names the last batch in the rows themselves.
const LAST_KEY: &[u8] = b"last batch";

/// What was done to a store, and what it said of it before the power went.
struct Past {
    /// The rows as of each ticket, from 0.
    states: Vec<Rows>,
    finished: BTreeMap<BlobId, (Vec<u8>, u64)>,
    removed: BTreeMap<BlobId, u64>,
    durable: Arc<AtomicU64>,
}

impl Past {
    fn durable(&self) -> u64 {
        self.durable.load(Ordering::SeqCst)
    }
}

/// Opens a store on a disk; tickets count as reported only as long as there is power.
fn open(dir: &Path, disk: &Disk) -> (Result<RedbStore, StoreError>, Arc<AtomicU64>) {
    let durable = Arc::new(AtomicU64::new(0));
    let (reported, power) = (Arc::clone(&durable), disk.clone());
    let on_durable = move |ticket: Ticket| {
        if !power.is_cut() {
            reported.fetch_max(ticket.0, Ordering::SeqCst);
        }
    };
    (RedbStore::open_with_backend(dir, disk.clone(), Box::new(on_durable)), durable)
}

/// A disk that holds an empty store. A new store is made under another name first, so that no power cut falls into that.
fn made() -> Disk {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    drop(open(dir.path(), &disk).0.unwrap());
    disk
}

/// Does random things to a store until it fails or `steps` are done.
fn live(store: &mut RedbStore, durable: Arc<AtomicU64>, dice: &mut Dice, steps: u64) -> Past {
    let first = rows(store);
    let mut past = Past { states: vec![first], finished: BTreeMap::new(), removed: BTreeMap::new(), durable };
    for _ in 0..steps {
        let done = match dice.draw(10) {
            0 => store.flush(),
            1 => finish_one(store, &mut past, dice),
            2 => remove_one(store, &mut past, dice),
            _ => apply_one(store, &mut past, dice),
        };
        if done.is_err() {
            break;
        }
    }
    past
}

fn apply_one(store: &mut RedbStore, past: &mut Past, dice: &mut Dice) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    let mut state = past.states.last().unwrap().clone();
    for _ in 0..1 + dice.draw(6) {
        let table = Table::ALL[dice.draw(8) as usize];
        let key = vec![b'k', dice.draw(40) as u8];
        if dice.chance(4) {
            state.remove(&(table, key.clone()));
            batch.remove(table, key);
        } else {
            let value = vec![dice.draw(256) as u8; dice.draw(3_000) as usize];
            state.insert((table, key.clone()), value.clone());
            batch.put(table, key, value);
        }
    }
    let number = past.states.len() as u64;
    state.insert((Table::Meta, LAST_KEY.to_vec()), number.to_be_bytes().to_vec());
    batch.put(Table::Meta, LAST_KEY, number.to_be_bytes());
    assert_eq!(store.apply(batch)?, Ticket(number));
    past.states.push(state);
    Ok(())
}

fn finish_one(store: &mut RedbStore, past: &mut Past, dice: &mut Dice) -> Result<(), StoreError> {
    let (blob, bytes) = site::blob(dice.draw(256) as u8, 1 + dice.draw(40_000) as usize);
    let half = bytes.len() / 2;
    store.blob_write(blob.id, half as u64, &bytes[half..])?;
    store.blob_write(blob.id, 0, &bytes[..half])?;
    if dice.chance(3) {
        return Ok(()); // It stays a part.
    }
    let ticket = store.blob_finish(blob.id)?;
    past.same_rows();
    past.finished.insert(blob.id, (bytes, ticket.0));
    Ok(())
}

fn remove_one(store: &mut RedbStore, past: &mut Past, dice: &mut Dice) -> Result<(), StoreError> {
    let Some(blob) = past.finished.keys().nth(dice.draw(past.finished.len() as u64) as usize).copied() else {
        return Ok(());
    };
    let ticket = store.blob_remove(blob)?;
    past.same_rows();
    past.removed.insert(blob, ticket.0);
    Ok(())
}

impl Past {
    /// A ticket that changed no row.
    fn same_rows(&mut self) {
        self.states.push(self.states.last().unwrap().clone());
    }

    /// Which tickets the rows found can be of, if all is well: a prefix of what was applied, and all that was promised.
    fn check_rows(&self, store: &RedbStore, case: &str) {
        let found = rows(store);
        let newest = self.states.iter().rposition(|state| *state == found);
        let newest = newest.unwrap_or_else(|| panic!("{case}: the rows are no prefix of what was applied"));
        assert!(newest as u64 >= self.durable(), "{case}: {newest} of {} durable tickets are there", self.durable());
    }

    fn check_blobs(&self, store: &RedbStore, case: &str) {
        let listed: BTreeMap<BlobId, bool> = store.blob_list().unwrap().into_iter().collect();
        for (id, (bytes, ticket)) in &self.finished {
            let removed = self.removed.contains_key(id);
            let whole = listed.get(id) == Some(&true);
            assert!(whole || removed || *ticket > self.durable(), "{case}: a durable blob is gone");
            let read = store.blob_read(*id, 0, usize::MAX).unwrap();
            assert!(!whole || read == *bytes, "{case}: a blob that isn't whole is taken for whole");
        }
        for (id, whole) in listed {
            assert!(!whole || self.finished.contains_key(&id), "{case}: a part is taken for whole");
        }
    }
}

fn rows(store: &RedbStore) -> Rows {
    let mut rows = Rows::new();
    for table in Table::ALL {
        for (key, value) in store.scan(table, &[], &[u8::MAX; 9], Direction::Up, usize::MAX).unwrap() {
            rows.insert((table, key), value);
        }
    }
    rows
}

/// What a power cut does to files that weren't synced: the parts lose their ends.
fn tear_parts(dir: &Path, dice: &mut Dice) {
    for path in files(&dir.join("blobs")).into_iter().filter(|path| path.extension().is_some()) {
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let len = file.metadata().unwrap().len();
        file.set_len(dice.draw(len + 1)).unwrap();
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn whatever_a_power_cut_leaves_the_store_opens_with_all_that_was_promised() {
    for seed in 0..240 {
        let (mut dice, dir, disk) = (Dice::new(seed), tempfile::tempdir().unwrap(), made());
        // Some cuts fall into the opening.
        disk.cut_after(1 + dice.draw(if seed % 4 == 0 { 20 } else { 400 }));
        let (store, durable) = open(dir.path(), &disk);
        let mut store = store.unwrap();
        let past = live(&mut store, durable, &mut dice, 60);
        drop(store);
        tear_parts(dir.path(), &mut dice);
        for survivors in Survivors::ALL {
            let case = format!("seed {seed}, {survivors:?}");
            let left = Disk::holding(disk.after_power_cut(survivors, &mut dice));
            let (store, _) = open(dir.path(), &left);
            let store = store.unwrap_or_else(|error| panic!("{case}: {error}"));
            past.check_rows(&store, &case);
            past.check_blobs(&store, &case);
        }
    }
}

#[test]
fn what_a_replica_promised_is_there_after_a_power_cut() {
    let site = Site::new();
    for seed in 0..40 {
        let (mut dice, dir, disk) = (Dice::new(seed), tempfile::tempdir().unwrap(), Disk::default());
        let (store, durable) = open(dir.path(), &disk);
        let mut replica = site.open(site.enrol(2, crdt::site::Roles::OFFICER), store.unwrap());
        disk.cut_after(1 + dice.draw(150));
        for at in 0..20 {
            replica.capture_new(at, dice.bytes(), &site::draft(100)).unwrap();
            replica.on_durable(Ticket(durable.load(Ordering::SeqCst)));
            if dice.chance(3) {
                replica.store_mut().flush().unwrap();
            }
        }
        replica.on_durable(Ticket(durable.load(Ordering::SeqCst)));
        let promised = replica.frontier().clone();
        drop(replica);
        let survivors = Survivors::ALL[dice.draw(4) as usize];
        let left = Disk::holding(disk.after_power_cut(survivors, &mut dice));
        let replica = site.open(site.enrol(2, crdt::site::Roles::OFFICER), open(dir.path(), &left).0.unwrap());
        for (log, head) in promised {
            let entry = replica.entry(crdt::view::EntryRef { log, seq: head.height }).unwrap();
            assert_eq!(entry.unwrap().header().hash(), head.hash, "seed {seed}, {survivors:?}");
        }
    }
}

#[test]
fn a_full_disk_is_told_loses_nothing_and_is_left_behind_once_there_is_room() {
    for seed in 0..120 {
        let (mut dice, dir, disk) = (Dice::new(seed), tempfile::tempdir().unwrap(), Disk::default());
        let (store, durable) = open(dir.path(), &disk);
        let mut store = store.unwrap();
        let room = disk.after_power_cut(Survivors::All, &mut dice).len();
        disk.fill(room + dice.draw(300_000) as usize);
        let mut past = live(&mut store, durable, &mut dice, 500);
        while store.flush().is_ok() {
            let _ = apply_one(&mut store, &mut past, &mut dice);
        }
        assert_eq!(store.failure(), Some(StoreError::Full), "seed {seed}");
        assert_eq!(store.apply(Batch::default()), Err(StoreError::Full));
        assert_eq!(store.durable(), Ticket(past.durable()));
        assert_eq!(rows(&store), *past.states.last().unwrap(), "reads go on");
        drop(store);
        let left = disk.after_power_cut(Survivors::All, &mut dice);
        // Still no room: it may refuse to open, but what it shows is right, and nothing gets worse.
        let full = Disk::holding(left);
        full.fill(0);
        match open(dir.path(), &full).0 {
            Ok(store) => past.check_rows(&store, &format!("seed {seed}, still full")),
            Err(error) => assert_eq!(error, StoreError::Full, "seed {seed}"),
        }
        full.fill(usize::MAX);
        let mut store = open(dir.path(), &full).0.unwrap();
        past.check_rows(&store, &format!("seed {seed}, with room"));
        past.check_blobs(&store, &format!("seed {seed}, with room"));
        store.apply(Batch::default()).unwrap();
        store.flush().unwrap();
    }
}

/// A power cut while redb makes a file leaves one without its first bytes, which redb takes for somebody else's for ever after.
/// So a store is made under another name, and what an earlier attempt left there is made anew.
#[test]
fn a_store_that_was_cut_off_while_it_was_made_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    for left in [Vec::new(), vec![0; 70_000], b"anything".to_vec()] {
        std::fs::write(dir.path().join("store.redb.new"), left).unwrap();
        assert!(sound(dir.path()).exists());
        assert!(!dir.path().join("store.redb.new").exists());
        std::fs::remove_file(dir.path().join("store.redb")).unwrap();
    }
}

/// redb 4 has panicked when it opened a file that a full disk had left half made, or had left half grown. Whatever the
/// disk had room for, the next start with room must work, and one without must say so in words.
#[test]
fn a_disk_that_was_full_from_the_start_leaves_nothing_that_cannot_be_opened() {
    for room in (0..40).map(|n| n * 137).chain((0..60).map(|n| n * 4_096)).chain((0..30).map(|n| n * 65_536 + 1)) {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        disk.fill(room);
        let opened = open(dir.path(), &disk).0;
        if let Ok(mut store) = opened {
            let applied = store.apply(Batch::default()).and_then(|_| store.flush());
            assert!(matches!(applied, Ok(()) | Err(StoreError::Full)), "room for {room}: {applied:?}");
        }
        disk.fill(usize::MAX);
        let (store, _) = open(dir.path(), &disk);
        let mut store = store.unwrap_or_else(|error| panic!("room for {room}: {error}"));
        store.apply(Batch::default()).unwrap();
        store.flush().unwrap();
    }
}

#[test]
fn a_sync_that_fails_ends_writing_and_takes_nothing_back() {
    for seed in 0..80 {
        let (mut dice, dir, disk) = (Dice::new(seed), tempfile::tempdir().unwrap(), Disk::default());
        let (store, durable) = open(dir.path(), &disk);
        let mut store = store.unwrap();
        disk.fail_sync(1 + dice.draw(10));
        let mut past = live(&mut store, durable, &mut dice, 60);
        while store.flush().is_ok() {
            let _ = apply_one(&mut store, &mut past, &mut dice);
        }
        let failure = store.failure().unwrap();
        assert!(failure.to_string().contains("the disk doesn't answer"), "{failure}");
        assert_eq!(rows(&store), *past.states.last().unwrap(), "reads go on");
        drop(store);
        let survivors = Survivors::ALL[dice.draw(4) as usize];
        let left = Disk::holding(disk.after_power_cut(survivors, &mut dice));
        let store = open(dir.path(), &left).0.unwrap();
        past.check_rows(&store, &format!("seed {seed}, {survivors:?}"));
        past.check_blobs(&store, &format!("seed {seed}, {survivors:?}"));
    }
}

/// A sound store of a few rows, as a file.
fn sound(dir: &Path) -> PathBuf {
    let mut store = RedbStore::open(dir, Box::new(|_| {})).unwrap();
    let mut batch = Batch::default();
    (0..50u8).for_each(|n| batch.put(Table::Entries, [n; 8], vec![n; 500]));
    store.apply(batch).unwrap();
    store.flush().unwrap();
    drop(store);
    dir.join("store.redb")
}

/// What a person reads who starts a device on this folder.
fn error_of(dir: &Path) -> StoreError {
    RedbStore::open(dir, Box::new(|_| {})).err().unwrap()
}

#[test]
fn an_empty_or_a_foreign_file_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    for foreign in
        [Vec::new(), b"x".to_vec(), b"hello, world".repeat(9), vec![0xff; 70_000], b"SQLite format 3\0".repeat(4_096)]
    {
        std::fs::write(dir.path().join("store.redb"), &foreign).unwrap();
        let error = error_of(dir.path());
        assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
        assert!(error.to_string().contains("restore a backup"), "{error}");
        assert_eq!(std::fs::read(dir.path().join("store.redb")).unwrap(), foreign, "it is left as it was");
    }
}

#[test]
fn a_cut_or_scratched_file_is_refused_in_words_or_read_but_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let file = sound(dir.path());
    let whole = std::fs::read(&file).unwrap();
    let (mut dice, mut refused) = (Dice::new(1), 0);
    for case in 0..150 {
        let mut bytes = whole.clone();
        match case % 3 {
            0 => bytes.truncate(1 + dice.draw(whole.len() as u64 - 1) as usize),
            // Where the tables are: the rest of the file is room for more.
            1 => (0..20).for_each(|_| bytes[dice.draw(60_000) as usize] ^= 1 << dice.draw(8)),
            _ => (0..3).for_each(|_| bytes[dice.draw(400) as usize] ^= 1 << dice.draw(8)),
        }
        std::fs::write(&file, &bytes).unwrap();
        match RedbStore::open(dir.path(), Box::new(|_| {})) {
            Ok(store) => {
                for table in Table::ALL {
                    let scanned = store.scan(table, &[], &[u8::MAX; 9], Direction::Up, usize::MAX);
                    assert!(matches!(scanned, Ok(_) | Err(StoreError::Damaged(_))), "case {case}: {scanned:?}");
                }
            }
            Err(error) => {
                refused += 1;
                assert!(matches!(error, StoreError::Damaged(_) | StoreError::Io(_)), "case {case}: {error:?}");
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    sound(dir.path());
    let mut store = RedbStore::open(dir.path(), Box::new(|_| {})).unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Meta, FORMAT_KEY, (FORMAT + 1).to_be_bytes());
    store.apply(batch).unwrap();
    drop(store);
    for _ in 0..2 {
        let error = error_of(dir.path());
        assert_eq!(error, StoreError::Version { found: FORMAT + 1, expected: FORMAT });
        assert!(error.to_string().contains("update the program"), "{error}");
    }
}

#[test]
fn a_store_that_is_open_is_not_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let first = RedbStore::open(dir.path(), Box::new(|_| {})).unwrap();
    assert_eq!(error_of(dir.path()), StoreError::InUse);
    drop(first);
    assert!(RedbStore::open(dir.path(), Box::new(|_| {})).is_ok());
}
