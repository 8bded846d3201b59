//! A layer of writes that aren't in redb yet, and the reading of several layers as if they were one.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::ops::Bound;
use std::path::PathBuf;

use crate::ids::BlobId;
use crate::store::{Batch, Direction, Row, StoreError, Table, Ticket};

/// What a row costs beside its bytes: two allocations and its place in a tree node.
const ROW_OVERHEAD_BYTES: usize = 96;

/// Writes of several batches, the last one to a key wins. `None` is a removal.
#[derive(Default)]
pub(super) struct Layer {
    tables: [BTreeMap<Vec<u8>, Option<Vec<u8>>>; Table::ALL.len()],
    /// What the rows take in memory.
    pub(super) bytes: usize,
    /// Blobs to make durable and name as complete.
    pub(super) finished: Vec<(Ticket, BlobId)>,
    /// Whether all rows are to be moved into a new file under a new key.
    pub(super) scrub: bool,
    /// Folders from which a blob was removed, which is durable once the folder is.
    pub(super) shelves: BTreeSet<PathBuf>,
}

/// A row as a layer holds it.
pub(super) type Slot = (Vec<u8>, Option<Vec<u8>>);

/// Rows of one layer, in the order of the scan.
pub(super) type Source<'a> = Box<dyn Iterator<Item = Result<Slot, StoreError>> + 'a>;

impl Layer {
    /// Adds a batch.
    pub(super) fn take_in(&mut self, batch: Batch) {
        for (table, key, value) in batch.writes {
            let key_bytes = key.len() + ROW_OVERHEAD_BYTES;
            self.bytes += key_bytes + value.as_ref().map_or(0, Vec::len);
            if let Some(old) = self.tables[table as usize].insert(key, value) {
                self.bytes -= key_bytes + old.map_or(0, |old| old.len());
            }
        }
    }

    /// What this layer says about a key, if it says anything.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.tables[table as usize].get(key)
    }

    /// Rows with `from <= key < to`; `from` must be the smaller one.
    pub(super) fn rows(&self, table: Table, from: &[u8], to: &[u8], direction: Direction) -> Source<'_> {
        let range = self.tables[table as usize].range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let slot = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| Ok((key.clone(), value.clone()));
        match direction {
            Direction::Up => Box::new(range.map(slot)),
            Direction::Down => Box::new(range.rev().map(slot)),
        }
    }

    /// The tables that were written, with their rows in ascending order: what redb takes in fastest.
    pub(super) fn written(&self) -> impl Iterator<Item = (Table, &BTreeMap<Vec<u8>, Option<Vec<u8>>>)> {
        let tables = Table::ALL.into_iter().map(|table| (table, &self.tables[table as usize]));
        tables.filter(|(_, rows)| !rows.is_empty())
    }
}

/// The first `limit` rows of `sources`, of which an earlier one hides the same key in later ones.
pub(super) fn merge(sources: Vec<Source<'_>>, direction: Direction, limit: usize) -> Result<Vec<Row>, StoreError> {
    let mut sources: Vec<_> = sources.into_iter().map(Iterator::peekable).collect();
    let mut rows = Vec::new();
    while rows.len() < limit {
        let Some((key, value)) = next(&mut sources, direction)? else { break };
        rows.extend(value.map(|value| (key, value)));
    }
    Ok(rows)
}

fn next(sources: &mut [Peekable<Source<'_>>], direction: Direction) -> Result<Option<Slot>, StoreError> {
    let Some(first) = first_of(sources, direction)? else { return Ok(None) };
    let slot = sources[first].next().transpose()?;
    for source in &mut sources[first + 1..] {
        source.next_if(|other| matches!((other, &slot), (Ok((a, _)), Some((b, _))) if a == b));
    }
    Ok(slot)
}

/// Which source has the next key; the earliest one, if several have it.
fn first_of(sources: &mut [Peekable<Source<'_>>], direction: Direction) -> Result<Option<usize>, StoreError> {
    let mut best: Option<(usize, &[u8])> = None;
    for (index, source) in sources.iter_mut().enumerate() {
        let key = match source.peek() {
            Some(Ok((key, _))) => key.as_slice(),
            Some(Err(error)) => return Err(error.clone()),
            None => continue,
        };
        let earlier = best.is_none_or(|(_, than)| match direction {
            Direction::Up => key < than,
            Direction::Down => key > than,
        });
        if earlier {
            best = Some((index, key));
        }
    }
    Ok(best.map(|(index, _)| index))
}
