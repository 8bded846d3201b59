//! What a replica keeps: ordered tables of bytes, and sealed blobs beside them.
//!
//! The core writes through one trait. A write is visible to reads at once and **durable later**: [`Store::apply`] returns
//! a [`Ticket`], and the shell tells the core when everything up to a ticket is on disk. Nothing that a peer or an
//! officer is told may rest on a ticket that isn't durable yet.
//!
//! Two implementations: [`memory::MemoryStore`], whose disk the simulator and the tests play (losing what wasn't synced),
//! and `redb::RedbStore` (feature `redb`), with one committer thread that turns many small batches into one fsync.

pub mod memory;
#[cfg(feature = "redb")]
pub mod redb;

use thiserror::Error;

use crate::ids::BlobId;

/// The tables of a store. Keys sort as bytes; what keys and values hold is in `docs/FORMATS.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Arrival number -> entry. Ascending keys keep the file near the size of its payload.
    Entries = 0,
    /// (log, first sequence number) -> a run of consecutive arrival numbers.
    Runs = 1,
    /// Capture -> its read model.
    Captures = 2,
    /// (time, capture) -> nothing: the order in which lists are shown.
    Order = 3,
    /// (capture or site, arrival number) -> nothing, for every entry that isn't the capture itself.
    About = 4,
    /// What was set aside, and why.
    Quarantine = 5,
    /// Blob -> its outline, while it isn't complete.
    Blobs = 6,
    /// Small facts of this replica: format version, own author, addresses met.
    Meta = 7,
}

impl Table {
    /// All tables, in order.
    pub const ALL: [Self; 8] = [
        Self::Entries,
        Self::Runs,
        Self::Captures,
        Self::Order,
        Self::About,
        Self::Quarantine,
        Self::Blobs,
        Self::Meta,
    ];
}

/// Where [`Table::Meta`] says which format the store has. Written by the store itself, as a big-endian `u32`.
pub const FORMAT_KEY: &[u8] = b"format";

/// The format that this program reads and writes; another one is refused with [`StoreError::Version`].
pub const FORMAT: u32 = 2;

/// Where a blob ends at the latest, in bytes: four times the largest blob of the protocol. It only keeps an offset gone
/// wrong from filling memory or disk.
pub const BLOB_END_MAX: u64 = 64 << 20;

/// Counts batches, finished blobs and removed blobs: everything up to a durable ticket survives a power cut. Tickets of
/// two openings of a store say nothing about each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// One atomic change of the tables: all of it is kept, or none.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In order; the last write to a key wins. `None` removes.
    pub writes: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Adds a write.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push((table, key.into(), Some(value.into())));
    }

    /// Adds a removal.
    pub fn remove(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.writes.push((table, key.into(), None));
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// Why a store can't do what was asked.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// No room: nothing is lost, but nothing more is recorded until there is room.
    #[error("the disk is full; free some space and start the device again, nothing recorded so far is lost")]
    Full,
    /// The store is of another format version.
    #[error(
        "the store has format version {found}, this program reads {expected}; update the program or use another folder"
    )]
    Version {
        /// What the folder says.
        found: u32,
        /// What this program writes.
        expected: u32,
    },
    /// Another process has it open.
    #[error("the store is in use by another process; stop that one first")]
    InUse,
    /// The bytes on disk aren't what was written.
    #[error("the store is damaged: {0}; keep the folder, restore a backup, and the other devices will fill the gap")]
    Damaged(String),
    /// Anything else that the operating system says.
    #[error("the store can't be used: {0}")]
    Io(String),
}

/// How far along a range scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Up,
    /// Largest key first.
    Down,
}

/// One row of a scan: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Tables and blobs of one replica.
///
/// All calls are synchronous and quick; the only one that always waits for the disk is [`Store::flush`]. After an error
/// that makes writing impossible, `apply` goes on to return that error and reads go on to work: they show what was
/// applied before, also the part that will never be durable.
pub trait Store {
    /// The value at `key`, as of all batches applied so far.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Rows with `from <= key < to`, at most `limit` of them, in the order of `direction`.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// Applies `batch`: visible to reads at once, durable when [`Store::durable`] reaches the ticket.
    fn apply(&mut self, batch: Batch) -> Result<Ticket, StoreError>;

    /// The newest ticket that was given out.
    fn applied(&self) -> Ticket;

    /// The ticket up to which all is on disk.
    fn durable(&self) -> Ticket;

    /// What ended writing, if something did (a full disk, say).
    fn failure(&self) -> Option<StoreError>;

    /// Waits until everything applied so far is on disk.
    fn flush(&mut self) -> Result<(), StoreError>;

    /// Writes bytes into a blob that isn't complete yet, at `offset`. Not durable, and needn't be: what a restart finds is
    /// verified again, range by range. A complete blob stays as it is. A full disk here doesn't end writing elsewhere.
    fn blob_write(&mut self, blob: BlobId, offset: u64, bytes: &[u8]) -> Result<(), StoreError>;

    /// Declares a blob complete: it is made durable and named as complete, and `durable` reaches the ticket afterwards.
    /// An error if nothing was ever written to it. A crash may keep the finished blob and lose batches applied shortly
    /// before it, never the other way round.
    fn blob_finish(&mut self, blob: BlobId) -> Result<Ticket, StoreError>;

    /// Reads up to `len` bytes of a blob, complete or not; shorter at its end, empty if it isn't there.
    fn blob_read(&self, blob: BlobId, offset: u64, len: usize) -> Result<Vec<u8>, StoreError>;

    /// Length of a blob that was finished, in bytes; `None` if it isn't here or isn't complete.
    fn blob_len(&self, blob: BlobId) -> Result<Option<u64>, StoreError>;

    /// The blobs here: those that were finished (`true`) and those that weren't (`false`).
    fn blob_list(&self) -> Result<Vec<(BlobId, bool)>, StoreError>;

    /// Removes a blob, complete or not; gone for reads at once, and for good when `durable` reaches the ticket. Works on a
    /// full disk too, since it makes room.
    fn blob_remove(&mut self, blob: BlobId) -> Result<Ticket, StoreError>;
}

/// What is returned for a blob of which nothing was written.
fn no_such_blob(blob: BlobId) -> StoreError {
    StoreError::Io(format!("nothing was written of blob {}; fetch it again", blob.short()))
}

/// The end of a write into a blob, refused if it lies beyond [`BLOB_END_MAX`].
fn blob_end(offset: u64, bytes: &[u8]) -> Result<u64, StoreError> {
    let end = offset.saturating_add(bytes.len() as u64);
    match end <= BLOB_END_MAX {
        true => Ok(end),
        false => Err(StoreError::Io(format!("a blob can't reach to byte {end}; the limit is {BLOB_END_MAX}"))),
    }
}
