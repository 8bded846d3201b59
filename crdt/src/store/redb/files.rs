//! The files of a store beside its blobs: what is done with them, so that a test can play the disk at every step.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use ::redb::StorageBackend;
use ::redb::backends::FileBackend;

use super::blobs::{overwrite, sync_folder};
use super::tables;
use crate::store::StoreError;

/// What a store does with its files. A name is one of a few; none has folders in it.
pub trait Files: Send + Sync {
    /// How long a file is, if it is there.
    fn len(&self, name: &str) -> io::Result<Option<u64>>;

    /// A file of tables, locked against other processes; made if it isn't there, emptied first if it must be `fresh`.
    fn tables(&self, name: &str, fresh: bool) -> Result<Box<dyn StorageBackend>, StoreError>;

    /// A small file's bytes, if it is there.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes a small file and syncs its bytes. Its name is durable after [`Files::sync`].
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file a second name, if the file system can.
    fn link(&self, name: &str, second: &str) -> io::Result<()>;

    /// Renames a file, in the place of whatever had that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, if it is there.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Overwrites a file's bytes where they lie, syncs, and removes it, if it is there.
    fn shred(&self, name: &str) -> io::Result<()>;

    /// Makes names durable.
    fn sync(&self) -> io::Result<()>;
}

/// The files of a folder.
pub(super) struct InFolder(pub(super) PathBuf);

impl InFolder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Files for InFolder {
    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        present(std::fs::metadata(self.path(name)).map(|file| file.len()))
    }

    fn tables(&self, name: &str, fresh: bool) -> Result<Box<dyn StorageBackend>, StoreError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.path(name));
        let backend = FileBackend::new(file.map_err(|error| tables::from_io(&error))?).map_err(tables::from_redb)?;
        if fresh {
            backend.set_len(0).map_err(|error| tables::from_io(&error))?;
        }
        Ok(Box::new(backend))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        present(std::fs::read(self.path(name)))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(self.path(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        std::fs::hard_link(self.path(name), self.path(second))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        present(std::fs::remove_file(self.path(name))).map(drop)
    }

    fn shred(&self, name: &str) -> io::Result<()> {
        shred(&self.path(name))
    }

    fn sync(&self) -> io::Result<()> {
        sync_folder(&self.0)
    }
}

/// Overwrites a file's bytes where they lie, syncs, and removes it, if it is there. Where it can't be overwritten, it is
/// removed all the same.
pub(super) fn shred(path: &Path) -> io::Result<()> {
    let Some(file) = present(OpenOptions::new().write(true).open(path))? else { return Ok(()) };
    let overwritten = overwrite(&file);
    present(std::fs::remove_file(path))?;
    overwritten
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
