//! What an erasure leaves in the files of a store: no row has a body, and no file an image. The free room of the file of tables
//! holds ciphertext, of which the next scrub destroys the key.

use std::path::{Path, PathBuf};

use crdt::entry::Entry;
use crdt::ids::CaptureId;
use crdt::site::Roles;
use crdt::statement::{Kind, Why};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::store::redb::RedbStore;
use crdt::store::{Direction, Store, StoreError, Table};
use crdt::sync::{Engine, Input, Output};
use crdt::vault::VaultKey;

use crate::site::{Site, draft};

const CAPTURES: u8 = 50;

fn open(site: &Site, dir: &Path) -> Engine<RedbStore> {
    let store = RedbStore::open(dir, &VaultKey::new([7; 32]), Box::new(|_| {})).unwrap();
    Engine::new(1_000, site.open(site.enrol(2, Roles::OFFICER), store)).unwrap()
}

fn to_disk(engine: &mut Engine<RedbStore>) {
    engine.store_mut().flush().unwrap();
    let ticket = engine.replica().store().durable();
    engine.handle(1_000, Input::Durable(ticket));
    engine.store_mut().flush().unwrap();
}

fn capture(engine: &mut Engine<RedbStore>, seed: u8) -> CaptureId {
    let seed = *blake3::hash(&[seed]).as_bytes();
    let written = engine.write(1_000, |replica| replica.capture_new(1_000, seed, &draft(40_000))).unwrap();
    written.about.capture().unwrap()
}

/// Not for each capture alone; and what a power cut ended isn't taken for done.
#[test]
fn the_store_is_scrubbed_within_an_hour_and_again_if_the_power_went_meanwhile() {
    const HOUR_MS: u64 = 60 * 60 * 1_000;
    let (site, memory) = (Site::new(), MemoryStore::new(DiskModel::WhenSynced));
    let open = |store| Engine::new(1_000, site.open(site.enrol(2, Roles::OFFICER), store)).unwrap();
    let scrubs = |engine: &Engine<MemoryStore>| engine.replica().store().counters().scrubs;
    let mut engine = open(memory);
    for seed in [1, 2] {
        let written = engine.write(1_000, |it| it.capture_new(1_000, [seed; 32], &draft(10))).unwrap();
        let id = written.about.capture().unwrap();
        engine.write(1_000, |replica| replica.erase_new(1_000, id, Why::Withdrawn)).unwrap();
    }
    engine.store_mut().sync();
    engine.handle(6_000, Input::Tick);
    assert_eq!(scrubs(&engine), 0);
    // As a device does it: woken when it wants to be, and no sooner. What happens meanwhile moves the times at which it keeps house: a
    // scrub was up to a quarter of an hour late.
    engine.write(600_000, |it| it.capture_new(600_000, [3; 32], &draft(10))).unwrap();
    let mut now_ms = 600_000;
    while scrubs(&engine) == 0 {
        let wants_ms = std::iter::from_fn(|| engine.poll()).filter_map(|it| match it {
            Output::WakeAt(at_ms) => Some(at_ms),
            _ => None,
        });
        now_ms = wants_ms.last().unwrap();
        engine.handle(now_ms, Input::Tick);
    }
    assert!(now_ms <= 6_000 + HOUR_MS, "{now_ms}");
    assert_eq!(scrubs(&engine), 1);
    engine.handle(12_000 + HOUR_MS, Input::Tick);
    assert_eq!(scrubs(&engine), 1, "one is under way");
    // The power goes before it is done: the next start does it again, and then knows that it is done.
    let mut store = engine.into_store();
    store.crash();
    let mut engine = open(store);
    engine.handle(6_000, Input::Tick);
    assert_eq!(scrubs(&engine), 2);
    for _ in 0..2 {
        engine.store_mut().sync();
        let ticket = engine.replica().store().durable();
        engine.handle(7_000, Input::Durable(ticket));
    }
    let mut engine = open(engine.into_store());
    engine.handle(3 * HOUR_MS, Input::Tick);
    assert_eq!(scrubs(&engine), 2);
}

fn images(dir: &Path) -> Vec<PathBuf> {
    let shelves = std::fs::read_dir(dir.join("blobs")).unwrap().map(|shelf| shelf.unwrap().path());
    shelves.flat_map(|shelf| std::fs::read_dir(shelf).unwrap().map(|file| file.unwrap().path())).collect()
}

/// The bodies of all captures that have one.
fn bodies(store: &RedbStore) -> Vec<Vec<u8>> {
    let rows = store.scan(Table::Entries, &[], &[u8::MAX; 9], Direction::Up, usize::MAX).unwrap();
    let entries = rows.iter().map(|(_, bytes)| crdt::codec::decode::<Entry>(bytes, bytes.len()).unwrap());
    let captures = entries.filter(|entry| entry.header().kind == Kind::Capture as u8);
    captures.filter_map(|entry| entry.body).map(|body| body.into_vec()).collect()
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn no_row_and_no_file_of_an_erased_capture_is_left_on_disk() {
    let (site, dir) = (Site::new(), tempfile::tempdir().unwrap());
    let mut engine = open(&site, dir.path());
    let ids: Vec<CaptureId> = (0..CAPTURES).map(|seed| capture(&mut engine, seed)).collect();
    to_disk(&mut engine);
    let bodies_before = bodies(engine.replica().store());
    assert_eq!(images(dir.path()).len(), usize::from(CAPTURES));
    drop(engine);
    // Somebody copies the file of tables, as the disk may keep it in places that nobody overwrites. With its key it opens.
    let (old, both) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy(dir.path(), old.path(), &["store.redb"]);
    copy(dir.path(), both.path(), &["store.redb", "data.key"]);
    assert_eq!(bodies(open(&site, both.path()).replica().store()), bodies_before, "the search finds what is there");

    let mut engine = open(&site, dir.path());
    for id in &ids {
        engine.write(2_000, |replica| replica.erase_new(2_000, *id, Why::Withdrawn)).unwrap();
    }
    to_disk(&mut engine);
    assert_eq!(bodies(engine.replica().store()).len(), 0);
    assert_eq!(engine.replica().erased(), u64::from(CAPTURES));
    // An hour later, or at once at the next start.
    drop(engine);
    assert!(images(dir.path()).is_empty(), "overwritten and removed");
    let mut engine = open(&site, dir.path());
    engine.handle(1_000 + 60_000, Input::Tick);
    to_disk(&mut engine);
    assert_eq!(engine.replica().store().unscrubbed(), None);
    drop(engine);
    copy(dir.path(), old.path(), &["data.key"]);
    let refused = RedbStore::open(old.path(), &VaultKey::new([7; 32]), Box::new(|_| {}));
    assert_eq!(
        refused.err(),
        Some(StoreError::Key),
        "the key before the scrub is gone, and with it what the old file says"
    );
    let engine = open(&site, dir.path());
    assert_eq!(engine.replica().erased(), u64::from(CAPTURES), "everything else is there");
}
