//! A disk that a test plays, with the files of a store on it: it loses, tears and reorders what wasn't synced, names too, fills
//! up, and fails to sync.

use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use crdt::store::StoreError;
use crdt::store::redb::Files;
use redb::StorageBackend;

use crate::site::Dice;

/// What a disk writes at once or not at all.
const SECTOR_BYTES: usize = 512;

/// What a power cut leaves of the writes that weren't synced. Of names it leaves the first few changes, or all, as journals do.
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
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<State>>);

/// An open file of a disk.
#[derive(Clone, Debug)]
struct Open {
    disk: Disk,
    file: usize,
}

#[derive(Debug)]
struct State {
    now: Image,
    /// What was synced and what wasn't when the power was cut.
    cut: Option<Image>,
    changes: u64,
    cut_at: u64,
    room: usize,
    syncs: u64,
    failing_sync: u64,
}

/// Everything on a disk: also files that have no name any more, which somebody may find.
#[derive(Clone, Debug, Default)]
struct Image {
    files: Vec<File>,
    names: Names,
    synced_names: Names,
    unsynced_names: Vec<Naming>,
}

type Names = BTreeMap<String, usize>;

#[derive(Clone, Debug, Default)]
struct File {
    live: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Debug)]
enum Naming {
    Is(String, usize),
    Moved(String, String),
    Gone(String),
}

impl Default for Disk {
    fn default() -> Self {
        Self::holding(Image::default())
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

impl Naming {
    fn onto(&self, names: &mut Names) {
        match self {
            Self::Is(name, file) => drop(names.insert(name.clone(), *file)),
            Self::Gone(name) => drop(names.remove(name)),
            Self::Moved(from, to) => {
                let file = names.remove(from).unwrap();
                names.insert(to.clone(), file);
            }
        }
    }
}

impl Disk {
    fn holding(now: Image) -> Self {
        let state =
            State { now, cut: None, changes: 0, cut_at: u64::MAX, room: usize::MAX, syncs: 0, failing_sync: u64::MAX };
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

    /// No write may reach beyond this many bytes of a file.
    pub(crate) fn fill(&self, room: usize) {
        self.state().room = room;
    }

    /// This sync of a file fails, counted from now, and none after it.
    pub(crate) fn fail_sync(&self, sync: u64) {
        let mut state = self.state();
        state.failing_sync = state.syncs + sync;
    }

    /// The disk when the power is back. Without a cut, the power goes now.
    pub(crate) fn after_power_cut(&self, survivors: Survivors, dice: &mut Dice) -> Disk {
        let state = self.state();
        let left = state.cut.as_ref().unwrap_or(&state.now);
        let content = left.files.iter().map(|file| {
            let mut bytes = file.synced.clone();
            surviving(&file.unsynced, survivors, dice).iter().for_each(|write| write.onto(&mut bytes));
            File { live: bytes.clone(), synced: bytes, unsynced: Vec::new() }
        });
        let files = content.collect();
        let kept = match survivors {
            Survivors::Nothing => 0,
            Survivors::All => left.unsynced_names.len(),
            Survivors::Torn | Survivors::Some => dice.draw(left.unsynced_names.len() as u64 + 1) as usize,
        };
        let mut names = left.synced_names.clone();
        left.unsynced_names[..kept].iter().for_each(|naming| naming.onto(&mut names));
        Self::holding(Image { files, names: names.clone(), synced_names: names, unsynced_names: Vec::new() })
    }

    /// The names on it.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state().now.names.keys().cloned().collect()
    }

    /// A file's bytes.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.now.names.get(name).map(|file| state.now.files[*file].live.clone())
    }

    /// Puts a file there, durably.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = state.now.files.len();
        state.now.files.push(File { live: bytes.clone(), synced: bytes, unsynced: Vec::new() });
        state.now.names.insert(name.to_owned(), file);
        state.now.synced_names.insert(name.to_owned(), file);
    }

    /// Whether these bytes are anywhere on it, also in files without a name.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        self.state().now.files.iter().any(|file| file.live.windows(bytes.len()).any(|window| window == bytes))
    }
}

impl State {
    fn count(&mut self) {
        self.changes += 1;
        if self.changes >= self.cut_at && self.cut.is_none() {
            self.cut = Some(self.now.clone());
        }
    }

    fn name(&mut self, naming: Naming) {
        naming.onto(&mut self.now.names);
        self.now.unsynced_names.push(naming);
        self.count();
    }

    fn change(&mut self, file: usize, write: Write) -> io::Result<()> {
        let end = match &write {
            Write::Bytes(at, bytes) => at + bytes.len(),
            Write::Length(len) => *len,
        };
        if end > self.room {
            return Err(ErrorKind::StorageFull.into());
        }
        write.onto(&mut self.now.files[file].live);
        self.now.files[file].unsynced.push(write);
        self.count();
        Ok(())
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        self.syncs += 1;
        if self.syncs == self.failing_sync {
            return Err(Error::other("the disk doesn't answer"));
        }
        let file = &mut self.now.files[file];
        file.synced = file.live.clone();
        file.unsynced.clear();
        self.count();
        Ok(())
    }

    /// The file with this name; a new one, if there is none.
    fn file(&mut self, name: &str) -> usize {
        if let Some(file) = self.now.names.get(name) {
            return *file;
        }
        self.now.files.push(File::default());
        let file = self.now.files.len() - 1;
        self.name(Naming::Is(name.to_owned(), file));
        file
    }
}

impl Files for Disk {
    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.bytes(name).map(|bytes| bytes.len() as u64))
    }

    fn tables(&self, name: &str, fresh: bool) -> Result<Box<dyn StorageBackend>, StoreError> {
        let open = Open { disk: self.clone(), file: self.state().file(name) };
        if fresh {
            open.set_len(0).unwrap();
        }
        Ok(Box::new(open))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.bytes(name))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let file = state.file(name);
        state.change(file, Write::Length(0))?;
        state.change(file, Write::Bytes(0, bytes.to_vec()))?;
        state.sync(file)
    }

    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = *state.now.names.get(name).ok_or(ErrorKind::NotFound)?;
        state.name(Naming::Is(second.to_owned(), file));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.now.names.get(from).ok_or(ErrorKind::NotFound)?;
        state.name(Naming::Moved(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.now.names.contains_key(name) {
            state.name(Naming::Gone(name.to_owned()));
        }
        Ok(())
    }

    fn shred(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let Some(file) = state.now.names.get(name).copied() else { return Ok(()) };
        let zeros = vec![0; state.now.files[file].live.len()];
        state.change(file, Write::Bytes(0, zeros))?;
        state.sync(file)?;
        state.name(Naming::Gone(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.now.synced_names = state.now.names.clone();
        state.now.unsynced_names.clear();
        state.count();
        Ok(())
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

impl StorageBackend for Open {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().now.files[self.file].live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        let from = offset as usize;
        let there = state.now.files[self.file].live.get(from..from + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(there);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.state().change(self.file, Write::Length(len as usize))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync(self.file)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.state().change(self.file, Write::Bytes(offset as usize, data.to_vec()))
    }
}
