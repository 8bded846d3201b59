//! What a session tells beside entries and images: the own frontier, and what is known of third parties.

use std::collections::BTreeMap;

use super::engine::Engine;
use super::frame::{FACTS_MAX, FRONTIER_ITEMS_MAX, Frame, Item};
use super::session::{LinkClass, Session};
use super::timers::Timer;
use super::{CloseReason, Event, LinkId, Output};
use crate::codec::decode;
use crate::ids::{CaptureId, DeviceId};
use crate::knowledge::{Fact, GATEWAY_REPEAT_MS, Known};
use crate::replica::keys;
use crate::site::Roles;
use crate::store::{Direction, Store, StoreError, Table};

/// How long news of the own frontier is gathered before it is told, in ms.
pub(super) const FRONTIER_MS: u64 = 10;
/// How long news of third parties, and of gateways, is gathered before it is told along the push tree, in ms.
const HEARSAY_MS: u64 = 500;
/// The same beside the tree, in ms. Where all are linked to all, each would tell all others what they have heard already; what the
/// tree doesn't bring, since it is broken somewhere, comes so, before a gateway counts as none.
const BESIDE_MS: u64 = 600_000;
/// By how much the side that was dialled waits longer, in ms: then it needn't say what it has just been told.
const SECOND_MS: u64 = 1_000;
/// How long news of what this device holds is gathered, in ms: who has no link to the origin can fetch images from here only then.
const HOLDS_MS: u64 = 20;

impl<S: Store> Engine<S> {
    /// Reads back what was known of others. What is here is seen on the disk.
    pub(super) fn restore_knowledge(&mut self) -> Result<(), StoreError> {
        let own = self.replica.identity().device();
        let (from, to) = (keys::KNOWN_PREFIX.to_vec(), keys::after(keys::KNOWN_PREFIX));
        for (key, value) in self.replica.store().scan(Table::Meta, &from, &to, Direction::Up, usize::MAX)? {
            let device = key[keys::KNOWN_PREFIX.len()..].try_into().map(DeviceId);
            let (Ok(device), Ok(known)) = (device, decode::<Known>(&value, usize::MAX)) else { continue };
            self.knowledge.restore(device, if device == own { known.holding_nothing() } else { known });
        }
        Ok(())
    }

    pub(super) fn set_gateway(&mut self, now_ms: u64, on: bool) {
        self.gateway = on;
        self.say_gateway(now_ms, true);
    }

    pub(super) fn say_gateway(&mut self, now_ms: u64, at_once: bool) {
        // Repeats are on a grid, so that a restart doesn't tell the same thing under a new time.
        let at_ms = if self.gateway { now_ms - now_ms % GATEWAY_REPEAT_MS + u64::from(at_once) } else { 0 };
        let own = self.replica.identity().device();
        if self.knowledge.learn(now_ms, own, own, &Fact::Gateway(at_ms)) {
            self.spread_hearsay(now_ms, at_once);
        }
    }

    /// This device holds something new.
    pub(super) fn tell_what_is_held(&mut self, now_ms: u64) {
        for (link, session) in self.sessions.iter().filter(|(_, session)| session.is_open()) {
            // Over an uplink it is what the hub can pull from here, and a verdict waits for that.
            let gathered_ms = if session.class == LinkClass::Uplink { FRONTIER_MS } else { HOLDS_MS };
            self.timers.set(Timer::Holds(*link), now_ms + gathered_ms);
        }
    }

    /// News of third parties, or of gateways: soon to those that new entries are pushed to, who pass it on, and to all if it is `urgent`.
    fn spread_hearsay(&mut self, now_ms: u64, urgent: bool) {
        for (link, session) in self.sessions.iter().filter(|(_, it)| it.is_open() && it.class == LinkClass::Lan) {
            let second_ms = if session.initiator { 0 } else { SECOND_MS };
            let gathered_ms = if urgent || session.eager { HEARSAY_MS } else { BESIDE_MS + second_ms };
            self.timers.set(Timer::Hearsay(*link), now_ms + gathered_ms);
        }
    }

