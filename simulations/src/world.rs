//! Devices, links and a heap of events.

use std::collections::{BTreeMap, BTreeSet};

use crdt::entry::About;
use crdt::ids::CaptureId;
use crdt::record::{EditOp, Record};
use crdt::replica::{AppendError, Identity, Membership, Replica, Written};
use crdt::seal::{Seed, derive};
use crdt::statement::{CaptureDraft, Image, Shows, Statement, VerdictContent, VerdictValue};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::store::{Store, Ticket};
use crdt::sync::frame::FRAME_BYTES_MAX;
use crdt::sync::{Engine, Event, Input, LinkClass, LinkId, Output};
use crdt::view::CaptureView;

use crate::site::{Member, Site};

/// How long a frame takes over a link, in ms, unless a link says otherwise.
pub const LINK_LATENCY_MS: u64 = 2;
/// How long a disk takes to make a batch durable, in ms: one fsync of a small solid-state disk.
const SYNC_MS: u64 = 4;
/// Frames on the way over one link and direction; more wait in the engine, as behind a real transport's window.
const IN_FLIGHT_MAX: usize = 4;
/// The virtual time at which worlds begin, in ms: 2026-01-01.
const BEGIN_MS: u64 = 1_767_225_600_000;
/// Events after which [`World::settle`] gives up: a world that never falls silent is a bug.
const SETTLE_EVENTS_MAX: u64 = 5_000_000;

/// One device of a world.
pub struct Device {
    identity: Identity,
    membership: Membership,
    member: Member,
    engine: Option<Engine<MemoryStore>>,
    told_durable: Ticket,
    sync_due: bool,
    /// Everything that the engine reported, in order.
    pub events: Vec<Event>,
    /// Frames that came while it was off: see [`World::take_heard`].
    heard: Vec<(LinkId, Vec<u8>)>,
}

struct Link {
    ends: [usize; 2],
    latency_ms: u64,
    in_flight: [usize; 2],
}

#[derive(Debug)]
enum Happening {
    Frame { link: LinkId, to: usize, bytes: Vec<u8> },
    Synced { device: usize },
    Wake { device: usize },
}

