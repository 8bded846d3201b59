//! When the store is scrubbed: what erasures removed is still on the disk, in the free room of a file, until it is.

use super::engine::Engine;
use crate::replica::keys;
use crate::store::{Batch, Store, StoreError, Table};

/// How long after an erasure at the latest, in ms. A scrub writes all rows anew (some seconds at 100,000 captures), so it is
/// for many erasures at a time.
const SCRUB_MS: u64 = 60 * 60 * 1000;
/// How many erasures don't wait so long.
const ERASURES_MAX: u64 = 1_000;

/// What was scrubbed already.
#[derive(Debug, Default)]
pub(super) struct Scrubbing {
    /// Captures that were erased when the store was last scrubbed.
    erased: u64,
    due_ms: Option<u64>,
}

impl<S: Store> Engine<S> {
    /// Erasures that the last run didn't come to scrub are scrubbed soon.
    pub(super) fn restore_scrubbing(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let row = self.replica.store().get(Table::Meta, keys::SCRUBBED)?;
        let erased = row.map_or(0, |bytes| keys::number(&bytes));
        let due_ms = (erased != self.replica.erased()).then_some(now_ms);
        self.scrubbing = Scrubbing { erased, due_ms };
        Ok(())
    }

    /// Scrubs the store if it is time.
    pub(super) fn scrub_if_due(&mut self, now_ms: u64) {
        let erased = self.replica.erased();
        let since = erased.saturating_sub(self.scrubbing.erased);
        if since == 0 {
            return;
        }
        let due_ms = *self.scrubbing.due_ms.get_or_insert(now_ms.saturating_add(SCRUB_MS));
        if now_ms < due_ms && since < ERASURES_MAX {
            return;
        }
        self.scrubbing = Scrubbing { erased, due_ms: None };
        let mut batch = Batch::default();
        batch.put(Table::Meta, keys::SCRUBBED, erased.to_be_bytes());
        let store = self.replica.store_mut();
        if let Err(error) = store.apply(batch).and_then(|_| store.scrub()) {
            self.store_failed(error);
        }
    }
}