    pub(super) fn knowledge_frame(&mut self, link: LinkId) -> Option<Frame> {
        let own = self.replica.identity().device();
        let is_hub = self.replica.identity().certificate.roles.has(Roles::HUB);
        let session = self.sessions.get_mut(&link)?;
        let uplink = session.class == LinkClass::Uplink;
        // A copy of this device is told of it too: they don't hold the same.
        let peer = Some(session.device).filter(|device| *device != own);
        let mut by_device: BTreeMap<DeviceId, Vec<Fact>> = BTreeMap::new();
        while by_device.is_empty() && (session.tell_own || session.tell_hearsay) {
            let told = if session.tell_own { &mut session.told_own } else { &mut session.told_hearsay };
            let about = |device: &DeviceId, holding: bool| (*device == own && holding) == session.tell_own;
            let (facts, version) = self.knowledge.since(*told, FACTS_MAX, peer, about);
            *told = version;
            let more = version < self.knowledge.version();
            *if session.tell_own { &mut session.tell_own } else { &mut session.tell_hearsay } = more;
            for (device, fact) in facts {
                // Over an uplink only what the hub can pull from here matters.
                let useless = uplink && (is_hub || device != own || !matches!(fact, Fact::Holds(_)));
                let is_known =
                    matches!(fact, Fact::Gateway(at_ms) if session.knows_gateways.get(&device) == Some(&at_ms));
                if !useless && !is_known {
                    by_device.entry(device).or_default().push(fact);
                }
            }
        }
        (!by_device.is_empty()).then(|| Frame::Knowledge(by_device.into_iter().collect()))
    }

    pub(super) fn on_knowledge(
        &mut self,
        now_ms: u64,
        link: LinkId,
        facts: &[(DeviceId, Vec<Fact>)],
    ) -> Result<(), CloseReason> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        let (teller, own) = (session.device, self.replica.identity().device());
        for (device, fact) in facts.iter().flat_map(|(device, facts)| facts.iter().map(move |fact| (device, fact))) {
            if let Fact::Gateway(at_ms) = fact {
                session.note_gateway(*device, *at_ms);
            }
        }
        let mut news = false;
        for (device, facts) in facts {
            for fact in facts {
                news |= match fact {
                    // Nobody knows better what is here; but a copy of this device may have what isn't.
                    Fact::Holds(capture) if *device == own && teller == own => {
                        self.offer(now_ms, own, *capture);
                        false
                    }
                    _ if *device == own => false,
                    Fact::Holds(capture) => self.on_holds(now_ms, *device, *capture, teller),
                    other => self.knowledge.learn(now_ms, teller, *device, other),
                };
            }
        }
        if news {
            self.spread_hearsay(now_ms, false);
        }
        Ok(())
    }

    fn on_holds(&mut self, now_ms: u64, device: DeviceId, capture: CaptureId, teller: DeviceId) -> bool {
        // Who holds an accepted capture interests nobody any more, and an erased one nobody should.
        let settled = matches!(self.replica.capture(capture),
            Ok(Some(view)) if view.accepted().is_some() || view.erased.is_some());
        if settled {
            return false;
        }
        let fresh = self.knowledge.learn(now_ms, teller, device, &Fact::Holds(capture));
        if fresh {
            self.outputs.push_back(Output::Event(Event::Changed(capture)));
        }
        // Also if it was heard before: of two copies of one device the other may have said so.
        self.offer(now_ms, device, capture);
        fresh
    }

    /// Asks a device for the missing images of a capture that it says it holds.
    fn offer(&mut self, now_ms: u64, device: DeviceId, capture: CaptureId) {
        let Some(rank) = self.swarm.rank(&capture) else { return };
        let open = |s: &Session| s.is_open() && s.device == device;
        let links: Vec<LinkId> = self.sessions.iter().filter(|(_, s)| open(s)).map(|(link, _)| *link).collect();
        for link in links {
            if let Some(session) = self.sessions.get_mut(&link) {
                session.offers.insert(rank);
            }
            self.ask_for_blobs(now_ms, link);
        }
    }

    pub(super) fn frontier_frame(&mut self, link: LinkId) -> Option<Frame> {
        let session = self.sessions.get_mut(&link)?;
        if session.opened && session.news.is_empty() {
            return None;
        }
        let opening = !session.opened;
        session.opened = true;
        let mut items = Vec::new();
        while items.len() < FRONTIER_ITEMS_MAX {
            let Some(log) = session.news.pop_first() else { break };
            let Some(head) = self.replica.frontier().get(&log) else { continue };
            if session.told.get(&log).is_none_or(|told| *told < head.height) {
                session.told.insert(log, head.height);
                items.push(Item { log, height: head.height, prefix: head.hash.prefix().into() });
            }
        }
        session.opened = !opening || session.news.is_empty();
        (opening || !items.is_empty()).then_some(Frame::Frontier { items, opening })
    }
}
