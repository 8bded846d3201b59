//! The network task: drives the swarm, carries out what the handle asks, and makes a link of each connection with a stream.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Stream, Swarm,
    core::transport::ListenerId,
    swarm::{
        ConnectionId, FromSwarm, NetworkBehaviour,
        behaviour::NewListenAddr,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    address::{device_peer, quic_addr},
    config::{CONNECTIONS_MAX, Config},
    discovery::Discovery,
    event::{DeviceKey, Event},
    frame::chain,
    link::{self, LINGER, Link},
    registry::Registry,
    swarm::{self, Behaviour},
    translate::{Input, dial_reason, translate},
};

/// Events of the network task's own that wait for room in the channel. From here on it takes no dials and reports no
/// finds; what can still come is bounded by connections and listeners.
const OUTBOX_MAX: usize = 64;
/// How long after a listener failed it is tried again: an interface may be on its way up.
const LISTEN_RETRY: Duration = Duration::from_secs(5);
/// How long the last packets, which tell the others that we leave, may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the handle asks for.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) addr: SocketAddr,
    pub(crate) device: Option<DeviceKey>,
}

/// What outlives one run of the network task.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) config: Arc<Config>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// How a run of the network task ended, unless it panicked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The handle said so, or nobody is left to work for.
    Stopped,
    /// A task of the swarm panicked, with this text.
    TaskPanicked(String),
}

/// One run of the network task.
pub(crate) struct Network {
    outside: Outside,
    swarm: Swarm<Behaviour>,
    panics: mpsc::Receiver<String>,
    listeners: Vec<Listener>,
    /// Dials without a connection yet.
    dials: BTreeMap<ConnectionId, Dial>,
    /// Connections without a stream yet.
    waiting: BTreeMap<ConnectionId, Waiting>,
    /// Links by connection.
    links: BTreeMap<ConnectionId, u64>,
    /// The tasks of the links, each ending with its connection.
    tasks: JoinSet<ConnectionId>,
    discovery: Discovery,
    outbox: VecDeque<Event>,
}

/// One address of the configuration.
struct Listener {
    addr: SocketAddr,
    state: ListenerState,
}

enum ListenerState {
    Up(ListenerId),
    Down { retry_at: Instant },
}

/// A connection that waits for its stream.
struct Waiting {
    device: DeviceKey,
    remote: SocketAddr,
    /// Present if this side dialled.
    dial: Option<Dial>,
    deadline: Instant,
}

impl Network {
    /// Builds the swarm; nothing listens before [`Network::run`].
    ///
    /// # Errors
    /// When mDNS is on and the system doesn't let us watch its interfaces.
    pub(crate) fn new(outside: Outside) -> io::Result<Self> {
        let (swarm, panics) = swarm::build(&outside.config)?;
        let now = Instant::now();
        let listener = |&addr| Listener { addr, state: ListenerState::Down { retry_at: now } };
        Ok(Self {
            listeners: outside.config.listen.iter().map(listener).collect(),
            outside,
            swarm,
            panics,
            dials: BTreeMap::new(),
            waiting: BTreeMap::new(),
            links: BTreeMap::new(),
            tasks: JoinSet::new(),
            discovery: Discovery::new(now),
            outbox: VecDeque::new(),
        })
    }

    /// Works until stopped, or until a task of the swarm panics.
    pub(crate) async fn run(mut self, dials: &mut mpsc::Receiver<Dial>) -> Exit {
        let stop = self.outside.stop.clone();
        let events = self.outside.events.clone();
        loop {
            self.on_time(Instant::now());
            let wake = self.next_wake();
            tokio::select! {
                event = self.swarm.select_next_some() => {
                    if let Some(input) = translate(event) {
                        self.on_input(input);
                    }
                }
                Some(ended) = self.tasks.join_next() => self.on_link_ended(ended.ok()),
                Ok(permit) = events.reserve(), if !self.outbox.is_empty() => {
                    if let Some(event) = self.outbox.pop_front() {
                        permit.send(event);
                    }
                }
                dial = dials.recv(), if self.outbox.len() < OUTBOX_MAX => match dial {
                    Some(dial) => self.dial(dial),
                    None => break,
                },
                Some(panic) = self.panics.recv() => return Exit::TaskPanicked(panic),
                () = sleep_or_never(wake) => {}
                () = events.closed() => break,
                () = stopped(stop.clone()) => break,
            }
        }
        self.stop().await
    }

