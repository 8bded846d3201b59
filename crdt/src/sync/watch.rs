//! What the engine tells about itself: traffic counters and the state of each peer.

use serde::Serialize;

use super::engine::Engine;
use super::frame::Frame;
use super::session::LinkClass;
use super::{LinkId, phase::Phase};
use crate::ids::DeviceId;
use crate::store::Store;

/// Bytes and counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// All bytes sent in frames.
    pub sent_bytes: u64,
    /// All bytes received in frames.
    pub received_bytes: u64,
    /// Of these, frames of entries.
    pub entries_received_bytes: u64,
    /// Frames of entries sent.
    pub entries_sent_bytes: u64,
    /// Entries that came, without the frames around them.
    pub entries_carried_bytes: u64,
    /// Of these, those that were new.
    pub entries_fresh_bytes: u64,
    /// Frames of blobs sent.
    pub blobs_sent_bytes: u64,
    /// Pieces of blobs that came and were new, without the frames around them.
    pub blobs_fresh_bytes: u64,
    /// Of the received ones, frames of blobs.
    pub blobs_received_bytes: u64,
    /// Entries that came although they were here already.
    pub duplicates: u64,
    /// Frames that couldn't be read.
    pub malformed: u64,
    /// Groups of blobs that weren't asked for.
    pub unasked: u64,
    /// All that was sent, by what it was: for whoever asks how the protocol fares, and not on status pages.
    #[serde(skip)]
    pub sent: Sent,
}

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Who somebody is, whether that is taken, and goodbyes: once for each link.
    Handshake,
    /// How far somebody has each log: all of them, once for each link.
    Opening,
    /// How far somebody has a log now.
    Frontier,
    /// What is asked for, how much may come, and what needn't be pushed.
    Request,
    /// Entries.
    Entries,
    /// Who holds which capture, and who is a gateway.
    Knowledge,
    /// Pieces of images that are asked for.
    ImageRequest,
    /// Images.
    Image,
    /// Where two histories of one log part.
    Fork,
    /// What is erased, and why it may be.
    Erasure,
}

impl Sort {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Handshake,
        Self::Opening,
        Self::Frontier,
        Self::Request,
        Self::Entries,
        Self::Knowledge,
        Self::ImageRequest,
        Self::Image,
        Self::Fork,
        Self::Erasure,
    ];

    /// What a frame is for.
    #[must_use]
    pub const fn of(frame: &Frame) -> Self {
        match frame {
            Frame::Knock { .. } | Frame::Hello(_) | Frame::Admitted | Frame::Bye(_) => Self::Handshake,
            Frame::Frontier { opening: true, .. } => Self::Opening,
            Frame::Frontier { .. } => Self::Frontier,
            Frame::Want { .. } | Frame::Credit(_) | Frame::Prune => Self::Request,
            Frame::Entries(_) => Self::Entries,
            Frame::Knowledge(_) => Self::Knowledge,
            Frame::BlobWant { .. } | Frame::BlobGone(_) => Self::ImageRequest,
            Frame::BlobOutline { .. } | Frame::BlobGroup { .. } => Self::Image,
            Frame::Probe { .. } | Frame::Parting(_) => Self::Fork,
            Frame::Erased { .. } => Self::Erasure,
        }
    }
}

/// Frames that were sent, by what they were for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    frames: [u64; Sort::ALL.len()],
    bytes: [u64; Sort::ALL.len()],
}

impl Sent {
    fn note(&mut self, sort: Sort, bytes: usize) {
        self.frames[sort as usize] += 1;
        self.bytes[sort as usize] += bytes as u64;
    }

    /// How many of a sort.
    #[must_use]
    pub const fn frames(&self, sort: Sort) -> u64 {
        self.frames[sort as usize]
    }

    /// What those of a sort weigh.
    #[must_use]
    pub const fn bytes(&self, sort: Sort) -> u64 {
        self.bytes[sort as usize]
    }

    /// What all of them weigh.
    #[must_use]
    pub fn all_bytes(&self) -> u64 {
        self.bytes.iter().sum()
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        self.frames.iter_mut().zip(more.frames).for_each(|(sum, more)| *sum += more);
        self.bytes.iter_mut().zip(more.bytes).for_each(|(sum, more)| *sum += more);
        self
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    traffic: Traffic,
    pub(super) entries_carried_bytes: u64,
    pub(super) entries_fresh_bytes: u64,
    pub(super) blobs_fresh_bytes: u64,
    pub(super) duplicates: u64,
    pub(super) malformed: u64,
    pub(super) unasked: u64,
}

impl Counters {
    pub(super) fn sent(&mut self, frame: &Frame, bytes: usize) {
        self.traffic.sent_bytes += bytes as u64;
        self.traffic.sent.note(Sort::of(frame), bytes);
        match frame {
            Frame::Entries(_) => self.traffic.entries_sent_bytes += bytes as u64,
            Frame::BlobGroup { .. } | Frame::BlobOutline { .. } => self.traffic.blobs_sent_bytes += bytes as u64,
            _ => {}
        }
    }

    pub(super) fn received(&mut self, frame: &Frame, bytes: usize) {
        self.traffic.received_bytes += bytes as u64;
        match frame {
            Frame::Entries(_) => self.traffic.entries_received_bytes += bytes as u64,
            Frame::BlobGroup { .. } | Frame::BlobOutline { .. } => self.traffic.blobs_received_bytes += bytes as u64,
            _ => {}
        }
    }
}

/// One peer, as `greenline peers` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The link.
    pub link: LinkId,
    /// The device.
    pub device: DeviceId,
    /// Over what kind of link.
    pub class: LinkClass,
    /// Whether it has been admitted.
    pub admitted: bool,
    /// Where the session stands.
    pub phase: Phase,
    /// When anything last came from it, in ms.
    pub heard_ms: u64,
    /// Whether new entries are pushed to it, or only announced.
    pub eager: bool,
    /// Entries that it has and this device lacks.
    pub behind: u64,
    /// Things that are held against it.
    pub refused: u64,
}

impl<S: Store> Engine<S> {
    /// All sessions.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        let height = |log| self.replica.log(log).map_or(0, |log| log.head.height);
        self.sessions
            .iter()
            .map(|(link, session)| PeerStatus {
                link: *link,
                device: session.device,
                class: session.class,
                admitted: session.is_open(),
                phase: session.phase,
                heard_ms: session.heard_ms,
                eager: session.eager,
                behind: session.promised.iter().map(|(log, it)| it.height.saturating_sub(height(log))).sum(),
                refused: self.faults_of(&session.device),
            })
            .collect()
    }

    /// Bytes and counts since the start.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let Counters {
            entries_carried_bytes,
            entries_fresh_bytes,
            blobs_fresh_bytes,
            duplicates,
            malformed,
            unasked,
            traffic,
        } = self.counters;
        Traffic {
            entries_carried_bytes,
            entries_fresh_bytes,
            blobs_fresh_bytes,
            duplicates,
            malformed,
            unasked,
            ..traffic
        }
    }

    /// How many captures lack images here, and how many bytes those are.
    #[must_use]
    pub fn missing(&self) -> (usize, u64) {
        (self.swarm.missing_captures(), self.swarm.missing_bytes())
    }
}
