//! Others that don't play by the rules: garbage, and peers that speak libp2p but not our protocol.

use std::{net::SocketAddr, pin::Pin};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt, future::poll_fn};
use libp2p::{
    PeerId, Swarm, Transport,
    core::{
        Endpoint, StreamMuxer,
        muxing::{StreamMuxerBox, SubstreamBox},
        transport::{DialOpts, PortUse},
    },
    identity::Keypair,
    multiaddr::Protocol,
    quic,
    swarm::{self, SwarmEvent, dummy},
};
use mesh::{DownReason, Event, FRAME_BYTES_MAX};
use tokio::{net::UdpSocket, time::timeout};

use crate::kit::{Mesh, PATIENCE, config, link};

#[tokio::test(flavor = "multi_thread")]
async fn garbage_at_the_port_disturbs_nothing() {
    let mut near = Mesh::start(1).await;
    let mut far = Mesh::start(2).await;
    let (near_up, far_up) = link(&mut near, &mut far).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for n in 0..2_000_u32 {
        socket.send_to(&garbage(n), far.addr).await.unwrap();
        if n % 100 == 0 {
            near_up.frames.send(n.to_be_bytes().to_vec()).await.unwrap();
            assert_eq!(far.frame().await, (far_up.link, n.to_be_bytes().to_vec()));
            assert!(matches!(near.event().await, Event::Drained { .. }));
        }
    }
    let mut third = Mesh::start(3).await;
    third.handle.dial(far.addr, Some(far.key)).unwrap();
    assert_eq!(third.up().await.device, far.key);
}

/// Noise, half of it with the look of a QUIC long header.
fn garbage(n: u32) -> Vec<u8> {
    let mut state = n.wrapping_mul(0x9e37_79b9) | 1;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    let mut packet: Vec<u8> = (0..n % 1_400).map(|_| noise()).collect();
    if n.is_multiple_of(2) && packet.len() > 5 {
        packet[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
    }
    packet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_stream_is_closed() {
    let mut far = Mesh::start(2).await;
    let mut stranger = Stranger::connected_to(far.addr).await;
    let closed = timeout(3 * config(1).stream_timeout, stranger.closed()).await;
    assert!(closed.is_ok(), "still connected");
    // Nobody heard of it: the next event is a real link.
    let mut near = Mesh::start(1).await;
    link(&mut near, &mut far).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_does_not_speak_our_protocol_fails_the_dial() {
    let mut near = Mesh::start(1).await;
    let (mut stranger, addr) = Stranger::listening().await;
    tokio::spawn(async move { stranger.closed().await });
    near.handle.dial(addr, None).unwrap();
    let (_, _, reason) = near.dial_failed().await;
    assert!(reason.contains("doesn't speak"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_frame_over_the_limit_closes_the_link() {
    let mut far = Mesh::start(2).await;
    let Raw { mut stream, _connection } = Raw::open(far.addr).await;
    let up = far.up().await;

    let longest = u32::try_from(FRAME_BYTES_MAX).unwrap();
    stream.write_all(&longest.to_be_bytes()).await.unwrap();
    stream.write_all(&vec![5; FRAME_BYTES_MAX]).await.unwrap();
    assert_eq!(far.frame().await.1.len(), FRAME_BYTES_MAX);

    stream.write_all(&(longest + 1).to_be_bytes()).await.unwrap();
    let reason = DownReason::FrameTooLong { bytes: longest + 1 };
    assert_eq!(far.down().await, (up.link, reason));
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(ended.is_err() || rest.is_empty());
}

fn transport(keypair: &Keypair) -> libp2p::core::transport::Boxed<(PeerId, StreamMuxerBox)> {
    quic::tokio::Transport::new(quic::Config::new(keypair))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed()
}

fn multiaddr(addr: SocketAddr) -> libp2p::Multiaddr {
    libp2p::Multiaddr::from(addr.ip()).with(Protocol::Udp(addr.port())).with(Protocol::QuicV1)
}

/// A peer that knows libp2p but opens and accepts no stream, and stays connected for as long as it may.
struct Stranger(Swarm<dummy::Behaviour>);

impl Stranger {
    fn new() -> Self {
        let keypair = Keypair::generate_ed25519();
        let peer = keypair.public().to_peer_id();
        let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(PATIENCE);
        Self(Swarm::new(transport(&keypair), dummy::Behaviour, peer, config))
    }

    async fn connected_to(addr: SocketAddr) -> Self {
        let mut stranger = Self::new();
        stranger.0.dial(multiaddr(addr)).unwrap();
        loop {
            if let SwarmEvent::ConnectionEstablished { .. } = stranger.0.select_next_some().await {
                return stranger;
            }
        }
    }

    async fn listening() -> (Self, SocketAddr) {
        let mut stranger = Self::new();
        stranger.0.listen_on(multiaddr(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = stranger.0.select_next_some().await {
                let Some(Protocol::Udp(port)) = address.iter().nth(1) else { panic!("{address}") };
                return (stranger, SocketAddr::from(([127, 0, 0, 1], port)));
            }
        }
    }

    async fn closed(&mut self) {
        loop {
            if let SwarmEvent::ConnectionClosed { .. } = self.0.select_next_some().await {
                return;
            }
        }
    }
}

/// A stream of our protocol in the hands of the test, which may write anything on it.
struct Raw {
    stream: SubstreamBox,
    /// Dropping it would close the connection.
    _connection: StreamMuxerBox,
}

impl Raw {
    async fn open(addr: SocketAddr) -> Self {
        let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let dial = transport(&Keypair::generate_ed25519()).dial(multiaddr(addr), opts).unwrap();
        let (_, mut connection) = timeout(PATIENCE, dial).await.unwrap().unwrap();
        let mut stream = poll_fn(|cx| Pin::new(&mut connection).poll_outbound(cx)).await.unwrap();
        // multistream-select: both sides say its name and the protocol's, each line with its length before it.
        let hello = b"\x13/multistream/1.0.0\n\x12/greenline/sync/1\n";
        stream.write_all(hello).await.unwrap();
        let mut answer = vec![0; hello.len()];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, hello);
        Self { stream, _connection: connection }
    }
}
