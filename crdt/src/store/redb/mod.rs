//! The store on disk: tables in one redb file, blobs as files beside it.
//!
//! ```text
//! dir/store.redb               the tables, encrypted row by row under the data key
//! dir/data.key                 the data key, wrapped under the store's key, which the owner keeps
//! dir/blobs/ab/abcd....part    a blob that isn't complete
//! dir/blobs/ab/abcd...         a blob that is
//! dir/blobs/ab/abcd....gone    a blob that was removed, until it is overwritten
//! ```
//!
//! A batch goes into a layer in memory, where reads see it at once. One committer thread takes the whole layer and makes
//! it durable in one redb transaction, with one fsync, while the next layer fills. So the group grows by itself with the
//! rate of writing: one batch alone waits for one fsync, ten thousand wait for one too.
//!
//! **When writing fails** (a full disk, say), the store goes on answering reads as if nothing had happened, also what was
//! applied and will never be durable; [`Store::durable`] stands still, [`Store::failure`] says why, and every further
//! `apply` returns it. On disk is what the last durable ticket left. Starting again is the way back.
//!
//! **At rest**, values are ciphertext, and so are keys that name devices or logs; `rows.rs` says which. Values are sealed when
//! the committer writes them, and opened when they are read from the file: what is in a layer in memory costs nothing. A
//! scrub copies what is live into a new file under a new data key and destroys the old key; see `swap.rs`.

mod blobs;
mod committer;
mod disk;
mod files;
mod layer;
mod rows;
mod shared;
mod swap;
mod tables;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::{Batch, Direction, Row, Store, StoreError, Table, Ticket, no_such_blob};
use crate::ids::BlobId;
use crate::quiet::catch;
use crate::vault::VaultKey;
use blobs::{Folder, Parts};
use committer::Committer;
pub use files::Files;
use files::InFolder;
use shared::{Shared, State};
use tables::Snapshot;

/// Called from the committer thread whenever more has become durable, and once more when writing has failed. It must not
/// block: what it delays is the next commit.
pub type OnDurable = Box<dyn Fn(Ticket) + Send>;

/// Memory for redb's page cache: at 8 to 16 MiB redb is faster than at its default of 1 GiB, and stays small.
const CACHE_BYTES: usize = 12 << 20;

/// Bytes that may wait for the committer, keys and values and what keeping them costs. Beyond it [`RedbStore::apply`]
/// waits for the committer to take some.
pub const BACKLOG_BYTES_MAX: usize = 32 << 20;

/// A store on disk. Dropping it makes durable what was applied, then closes.
pub struct RedbStore {
    shared: Arc<Shared>,
    folder: Arc<Folder>,
    parts: Parts,
    committer: Option<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens the store in `dir`, making both if they aren't there. `key` is the owner's: without it nothing is readable. A
    /// store that an older program wrote in the clear is encrypted.
    pub fn open(dir: &Path, key: &VaultKey, on_durable: OnDurable) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|error| tables::from_io(&error))?;
        Self::open_with(dir, Box::new(InFolder(dir.to_owned())), key, on_durable)
    }

    /// Opens the store whose tables are in `files` and whose blobs are in `dir`: how a test plays the disk.
    pub fn open_with(
        dir: &Path,
        files: Box<dyn Files>,
        key: &VaultKey,
        on_durable: OnDurable,
    ) -> Result<Self, StoreError> {
        let opened = contained(|| swap::open(&*files, key))?;
        let snapshot = contained(|| Snapshot::new(&opened))?;
        let folder = Folder::open(dir).map_err(|error| tables::from_io(&error))?;
        let gone = folder.put_away_before().map_err(|error| tables::from_io(&error))?;
        let shared = Arc::new(Shared::new(snapshot, gone.into(), opened.fault.failure()));
        let folder = Arc::new(folder);
        let committer = Committer {
            shared: Arc::clone(&shared),
            tables: opened,
            files,
            key: key.clone(),
            folder: Arc::clone(&folder),
            on_durable,
        };
        let thread = std::thread::Builder::new().name("store".to_owned());
        let thread = thread.spawn(move || committer.run()).map_err(|error| tables::from_io(&error))?;
        Ok(Self { shared, folder, parts: Parts::default(), committer: Some(thread) })
    }

    /// Bytes that wait for the committer: a caller that takes in bulk should slow down well before
    /// [`BACKLOG_BYTES_MAX`], where [`Store::apply`] makes it wait.
    #[must_use]
    pub fn backlog_bytes(&self) -> usize {
        self.shared.lock().backlog_bytes()
    }
}

/// redb panics on some pages that a bad disk has changed, when it opens them and when it reads them; that must not take the
/// program down.
fn contained<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch(read).unwrap_or_else(|| Err(StoreError::Damaged("its file can't be read".to_owned())))
}

