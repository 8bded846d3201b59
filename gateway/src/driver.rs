//! The thin shell around a sync engine: one thread owns it, everything else sends it inputs.
//!
//! Devices and hubs run the same driver. It carries frames between an [`Engine`] and whatever transports register links,
//! bridges the committer thread's word of what is durable, keeps the engine's timers, and runs closures on it for local
//! callers. It decides nothing.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crdt::ids::DeviceId;
use crdt::replica::{Identity, Membership, Replica};
use crdt::store::redb::RedbStore;
use crdt::store::{Store, StoreError, Ticket};
use crdt::sync::{CloseReason, Event, Input, LinkClass, LinkId, Output};
use crdt::vault::VaultKey;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// The engine that devices and hubs run.
pub type Engine = crdt::sync::Engine<RedbStore>;

/// Inputs that wait for the engine; beyond it, transports wait, and so do the peers behind them.
const COMMANDS_MAX: usize = 256;
/// News that a slow reader may fall behind before it has to look at the whole state again.
const EVENTS_MAX: usize = 4_096;
/// Inputs taken in before frames go out again: keeps batches large under load and answers prompt otherwise.
const BURST: usize = 32;

/// Why a driver doesn't answer.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DriverError {
    /// It was stopped, or its thread has died.
    #[error("the device is shutting down")]
    Stopped,
    /// The store can't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a transport closes one of its links; called at most once.
pub type Closer = Box<dyn FnOnce(&CloseReason) + Send>;

type Call = Box<dyn FnOnce(&mut Engine, u64) + Send>;

enum Command {
    LinkUp {
        link: LinkId,
        device: DeviceId,
        initiator: bool,
        class: LinkClass,
        frames: mpsc::Sender<Vec<u8>>,
        close: Closer,
    },
    Frame {
        link: LinkId,
        bytes: Vec<u8>,
    },
    Drained,
    Overlong {
        link: LinkId,
    },
    LinkDown {
        link: LinkId,
    },
    Gateway(bool),
    Call(Call),
    Stop,
}

/// A handle to a running engine. Cloning it is cheap; the engine stops when the last one is dropped.
#[derive(Clone)]
pub struct Driver {
    commands: mpsc::Sender<Command>,
    events: broadcast::Sender<Event>,
    durable: watch::Receiver<Ticket>,
    links: Arc<AtomicU64>,
    failure: watch::Receiver<Option<StoreError>>,
}

/// Milliseconds since 1970, by this machine's clock.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds by a clock that nobody sets, for waits: this machine's at the start of the process, and what has gone by since.
#[must_use]
pub fn steady_ms() -> u64 {
    static BEGAN: LazyLock<(u64, std::time::Instant)> = LazyLock::new(|| (now_ms(), std::time::Instant::now()));
    let gone_ms = u64::try_from(BEGAN.1.elapsed().as_millis()).unwrap_or(u64::MAX);
    BEGAN.0.saturating_add(gone_ms)
}

impl Driver {
    /// Opens the store in `dir`, which is encrypted under `key`, and starts an engine on it. The membership may be unfinished business of the caller: the
    /// certificate needn't be valid at this moment.
    pub fn start(
        dir: &std::path::Path,
        key: &VaultKey,
        identity: Identity,
        membership: Membership,
    ) -> Result<Self, DriverError> {
        let (durable_tx, durable) = watch::channel(Ticket::default());
        let store = RedbStore::open(
            dir,
            key,
            Box::new(move |ticket| {
                durable_tx.send_replace(ticket);
            }),
        )?;
        let now_ms = now_ms();
        let mut engine = Engine::new(now_ms, Replica::open(store, identity, membership)?)?;
        // Without a valid certificate a device says nothing; it still takes in what others say.
        if let Err(error) = engine.introduce(now_ms) {
            tracing::warn!(%error, "this device can't introduce itself");
        }
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let (failure_tx, failure) = watch::channel(None);
        let worker = Worker {
            engine,
            inbox,
            durable: durable.clone(),
            events: events.clone(),
            failure: failure_tx,
            links: BTreeMap::new(),
            wake_at: None,
            stopping: false,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| StoreError::Io(error.to_string()))?;
        std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || runtime.block_on(worker.run()))
            .map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(Self { commands, events, durable, links: Arc::new(AtomicU64::new(1)), failure })
    }

    /// Runs a closure on the engine, with the time in ms. It must be quick: everything else waits for it.
    pub async fn call<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine, u64) -> R + Send + 'static,
    ) -> Result<R, DriverError> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |engine, now_ms| {
            // A caller that went away doesn't want the answer.
            let _ = answer.send(work(engine, now_ms));
        });
        self.commands.send(Command::Call(call)).await.map_err(|_| DriverError::Stopped)?;
        answered.await.map_err(|_| DriverError::Stopped)
    }

    /// Waits until everything up to `ticket` is on disk.
    pub async fn durable(&self, ticket: Ticket) -> Result<(), DriverError> {
        let (mut durable, mut failure) = (self.durable.clone(), self.failure.clone());
        tokio::select! {
            reached = durable.wait_for(|reached| *reached >= ticket) => reached.map(|_| ()).map_err(|_| DriverError::Stopped),
            failed = failure.wait_for(Option::is_some) => {
                let error = failed.map_err(|_| DriverError::Stopped)?.clone();
                Err(error.map_or(DriverError::Stopped, DriverError::Store))
            }
        }
    }

    /// News from now on. A reader that falls too far behind is told how much it missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Registers a transport's link: `frames` takes what is to be sent (a small bounded channel), `close` closes it.
    pub async fn link_up(
        &self,
        device: DeviceId,
        initiator: bool,
        class: LinkClass,
        frames: mpsc::Sender<Vec<u8>>,
        close: Closer,
    ) -> LinkId {
        let link = self.links.fetch_add(1, Ordering::Relaxed);
        self.send(Command::LinkUp { link, device, initiator, class, frames, close }).await;
        link
    }

    /// Hands in a frame that came. Waits while the engine is busy: that is what slows a fast peer down.
    pub async fn frame(&self, link: LinkId, bytes: Vec<u8>) {
        self.send(Command::Frame { link, bytes }).await;
    }

    /// Says that a link has sent a frame and has room again.
    pub async fn drained(&self, _link: LinkId) {
        self.send(Command::Drained).await;
    }

    /// Says that a peer began a frame longer than any may be.
    pub async fn overlong(&self, link: LinkId) {
        self.send(Command::Overlong { link }).await;
    }

    /// Says that a link is gone.
    pub async fn link_down(&self, link: LinkId) {
        self.send(Command::LinkDown { link }).await;
    }

    /// Says whether this device has a working uplink.
    pub async fn gateway(&self, on: bool) {
        self.send(Command::Gateway(on)).await;
    }

    /// Stops the engine: everything that was applied is on disk when this returns.
    pub async fn shut_down(&self) {
        self.send(Command::Stop).await;
        self.commands.closed().await;
    }

    /// Completes when the engine has stopped.
    pub fn stopped(&self) -> impl Future<Output = ()> + use<> {
        let commands = self.commands.clone();
        async move { commands.closed().await }
    }

    async fn send(&self, command: Command) {
        // After a stop there is nobody to tell.
        let _ = self.commands.send(command).await;
    }
}