/// A simulated site.
pub struct World {
    seed: Seed,
    draws: u64,
    /// Virtual time, in ms.
    pub now_ms: u64,
    /// The site, for enrolling more.
    pub site: Site,
    devices: Vec<Device>,
    links: BTreeMap<LinkId, Link>,
    next_link: LinkId,
    heap: BTreeMap<(u64, u64), Happening>,
    events: u64,
    trace: blake3::Hasher,
    /// Whether hubs answer captures that they hold whole.
    pub hubs_answer: bool,
    /// Every frame that was delivered, if they are to be kept.
    pub wire: Option<Vec<Vec<u8>>>,
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let seed = derive(&[0; 32], &seed.to_string());
        Self {
            seed,
            draws: 0,
            now_ms: BEGIN_MS,
            site: Site::new(derive(&seed, "site")),
            devices: Vec::new(),
            links: BTreeMap::new(),
            next_link: 1,
            heap: BTreeMap::new(),
            events: 0,
            trace: blake3::Hasher::new(),
            hubs_answer: true,
            wire: None,
        }
    }

    /// Adds a device and returns its number. Add hubs first: others are enrolled with the hubs that exist by then.
    pub fn add(&mut self, member: Member) -> usize {
        let identity = self.site.enrol(member);
        let membership = self.site.membership();
        self.add_as(member, identity, membership, MemoryStore::new(DiskModel::WhenSynced))
    }

    /// Adds a device with an identity and a disk of its own (a clone, a stranger).
    pub fn add_as(&mut self, member: Member, identity: Identity, membership: Membership, store: MemoryStore) -> usize {
        let device = Device {
            identity,
            membership,
            member,
            engine: None,
            told_durable: Ticket::default(),
            sync_due: false,
            events: Vec::new(),
            heard: Vec::new(),
        };
        self.devices.push(device);
        let number = self.devices.len() - 1;
        self.start(number, store);
        number
    }

    /// A number that follows from the seed and how many were drawn before.
    pub fn draw(&mut self, below: u64) -> u64 {
        let seed = self.fresh_seed();
        let [a, b, c, d, e, f, g, h, ..] = seed;
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) % below.max(1)
    }

    fn fresh_seed(&mut self) -> Seed {
        self.draws += 1;
        derive(&self.seed, &format!("draw {}", self.draws))
    }

    /// A device, while it runs.
    ///
    /// # Panics
    ///
    /// If the device is switched off.
    #[must_use]
    pub fn engine(&self, device: usize) -> &Engine<MemoryStore> {
        self.devices[device].engine.as_ref().expect("the device is on")
    }

    /// A device.
    #[must_use]
    pub fn device(&self, device: usize) -> &Device {
        &self.devices[device]
    }

    /// A device's identity.
    #[must_use]
    pub fn identity(&self, device: usize) -> &Identity {
        &self.devices[device].identity
    }

    /// A device's read model of a capture.
    #[must_use]
    pub fn view(&self, device: usize, capture: CaptureId) -> CaptureView {
        self.engine(device).replica().capture(capture).ok().flatten().unwrap_or_default()
    }

    /// Records a capture with `images` images of `bytes` bytes each.
    ///
    /// # Panics
    ///
    /// If the device may not capture.
    pub fn capture(&mut self, device: usize, images: u8, bytes: usize) -> CaptureId {
        let draft = self.draft(images, bytes);
        let seed = self.fresh_seed();
        let written = self.write(device, |replica, now_ms| replica.capture_new(now_ms, seed, &draft));
        written.expect("the device may capture").about.capture().expect("a capture is about itself")
    }

    /// A draft with images of random bytes.
    pub fn draft(&mut self, images: u8, bytes: usize) -> CaptureDraft {
        let image = |finger: u8, seed: Seed| {
            let mut content = vec![0; bytes];
            blake3::Hasher::new().update(&seed).finalize_xof().fill(&mut content);
            Image { shows: Shows::Finger(finger), bytes: content.into() }
        };
        let images = (1..=images).map(|finger| image(finger, self.fresh_seed())).collect();
        CaptureDraft { purpose: "exercise".into(), images, ..CaptureDraft::default() }
    }

    /// Lets a device write an entry of its own.
    pub fn write(
        &mut self,
        device: usize,
        write: impl FnOnce(&mut Replica<MemoryStore>, u64) -> Result<Written, AppendError>,
    ) -> Result<Written, AppendError> {
        let now_ms = self.now_ms;
        let engine = self.devices[device].engine.as_mut().expect("the device is on");
        let result = engine.write(now_ms, |replica| write(replica, now_ms));
        self.drain(device);
        result
    }

    /// Edits a record, as [`Self::write`].
    pub fn edit(&mut self, device: usize, about: About, ops: &[EditOp]) -> Result<Written, AppendError> {
        let seed = self.fresh_seed();
        self.write(device, |replica, now_ms| replica.edit_new(now_ms, seed, about, ops))
    }

    /// A device's copy of a record; empty if nobody has edited it.
    pub fn record(&mut self, device: usize, about: About) -> Record {
        let engine = self.devices[device].engine.as_mut().expect("the device is on");
        engine.record(about).ok().flatten().unwrap_or_default()
    }

    /// States something, as [`Self::write`].
    pub fn state(&mut self, device: usize, about: About, statement: &Statement) -> Result<Written, AppendError> {
        self.write(device, |replica, now_ms| replica.append(now_ms, about, statement))
    }

    /// Tells a device whether it has an uplink.
    pub fn set_gateway(&mut self, device: usize, on: bool) {
        self.input(device, Input::Gateway(on));
    }

    // ---- Links ----

    /// Connects two devices: over a LAN, or over an uplink if one of them is a hub. `a` dials.
    pub fn link(&mut self, a: usize, b: usize) -> LinkId {
        self.link_with(a, b, LINK_LATENCY_MS)
    }

    /// As [`Self::link`], with a latency of its own.
    pub fn link_with(&mut self, a: usize, b: usize, latency_ms: u64) -> LinkId {
        let link = self.next_link;
        self.next_link += 1;
        self.links.insert(link, Link { ends: [a, b], latency_ms, in_flight: [0, 0] });
        let hub = [a, b].iter().any(|device| self.devices[*device].member == Member::Hub);
        let class = if hub { LinkClass::Uplink } else { LinkClass::Lan };
        for (own, other, initiator) in [(a, b, true), (b, a, false)] {
            let device = self.devices[other].identity.key.id();
            self.input(own, Input::LinkUp { link, device, initiator, class });
        }
        link
    }

    /// Cuts a link: what is on the way is lost.
    pub fn cut(&mut self, link: LinkId) {
        let Some(gone) = self.links.remove(&link) else { return };
        self.heap.retain(|_, happening| !matches!(happening, Happening::Frame { link: on, .. } if *on == link));
        for device in gone.ends {
            if self.devices[device].engine.is_some() {
                self.input(device, Input::LinkDown { link });
            }
        }
    }

    /// Cuts all links.
    pub fn cut_all(&mut self) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.cut(link));
    }

    /// The device at the other end of a link, while it is up.
    #[must_use]
    pub fn other_end(&self, link: LinkId, device: usize) -> Option<usize> {
        let ends = self.links.get(&link)?.ends;
        ends.into_iter().find(|end| *end != device)
    }

    /// Frames that came to a device while it was off, since the last call.
    pub fn take_heard(&mut self, device: usize) -> Vec<(LinkId, Vec<u8>)> {
        std::mem::take(&mut self.devices[device].heard)
    }

    /// The links that are up.
    #[must_use]
    pub fn links(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    /// Delivers arbitrary bytes to a device as if its peer had sent them. A transport takes none of a frame that is too long.
    pub fn inject(&mut self, link: LinkId, to: usize, bytes: Vec<u8>) {
        let input = if bytes.len() > FRAME_BYTES_MAX { Input::Overlong { link } } else { Input::Frame { link, bytes } };
        self.input(to, input);
    }

    // ---- Devices ----

    /// A power cut: links go, and everything that wasn't durable. Returns the disk.
    pub fn crash(&mut self, device: usize) -> MemoryStore {
        let mut store = self.stop(device);
        store.crash();
        store
    }

    /// An orderly stop: links go, the disk keeps everything.
    pub fn stop(&mut self, device: usize) -> MemoryStore {
        let links: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| link.ends.contains(&device)).map(|(id, _)| *id).collect();
        let engine = self.devices[device].engine.take().expect("the device is on");
        links.into_iter().for_each(|link| self.cut(link));
        engine.into_store()
    }

    /// Starts a device on a disk.
    ///
    /// # Panics
    ///
    /// If the disk can't be read: in this world it always can.
    pub fn start(&mut self, device: usize, mut store: MemoryStore) {
        let (now_ms, spot) = (self.now_ms, &mut self.devices[device]);
        spot.told_durable = store.durable();
        spot.sync_due = false;
        store.sync_to(store.durable());
        let replica = Replica::open(store, spot.identity.clone(), spot.membership.clone()).expect("a readable disk");
        let mut engine = Engine::new(now_ms, replica).expect("a readable disk");
        // An expired device starts too; it only can't speak.
        let _ = engine.introduce(now_ms);
        spot.engine = Some(engine);
        self.drain(device);
        if self.answers(device) {
            self.take_up_work(device);
        }
    }

    /// A power cut and a start.
    pub fn restart(&mut self, device: usize) {
        let store = self.crash(device);
        self.start(device, store);
    }

    // ---- Time ----

    /// Runs until nothing is on the way and no timer but housekeeping is left, and returns the virtual ms that took.
    ///
    /// # Panics
    ///
    /// If the world never falls silent.
    pub fn settle(&mut self) -> u64 {
        let (began, mut budget) = (self.now_ms, SETTLE_EVENTS_MAX);
        let mut quiet_since = self.now_ms;
        // Timers alone (house-keeping, stalls) are silence; ten seconds of it, and nothing is going to happen.
        while self.now_ms < quiet_since + 12_000 {
            let Some(traffic) = self.step() else { break };
            if traffic {
                quiet_since = self.now_ms;
            }
            budget -= 1;
            assert!(budget > 0, "the world never falls silent");
        }
        self.now_ms - began
    }

    /// Runs for a stretch of virtual time.
    pub fn run(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.heap.first_key_value().is_some_and(|((at, _), _)| *at <= until) {
            self.step();
        }
        self.now_ms = until;
    }

    /// One event. Returns whether it moved data, or `None` if there is none.
    pub fn step(&mut self) -> Option<bool> {
        let ((at_ms, _), happening) = self.heap.pop_first()?;
        self.now_ms = at_ms.max(self.now_ms);
        match happening {
            Happening::Frame { link, to, bytes } => {
                self.trace.update(&self.now_ms.to_be_bytes()).update(&link.to_be_bytes()).update(&bytes);
                let from = self.arrived(link, to);
                if let Some(wire) = &mut self.wire {
                    wire.push(bytes.clone());
                }
                if self.devices[to].engine.is_none() {
                    self.devices[to].heard.push((link, bytes));
                } else {
                    self.input(to, Input::Frame { link, bytes });
                }
                if let Some(from) = from {
                    self.drain(from);
                }
                Some(true)
            }
            Happening::Synced { device } => {
                self.synced(device);
                Some(true)
            }
            Happening::Wake { device } => {
                if self.devices[device].engine.is_some() {
                    self.input(device, Input::Tick);
                }
                Some(false)
            }
        }
    }

    /// A hash over every frame delivered: when, over which link, what.
    #[must_use]
    pub fn trace_hash(&self) -> [u8; 32] {
        *self.trace.finalize().as_bytes()
    }

    /// Whether all devices that are on hold the same state.
    #[must_use]
    pub fn agree(&self) -> bool {
        let all: Vec<usize> = (0..self.devices.len()).filter(|n| self.devices[*n].engine.is_some()).collect();
        self.agree_among(&all)
    }

    /// Whether these devices hold the same state.
    #[must_use]
    pub fn agree_among(&self, devices: &[usize]) -> bool {
        let prints: BTreeSet<_> =
            devices.iter().map(|device| self.engine(*device).replica().fingerprint().ok()).collect();
        prints.len() <= 1
    }

    fn arrived(&mut self, link: LinkId, to: usize) -> Option<usize> {
        let link = self.links.get_mut(&link)?;
        let side = usize::from(link.ends[1] == to);
        link.in_flight[side] -= 1;
        Some(link.ends[1 - side])
    }

    fn synced(&mut self, device: usize) {
        let spot = &mut self.devices[device];
        spot.sync_due = false;
        let Some(engine) = &mut spot.engine else { return };
        engine.store_mut().sync();
        let ticket = engine.replica().store().durable();
        spot.told_durable = ticket;
        self.input(device, Input::Durable(ticket));
    }

    fn input(&mut self, device: usize, input: Input) {
        let now_ms = self.now_ms;
        if let Some(engine) = &mut self.devices[device].engine {
            engine.handle(now_ms, input);
        }
        self.drain(device);
    }

    /// Carries out what an engine wants, and answers as a hub's screening would.
    fn drain(&mut self, device: usize) {
        loop {
            let Some(engine) = &mut self.devices[device].engine else { return };
            let Some(output) = engine.poll() else { break };
            match output {
                Output::Close { link, .. } => self.cut(link),
                Output::WakeAt(at_ms) => self.schedule(at_ms, Happening::Wake { device }),
                Output::Event(event) => self.event(device, event),
            }
        }
        self.transmit(device);
        let spot = &mut self.devices[device];
        let Some(engine) = &spot.engine else { return };
        if !spot.sync_due && engine.replica().last_ticket() > spot.told_durable {
            spot.sync_due = true;
            self.schedule(self.now_ms + SYNC_MS, Happening::Synced { device });
        }
    }

    fn event(&mut self, device: usize, event: Event) {
        self.devices[device].events.push(event.clone());
        if let (true, Event::Whole(capture)) = (self.answers(device), event) {
            self.answer(device, capture);
        }
    }

    fn answers(&self, device: usize) -> bool {
        self.hubs_answer && self.devices[device].member == Member::Hub
    }

    /// What a crash left undone.
    fn take_up_work(&mut self, hub: usize) {
        let engine = self.engine(hub);
        let undone = [engine.whole_captures(), engine.replica().unanswered().iter().copied().collect()].concat();
        undone.into_iter().for_each(|capture| self.answer(hub, capture));
    }

    /// Gives the receipt and the verdict that aren't there yet.
    fn answer(&mut self, hub: usize, capture: CaptureId) {
        let (seed, view) = (self.fresh_seed(), self.view(hub, capture));
        let content = VerdictContent { value: VerdictValue::NoMatch, reason: None, candidates: vec![], basis: vec![] };
        if view.accepted().is_none() {
            self.write(hub, |replica, now_ms| replica.receipt_new(now_ms, capture)).expect("a hub gives receipts");
        }
        if view.screened().is_none() {
            let written = self.write(hub, |replica, now_ms| replica.verdict_new(now_ms, seed, capture, &content));
            written.expect("a hub answers");
        }
    }

    fn transmit(&mut self, device: usize) {
        let Some(engine) = &mut self.devices[device].engine else { return };
        engine.take_ready();
        let mut sent = Vec::new();
        for (id, link) in self.links.iter_mut().filter(|(_, link)| link.ends.contains(&device)) {
            let side = usize::from(link.ends[0] == device);
            while link.in_flight[side] < IN_FLIGHT_MAX
                && let Some(bytes) = engine.transmit(*id)
            {
                link.in_flight[side] += 1;
                let happening = Happening::Frame { link: *id, to: link.ends[side], bytes };
                sent.push((self.now_ms + link.latency_ms, happening));
            }
        }
        sent.into_iter().for_each(|(at_ms, happening)| self.schedule(at_ms, happening));
        // Hanging up goes out as a frame first; the close follows it.
        if let Some(engine) = &mut self.devices[device].engine
            && let Some(output) = engine.poll()
        {
            match output {
                Output::Close { link, .. } => self.close_after_flight(link),
                Output::WakeAt(at_ms) => self.schedule(at_ms, Happening::Wake { device }),
                Output::Event(event) => self.event(device, event),
            }
            self.drain(device);
        }
    }

    /// A close from this side lets what was sent before arrive.
    fn close_after_flight(&mut self, link: LinkId) {
        let mut flying: Vec<(usize, Vec<u8>)> = Vec::new();
        self.heap.retain(|_, happening| match happening {
            Happening::Frame { link: on, to, bytes } if *on == link => {
                flying.push((*to, std::mem::take(bytes)));
                false
            }
            _ => true,
        });
        for (to, bytes) in flying {
            self.input(to, Input::Frame { link, bytes });
        }
        self.cut(link);
    }

    fn schedule(&mut self, at_ms: u64, happening: Happening) {
        self.events += 1;
        self.heap.insert((at_ms, self.events), happening);
    }
}
