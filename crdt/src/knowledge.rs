//! What this replica knows of what others hold: a bounded matrix clock.
//!
//! Each device's durable frontier, and which captures it holds with all images, travel through third parties too. That
//! makes "copied on three devices" true and cheap. Nothing here is ever trusted for more than that sentence.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{CaptureId, DeviceId, LogId};
use crate::view::EntryRef;

/// Most devices that are remembered; the longest unheard-of is forgotten first.
pub const DEVICES_MAX: usize = 256;
/// Most logs remembered per device.
pub const HEIGHTS_MAX: usize = 1_024;
/// Most captures remembered as held whole, per device: the captures of many operations, 1.6 MB.
pub const HOLDS_MAX: usize = 100_000;
/// How long a device counts as a gateway after it said so, in ms. It says so again every [`GATEWAY_REPEAT_MS`].
pub const GATEWAY_MS_MAX: u64 = 90_000;
/// How often a gateway repeats that it is one, in ms.
pub const GATEWAY_REPEAT_MS: u64 = 30_000;

/// One fact about a device, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// It has a log durably up to here.
    Has(EntryRef),
    /// It holds a capture with all its images.
    Holds(CaptureId),
    /// It had a working uplink at this time, in ms of its own clock; 0 when it has none.
    Gateway(u64),
}

/// What is known of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// When anything new was last heard of it, in ms of this device's clock.
    pub heard_ms: u64,
    /// When it last said that it had an uplink: its own clock, and ours at that moment. 0 for no uplink.
    gateway_ms: (u64, u64),
    heights: BTreeMap<LogId, u64>,
    holds: BTreeSet<CaptureId>,
}

impl Known {
    /// The same, without what it holds.
    #[must_use]
    pub fn holding_nothing(self) -> Self {
        Self { holds: BTreeSet::new(), ..self }
    }

    /// Whether it has this entry.
    #[must_use]
    pub fn has(&self, entry: EntryRef) -> bool {
        self.heights.get(&entry.log).is_some_and(|height| *height >= entry.seq)
    }

    /// Whether it holds a capture with all images.
    #[must_use]
    pub fn holds(&self, capture: &CaptureId) -> bool {
        self.holds.contains(capture)
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
    Has(LogId),
    Holds(CaptureId),
    Gateway,
}

impl Knowledge {
    /// Learns a fact about `device` from `teller`, who needn't be told again. Returns whether it was new.
    pub fn learn(&mut self, now_ms: u64, teller: DeviceId, device: DeviceId, fact: &Fact) -> bool {
        if !self.devices.contains_key(&device) {
            self.make_room();
        }
        let known = self.devices.entry(device).or_default();
        let key = match fact {
            Fact::Has(entry) => {
                let full = known.heights.len() >= HEIGHTS_MAX && !known.heights.contains_key(&entry.log);
                let height = if full { return false } else { known.heights.entry(entry.log).or_default() };
                if *height >= entry.seq {
                    return false;
                }
                *height = entry.seq;
                FactKey::Has(entry.log)
            }
            Fact::Holds(capture) => {
                if known.holds.len() >= HOLDS_MAX || !known.holds.insert(*capture) {
                    return false;
                }
                FactKey::Holds(*capture)
            }
            Fact::Gateway(at_ms) => {
                let stopped = *at_ms == 0 && known.gateway_ms.0 != 0;
                if !stopped && *at_ms <= known.gateway_ms.0 {
                    return false;
                }
                known.gateway_ms = (*at_ms, now_ms);
                FactKey::Gateway
            }
        };
        known.heard_ms = now_ms;
        self.note(device, key, teller);
        true
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
    /// said itself, and what is about itself.
    #[must_use]
    pub fn since(&self, version: u64, limit: usize, peer: Option<DeviceId>) -> (Vec<(DeviceId, Fact)>, u64) {
        let mut reached = version;
        let mut facts = Vec::new();
        for (at, (device, key, teller)) in self.journal.range(version + 1..) {
            if facts.len() == limit {
                return (facts, reached);
            }
            reached = *at;
            if [*teller, *device].map(Some).contains(&peer) {
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
        let mut keys: Vec<FactKey> = known.heights.keys().map(|log| FactKey::Has(*log)).collect();
        keys.extend(known.holds.iter().map(|capture| FactKey::Holds(*capture)));
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
        self.dirty.insert(device);
    }

    fn fact(&self, device: &DeviceId, key: FactKey) -> Option<Fact> {
        let known = self.devices.get(device)?;
        Some(match key {
            FactKey::Has(log) => Fact::Has(EntryRef { log, seq: *known.heights.get(&log)? }),
            FactKey::Holds(capture) => Fact::Holds(*known.holds.get(&capture)?),
            FactKey::Gateway => Fact::Gateway(known.gateway_ms.0),
        })
    }

    fn make_room(&mut self) {
        if self.devices.len() < DEVICES_MAX {
            return;
        }
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
    const LOG: LogId = LogId([7; 16]);

    fn has(seq: u64) -> Fact {
        Fact::Has(EntryRef { log: LOG, seq })
    }

    #[test]
    fn heights_only_grow_and_news_is_told_once() {
        let mut knowledge = Knowledge::default();
        assert!(knowledge.learn(1, B, A, &has(5)));
        assert!(!knowledge.learn(2, B, A, &has(4)));
        assert!(knowledge.device(&A).unwrap().has(EntryRef { log: LOG, seq: 5 }));
        assert!(!knowledge.device(&A).unwrap().has(EntryRef { log: LOG, seq: 6 }));
        let (facts, version) = knowledge.since(0, 10, Some(C));
        assert_eq!(facts, [(A, has(5))]);
        assert_eq!(knowledge.since(version, 10, Some(C)).0, []);
        assert_eq!(knowledge.since(0, 10, Some(B)).0, [], "who said it needn't hear it");
        knowledge.learn(3, B, A, &has(9));
        assert_eq!(knowledge.since(version, 10, Some(C)).0, [(A, has(9))]);
    }

    #[test]
    fn the_journal_is_read_in_pieces() {
        let mut knowledge = Knowledge::default();
        for n in 0..10 {
            knowledge.learn(1, B, A, &Fact::Holds(CaptureId([n; 16])));
        }
        let (first, version) = knowledge.since(0, 6, Some(C));
        let (second, _) = knowledge.since(version, 6, Some(C));
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
    fn the_longest_unheard_of_device_makes_room() {
        let mut knowledge = Knowledge::default();
        let id = |n: usize| DeviceId(*blake3::hash(&n.to_be_bytes()).as_bytes());
        for n in 0..=DEVICES_MAX {
            knowledge.learn(n as u64, B, id(n), &has(1));
        }
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
        assert_eq!(knowledge.since(0, 10, Some(C)).0, []);
    }
}
