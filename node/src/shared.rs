//! What the parts of a running device tell each other: where it listens, which link is whose, what went wrong lately.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crdt::sync::LinkId;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};

/// Most notes that are kept: a screenful.
const NOTES_MAX: usize = 50;

/// Something that people should know about, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Note {
    /// When it was last so, in ms.
    pub(crate) at_ms: u64,
    /// How often it was so.
    pub(crate) times: u64,
    /// In words.
    pub(crate) what: String,
}

/// How the way out is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct WayOut {
    pub(crate) state: String,
    pub(crate) since_ms: u64,
    pub(crate) detail: String,
}

/// See the module.
pub(crate) struct Shared {
    pub(crate) started_ms: u64,
    pub(crate) site_name: String,
    /// Addresses to dial on somebody's word.
    pub(crate) dial: mpsc::Sender<SocketAddr>,
    gateway: AtomicBool,
    listening: Mutex<Vec<SocketAddr>>,
    listening_changed: Notify,
    remotes: Mutex<BTreeMap<LinkId, SocketAddr>>,
    way_out: Mutex<Option<WayOut>>,
    notes: Mutex<VecDeque<Note>>,
}

impl Shared {
    pub(crate) fn new(started_ms: u64, site_name: String, dial: mpsc::Sender<SocketAddr>) -> Self {
        Self {
            started_ms,
            site_name,
            dial,
            gateway: AtomicBool::new(false),
            listening: Mutex::default(),
            listening_changed: Notify::new(),
            remotes: Mutex::default(),
            way_out: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    pub(crate) fn is_gateway(&self) -> bool {
        self.gateway.load(Ordering::Relaxed)
    }

    pub(crate) fn set_gateway(&self, on: bool) {
        self.gateway.store(on, Ordering::Relaxed);
    }

    pub(crate) fn listening(&self) -> Vec<SocketAddr> {
        lock(&self.listening).clone()
    }

    pub(crate) fn set_listening(&self, address: SocketAddr, on: bool) {
        let mut listening = lock(&self.listening);
        listening.retain(|known| *known != address);
        if on {
            listening.push(address);
        }
        // One permit is kept for a waiter that comes later.
        self.listening_changed.notify_one();
    }

    /// Completes after the next change.
    pub(crate) async fn listening_changed(&self) {
        self.listening_changed.notified().await;
    }

    pub(crate) fn remote(&self, link: LinkId) -> Option<SocketAddr> {
        lock(&self.remotes).get(&link).copied()
    }

    pub(crate) fn set_remote(&self, link: LinkId, address: Option<SocketAddr>) {
        let mut remotes = lock(&self.remotes);
        match address {
            Some(address) => remotes.insert(link, address),
            None => remotes.remove(&link),
        };
    }

    pub(crate) fn way_out(&self) -> Option<WayOut> {
        lock(&self.way_out).clone()
    }

    pub(crate) fn set_way_out(&self, state: WayOut) {
        *lock(&self.way_out) = Some(state);
    }

    pub(crate) fn notes(&self) -> Vec<Note> {
        lock(&self.notes).iter().cloned().collect()
    }

    /// Adds a note; one that says the same as an earlier one only counts it up.
    pub(crate) fn note(&self, at_ms: u64, what: impl Into<String>) {
        let (what, mut notes) = (what.into(), lock(&self.notes));
        let old = notes.iter().position(|note| note.what == what).and_then(|at| notes.remove(at));
        let times = old.map_or(1, |note| note.times + 1);
        notes.push_front(Note { at_ms, times, what });
        notes.truncate(NOTES_MAX);
    }
}

/// A poisoned lock only means that somebody panicked while holding it; these values are whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_note_is_counted_and_the_newest_are_kept() {
        let shared = Shared::new(0, "Post 4".into(), mpsc::channel(1).0);
        shared.note(1, "same");
        (0..NOTES_MAX as u64).for_each(|n| shared.note(n, format!("note {n}")));
        assert_eq!(shared.notes().len(), NOTES_MAX);
        shared.note(99, "note 7");
        assert_eq!(shared.notes()[0], Note { at_ms: 99, times: 2, what: "note 7".into() });
        assert_eq!(shared.notes().len(), NOTES_MAX);
    }
}
