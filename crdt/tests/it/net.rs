//! A few engines and the links between them, in one thread and in virtual time.

use std::collections::BTreeMap;

use crdt::replica::{Identity, Membership, Replica};
use crdt::store::Store;
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::sync::{Engine, Event, Input, LinkClass, LinkId, Output};

/// Engines that hear each other, and links whose far end the test plays.
#[derive(Default)]
pub(crate) struct Net {
    pub(crate) engines: Vec<Engine<MemoryStore>>,
    pub(crate) events: Vec<Vec<Event>>,
    pub(crate) now_ms: u64,
    links: BTreeMap<LinkId, [usize; 2]>,
    last_link: LinkId,
    wake_ms: Vec<u64>,
}

impl Net {
    /// Adds a device with an empty store.
    pub(crate) fn add(&mut self, identity: Identity, membership: Membership) -> usize {
        self.add_with(MemoryStore::new(DiskModel::AtOnce), identity, membership)
    }

    pub(crate) fn add_with(&mut self, store: MemoryStore, identity: Identity, membership: Membership) -> usize {
        let replica = Replica::open(store, identity, membership).unwrap();
        self.engines.push(Engine::new(self.now_ms, replica).unwrap());
        self.events.push(Vec::new());
        self.wake_ms.push(u64::MAX);
        self.engines.len() - 1
    }

    /// Connects two devices.
    pub(crate) fn link(&mut self, a: usize, b: usize) -> LinkId {
        self.last_link += 1;
        let link = self.last_link;
        self.links.insert(link, [a, b]);
        for (one, other, initiator) in [(a, b, true), (b, a, false)] {
            let device = self.engines[other].replica().identity().device();
            self.engines[one].handle(self.now_ms, Input::LinkUp { link, device, initiator, class: LinkClass::Lan });
        }
        link
    }

    /// Runs until nobody has anything to say for `quiet_ms`.
    pub(crate) fn settle(&mut self, quiet_ms: u64) {
        let mut until = self.now_ms + quiet_ms;
        loop {
            if self.exchange() {
                until = self.now_ms + quiet_ms;
            }
            let next = self.wake_ms.iter().copied().min().unwrap_or(u64::MAX);
            if next > until {
                return;
            }
            self.now_ms = self.now_ms.max(next);
            for at in 0..self.engines.len() {
                if self.wake_ms[at] <= self.now_ms {
                    self.wake_ms[at] = u64::MAX;
                    self.engines[at].handle(self.now_ms, Input::Tick);
                }
            }
        }
    }

    /// Delivers all that is to be said now. Says whether there was anything.
    pub(crate) fn exchange(&mut self) -> bool {
        let mut any = false;
        loop {
            let mut moved = false;
            for at in 0..self.engines.len() {
                self.drain(at);
                for link in self.engines[at].take_ready() {
                    while let Some(bytes) = self.engines[at].transmit(link) {
                        moved = true;
                        self.deliver(at, link, bytes);
                    }
                }
                self.drain(at);
            }
            any |= moved;
            if !moved {
                return any;
            }
        }
    }

    fn deliver(&mut self, from: usize, link: LinkId, bytes: Vec<u8>) {
        let Some(ends) = self.links.get(&link) else { return };
        let to = if ends[0] == from { ends[1] } else { ends[0] };
        self.engines[to].handle(self.now_ms, Input::Frame { link, bytes });
        self.drain(to);
    }

    fn drain(&mut self, at: usize) {
        let ticket = self.engines[at].replica().store().durable();
        self.engines[at].handle(self.now_ms, Input::Durable(ticket));
        while let Some(output) = self.engines[at].poll() {
            match output {
                Output::Close { link, .. } => self.cut(link),
                Output::Event(event) => self.events[at].push(event),
                Output::WakeAt(ms) => self.wake_ms[at] = ms,
            }
        }
    }

    fn cut(&mut self, link: LinkId) {
        for end in self.links.remove(&link).unwrap_or_default() {
            self.engines[end].handle(self.now_ms, Input::LinkDown { link });
        }
    }

    /// Whether all hold the same.
    pub(crate) fn agree(&self) -> bool {
        let mut states = self.engines.iter().map(|engine| engine.replica().fingerprint().unwrap());
        let first = states.next();
        states.all(|state| Some(state) == first)
    }
}