impl Store for RedbStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.shared.lock();
        match state.layers().find_map(|layer| layer.get(table, key)) {
            Some(value) => Ok(value.clone()),
            None => contained(|| state.snapshot.as_ref().map_or(Ok(None), |snapshot| snapshot.get(table, key))),
        }
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let state = self.shared.lock();
        let mut sources: Vec<layer::Source<'_>> = Vec::new();
        for layer in state.layers() {
            sources.push(layer.rows(table, from, to, direction));
        }
        contained(|| {
            if let Some(snapshot) = &state.snapshot {
                sources.push(snapshot.rows(table, from, to, direction)?);
            }
            layer::merge(sources, direction, limit)
        })
    }

    fn apply(&mut self, batch: Batch) -> Result<Ticket, StoreError> {
        let mut state = self.shared.lock_with_room(BACKLOG_BYTES_MAX);
        state.writable()?;
        state.pending.take_in(batch);
        Ok(self.shared.issue(state))
    }

    fn applied(&self) -> Ticket {
        self.shared.lock().last
    }

    fn durable(&self) -> Ticket {
        self.shared.lock().durable
    }

    fn failure(&self) -> Option<StoreError> {
        self.shared.lock().failure.clone()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.shared.wait_for_all()
    }

    fn blob_write(&mut self, blob: BlobId, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        super::blob_end(offset, bytes)?;
        let state = self.shared.lock();
        state.writable()?;
        if bytes.is_empty() || state.finishing.contains_key(&blob) {
            return Ok(());
        }
        drop(state);
        self.parts.write(&self.folder, blob, offset, bytes).map_err(|error| tables::from_io(&error))
    }

    fn blob_finish(&mut self, blob: BlobId) -> Result<Ticket, StoreError> {
        let mut state = self.shared.lock();
        state.writable()?;
        self.parts.close(blob);
        if self.folder.part(blob).exists() {
            state.finish(blob);
        } else if !self.folder.complete(blob).exists() {
            return Err(no_such_blob(blob));
        }
        Ok(self.shared.issue(state))
    }

    fn blob_read(&self, blob: BlobId, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        // Under the lock, so that the committer doesn't rename the file between the two names tried.
        let file = {
            let _state = self.shared.lock();
            self.folder.open_blob(blob)
        };
        let read = file.and_then(|file| file.map_or(Ok(Vec::new()), |file| blobs::read(file, offset, len)));
        read.map_err(|error| tables::from_io(&error))
    }

    fn blob_len(&self, blob: BlobId) -> Result<Option<u64>, StoreError> {
        let state = self.shared.lock();
        let finished = state.finishing.contains_key(&blob);
        self.folder.len(blob, finished).map_err(|error| tables::from_io(&error))
    }

    fn blob_list(&self) -> Result<Vec<(BlobId, bool)>, StoreError> {
        let state = self.shared.lock();
        let mut found: BTreeMap<BlobId, bool> = self.folder.list().map_err(|error| tables::from_io(&error))?;
        found.extend(state.finishing.keys().map(|blob| (*blob, true)));
        Ok(found.into_iter().collect())
    }

    fn blob_remove(&mut self, blob: BlobId) -> Result<Ticket, StoreError> {
        self.parts.close(blob);
        let mut state = self.shared.lock();
        state.finishing.remove(&blob);
        // Without a committer nobody would overwrite it, and where a file can't be renamed, it can still be removed.
        let gone = match state.failure {
            None => self.folder.put_away(blob, state.next_ticket().0).unwrap_or_default(),
            Some(_) => Vec::new(),
        };
        let removed = self.folder.remove(blob).map_err(|error| tables::from_io(&error))?;
        if removed || !gone.is_empty() {
            state.pending.shelves.insert(self.folder.shelf(blob));
        }
        state.gone.extend(gone);
        Ok(self.shared.issue(state))
    }

    fn scrub(&mut self) -> Result<Ticket, StoreError> {
        let mut state = self.shared.lock();
        state.writable()?;
        state.pending.scrub = true;
        Ok(self.shared.issue(state))
    }

    fn unscrubbed(&self) -> Option<StoreError> {
        self.shared.lock().unscrubbed.clone()
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.committer.take() {
            // A committer that panicked has said so in `failure`.
            let _ = thread.join();
        }
        // All is durable by now: what a damaged file still does when it is closed changes nothing.
        let snapshot = self.shared.lock().snapshot.take();
        let _ = contained(|| {
            drop(snapshot);
            Ok(())
        });
    }
}

impl State {
    /// Queues the blob for the committer, unless it is queued already: a later ticket is durable later anyway.
    fn finish(&mut self, blob: BlobId) {
        let ticket = self.next_ticket();
        if let Entry::Vacant(vacant) = self.finishing.entry(blob) {
            vacant.insert(ticket);
            self.pending.finished.push((ticket, blob));
        }
    }
}