    /// Lets a test say that a task panicked.
    #[cfg(test)]
    pub(crate) fn with_panics(mut self, panics: mpsc::Receiver<String>) -> Self {
        self.panics = panics;
        self
    }

    // ---- dialling

    fn dial(&mut self, dial: Dial) {
        let opts = match dial.device.map(|device| device_peer(&device)) {
            Some(None) => return self.dial_failed(&dial, "that is no valid Ed25519 public key".into()),
            // A second connection to a device may be just what is wanted: its old one may be dead and not know it.
            Some(Some(peer)) => {
                DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(vec![quic_addr(dial.addr)]).build()
            }
            None => DialOpts::unknown_peer_id().address(quic_addr(dial.addr)).build(),
        };
        let connection = opts.connection_id();
        match self.swarm.dial(opts) {
            Ok(()) => {
                self.dials.insert(connection, dial);
            }
            Err(error) => self.dial_failed(&dial, dial_reason(&error)),
        }
    }

    fn dial_failed(&mut self, dial: &Dial, reason: String) {
        let Dial { addr, device } = *dial;
        self.outbox.push_back(Event::DialFailed { addr, device, reason });
    }

    // ---- what the swarm says

    fn on_input(&mut self, input: Input) {
        match input {
            Input::Listening(addr) => self.outbox.push_back(Event::Listening { addr }),
            Input::StoppedListening(addr) => self.outbox.push_back(Event::StoppedListening { addr }),
            Input::ListenerClosed(id, addrs, reason) => self.on_listener_closed(id, addrs, reason),
            Input::Discovered(found) => self.on_discovered(found),
            Input::Expired(gone) => self.on_expired(&gone),
            Input::Connected { connection, device, remote, initiator } => {
                let dial = self.dials.remove(&connection);
                let deadline = Instant::now() + self.outside.config.stream_timeout;
                debug_assert_eq!(initiator, dial.is_some());
                self.waiting.insert(connection, Waiting { device, remote, dial, deadline });
            }
            Input::Opened { connection, stream } => self.on_opened(connection, stream),
            // A live link notices by itself, through its stream.
            Input::Disconnected { connection, reason } => self.give_up(connection, reason),
            Input::DialFailed { connection, reason } => {
                if let Some(dial) = self.dials.remove(&connection) {
                    self.dial_failed(&dial, reason);
                }
            }
        }
    }

    fn on_opened(&mut self, connection: ConnectionId, stream: Result<Stream, String>) {
        match stream {
            Err(reason) => self.give_up(connection, reason),
            // More links than connections can only be links whose end nobody has read yet.
            Ok(_) if self.tasks.len() >= CONNECTIONS_MAX as usize => {
                self.give_up(connection, "too many links end without being noticed".into());
            }
            Ok(stream) => self.start_link(connection, stream),
        }
    }

    fn start_link(&mut self, connection: ConnectionId, stream: Stream) {
        let Some(Waiting { device, remote, dial, .. }) = self.waiting.remove(&connection) else {
            return;
        };
        let (number, close) = self.outside.registry.add();
        let link = Link { number, device, initiator: dial.is_some(), remote };
        let events = self.outside.events.clone();
        self.links.insert(connection, number);
        self.tasks.spawn(async move {
            link::run(link, stream, events, close).await;
            connection
        });
    }

    fn on_link_ended(&mut self, connection: Option<ConnectionId>) {
        // A link's task catches panics and is never aborted, so it always names its connection.
        let Some(connection) = connection else { return };
        if let Some(link) = self.links.remove(&connection) {
            self.outside.registry.remove(link);
        }
        self.swarm.close_connection(connection);
    }

    /// Closes a connection that has no stream, and tells if this side had dialled it.
    fn give_up(&mut self, connection: ConnectionId, reason: String) {
        let Some(waiting) = self.waiting.remove(&connection) else { return };
        self.swarm.close_connection(connection);
        if let Some(dial) = waiting.dial {
            self.dial_failed(&dial, reason);
        }
    }

    // ---- time

