//! Links over QUIC, between a device and a hub.
//!
//! One connection carries one bidirectional stream of length-prefixed frames. Both sides have proved their device keys when
//! a link is up; whether they are members is settled in the frames. What is read waits for its reader, so that a slow hub
//! slows its gateways and nothing piles up.

mod link;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crdt::seal::derive;
use quinn::{Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, TransportConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use thiserror::Error;
use tokio::net::lookup_host;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

pub use link::{Ended, read_frame};
pub use tls::{TlsError, device_key};

/// A device's Ed25519 public key.
pub type DeviceKey = [u8; 32];

/// Longest frame, in bytes.
pub const FRAME_BYTES_MAX: usize = crdt::sync::frame::FRAME_BYTES_MAX;
/// Frames that wait for one link's writer: more would be a queue in which urgent ones wait behind bulk.
pub const FRAMES_QUEUED_MAX: usize = 2;
/// Events that wait for their reader.
pub const EVENTS_MAX: usize = 64;
/// Connections of a hub.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Handshakes under way at a hub; beyond it, callers must prove their address first.
const HANDSHAKES_MAX: usize = 64;
/// A connection that was silent for so long is lost.
const IDLE: Duration = Duration::from_secs(15);
/// A silent connection is probed this often: two probes may be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long a handshake may take: at 600 ms of round trip and 5 % loss, 5 s fail.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long the first stream may take.
const FIRST_STREAM: Duration = Duration::from_secs(10);
/// Bytes that a peer may send ahead on the stream: two megabits at four seconds of delay and buffers.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// What happens on an endpoint. Per link: `Up`, then its frames in order, then one `Down`.
#[derive(Debug)]
pub enum Event {
    /// A link is up: the other side has proved its key.
    Up {
        /// The link's number, never used again by this endpoint.
        link: u64,
        /// The key.
        device: DeviceKey,
        /// Whether this side connected.
        initiator: bool,
        /// The other side's address.
        remote: SocketAddr,
        /// Takes frames to send; dropping it closes the link once they are written.
        frames: mpsc::Sender<Vec<u8>>,
    },
    /// A frame came.
    Frame {
        /// Over which link.
        link: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A frame was handed to the transport: there is room for one more.
    Drained {
        /// The link.
        link: u64,
    },
    /// The other side began a frame longer than any may be. The link goes.
    Overlong {
        /// The link.
        link: u64,
    },
    /// A link is gone.
    Down {
        /// The link.
        link: u64,
        /// Why, in words.
        reason: String,
    },
    /// A connection couldn't be made.
    Failed {
        /// What was asked for.
        address: String,
        /// Why, in words.
        reason: String,
    },
}

/// Why an endpoint can't be had.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// The address can't be used.
    #[error("can't use {address} over UDP: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        error: std::io::Error,
    },
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// An endpoint that runs.
#[derive(Clone)]
pub struct Handle {
    endpoint: Endpoint,
    credentials: Arc<tls::Credentials>,
    events: mpsc::Sender<Event>,
    links: Arc<AtomicU64>,
    local: SocketAddr,
}

/// Listens, as a hub does.
pub fn listen(seed: &[u8; 32], address: SocketAddr) -> Result<(Handle, mpsc::Receiver<Event>), EndpointError> {
    let credentials = tls::Credentials::new(seed)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(credentials.server()?));
    config.transport_config(Arc::new(transport())).migration(true);
    let bind = |error| EndpointError::Bind { address, error };
    let socket = std::net::UdpSocket::bind(address).map_err(bind)?;
    let endpoint =
        Endpoint::new(resettable(seed), Some(config), socket, Arc::new(quinn::TokioRuntime)).map_err(bind)?;
    let (handle, events) = start(endpoint, credentials, address);
    tokio::spawn(accept(handle.clone()));
    Ok((handle, events))
}

