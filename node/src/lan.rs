//! The site's network: what the mesh reports goes to the engine and the dialer, what those decide goes to the mesh.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crdt::ids::DeviceId;
use crdt::sync::{CloseReason, Event as SyncEvent, LinkClass, LinkId};
use gateway::driver::{Driver, now_ms, steady_ms};
use mesh::{DownReason, Event as MeshEvent, Handle};
use tokio::sync::{broadcast, mpsc};
use tokio::time::sleep;

use crate::book::Book;
use crate::dial::{Dialer, Input, Output, Source};
use crate::names::alias;
use crate::shared::Shared;

/// How often the dialer looks around although nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// Joins mesh, dialer and engine; runs until the mesh stops.
pub(crate) struct Lan {
    driver: Driver,
    mesh: Handle,
    dialer: Dialer,
    shared: Arc<Shared>,
    book: Option<Book>,
    /// The mesh's numbers of links, and the engine's.
    to_engine: BTreeMap<u64, LinkId>,
    to_mesh: BTreeMap<LinkId, u64>,
    /// Who was admitted over which of the mesh's links.
    in_touch: BTreeMap<u64, DeviceId>,
}

impl Lan {
    pub(crate) fn new(driver: Driver, mesh: Handle, own: DeviceId, shared: Arc<Shared>, book: Option<Book>) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = own.0;
        let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let dialer = Dialer::new(own.0, seed);
        Self {
            driver,
            mesh,
            dialer,
            shared,
            book,
            to_engine: BTreeMap::new(),
            to_mesh: BTreeMap::new(),
            in_touch: BTreeMap::new(),
        }
    }

    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<MeshEvent>,
        mut asked: mpsc::Receiver<SocketAddr>,
        peers: Vec<SocketAddr>,
    ) {
        let mut news = self.driver.events();
        for address in peers {
            self.found(address, None, Source::Static);
        }
        for (device, address) in self.met_before().await {
            self.found(address, Some(device.0), Source::Book);
        }
        loop {
            self.carry_out().await;
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.mesh_event(event).await,
                    None => return,
                },
                event = news.recv() => match event {
                    Ok(event) => self.sync_event(event).await,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                Some(address) = asked.recv() => self.found(address, None, Source::Static),
                () = sleep(LOOK) => self.dialer.handle(steady_ms(), Input::Tick),
            }
        }
    }

    async fn met_before(&self) -> Vec<(DeviceId, SocketAddr)> {
        match &self.book {
            Some(book) => book.read(&self.driver).await,
            None => Vec::new(),
        }
    }

    fn found(&mut self, address: SocketAddr, device: Option<[u8; 32]>, source: Source) {
        self.dialer.handle(steady_ms(), Input::Found { address, device, source });
    }

    async fn mesh_event(&mut self, event: MeshEvent) {
        let now_ms = now_ms();
        match event {
            MeshEvent::Listening { addr } => {
                tracing::debug!(%addr, "listening");
                self.shared.set_listening(addr, true);
                self.dialer.handle(steady_ms(), Input::AddressesChanged);
            }
            MeshEvent::StoppedListening { addr } => self.shared.set_listening(addr, false),
            MeshEvent::ListenFailed { addr, reason } => {
                self.shared.note(now_ms, format!("can't listen on {addr}: {reason}; trying again"));
            }
            MeshEvent::Discovered { device, addr } => self.found(addr, Some(device), Source::Mdns),
            MeshEvent::Vanished { addr, .. } => self.dialer.handle(steady_ms(), Input::Lost { address: addr }),
            MeshEvent::DialFailed { addr, reason, .. } => {
                tracing::debug!(%addr, reason, "dial failed");
                self.shared.note(now_ms, format!("nobody answers at {addr}"));
                self.dialer.handle(steady_ms(), Input::Failed { address: addr });
            }
            MeshEvent::Up { link, device, initiator, remote, frames } => {
                let mesh = self.mesh.clone();
                let close = Box::new(move |_: &CloseReason| mesh.close(link));
                let id = self.driver.link_up(DeviceId(device), initiator, LinkClass::Lan, frames, close).await;
                self.to_engine.insert(link, id);
                self.to_mesh.insert(id, link);
                self.shared.set_remote(id, Some(remote));
                self.dialer.handle(steady_ms(), Input::Up { link, device, initiator, address: remote });
            }
            MeshEvent::Frame { link, bytes } => {
                if let Some(id) = self.to_engine.get(&link) {
                    self.driver.frame(*id, bytes).await;
                }
            }
            MeshEvent::Drained { link } => {
                if let Some(id) = self.to_engine.get(&link) {
                    self.driver.drained(*id).await;
                }
            }
            MeshEvent::Down { link, reason } => {
                tracing::debug!(link, %reason, "link down");
                if let (DownReason::FrameTooLong { .. }, Some(id)) = (&reason, self.to_engine.get(&link)) {
                    self.driver.overlong(*id).await;
                }
                // Of two links to one device, which both dialled, one is given up.
                if let Some(device) = self.in_touch.remove(&link)
                    && !self.in_touch.values().any(|other| *other == device)
                {
                    let who = self.name(device).await;
                    self.shared.note(now_ms, format!("lost touch with {who}: {reason}"));
                }
                self.let_go(link).await;
                self.dialer.handle(steady_ms(), Input::Down { link });
            }
            MeshEvent::Restarted { reason } => {
                tracing::error!(reason, "the network task was started anew");
                self.shared.note(now_ms, "the network was started anew after a fault");
            }
        }
    }

    /// What people call a device, for notes that they read; logs have ids.
    async fn name(&self, device: DeviceId) -> String {
        let named = self.driver.call(move |engine, _| alias(engine, &device)).await;
        named.unwrap_or_else(|_| device.short())
    }

    async fn sync_event(&mut self, event: SyncEvent) {
        let now_ms = now_ms();
        match event {
            SyncEvent::Admitted { link, device } => {
                tracing::info!(peer = %device.short(), "in touch");
                if let Some(link) = self.to_mesh.get(&link) {
                    self.in_touch.insert(*link, device);
                    self.dialer.handle(steady_ms(), Input::Admitted { link: *link });
                }
            }
            SyncEvent::Ended { link, device, admitted, reason } => {
                let words = reason.as_ref().map_or_else(|| "out of reach".to_owned(), ToString::to_string);
                tracing::info!(peer = %device.short(), reason = words, "out of touch");
                if let (true, Some(CloseReason::Bye(_))) = (admitted, &reason) {
                    let who = self.name(device).await;
                    self.shared.note(now_ms, format!("{who}: {words}"));
                }
                if self.to_mesh.contains_key(&link)
                    && let (false, Some(reason)) = (admitted, reason)
                {
                    let who = self.name(device).await;
                    self.shared.note(now_ms, format!("{who} wasn't admitted: {reason}"));
                    self.dialer.handle(steady_ms(), Input::NotAdmitted { device: device.0, reason });
                }
            }
            SyncEvent::Stalled { device, what } => {
                let who = self.name(device).await;
                self.shared.note(now_ms, format!("{who} stopped sending {what}; others are asked"));
            }
            SyncEvent::Refused { device, reason, .. } => {
                let who = self.name(device).await;
                self.shared.note(now_ms, format!("refused from {who}: {reason}"));
            }
            SyncEvent::Revoked(device) => {
                tracing::warn!(device = %device.short(), "a device was revoked");
                let who = self.name(device).await;
                self.shared.note(now_ms, format!("{who} was revoked: what it writes from now on doesn't count"));
                let reason = CloseReason::Revoked;
                self.dialer.handle(steady_ms(), Input::NotAdmitted { device: device.0, reason });
            }
            SyncEvent::Frozen(log) => {
                tracing::warn!(log = %log.short(), "a log was cut: its author wrote two histories");
            }
            SyncEvent::StoreFailed(error) => {
                tracing::error!(%error, "the store can't be written");
                self.shared.note(now_ms, error.to_string());
            }
            SyncEvent::Changed(_) | SyncEvent::Whole(_) | SyncEvent::Erased(_) => {}
        }
    }

    /// The engine is done with a link.
    async fn let_go(&mut self, link: u64) {
        if let Some(id) = self.to_engine.remove(&link) {
            self.to_mesh.remove(&id);
            self.shared.set_remote(id, None);
            self.driver.link_down(id).await;
        }
    }

    async fn carry_out(&mut self) {
        while let Some(output) = self.dialer.poll() {
            match output {
                Output::Dial { address, device } => {
                    if self.mesh.dial(address, device).is_err() {
                        self.dialer.handle(steady_ms(), Input::Failed { address });
                    }
                }
                Output::Close { link } => {
                    self.mesh.close(link);
                    // Closing a dead link takes a while, in which nothing should be asked over it.
                    self.let_go(link).await;
                }
                Output::Remember { device, address } => {
                    if let Some(book) = &mut self.book {
                        book.remember(&self.driver, DeviceId(device), address).await;
                        self.found(address, Some(device), Source::Book);
                    }
                }
            }
        }
    }
}
