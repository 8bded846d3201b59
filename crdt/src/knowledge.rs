//! What this replica knows of what others hold.
//!
//! Which captures a device holds with all their images travels through third parties too, and whether it has an uplink. That makes
//! "copied on three devices" true and cheap. Nothing here is ever trusted for more than that sentence.
//!
//! How far others have each log doesn't travel: who holds a capture whole has its entry, and telling every height of every device to
//! everybody was half of all bytes where thirty devices share a network (measured on an operation of a week).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{CaptureId, DeviceId};

/// Most devices that are remembered. Beyond them only who speaks for itself is taken in, for the longest unheard-of; of others nothing
/// is taken in, or many devices would tell each other for ever what they have just forgotten.
pub const DEVICES_MAX: usize = 256;
/// Most captures remembered as held whole, per device: the captures of many operations, 1.6 MB.
pub const HOLDS_MAX: usize = 100_000;
/// How long a device counts as a gateway after it said so, in ms. It says so again every [`GATEWAY_REPEAT_MS`].
pub const GATEWAY_MS_MAX: u64 = 1_800_000;
/// How often a gateway repeats that it is one, in ms. Each repeat goes along the push tree to every device of the site, and to some beside it.
pub const GATEWAY_REPEAT_MS: u64 = 600_000;
/// For how long after a gateway has said that it is none somebody may still say that it was one, in ms.
const OUTDATED_MS: u64 = 3_600_000;
/// How exactly it is kept when a device was heard of, in ms: it is on disk, too.
const HEARD_MS: u64 = 60_000;

/// One fact about a device, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// It holds a capture with all its images.
    Holds(CaptureId),
    /// It had a working uplink at this time, in ms of its own clock; 0 when it has none.
    Gateway(u64),
}

/// What is known of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// When anything new was last heard of it, in ms of this device's clock, to the minute.
    pub heard_ms: u64,
    /// When it last said that it had an uplink: its own clock, and ours at that moment. 0 for no uplink, and then when it had last
    /// said so by its own.
    gateway_ms: (u64, u64),
    holds: BTreeSet<CaptureId>,
}

impl Known {
    /// The same, without what it holds.
    #[must_use]
    pub fn holding_nothing(self) -> Self {
        Self { holds: BTreeSet::new(), ..self }
    }

    /// Whether it holds a capture with all images.
    #[must_use]
    pub fn holds(&self, capture: &CaptureId) -> bool {
        self.holds.contains(capture)
    }

    /// It had an uplink by its own clock then, or has none. Says whether that is news.
    fn learn_gateway(&mut self, now_ms: u64, at_ms: u64) -> bool {
        let (said_ms, other_ms) = self.gateway_ms;
        let news = match (said_ms, at_ms) {
            (0, 0) => false,
            // Who hasn't heard yet that it has none still says that it had one. What is much older its clock was set back to.
            (0, _) => at_ms > other_ms || other_ms - at_ms > OUTDATED_MS,
            (_, 0) => true,
            _ => at_ms > said_ms,
        };
        if news {
            self.gateway_ms = (at_ms, if at_ms == 0 { said_ms } else { now_ms });
        }
        news
    }

    /// Whether it counts as a gateway now.
    #[must_use]
    pub fn is_gateway(&self, now_ms: u64) -> bool {
        self.gateway_ms.0 > 0 && now_ms < self.gateway_ms.1.saturating_add(GATEWAY_MS_MAX)
    }
}

/// The matrix: device by device, with a journal of changes that sessions read from where they left off.
#[derive(Debug, Default)]
pub struct Knowledge {
    devices: BTreeMap<DeviceId, Known>,
    journal: BTreeMap<u64, (DeviceId, FactKey, DeviceId)>,
    places: BTreeMap<(DeviceId, FactKey), u64>,
    version: u64,
    dirty: BTreeSet<DeviceId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FactKey {
    Holds(CaptureId),
    Gateway,
}

impl Knowledge {
    /// Learns a fact about `device` from `teller`, who needn't be told again. Returns whether it was new.
    pub fn learn(&mut self, now_ms: u64, teller: DeviceId, device: DeviceId, fact: &Fact) -> bool {
        let Some(known) = self.known(teller, device) else { return false };
        let key = match fact {
            Fact::Holds(capture) => {
                if known.holds.len() >= HOLDS_MAX || !known.holds.insert(*capture) {
                    return false;
                }
                FactKey::Holds(*capture)
            }
            Fact::Gateway(at_ms) => {
                if !known.learn_gateway(now_ms, *at_ms) {
                    return false;
                }
                FactKey::Gateway
            }
        };
        self.note(device, key, teller);
        self.hear(now_ms, teller, device);
        true
    }

