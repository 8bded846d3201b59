//! One running device: engine, mesh, way out and API, started and stopped together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crdt::replica::{Identity, Membership};
use crdt::vault::VaultKey;
use gateway::driver::{Driver, DriverError, now_ms};
use gateway::trail::{Place, Trail};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::api::{self, App, Server};
use crate::book::Book;
use crate::dial::UNHEARD_MS;
use crate::lan::Lan;
use crate::locker::{Locker, Locking};
use crate::shared::Shared;
use crate::way_out;

/// Addresses that may wait to be dialled on somebody's word.
const ASKED_MAX: usize = 16;
/// How long to wait for the first address to listen on; without one the device still dials others.
const LISTENING: Duration = Duration::from_secs(5);

/// How a device runs.
pub struct DeviceConfig {
    /// Who it is.
    pub identity: Identity,
    /// What it was enrolled with.
    pub membership: Membership,
    /// Where entries and blobs are kept.
    pub store_dir: PathBuf,
    /// What they are encrypted under there.
    pub store_key: VaultKey,
    /// Where it is kept who was shown what.
    pub trail: Place,
    /// Where other devices reach it, over UDP.
    pub listen: Vec<SocketAddr>,
    /// Devices to dial.
    pub peers: Vec<SocketAddr>,
    /// Hubs to forward to, as host and port.
    pub hubs: Vec<String>,
    /// Whether to look for devices by multicast.
    pub mdns: bool,
    /// Whether to dial devices met before, and remember new ones.
    pub book: bool,
    /// Where the API is served; a loopback address.
    pub api: SocketAddr,
    /// What local programs show to use the API.
    pub token: String,
    /// How it locks; `None` if nothing protects its keys, so that nothing could unlock it.
    pub locking: Option<Locking>,
}

/// Why a device doesn't start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The mesh.
    #[error("the network can't be used: {0}")]
    Mesh(#[from] mesh::StartError),
    /// The way out.
    #[error("the way out can't be used: {0}")]
    WayOut(String),
    /// The API.
    #[error("the API can't be served: {0}")]
    Api(#[from] std::io::Error),
}

impl StartError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Driver(_) => "check that the disk is sound and has room, and that nothing else runs on this folder",
            Self::Mesh(_) => "choose another address with --listen",
            Self::WayOut(_) => "check this machine's network, then start again",
            Self::Api(_) => "choose another address with --api",
        }
    }
}

/// A device that runs.
pub struct Device {
    driver: Driver,
    mesh: mesh::Handle,
    shared: Arc<Shared>,
    trail: Trail,
    server: Server,
    tasks: Vec<JoinHandle<()>>,
}

impl Device {
    /// Starts a device. Returns once its API answers and it listens.
    pub async fn start(config: DeviceConfig) -> Result<Self, StartError> {
        let (asking, asked) = mpsc::channel(ASKED_MAX);
        let site_name = config.membership.manifest.name.clone();
        let shared = Arc::new(Shared::new(now_ms(), site_name, asking));
        let (own, seed) = (config.identity.device(), *config.identity.key.seed());
        warn_of_expiry(&config.identity, &shared);
        let alias = config.identity.certificate.alias.clone();
        let driver = Driver::start(&config.store_dir, &config.store_key, config.identity, config.membership)?;
        let (mesh, events) = mesh::start(mesh::Config {
            listen: config.listen.clone(),
            mdns: config.mdns,
            mdns_ttl: Duration::from_millis(UNHEARD_MS),
            ..mesh::Config::new(seed)
        })?;
        let book = config.book.then_some(Book);
        let lan = Lan::new(driver.clone(), mesh.clone(), own, shared.clone(), book);
        let mut tasks = vec![tokio::spawn(lan.run(events, asked, config.peers))];
        if !config.hubs.is_empty() {
            let task = way_out::start(seed, config.hubs, driver.clone(), shared.clone()).await;
            tasks.push(task.map_err(StartError::WayOut)?);
        }
        let trail = Trail::start(config.trail);
        warn_of_trail(&trail, &shared).await;
        let locker = Locker::new(driver.clone(), trail.clone(), config.locking);
        tasks.push(tokio::spawn(locker.clone().run()));
        let app = App::new(driver.clone(), shared.clone(), locker, trail.clone(), &alias, &config.token);
        let server = Server::start(config.api, api::router(app)).await?;
        let device = Self { driver, mesh, shared, trail, server, tasks };
        if !config.listen.is_empty() && timeout(LISTENING, device.listens()).await.is_err() {
            tracing::warn!("listening nowhere yet; still trying");
        }
        Ok(device)
    }

    /// Where the API is.
    #[must_use]
    pub const fn api_addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Where other devices reach this one.
    #[must_use]
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.shared.listening()
    }

    /// The engine, for whoever runs in the same process.
    #[must_use]
    pub const fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Completes if the engine stops by itself, which it does only after a fault.
    pub async fn stopped(&self) {
        self.driver.stopped().await;
    }

    /// Stops in good order: peers are told, the store is flushed.
    pub async fn stop(self) {
        self.server.stop().await;
        self.mesh.shutdown().await;
        for task in self.tasks {
            task.abort();
            // Aborted on purpose.
            let _ = task.await;
        }
        self.trail.stop();
        self.driver.shut_down().await;
    }

    async fn listens(&self) {
        while self.shared.listening().is_empty() {
            self.shared.listening_changed().await;
        }
    }
}

async fn warn_of_trail(trail: &Trail, shared: &Shared) {
    if let Err(error) = trail.ready().await {
        shared.note(now_ms(), format!("nothing personal is shown: {error}; {}", error.hint()));
    }
}

fn warn_of_expiry(identity: &Identity, shared: &Shared) {
    let (now_ms, end_ms) = (now_ms(), identity.certificate.not_after_ms);
    let note = match identity.certificate.valid_at(now_ms) {
        Err(error) => error.to_string(),
        Ok(()) if identity.certificate.ends_soon(now_ms) => {
            format!(
                "the certificate expires in {} days; ask the supervisor for a renewal",
                (end_ms - now_ms) / 86_400_000
            )
        }
        Ok(()) => return,
    };
    tracing::warn!(note);
    shared.note(now_ms, note);
}
