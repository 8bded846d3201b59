//! The disk under redb, which stops at the first write that fails.
//!
//! redb refuses even reads after one failed write. Here a failed write is noted and kept in memory instead, and so is
//! every write after it: on disk it looks as if the power had been cut at that moment, which redb's own recovery is made
//! for, while reads go on. The committer looks at [`Fault`] after every commit and never calls such a commit durable.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ::redb::{BackendError, StorageBackend};

use super::tables::from_io;
use crate::store::StoreError;

/// Bytes of a page kept in memory: redb's own.
const PAGE_BYTES: u64 = 4096;

/// The first failure of a disk.
#[derive(Debug, Default)]
pub(super) struct Fault {
    first: OnceLock<StoreError>,
}

impl Fault {
    pub(super) fn failure(&self) -> Option<StoreError> {
        self.first.get().cloned()
    }
}

/// A backend that diverts to memory what can't be written. See the module.
#[derive(Debug)]
pub(super) struct Disk {
    inner: Box<dyn StorageBackend>,
    fault: Arc<Fault>,
    diverted: Mutex<Diverted>,
}

/// What the disk would hold, had it not failed.
#[derive(Debug, Default)]
struct Diverted {
    pages: BTreeMap<u64, Vec<u8>>,
    len: u64,
    /// Up to where the file still counts; beyond it, it was cut off at some time.
    inner_len: u64,
}

impl Disk {
    pub(super) fn new(inner: Box<dyn StorageBackend>, fault: Arc<Fault>) -> Self {
        Self { inner, fault, diverted: Mutex::default() }
    }

    /// Does `write`, unless the disk has failed or fails now. Says whether it was done.
    fn attempt(&self, write: impl FnOnce(&dyn StorageBackend) -> io::Result<()>) -> io::Result<bool> {
        if self.fault.first.get().is_some() {
            return Ok(false);
        }
        let Err(error) = write(&*self.inner) else { return Ok(true) };
        let len = self.inner.len()?;
        *self.diverted() = Diverted { pages: BTreeMap::new(), len, inner_len: len };
        // Only redb's one writer gets here, so the value was not set in between.
        let _ = self.fault.first.set(from_io(&error));
        Ok(false)
    }

    fn diverted(&self) -> MutexGuard<'_, Diverted> {
        self.diverted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as it would be on disk.
    fn page(&self, diverted: &Diverted, index: u64) -> io::Result<Vec<u8>> {
        if let Some(page) = diverted.pages.get(&index) {
            return Ok(page.clone());
        }
        let mut page = vec![0; PAGE_BYTES as usize];
        let there = diverted.inner_len.saturating_sub(index * PAGE_BYTES).min(PAGE_BYTES);
        if there > 0 {
            self.inner.read(index * PAGE_BYTES, &mut page[..there as usize])?;
        }
        Ok(page)
    }
}

/// The pages that `len` bytes from `offset` touch: page, first byte within it, and how many.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + len as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        let (index, within) = (at / PAGE_BYTES, at % PAGE_BYTES);
        let count = (PAGE_BYTES - within).min(end - at);
        at += count;
        (count > 0).then_some((index, within as usize, count as usize))
    })
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        match self.fault.first.get() {
            Some(_) => Ok(self.diverted().len),
            None => self.inner.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.fault.first.get().is_none() {
            return self.inner.read(offset, out);
        }
        let diverted = self.diverted();
        if offset.saturating_add(out.len() as u64) > diverted.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = out;
        for (index, within, count) in pieces(offset, rest.len()) {
            let (piece, after) = rest.split_at_mut(count);
            piece.copy_from_slice(&self.page(&diverted, index)?[within..within + count]);
            rest = after;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.attempt(|inner| inner.set_len(len))? {
            return Ok(());
        }
        let mut diverted = self.diverted();
        diverted.len = len;
        diverted.inner_len = diverted.inner_len.min(len);
        diverted.pages.retain(|index, _| index * PAGE_BYTES < len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.attempt(|inner| inner.sync_data()).map(drop)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.attempt(|inner| inner.write(offset, data))? {
            return Ok(());
        }
        let mut diverted = self.diverted();
        let mut rest = data;
        for (index, within, count) in pieces(offset, data.len()) {
            let mut page = self.page(&diverted, index)?;
            page[within..within + count].copy_from_slice(&rest[..count]);
            diverted.pages.insert(index, page);
            rest = &rest[count..];
        }
        diverted.len = diverted.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
