//! Hostile bytes in the place of an audit trail's files. What comes over links is tried where it is read.

pub(crate) mod bodies;

use std::fs;

use crdt::audit::{Act, Record};
use gateway::trail::Journal;
use synth::hostile::bears;

#[test]
fn hostile_files_panic_no_reader_of_a_trail() {
    // Whatever can be opened is written on, and waits for the disk.
    bears("files of an audit trail", &files(), 150, bodies::trail);
}

/// A trail's file with a few records, and one with none.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let place = bodies::place(folder.path());
    let mut journal = Journal::open(place, 1).unwrap();
    let empty = fs::read(folder.path().join(bodies::FIRST)).unwrap();
    for at_ms in 2..9 {
        let record = Record {
            at_ms,
            operator: "ana".into(),
            act: Act::Listed,
            captures: vec![],
            why: "exercise".into(),
            times: 1,
        };
        journal.append(at_ms, vec![record]).unwrap();
    }
    vec![("records", fs::read(folder.path().join(bodies::FIRST)).unwrap()), ("no records", empty)]
}
