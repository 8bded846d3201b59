//! The one thread that makes things durable.
//!
//! Per layer: the finished blobs first (fsync, rename, fsync of their folders), then the rows in one redb transaction,
//! then the word to the owner. So whoever reads in a table that a blob is complete finds it complete. When there is nothing else to
//! do, what was removed is overwritten, a file at a time.

use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use super::OnDurable;
use super::blobs::{self, Folder};
use super::files::{self, Files};
use super::layer::Layer;
use super::shared::{Shared, Work};
use super::swap::{self, Opened};
use super::tables::{self, Snapshot};
use crate::ids::BlobId;
use crate::store::{StoreError, Ticket};
use crate::vault::VaultKey;

/// What the thread works with.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) tables: Opened,
    pub(super) files: Box<dyn Files>,
    pub(super) key: VaultKey,
    pub(super) folder: Arc<Folder>,
    pub(super) on_durable: OnDurable,
}

impl Committer {
    /// Runs until the store is closed or writing fails.
    pub(super) fn run(mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.work()));
        let ended = ended.unwrap_or_else(|_| Err(StoreError::Damaged("writing to it ended in a panic".to_owned())));
        if let Err(failure) = ended {
            let durable = self.shared.failed(failure);
            (self.on_durable)(durable);
        }
    }

    fn work(&mut self) -> Result<(), StoreError> {
        loop {
            match self.shared.next_work() {
                Work::Commit(layer, ticket) => self.commit(&layer, ticket)?,
                // Best effort: its name is gone already, and no disk promises more.
                Work::Shred(path) => drop(files::shred(&path)),
                Work::Stop => return Ok(()),
            }
        }
    }

    fn commit(&mut self, layer: &Layer, ticket: Ticket) -> Result<(), StoreError> {
        self.finish_blobs(layer).map_err(|error| tables::from_io(&error))?;
        let mut snapshot = self.commit_rows(layer)?;
        if layer.scrub {
            snapshot = self.scrub()?.or(snapshot);
        }
        self.shared.committed(ticket, snapshot);
        (self.on_durable)(ticket);
        Ok(())
    }

    fn commit_rows(&self, layer: &Layer) -> Result<Option<Snapshot>, StoreError> {
        if layer.written().next().is_none() {
            return Ok(None);
        }
        tables::write(&self.tables, layer)?;
        self.tables.fault.failure().map_or(Ok(()), Err)?;
        Snapshot::new(&self.tables).map(Some)
    }

    /// Moves all rows into a new file under a new key. Where that can't be done the old one stays, and the owner is told.
    fn scrub(&mut self) -> Result<Option<Snapshot>, StoreError> {
        let scrubbed = swap::scrub(&*self.files, &self.key, &Snapshot::new(&self.tables)?)?;
        self.shared.scrubbed(scrubbed.as_ref().err().cloned());
        let Ok(opened) = scrubbed else { return Ok(None) };
        self.tables = opened;
        Snapshot::new(&self.tables).map(Some)
    }

    fn finish_blobs(&self, layer: &Layer) -> io::Result<()> {
        let mut shelves = layer.shelves.clone();
        for (ticket, blob) in &layer.finished {
            shelves.extend(self.finish_blob(*blob, *ticket)?);
        }
        self.sync(shelves)
    }

    /// Gives a blob its final name and returns the folder that has to be synced for it. A blob that was removed in the
    /// meantime is left alone, and so is one that was finished again, which comes later in the queue.
    fn finish_blob(&self, blob: BlobId, ticket: Ticket) -> io::Result<Option<PathBuf>> {
        let part = self.folder.part(blob);
        blobs::sync_file(&part)?;
        let mut state = self.shared.lock();
        if state.finishing.get(&blob) != Some(&ticket) {
            return Ok(None);
        }
        std::fs::rename(part, self.folder.complete(blob))?;
        state.finishing.remove(&blob);
        Ok(Some(self.folder.shelf(blob)))
    }

    /// Syncs the shelves, and the folder that holds them, since some may be new.
    fn sync(&self, shelves: BTreeSet<PathBuf>) -> io::Result<()> {
        if shelves.is_empty() {
            return Ok(());
        }
        for shelf in shelves {
            blobs::sync_folder(&shelf)?;
        }
        blobs::sync_folder(self.folder.root())
    }
}
