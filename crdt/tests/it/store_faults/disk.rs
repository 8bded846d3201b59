//! A disk that a test plays: it loses, tears and reorders what wasn't synced, fills up, and fails to sync.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use crate::site::Dice;

/// What a disk writes at once or not at all.
const SECTOR_BYTES: usize = 512;

/// What a power cut leaves of the writes that weren't synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survivors {
    /// None of them.
    Nothing,
    /// The first few, the last of which is cut short.
    Torn,
    /// Any of them, in whole or in part.
    Some,
    /// All of them.
    All,
}

impl Survivors {
    pub(crate) const ALL: [Self; 4] = [Self::Nothing, Self::Torn, Self::Some, Self::All];
}

/// A disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    live: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Write>,
    changes: u64,
    cut_at: u64,
    /// What was synced and what wasn't when the power was cut.
    cut: Option<(Vec<u8>, Vec<Write>)>,
    room: usize,
    syncs: u64,
    failing_sync: u64,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

impl Default for State {
    fn default() -> Self {
        Self {
            live: Vec::new(),
            synced: Vec::new(),
            unsynced: Vec::new(),
            changes: 0,
            cut_at: u64::MAX,
            cut: None,
            room: usize::MAX,
            syncs: 0,
            failing_sync: u64::MAX,
        }
    }
}

impl Write {
    fn onto(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(len) => image.resize(*len, 0),
            Self::Bytes(at, bytes) => {
                image.resize(image.len().max(at + bytes.len()), 0);
                image[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    /// The first few sectors of it.
    fn torn(&self, dice: &mut Dice) -> Self {
        match self {
            Self::Length(len) => Self::Length(*len),
            Self::Bytes(at, bytes) => {
                // Sectors are places on the disk, not pieces of the write.
                let first = (SECTOR_BYTES - at % SECTOR_BYTES).min(bytes.len());
                let sectors = 1 + (bytes.len() - first).div_ceil(SECTOR_BYTES) as u64;
                let kept = first + (dice.draw(sectors) as usize) * SECTOR_BYTES;
                Self::Bytes(*at, bytes[..kept.min(bytes.len())].to_vec())
            }
        }
    }
}

impl Disk {
    pub(crate) fn holding(image: Vec<u8>) -> Self {
        let state = State { live: image.clone(), synced: image, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The power goes with this change to the disk, counted from now. Whoever writes on doesn't notice.
    pub(crate) fn cut_after(&self, changes: u64) {
        let mut state = self.state();
        state.cut_at = state.changes + changes;
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.state().cut.is_some()
    }

    /// No write may reach beyond this many bytes.
    pub(crate) fn fill(&self, room: usize) {
        self.state().room = room;
    }

    /// This sync fails, counted from now, and none after it.
    pub(crate) fn fail_sync(&self, sync: u64) {
        let mut state = self.state();
        state.failing_sync = state.syncs + sync;
    }

    /// What the disk holds when the power is back. Without a cut, the power goes now.
    pub(crate) fn after_power_cut(&self, survivors: Survivors, dice: &mut Dice) -> Vec<u8> {
        let state = self.state();
        let (mut image, unsynced) = state.cut.clone().unwrap_or_else(|| (state.synced.clone(), state.unsynced.clone()));
        for write in surviving(&unsynced, survivors, dice) {
            write.onto(&mut image);
        }
        image
    }

    fn change(&self, write: Write) {
        let mut state = self.state();
        write.onto(&mut state.live);
        state.unsynced.push(write);
        state.count();
    }

    fn needs(&self, end: usize) -> Result<()> {
        if end > self.state().room { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl State {
    fn count(&mut self) {
        self.changes += 1;
        if self.changes >= self.cut_at && self.cut.is_none() {
            self.cut = Some((self.synced.clone(), self.unsynced.clone()));
        }
    }
}

fn surviving(unsynced: &[Write], survivors: Survivors, dice: &mut Dice) -> Vec<Write> {
    match survivors {
        Survivors::Nothing => Vec::new(),
        Survivors::All => unsynced.to_vec(),
        Survivors::Torn => {
            let whole = dice.draw(unsynced.len() as u64 + 1) as usize;
            let torn = unsynced.get(whole).map(|write| write.torn(dice));
            unsynced[..whole].iter().cloned().chain(torn).collect()
        }
        Survivors::Some => {
            let mut kept = Vec::new();
            for write in unsynced {
                match dice.draw(3) {
                    0 => kept.push(write.clone()),
                    1 => kept.push(write.torn(dice)),
                    _ => {}
                }
            }
            kept
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.state().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let state = self.state();
        let from = offset as usize;
        let there = state.live.get(from..from + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(there);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.needs(len as usize)?;
        self.change(Write::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut state = self.state();
        state.syncs += 1;
        if state.syncs == state.failing_sync {
            return Err(Error::other("the disk doesn't answer"));
        }
        state.synced = state.live.clone();
        state.unsynced.clear();
        state.count();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.needs(offset as usize + data.len())?;
        self.change(Write::Bytes(offset as usize, data.to_vec()));
        Ok(())
    }
}