    /// Notes that something new was heard of a device, by whomever.
    pub fn hear(&mut self, now_ms: u64, teller: DeviceId, device: DeviceId) {
        let Some(known) = self.known(teller, device) else { return };
        if known.heard_ms == 0 || now_ms.abs_diff(known.heard_ms) >= HEARD_MS {
            known.heard_ms = now_ms;
            self.dirty.insert(device);
        }
    }

    /// A device, if it is remembered or may be.
    fn known(&mut self, teller: DeviceId, device: DeviceId) -> Option<&mut Known> {
        if !self.devices.contains_key(&device) {
            if self.devices.len() >= DEVICES_MAX {
                if teller != device {
                    return None;
                }
                self.make_room();
            }
            self.devices.insert(device, Known::default());
        }
        self.devices.get_mut(&device)
    }

    /// Forgets who holds a capture: a hub has it now, so nobody needs to ask any more.
    pub fn settle(&mut self, capture: CaptureId) {
        let devices: Vec<DeviceId> = self.devices.keys().copied().collect();
        devices.into_iter().for_each(|device| self.let_go(device, capture));
    }

    /// Forgets that a device holds a capture. When it says so again, that is news.
    pub fn let_go(&mut self, device: DeviceId, capture: CaptureId) {
        let held = self.devices.get_mut(&device).is_some_and(|known| known.holds.remove(&capture));
        if held {
            self.dirty.insert(device);
            if let Some(place) = self.places.remove(&(device, FactKey::Holds(capture))) {
                self.journal.remove(&place);
            }
        }
    }

    /// The facts that changed after `version`, at most `limit`, and the version that they lead to. Leaves out what `peer`
    /// said itself and what is about itself, and all that isn't asked `about`: of a device, that it holds something, or else.
    #[must_use]
    pub fn since(
        &self,
        version: u64,
        limit: usize,
        peer: Option<DeviceId>,
        about: impl Fn(&DeviceId, bool) -> bool,
    ) -> (Vec<(DeviceId, Fact)>, u64) {
        let mut reached = version;
        let mut facts = Vec::new();
        for (at, (device, key, teller)) in self.journal.range(version + 1..) {
            if facts.len() == limit {
                return (facts, reached);
            }
            reached = *at;
            if [*teller, *device].map(Some).contains(&peer) || !about(device, *key != FactKey::Gateway) {
                continue;
            }
            facts.extend(self.fact(device, *key).map(|fact| (*device, fact)));
        }
        (facts, self.version)
    }

    /// The newest version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// All devices, in order of id.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceId, &Known)> {
        self.devices.iter()
    }

    /// What is known of one device.
    #[must_use]
    pub fn device(&self, device: &DeviceId) -> Option<&Known> {
        self.devices.get(device)
    }

