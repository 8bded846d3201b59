//! The one place where libp2p's events become ours.

use std::{error::Error, net::SocketAddr};

use libp2p::{
    Multiaddr, PeerId, Stream,
    connection_limits::Exceeded,
    core::{ConnectedPoint, transport::ListenerId},
    mdns,
    swarm::{ConnectionId, DialError, SwarmEvent},
};

use crate::{
    address::{peer_device, socket_addr},
    event::DeviceKey,
    frame::chain,
    streams::Opened,
    swarm::BehaviourEvent,
};

/// What the network task needs to know of the swarm.
#[derive(Debug)]
pub(crate) enum Input {
    /// The device has one more address.
    Listening(SocketAddr),
    /// The device has one address less.
    StoppedListening(SocketAddr),
    /// A listener is gone, with these addresses.
    ListenerClosed(ListenerId, Vec<SocketAddr>, String),
    /// mDNS heard of these.
    Discovered(Vec<(DeviceKey, SocketAddr)>),
    /// mDNS hasn't heard of these for long.
    Expired(Vec<(DeviceKey, SocketAddr)>),
    /// A connection is established and the key at the other end proved.
    Connected { connection: ConnectionId, device: DeviceKey, remote: SocketAddr, initiator: bool },
    /// A connection is gone.
    Disconnected { connection: ConnectionId, reason: String },
    /// A dial failed before there was a connection.
    DialFailed { connection: ConnectionId, reason: String },
    /// A connection's stream was opened, or can't be.
    Opened { connection: ConnectionId, stream: Result<Stream, String> },
}

/// Translates an event; none if it changes nothing for us.
pub(crate) fn translate(event: SwarmEvent<BehaviourEvent>) -> Option<Input> {
    match event {
        SwarmEvent::Behaviour(BehaviourEvent::Streams(Opened { connection, stream })) => {
            Some(Input::Opened { connection, stream })
        }
        SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Discovered(found))) => {
            Some(Input::Discovered(devices(&found)))
        }
        SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Expired(gone))) => Some(Input::Expired(devices(&gone))),
        SwarmEvent::Behaviour(BehaviourEvent::Limits(never)) => match never {},
        SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
            connected(&peer_id, connection_id, &endpoint)
        }
        SwarmEvent::ConnectionClosed { connection_id: connection, cause, .. } => {
            let reason = cause.map_or_else(|| "closed".to_owned(), |cause| chain(&cause));
            Some(Input::Disconnected { connection, reason })
        }
        SwarmEvent::OutgoingConnectionError { connection_id: connection, error, .. } => {
            Some(Input::DialFailed { connection, reason: dial_reason(&error) })
        }
        SwarmEvent::NewListenAddr { address, .. } => Some(Input::Listening(socket_addr(&address)?)),
        SwarmEvent::ExpiredListenAddr { address, .. } => Some(Input::StoppedListening(socket_addr(&address)?)),
        SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
            let addrs = addresses.iter().filter_map(socket_addr).collect();
            let reason = reason.map_or_else(|error| chain(&error), |()| "closed".to_owned());
            Some(Input::ListenerClosed(listener_id, addrs, reason))
        }
        // A stranger's failed handshake is no event for anyone: it would let him fill our logs.
        SwarmEvent::IncomingConnectionError { .. }
        | SwarmEvent::IncomingConnection { .. }
        | SwarmEvent::ListenerError { .. }
        | SwarmEvent::Dialing { .. }
        | SwarmEvent::NewExternalAddrCandidate { .. }
        | SwarmEvent::ExternalAddrConfirmed { .. }
        | SwarmEvent::ExternalAddrExpired { .. }
        | SwarmEvent::NewExternalAddrOfPeer { .. } => None,
        // The type is open; what a later version adds can't matter to what we use.
        _ => None,
    }
}

fn connected(peer: &PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) -> Option<Input> {
    let remote = match endpoint {
        ConnectedPoint::Dialer { address, .. } => address,
        ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr,
    };
    Some(Input::Connected {
        connection,
        device: peer_device(peer)?,
        remote: socket_addr(remote)?,
        initiator: endpoint.is_dialer(),
    })
}

fn devices(found: &[(PeerId, Multiaddr)]) -> Vec<(DeviceKey, SocketAddr)> {
    found.iter().filter_map(|(peer, addr)| Some((peer_device(peer)?, socket_addr(addr)?))).collect()
}

/// Why a dial failed, in our words: libp2p's own name peers and addresses in its own notation, or nothing at all.
pub(crate) fn dial_reason(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "this device itself answered there".into(),
        DialError::NoAddresses => "this device itself listens there".into(),
        DialError::WrongPeerId { .. } => "another device than expected answered there".into(),
        DialError::DialPeerConditionFalse(_) | DialError::Aborted => "the dial was given up".into(),
        DialError::Denied { cause } => match cause.downcast_ref::<Exceeded>() {
            Some(exceeded) => exceeded.to_string(),
            None => cause.source().map_or_else(|| "refused here".to_owned(), chain),
        },
        DialError::Transport(errors) => {
            errors.first().map_or_else(|| "no address answered".to_owned(), |(_, error)| chain(error))
        }
    }
}
