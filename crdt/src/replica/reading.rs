//! Reading entries back: by place in a log, in stretches for a peer, by what they are about.

use std::collections::BTreeSet;

use super::log::Run;
use super::{Replica, keys, read};
use crate::entry::{About, Entry};
use crate::ids::LogId;
use crate::store::{Direction, Store, StoreError, Table};
use crate::view::EntryRef;

/// Entries read to see how long they are.
const FIRST_ROWS: usize = 16;
/// Entries read at a time at most.
const STRETCH_ROWS: usize = 1_024;

impl<S: Store> Replica<S> {
    /// The entry at a place.
    pub fn entry(&self, at: EntryRef) -> Result<Option<Entry>, StoreError> {
        let Some(arrival) = self.arrival(at)? else { return Ok(None) };
        self.entry_by_arrival(arrival)
    }

    /// Encoded entries of `log` from `seq` on, in order, as many as fit into `bytes_max` (at least one, if there is one).
    pub fn entries_from(&self, log: LogId, seq: u64, to: u64, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let (mut found, mut bytes, mut next) = (Vec::new(), 0, seq);
        while next <= to {
            let Some(run) = self.run(EntryRef { log, seq: next })? else { break };
            let Some(arrival) = run.arrival(next) else { break };
            let end = (run.first_arrival + run.count).min(arrival.saturating_add(to - next).saturating_add(1));
            // As many as will probably fit, by those before: what is read beyond the frame was read and decrypted in vain.
            let left = bytes_max.saturating_sub(bytes);
            let limit = if found.is_empty() { FIRST_ROWS } else { left / (bytes / found.len()).max(1) + 1 };
            let limit = limit.min(STRETCH_ROWS);
            let rows =
                self.store.scan(Table::Entries, &keys::entry(arrival), &keys::entry(end), Direction::Up, limit)?;
            if rows.is_empty() {
                break;
            }
            for (_, value) in rows {
                bytes += value.len();
                if !found.is_empty() && bytes > bytes_max {
                    return Ok(found);
                }
                found.push(value);
                next += 1;
            }
        }
        Ok(found)
    }

    /// Entries of a log between two places, at most `limit` of them, and at least one if there is one; and whether each of them
    /// was set aside.
    pub fn standing_from(&self, log: LogId, seq: u64, to: u64, limit: usize) -> Result<Vec<(Entry, bool)>, StoreError> {
        let Some(run) = self.run(EntryRef { log, seq })? else { return Ok(Vec::new()) };
        let Some(arrival) = run.arrival(seq).filter(|_| seq <= to) else { return Ok(Vec::new()) };
        let end = (run.first_arrival + run.count).min(arrival.saturating_add(to - seq).saturating_add(1));
        let (from, end) = (keys::entry(arrival), keys::entry(end));
        let rows = self.store.scan(Table::Entries, &from, &end, Direction::Up, limit)?;
        let aside = self.store.scan(Table::Quarantine, &from, &end, Direction::Up, usize::MAX)?;
        let aside: BTreeSet<Vec<u8>> = aside.into_iter().map(|(key, _)| key).collect();
        rows.into_iter().map(|(key, bytes)| Ok((read(&bytes)?, aside.contains(&key)))).collect()
    }

    /// Everything that counts about a capture or the site, in order of arrival (captures in their devices' first logs excepted).
    pub(crate) fn entries_about(&self, about: &About) -> Result<Vec<(u64, Entry)>, StoreError> {
        let mut counting = Vec::new();
        for (arrival, entry) in self.all_about(about)? {
            if self.store.get(Table::Quarantine, &keys::entry(arrival))?.is_none() {
                counting.push((arrival, entry));
            }
        }
        Ok(counting)
    }

    /// The same, and what was set aside.
    pub(super) fn all_about(&self, about: &About) -> Result<Vec<(u64, Entry)>, StoreError> {
        let mut arrivals = Vec::new();
        self.walk(Table::About, &keys::about_prefix(about), |key, _| {
            arrivals.push(keys::number(&key));
            Ok(())
        })?;
        let mut entries = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            entries.extend(self.entry_by_arrival(arrival)?.map(|entry| (arrival, entry)));
        }
        Ok(entries)
    }

    pub(super) fn entry_by_arrival(&self, arrival: u64) -> Result<Option<Entry>, StoreError> {
        self.store.get(Table::Entries, &keys::entry(arrival))?.map(|bytes| read(&bytes)).transpose()
    }

    pub(super) fn arrival(&self, at: EntryRef) -> Result<Option<u64>, StoreError> {
        Ok(self.run(at)?.and_then(|run| run.arrival(at.seq)))
    }

    /// The stretch that holds a place.
    fn run(&self, at: EntryRef) -> Result<Option<Run>, StoreError> {
        if let Some(log) = self.logs.get(&at.log)
            && log.run.arrival(at.seq).is_some()
        {
            return Ok(Some(log.run));
        }
        let (from, to) = (keys::run(EntryRef { seq: 0, ..at }), keys::after(&keys::run(at)));
        let rows = self.store.scan(Table::Runs, &from, &to, Direction::Down, 1)?;
        let Some((key, value)) = rows.into_iter().next() else { return Ok(None) };
        let (first_arrival, count) = read(&value)?;
        Ok(Some(Run { first_seq: keys::number(&key), first_arrival, count }))
    }
}
