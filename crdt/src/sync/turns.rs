//! Whose turn it is to copy a capture's images.
//!
//! Where nobody has a way out, whoever meets a capture copies its images at once: nobody knows who will come by a gateway first. Where a
//! gateway is linked, a capture is at the hub within seconds, and every further copy was moved for nothing. So there the gateway and
//! [`COPIES`] others copy at once, and all others wait for a while: most often a hub has the capture by then.

use std::collections::BTreeSet;

use super::engine::Engine;
use super::session::{LinkClass, Session};
use super::timers::Timer;
use crate::ids::{CaptureId, DeviceId};
use crate::store::Store;
use crate::view::Origin;

/// How many devices copy at once beside the one that captured and the gateways: if one of them is lost there is another.
const COPIES: usize = 2;
/// How long a device waits that needn't copy yet, in ms: what a gateway takes to fetch a capture and to get it accepted. It may have no
/// link to whoever holds the capture, and then this is what that costs.
const WAIT_MS: u64 = 10_000;
/// How much longer it waits if the gateway has the capture, in ms: behind others, over a thin link.
const LONGER_MS: u64 = 50_000;

/// For what a device waits before it copies a capture's images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// For a gateway to have had time to fetch them.
    First,
    /// For a gateway that has them to have had time to hand them on.
    Last,
}

impl<S: Store> Engine<S> {
    /// This device lacks a capture's images: it copies them as soon as it can, or waits.
    pub(super) fn take_turn(&mut self, now_ms: u64, capture: CaptureId, origin: &Origin) {
        let gateways = self.linked_gateways(now_ms);
        if !gateways.is_empty() && !self.is_among_first(capture, origin, &gateways) {
            self.swarm.set_wait(capture, Wait::First);
            self.timers.set(Timer::Turn(capture), now_ms + WAIT_MS);
        }
    }

    /// The gateways beside this device; none if it is one itself, and waits for nobody.
    fn linked_gateways(&self, now_ms: u64) -> BTreeSet<DeviceId> {
        if self.gateway {
            return BTreeSet::new();
        }
        let is_gateway = |device: &DeviceId| self.knowledge.device(device).is_some_and(|it| it.is_gateway(now_ms));
        self.neighbours().filter(is_gateway).collect()
    }

    fn neighbours(&self) -> impl Iterator<Item = DeviceId> {
        let on_lan = |session: &&Session| session.is_open() && session.class == LinkClass::Lan;
        self.sessions.values().filter(on_lan).map(|session| session.device)
    }

    /// Each capture has its own order of devices, and those that are linked to each other find the same.
    fn is_among_first(&self, capture: CaptureId, origin: &Origin, gateways: &BTreeSet<DeviceId>) -> bool {
        let place =
            |device: &DeviceId| *blake3::Hasher::new().update(&capture.0).update(&device.0).finalize().as_bytes();
        let own = place(&self.replica.identity().device());
        let others: BTreeSet<DeviceId> =
            self.neighbours().filter(|device| *device != origin.device && !gateways.contains(device)).collect();
        others.iter().filter(|device| place(device) < own).count() < COPIES
    }

    /// The time that a device waited is over.
    pub(super) fn turn_is_due(&mut self, now_ms: u64, capture: CaptureId) {
        let holds = |device: &DeviceId| self.knowledge.device(device).is_some_and(|it| it.holds(&capture));
        let is_with_gateway = self.linked_gateways(now_ms).iter().any(holds);
        if is_with_gateway && self.swarm.wait(&capture) == Some(Wait::First) {
            self.swarm.set_wait(capture, Wait::Last);
            return self.timers.set(Timer::Turn(capture), now_ms + LONGER_MS);
        }
        self.swarm.end_wait(&capture);
        self.ask_everybody(now_ms);
    }

    /// A gateway may have gone, or this device has become one: what waited for gateways waits no more if there is none.
    pub(super) fn look_at_turns(&mut self, now_ms: u64) {
        if !self.swarm.waits() || !self.linked_gateways(now_ms).is_empty() {
            return;
        }
        for capture in self.swarm.end_waits() {
            self.timers.clear(Timer::Turn(capture));
        }
        self.ask_everybody(now_ms);
    }

    fn ask_everybody(&mut self, now_ms: u64) {
        let links: Vec<_> = self.sessions.keys().copied().collect();
        links.into_iter().for_each(|link| self.ask_for_blobs(now_ms, link));
    }
}
