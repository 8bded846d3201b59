//! One conversation with one peer: what it has, what it asked for, what it was told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_bytes::ByteArray;

use super::frame::{Frame, Item};
use super::phase::Phase;
use super::swarm::Rank;
use crate::blob::BlobRef;
use crate::ids::{CaptureId, DeviceId, LogId};
use crate::knowledge::DEVICES_MAX;
use crate::site::Roles;

/// Bytes of entries that a peer may send before we say that we have taken them in. A catch-up over a fast LAN keeps the pipe
/// full with it; a hostile peer can't make us hold more.
pub const CREDIT_BYTES: u32 = 1024 * 1024;
/// Most ranges of logs that a peer may have asked for at a time.
pub const SERVING_MAX: usize = 2_048;
/// Most requests for blobs that a peer may have open.
pub const BLOB_SERVING_MAX: usize = 256;
/// Most small frames that wait for one peer. A peer that makes us answer faster than it reads is hung up on.
pub const CONTROL_MAX: usize = 4_096;

/// What kind of link a session runs over: sets the sizes of frames and windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkClass {
    /// Among devices at a site.
    Lan,
    /// Between a gateway and a hub: may be thin, long and paid for.
    Uplink,
}

impl LinkClass {
    /// Bytes of entries in one frame: a catch-up over a LAN verifies in large batches; on a thin link nothing urgent may wait
    /// behind more than a second of routine.
    pub(super) const fn entries_bytes(self) -> usize {
        match self {
            Self::Lan => 128 * 1024,
            Self::Uplink => 16 * 1024,
        }
    }

    /// Groups of blobs asked for at a time: what covers bandwidth times delay (100 MB/s at 20 ms; 2 Mbit/s at 1 s).
    pub(super) const fn blob_window(self) -> u32 {
        match self {
            Self::Lan => 128,
            Self::Uplink => 16,
        }
    }
}

/// A range of a log that is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) next: u64,
    pub(super) to: u64,
}

/// A request for groups of a blob that is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlobRange {
    pub(super) blob: BlobRef,
    pub(super) next: u32,
    pub(super) end: u32,
    pub(super) outline: bool,
}

/// How far the peer said that it has a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) height: u64,
    /// First bytes of the hash there.
    pub(super) prefix: ByteArray<8>,
    /// Whether that came about since the session was opened.
    pub(super) is_news: bool,
}

/// State of one session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) device: DeviceId,
    pub(super) initiator: bool,
    pub(super) class: LinkClass,
    pub(super) phase: Phase,
    pub(super) roles: Roles,
    /// Frames that go before all else.
    pub(super) control: VecDeque<Frame>,
    /// What the peer said it durably has.
    pub(super) promised: BTreeMap<LogId, Promise>,
    /// Heights that the peer has or was sent.
    pub(super) theirs: BTreeMap<LogId, u64>,
    /// Heights that the peer was told we have.
    pub(super) told: BTreeMap<LogId, u64>,
    /// Logs whose height grew since.
    pub(super) news: BTreeSet<LogId>,
    /// Whether they are to be told now.
    pub(super) tell_frontier: bool,
    /// Logs of which the peer isn't told how far they are here, since it has said the same: until it pushes, and so has to know.
    pub(super) untold: BTreeSet<LogId>,
    /// Whether the first frontier is out.
    pub(super) opened: bool,
    /// What is being sent, most important first.
    pub(super) serving: BTreeMap<(u8, LogId), Range>,
    /// Whether new entries are pushed to the peer, or only announced.
    pub(super) eager: bool,
    /// Bytes of entries that we may still send.
    pub(super) credit: u32,
    /// Bytes of entries taken in since we last gave credit.
    pub(super) consumed: u32,
    /// Up to which version of the knowledge the peer was told what this device holds.
    pub(super) told_own: u64,
    /// Up to which version it was told all else.
    pub(super) told_hearsay: u64,
    /// Whether the one is to be told now.
    pub(super) tell_own: bool,
    /// Whether the other is.
    pub(super) tell_hearsay: bool,
    /// Gateways that the peer knows of, and when each said so: it needn't hear that again.
    pub(super) knows_gateways: BTreeMap<DeviceId, u64>,
    /// Blobs that the peer asked for.
    pub(super) blob_serving: VecDeque<BlobRange>,
    /// Captures that lack blobs here and that the peer holds whole.
    pub(super) offers: BTreeSet<Rank>,
    /// Captures that the peer was told are erased.
    pub(super) proved: BTreeSet<CaptureId>,
    /// Groups asked of the peer that haven't come yet, by blob: also of blobs that nobody wants any more.
    pub(super) asked: BTreeMap<BlobRef, u32>,
    /// When anything last came, in ms.
    pub(super) heard_ms: u64,
    /// When a group of a blob that we asked for last came (or was first asked for), in ms.
    pub(super) blob_ms: u64,
    /// Why the link is to be closed once the control frames are out.
    pub(super) closing: Option<super::CloseReason>,
    /// Faults counted against the peer in this session.
    pub(super) faults: u32,
}

