//! Which link belongs to which site: the knock in its first frame says so, without naming the site.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crdt::ids::{DeviceId, SiteId};
use crdt::sync::frame::{Frame, knock_tag};
use crdt::sync::{LinkClass, LinkId};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};

use super::Site;
use crate::driver::Driver;
use crate::quic::Event;

/// How long a link may say nothing before it is dropped.
const FIRST_FRAME: Duration = Duration::from_secs(10);

/// What a hub's status says of its links.
#[derive(Default)]
pub(super) struct Remotes(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Where the other ends are, by site and link.
    addresses: BTreeMap<(usize, LinkId), SocketAddr>,
    strangers: u64,
}

impl Remotes {
    pub(super) fn of(&self, site: usize, link: LinkId) -> Option<SocketAddr> {
        self.with(|seen| seen.addresses.get(&(site, link)).copied())
    }

    /// Connections that never said what a member says.
    pub(super) fn strangers(&self) -> u64 {
        self.with(|seen| seen.strangers)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        // Whole at every moment, whoever panicked while holding it.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where a link of the endpoint leads.
enum Place {
    /// Nowhere yet: nothing was said.
    Waiting { device: DeviceId, initiator: bool, remote: SocketAddr, frames: mpsc::Sender<Vec<u8>>, since: Instant },
    /// To a site's engine.
    Bound { device: DeviceId, site: usize, link: LinkId },
}

/// See the module.
pub(super) struct Router {
    own: DeviceId,
    sites: Vec<(SiteId, Driver)>,
    places: BTreeMap<u64, Place>,
    remotes: Arc<Remotes>,
}

impl Router {
    pub(super) async fn new(own: DeviceId, sites: &[Site], remotes: Arc<Remotes>) -> Self {
        let mut known = Vec::new();
        for site in sites {
            // One that has stopped already gets no links.
            if let Ok(id) = site.driver.call(|engine, _| engine.replica().site()).await {
                known.push((id, site.driver.clone()));
            }
        }
        Self { own, sites: known, places: BTreeMap::new(), remotes }
    }

    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut look = interval(FIRST_FRAME / 2);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.event(event).await,
                    None => return,
                },
                _ = look.tick() => self.drop_the_silent(),
            }
        }
    }

    async fn event(&mut self, event: Event) {
        match event {
            Event::Up { link, device, initiator, remote, frames } => {
                let (device, since) = (DeviceId(device), Instant::now());
                self.places.insert(link, Place::Waiting { device, initiator, remote, frames, since });
            }
            Event::Frame { link, bytes } => self.frame(link, bytes).await,
            Event::Drained { link } => {
                if let Some(Place::Bound { site, link, .. }) = self.places.get(&link) {
                    self.sites[*site].1.drained(*link).await;
                }
            }
            Event::Overlong { link } => {
                if let Some(Place::Bound { site, link, .. }) = self.places.get(&link) {
                    self.sites[*site].1.overlong(*link).await;
                }
            }
            Event::Down { link, .. } => self.down(link).await,
            Event::Failed { .. } => {}
        }
    }

    async fn frame(&mut self, outer: u64, bytes: Vec<u8>) {
        if let Some(Place::Bound { site, link, .. }) = self.places.get(&outer) {
            return self.sites[*site].1.frame(*link, bytes).await;
        }
        // Dropping the sender of frames closes the link: a stranger learns nothing.
        let Some(Place::Waiting { device, initiator, remote, frames, .. }) = self.places.remove(&outer) else { return };
        let Some(site) = self.site_of(device, &bytes) else {
            self.remotes.with(|seen| seen.strangers += 1);
            return;
        };
        self.take_over(site, device).await;
        let driver = &self.sites[site].1;
        let link = driver.link_up(device, initiator, LinkClass::Uplink, frames, Box::new(|_| ())).await;
        self.remotes.with(|seen| seen.addresses.insert((site, link), remote));
        self.places.insert(outer, Place::Bound { device, site, link });
        driver.frame(link, bytes).await;
    }

    /// A gateway has one link: who comes again has lost the one before, and what was asked over that would be waited for in
    /// vain until it has timed out.
    async fn take_over(&mut self, site: usize, device: DeviceId) {
        let same =
            |place: &Place| matches!(place, Place::Bound { device: d, site: s, .. } if (*d, *s) == (device, site));
        let old: Vec<u64> = self.places.iter().filter(|(_, place)| same(place)).map(|(outer, _)| *outer).collect();
        for outer in old {
            self.down(outer).await;
        }
    }

    async fn down(&mut self, outer: u64) {
        if let Some(Place::Bound { site, link, .. }) = self.places.remove(&outer) {
            self.remotes.with(|seen| seen.addresses.remove(&(site, link)));
            self.sites[site].1.link_down(link).await;
        }
    }

    /// The site that a knock is meant for.
    fn site_of(&self, from: DeviceId, bytes: &[u8]) -> Option<usize> {
        let Ok(Frame::Knock { tag, .. }) = Frame::decode(bytes) else { return None };
        self.sites.iter().position(|(site, _)| knock_tag(*site, from, self.own) == *tag)
    }

    fn drop_the_silent(&mut self) {
        let before = self.places.len();
        self.places.retain(|_, place| !matches!(place, Place::Waiting { since, .. } if since.elapsed() > FIRST_FRAME));
        let silent = before - self.places.len();
        self.remotes.with(|seen| seen.strangers += silent as u64);
    }
}