    fn on_time(&mut self, now: Instant) {
        let late = self.waiting.iter().filter(|(_, waiting)| waiting.deadline <= now);
        for connection in late.map(|(&connection, _)| connection).collect::<Vec<_>>() {
            self.give_up(connection, "connected, but no stream was opened in time".into());
        }
        self.listen(now);
        while self.outbox.len() < OUTBOX_MAX
            && let Some((device, addr)) = self.discovery.next(now)
        {
            self.outbox.push_back(Event::Discovered { device, addr });
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let streams = self.waiting.values().map(|waiting| waiting.deadline);
        let listeners = self.listeners.iter().filter_map(|listener| match listener.state {
            ListenerState::Down { retry_at } => Some(retry_at),
            ListenerState::Up(_) => None,
        });
        let room = self.outbox.len() < OUTBOX_MAX;
        let finds = self.discovery.wake().filter(|_| room);
        streams.chain(listeners).chain(finds).min()
    }

    // ---- listening and mDNS

    /// Starts the listeners whose time it is.
    fn listen(&mut self, now: Instant) {
        for listener in &mut self.listeners {
            let ListenerState::Down { retry_at } = listener.state else { continue };
            if retry_at > now {
                continue;
            }
            listener.state = match self.swarm.listen_on(quic_addr(listener.addr)) {
                Ok(id) => ListenerState::Up(id),
                Err(error) => {
                    let (addr, reason) = (listener.addr, chain(&error));
                    self.outbox.push_back(Event::ListenFailed { addr, reason });
                    ListenerState::Down { retry_at: now + LISTEN_RETRY }
                }
            };
        }
    }

    fn on_listener_closed(&mut self, id: ListenerId, addrs: Vec<SocketAddr>, reason: String) {
        self.outbox.extend(addrs.into_iter().map(|addr| Event::StoppedListening { addr }));
        let is_it = |listener: &&mut Listener| matches!(listener.state, ListenerState::Up(up) if up == id);
        if let Some(listener) = self.listeners.iter_mut().find(is_it) {
            listener.state = ListenerState::Down { retry_at: Instant::now() + LISTEN_RETRY };
            let addr = listener.addr;
            self.outbox.push_back(Event::ListenFailed { addr, reason });
        }
    }

    fn on_discovered(&mut self, found: Vec<(DeviceKey, SocketAddr)>) {
        let full = !found.into_iter().all(|found| self.discovery.add(found));
        if full {
            self.forget_finds();
        }
    }

    fn on_expired(&mut self, gone: &[(DeviceKey, SocketAddr)]) {
        for (device, addr) in gone {
            if self.discovery.remove(&(*device, *addr)) {
                self.outbox.push_back(Event::Vanished { device: *device, addr: *addr });
            }
        }
    }

    /// libp2p's mDNS keeps all it ever hears, for as long as a stranger says. When our own table is full, both start empty.
    fn forget_finds(&mut self) {
        tracing::warn!("mDNS names too many devices, forgetting all of them");
        self.discovery.clear();
        let peer = *self.swarm.local_peer_id();
        let Ok(fresh) = swarm::mdns_behaviour(&self.outside.config, peer) else { return };
        let listening: Vec<_> = self.swarm.listeners().cloned().collect();
        let mut fresh = fresh.into();
        for addr in &listening {
            tell_address(&mut fresh, addr);
        }
        self.swarm.behaviour_mut().mdns = fresh;
    }

    // ---- the end

    /// Closes the links in order and then the connections, so that the others needn't wait for a timeout.
    async fn stop(mut self) -> Exit {
        self.outside.registry.close_all();
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        // A link whose events nobody reads doesn't end by itself.
        let _ = timeout(2 * LINGER, all_ended).await;
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let all_closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = timeout(FAREWELL, all_closed).await;
        self.tasks.abort_all();
        Exit::Stopped
    }
}

/// Also runs when the task panics: ends the links, which would otherwise live on in the transport, but lets them tell.
impl Drop for Network {
    fn drop(&mut self) {
        for link in self.links.values() {
            self.outside.registry.remove(*link);
        }
        self.tasks.detach_all();
    }
}

fn tell_address(mdns: &mut impl NetworkBehaviour, addr: &libp2p::Multiaddr) {
    // Any number will do: mDNS keeps addresses only.
    let listener_id = ListenerId::next();
    mdns.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr { listener_id, addr }));
}

/// Also when the last handle is gone.
async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn sleep_or_never(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
