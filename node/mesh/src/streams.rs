//! The behaviour that opens one stream on each connection: the dialler opens it, the listener accepts it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
        StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError},
    },
};

use crate::{address, frame::chain};

/// The one protocol of a connection.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/greenline/sync/1");

/// The stream of a connection was opened, or can't be.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: ConnectionId,
    pub(crate) stream: Result<Stream, String>,
}

/// The other end's key isn't an Ed25519 key, so it is no device.
#[derive(Debug, thiserror::Error)]
#[error("the other end's key is not an Ed25519 key")]
struct NotADevice;

/// Opens or accepts one stream per connection and reports it.
pub(crate) struct Behaviour {
    timeout: Duration,
    /// At most one per connection.
    opened: VecDeque<Opened>,
}

impl Behaviour {
    /// `timeout` is for the negotiation of the stream's protocol.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, opened: VecDeque::new() }
    }

    fn handler(&self, peer: &PeerId, role: Endpoint) -> Result<Handler, ConnectionDenied> {
        address::peer_device(peer).ok_or_else(|| ConnectionDenied::new(NotADevice))?;
        Ok(Handler { timeout: self.timeout, role, asked: false, reported: false, report: None })
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Opened;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(&peer, Endpoint::Listener)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(&peer, Endpoint::Dialer)
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, connection: ConnectionId, stream: THandlerOutEvent<Self>) {
        self.opened.push_back(Opened { connection, stream });
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Opened, THandlerInEvent<Self>>> {
        // Nothing to wake for: what fills the queue is followed by a poll.
        match self.opened.pop_front() {
            Some(opened) => Poll::Ready(ToSwarm::GenerateEvent(opened)),
            None => Poll::Pending,
        }
    }
}

/// The half of the behaviour on one connection. It reports once; any further stream is dropped, which resets it.
pub(crate) struct Handler {
    timeout: Duration,
    role: Endpoint,
    /// Whether the dialler has asked for its stream.
    asked: bool,
    /// Whether a stream, or the failure to open one, was reported or is about to be.
    reported: bool,
    report: Option<Result<Stream, String>>,
}

impl Handler {
    fn report(&mut self, stream: Result<Stream, String>) {
        if !self.reported {
            self.reported = true;
            self.report = Some(stream);
        }
    }

    fn protocol(&self) -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ()).with_timeout(self.timeout)
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Result<Stream, String>;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        self.protocol()
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if let Some(stream) = self.report.take() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream));
        }
        if self.role.is_dialer() && !self.asked {
            self.asked = true;
            let protocol = self.protocol();
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(inbound) if self.role.is_listener() => {
                self.report(Ok(inbound.protocol));
            }
            ConnectionEvent::FullyNegotiatedOutbound(outbound) => self.report(Ok(outbound.protocol)),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.report(Err(refusal(error)));
            }
            // A stream that the listener opens is against the rules and is dropped; nothing else concerns us.
            _ => {}
        }
    }
}

/// Why the other end didn't take the stream.
fn refusal(error: StreamUpgradeError<Infallible>) -> String {
    match error {
        StreamUpgradeError::Timeout => "the other end didn't answer on the stream in time".into(),
        StreamUpgradeError::NegotiationFailed => format!("the other end doesn't speak {PROTOCOL}"),
        StreamUpgradeError::Io(error) => format!("the stream broke while opening: {}", chain(&error)),
        StreamUpgradeError::Apply(never) => match never {},
    }
}
