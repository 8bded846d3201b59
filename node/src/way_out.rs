//! The way out: carries out what the uplink machine decides, and joins its links to the engine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crdt::ids::DeviceId;
use crdt::site::Roles;
use crdt::sync::{Event as SyncEvent, LinkClass, LinkId};
use gateway::driver::{Driver, now_ms, steady_ms};
use gateway::quic::{self, DeviceKey, Event, Handle};
use gateway::uplink::{Output, Uplink};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::shared::{Shared, WayOut};

/// Starts looking for one of `hubs`.
pub(crate) async fn start(
    seed: [u8; 32],
    hubs: Vec<String>,
    driver: Driver,
    shared: Arc<Shared>,
) -> Result<JoinHandle<()>, String> {
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let (handle, events) = quic::client(&seed, any).map_err(|error| error.to_string())?;
    let [a, b, c, d, e, f, g, h, ..] = seed;
    // Only spreads waiting times: nothing of the seed can be told from them that matters.
    let spread = u64::from_le_bytes([a, b, c, d, e, f, g, h]).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let uplink = Uplink::new(steady_ms(), hubs.len(), spread);
    let runner = Runner { uplink, hubs, handle, driver, shared, link: None };
    runner.publish();
    Ok(tokio::spawn(runner.run(events)))
}

struct Runner {
    uplink: Uplink,
    hubs: Vec<String>,
    handle: Handle,
    driver: Driver,
    shared: Arc<Shared>,
    /// The endpoint's number of the link, the engine's, and what keeps the link open.
    link: Option<Link>,
}

struct Link {
    outer: u64,
    inner: LinkId,
    give_up: mpsc::Sender<()>,
}

impl Runner {
    async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut news = self.driver.events();
        self.uplink.tick(steady_ms());
        loop {
            self.carry_out().await;
            let wake = self
                .uplink
                .wake_at()
                .map_or(Duration::from_secs(60), |at| Duration::from_millis(at.saturating_sub(steady_ms()).max(1)));
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.event(event).await,
                    None => return,
                },
                event = news.recv() => match event {
                    Ok(event) => self.news(event),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = sleep(wake) => {}
            }
            self.uplink.tick(steady_ms());
        }
    }

    async fn carry_out(&mut self) {
        let mut changed = false;
        while let Some(output) = self.uplink.poll() {
            changed = true;
            match output {
                Output::Connect(hub) => self.connect(hub).await,
                Output::Disconnect => {
                    if let Some(link) = &self.link {
                        // It may be closing already.
                        let _ = link.give_up.try_send(());
                    }
                }
                Output::Gateway(on) => {
                    tracing::info!(on, "gateway");
                    self.shared.set_gateway(on);
                    self.driver.gateway(on).await;
                }
            }
        }
        if changed {
            self.publish();
        }
    }

    async fn connect(&mut self, hub: usize) {
        let known = self.driver.call(|engine, now_ms| engine.replica().members(Roles::HUB, now_ms)).await;
        let expect: Vec<DeviceKey> = known.unwrap_or_default().iter().map(|hub| hub.device.0).collect();
        match self.hubs.get(hub) {
            Some(address) if !expect.is_empty() => self.handle.connect(address.clone(), expect),
            _ => self.uplink.lost(steady_ms(), "no hub of this site is known; enrol this device again"),
        }
    }

    async fn event(&mut self, event: Event) {
        match event {
            Event::Up { link, device, initiator, remote, frames } => {
                let (give_up, given_up) = mpsc::channel(1);
                let frames = closable(frames, given_up);
                let close = give_up.clone();
                let close = Box::new(move |_: &crdt::sync::CloseReason| {
                    // It may be closing already.
                    let _ = close.try_send(());
                });
                let inner = self.driver.link_up(DeviceId(device), initiator, LinkClass::Uplink, frames, close).await;
                self.shared.set_remote(inner, Some(remote));
                self.link = Some(Link { outer: link, inner, give_up });
                self.uplink.connected(steady_ms());
            }
            Event::Frame { link, bytes } => {
                if let Some(inner) = self.inner(link) {
                    self.driver.frame(inner, bytes).await;
                }
            }
            Event::Drained { link } => {
                if let Some(inner) = self.inner(link) {
                    self.driver.drained(inner).await;
                }
            }
            Event::Overlong { link } => {
                if let Some(inner) = self.inner(link) {
                    self.driver.overlong(inner).await;
                }
            }
            Event::Down { link, reason } => {
                if let Some(inner) = self.inner(link) {
                    self.link = None;
                    self.shared.set_remote(inner, None);
                    self.driver.link_down(inner).await;
                    self.uplink.lost(steady_ms(), reason);
                    self.publish();
                }
            }
            Event::Failed { address, reason } => {
                tracing::debug!(address, reason, "the hub isn't reached");
                self.uplink.lost(steady_ms(), reason);
                self.publish();
            }
        }
    }

    fn news(&mut self, event: SyncEvent) {
        let own = self.link.as_ref().map(|link| link.inner);
        match event {
            SyncEvent::Admitted { link, .. } if Some(link) == own => self.uplink.admitted(steady_ms()),
            SyncEvent::Ended { link, reason: Some(reason), .. } if Some(link) == own => {
                self.shared.note(now_ms(), format!("the hub: {reason}"));
            }
            _ => {}
        }
    }

    fn inner(&self, outer: u64) -> Option<LinkId> {
        self.link.as_ref().filter(|link| link.outer == outer).map(|link| link.inner)
    }

    fn publish(&self) {
        let (state, since_ms) = self.uplink.state();
        self.shared.set_way_out(WayOut { state: state.word().into(), since_ms, detail: self.uplink.detail() });
    }
}

/// A sender of frames that closes the link when told to: the transport closes when its sender is dropped.
fn closable(frames: mpsc::Sender<Vec<u8>>, mut given_up: mpsc::Receiver<()>) -> mpsc::Sender<Vec<u8>> {
    let (sender, mut queue) = mpsc::channel::<Vec<u8>>(1);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                frame = queue.recv() => match frame {
                    Some(frame) => if frames.send(frame).await.is_err() { return },
                    None => return,
                },
                _ = given_up.recv() => return,
            }
        }
    });
    sender
}