/// Connects to others, as a device does.
pub fn client(seed: &[u8; 32], bind: SocketAddr) -> Result<(Handle, mpsc::Receiver<Event>), EndpointError> {
    let credentials = tls::Credentials::new(seed)?;
    let endpoint = Endpoint::client(bind).map_err(|error| EndpointError::Bind { address: bind, error })?;
    Ok(start(endpoint, credentials, bind))
}

fn start(endpoint: Endpoint, credentials: tls::Credentials, asked: SocketAddr) -> (Handle, mpsc::Receiver<Event>) {
    let (events, receiver) = mpsc::channel(EVENTS_MAX);
    let local = endpoint.local_addr().unwrap_or(asked);
    let links = Arc::new(AtomicU64::new(1));
    (Handle { endpoint, credentials: Arc::new(credentials), events, links, local }, receiver)
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Connects to `address` (host and port), where one of `expect` must answer. Ends in one `Up`, or one `Failed`.
    pub fn connect(&self, address: String, expect: Vec<DeviceKey>) {
        let handle = self.clone();
        tokio::spawn(async move {
            if let Err(reason) = handle.try_connect(&address, expect).await {
                handle.tell(Event::Failed { address, reason }).await;
            }
        });
    }

    /// Takes another local port: when the device's address changed, connections go on from the new one.
    pub fn rebind(&self) -> std::io::Result<()> {
        let any = SocketAddr::new(self.local.ip(), 0);
        self.endpoint.rebind(std::net::UdpSocket::bind(any)?)
    }

    /// Closes all links and the endpoint; returns when the other sides were told.
    pub async fn shut_down(&self) {
        self.endpoint.close(VarInt::from_u32(0), b"shutting down");
        // A peer that is gone doesn't answer; it needs no farewell either.
        let _ = timeout(Duration::from_secs(2), self.endpoint.wait_idle()).await;
    }

    async fn try_connect(&self, address: &str, expect: Vec<DeviceKey>) -> Result<(), String> {
        let resolved = timeout(HANDSHAKE, lookup_host(address)).await.map_err(|_| "its name isn't resolved in time")?;
        let resolved: Vec<SocketAddr> =
            resolved.map_err(|error| format!("its name isn't resolved: {error}"))?.collect();
        let fits = |remote: &&SocketAddr| remote.is_ipv4() == self.local.is_ipv4();
        let remote = *resolved.iter().find(fits).or(resolved.first()).ok_or("its name has no address")?;
        let crypto = self.credentials.client(expect).map_err(|error| error.to_string())?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport()));
        let connecting = self.endpoint.connect_with(config, remote, tls::NAME).map_err(|error| error.to_string())?;
        let connection = timeout(HANDSHAKE, connecting).await.map_err(|_| "it doesn't answer")?;
        let connection = connection.map_err(|error| plain(&error))?;
        let stream = connection.open_bi().await.map_err(|error| plain(&error))?;
        self.run_link(connection, stream, true).await.map_err(str::to_owned)
    }

    async fn take(&self, incoming: Incoming) {
        let Ok(connecting) = incoming.accept() else { return };
        let Ok(Ok(connection)) = timeout(HANDSHAKE, connecting).await else { return };
        match timeout(FIRST_STREAM, connection.accept_bi()).await {
            Ok(Ok(stream)) => {
                // A certificate without a device key was refused by the handshake already.
                let _ = self.run_link(connection, stream, false).await;
            }
            _ => connection.close(VarInt::from_u32(1), b"no stream was opened"),
        }
    }

    async fn run_link(
        &self,
        connection: Connection,
        stream: (quinn::SendStream, quinn::RecvStream),
        initiator: bool,
    ) -> Result<(), &'static str> {
        let device = proved_key(&connection).ok_or("it proved no device key")?;
        let link = self.links.fetch_add(1, Ordering::Relaxed);
        link::run(link, device, initiator, connection, stream, self.events.clone()).await;
        Ok(())
    }

    async fn tell(&self, event: Event) {
        // Whoever listened has stopped.
        let _ = self.events.send(event).await;
    }
}