impl Session {
    pub(super) fn new(now_ms: u64, device: DeviceId, initiator: bool, class: LinkClass) -> Self {
        Self {
            device,
            initiator,
            class,
            phase: if initiator { Phase::Knocking } else { Phase::Listening },
            roles: Roles::default(),
            control: VecDeque::new(),
            promised: BTreeMap::new(),
            theirs: BTreeMap::new(),
            told: BTreeMap::new(),
            news: BTreeSet::new(),
            tell_frontier: false,
            untold: BTreeSet::new(),
            opened: false,
            serving: BTreeMap::new(),
            eager: false,
            credit: CREDIT_BYTES,
            consumed: 0,
            told_own: 0,
            told_hearsay: 0,
            tell_own: false,
            tell_hearsay: false,
            knows_gateways: BTreeMap::new(),
            blob_serving: VecDeque::new(),
            offers: BTreeSet::new(),
            proved: BTreeSet::new(),
            asked: BTreeMap::new(),
            heard_ms: now_ms,
            blob_ms: now_ms,
            closing: None,
            faults: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether there is anything to send now.
    pub(super) fn may_send(&self) -> bool {
        let frontier = !self.opened || (self.tell_frontier && !self.news.is_empty());
        let entries = self.credit > 0 && !self.serving.is_empty();
        let rest = self.tell_own || self.tell_hearsay || !self.blob_serving.is_empty();
        !self.control.is_empty() || self.closing.is_some() || (self.is_open() && (frontier || entries || rest))
    }

    /// From now on new entries are pushed to the peer, and by it.
    pub(super) fn join_tree(&mut self) {
        self.eager = true;
        self.tell_frontier |= !self.untold.is_empty();
        self.news.append(&mut self.untold);
    }

    /// Whether the peer said that it has a place of a log.
    pub(super) fn promises(&self, log: &LogId, seq: u64) -> bool {
        self.promised.get(log).is_some_and(|promise| promise.height >= seq)
    }

    /// Whether the peer has said that it has a log so far, with the same history, or further.
    pub(super) fn has_said(&self, item: &Item) -> bool {
        let said = self.promised.get(&item.log);
        said.is_some_and(|said| said.height > item.height || (said.height == item.height && said.prefix == item.prefix))
    }

    /// Groups that the peer owes.
    pub(super) fn blobs_asked(&self) -> u32 {
        self.asked.values().sum()
    }

    /// A group of a blob came.
    pub(super) fn note_group(&mut self, blob: &BlobRef) {
        let Some(owed) = self.asked.get_mut(blob) else { return };
        *owed -= 1;
        if *owed == 0 {
            self.asked.remove(blob);
        }
    }

    pub(super) fn note_proved(&mut self, capture: CaptureId, max: usize) {
        if self.proved.len() >= max {
            self.proved.clear();
        }
        self.proved.insert(capture);
    }

    /// The peer has said when a gateway said that it is one.
    pub(super) fn note_gateway(&mut self, gateway: DeviceId, at_ms: u64) {
        if self.knows_gateways.len() < DEVICES_MAX || self.knows_gateways.contains_key(&gateway) {
            self.knows_gateways.insert(gateway, at_ms);
        }
    }

    pub(super) fn note_theirs(&mut self, log: LogId, height: u64) {
        let known = self.theirs.entry(log).or_default();
        *known = height.max(*known);
    }

    pub(super) fn note_promise(&mut self, item: &Item, opening: bool) {
        let known = self.promised.entry(item.log).or_default();
        if item.height > known.height {
            *known = Promise { height: item.height, prefix: item.prefix, is_news: !opening };
        }
        self.note_theirs(item.log, item.height);
    }

    /// Sends a log up to `to`, from where the peer is believed to be or from where it asks.
    pub(super) fn serve(&mut self, importance: u8, log: LogId, next: u64, to: u64) {
        let range = Range { next, to };
        let old = self.serving.iter().find(|((_, id), _)| *id == log).map(|(key, range)| (*key, *range));
        let Some((key, old)) = old else {
            self.serving.insert((importance, log), range);
            return;
        };
        // One range per log and peer: what is still to be sent of the old one is in the new one, or continues it.
        self.serving.remove(&key);
        let joined = Range { next: range.next.min(old.next.max(1)), to: range.to.max(old.to) };
        let continues = range.next >= old.next && range.next <= old.to + 1;
        self.serving
            .insert((importance.min(key.0), log), if continues { Range { next: old.next, ..joined } } else { range });
    }
}
