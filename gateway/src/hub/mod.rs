//! A hub: one replica per site, reached over QUIC; what becomes whole is accepted, screened and answered.
//!
//! ```text
//!  links ──► router ──► driver of site 1 ◄──► desk: intake, screening, verdicts ──► screener
//!               └─────► driver of site 2 ◄──► desk                              ──►
//! ```

mod desk;
mod router;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crdt::ids::{DeviceId, SiteId};
use crdt::replica::{Identity, Membership};
use crdt::vault::VaultKey;
use thiserror::Error;
use tokio::task::JoinHandle;

pub use status::{Culprit, HubStatus, LinkStatus, SiteStatus};

use crate::driver::{Driver, DriverError, now_ms};
use crate::quic;
use crate::screen::Screener;
use crate::trail::{Place, Trail};
use desk::{Counts, Desk};
use router::{Remotes, Router};

/// One site of a hub.
pub struct SiteConfig {
    /// Where its entries and blobs are kept.
    pub store_dir: PathBuf,
    /// What they are encrypted under there.
    pub store_key: VaultKey,
    /// Where it is kept what was compared.
    pub trail: Place,
    /// Who the hub is there.
    pub identity: Identity,
    /// What it was enrolled with.
    pub membership: Membership,
}

/// How a hub runs.
pub struct HubConfig {
    /// Where gateways reach it, over UDP.
    pub listen: SocketAddr,
    /// The sites that it serves, at least one.
    pub sites: Vec<SiteConfig>,
    /// What it asks.
    pub screener: Arc<dyn Screener>,
    /// Captures screened at a time, per site.
    pub workers: usize,
}

/// Why a hub doesn't start.
#[derive(Debug, Error)]
pub enum HubError {
    /// It belongs nowhere.
    #[error("this hub belongs to no site")]
    NoSite,
    /// One process speaks with one key.
    #[error("the sites were joined with different device keys; run one hub per key")]
    SeveralKeys,
    /// A site's store.
    #[error("site {site}: {error}")]
    Driver {
        /// Its name.
        site: String,
        /// What is wrong.
        error: DriverError,
    },
    /// The endpoint.
    #[error(transparent)]
    Endpoint(#[from] quic::EndpointError),
}

impl HubError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoSite => "enrol it first: `greenline device request` begins that",
            Self::SeveralKeys => "use one folder per key, with --home",
            Self::Driver { .. } => {
                "check that the disk is sound and has room, and that nothing else runs on this folder"
            }
            Self::Endpoint(_) => "choose another address with --listen",
        }
    }
}

/// A site as the hub runs it.
struct Site {
    id: SiteId,
    name: String,
    driver: Driver,
    trail: Trail,
    counts: Arc<Counts>,
}

/// A hub that runs.
pub struct Hub {
    device: DeviceId,
    started_ms: u64,
    handle: quic::Handle,
    sites: Arc<[Site]>,
    remotes: Arc<Remotes>,
    screener: Arc<dyn Screener>,
    tasks: Vec<JoinHandle<()>>,
}

impl Hub {
    /// Starts a hub. Returns once it listens.
    pub async fn start(config: HubConfig) -> Result<Self, HubError> {
        let identity = &config.sites.first().ok_or(HubError::NoSite)?.identity;
        let (device, seed) = (identity.device(), *identity.key.seed());
        if config.sites.iter().any(|site| site.identity.device() != device) {
            return Err(HubError::SeveralKeys);
        }
        let (mut sites, mut tasks) = (Vec::new(), Vec::new());
        for site in config.sites {
            sites.push(open(site)?);
        }
        for site in &sites {
            let (driver, trail) = (site.driver.clone(), site.trail.clone());
            let desk = Desk::new(driver, trail, config.screener.clone(), config.workers, site.counts.clone());
            tasks.push(tokio::spawn(desk.run()));
        }
        let sites: Arc<[Site]> = sites.into();
        let (handle, events) = quic::listen(&seed, config.listen)?;
        let remotes = Arc::new(Remotes::default());
        let router = Router::new(device, &sites, remotes.clone()).await;
        tasks.push(tokio::spawn(router.run(events)));
        let screener = config.screener;
        Ok(Self { device, started_ms: now_ms(), handle, sites, remotes, screener, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn listening(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    /// The engine and the trail of a site; of the only one, if none is named.
    #[must_use]
    pub fn audit(&self, site: Option<SiteId>) -> Option<(Driver, Trail)> {
        let found = match site {
            Some(id) => self.sites.iter().find(|site| site.id == id),
            None => self.sites.first().filter(|_| self.sites.len() == 1),
        };
        found.map(|site| (site.driver.clone(), site.trail.clone()))
    }

    /// The same of all sites.
    pub fn audits(&self) -> impl Iterator<Item = (Driver, Trail)> {
        self.sites.iter().map(|site| (site.driver.clone(), site.trail.clone()))
    }

    /// Completes if the engine of a site stops by itself, which it does only after a fault.
    pub async fn stopped(&self) {
        let sites = self.sites.iter().map(|site| Box::pin(site.driver.stopped()));
        let mut sites: Vec<_> = sites.collect();
        std::future::poll_fn(|context| {
            let over = sites.iter_mut().any(|site| site.as_mut().poll(context).is_ready());
            if over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    /// Stops in good order: gateways are told, everything accepted is on disk when this returns.
    pub async fn shut_down(&self) {
        self.handle.shut_down().await;
        self.tasks.iter().for_each(JoinHandle::abort);
        for site in self.sites.iter() {
            site.trail.stop();
            site.driver.shut_down().await;
        }
    }
}

fn open(site: SiteConfig) -> Result<Site, HubError> {
    let (id, name) = (site.membership.manifest.site(), site.membership.manifest.name.clone());
    let driver = Driver::start(&site.store_dir, &site.store_key, site.identity, site.membership);
    match driver {
        Ok(driver) => Ok(Site { id, name, driver, trail: Trail::start(site.trail), counts: Arc::default() }),
        Err(error) => Err(HubError::Driver { site: name, error }),
    }
}