async fn accept(handle: Handle) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Some(incoming) = handle.endpoint.accept().await {
        let Ok(place) = connections.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        if handshakes.available_permits() == 0 && !incoming.remote_address_validated() {
            // It can only fail for an address that was validated already.
            let _ = incoming.retry();
            continue;
        }
        let handshake = handshakes.clone().try_acquire_owned().ok();
        let handle = handle.clone();
        tokio::spawn(async move {
            let _place = place;
            let _handshake = handshake;
            handle.take(incoming).await;
        });
    }
}

/// A hub that was killed and started again knows nothing of its old connections, but that it must have had them: what belongs
/// to one it answers with a reset (RFC 9000, section 10.3), so that its gateways come back at once and not when their
/// connections have timed out. For that, ids and tokens follow from the device key.
fn resettable(seed: &[u8; 32]) -> EndpointConfig {
    let [a, b, c, d, e, f, g, h, ..] = derive(seed, "quic connection ids");
    let ids = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let tokens = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &derive(seed, "quic stateless resets"));
    let mut config = EndpointConfig::new(Arc::new(tokens));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
    config
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok())
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(2 * STREAM_WINDOW_BYTES))
        .send_window(u64::from(STREAM_WINDOW_BYTES))
        .datagram_receive_buffer_size(None);
    transport
}

fn proved_key(connection: &Connection) -> Option<DeviceKey> {
    let identity = connection.peer_identity()?.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok()?;
    device_key(identity.first()?).ok()
}

fn plain(error: &quinn::ConnectionError) -> String {
    match error {
        quinn::ConnectionError::TimedOut => "it doesn't answer".into(),
        quinn::ConnectionError::Reset => "it was started anew".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: [u8; 32] = [1; 32];

    /// A hub in a runtime of its own, which can be taken away as `kill -9` does.
    fn hub(address: SocketAddr) -> (tokio::runtime::Runtime, SocketAddr) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (handle, mut events) = runtime.block_on(async { listen(&HUB, address) }).unwrap();
        // Its links stay up for as long as it holds on to their senders.
        runtime.spawn(async move {
            let mut up = Vec::new();
            while let Some(event) = events.recv().await {
                up.push(event);
            }
        });
        (runtime, handle.local_addr())
    }

    async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
        events.recv().await.unwrap()
    }

    /// Gateways of a hub that had been killed waited a quarter of a minute for it, though it was back within a second.
    #[test]
    fn a_hub_that_was_killed_and_is_back_says_that_the_old_links_are_gone() {
        let (first, address) = hub(([127, 0, 0, 1], 0).into());
        let device = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        device.block_on(async {
            let (handle, mut events) = client(&[2; 32], ([127, 0, 0, 1], 0).into()).unwrap();
            let hub_key = proved(&HUB);
            handle.connect(address.to_string(), vec![hub_key]);
            let Event::Up { frames, .. } = next(&mut events).await else { panic!("no link") };
            frames.send(vec![1; 100]).await.unwrap();
            assert!(matches!(next(&mut events).await, Event::Drained { .. }));
            first.shutdown_background();
            let (second, again) = tokio::task::spawn_blocking(move || hub_at_last(address)).await.unwrap();
            assert_eq!(again, address);
            frames.send(vec![1; 100]).await.unwrap();
            let reason = loop {
                if let Event::Down { reason, .. } = next(&mut events).await {
                    break reason;
                }
            };
            assert_eq!(reason, "lost: it was started anew");
            tokio::task::spawn_blocking(move || second.shutdown_background()).await.unwrap();
        });
    }

    fn proved(seed: &[u8; 32]) -> DeviceKey {
        crdt::entry::DeviceKey::from_seed(*seed).id().0
    }

    /// The killed one's socket goes when its tasks have gone.
    fn hub_at_last(address: SocketAddr) -> (tokio::runtime::Runtime, SocketAddr) {
        loop {
            if std::net::UdpSocket::bind(address).is_ok() {
                return hub(address);
            }
            std::thread::yield_now();
        }
    }
}
