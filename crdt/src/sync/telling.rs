//! What a session tells beside entries and images: the own frontier, and what is known of third parties.

use std::collections::BTreeMap;

use super::engine::Engine;
use super::frame::{FACTS_MAX, FRONTIER_ITEMS_MAX, Frame, Item};
use super::session::{LinkClass, Session};
use super::timers::Timer;
use super::{CloseReason, Event, LinkId, Output};
use crate::codec::decode;
use crate::ids::{CaptureId, DeviceId, LogId};
use crate::knowledge::{Fact, GATEWAY_REPEAT_MS, Known};
use crate::replica::keys;
use crate::site::Roles;
use crate::store::{Direction, Store, StoreError, Table};

/// How long news of the own frontier is gathered before it is told, in ms. Longer beside the push tree, and whoever the tree has missed
/// waits for it: with 100 ms, one capture in a hundred was 170 ms late on sixteen devices.
pub(super) const FRONTIER_MS: u64 = 10;
/// How long news of third parties, and of gateways, is gathered before it is told along the push tree, in ms.
const HEARSAY_MS: u64 = 500;
/// How often it is told beside the tree, in ms, and to how many at a time. Where all are linked to all, each would tell all others what
/// they have heard already; what the tree doesn't bring, since it is broken somewhere, comes so, before a gateway counts as none.
const BESIDE_MS: u64 = 300_000;
const BESIDE_MAX: usize = 2;
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
        self.look_at_turns(now_ms);
        self.keep_house_soon(now_ms);
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

    /// This device has a log further than it said.
    pub(super) fn tell_frontier(&mut self, now_ms: u64, log: LogId) {
        for (link, session) in self.sessions.iter_mut().filter(|(_, session)| session.is_open()) {
            session.news.insert(log);
            self.timers.set(Timer::Frontier(*link), now_ms + FRONTIER_MS);
        }
    }

    /// News of third parties, or of gateways: soon to those that new entries are pushed to, who pass it on, and to all if it is `urgent`.
    fn spread_hearsay(&mut self, now_ms: u64, urgent: bool) {
        for (link, session) in self.sessions.iter().filter(|(_, it)| it.is_open() && it.class == LinkClass::Lan) {
            match urgent || session.eager {
                true => self.timers.set(Timer::Hearsay(*link), now_ms + HEARSAY_MS),
                false => self.timers.set(Timer::Beside, now_ms + BESIDE_MS),
            }
        }
    }

    /// Tells some of those beside the push tree what they may not have heard, each in its turn.
    pub(super) fn tell_beside(&mut self, now_ms: u64) {
        let version = self.knowledge.version();
        let lacks = |session: &Session| session.is_open() && !session.eager && session.told_hearsay < version;
        let lacking = self.sessions.iter().filter(|(_, it)| it.class == LinkClass::Lan && lacks(it));
        let mut lacking: Vec<(u64, LinkId)> = lacking.map(|(link, it)| (it.told_hearsay, *link)).collect();
        // Who hasn't been told for the longest time.
        lacking.sort_unstable();
        if lacking.len() > BESIDE_MAX {
            self.timers.set(Timer::Beside, now_ms + BESIDE_MS);
        }
        for (_, link) in lacking.into_iter().take(BESIDE_MAX) {
            if let Some(session) = self.sessions.get_mut(&link) {
                session.tell_hearsay = true;
                self.ready.insert(link);
            }
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
        self.look_at_turns(now_ms);
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
        if session.opened && !session.tell_frontier {
            return None;
        }
        let opening = !session.opened;
        session.opened = true;
        let mut items = Vec::new();
        while items.len() < FRONTIER_ITEMS_MAX {
            let Some(log) = session.news.pop_first() else { break };
            let Some(head) = self.replica.frontier().get(&log) else { continue };
            let item = Item { log, height: head.height, prefix: head.hash.prefix().into() };
            if session.told.get(&log).is_some_and(|told| *told >= head.height) {
                continue;
            }
            // Who has said the same itself, or has more, asks for nothing of it; and who doesn't push needn't know that it is here, too.
            if !opening && !session.eager && session.has_said(&item) {
                session.untold.insert(log);
                continue;
            }
            session.told.insert(log, head.height);
            items.push(item);
        }
        session.opened = !opening || session.news.is_empty();
        session.tell_frontier &= !session.news.is_empty();
        (opening || !items.is_empty()).then_some(Frame::Frontier { items, opening })
    }
}
