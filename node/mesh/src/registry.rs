//! The links that are up, by number, so that any holder of a handle can close one.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// One closer per live link; at most as many as connections.
#[derive(Default)]
pub(crate) struct Registry {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    links_made: u64,
    closers: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Registry {
    /// A new link: its number, and what tells it to close.
    pub(crate) fn add(&self) -> (u64, oneshot::Receiver<()>) {
        let (closer, close) = oneshot::channel();
        let mut state = self.lock();
        state.links_made += 1;
        let number = state.links_made;
        state.closers.insert(number, closer);
        (number, close)
    }

    /// Asks a link to close in order; nothing if it is closing or gone.
    pub(crate) fn close(&self, link: u64) {
        if let Some(closer) = self.lock().closers.remove(&link) {
            let _ = closer.send(());
        }
    }

    /// Asks all links to close in order.
    pub(crate) fn close_all(&self) {
        for closer in std::mem::take(&mut self.lock().closers).into_values() {
            let _ = closer.send(());
        }
    }

    /// Forgets a link that ended, or ends it at once if it hasn't.
    pub(crate) fn remove(&self, link: u64) {
        self.lock().closers.remove(&link);
    }

    /// No step under the lock can leave the map half changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
