//! The libp2p swarm of one device, as links that carry frames.
//!
//! ```text
//!            Handle: dial, close, shutdown
//!  core ────────────────────────────────────► network task ── Swarm: QUIC, limits, mDNS, one stream a connection
//!   ▲  ▲                                          │ one per connection
//!   │  └──── Event (bounded channel) ◄────── link task: reads and writes length-prefixed frames
//!   └─────── frames: Sender (bounded) ───────►
//! ```
//!
//! A **link** is one QUIC connection with its one bidirectional stream. The transport has proved the Ed25519 key of the
//! device at the other end, nothing more: whether that device is a member is asked and answered in the frames. Two
//! connections to one device are two links; which one to keep, whom to dial and when to dial again is decided above.
//!
//! What holds here:
//!
//! 1. For each link: one [`Event::Up`], then its frames in order, then one [`Event::Down`], and nothing after it.
//! 2. Each accepted [`Handle::dial`] ends in exactly one `Up` with `initiator` set, or one [`Event::DialFailed`]; only a
//!    [`Event::Restarted`] in between leaves dials unanswered.
//! 3. A reader of events that is slow slows the devices that send to it (QUIC flow control), and nothing is buffered
//!    without a bound. It never stops the network task.
//! 4. What arrives from the network, however malformed, ends at worst the link that it came over.
//!
//! libp2p's own stream behaviour picks any connection of a device for a new stream and doesn't tell on which connection
//! a stream came in; links need to know, so a small behaviour of our own opens one stream on each connection.

mod address;
mod config;
mod discovery;
mod event;
mod executor;
mod frame;
mod handle;
mod link;
mod network;
mod registry;
mod streams;
mod supervisor;
mod swarm;
mod translate;

pub use address::device_key;
pub use config::{
    CONNECTIONS_MAX, CONNECTIONS_PER_DEVICE_MAX, Config, EVENTS_MAX, FRAMES_QUEUED_MAX, PENDING_INCOMING_MAX,
    PENDING_OUTGOING_MAX,
};
pub use event::{DeviceKey, DownReason, Event};
pub use frame::{FRAME_BYTES_MAX, read_frame};
pub use handle::{DialError, Handle, StartError, start};
