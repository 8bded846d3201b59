//! A store in memory whose disk the simulator and the tests play: what a crash takes back, and when the disk is full.
//!
//! It keeps one image, as reads see it, and an undo log of what isn't durable yet. A crash runs the undo log backwards,
//! so a store that is always durable costs nothing extra. A clone is a copy of the whole disk: the cloned device.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::{Batch, Direction, FORMAT, FORMAT_KEY, Row, Store, StoreError, Table, Ticket, blob_end, no_such_blob};
use crate::ids::BlobId;

/// When a write is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskModel {
    /// At once, as if every call ended in an fsync: a crash loses nothing.
    AtOnce,
    /// When the owner says so, with [`MemoryStore::sync`] or [`MemoryStore::sync_to`].
    WhenSynced,
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store in memory. See the module.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    model: DiskModel,
    tables: [Rows; Table::ALL.len()],
    blobs: BTreeMap<BlobId, Blob>,
    undo: VecDeque<(Ticket, Undo)>,
    last: Ticket,
    durable: Ticket,
    failure: Option<StoreError>,
    counters: Counters,
    bytes_max: u64,
}

/// What was written so far, for reports and for tests of write amplification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Batches applied.
    pub batches: u64,
    /// Rows written or removed by them.
    pub rows: u64,
    /// Bytes of keys, values and blobs written, also those that were overwritten later.
    pub bytes_written: u64,
    /// Bytes of keys, values and blobs held now.
    pub bytes_held: u64,
    /// Times that it was scrubbed.
    pub scrubs: u64,
}

#[derive(Clone, Debug, Default)]
struct Blob {
    bytes: Vec<u8>,
    complete: bool,
}

/// How to take back one write.
#[derive(Clone, Debug)]
enum Undo {
    Row(Table, Vec<u8>, Option<Vec<u8>>),
    /// The bytes that a write replaced, and how long the blob was before it.
    Bytes {
        blob: BlobId,
        offset: usize,
        replaced: Vec<u8>,
        len_before: usize,
    },
    Created(BlobId),
    Finished(BlobId),
    Removed(BlobId, Blob),
}

impl MemoryStore {
    /// An empty store with endless room.
    #[must_use]
    pub fn new(model: DiskModel) -> Self {
        let mut store = Self {
            model,
            tables: Default::default(),
            blobs: BTreeMap::new(),
            undo: VecDeque::new(),
            last: Ticket(0),
            durable: Ticket(0),
            failure: None,
            counters: Counters::default(),
            bytes_max: u64::MAX,
        };
        store.set(Table::Meta, FORMAT_KEY.to_vec(), Some(FORMAT.to_be_bytes().to_vec()));
        store
    }

    /// Makes everything durable that was applied so far.
    pub fn sync(&mut self) {
        self.undo.clear();
        self.durable = self.last;
    }

    /// Makes everything up to `ticket` durable; one that lies behind changes nothing.
    pub fn sync_to(&mut self, ticket: Ticket) {
        self.durable = self.durable.max(ticket.min(self.last));
        while self.undo.front().is_some_and(|(at, _)| *at <= self.durable) {
            self.undo.pop_front();
        }
    }

    /// A power cut and a restart: everything that wasn't durable is gone, bytes of unfinished blobs too.
    pub fn crash(&mut self) {
        self.crash_keeping(self.durable);
    }

    /// As [`Self::crash`], but the disk happened to keep everything up to `kept`, which batches never split.
    pub fn crash_keeping(&mut self, kept: Ticket) {
        let kept = kept.clamp(self.durable, self.last);
        while self.undo.back().is_some_and(|(at, _)| *at > kept)
            && let Some((_, undo)) = self.undo.pop_back()
        {
            self.take_back(undo);
        }
        self.undo.clear();
        (self.last, self.durable, self.failure) = (kept, kept, None);
    }

