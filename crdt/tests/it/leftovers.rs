//! What an erasure leaves in the files of a store: no row has a body, and no file an image. The free room of the file of tables
//! does, until it is used again: how much of it, this test prints.

use std::path::{Path, PathBuf};

use crdt::entry::Entry;
use crdt::ids::CaptureId;
use crdt::site::Roles;
use crdt::statement::{Kind, Why};
use crdt::store::redb::RedbStore;
use crdt::store::{Direction, Store, Table};
use crdt::sync::{Engine, Input};

use crate::site::{Site, draft};

const CAPTURES: u8 = 50;

fn open(site: &Site, dir: &Path) -> Engine<RedbStore> {
    let store = RedbStore::open(dir, Box::new(|_| {})).unwrap();
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

fn found(dir: &Path, bodies: &[Vec<u8>]) -> usize {
    let file = std::fs::read(dir.join("store.redb")).unwrap();
    // The middle of a body: ciphertext that occurs nowhere else.
    let pieces = bodies.iter().map(|body| &body[body.len() / 2..body.len() / 2 + 24]);
    pieces.filter(|piece| file.windows(24).any(|window| window == *piece)).count()
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
    assert_eq!(found(dir.path(), &bodies_before), usize::from(CAPTURES), "the search finds what is there");

    let mut engine = open(&site, dir.path());
    for id in &ids {
        engine.write(2_000, |replica| replica.erase_new(2_000, *id, Why::Withdrawn)).unwrap();
    }
    to_disk(&mut engine);
    assert!(images(dir.path()).is_empty());
    drop(engine);
    let after = found(dir.path(), &bodies_before);
    let mut engine = open(&site, dir.path());
    assert_eq!(bodies(engine.replica().store()).len(), 0);
    assert_eq!(engine.replica().erased(), u64::from(CAPTURES));
    for seed in CAPTURES..5 * (CAPTURES / 2) {
        capture(&mut engine, seed);
        to_disk(&mut engine);
    }
    drop(engine);
    let later = found(dir.path(), &bodies_before);
    println!("of {CAPTURES} bodies {after} are still in the free room of the file, {later} after 75 captures more");
}
