//! The machine: inputs in, frames and outputs out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::entries::Fetch;
use super::frame::{FACTS_MAX, FRONTIER_ITEMS_MAX, Frame, Item, PROTOCOL_VERSION, REASON_BYTES_MAX, knock_tag};
use super::phase::{Happening, Phase, next};
use super::session::{BLOB_SERVING_MAX, BlobRange, CONTROL_MAX, LinkClass, Session};
use super::swarm::{Rank, Swarm, are_here};
use super::timers::{Timer, Timers};
use super::watch::Counters;
use super::{CloseReason, Event, Input, LinkId, Output};
use crate::blob::{BlobRef, Outline};
use crate::codec::{decode, encode};
use crate::entry::About;
use crate::ids::{BlobId, CaptureId, DeviceId, LogId};
use crate::knowledge::{Fact, GATEWAY_REPEAT_MS, Knowledge, Known};
use crate::record::Record;
use crate::replica::{AppendError, Page, Query, Replica, Written, keys};
use crate::site::{Certificate, Roles};
use crate::stage::{Stages, stages};
use crate::store::{Batch, Direction, Store, StoreError, Table, Ticket};
use crate::view::{CaptureView, EntryRef, Origin};

/// How long a membership handshake may take, in ms: three round trips of a slow satellite link, and its losses.
pub(super) const HANDSHAKE_MS: u64 = 10_000;
/// How long news of the own frontier is gathered before it is told, in ms.
const FRONTIER_MS: u64 = 10;
/// How long news of third parties is gathered before it is told, in ms.
const KNOWLEDGE_MS: u64 = 500;
/// The same of what this device holds itself, in ms: who has no link to the origin can fetch images from here only then.
const HOLDS_MS: u64 = 20;
/// How often stalls are looked for, in ms.
const STALL_LOOK_MS: u64 = 2_500;
/// How long something that was asked for may not move, in ms, before another peer is asked.
const STALL_MS: u64 = 10_000;
/// How often what is known of others is saved, in ms.
const HOUSE_MS: u64 = 5_000;
/// Faults that end a session: one wrong group or entry may be a bad disk, a hundred are not.
const FAULTS_MAX: u32 = 100;
/// Outlines of whole blobs kept at hand for serving.
const OUTLINES_MAX: usize = 16;

/// One device's side of all its sync sessions, on its replica.
pub struct Engine<S> {
    pub(super) replica: Replica<S>,
    pub(super) knowledge: Knowledge,
    pub(super) sessions: BTreeMap<LinkId, Session>,
    pub(super) fetching: BTreeMap<LogId, Fetch>,
    pub(super) swarm: Swarm,
    pub(super) timers: Timers,
    pub(super) outputs: VecDeque<Output>,
    pub(super) ready: BTreeSet<LinkId>,
    pub(super) counters: Counters,
    outlines: VecDeque<(BlobRef, Outline)>,
    gateway: bool,
    woken_for: Option<u64>,
}

