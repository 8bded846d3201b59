//! Builds the swarm: QUIC, limits, mDNS, one stream a connection.

use std::{io, time::Duration};

use libp2p::{
    PeerId, Swarm, Transport,
    connection_limits::{self, ConnectionLimits},
    core::muxing::StreamMuxerBox,
    identity::Keypair,
    mdns, quic,
    swarm::{self, NetworkBehaviour, behaviour::toggle::Toggle},
};
use tokio::sync::mpsc;

use crate::{
    address,
    config::{CONNECTIONS_MAX, CONNECTIONS_PER_DEVICE_MAX, Config, PENDING_INCOMING_MAX, PENDING_OUTGOING_MAX},
    executor::Watched,
    streams,
};

/// Bytes that the other end may have under way on a stream: 1 MiB carries 14 Mbit/s at 600 ms round trip, and the default of
/// 10 MB times 32 connections is too much for a tablet.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// The same for a connection, with room for a stream that is being refused.
const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// Streams that the other end may have open: it needs one, and the negotiation of a few more costs little.
const STREAMS_MAX: u32 = 4;
/// How often mDNS asks. With the default of 300 s two halves of a site that merge meet after 290 s, with 10 s after one.
const MDNS_QUERY_INTERVAL: Duration = Duration::from_secs(10);

/// All that the swarm does.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    // First, so that nothing else sees a connection that is refused.
    limits: connection_limits::Behaviour,
    streams: streams::Behaviour,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
}

/// A swarm that listens nowhere yet, and where the panics of its tasks arrive.
///
/// # Errors
/// When mDNS is on and the system doesn't let us watch its interfaces.
pub(crate) fn build(config: &Config) -> io::Result<(Swarm<Behaviour>, mpsc::Receiver<String>)> {
    let keypair = address::keypair(config.seed);
    let peer = keypair.public().to_peer_id();
    let transport = quic::tokio::Transport::new(quic_config(config, &keypair))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed();
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits()),
        streams: streams::Behaviour::new(config.stream_timeout),
        mdns: mdns_behaviour(config, peer)?.into(),
    };
    let (executor, panics) = Watched::new();
    // A link's connection is closed by the network task; this is only for what it might miss.
    let swarm_config = swarm::Config::with_executor(executor)
        .with_idle_connection_timeout(2 * config.stream_timeout)
        .with_max_negotiating_inbound_streams(STREAMS_MAX as usize);
    Ok((Swarm::new(transport, behaviour, peer, swarm_config), panics))
}

/// A fresh mDNS behaviour, if the configuration wants one.
///
/// # Errors
/// When the system doesn't let us watch its interfaces.
pub(crate) fn mdns_behaviour(config: &Config, peer: PeerId) -> io::Result<Option<mdns::tokio::Behaviour>> {
    let mdns_config = mdns::Config { ttl: config.mdns_ttl, query_interval: MDNS_QUERY_INTERVAL, enable_ipv6: false };
    config.mdns.then(|| mdns::tokio::Behaviour::new(mdns_config, peer)).transpose()
}

fn quic_config(config: &Config, keypair: &Keypair) -> quic::Config {
    let mut quic = quic::Config::new(keypair);
    quic.handshake_timeout = config.handshake_timeout;
    quic.max_idle_timeout = u32::try_from(config.idle_timeout.as_millis()).unwrap_or(u32::MAX);
    quic.keep_alive_interval = config.keep_alive;
    quic.max_concurrent_stream_limit = STREAMS_MAX;
    quic.max_stream_data = STREAM_WINDOW_BYTES;
    quic.max_connection_data = CONNECTION_WINDOW_BYTES;
    quic
}

fn limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_DEVICE_MAX))
        .with_max_pending_incoming(Some(PENDING_INCOMING_MAX))
        .with_max_pending_outgoing(Some(PENDING_OUTGOING_MAX))
}
