//! Devices, links and a heap of events.

mod clock;
pub(crate) mod desk;
mod link;
mod trace;
mod traffic;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use crdt::entry::About;
use crdt::ids::CaptureId;
use crdt::record::{EditOp, Record};
use crdt::replica::{AppendError, Identity, Membership, Replica, Written};
use crdt::seal::{Seed, derive};
use crdt::statement::{CaptureDraft, Image, Shows, Statement};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::store::{Store, Ticket};
use crdt::sync::frame::{FRAME_BYTES_MAX, Frame};
use crdt::sync::{Engine, Event, Input, LinkClass, LinkId, Output};
use crdt::view::CaptureView;

use crate::site::{Member, Site};
pub use clock::Clock;
use clock::Ticking;
use desk::{Desk, Later};
use link::Link;
pub use link::{Meddling, Pace};
use trace::Trace;
use traffic::Ledger;
pub use traffic::{Carried, Surplus, Traffic};

/// How long a frame takes over a link, in ms, unless a link says otherwise.
pub const LINK_LATENCY_MS: u64 = 2;
/// How long a disk takes to make a batch durable, in ms: one fsync of a small solid-state disk.
const SYNC_MS: u64 = 4;
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
    clock: Ticking,
    told_durable: Ticket,
    sync_due: bool,
    /// Its links.
    links: BTreeSet<LinkId>,
    /// Those of them for which the engine may have a frame that didn't fit.
    waiting: BTreeSet<LinkId>,
    /// When it wants to be woken, by its clock, and when it is going to be.
    wants_ms: Option<u64>,
    wakes_ms: Option<u64>,
    /// What answers, if it is a hub that does.
    desk: Option<Desk>,
    /// Everything that the engine reported, in order.
    pub events: Vec<Event>,
    /// Frames that came while it was off: see [`World::take_heard`].
    heard: Vec<(LinkId, Vec<u8>)>,
}

#[derive(Debug)]
enum Happening {
    Frame { link: LinkId, to: usize },
    Room { link: LinkId, from: usize },
    Gone { link: LinkId },
    Synced { device: usize },
    Wake { device: usize, set_ms: u64 },
    Screened { hub: usize, capture: CaptureId },
    DeskTick { hub: usize },
}

