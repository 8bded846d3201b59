//! When the store is scrubbed: what erasures removed is still on the disk, in the free room of a file, until it is.

use super::engine::Engine;
use super::timers::Timer;
use crate::replica::keys;
use crate::store::{Batch, Store, StoreError, Table, Ticket};

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
    /// When to try again after one that failed.
    retry_ms: Option<u64>,
    /// One that is over when this is durable, and how many were erased when it began.
    under_way: Option<(Ticket, u64)>,
}

impl Scrubbing {
    /// Makes all of it due earlier by so many ms.
    pub(super) fn bring_forward(&mut self, by_ms: u64) {
        for due_ms in [&mut self.due_ms, &mut self.retry_ms].into_iter().flatten() {
            *due_ms = due_ms.saturating_sub(by_ms);
        }
    }
}

impl<S: Store> Engine<S> {
    /// Erasures that the last run didn't come to scrub are scrubbed soon.
    pub(super) fn restore_scrubbing(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let row = self.replica.store().get(Table::Meta, keys::SCRUBBED)?;
        let erased = row.map_or(0, |bytes| keys::number(&bytes));
        let due_ms = (erased != self.replica.erased()).then_some(now_ms);
        self.scrubbing = Scrubbing { erased, due_ms, ..Scrubbing::default() };
        Ok(())
    }

    /// Scrubs the store if it is time.
    pub(super) fn scrub_if_due(&mut self, now_ms: u64) {
        let erased = self.replica.erased();
        let since = erased.saturating_sub(self.scrubbing.erased);
        if since == 0 || self.scrubbing.under_way.is_some() {
            return;
        }
        let due_ms = *self.scrubbing.due_ms.get_or_insert(now_ms.saturating_add(SCRUB_MS));
        let waits = self.scrubbing.retry_ms.is_some_and(|retry_ms| now_ms < retry_ms);
        if waits || (now_ms < due_ms && since < ERASURES_MAX) {
            // House isn't kept so often that it would be in time by itself.
            let next_ms = self.scrubbing.retry_ms.map_or(due_ms, |retry_ms| retry_ms.max(due_ms));
            return self.timers.set(Timer::House, next_ms);
        }
        match self.replica.store_mut().scrub() {
            Ok(ticket) => self.scrubbing.under_way = Some((ticket, erased)),
            Err(error) => self.store_failed(error),
        }
    }

    /// A scrub may be over. Only then it is noted, so that one that a power cut ended is begun again at the next start; one for
    /// which there is no room is tried again in an hour.
    pub(super) fn note_scrubbed(&mut self, now_ms: u64, durable: Ticket) {
        let Some((_, erased)) = self.scrubbing.under_way.take_if(|(ticket, _)| *ticket <= durable) else { return };
        if self.replica.store().unscrubbed().is_some() {
            // A thousand erasures don't hurry what fails.
            self.scrubbing.retry_ms = Some(now_ms.saturating_add(SCRUB_MS));
            return;
        }
        self.scrubbing = Scrubbing { erased, ..Scrubbing::default() };
        let mut batch = Batch::default();
        batch.put(Table::Meta, keys::SCRUBBED, erased.to_be_bytes());
        if let Err(error) = self.replica.store_mut().apply(batch) {
            self.store_failed(error);
        }
    }
}