    /// An orderly stop and a start: all is kept, and a full disk is tried again.
    pub fn restart(&mut self) {
        self.sync();
        self.failure = None;
    }

    /// Room for `bytes_max` bytes of keys, values and blobs in all. Beyond it writes fail with [`StoreError::Full`], and
    /// from then on until a restart or a crash, whatever room is made.
    pub fn fill(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// One bit of a finished blob becomes another, as on a disk that rots. `which` chooses blob and bit. Returns the blob, if there
    /// is any.
    pub fn rot(&mut self, which: u64) -> Option<BlobId> {
        let finished = self.blobs.values().filter(|blob| blob.complete && !blob.bytes.is_empty()).count() as u64;
        let chosen = usize::try_from(which % finished.max(1)).ok()?;
        let (id, blob) =
            self.blobs.iter_mut().filter(|(_, blob)| blob.complete && !blob.bytes.is_empty()).nth(chosen)?;
        let bit = usize::try_from(which / finished.max(1) % (blob.bytes.len() as u64 * 8)).ok()?;
        blob.bytes[bit / 8] ^= 1 << (bit % 8);
        Some(*id)
    }

    /// What was written so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn rows(&self, table: Table) -> &Rows {
        &self.tables[table as usize]
    }

    /// Writes one row and returns what it replaced.
    fn set(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let key_len = key.len();
        self.counters.bytes_held += value.as_ref().map_or(0, |value| (key_len + value.len()) as u64);
        let rows = &mut self.tables[table as usize];
        let old = match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
        self.counters.bytes_held -= old.as_ref().map_or(0, |old| (key_len + old.len()) as u64);
        old
    }

    fn remember(&mut self, ticket: Ticket, undo: Undo) {
        if self.model == DiskModel::WhenSynced {
            self.undo.push_back((ticket, undo));
        }
    }

    fn next_ticket(&self) -> Ticket {
        Ticket(self.last.0 + 1)
    }

    /// Ends the call that was given [`Self::next_ticket`].
    fn issue(&mut self) -> Ticket {
        self.last = self.next_ticket();
        if self.model == DiskModel::AtOnce {
            self.durable = self.last;
        }
        self.last
    }

    fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::Row(table, key, old) => {
                self.set(table, key, old);
            }
            Undo::Bytes { blob, offset, replaced, len_before } => {
                let bytes = &mut self.blobs.entry(blob).or_default().bytes;
                self.counters.bytes_held -= (bytes.len() - len_before) as u64;
                bytes.truncate(len_before);
                bytes[offset..offset + replaced.len()].copy_from_slice(&replaced);
            }
            Undo::Created(blob) => {
                self.blobs.remove(&blob);
            }
            Undo::Finished(blob) => self.blobs.entry(blob).or_default().complete = false,
            Undo::Removed(blob, old) => {
                self.counters.bytes_held += old.bytes.len() as u64;
                self.blobs.insert(blob, old);
            }
        }
    }

    fn writable(&self) -> Result<(), StoreError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.counters.bytes_held.saturating_add(bytes) <= self.bytes_max
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows(table).get(key).cloned())
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
        let range = self.rows(table).range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let row = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        Ok(match direction {
            Direction::Up => range.take(limit).map(row).collect(),
            Direction::Down => range.rev().take(limit).map(row).collect(),
        })
    }

    fn apply(&mut self, batch: Batch) -> Result<Ticket, StoreError> {
        self.writable()?;
        let bytes = bytes_of(&batch);
        if !self.has_room(bytes) {
            self.failure = Some(StoreError::Full);
            return Err(StoreError::Full);
        }
        self.counters.batches += 1;
        self.counters.rows += batch.writes.len() as u64;
        self.counters.bytes_written += bytes;
        let ticket = self.next_ticket();
        for (table, key, value) in batch.writes {
            if self.model == DiskModel::AtOnce {
                self.set(table, key, value);
                continue;
            }
            let old = self.set(table, key.clone(), value);
            self.remember(ticket, Undo::Row(table, key, old));
        }
        Ok(self.issue())
    }

    fn applied(&self) -> Ticket {
        self.last
    }

    fn durable(&self) -> Ticket {
        self.durable
    }

    fn failure(&self) -> Option<StoreError> {
        self.failure.clone()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.sync();
        Ok(())
    }

    fn blob_write(&mut self, blob: BlobId, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.writable()?;
        let end = blob_end(offset, bytes)?;
        let held = self.blobs.get(&blob);
        if bytes.is_empty() || held.is_some_and(|held| held.complete) {
            return Ok(());
        }
        let grows = end.saturating_sub(held.map_or(0, |held| held.bytes.len() as u64));
        if !self.has_room(grows) {
            return Err(StoreError::Full);
        }
        if held.is_none() {
            self.remember(self.next_ticket(), Undo::Created(blob));
        }
        self.counters.bytes_held += grows;
        self.counters.bytes_written += bytes.len() as u64;
        let undo = self.blobs.entry(blob).or_default().write(blob, offset as usize, bytes);
        self.remember(self.next_ticket(), undo);
        Ok(())
    }

    fn blob_finish(&mut self, blob: BlobId) -> Result<Ticket, StoreError> {
        self.writable()?;
        let held = self.blobs.get_mut(&blob).ok_or_else(|| no_such_blob(blob))?;
        if !std::mem::replace(&mut held.complete, true) {
            self.remember(self.next_ticket(), Undo::Finished(blob));
        }
        Ok(self.issue())
    }

    fn blob_read(&self, blob: BlobId, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        let Some(blob) = self.blobs.get(&blob) else { return Ok(Vec::new()) };
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(blob.bytes.len());
        let to = from.saturating_add(len).min(blob.bytes.len());
        Ok(blob.bytes[from..to].to_vec())
    }

    fn blob_len(&self, blob: BlobId) -> Result<Option<u64>, StoreError> {
        let complete = self.blobs.get(&blob).filter(|held| held.complete);
        Ok(complete.map(|held| held.bytes.len() as u64))
    }

    fn blob_list(&self) -> Result<Vec<(BlobId, bool)>, StoreError> {
        Ok(self.blobs.iter().map(|(id, blob)| (*id, blob.complete)).collect())
    }

    fn blob_remove(&mut self, blob: BlobId) -> Result<Ticket, StoreError> {
        if let Some(old) = self.blobs.remove(&blob) {
            self.counters.bytes_held -= old.bytes.len() as u64;
            self.remember(self.next_ticket(), Undo::Removed(blob, old));
        }
        Ok(self.issue())
    }

    /// In memory nothing is left of a row that was removed; scrubs are only counted.
    fn scrub(&mut self) -> Result<Ticket, StoreError> {
        self.writable()?;
        self.counters.scrubs += 1;
        Ok(self.issue())
    }

    fn unscrubbed(&self) -> Option<StoreError> {
        None
    }
}

impl Blob {
    /// Writes and returns how to take it back. The caller has checked the bounds.
    fn write(&mut self, blob: BlobId, offset: usize, bytes: &[u8]) -> Undo {
        let len_before = self.bytes.len();
        let end = offset + bytes.len();
        let kept = offset.min(len_before)..end.min(len_before);
        let replaced = self.bytes[kept.clone()].to_vec();
        self.bytes.resize(len_before.max(end), 0);
        self.bytes[offset..end].copy_from_slice(bytes);
        Undo::Bytes { blob, offset: kept.start, replaced, len_before }
    }
}

/// What a batch writes at most: removals and overwritten rows count as if they were new, as on a disk that copies on
/// write.
fn bytes_of(batch: &Batch) -> u64 {
    let size = |(_, key, value): &(Table, Vec<u8>, Option<Vec<u8>>)| key.len() + value.as_ref().map_or(0, Vec::len);
    batch.writes.iter().map(size).sum::<usize>() as u64
}
