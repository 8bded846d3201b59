//! Blobs as files: where they lie, and the files that are open for writing.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::ids::BlobId;

/// What the name of an incomplete blob ends in.
const PART: &str = ".part";

/// What the name of a removed file ends in, until it is overwritten.
const GONE: &str = ".gone";

/// Characters of a blob's id that name its shelf: 1,024 shelves, so that no folder grows long.
const SHELF_CHARS: usize = 2;

/// Files kept open for writing: blobs arrive in small ranges from a few peers at a time.
const OPEN_MAX: usize = 16;

/// The folder of the blobs.
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder within the store's own, made if it isn't there. Both are synced, since the file of the tables may be new
    /// too.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let root = dir.join("blobs");
        match std::fs::create_dir_all(&root) {
            // A full disk: reads work all the same.
            Err(error) if error.kind() != ErrorKind::StorageFull => return Err(error),
            Err(_) => {}
            Ok(()) => {
                sync_folder(&root)?;
                sync_folder(dir)?;
            }
        }
        Ok(Self { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder in which a blob lies.
    pub(super) fn shelf(&self, blob: BlobId) -> PathBuf {
        self.root.join(&blob.to_string()[..SHELF_CHARS])
    }

    /// The file of a complete blob.
    pub(super) fn complete(&self, blob: BlobId) -> PathBuf {
        self.shelf(blob).join(blob.to_string())
    }

    /// The file of an incomplete blob.
    pub(super) fn part(&self, blob: BlobId) -> PathBuf {
        self.shelf(blob).join(format!("{blob}{PART}"))
    }

    /// Opens a blob for reading, complete or not.
    pub(super) fn open_blob(&self, blob: BlobId) -> io::Result<Option<File>> {
        match present(File::open(self.complete(blob)))? {
            Some(file) => Ok(Some(file)),
            None => present(File::open(self.part(blob))),
        }
    }

    /// Length of a complete blob; of one that is only about to be named so, if it is `finished`.
    pub(super) fn len(&self, blob: BlobId, finished: bool) -> io::Result<Option<u64>> {
        match present(std::fs::metadata(self.complete(blob)))? {
            None if finished => Ok(present(std::fs::metadata(self.part(blob)))?.map(|file| file.len())),
            complete => Ok(complete.map(|file| file.len())),
        }
    }

    /// Removes both files; says whether there was one.
    pub(super) fn remove(&self, blob: BlobId) -> io::Result<bool> {
        let part = present(std::fs::remove_file(self.part(blob)))?;
        let complete = present(std::fs::remove_file(self.complete(blob)))?;
        Ok(part.or(complete).is_some())
    }

    /// Takes both files out of the way, under names that are to be overwritten; `number` must be a new one each time.
    pub(super) fn put_away(&self, blob: BlobId, number: u64) -> io::Result<Vec<PathBuf>> {
        let mut gone = Vec::new();
        for path in [self.part(blob), self.complete(blob)] {
            let away = path.with_file_name(format!("{blob}.{number}.{}{GONE}", gone.len()));
            if present(std::fs::rename(&path, &away))?.is_some() {
                gone.push(away);
            }
        }
        Ok(gone)
    }

    /// Files that were put away and not overwritten yet.
    pub(super) fn put_away_before(&self) -> io::Result<Vec<PathBuf>> {
        let mut gone = Vec::new();
        for shelf in entries(&self.root)? {
            gone.extend(entries(&shelf)?.into_iter().filter(|path| path.to_string_lossy().ends_with(GONE)));
        }
        Ok(gone)
    }

    /// All blobs and whether they are complete. Files that aren't named as blobs, or lie elsewhere, are somebody else's.
    pub(super) fn list(&self) -> io::Result<BTreeMap<BlobId, bool>> {
        let mut found = BTreeMap::new();
        for shelf in entries(&self.root)? {
            for path in entries(&shelf)? {
                if let Some((blob, complete)) = self.parse(&path) {
                    *found.entry(blob).or_default() |= complete;
                }
            }
        }
        Ok(found)
    }

    fn parse(&self, path: &Path) -> Option<(BlobId, bool)> {
        let name = path.file_name()?.to_str()?;
        let blob = name.strip_suffix(PART).unwrap_or(name).parse().ok()?;
        let complete = path == self.complete(blob);
        (complete || path == self.part(blob)).then_some((blob, complete))
    }
}

/// What a folder holds; nothing, if it isn't one.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The files of incomplete blobs, the most recently used ones kept open.
#[derive(Default)]
pub(super) struct Parts {
    open: VecDeque<(BlobId, File)>,
}

impl Parts {
    /// Writes into a blob, unless it is complete.
    pub(super) fn write(&mut self, folder: &Folder, blob: BlobId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = self.file(folder, blob)? else { return Ok(()) };
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    /// Forgets a blob's file.
    pub(super) fn close(&mut self, blob: BlobId) {
        self.open.retain(|(other, _)| *other != blob);
    }

    fn file(&mut self, folder: &Folder, blob: BlobId) -> io::Result<Option<&mut File>> {
        let opened = match self.open.iter().position(|(other, _)| *other == blob) {
            Some(at) => self.open.remove(at),
            None => open_part(folder, blob)?.map(|file| (blob, file)),
        };
        let Some(opened) = opened else { return Ok(None) };
        self.open.truncate(OPEN_MAX - 1);
        self.open.push_front(opened);
        Ok(self.open.front_mut().map(|(_, file)| file))
    }
}

fn open_part(folder: &Folder, blob: BlobId) -> io::Result<Option<File>> {
    if folder.complete(blob).try_exists()? {
        return Ok(None);
    }
    std::fs::create_dir_all(folder.shelf(blob))?;
    OpenOptions::new().write(true).create(true).truncate(false).open(folder.part(blob)).map(Some)
}

/// Up to `len` bytes from `offset`.
pub(super) fn read(mut file: File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Overwrites a file's bytes where they lie, and syncs them.
pub(super) fn overwrite(mut file: &File) -> io::Result<()> {
    let zeros = [0; 64 * 1024];
    let mut left = file.metadata()?.len();
    while left > 0 {
        let count = left.min(zeros.len() as u64);
        file.write_all(&zeros[..count as usize])?;
        left -= count;
    }
    file.sync_data()
}

/// Syncs a file, if it is there.
pub(super) fn sync_file(path: &Path) -> io::Result<()> {
    present(OpenOptions::new().write(true).open(path))?.map_or(Ok(()), |file| file.sync_data())
}

/// Makes the names in a folder durable.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    present(File::open(path))?.map_or(Ok(()), |folder| folder.sync_all())
}

/// Elsewhere a folder can't be opened as a file, and the file system keeps names in its own journal.
#[cfg(not(unix))]
pub(super) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