struct Link {
    frames: mpsc::Sender<Vec<u8>>,
    close: Option<Closer>,
    /// The engine may have a frame for it that didn't fit.
    waiting: bool,
}

/// The thread that owns the engine.
struct Worker {
    engine: Engine,
    inbox: mpsc::Receiver<Command>,
    durable: watch::Receiver<Ticket>,
    events: broadcast::Sender<Event>,
    failure: watch::Sender<Option<StoreError>>,
    links: BTreeMap<LinkId, Link>,
    wake_at: Option<u64>,
    stopping: bool,
}

impl Worker {
    async fn run(mut self) {
        while !self.stopping {
            self.drain();
            let wake = self.wake();
            tokio::select! {
                command = self.inbox.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.burst(command),
                },
                changed = self.durable.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.note_durable();
                }
                () = wake => self.engine.handle(now_ms(), Input::Tick),
            }
        }
        if let Err(error) = self.engine.store_mut().flush() {
            tracing::error!(%error, "the store couldn't be flushed at the end");
        }
    }

    fn burst(&mut self, first: Command) {
        self.take(first);
        for _ in 0..BURST {
            let Ok(command) = self.inbox.try_recv() else { break };
            if matches!(command, Command::Stop) {
                self.stopping = true;
                break;
            }
            self.take(command);
        }
    }

    fn take(&mut self, command: Command) {
        let now_ms = now_ms();
        match command {
            Command::LinkUp { link, device, initiator, class, frames, close } => {
                self.links.insert(link, Link { frames, close: Some(close), waiting: false });
                self.engine.handle(now_ms, Input::LinkUp { link, device, initiator, class });
            }
            Command::Frame { link, bytes } => self.engine.handle(now_ms, Input::Frame { link, bytes }),
            Command::Drained | Command::Stop => {}
            Command::Overlong { link } => self.engine.handle(now_ms, Input::Overlong { link }),
            Command::LinkDown { link } => {
                self.links.remove(&link);
                self.engine.handle(now_ms, Input::LinkDown { link });
            }
            Command::Gateway(on) => self.engine.handle(now_ms, Input::Gateway(on)),
            Command::Call(call) => call(&mut self.engine, now_ms),
        }
    }

    fn note_durable(&mut self) {
        let ticket = *self.durable.borrow_and_update();
        self.engine.handle(now_ms(), Input::Durable(ticket));
        self.note_failure();
    }

    fn note_failure(&mut self) {
        if let Some(error) = self.engine.replica().store().failure() {
            self.failure.send_if_modified(|known| known.replace(error).is_none());
        }
    }

    /// Everything that the engine has to say, until it has nothing more.
    fn drain(&mut self) {
        loop {
            let mut idle = true;
            while let Some(output) = self.engine.poll() {
                idle = false;
                self.carry_out(output);
            }
            for link in self.engine.take_ready() {
                if let Some(link) = self.links.get_mut(&link) {
                    link.waiting = true;
                }
            }
            idle &= !self.transmit();
            if idle {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Close { link, reason } => {
                if let Some(mut link) = self.links.remove(&link)
                    && let Some(close) = link.close.take()
                {
                    close(&reason);
                }
            }
            Output::Event(event) => {
                if matches!(event, Event::StoreFailed(_)) {
                    self.note_failure();
                }
                // Nobody may be listening.
                let _ = self.events.send(event);
            }
            Output::WakeAt(at_ms) => self.wake_at = Some(at_ms),
        }
    }

    /// Fills the links that have room. Returns whether anything went out.
    fn transmit(&mut self) -> bool {
        let mut sent = false;
        for (id, link) in self.links.iter_mut().filter(|(_, link)| link.waiting) {
            while let Ok(permit) = link.frames.try_reserve() {
                let Some(frame) = self.engine.transmit(*id) else {
                    link.waiting = false;
                    break;
                };
                permit.send(frame);
                sent = true;
            }
        }
        sent
    }

    fn wake(&self) -> impl Future<Output = ()> + use<> {
        let wait = self.wake_at.map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms()).max(1)));
        async move {
            match wait {
                Some(wait) => sleep_until(Instant::now() + wait).await,
                None => std::future::pending().await,
            }
        }
    }
}
