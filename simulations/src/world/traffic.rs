//! What went over links.

use crdt::store::memory::MemoryStore;
use crdt::sync::Engine;

/// Bytes that went over links, and how many of them were of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// All that was sent.
    pub sent_bytes: u64,
    /// Of it, frames of entries.
    pub entries_sent_bytes: u64,
    /// Frames of entries that came.
    pub entries_received_bytes: u64,
    /// Frames of images that came.
    pub images_received_bytes: u64,
    /// Entries that came although they were there already.
    pub entries_twice: u64,
}

impl Traffic {
    pub(super) fn and(self, engine: &Engine<MemoryStore>) -> Self {
        let more = engine.traffic();
        Self {
            sent_bytes: self.sent_bytes + more.sent_bytes,
            entries_sent_bytes: self.entries_sent_bytes + more.entries_sent_bytes,
            entries_received_bytes: self.entries_received_bytes + more.entries_received_bytes,
            images_received_bytes: self.images_received_bytes + more.blobs_received_bytes,
            entries_twice: self.entries_twice + more.duplicates,
        }
    }
}
