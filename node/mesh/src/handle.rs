//! The way in: starts a mesh and tells it what to do.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::sync::{mpsc, watch};

use crate::{
    config::{Config, EVENTS_MAX},
    event::{DeviceKey, Event},
    network::{Dial, Network, Outside},
    registry::Registry,
    supervisor,
};

/// Dials that wait for the network task. More at once than pending connections are allowed would fail anyway.
const DIALS_QUEUED_MAX: usize = 32;

/// A mesh can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no tokio runtime.
    #[error("a mesh needs a tokio runtime: start it inside one")]
    NoRuntime,
    /// Connections would die between two keep-alives.
    #[error("keep_alive must be above zero and shorter than idle_timeout: a silent connection would not last")]
    KeepAlive,
    /// The system doesn't let mDNS watch the network interfaces.
    #[error("mDNS can't watch the network interfaces: turn mdns off or allow it: {0}")]
    Mdns(#[source] io::Error),
}

/// A dial wasn't accepted, so no event will tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Too many dials wait already.
    #[error("too many dials wait: try again when one was reported")]
    Busy,
    /// The mesh was shut down.
    #[error("the mesh was shut down")]
    Stopped,
}

/// Steers a running mesh. When the last clone is dropped, or the receiver of events, the mesh shuts down.
#[derive(Clone)]
pub struct Handle {
    dials: mpsc::Sender<Dial>,
    registry: Arc<Registry>,
    stop: Arc<watch::Sender<bool>>,
}

/// Starts a mesh on the current tokio runtime.
///
/// # Errors
/// When there is no runtime, the timeouts contradict each other, or mDNS can't work here.
pub fn start(config: Config) -> Result<(Handle, mpsc::Receiver<Event>), StartError> {
    tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
    if config.keep_alive.is_zero() || config.keep_alive >= config.idle_timeout {
        return Err(StartError::KeepAlive);
    }
    let (events, received) = mpsc::channel(EVENTS_MAX);
    let (dials, queued) = mpsc::channel(DIALS_QUEUED_MAX);
    let (stop, stopped) = watch::channel(false);
    let registry = Arc::new(Registry::default());
    let outside = Outside { config: Arc::new(config), events, registry: registry.clone(), stop: stopped };
    let network = Network::new(outside.clone()).map_err(StartError::Mdns)?;
    tokio::spawn(supervisor::run(network, outside, queued));
    Ok((Handle { dials, registry, stop: Arc::new(stop) }, received))
}

impl Handle {
    /// Dials an address, and expects `device` there if given. Ends in an `Up` with `initiator` set or in a `DialFailed`.
    ///
    /// # Errors
    /// When too many dials wait or the mesh was shut down; no event follows then.
    pub fn dial(&self, addr: SocketAddr, device: Option<DeviceKey>) -> Result<(), DialError> {
        self.dials.try_send(Dial { addr, device }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DialError::Busy,
            mpsc::error::TrySendError::Closed(_) => DialError::Stopped,
        })
    }

    /// Closes a link: the frames already queued are still written, for up to a second. Frames may still arrive before its
    /// `Down`. A link that is gone or never was is ignored.
    pub fn close(&self, link: u64) {
        self.registry.close(link);
    }

    /// Closes all links in order, tells the other devices, and stops. Done when nothing runs any more, in at most three
    /// seconds, whether or not events are read meanwhile.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        self.dials.closed().await;
    }
}
