//! What the store's owner and its committer share: the layers, the snapshot under them, and how far all is durable.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::layer::Layer;
use super::tables::Snapshot;
use crate::ids::BlobId;
use crate::store::{StoreError, Ticket};

/// The state and the two things that are waited for.
pub(super) struct Shared {
    state: Mutex<State>,
    /// For the committer: there is something to do.
    work: Condvar,
    /// For the owner: more is durable, or there is more room, or writing has failed.
    progress: Condvar,
}

/// What the lock guards. It is held for the length of a read or of a swap of layers, never over an fsync.
pub(super) struct State {
    /// What was applied since the committer last took a layer.
    pub(super) pending: Layer,
    /// What the committer is writing. It stays after a failure, so that reads go on to see it.
    pub(super) committing: Option<Arc<Layer>>,
    /// What was durable when the last commit ended; gone once the store is closed.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// Blobs that were finished and don't have their final name yet, by the ticket that named them: a blob may be removed
    /// and finished again before the committer gets to it.
    pub(super) finishing: BTreeMap<BlobId, Ticket>,
    /// Files that were removed and are still to be overwritten.
    pub(super) gone: VecDeque<PathBuf>,
    /// Why the last scrub couldn't be done, if it couldn't.
    pub(super) unscrubbed: Option<StoreError>,
    pub(super) durable: Ticket,
    pub(super) failure: Option<StoreError>,
    pub(super) last: Ticket,
    stopping: bool,
}

/// What the committer does next.
pub(super) enum Work {
    /// Make this layer durable; the ticket is the last one in it.
    Commit(Arc<Layer>, Ticket),
    /// Overwrite this file and remove it.
    Shred(PathBuf),
    /// The store is being closed and all is done.
    Stop,
}

impl State {
    /// What lies over the snapshot, newest first.
    pub(super) fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.pending).chain(self.committing.as_deref())
    }

    pub(super) fn backlog_bytes(&self) -> usize {
        self.layers().map(|layer| layer.bytes).sum()
    }

    pub(super) fn writable(&self) -> Result<(), StoreError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// What [`Shared::issue`] will return.
    pub(super) fn next_ticket(&self) -> Ticket {
        Ticket(self.last.0 + 1)
    }
}

impl Shared {
    pub(super) fn new(snapshot: Snapshot, gone: VecDeque<PathBuf>, failure: Option<StoreError>) -> Self {
        let state = State {
            pending: Layer::default(),
            committing: None,
            snapshot: Some(Arc::new(snapshot)),
            finishing: BTreeMap::new(),
            gone,
            unscrubbed: None,
            durable: Ticket(0),
            failure,
            last: Ticket(0),
            stopping: false,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), progress: Condvar::new() }
    }

    /// A panic while the lock was held leaves nothing half-changed that a reader would mind.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until fewer than `bytes_max` bytes wait for the committer.
    pub(super) fn lock_with_room(&self, bytes_max: usize) -> MutexGuard<'_, State> {
        self.wait_while(|state| state.backlog_bytes() >= bytes_max)
    }

    pub(super) fn wait_for_all(&self) -> Result<(), StoreError> {
        let state = self.wait_while(|state| state.durable < state.last);
        match state.durable < state.last {
            true => state.writable(),
            false => Ok(()),
        }
    }

    /// Ends a change of the pending layer: numbers it and wakes the committer.
    pub(super) fn issue(&self, mut state: MutexGuard<'_, State>) -> Ticket {
        state.last = state.next_ticket();
        self.work.notify_one();
        state.last
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.work.notify_one();
    }

    /// For the committer: waits for something to do.
    pub(super) fn next_work(&self) -> Work {
        let state = self.lock();
        let nothing = |state: &mut State| state.last == state.durable && state.gone.is_empty() && !state.stopping;
        let mut state = self.work.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner);
        if state.last == state.durable {
            return state.gone.pop_front().map_or(Work::Stop, Work::Shred);
        }
        let layer = Arc::new(std::mem::take(&mut state.pending));
        state.committing = Some(Arc::clone(&layer));
        Work::Commit(layer, state.last)
    }

    /// For the committer: the layer that it took is on disk.
    pub(super) fn committed(&self, ticket: Ticket, snapshot: Option<Snapshot>) {
        let mut state = self.lock();
        state.committing = None;
        state.durable = ticket;
        let old = snapshot.and_then(|snapshot| state.snapshot.replace(Arc::new(snapshot)));
        drop(state);
        self.progress.notify_all();
        // The old snapshot and its pages are let go here, after a scrub with its whole file.
        drop(old);
    }

    /// For the committer: whether all rows are in a new file.
    pub(super) fn scrubbed(&self, failure: Option<StoreError>) {
        self.lock().unscrubbed = failure;
    }

    /// For the committer: nothing will be durable any more. Returns what is.
    pub(super) fn failed(&self, failure: StoreError) -> Ticket {
        let mut state = self.lock();
        state.failure.get_or_insert(failure);
        self.progress.notify_all();
        state.durable
    }

    fn wait_while(&self, unmet: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.lock();
        let waits = |state: &mut State| unmet(state) && state.failure.is_none();
        self.progress.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner)
    }
}