    /// The devices that changed since the last call, to be saved.
    pub fn take_dirty(&mut self) -> Vec<(DeviceId, Known)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().filter_map(|id| self.devices.get(&id).map(|known| (id, known.clone()))).collect()
    }

    /// Puts back what was saved.
    pub fn restore(&mut self, device: DeviceId, known: Known) {
        let keys: Vec<FactKey> = known.holds.iter().map(|capture| FactKey::Holds(*capture)).collect();
        // A gateway of before the restart must say so again.
        self.devices.insert(device, Known { gateway_ms: (0, 0), ..known });
        keys.into_iter().for_each(|key| self.note(device, key, device));
        self.dirty.remove(&device);
    }

    fn note(&mut self, device: DeviceId, key: FactKey, teller: DeviceId) {
        self.version += 1;
        if let Some(old) = self.places.insert((device, key), self.version) {
            self.journal.remove(&old);
        }
        self.journal.insert(self.version, (device, key, teller));
        // Who was a gateway before a restart must say so again.
        if key != FactKey::Gateway {
            self.dirty.insert(device);
        }
    }

    fn fact(&self, device: &DeviceId, key: FactKey) -> Option<Fact> {
        let known = self.devices.get(device)?;
        Some(match key {
            FactKey::Holds(capture) => Fact::Holds(*known.holds.get(&capture)?),
            FactKey::Gateway => Fact::Gateway(known.gateway_ms.0),
        })
    }

    fn make_room(&mut self) {
        let oldest = self.devices.iter().min_by_key(|(id, known)| (known.heard_ms, **id)).map(|(id, _)| *id);
        if let Some(oldest) = oldest {
            self.devices.remove(&oldest);
            self.journal.retain(|_, (device, _, _)| *device != oldest);
            self.places.retain(|(device, _), _| *device != oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DeviceId = DeviceId([1; 32]);
    const B: DeviceId = DeviceId([2; 32]);
    const C: DeviceId = DeviceId([3; 32]);

    fn all(_: &DeviceId, _: bool) -> bool {
        true
    }

    fn holds(number: u8) -> Fact {
        Fact::Holds(CaptureId([number; 16]))
    }

    /// Whoever had heard that a gateway was none any more took it for one again, once somebody came by who hadn't.
    #[test]
    fn who_is_no_gateway_any_more_is_not_one_again_by_an_old_word() {
        let mut knowledge = Knowledge::default();
        let is_one = |knowledge: &Knowledge| knowledge.device(&A).is_some_and(|known| known.is_gateway(9));
        assert!(knowledge.learn(1, A, A, &Fact::Gateway(10_000_000)) && is_one(&knowledge));
        assert!(knowledge.learn(2, A, A, &Fact::Gateway(0)) && !is_one(&knowledge));
        for old in [10_000_000, 9_999_999, 10_000_000 - OUTDATED_MS] {
            assert!(!knowledge.learn(3, B, A, &Fact::Gateway(old)) && !is_one(&knowledge), "{old}");
        }
        assert!(!knowledge.learn(3, B, A, &Fact::Gateway(0)), "told once");
        assert!(knowledge.learn(4, B, A, &Fact::Gateway(10_000_001)) && is_one(&knowledge), "it is one again");
        assert!(knowledge.learn(5, A, A, &Fact::Gateway(0)));
        let set_back = 10_000_001 - OUTDATED_MS - 1;
        assert!(knowledge.learn(6, A, A, &Fact::Gateway(set_back)) && is_one(&knowledge), "its clock was set back");
    }

    #[test]
    fn news_is_told_once() {
        let mut knowledge = Knowledge::default();
        assert!(knowledge.learn(1, B, A, &holds(5)));
        assert!(!knowledge.learn(2, B, A, &holds(5)));
        assert!(knowledge.learn(2, B, A, &Fact::Gateway(7)));
        assert!(!knowledge.learn(2, B, A, &Fact::Gateway(6)), "an older word than the one that is known");
        let (facts, version) = knowledge.since(0, 10, Some(C), all);
        assert_eq!(facts, [(A, holds(5)), (A, Fact::Gateway(7))]);
        assert_eq!(knowledge.since(version, 10, Some(C), all).0, []);
        assert_eq!(knowledge.since(0, 10, Some(B), all).0, [], "who said it needn't hear it");
        knowledge.learn(3, B, A, &Fact::Gateway(9));
        assert_eq!(knowledge.since(version, 10, Some(C), all).0, [(A, Fact::Gateway(9))]);
    }

    #[test]
    fn the_journal_is_read_in_pieces() {
        let mut knowledge = Knowledge::default();
        for n in 0..10 {
            knowledge.learn(1, B, A, &Fact::Holds(CaptureId([n; 16])));
        }
        let (first, version) = knowledge.since(0, 6, Some(C), all);
        let (second, _) = knowledge.since(version, 6, Some(C), all);
        assert_eq!((first.len(), second.len()), (6, 4));
    }

    #[test]
    fn a_gateway_that_falls_silent_stops_being_one() {
        let mut knowledge = Knowledge::default();
        knowledge.learn(1_000, B, A, &Fact::Gateway(77));
        let gateway = |k: &Knowledge, ms| k.device(&A).unwrap().is_gateway(ms);
        assert!(gateway(&knowledge, 1_000 + GATEWAY_MS_MAX - 1));
        assert!(!gateway(&knowledge, 1_000 + GATEWAY_MS_MAX));
        knowledge.learn(2_000, B, A, &Fact::Gateway(0));
        assert!(!gateway(&knowledge, 2_001));
    }

    #[test]
    fn the_longest_unheard_of_device_makes_room_for_who_speaks_for_itself() {
        let mut knowledge = Knowledge::default();
        let id = |n: usize| DeviceId(*blake3::hash(&n.to_be_bytes()).as_bytes());
        for n in 0..DEVICES_MAX {
            assert!(knowledge.learn(n as u64 + 1, B, id(n), &holds(1)));
        }
        assert!(!knowledge.learn(9_999, B, id(DEVICES_MAX), &holds(1)), "hearsay");
        assert!(knowledge.device(&id(0)).is_some());
        assert!(knowledge.learn(9_999, id(DEVICES_MAX), id(DEVICES_MAX), &holds(1)));
        assert_eq!(knowledge.devices().count(), DEVICES_MAX);
        assert!(knowledge.device(&id(0)).is_none());
        assert!(knowledge.device(&id(1)).is_some());
    }

    #[test]
    fn a_settled_capture_is_forgotten_everywhere() {
        let mut knowledge = Knowledge::default();
        knowledge.learn(1, B, A, &Fact::Holds(CaptureId([1; 16])));
        knowledge.settle(CaptureId([1; 16]));
        assert!(!knowledge.device(&A).unwrap().holds(&CaptureId([1; 16])));
        assert_eq!(knowledge.since(0, 10, Some(C), all).0, []);
    }
}
