//! What the readers of this package have to bear, as plain functions: the tests call them with random and with mutated bytes,
//! the fuzz targets in `tests/fuzz` with whatever the fuzzer makes up.

use std::fs;
use std::path::Path;

use crdt::ids::{DeviceId, SiteId};
use crdt::vault::VaultKey;
use gateway::quic::{Ended, FRAME_BYTES_MAX, device_key, read_frame};
use gateway::trail::{Journal, Place, Reader};

/// The name of a trail's first file.
pub(crate) const FIRST: &str = "0000000000000001.trail";
const SECOND: &str = "0000000000000002.trail";

/// A trail in a folder.
pub(crate) fn place(dir: &Path) -> Place {
    Place { dir: dir.to_owned(), key: VaultKey::new([7; 32]), site: SiteId([1; 32]), device: DeviceId([2; 32]) }
}

/// Files of a trail: as the only one, and behind another. What can be read can be written on.
pub(crate) fn trail(data: &[u8]) {
    for names in [[FIRST].as_slice(), &[FIRST, SECOND]] {
        let folder = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| fs::write(folder.path().join(name), data).unwrap());
        let read = read_all(folder.path());
        let opened = Journal::open(place(folder.path()), 1_000);
        assert!(read.is_none() || opened.is_ok(), "what reads whole opens");
        if opened.is_ok() {
            drop(opened);
            assert!(read_all(folder.path()).is_some() || names.len() > 1, "what was opened reads whole");
        }
    }
}

/// How many records there are, if all files read.
fn read_all(dir: &Path) -> Option<usize> {
    let (mut reader, mut records) = (Reader::open(place(dir)).unwrap(), 0);
    while let Some(segment) = reader.next_file().ok()? {
        records += segment.records.len();
    }
    Some(records)
}

/// All that somebody says on a link. It ends the link, and nothing else.
pub(crate) fn uplink(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut stream = data;
    let why = runtime.block_on(async {
        loop {
            match read_frame(&mut stream).await {
                Ok(frame) => assert!(frame.len() <= FRAME_BYTES_MAX),
                Err(why) => return why,
            }
        }
    });
    assert!(matches!(why, Ended::Overlong(_)) || (why == Ended::Closed && stream.is_empty()), "{why:?}");
}

/// A certificate, as whoever connects shows one before anything is known of them. If it has a key, it is in it.
pub(crate) fn certificate(data: &[u8]) {
    if let Ok(key) = device_key(data) {
        assert!(data.windows(key.len()).any(|part| part == key));
    }
}
