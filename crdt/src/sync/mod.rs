//! Sync: how two replicas become equal, over any transport.
//!
//! [`Engine`] is one device's side of all its conversations, on top of its [`Replica`]. It is a pure machine: the shell feeds it
//! [`Input`]s, drains [`Engine::poll`], and asks [`Engine::transmit`] for the next frame whenever a link has room, so that what
//! is most important at that moment goes first. Time is an argument; timers are outputs.
//!
//! A session runs through the phases of [`phase`]; then both sides send their **frontiers** and ask for what they lack. New
//! entries are pushed along a tree that prunes itself (a peer that got one twice says so) and heals itself (an announced
//! entry that nobody pushed is fetched, and its path joins the tree).

mod clock;
mod conduct;
mod engine;
mod entries;
mod erasing;
mod forks;
pub mod frame;
mod images;
pub mod phase;
mod scrubbing;
mod session;
mod swarm;
mod telling;
mod timers;
mod transfer;
mod turns;
mod watch;

pub use conduct::{CULPRITS_MAX, Fault, Faults};
pub use engine::Engine;
pub use session::{BLOB_SERVING_MAX, CONTROL_MAX, CREDIT_BYTES, LinkClass, SERVING_MAX};
pub use watch::{PeerStatus, Sent, Sort, Traffic};

use thiserror::Error;

use crate::ids::{CaptureId, DeviceId, LogId};
use crate::store::{StoreError, Ticket};

/// A link, as the shell numbers it. Never reused within a run.
pub type LinkId = u64;

/// What happens to an engine.
#[derive(Debug)]
pub enum Input {
    /// A transport is connected and has proved the peer's key. Nothing is known of its membership.
    LinkUp {
        /// The new link.
        link: LinkId,
        /// The key that the transport proved.
        device: DeviceId,
        /// Whether we dialled.
        initiator: bool,
        /// What kind of link.
        class: LinkClass,
    },
    /// A frame came.
    Frame {
        /// Over which link.
        link: LinkId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A peer began a frame longer than any may be: the transport took none of it, and is about to close the link.
    Overlong {
        /// Over which link.
        link: LinkId,
    },
    /// A link is gone.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// Everything up to this ticket is on disk.
    Durable(Ticket),
    /// This device has, or has no longer, a working uplink.
    Gateway(bool),
    /// Time passed: see [`Output::WakeAt`].
    Tick,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Close a link.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// Something that people or other parts of the device care about.
    Event(Event),
    /// Send [`Input::Tick`] at this time, in ms, at the latest.
    WakeAt(u64),
}

/// Why a session ended, in words for the status page.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CloseReason {
    /// They don't know this site.
    #[error("not a device of this site")]
    Stranger,
    /// They speak another version.
    #[error("speaks protocol version {0}, this program {own}; update the older one", own = frame::PROTOCOL_VERSION)]
    Version(u16),
    /// Their certificate doesn't hold.
    #[error("not admitted: {0}")]
    Certificate(#[from] crate::site::CertificateError),
    /// They were revoked.
    #[error("this device was revoked at this site; ask the supervisor for another one")]
    Revoked,
    /// They hung up.
    #[error("the other device hung up: {0}")]
    Bye(String),
    /// Something came that can't come now.
    #[error("protocol fault: {0}")]
    Fault(&'static str),
    /// The handshake took too long.
    #[error("no answer to the membership handshake within {s} s", s = engine::HANDSHAKE_MS / 1000)]
    Slow,
    /// Too many faults.
    #[error("sent too many things that don't hold")]
    Misbehaved,
    /// Our own store can't take anything in.
    #[error("this device can't store anything: {0}")]
    Store(StoreError),
}

/// News for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer is a member and syncs now.
    Admitted {
        /// Over this link.
        link: LinkId,
        /// The peer.
        device: DeviceId,
    },
    /// A session ended, or never began.
    Ended {
        /// The link.
        link: LinkId,
        /// The peer.
        device: DeviceId,
        /// Whether it had been admitted.
        admitted: bool,
        /// Why, if we know.
        reason: Option<CloseReason>,
    },
    /// A capture is new or changed.
    Changed(CaptureId),
    /// A capture was erased here. What it leaves in the store's files is the shell's to overwrite.
    Erased(CaptureId),
    /// All blobs of a capture are here, on disk.
    Whole(CaptureId),
    /// A log was cut where its author wrote two histories.
    Frozen(LogId),
    /// A device is revoked, as of now.
    Revoked(DeviceId),
    /// Something that a device sent or wrote doesn't hold.
    Refused {
        /// The device.
        device: DeviceId,
        /// Of what sort it is.
        fault: Fault,
        /// In words.
        reason: String,
    },
    /// A peer stopped sending what was asked of it; others are asked.
    Stalled {
        /// The peer.
        device: DeviceId,
        /// What was asked.
        what: &'static str,
    },
    /// The store can't be written.
    StoreFailed(StoreError),
}