impl<S: Store> Engine<S> {
    /// An engine on a replica, with nothing connected.
    pub fn new(now_ms: u64, replica: Replica<S>) -> Result<Self, StoreError> {
        let mut engine = Self {
            replica,
            knowledge: Knowledge::default(),
            sessions: BTreeMap::new(),
            fetching: BTreeMap::new(),
            swarm: Swarm::default(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            ready: BTreeSet::new(),
            counters: Counters::default(),
            outlines: VecDeque::new(),
            gateway: false,
            woken_for: None,
        };
        engine.restore_knowledge()?;
        engine.restore_swarm(now_ms)?;
        engine.timers.set(Timer::House, now_ms + HOUSE_MS);
        Ok(engine)
    }

    /// The replica, to read from.
    #[must_use]
    pub const fn replica(&self) -> &Replica<S> {
        &self.replica
    }

    /// The store, for what isn't entries.
    pub const fn store_mut(&mut self) -> &mut S {
        self.replica.store_mut()
    }

    /// The store, to begin again from: what a restart does.
    #[must_use]
    pub fn into_store(self) -> S {
        self.replica.into_store()
    }

    /// What others are known to hold.
    #[must_use]
    pub const fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Writes own entries. They are pushed to peers as soon as they are durable, never before: a crash must not take back what
    /// a peer has seen.
    pub fn write(
        &mut self,
        now_ms: u64,
        write: impl FnOnce(&mut Replica<S>) -> Result<Written, AppendError>,
    ) -> Result<Written, AppendError> {
        let result = write(&mut self.replica);
        self.settle_news(now_ms, None);
        result
    }

    /// Begins the own log if it hasn't begun, so that peers learn this device's certificate.
    pub fn introduce(&mut self, now_ms: u64) -> Result<(), AppendError> {
        self.replica.introduce(now_ms)?;
        self.settle_news(now_ms, None);
        Ok(())
    }

    /// What people have written together about a capture or the site; `None` if nobody has.
    pub fn record(&mut self, about: About) -> Result<Option<Record>, StoreError> {
        self.replica.record(about)
    }

    /// How far a capture has come.
    pub fn stages(&self, now_ms: u64, id: CaptureId, view: &CaptureView) -> Option<Stages> {
        let own = self.replica.identity().device();
        stages(id, view, &self.knowledge, (own, self.holds(id, view)), now_ms)
    }

    /// Captures that no hub has accepted and that are here whole: what a hub has to take care of after a start.
    #[must_use]
    pub fn whole_captures(&self) -> Vec<CaptureId> {
        self.replica.open_captures().iter().filter(|id| self.swarm.is_whole(id)).copied().collect()
    }

    /// One page of captures, newest first.
    pub fn captures(&self, now_ms: u64, query: &Query) -> Result<Page, StoreError> {
        self.replica.list(query, |id, view| self.stages(now_ms, id, view))
    }

    /// One input. Drain [`Self::poll`] and [`Self::take_ready`] afterwards.
    pub fn handle(&mut self, now_ms: u64, input: Input) {
        match input {
            Input::LinkUp { link, device, initiator, class } => self.link_up(now_ms, link, device, initiator, class),
            Input::Frame { link, bytes } => self.frame(now_ms, link, &bytes),
            Input::LinkDown { link } => self.end(now_ms, link, None),
            Input::Durable(ticket) => self.durable(now_ms, ticket),
            Input::Gateway(on) => self.set_gateway(now_ms, on),
            Input::Tick => {}
        }
        while let Some(timer) = self.timers.take_due(now_ms) {
            self.fire(now_ms, timer);
        }
    }

    /// The next thing for the shell to do.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let next = self.timers.next();
        (next != self.woken_for).then(|| self.woken_for = next)?;
        next.map(Output::WakeAt)
    }

