//! What can be configured about a mesh, and the bounds that can't.

use std::{fmt, net::SocketAddr, time::Duration};

/// Established connections, both directions. A device keeps about six links; the rest is room for devices that join,
/// and at 0.12 MB a connection it stays under 4 MB.
pub const CONNECTIONS_MAX: u32 = 32;
/// Established connections to one device. Two, because both sides may dial at the same time, and because a device that
/// changed its address comes back before its old connection has timed out.
pub const CONNECTIONS_PER_DEVICE_MAX: u32 = 2;
/// Incoming connections in their handshake: what strangers can make us work on at once.
pub const PENDING_INCOMING_MAX: u32 = 16;
/// Outgoing connections in their handshake.
pub const PENDING_OUTGOING_MAX: u32 = 8;
/// Events that wait for their reader. Each may hold a frame, so this bounds the memory at 4 MiB.
pub const EVENTS_MAX: usize = 16;
/// Frames that wait for one link's writer: one being written and one ready to follow. More would only be a queue in
/// which urgent frames wait behind bulk.
pub const FRAMES_QUEUED_MAX: usize = 2;

/// How the mesh of one device runs. [`Config::new`] gives the defaults for Wi-Fi.
#[derive(Clone)]
pub struct Config {
    /// The secret seed of the device's Ed25519 key.
    pub seed: [u8; 32],
    /// UDP addresses to listen on; port 0 lets the system choose. Empty: dial only.
    pub listen: Vec<SocketAddr>,
    /// Whether to find devices on the local network by mDNS, and be found. It shows the device's key to anyone who listens.
    pub mdns: bool,
    /// How long others believe an mDNS answer of this device. With 60 s six questions may be lost before they think that it left.
    pub mdns_ttl: Duration,
    /// A connection that was silent for so long is lost. The loss of a device is never noticed sooner. 15 s on Wi-Fi,
    /// 45 s on narrow links, where a fresh connection (13 kB) costs more than a blip.
    pub idle_timeout: Duration,
    /// A silent connection is probed this often. 5 s on Wi-Fi, 15 s on narrow links; less than a third of the idle timeout
    /// lets two probes be lost.
    pub keep_alive: Duration,
    /// A dial that isn't answered fails after so long, or after the idle timeout if that is shorter. 15 s: with 600 ms of
    /// round trip and 5 % loss, 5 s fail.
    pub handshake_timeout: Duration,
    /// A connection on which no stream was opened after so long is closed.
    pub stream_timeout: Duration,
}

impl Config {
    /// The defaults: mDNS on, listens nowhere yet.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            listen: Vec::new(),
            mdns: true,
            mdns_ttl: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(15),
            keep_alive: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(15),
            stream_timeout: Duration::from_secs(10),
        }
    }
}

/// Without the seed, which is secret.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("mdns", &self.mdns)
            .field("mdns_ttl", &self.mdns_ttl)
            .field("idle_timeout", &self.idle_timeout)
            .field("keep_alive", &self.keep_alive)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("stream_timeout", &self.stream_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_seed() {
        let text = format!("{:?}", Config::new([0xab; 32]));
        assert!(!text.contains("171") && !text.contains("seed"), "{text}");
    }
}
