//! Which log this device writes: its first one, until that was forked or found to go on elsewhere; then another.

use super::{Replica, keys};
use crate::ids::{Author, LogId};
use crate::store::{Batch, Store, Table};

/// Most logs of one device: how often it may be copied, restored or reinstalled in an operation.
///
/// Copies that lose a log choose the next one by chance, so that two of them meet again once in 255 times, and then fork
/// once more. A hostile member can make every replica keep this many logs of his: some 100 KB of memory, and 9 KB of each
/// first frontier.
pub const EPOCHS_MAX: u32 = 256;

impl<S: Store> Replica<S> {
    /// Whether this device has used up its logs: what it writes would be refused.
    pub(super) const fn is_out_of_logs(&self) -> bool {
        self.epoch >= EPOCHS_MAX
    }

    /// The author to write as: a new one if the own log was cut at a fork.
    pub(super) fn author_to_write(&mut self) -> Author {
        while !self.is_out_of_logs() && self.frozen_at(&self.own_author().log()).is_some() {
            let mut batch = Batch::default();
            self.begin_new_log(&mut batch);
            // If this isn't kept, the next start does it again.
            if self.store.apply(batch).is_err() {
                break;
            }
        }
        self.own_author()
    }

    /// An entry of our own log that we don't have: this store was restored from a backup. A new log begins, so that the old
    /// one isn't forked.
    pub(super) fn notice_own_log_ahead(&mut self, log: LogId, batch: &mut Batch) {
        if log == self.own_author().log() {
            self.begin_new_log(batch);
        }
    }

    /// Leaves the own log for a new one.
    pub(super) fn begin_new_log(&mut self, batch: &mut Batch) {
        self.epoch = self.next_epoch();
        batch.put(Table::Meta, keys::EPOCH, u64::from(self.epoch).to_be_bytes());
    }

    /// An epoch of which nothing is known here; [`EPOCHS_MAX`] if there is none. Copies of one device mustn't all choose the
    /// same, and the core has no randomness: so it follows from where all logs end here, the own one among them, which
    /// differs between copies that both wrote.
    pub(super) fn next_epoch(&self) -> u32 {
        let own = self.own_author();
        let (first, choices) = (chance(own, self.heads_digest()), EPOCHS_MAX - 1);
        let is_free = |epoch: &u32| {
            let log = Author { epoch: *epoch, ..own }.log();
            *epoch != own.epoch && !self.logs.contains_key(&log) && !self.frozen.contains_key(&log)
        };
        (0..choices).map(|step| 1 + (first % choices + step) % choices).find(is_free).unwrap_or(EPOCHS_MAX)
    }
}

fn chance(own: Author, heads: [u8; 8]) -> u32 {
    let mut hasher = blake3::Hasher::new_derive_key("greenline next epoch v1");
    hasher.update(&own.device.0);
    hasher.update(&own.epoch.to_be_bytes());
    hasher.update(&heads);
    let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
    u32::from_be_bytes([a, b, c, d])
}