/// What happens when; of one moment, in the order in which it was scheduled.
#[derive(Debug)]
struct Due {
    at_ms: u64,
    number: u64,
    happening: Happening,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

/// What a device did, for whoever watches.
#[derive(Clone, Debug)]
pub enum Deed {
    /// It handed a frame over to a link.
    Sent {
        /// Which device.
        from: usize,
        /// Over which link.
        link: LinkId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Something was done to what was sent last that mustn't happen.
    Meddled(Meddling),
    /// All that it had written is on its disk.
    Synced(usize),
    /// It was started, on whatever its disk had kept.
    Started(usize),
}

/// Until when what goes wrong at a hub, in ms of the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubTrouble {
    /// Screenings fail, as when the database is away.
    pub fails_until_ms: u64,
    /// They take so long that others would have given up.
    pub slow_until_ms: u64,
    /// Their results come twice, the second time late.
    pub twice_until_ms: u64,
}

/// How long a slow screening takes, and a result that comes again, in ms.
const SLOW_MS: u64 = 150_000;

/// A simulated site.
pub struct World {
    seed: Seed,
    draws: u64,
    /// Virtual time, in ms.
    pub now_ms: u64,
    /// The site, for enrolling more.
    pub site: Site,
    /// Sites beside it.
    others: Vec<Site>,
    devices: Vec<Device>,
    links: BTreeMap<LinkId, Link>,
    next_link: LinkId,
    heap: BinaryHeap<Reverse<Due>>,
    events: u64,
    trace: Trace,
    /// Whether hubs answer captures that they hold whole.
    pub hubs_answer: bool,
    /// How long a hub takes to screen a capture, in ms.
    pub screening_ms: u64,
    /// Every frame that was delivered, if they are to be kept.
    pub wire: Option<Vec<Vec<u8>>>,
    /// What engines reported, in order, if it is to be told in one.
    news: Option<Vec<(usize, Event)>>,
    /// Traffic of engines that have stopped.
    past: Traffic,
    /// How hubs fare, each until a moment.
    pub hub_trouble: HubTrouble,
    /// What devices did since the last look, if somebody looks.
    deeds: Option<Vec<Deed>>,
    /// What is done to the frames that are sent next.
    armed: VecDeque<Meddling>,
    /// Bytes left to each meter.
    meters: BTreeMap<usize, u64>,
    /// What arrived from whom at whom.
    ledger: Ledger,
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
            others: Vec::new(),
            devices: Vec::new(),
            links: BTreeMap::new(),
            next_link: 1,
            heap: BinaryHeap::new(),
            events: 0,
            trace: Trace::new(),
            hubs_answer: true,
            screening_ms: 0,
            wire: None,
            news: None,
            past: Traffic::default(),
            hub_trouble: HubTrouble::default(),
            deeds: None,
            armed: VecDeque::new(),
            meters: BTreeMap::new(),
            ledger: Ledger::default(),
        }
    }

    /// What everything that is drawn follows from.
    #[must_use]
    pub const fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Adds devices, and a hub after them that all of them know.
    pub fn found(&mut self, members: &[Member]) {
        let members: Vec<_> = members.iter().map(|member| (*member, 0)).collect();
        self.found_sites(&members);
    }

    /// The same with devices of several sites, counted from 0, and a hub for each site after all devices. [`Self::site`] is the first.
    pub fn found_sites(&mut self, members: &[(Member, usize)]) {
        let count = members.iter().map(|(_, site)| site + 1).max().unwrap_or(1);
        let mut others: Vec<Site> =
            (1..count).map(|site| Site::new(derive(&self.seed, &format!("site {site}")))).collect();
        let mut sites: Vec<&mut Site> = [&mut self.site].into_iter().chain(&mut others).collect();
        let hubs: Vec<Identity> = sites.iter_mut().map(|site| site.enrol(Member::Hub)).collect();
        let enrolled =
            members.iter().map(|(member, site)| (*member, sites[*site].enrol(*member), sites[*site].membership()));
        let mut all: Vec<(Member, Identity, Membership)> = enrolled.collect();
        all.extend(hubs.into_iter().zip(&sites).map(|(hub, site)| (Member::Hub, hub, site.membership())));
        for (member, identity, membership) in all {
            self.add_as(member, identity, membership, MemoryStore::new(DiskModel::WhenSynced));
        }
        self.others = others;
    }

    /// A site by its number, of those that were founded.
    #[must_use]
    pub fn site_at(&self, site: usize) -> &Site {
        site.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.site)
    }

    /// Keeps what devices do for [`Self::take_deeds`].
    pub fn watch(&mut self) {
        self.deeds = Some(Vec::new());
    }

    /// What devices have done since the last call, in order.
    pub fn take_deeds(&mut self) -> Vec<Deed> {
        self.deeds.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note(&mut self, deed: impl FnOnce() -> Deed) {
        if let Some(deeds) = &mut self.deeds {
            deeds.push(deed());
        }
    }

    /// Keeps what engines report for [`Self::take_news`], and no longer with each device.
    pub fn tell_all(&mut self) {
        self.news = Some(Vec::new());
    }

    /// What engines have reported since the last call, by device, in order.
    pub fn take_news(&mut self) -> Vec<(usize, Event)> {
        self.news.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// How many events wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.heap.len()
    }

    /// When the next event is.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(due)| due.at_ms.max(self.now_ms))
    }

    /// What all engines have sent and hold, since the beginning.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let running = self.devices.iter().filter_map(|device| device.engine.as_ref());
        running.fold(self.past, |sum, engine| sum.and(Traffic::of(engine)))
    }

    /// What arrived from whom (the first) at whom (the second), since the beginning.
    #[must_use]
    pub const fn carried(&self) -> &BTreeMap<(usize, usize), Carried> {
        self.ledger.carried()
    }

    /// From whom a hub got the last piece of an image of a capture that it lacked, if it got any since the last call.
    pub(crate) fn take_bringer(&mut self, hub: usize, capture: CaptureId) -> Option<usize> {
        let origin = self.view(hub, capture).origin?;
        self.ledger.take_bringer(hub, origin.blobs.iter().map(|blob| blob.id))
    }

    /// Bytes on a device's disk; none while it is switched off.
    pub(crate) fn held_bytes(&self, device: usize) -> Option<u64> {
        self.devices[device].engine.as_ref().map(|engine| engine.replica().store().counters().bytes_held)
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
            clock: Ticking::default(),
            told_durable: Ticket::default(),
            sync_due: false,
            links: BTreeSet::new(),
            waiting: BTreeSet::new(),
            wants_ms: None,
            wakes_ms: None,
            desk: None,
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
        let seed = self.fresh_seed();
        draft(&seed, images, bytes)
    }

    /// Lets a device write an entry of its own.
    pub fn write(
        &mut self,
        device: usize,
        write: impl FnOnce(&mut Replica<MemoryStore>, u64) -> Result<Written, AppendError>,
    ) -> Result<Written, AppendError> {
        let now_ms = self.says(device);
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
        self.link_at(a, b, Pace::of(latency_ms))
    }

    /// As [`Self::link`], at a pace of its own.
    pub fn link_at(&mut self, a: usize, b: usize, pace: Pace) -> LinkId {
        let link = self.next_link;
        self.next_link += 1;
        let hub = [a, b].iter().any(|device| self.devices[*device].member == Member::Hub);
        let class = if hub { LinkClass::Uplink } else { LinkClass::Lan };
        let seed = derive(&self.seed, &format!("link {a} {b} at {}", self.now_ms));
        self.links.insert(link, Link::new([a, b], pace, seed));
        for (own, other, initiator) in [(a, b, true), (b, a, false)] {
            self.devices[own].links.insert(link);
            let device = self.devices[other].identity.key.id();
            self.input(own, Input::LinkUp { link, device, initiator, class });
        }
        link
    }

    /// Sets a meter: so many bytes may go over the links on it, both ways together. What would go beyond them cuts the link.
    pub fn set_meter(&mut self, meter: usize, bytes: u64) {
        self.meters.insert(meter, bytes);
    }

    /// What is left on a meter.
    #[must_use]
    pub fn left_on_meter(&self, meter: usize) -> u64 {
        self.meters.get(&meter).copied().unwrap_or(u64::MAX)
    }

    /// Puts a link on a meter.
    pub fn meter(&mut self, link: LinkId, meter: usize) {
        if let Some(there) = self.links.get_mut(&link) {
            there.meter = Some(meter);
        }
    }

    /// Nothing that a device sends over a link gets through any more, and neither end is told.
    pub fn go_dead(&mut self, link: LinkId, from: usize) {
        if let Some(there) = self.links.get_mut(&link) {
            there.go_dead(from);
        }
    }

    /// Does something that mustn't happen to the next frame that anybody sends.
    pub fn meddle(&mut self, how: Meddling) {
        self.armed.push_back(how);
    }

    /// The two ends of a link that is up.
    #[must_use]
    pub fn ends(&self, link: LinkId) -> Option<[usize; 2]> {
        self.links.get(&link).map(|there| there.ends)
    }

    /// A device's disk, while it runs.
    ///
    /// # Panics
    ///
    /// If the device is switched off.
    pub fn disk(&mut self, device: usize) -> &mut MemoryStore {
        self.devices[device].engine.as_mut().expect("the device is on").store_mut()
    }

    /// Cuts a link: what is on the way is lost.
    pub fn cut(&mut self, link: LinkId) {
        let Some(gone) = self.links.remove(&link) else { return };
        for device in gone.ends {
            let spot = &mut self.devices[device];
            spot.waiting.remove(&link);
            if spot.links.remove(&link) && spot.engine.is_some() {
                self.input(device, Input::LinkDown { link });
            }
        }
    }

    /// Cuts all links.
    pub fn cut_all(&mut self) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.cut(link));
    }

    /// One end closes a link; the other one notices when what was sent before has arrived.
    pub fn hang_up(&mut self, by: usize, link: LinkId) {
        if self.devices[by].links.contains(&link) {
            self.close(by, link);
        }
    }

    /// The device at the other end of a link, while it is up.
    #[must_use]
    pub fn other_end(&self, link: LinkId, device: usize) -> Option<usize> {
        Some(self.links.get(&link)?.other(device))
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

    /// As [`Self::crash`], but of what wasn't durable so many thousandths happen to be on the disk.
    pub fn crash_keeping(&mut self, device: usize, thousandths: u32) -> MemoryStore {
        let mut store = self.stop(device);
        let (durable, applied) = (store.durable().0, store.applied().0);
        store.crash_keeping(Ticket(durable + (applied - durable) * u64::from(thousandths.min(1_000)) / 1_000));
        store
    }

    /// An orderly stop: links go, the disk keeps everything.
    pub fn stop(&mut self, device: usize) -> MemoryStore {
        let spot = &mut self.devices[device];
        let links: Vec<LinkId> = spot.links.iter().copied().collect();
        let engine = spot.engine.take().expect("the device is on");
        self.past = self.past.and(Traffic::of(&engine));
        (spot.desk, spot.wants_ms, spot.wakes_ms) = (None, None, None);
        links.into_iter().for_each(|link| self.cut(link));
        engine.into_store()
    }

    /// Starts a device on a disk.
    ///
    /// # Panics
    ///
    /// If the disk can't be read: in this world it always can.
    pub fn start(&mut self, device: usize, mut store: MemoryStore) {
        let (now_ms, spot) = (self.says(device), &mut self.devices[device]);
        spot.told_durable = store.durable();
        spot.sync_due = false;
        store.sync_to(store.durable());
        let replica = Replica::open(store, spot.identity.clone(), spot.membership.clone()).expect("a readable disk");
        let mut engine = Engine::new(now_ms, replica).expect("a readable disk");
        // An expired device starts too; it only can't speak.
        let _ = engine.introduce(now_ms);
        if spot.member == Member::Hub {
            spot.desk = Some(Desk::open(&engine, self.screening_ms));
        }
        spot.engine = Some(engine);
        self.note(|| Deed::Started(device));
        self.drain(device);
    }

    /// A power cut and a start.
    pub fn restart(&mut self, device: usize) {
        let store = self.crash(device);
        self.start(device, store);
    }

    /// Whether a device is switched on.
    #[must_use]
    pub fn is_on(&self, device: usize) -> bool {
        self.devices[device].engine.is_some()
    }

    /// Gives a device a clock that is ahead by so many ms and gains so many millionths from now on.
    pub fn set_clock(&mut self, device: usize, ahead_ms: i64, drift_ppm: i32) {
        self.devices[device].clock = Ticking::new(self.now_ms, ahead_ms, drift_ppm);
        self.look_at_clock(device);
    }

    /// Lets a device's clock gain so many millionths from now on.
    pub fn set_drift(&mut self, device: usize, ppm: i32) {
        let ahead_ms = self.says(device).cast_signed().wrapping_sub(self.now_ms.cast_signed());
        self.set_clock(device, ahead_ms, ppm);
    }

    /// Sets a device's clock forward, or back if it is negative, by so many ms.
    pub fn set_clock_by(&mut self, device: usize, ms: i64) {
        self.devices[device].clock.set_by(ms);
        self.look_at_clock(device);
    }

    /// What a device's clock says.
    #[must_use]
    pub fn says(&self, device: usize) -> u64 {
        self.devices[device].clock.says(self.now_ms)
    }

    /// A shell sleeps for a while rather than until some hour, and looks at the clock whenever it wakes: so does this one, at once.
    fn look_at_clock(&mut self, device: usize) {
        self.devices[device].wakes_ms = None;
        self.input(device, Input::Tick);
        if let Some(wants_ms) = self.devices[device].wants_ms {
            self.wake_at(device, wants_ms);
        }
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
        while self.next_ms().is_some_and(|at_ms| at_ms < quiet_since + 12_000)
            && let Some(traffic) = self.step()
        {
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
        while self.heap.peek().is_some_and(|Reverse(due)| due.at_ms <= until) {
            self.step();
        }
        self.now_ms = until;
    }

    /// One event. Returns whether it moved data, or `None` if there is none.
    pub fn step(&mut self) -> Option<bool> {
        let Reverse(Due { at_ms, happening, .. }) = self.heap.pop()?;
        self.now_ms = at_ms.max(self.now_ms);
        match happening {
            Happening::Frame { link, to } => return Some(self.deliver(link, to)),
            Happening::Room { link, from } => {
                if let Some(there) = self.links.get_mut(&link) {
                    there.looked(from);
                    self.drain(from);
                }
                return Some(false);
            }
            Happening::Gone { link } => self.cut(link),
            Happening::Synced { device } => self.synced(device),
            Happening::Wake { device, set_ms } => {
                self.wake(device, set_ms);
                return Some(false);
            }
            Happening::Screened { hub, capture } => self.screened(hub, capture),
            Happening::DeskTick { hub } => {
                if let Some(desk) = &mut self.devices[hub].desk {
                    desk.tick(self.now_ms);
                    self.drain(hub);
                }
                return Some(false);
            }
        }
        Some(true)
    }

    /// A hash over every frame delivered: when, over which link, what.
    #[must_use]
    pub fn trace_hash(&self) -> [u8; 32] {
        self.trace.hash()
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

    /// A frame arrives; of a link that was cut, none does.
    fn deliver(&mut self, link: LinkId, to: usize) -> bool {
        let Some(there) = self.links.get_mut(&link) else { return false };
        let from = there.other(to);
        let Some(bytes) = there.arrive(to) else { return false };
        let makes_room = there.waits_for_arrivals();
        self.ledger.note(from, to, bytes.len());
        self.trace.note(self.now_ms, [from, to], &bytes);
        if let Some(wire) = &mut self.wire {
            wire.push(bytes.clone());
        }
        if self.devices[to].engine.is_none() {
            self.devices[to].heard.push((link, bytes));
        } else if self.devices[to].member == Member::Hub {
            self.bring(link, from, to, bytes);
        } else {
            self.input(to, Input::Frame { link, bytes });
        }
        if makes_room {
            self.drain(from);
        }
        true
    }

    /// A frame arrives at a hub. If it has a piece of an image that the hub takes in, whoever brought it is noted: the hub alone knows
    /// what it lacked, and of two who send the same the first has brought it.
    fn bring(&mut self, link: LinkId, from: usize, hub: usize, bytes: Vec<u8>) {
        let Ok(Frame::BlobGroup { blob, .. }) = Frame::decode(&bytes) else {
            return self.input(hub, Input::Frame { link, bytes });
        };
        let taken = |world: &Self| world.devices[hub].engine.as_ref().map(|engine| engine.traffic().blobs_fresh_bytes);
        let before = taken(self);
        self.input(hub, Input::Frame { link, bytes });
        if taken(self) > before {
            self.ledger.brought(hub, blob.id, from);
        }
    }

    /// Of several wakings only the one that was set last counts.
    fn wake(&mut self, device: usize, set_ms: u64) {
        let (now_ms, spot) = (self.says(device), &mut self.devices[device]);
        if spot.wakes_ms != Some(set_ms) {
            return;
        }
        spot.wakes_ms = None;
        match spot.wants_ms {
            Some(later_ms) if later_ms > now_ms => self.wake_at(device, later_ms),
            Some(_) => {
                spot.wants_ms = None;
                self.input(device, Input::Tick);
            }
            None => {}
        }
    }

    fn wake_at(&mut self, device: usize, at_ms: u64) {
        let spot = &mut self.devices[device];
        spot.wants_ms = Some(at_ms);
        let set_ms = spot.clock.when(self.now_ms, at_ms);
        if spot.wakes_ms.is_none_or(|wakes_ms| set_ms < wakes_ms) {
            spot.wakes_ms = Some(set_ms);
            self.schedule(set_ms, Happening::Wake { device, set_ms });
        }
    }

    fn screened(&mut self, hub: usize, capture: CaptureId) {
        let now_ms = self.now_ms;
        if let Some(desk) = &mut self.devices[hub].desk {
            let fails = self.now_ms < self.hub_trouble.fails_until_ms;
            desk.finish(now_ms, capture, if fails { Err(desk::away()) } else { Ok(desk::no_match()) });
            self.drain(hub);
        }
    }

    fn synced(&mut self, device: usize) {
        let spot = &mut self.devices[device];
        spot.sync_due = false;
        let Some(engine) = &mut spot.engine else { return };
        engine.store_mut().sync();
        let ticket = engine.replica().store().durable();
        spot.told_durable = ticket;
        self.note(|| Deed::Synced(device));
        self.input(device, Input::Durable(ticket));
    }

    fn input(&mut self, device: usize, input: Input) {
        let now_ms = self.says(device);
        if let Some(engine) = &mut self.devices[device].engine {
            engine.handle(now_ms, input);
        }
        self.drain(device);
    }

    /// Carries out what an engine wants, until it wants nothing more.
    fn drain(&mut self, device: usize) {
        loop {
            let mut idle = true;
            while let Some(output) = self.devices[device].engine.as_mut().and_then(Engine::poll) {
                idle = false;
                self.carry_out(device, output);
            }
            idle &= !self.work(device);
            idle &= !self.transmit(device);
            if idle {
                break;
            }
        }
        let spot = &mut self.devices[device];
        let Some(engine) = &spot.engine else { return };
        if !spot.sync_due && engine.replica().last_ticket() > spot.told_durable {
            spot.sync_due = true;
            self.schedule(self.now_ms + SYNC_MS, Happening::Synced { device });
        }
    }

    fn carry_out(&mut self, device: usize, output: Output) {
        match output {
            Output::Close { link, .. } => self.close(device, link),
            Output::WakeAt(at_ms) => self.wake_at(device, at_ms),
            Output::Event(event) => {
                let spot = &mut self.devices[device];
                if let Some(desk) = &mut spot.desk {
                    desk.event(&event);
                }
                match &mut self.news {
                    Some(news) => news.push((device, event)),
                    None => spot.events.push(event),
                }
            }
        }
    }

    /// What a hub's desk has to do. Says whether it did anything.
    fn work(&mut self, hub: usize) -> bool {
        let (times, seed, spot) = ((self.now_ms, self.says(hub)), self.seed, &mut self.devices[hub]);
        let (true, Some(desk), Some(engine)) = (self.hubs_answer, &mut spot.desk, &mut spot.engine) else {
            return false;
        };
        let (worked, later) = desk.work(engine, times, |capture| derive(&seed, &format!("verdict {capture}")));
        for later in later {
            match later {
                Later::Screened(at_ms, capture) => {
                    let slow_ms = if self.now_ms < self.hub_trouble.slow_until_ms { SLOW_MS } else { 0 };
                    let at_ms = at_ms + slow_ms;
                    self.schedule(at_ms, Happening::Screened { hub, capture });
                    if self.now_ms < self.hub_trouble.twice_until_ms {
                        self.schedule(at_ms + SLOW_MS, Happening::Screened { hub, capture });
                    }
                }
                Later::Tick(at_ms) => self.schedule(at_ms, Happening::DeskTick { hub }),
            }
        }
        worked
    }

    /// Fills the links that have room. Says whether anything went out.
    fn transmit(&mut self, device: usize) -> bool {
        let (now_ms, spot) = (self.now_ms, &mut self.devices[device]);
        let Some(engine) = &mut spot.engine else { return false };
        let ready = engine.take_ready();
        spot.waiting.extend(ready.into_iter().filter(|link| spot.links.contains(link)));
        let (mut full, mut sent, mut looks) = (BTreeSet::new(), Vec::new(), Vec::new());
        for id in std::mem::take(&mut spot.waiting) {
            let Some(link) = self.links.get_mut(&id) else { continue };
            // What has nothing to send isn't waited for: it is ready again when it has.
            while engine.may_transmit(id) {
                if !link.has_room(device, now_ms) {
                    full.insert(id);
                    looks.extend(link.room_ms(device).map(|room_ms| (room_ms, id)));
                    break;
                }
                let Some(bytes) = engine.transmit(id) else { break };
                if let Some(deeds) = &mut self.deeds {
                    deeds.push(Deed::Sent { from: device, link: id, frame: bytes.clone() });
                }
                if let Some(left) = link.meter.and_then(|meter| self.meters.get_mut(&meter)) {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                // Who somebody is, a transport has settled before.
                let is_struck = !self.armed.is_empty()
                    && !matches!(Frame::decode(&bytes), Ok(Frame::Knock { .. } | Frame::Hello(_)));
                sent.push((id, link.send(device, now_ms, bytes)));
                if is_struck && let Some(how) = self.armed.front().copied().filter(|how| link.meddle(device, *how)) {
                    self.armed.pop_front();
                    self.deeds.iter_mut().for_each(|deeds| deeds.push(Deed::Meddled(how)));
                }
            }
        }
        spot.waiting = full;
        let any = !sent.is_empty();
        for (link, sent) in sent {
            self.schedule(sent.arrives_ms, Happening::Frame { link, to: sent.to });
            if self.is_spent(link) {
                self.schedule(now_ms, Happening::Gone { link });
            }
        }
        for (room_ms, link) in looks {
            self.schedule(room_ms, Happening::Room { link, from: device });
        }
        any
    }

    /// Whether nothing is left on the meter of a link.
    fn is_spent(&self, link: LinkId) -> bool {
        let meter = self.links.get(&link).and_then(|link| link.meter);
        meter.is_some_and(|meter| self.left_on_meter(meter) == 0)
    }

    /// One end has closed a link. The other one still gets what was sent before: the last frame says why.
    fn close(&mut self, by: usize, link: LinkId) {
        self.devices[by].links.remove(&link);
        self.devices[by].waiting.remove(&link);
        let now_ms = self.now_ms;
        if let Some(there) = self.links.get_mut(&link) {
            let gone_ms = there.close(by, now_ms);
            self.schedule(gone_ms, Happening::Gone { link });
            self.input(by, Input::LinkDown { link });
        }
    }

    fn schedule(&mut self, at_ms: u64, happening: Happening) {
        self.events += 1;
        self.heap.push(Reverse(Due { at_ms, number: self.events, happening }));
    }
}

/// What everything that is about a person begins with here, so that it can be searched for where nobody may read it.
pub const PERSON: &str = "SOMEBODY";

/// A draft with images of bytes that follow from a seed.
#[must_use]
pub(crate) fn draft(seed: &Seed, images: u8, bytes: usize) -> CaptureDraft {
    let image = |finger: u8| {
        let mut content = vec![0; bytes];
        blake3::Hasher::new().update(seed).update(&[finger]).finalize_xof().fill(&mut content);
        if let Some(begins) = content.get_mut(..PERSON.len()) {
            begins.copy_from_slice(PERSON.as_bytes());
        }
        Image { shows: Shows::Finger(finger), bytes: content.into() }
    };
    let particulars = [("family_name".to_owned(), format!("{PERSON} {}", seed[0]).into())].into_iter().collect();
    let images = (1..=images).map(image).collect();
    CaptureDraft { purpose: "exercise".into(), images, particulars, ..CaptureDraft::default() }
}