    /// Links that may have something to transmit since the last call.
    pub fn take_ready(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.ready).into_iter().collect()
    }

    /// The most important frame for a link that has room for one.
    pub fn transmit(&mut self, link: LinkId) -> Option<Vec<u8>> {
        let frame = self.next_frame(link)?;
        let bytes = frame.encode();
        self.counters.sent(&frame, bytes.len());
        Some(bytes)
    }

    fn next_frame(&mut self, link: LinkId) -> Option<Frame> {
        let session = self.sessions.get_mut(&link)?;
        if let Some(frame) = session.control.pop_front() {
            return Some(frame);
        }
        if session.phase == Phase::Closing {
            let reason = session.closing.take()?;
            self.outputs.push_back(Output::Close { link, reason });
            return None;
        }
        if session.phase != Phase::Open {
            return None;
        }
        let frame = self.frontier_frame(link).or_else(|| self.entries_frame(link));
        frame.or_else(|| self.knowledge_frame(link)).or_else(|| self.blob_frame(link))
    }

    // ---- Sessions ----

    fn link_up(&mut self, now_ms: u64, link: LinkId, device: DeviceId, initiator: bool, class: LinkClass) {
        let mut session = Session::new(now_ms, device, initiator, class);
        if initiator {
            session.control.push_back(self.knock(device));
            self.ready.insert(link);
        }
        self.sessions.insert(link, session);
        self.timers.set(Timer::Handshake(link), now_ms + HANDSHAKE_MS);
        self.timers.set(Timer::Stalls, now_ms + STALL_LOOK_MS);
    }

    fn knock(&self, to: DeviceId) -> Frame {
        let tag = knock_tag(self.replica.site(), self.replica.identity().device(), to);
        Frame::Knock { version: PROTOCOL_VERSION, tag: tag.into() }
    }

    fn frame(&mut self, now_ms: u64, link: LinkId, bytes: &[u8]) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.heard_ms = now_ms;
        if session.phase == Phase::Closing {
            return;
        }
        let Ok(frame) = Frame::decode(bytes) else {
            self.counters.malformed += 1;
            return self.end(now_ms, link, Some(CloseReason::Fault("a frame can't be read")));
        };
        self.counters.received(&frame, bytes.len());
        let happening = Happening::of(&frame);
        let Some(phase) = next(session.phase, happening) else {
            return self.end(now_ms, link, Some(CloseReason::Fault("a frame came out of turn")));
        };
        match self.handle_frame(now_ms, link, frame) {
            Ok(()) => self.enter(now_ms, link, phase),
            Err(reason) => self.hang_up(now_ms, link, reason),
        }
    }

    fn handle_frame(&mut self, now_ms: u64, link: LinkId, frame: Frame) -> Result<(), CloseReason> {
        match frame {
            Frame::Knock { version, tag } => self.on_knock(link, version, &tag),
            Frame::Hello(certificate) => self.on_hello(now_ms, link, &certificate),
            Frame::Admitted => Ok(()),
            Frame::Bye(reason) => self.on_bye(now_ms, link, reason),
            Frame::Frontier { items, opening } => self.on_frontier(now_ms, link, &items, opening),
            Frame::Want { log, from, to } => self.on_want(link, log, from, to),
            Frame::Entries(entries) => self.on_entries(now_ms, link, &entries),
            Frame::Credit(bytes) => self.on_credit(link, bytes),
            Frame::Prune => self.on_prune(link),
            Frame::Knowledge(facts) => self.on_knowledge(now_ms, link, &facts),
            Frame::BlobWant { blob, first, count, outline } => self.on_blob_want(link, blob, first, count, outline),
            Frame::BlobOutline { blob, values } => self.on_blob_outline(link, blob, &values),
            Frame::BlobGroup { blob, index, bytes } => self.on_blob_group(now_ms, link, blob, index, &bytes),
            Frame::BlobGone(blob) => self.on_blob_gone(now_ms, link, blob),
            Frame::Probe { log, lo, hi, middle } => self.on_probe(link, log, lo, hi, *middle),
            Frame::Parting(header) => self.on_parting(now_ms, link, &header),
        }
    }

    fn on_knock(&mut self, link: LinkId, version: u16, tag: &[u8; 16]) -> Result<(), CloseReason> {
        let Some(session) = self.sessions.get(&link) else { return Ok(()) };
        let (device, initiator) = (session.device, session.initiator);
        if *tag != knock_tag(self.replica.site(), device, self.replica.identity().device()) {
            return Err(CloseReason::Stranger);
        }
        if version != PROTOCOL_VERSION {
            return Err(CloseReason::Version(version));
        }
        if !initiator {
            let knock = self.knock(device);
            self.send(link, knock);
        }
        let hello = Frame::Hello(Box::new(self.replica.identity().certificate.clone()));
        self.send(link, hello);
        Ok(())
    }

    fn on_hello(&mut self, now_ms: u64, link: LinkId, certificate: &Certificate) -> Result<(), CloseReason> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        certificate.verify(&self.replica.membership().manifest)?;
        if certificate.device != session.device {
            return Err(crate::site::CertificateError::OtherDevice.into());
        }
        certificate.valid_at(now_ms)?;
        session.roles = certificate.roles;
        self.send(link, Frame::Admitted);
        Ok(())
    }

    fn on_bye(&mut self, now_ms: u64, link: LinkId, mut reason: String) -> Result<(), CloseReason> {
        reason.retain(|c| !c.is_control());
        let reason: String = reason.chars().take(REASON_BYTES_MAX).collect();
        self.end(now_ms, link, Some(CloseReason::Bye(reason)));
        Ok(())
    }

    /// Moves a session to the phase that the table says.
    fn enter(&mut self, now_ms: u64, link: LinkId, phase: Phase) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if session.phase == Phase::Closing {
            return;
        }
        let opens = session.phase != Phase::Open && phase == Phase::Open;
        session.phase = phase;
        if opens {
            self.open(now_ms, link);
        }
    }

    fn open(&mut self, now_ms: u64, link: LinkId) {
        self.timers.clear(Timer::Handshake(link));
        let Some(device) = self.sessions.get(&link).map(|session| session.device) else { return };
        let (eager, offers) = (self.may_push_to_more(), self.offers_of(device));
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.eager = eager || session.class == LinkClass::Uplink;
        session.news = self.replica.frontier().keys().copied().collect();
        session.tell_knowledge = true;
        session.offers = offers;
        self.ready.insert(link);
        self.outputs.push_back(Output::Event(Event::Admitted { link, device }));
        self.ask_for_blobs(now_ms, link);
    }

    /// Ends a session that the other side must hear a reason for; a stranger hears none.
    fn hang_up(&mut self, now_ms: u64, link: LinkId, reason: CloseReason) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if reason == CloseReason::Stranger || matches!(session.phase, Phase::Knocking | Phase::Listening) {
            return self.end(now_ms, link, Some(reason));
        }
        session.control.clear();
        session.control.push_back(Frame::Bye(reason.to_string()));
        let (device, admitted) = (session.device, session.is_open());
        session.phase = Phase::Closing;
        session.closing = Some(reason.clone());
        self.ready.insert(link);
        self.let_go(now_ms, link);
        let event = Event::Ended { link, device, admitted, reason: Some(reason) };
        self.outputs.push_back(Output::Event(event));
    }

    /// Ends a session at once.
    pub(super) fn end(&mut self, now_ms: u64, link: LinkId, reason: Option<CloseReason>) {
        let Some(session) = self.sessions.remove(&link) else { return };
        if session.phase != Phase::Closing {
            let (device, admitted) = (session.device, session.is_open());
            let event = Event::Ended { link, device, admitted, reason: reason.clone() };
            self.outputs.push_back(Output::Event(event));
            self.let_go(now_ms, link);
        }
        for timer in [Timer::Handshake(link), Timer::Frontier(link), Timer::Knowledge(link)] {
            self.timers.clear(timer);
        }
        self.ready.remove(&link);
        if let Some(reason) = reason {
            self.outputs.push_back(Output::Close { link, reason });
        }
    }

    /// What was asked over a link is asked of others.
    fn let_go(&mut self, now_ms: u64, link: LinkId) {
        self.swarm.release(link);
        let orphaned: Vec<LogId> =
            self.fetching.iter().filter(|(_, fetch)| fetch.link == link).map(|(log, _)| *log).collect();
        for log in orphaned {
            self.fetching.remove(&log);
            self.timers.set(Timer::Fetch(log), now_ms);
        }
        let others: Vec<LinkId> = self.sessions.keys().copied().filter(|other| *other != link).collect();
        others.into_iter().for_each(|other| self.ask_for_blobs(now_ms, other));
    }

    pub(super) fn send(&mut self, link: LinkId, frame: Frame) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if session.control.len() < CONTROL_MAX {
            session.control.push_back(frame);
        } else {
            session.faults = FAULTS_MAX;
        }
        self.ready.insert(link);
    }

    /// Counts a fault against a peer; too many end the session.
    pub(super) fn fault(&mut self, link: LinkId, reason: String) -> Result<(), CloseReason> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        session.faults += 1;
        let device = session.device;
        let too_many = session.faults >= FAULTS_MAX;
        self.counters.refused(device);
        self.outputs.push_back(Output::Event(Event::Refused { device, reason }));
        if too_many { Err(CloseReason::Misbehaved) } else { Ok(()) }
    }

    // ---- Time ----

    fn fire(&mut self, now_ms: u64, timer: Timer) {
        match timer {
            Timer::Handshake(link) => self.handshake_due(now_ms, link),
            Timer::Frontier(link) => {
                self.ready.insert(link);
            }
            Timer::Knowledge(link) => {
                if let Some(session) = self.sessions.get_mut(&link) {
                    session.tell_knowledge = true;
                    self.ready.insert(link);
                }
            }
            Timer::Fetch(log) => self.plan_fetch(now_ms, log),
            Timer::Stalls => self.look_for_stalls(now_ms),
            Timer::House => self.keep_house(now_ms),
        }
    }

    fn handshake_due(&mut self, now_ms: u64, link: LinkId) {
        let Some(session) = self.sessions.get(&link) else { return };
        if next(session.phase, Happening::Deadline).is_none() {
            self.end(now_ms, link, Some(CloseReason::Slow));
        }
    }

    fn look_for_stalls(&mut self, now_ms: u64) {
        if self.sessions.is_empty() {
            return;
        }
        self.timers.set(Timer::Stalls, now_ms + STALL_LOOK_MS);
        let stalled: Vec<(LogId, LinkId)> = self
            .fetching
            .iter()
            .filter(|(_, fetch)| now_ms >= fetch.progress_ms + STALL_MS)
            .map(|(log, fetch)| (*log, fetch.link))
            .collect();
        for (log, link) in stalled {
            self.fetching.remove(&log);
            self.stalled(link, "entries");
            self.demote(link, log);
            self.plan_fetch(now_ms, log);
        }
        let late = |s: &Session| s.blobs_asked > 0 && now_ms >= s.blob_ms + STALL_MS;
        let late: Vec<LinkId> = self.sessions.iter().filter(|(_, s)| late(s)).map(|(link, _)| *link).collect();
        for link in late {
            self.stalled(link, "images");
            self.swarm.release(link);
            if let Some(session) = self.sessions.get_mut(&link) {
                session.blobs_asked = 0;
                session.blob_ms = now_ms;
            }
            let others: Vec<LinkId> = self.sessions.keys().copied().filter(|other| *other != link).collect();
            others.into_iter().chain([link]).for_each(|other| self.ask_for_blobs(now_ms, other));
        }
    }

    fn stalled(&mut self, link: LinkId, what: &'static str) {
        if let Some(session) = self.sessions.get(&link) {
            self.outputs.push_back(Output::Event(Event::Stalled { device: session.device, what }));
        }
    }

    fn keep_house(&mut self, now_ms: u64) {
        self.timers.set(Timer::House, now_ms + HOUSE_MS);
        if self.gateway {
            self.say_gateway(now_ms, false);
        }
        let dirty = self.knowledge.take_dirty();
        if dirty.is_empty() {
            return;
        }
        let mut batch = Batch::default();
        for (device, known) in dirty {
            batch.put(Table::Meta, [keys::KNOWN_PREFIX, &device.0].concat(), encode(&known));
        }
        if let Err(error) = self.replica.store_mut().apply(batch) {
            self.store_failed(error);
        }
    }

    fn restore_knowledge(&mut self) -> Result<(), StoreError> {
        let (from, to) = (keys::KNOWN_PREFIX.to_vec(), keys::after(keys::KNOWN_PREFIX));
        for (key, value) in self.replica.store().scan(Table::Meta, &from, &to, Direction::Up, usize::MAX)? {
            let device = key[keys::KNOWN_PREFIX.len()..].try_into().map(DeviceId);
            if let (Ok(device), Ok(known)) = (device, decode::<Known>(&value, usize::MAX)) {
                match device == self.replica.identity().device() {
                    true => self.knowledge.restore_own(device, known),
                    false => self.knowledge.restore(device, known),
                }
            }
        }
        Ok(())
    }

    pub(super) fn store_failed(&mut self, error: StoreError) {
        self.outputs.push_back(Output::Event(Event::StoreFailed(error)));
    }

    // ---- Gateway and knowledge ----

    fn set_gateway(&mut self, now_ms: u64, on: bool) {
        self.gateway = on;
        self.say_gateway(now_ms, true);
    }

    fn say_gateway(&mut self, now_ms: u64, at_once: bool) {
        // Repeats are on a grid, so that a restart doesn't tell the same thing under a new time.
        let at_ms = if self.gateway { now_ms - now_ms % GATEWAY_REPEAT_MS + u64::from(at_once) } else { 0 };
        let own = self.replica.identity().device();
        if self.knowledge.learn(now_ms, own, own, &Fact::Gateway(at_ms)) {
            self.spread_knowledge(now_ms);
        }
    }

    pub(super) fn spread_knowledge(&mut self, now_ms: u64) {
        self.tell_within(now_ms, KNOWLEDGE_MS);
    }

    fn tell_within(&mut self, now_ms: u64, gathered_ms: u64) {
        for (link, session) in self.sessions.iter().filter(|(_, session)| session.is_open()) {
            // Over an uplink it is what the hub can pull from here, and a verdict waits for that.
            let gathered_ms = if session.class == LinkClass::Uplink { FRONTIER_MS } else { gathered_ms };
            self.timers.set(Timer::Knowledge(*link), now_ms + gathered_ms);
        }
    }

    fn knowledge_frame(&mut self, link: LinkId) -> Option<Frame> {
        let session = self.sessions.get_mut(&link)?;
        if !session.tell_knowledge {
            return None;
        }
        let own = self.replica.identity().device();
        // A copy of this device is told of it too: they don't hold the same.
        let peer = Some(session.device).filter(|device| *device != own);
        let (facts, version) = self.knowledge.since(session.told_knowledge, FACTS_MAX, peer);
        session.told_knowledge = version;
        session.tell_knowledge = version < self.knowledge.version();
        let uplink = session.class == LinkClass::Uplink;
        let is_hub = self.replica.identity().certificate.roles.has(Roles::HUB);
        let mut by_device: BTreeMap<DeviceId, Vec<Fact>> = BTreeMap::new();
        for (device, fact) in facts {
            // The own frontier is told by frontier frames. Over an uplink only what the hub can pull from here matters.
            let told_elsewhere = device == own && matches!(fact, Fact::Has(_));
            let useless = uplink && (is_hub || device != own || !matches!(fact, Fact::Holds(_)));
            if !told_elsewhere && !useless {
                by_device.entry(device).or_default().push(fact);
            }
        }
        if by_device.is_empty() {
            return session.tell_knowledge.then(|| self.knowledge_frame(link)).flatten();
        }
        Some(Frame::Knowledge(by_device.into_iter().collect()))
    }

    fn on_knowledge(&mut self, now_ms: u64, link: LinkId, facts: &[(DeviceId, Vec<Fact>)]) -> Result<(), CloseReason> {
        let Some(session) = self.sessions.get(&link) else { return Ok(()) };
        let (teller, own) = (session.device, self.replica.identity().device());
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
            self.spread_knowledge(now_ms);
        }
        Ok(())
    }

    fn on_holds(&mut self, now_ms: u64, device: DeviceId, capture: CaptureId, teller: DeviceId) -> bool {
        // Who holds an accepted capture interests nobody any more.
        let settled = matches!(self.replica.capture(capture), Ok(Some(view)) if view.accepted().is_some());
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

    fn frontier_frame(&mut self, link: LinkId) -> Option<Frame> {
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

    // ---- Durability ----

    fn durable(&mut self, now_ms: u64, ticket: Ticket) {
        let own = self.replica.own_author().log();
        let device = self.replica.identity().device();
        for (log, head) in self.replica.on_durable(ticket) {
            self.knowledge.learn(now_ms, device, device, &Fact::Has(EntryRef { log, seq: head.height }));
            for (link, session) in self.sessions.iter_mut().filter(|(_, s)| s.is_open()) {
                session.news.insert(log);
                self.timers.set(Timer::Frontier(*link), now_ms + FRONTIER_MS);
            }
            if log == own {
                self.push(log, head.height, None);
            }
        }
        match self.swarm.durable(self.replica.store_mut(), ticket) {
            Ok(whole) => whole.into_iter().for_each(|(capture, rank)| self.whole(now_ms, capture, rank)),
            Err(error) => self.store_failed(error),
        }
    }

    fn whole(&mut self, now_ms: u64, capture: CaptureId, rank: Option<Rank>) {
        self.outputs.push_back(Output::Event(Event::Whole(capture)));
        self.outputs.push_back(Output::Event(Event::Changed(capture)));
        let identity = self.replica.identity();
        let own = identity.device();
        // A hub says so with its receipt.
        if !identity.certificate.roles.has(Roles::HUB) {
            self.knowledge.learn(now_ms, own, own, &Fact::Holds(capture));
            self.tell_within(now_ms, HOLDS_MS);
        }
        rank.into_iter().for_each(|rank| self.withdraw(&rank));
    }

    /// Nobody needs to be asked for this capture any more.
    fn withdraw(&mut self, rank: &Rank) {
        for session in self.sessions.values_mut() {
            session.offers.remove(rank);
        }
    }

    // ---- Blobs ----

    fn restore_swarm(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let mut needed = self.replica.open_captures().clone();
        needed.extend(self.replica.unanswered());
        let mut keep = BTreeSet::new();
        for id in needed {
            let Some(origin) = self.replica.capture(id)?.and_then(|view| view.origin) else { continue };
            keep.extend(origin.blobs.iter().map(|blob| blob.id));
            if are_here(self.replica.store(), &origin)? {
                self.swarm.set_whole(id, &origin);
                self.say_that_it_holds(now_ms, id, &origin);
            } else if !self.replica.unanswered().contains(&id) {
                self.want(now_ms, id, &origin)?;
            }
        }
        self.remove_leftovers(&keep)
    }

    /// What this device knows of itself is saved now and then; what is on its disk is so at once. A device that was switched off
    /// right after it had taken a copy would otherwise never offer it to anybody.
    fn say_that_it_holds(&mut self, now_ms: u64, id: CaptureId, origin: &Origin) {
        let identity = self.replica.identity();
        let own = identity.device();
        if origin.device != own && !identity.certificate.roles.has(Roles::HUB) {
            self.knowledge.learn(now_ms, own, own, &Fact::Holds(id));
        }
    }

    /// Removes blobs that a crash left behind after their capture was settled. Own captures keep theirs.
    fn remove_leftovers(&mut self, keep: &BTreeSet<BlobId>) -> Result<(), StoreError> {
        let own = self.replica.identity().device();
        let mut keep = keep.clone();
        let mut query = Query { device: Some(own), limit: crate::replica::PAGE_MAX, ..Query::default() };
        loop {
            let (page, next) = self.captures(0, &query)?;
            for (id, origin) in page.into_iter().filter_map(|(id, view, _)| Some((id, view.origin?))) {
                self.swarm.use_blobs(id, &origin);
                keep.extend(origin.blobs.iter().map(|blob| blob.id));
            }
            let Some(next) = next else { break };
            query.after = Some(next);
        }
        for (blob, _) in self.replica.store().blob_list()? {
            if !keep.contains(&blob) {
                self.replica.store_mut().blob_remove(blob)?;
            }
        }
        Ok(())
    }

    /// Whether this device holds a capture with all that belongs to it.
    fn holds(&self, id: CaptureId, view: &CaptureView) -> bool {
        view.origin.is_some() && (view.accepted().is_some() || self.swarm.is_whole(&id))
    }

    /// Takes note of a capture that is new here, that a hub has accepted meanwhile, or that a cut has changed.
    pub(super) fn consider(&mut self, now_ms: u64, id: CaptureId) -> Result<(), StoreError> {
        let view = self.replica.capture(id)?.unwrap_or_default();
        let Some(origin) = &view.origin else {
            self.drop_out(id);
            return Ok(());
        };
        let own = self.replica.identity().device();
        if view.accepted().is_some() {
            return self.settle(id, origin, own);
        }
        if self.swarm.cares_for(&id, &origin.payload) {
            return Ok(());
        }
        self.drop_out(id);
        // A copy of this device may have made it, whose images aren't here.
        if origin.device == own && are_here(self.replica.store(), origin)? {
            self.swarm.set_whole(id, origin);
            return Ok(());
        }
        self.want(now_ms, id, origin)
    }

    fn drop_out(&mut self, id: CaptureId) {
        self.swarm.rank(&id).into_iter().for_each(|rank| self.withdraw(&rank));
        if self.swarm.drop_out(&id) {
            self.knowledge.let_go(self.replica.identity().device(), id);
        }
    }

    fn want(&mut self, now_ms: u64, id: CaptureId, origin: &Origin) -> Result<(), StoreError> {
        let ticket = self.replica.last_ticket();
        self.swarm.want(self.replica.store(), id, origin, ticket)?;
        let Some(rank) = self.swarm.rank(&id) else { return Ok(()) };
        let knowledge = &self.knowledge;
        let holds =
            |device: &DeviceId| *device == origin.device || knowledge.device(device).is_some_and(|k| k.holds(&id));
        let links: Vec<LinkId> =
            self.sessions.iter().filter(|(_, s)| s.is_open() && holds(&s.device)).map(|(link, _)| *link).collect();
        for link in links {
            if let Some(session) = self.sessions.get_mut(&link) {
                session.offers.insert(rank);
            }
            self.ask_for_blobs(now_ms, link);
        }
        Ok(())
    }

    /// A hub has the capture: nobody needs to fetch it any more, and carriers drop its images.
    fn settle(&mut self, id: CaptureId, origin: &Origin, own: DeviceId) -> Result<(), StoreError> {
        self.swarm.rank(&id).into_iter().for_each(|rank| self.withdraw(&rank));
        self.knowledge.settle(id);
        if self.replica.unanswered().contains(&id) {
            return self.go_on_working(id, origin);
        }
        self.swarm.forget(&id);
        if origin.device != own {
            for blob in self.swarm.leave_blobs(id, origin) {
                self.replica.store_mut().blob_remove(blob)?;
            }
        }
        Ok(())
    }

    /// This hub has accepted the capture and not answered it yet, so that it needs the images. What a cut took away meanwhile and
    /// is stated again now is whole once more.
    fn go_on_working(&mut self, id: CaptureId, origin: &Origin) -> Result<(), StoreError> {
        if !self.swarm.is_whole(&id) && are_here(self.replica.store(), origin)? {
            self.swarm.set_whole(id, origin);
            self.outputs.push_back(Output::Event(Event::Whole(id)));
        }
        Ok(())
    }

    fn offers_of(&self, device: DeviceId) -> BTreeSet<Rank> {
        let known = self.knowledge.device(&device);
        self.swarm.offers(device, |capture| known.is_some_and(|known| known.holds(capture)))
    }

    pub(super) fn ask_for_blobs(&mut self, now_ms: u64, link: LinkId) {
        let Some(session) = self.sessions.get_mut(&link).filter(|session| session.is_open()) else { return };
        let room = session.class.blob_window().saturating_sub(session.blobs_asked);
        // Asking in halves of the window makes few, long requests.
        if session.offers.is_empty() || room < session.class.blob_window().div_ceil(2) {
            return;
        }
        let asks = self.swarm.ask(link, &session.offers, room);
        if session.blobs_asked == 0 {
            session.blob_ms = now_ms;
        }
        session.blobs_asked += asks.iter().map(|ask| ask.count).sum::<u32>();
        for ask in asks {
            let frame = Frame::BlobWant { blob: ask.blob, first: ask.first, count: ask.count, outline: ask.outline };
            self.send(link, frame);
        }
    }

    fn on_blob_want(
        &mut self,
        link: LinkId,
        blob: BlobRef,
        first: u32,
        count: u32,
        outline: bool,
    ) -> Result<(), CloseReason> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        if !blob.is_bounded() || session.blob_serving.len() >= BLOB_SERVING_MAX {
            return self.fault(link, "asks for more blobs than it may".into());
        }
        let end = first.saturating_add(count).min(blob.groups());
        session.blob_serving.push_back(BlobRange { blob, next: first, end, outline });
        self.ready.insert(link);
        Ok(())
    }

    fn blob_frame(&mut self, link: LinkId) -> Option<Frame> {
        loop {
            let session = self.sessions.get_mut(&link)?;
            let range = session.blob_serving.front_mut()?;
            let blob = range.blob;
            if std::mem::take(&mut range.outline) {
                return Some(match self.outline_of(blob) {
                    Some(outline) => Frame::BlobOutline { blob, values: outline.to_bytes().into() },
                    None => self.drop_serving(link, blob),
                });
            }
            if range.next >= range.end {
                session.blob_serving.pop_front();
                continue;
            }
            let index = range.next;
            range.next += 1;
            let (offset, len) = blob.group(index)?;
            let outline = self.outline_of(blob);
            let bytes = self.replica.store().blob_read(blob.id, offset, len).unwrap_or_default();
            // What a bad disk gives isn't passed on.
            let sound = outline.is_some_and(|outline| outline.check(index, &bytes).is_ok());
            return Some(if sound {
                Frame::BlobGroup { blob, index, bytes: bytes.into() }
            } else {
                self.drop_serving(link, blob)
            });
        }
    }

    fn drop_serving(&mut self, link: LinkId, blob: BlobRef) -> Frame {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.blob_serving.retain(|range| range.blob != blob);
        }
        Frame::BlobGone(blob)
    }

    /// The outline of a blob that is here whole.
    fn outline_of(&mut self, blob: BlobRef) -> Option<Outline> {
        if let Some((_, outline)) = self.outlines.iter().find(|(of, _)| *of == blob) {
            return Some(outline.clone());
        }
        let bytes = self.replica.whole_blob(&blob).ok().flatten()?;
        let outline = Outline::of(&bytes).ok()?;
        self.outlines.push_front((blob, outline.clone()));
        self.outlines.truncate(OUTLINES_MAX);
        Some(outline)
    }

    fn on_blob_outline(&mut self, link: LinkId, blob: BlobRef, values: &[u8]) -> Result<(), CloseReason> {
        match self.swarm.outline(self.replica.store_mut(), blob, values) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => self.fault(link, error.to_string()),
            Err(error) => Err(self.cant_store(error)),
        }
    }

    fn on_blob_group(
        &mut self,
        now_ms: u64,
        link: LinkId,
        blob: BlobRef,
        index: u32,
        bytes: &[u8],
    ) -> Result<(), CloseReason> {
        let outcome = self.swarm.group(self.replica.store_mut(), link, blob, index, bytes);
        if let Some(session) = self.sessions.get_mut(&link) {
            session.blob_ms = now_ms;
            session.blobs_asked = session.blobs_asked.saturating_sub(1);
        }
        self.ask_for_blobs(now_ms, link);
        match outcome {
            Ok(Ok(asked)) => {
                self.counters.unasked += u64::from(!asked);
                Ok(())
            }
            Ok(Err(error)) => self.fault(link, error.to_string()),
            Err(error) => Err(self.cant_store(error)),
        }
    }

    fn on_blob_gone(&mut self, now_ms: u64, link: LinkId, blob: BlobRef) -> Result<(), CloseReason> {
        let Some((ranks, released)) = self.swarm.gone(link, &blob) else { return Ok(()) };
        if let Some(session) = self.sessions.get_mut(&link) {
            ranks.iter().for_each(|rank| _ = session.offers.remove(rank));
            session.blobs_asked = session.blobs_asked.saturating_sub(released);
        }
        let links: Vec<LinkId> = self.sessions.keys().copied().collect();
        links.into_iter().for_each(|link| self.ask_for_blobs(now_ms, link));
        Ok(())
    }

    pub(super) fn cant_store(&mut self, error: StoreError) -> CloseReason {
        self.store_failed(error.clone());
        CloseReason::Store(error)
    }
}
