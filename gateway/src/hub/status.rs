//! How a hub is: numbers for its operator, nothing about anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use crdt::ids::DeviceId;
use crdt::store::Store;
use crdt::sync::{Faults, Traffic};
use serde::Serialize;

use super::router::Remotes;
use super::{Hub, Site};
use crate::driver::{DriverError, Engine, now_ms};

/// A hub as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct HubStatus {
    /// Its device id.
    pub device: String,
    /// Since when it runs, in ms.
    pub started_ms: u64,
    /// Now, by its clock, in ms.
    pub now_ms: u64,
    /// Where gateways reach it.
    pub listening: String,
    /// The screener's own words.
    pub screener: String,
    /// Screenings that ended in an answer since the start.
    pub screened: u64,
    /// Screenings that failed and were put off since the start.
    pub put_off: u64,
    /// Connections that never said what a member says.
    pub strangers: u64,
    /// Its sites.
    pub sites: Vec<SiteStatus>,
}

/// One of its sites.
#[derive(Clone, Debug, Serialize)]
pub struct SiteStatus {
    /// The site's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Captures known.
    pub captures: u64,
    /// Captures of which nothing but the trail is left.
    pub erased: u64,
    /// Captures that a hub has, or had, whole.
    pub accepted: u64,
    /// Of these, how many wait for an answer.
    pub waiting: u64,
    /// Of these, how many have one.
    pub answered: u64,
    /// Captures that came and aren't sealed to this hub.
    pub sealed_to_others: u64,
    /// Captures of which images are still to come.
    pub missing_captures: usize,
    /// Bytes of these images.
    pub missing_bytes: u64,
    /// Logs cut because their author wrote two histories.
    pub frozen: usize,
    /// What members sent or wrote that didn't hold, by member.
    pub refused: Vec<Culprit>,
    /// Why the store can't be written, if it can't.
    pub failure: Option<String>,
    /// Bytes and counts since the start.
    pub traffic: Traffic,
    /// Gateways that are connected.
    pub links: Vec<LinkStatus>,
}

/// A member of which something is held against it.
#[derive(Clone, Debug, Serialize)]
pub struct Culprit {
    /// Its device id.
    pub device: String,
    /// What people call it.
    pub alias: String,
    /// How many things.
    pub count: u64,
    /// How many of what sort.
    pub faults: Faults,
    /// The same in words.
    pub words: String,
}

/// One connected gateway.
#[derive(Clone, Debug, Serialize)]
pub struct LinkStatus {
    /// Its device id.
    pub device: String,
    /// What people call it.
    pub alias: String,
    /// Its address.
    pub address: Option<String>,
    /// Whether it was admitted as a member.
    pub admitted: bool,
    /// When anything last came from it, in ms.
    pub heard_ms: u64,
}

impl Hub {
    /// How it is now.
    pub async fn status(&self) -> Result<HubStatus, DriverError> {
        let mut sites = Vec::with_capacity(self.sites.len());
        for (number, site) in self.sites.iter().enumerate() {
            sites.push(site.status(number, self.remotes.clone()).await?);
        }
        Ok(HubStatus {
            device: self.device.to_string(),
            started_ms: self.started_ms,
            now_ms: now_ms(),
            listening: self.listening().to_string(),
            screener: self.screener.describe(),
            screened: self.sum(|site| &site.counts.screened),
            put_off: self.sum(|site| &site.counts.failed),
            strangers: self.remotes.strangers(),
            sites,
        })
    }

    fn sum(&self, count: impl Fn(&Site) -> &AtomicU64) -> u64 {
        self.sites.iter().map(|site| count(site).load(Ordering::Relaxed)).sum()
    }
}

impl Site {
    async fn status(&self, number: usize, remotes: std::sync::Arc<Remotes>) -> Result<SiteStatus, DriverError> {
        let name = self.name.clone();
        let sealed_to_others = self.counts.sealed_to_others.load(Ordering::Relaxed);
        let status = self.driver.call(move |engine, _| describe(engine, name, |link| remotes.of(number, link)));
        Ok(SiteStatus { sealed_to_others, ..status.await? })
    }
}

fn describe(engine: &Engine, name: String, remote: impl Fn(u64) -> Option<std::net::SocketAddr>) -> SiteStatus {
    let replica = engine.replica();
    let (never_accepted, never_answered) = replica.erased_early();
    let accepted = replica.captures().saturating_sub(replica.open_captures().len() as u64 + never_accepted);
    let waiting = replica.unanswered().len() as u64;
    let (missing_captures, missing_bytes) = engine.missing();
    let links = engine.peers().into_iter().map(|peer| LinkStatus {
        device: peer.device.to_string(),
        alias: alias(engine, &peer.device),
        address: remote(peer.link).map(|address| address.to_string()),
        admitted: peer.admitted,
        heard_ms: peer.heard_ms,
    });
    SiteStatus {
        id: replica.site().to_string(),
        name,
        captures: replica.captures(),
        erased: replica.erased(),
        accepted,
        waiting,
        answered: accepted.saturating_sub(waiting + never_answered),
        sealed_to_others: 0,
        missing_captures,
        missing_bytes,
        frozen: replica.frozen().count(),
        refused: engine.conduct().map(|(device, faults)| culprit(engine, device, faults)).collect(),
        failure: replica.store().failure().map(|error| error.to_string()),
        traffic: engine.traffic(),
        links: links.collect(),
    }
}

fn culprit(engine: &Engine, device: &DeviceId, faults: &Faults) -> Culprit {
    Culprit {
        device: device.to_string(),
        alias: alias(engine, device),
        count: faults.total(),
        faults: faults.clone(),
        words: faults.words(),
    }
}

fn alias(engine: &Engine, device: &DeviceId) -> String {
    let certificate = engine.replica().certificate(device);
    certificate.map_or_else(|| device.short(), |certificate| certificate.alias.clone())
}
