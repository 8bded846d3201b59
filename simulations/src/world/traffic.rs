//! What went over links.

use std::collections::BTreeMap;

use crdt::ids::BlobId;
use crdt::store::memory::MemoryStore;
use crdt::sync::{Engine, Sent, Sort};

/// Bytes that went over links, and how many of them were of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// All that was sent.
    pub sent_bytes: u64,
    /// Of it, frames of entries.
    pub entries_sent_bytes: u64,
    /// Frames of entries that came.
    pub entries_received_bytes: u64,
    /// Entries that came, without the frames around them.
    pub entries_carried_bytes: u64,
    /// Of these, those that were new: each once to each device that it came to, its own one apart.
    pub entries_needed_bytes: u64,
    /// Of all that was sent, frames of images.
    pub images_sent_bytes: u64,
    /// Frames of images that came.
    pub images_received_bytes: u64,
    /// Images that came and were new: each once to each device that fetched it, the hub included.
    pub images_needed_bytes: u64,
    /// Entries that came although they were there already.
    pub entries_twice: u64,
    /// All that was sent, by what it was.
    pub sent: Sent,
}

impl Traffic {
    /// What was sent of entries and wasn't of use.
    #[must_use]
    pub const fn entries_surplus(&self) -> Surplus {
        Surplus {
            twice_bytes: self.entries_carried_bytes.saturating_sub(self.entries_needed_bytes),
            around_bytes: self.entries_received_bytes.saturating_sub(self.entries_carried_bytes),
            lost_bytes: self.entries_sent_bytes.saturating_sub(self.entries_received_bytes),
        }
    }

    /// Links over which two took each other for members.
    #[must_use]
    pub const fn links(&self) -> u64 {
        self.sent.frames(Sort::Opening) / 2
    }

    /// All that was sent and is neither entries nor images.
    #[must_use]
    pub const fn besides_bytes(&self) -> u64 {
        self.sent_bytes.saturating_sub(self.entries_sent_bytes).saturating_sub(self.images_sent_bytes)
    }

    pub(super) fn of(engine: &Engine<MemoryStore>) -> Self {
        let traffic = engine.traffic();
        Self {
            sent_bytes: traffic.sent_bytes,
            entries_sent_bytes: traffic.entries_sent_bytes,
            entries_received_bytes: traffic.entries_received_bytes,
            entries_carried_bytes: traffic.entries_carried_bytes,
            entries_needed_bytes: traffic.entries_fresh_bytes,
            images_sent_bytes: traffic.blobs_sent_bytes,
            images_received_bytes: traffic.blobs_received_bytes,
            images_needed_bytes: traffic.blobs_fresh_bytes,
            entries_twice: traffic.duplicates,
            sent: traffic.sent,
        }
    }

    /// Both together.
    pub(crate) fn and(self, more: Self) -> Self {
        Self {
            sent_bytes: self.sent_bytes + more.sent_bytes,
            entries_sent_bytes: self.entries_sent_bytes + more.entries_sent_bytes,
            entries_received_bytes: self.entries_received_bytes + more.entries_received_bytes,
            entries_carried_bytes: self.entries_carried_bytes + more.entries_carried_bytes,
            entries_needed_bytes: self.entries_needed_bytes + more.entries_needed_bytes,
            images_sent_bytes: self.images_sent_bytes + more.images_sent_bytes,
            images_received_bytes: self.images_received_bytes + more.images_received_bytes,
            images_needed_bytes: self.images_needed_bytes + more.images_needed_bytes,
            entries_twice: self.entries_twice + more.entries_twice,
            sent: self.sent.and(&more.sent),
        }
    }
}

/// See [`Traffic::entries_surplus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surplus {
    /// What came although it was there, or could not be taken in.
    pub twice_bytes: u64,
    /// The frames around what came.
    pub around_bytes: u64,
    /// What was on its way when a link was cut.
    pub lost_bytes: u64,
}

/// What arrived from one device at another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Frames.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// What arrived from whom at whom. What was on its way when a link was cut did not.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    carried: BTreeMap<(usize, usize), Carried>,
    /// Who brought the last piece of an image that a hub took in, and how many pieces hubs had taken in by then.
    brought: BTreeMap<(usize, BlobId), (u64, usize)>,
    pieces: u64,
}

impl Ledger {
    pub(super) fn note(&mut self, from: usize, to: usize, bytes: usize) {
        let carried = self.carried.entry((from, to)).or_default();
        carried.frames += 1;
        carried.bytes += bytes as u64;
    }

    pub(super) const fn carried(&self) -> &BTreeMap<(usize, usize), Carried> {
        &self.carried
    }

    pub(super) fn brought(&mut self, hub: usize, image: BlobId, from: usize) {
        self.pieces += 1;
        self.brought.insert((hub, image), (self.pieces, from));
    }

    /// Who brought the last piece of these images; it is forgotten then.
    pub(super) fn take_bringer(&mut self, hub: usize, images: impl Iterator<Item = BlobId>) -> Option<usize> {
        let last = images.filter_map(|image| self.brought.remove(&(hub, image))).max();
        last.map(|(_, from)| from)
    }
}
