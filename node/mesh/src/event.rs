//! What a mesh reports.

use std::net::SocketAddr;

use tokio::sync::mpsc;

/// A device's Ed25519 public key.
pub type DeviceKey = [u8; 32];

/// What the mesh reports, in the order it happened as far as one link is concerned.
#[derive(Debug)]
pub enum Event {
    /// The device can be reached at this address. `0.0.0.0` becomes one event per interface, also as interfaces come.
    Listening {
        /// An address of this device.
        addr: SocketAddr,
    },
    /// The device can't be reached at this address any more.
    StoppedListening {
        /// The address that is gone.
        addr: SocketAddr,
    },
    /// An address of the configuration can't be listened on. It is tried again every few seconds.
    ListenFailed {
        /// The address as configured.
        addr: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// A device was found by mDNS. Anyone on the network can claim this: it is a hint whom to dial, never membership.
    Discovered {
        /// The key that is claimed.
        device: DeviceKey,
        /// Where the device is said to be.
        addr: SocketAddr,
    },
    /// A device that was found by mDNS wasn't heard for as long as it had said ([`crate::Config::mdns_ttl`]).
    Vanished {
        /// The key that was claimed.
        device: DeviceKey,
        /// Where the device was said to be.
        addr: SocketAddr,
    },
    /// A dial came to nothing.
    DialFailed {
        /// The address as given to the dial.
        addr: SocketAddr,
        /// The device that was expected there.
        device: Option<DeviceKey>,
        /// Why, for people.
        reason: String,
    },
    /// A link is up: the other end has proved its key. It may not be a member.
    Up {
        /// The link's number, never used again by this mesh.
        link: u64,
        /// The key at the other end.
        device: DeviceKey,
        /// Whether this side dialled.
        initiator: bool,
        /// The other end's address.
        remote: SocketAddr,
        /// Frames to send, at most [`crate::FRAME_BYTES_MAX`] each. Use `try_send` and wait for [`Event::Drained`] when it is
        /// full. Dropping it closes the link once the frames in it are written.
        frames: mpsc::Sender<Vec<u8>>,
    },
    /// A frame arrived.
    Frame {
        /// The link it came over.
        link: u64,
        /// Its bytes, at most [`crate::FRAME_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// One frame was handed to the transport, so there is room for one more.
    Drained {
        /// The link that has room.
        link: u64,
    },
    /// The link is gone, this is its last event.
    Down {
        /// The link's number.
        link: u64,
        /// Why.
        reason: DownReason,
    },
    /// A dependency panicked and the network task starts anew. All links end with their own `Down`, dials that were
    /// under way don't report.
    Restarted {
        /// What the panic said.
        reason: String,
    },
}

/// Why a link ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// This side closed it.
    #[error("closed by this device")]
    ClosedHere,
    /// The other side closed it in order.
    #[error("closed by the other device")]
    ClosedByPeer,
    /// The other side announced a frame longer than allowed.
    #[error("the other device announced a frame of {bytes} bytes, over the limit")]
    FrameTooLong {
        /// The announced length.
        bytes: u32,
    },
    /// This side was given a frame longer than allowed.
    #[error("this device was asked to send a frame of {bytes} bytes, over the limit")]
    OwnFrameTooLong {
        /// The frame's length.
        bytes: usize,
    },
    /// The connection broke or went silent.
    #[error("lost: {0}")]
    Lost(String),
    /// The network task of this device stopped.
    #[error("the network task of this device stopped")]
    NetworkStopped,
}
