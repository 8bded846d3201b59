//! The machine: inputs in, frames and outputs out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::conduct::{Conduct, FAULTS_MAX, Fault};
use super::entries::Fetch;
use super::frame::{Frame, PROTOCOL_VERSION, REASON_BYTES_MAX, knock_tag};
use super::phase::{Happening, Phase, next};
use super::scrubbing::Scrubbing;
use super::session::{CONTROL_MAX, LinkClass, Session};
use super::swarm::Swarm;
use super::timers::{Timer, Timers};
use super::watch::Counters;
use super::{CloseReason, Event, Input, LinkId, Output};
use crate::blob::{BlobRef, Outline};
use crate::canary::{self, Canary};
use crate::codec::encode;
use crate::entry::About;
use crate::ids::{BlobId, CaptureId, DeviceId, LogId};
use crate::knowledge::{GATEWAY_REPEAT_MS, Knowledge};
use crate::record::Record;
use crate::replica::{AppendError, Page, Query, Replica, Written, keys};
use crate::seal::SealingSecret;
use crate::site::{Certificate, CertificateError};
use crate::stage::{Stages, stages};
use crate::store::{Batch, Store, StoreError, Table, Ticket};
use crate::view::CaptureView;

/// How long a membership handshake may take, in ms: three round trips of a slow satellite link, and its losses.
pub(super) const HANDSHAKE_MS: u64 = 10_000;
/// How often stalls are looked for, in ms.
const STALL_LOOK_MS: u64 = 2_500;
/// How long something that was asked for may not move, in ms, before another peer is asked.
const STALL_MS: u64 = 10_000;
/// How soon after something happened house is kept, in ms: what is known of others is saved then.
const HOUSE_MS: u64 = 5_000;
/// How often house is kept while nothing happens, in ms: what is past its time is erased then.
const IDLE_HOUSE_MS: u64 = 900_000;
/// How soon house is kept again while there is more to erase or to judge than one round does, in ms.
const MORE_MS: u64 = 100;

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
    pub(super) conduct: Conduct,
    pub(super) outlines: VecDeque<(BlobRef, Outline)>,
    /// Images that go once their erasure is on disk.
    pub(super) leaving: VecDeque<(Ticket, Vec<BlobId>)>,
    /// Where to go on telling of erasures whose logs were cut.
    pub(super) orphans_from: Vec<u8>,
    pub(super) gateway: bool,
    pub(super) scrubbing: Scrubbing,
    /// Logs that are cut, as far as was told.
    pub(super) cut: BTreeSet<LogId>,
    /// Who is revoked, as far as the sessions were told.
    pub(super) out: BTreeSet<DeviceId>,
    pub(super) last_ms: u64,
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
            conduct: Conduct::default(),
            outlines: VecDeque::new(),
            leaving: VecDeque::new(),
            orphans_from: Vec::new(),
            gateway: false,
            scrubbing: Scrubbing::default(),
            cut: BTreeSet::new(),
            out: BTreeSet::new(),
            last_ms: now_ms,
            woken_for: None,
        };
        engine.restore_scrubbing(now_ms)?;
        engine.cut = engine.replica.frozen().map(|(log, _)| *log).collect();
        engine.out = engine.replica.revoked().devices().copied().collect();
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
        self.look_at_clock(now_ms);
        let result = write(&mut self.replica);
        self.settle_news(now_ms, None);
        if canary::sings(Canary::Durability) {
            self.durable(now_ms, self.replica.last_ticket());
        }
        result
    }

    /// Forgets the key that opens what is sealed to this device, as a locked device does.
    pub fn forget_sealing(&mut self) {
        self.replica.forget_sealing();
    }

    /// Gives it back. Says whether it was this device's.
    pub fn give_back_sealing(&mut self, sealing: SealingSecret) -> bool {
        let given = self.replica.give_back_sealing(sealing);
        given.unwrap_or_else(|error| {
            self.store_failed(error);
            false
        })
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
        self.look_at_clock(now_ms);
        match input {
            Input::LinkUp { link, device, initiator, class } => self.link_up(now_ms, link, device, initiator, class),
            Input::Frame { link, bytes } => self.frame(now_ms, link, &bytes),
            Input::Overlong { link } => self.break_off(now_ms, link, "a frame is longer than any may be"),
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

    /// Whether there is anything for [`Self::transmit`] to give, as things are: a link that has none of it is ready again later.
    #[must_use]
    pub fn may_transmit(&self, link: LinkId) -> bool {
        self.sessions.get(&link).is_some_and(Session::may_send)
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
        if canary::is_overwritten(&self.replica.identity().device().0, &session.device.0) {
            return self.knowledge_frame(link);
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
            if canary::sings(Canary::Frontier) {
                return canary::overwrite(&self.replica.identity().device().0, &session.device.0);
            }
            self.counters.malformed += 1;
            return self.break_off(now_ms, link, "a frame can't be read");
        };
        self.counters.received(&frame, bytes.len());
        let happening = Happening::of(&frame);
        let Some(phase) = next(session.phase, happening) else {
            return self.break_off(now_ms, link, "a frame came out of turn");
        };
        match self.handle_frame(now_ms, link, frame) {
            Ok(()) => self.enter(now_ms, link, phase),
            Err(reason) => self.hang_up(now_ms, link, reason),
        }
    }

    /// Ends a session over a frame that can't be. It is held against a member; of strangers nothing is kept.
    fn break_off(&mut self, now_ms: u64, link: LinkId, why: &'static str) {
        if let Some(session) = self.sessions.get(&link).filter(|session| session.is_open()) {
            self.blame(session.device, Fault::Frame, why.to_owned());
        }
        self.end(now_ms, link, Some(CloseReason::Fault(why)));
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
            Frame::Erased { certificates, grounds } => self.on_erased(now_ms, link, &certificates, grounds),
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
            return Err(CertificateError::OtherDevice.into());
        }
        // One that hasn't begun shows that some clock is behind, and nothing against its device.
        if certificate.valid_at(now_ms) == Err(CertificateError::Expired) {
            return Err(CertificateError::Expired.into());
        }
        if self.replica.revoked().is_out(&certificate.device) {
            return Err(CloseReason::Revoked);
        }
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
        self.knowledge.hear(now_ms, device, device);
        session.news = self.replica.frontier().keys().copied().collect();
        (session.tell_own, session.tell_hearsay) = (true, true);
        session.offers = offers;
        self.ready.insert(link);
        self.outputs.push_back(Output::Event(Event::Admitted { link, device }));
        self.keep_house_soon(now_ms);
        self.ask_for_blobs(now_ms, link);
    }

    /// Ends the sessions with whoever has been revoked since the last call.
    pub(super) fn part_with_revoked(&mut self, now_ms: u64) {
        let revoked = self.replica.revoked();
        if revoked.len() == self.out.len() && revoked.devices().eq(self.out.iter()) {
            return;
        }
        let out: BTreeSet<DeviceId> = revoked.devices().copied().collect();
        for device in out.difference(&self.out) {
            self.outputs.push_back(Output::Event(Event::Revoked(*device)));
        }
        let ended = |session: &Session| out.contains(&session.device) && session.phase != Phase::Closing;
        let links: Vec<LinkId> = self.sessions.iter().filter(|(_, it)| ended(it)).map(|(link, _)| *link).collect();
        self.out = out;
        links.into_iter().for_each(|link| self.hang_up(now_ms, link, CloseReason::Revoked));
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
    fn end(&mut self, now_ms: u64, link: LinkId, reason: Option<CloseReason>) {
        let Some(session) = self.sessions.remove(&link) else { return };
        if session.phase != Phase::Closing {
            let (device, admitted) = (session.device, session.is_open());
            let event = Event::Ended { link, device, admitted, reason: reason.clone() };
            self.outputs.push_back(Output::Event(event));
            self.let_go(now_ms, link);
        }
        for timer in [Timer::Handshake(link), Timer::Frontier(link), Timer::Holds(link), Timer::Hearsay(link)] {
            self.timers.clear(timer);
        }
        self.ready.remove(&link);
        if let Some(reason) = reason {
            self.outputs.push_back(Output::Close { link, reason });
        }
    }

    /// What was asked over a link is asked of others.
    pub(super) fn let_go(&mut self, now_ms: u64, link: LinkId) {
        self.swarm.release(link);
        let orphaned: Vec<LogId> =
            self.fetching.iter().filter(|(_, fetch)| fetch.link == link).map(|(log, _)| *log).collect();
        for log in orphaned {
            self.fetching.remove(&log);
            self.timers.set(Timer::Fetch(log), now_ms);
        }
        self.others(link).into_iter().for_each(|other| self.ask_for_blobs(now_ms, other));
        self.look_at_turns(now_ms);
    }

    /// All links but one, in the order in which to ask for what it didn't send: who has kept things back comes last, or two links of a
    /// liar would be asked in turn for ever.
    fn others(&self, link: LinkId) -> Vec<LinkId> {
        let kept_back = |device: &DeviceId| {
            self.conduct().find(|(known, _)| *known == device).map_or(0, |(_, faults)| faults.of(Fault::Withheld))
        };
        let others = self.sessions.iter().filter(|(other, _)| **other != link);
        let mut others: Vec<(u64, LinkId)> = others.map(|(other, it)| (kept_back(&it.device), *other)).collect();
        others.sort_unstable();
        others.into_iter().map(|(_, other)| other).collect()
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

    // ---- Time ----

    fn fire(&mut self, now_ms: u64, timer: Timer) {
        match timer {
            Timer::Handshake(link) => self.handshake_due(now_ms, link),
            Timer::Frontier(link) => {
                if let Some(session) = self.sessions.get_mut(&link) {
                    session.tell_frontier = true;
                    self.ready.insert(link);
                }
            }
            Timer::Holds(link) => {
                if let Some(session) = self.sessions.get_mut(&link) {
                    session.tell_own = true;
                    self.ready.insert(link);
                }
            }
            Timer::Hearsay(link) => {
                if let Some(session) = self.sessions.get_mut(&link) {
                    session.tell_hearsay = true;
                    self.ready.insert(link);
                }
            }
            Timer::Beside => self.tell_beside(now_ms),
            Timer::Turn(capture) => self.turn_is_due(now_ms, capture),
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

    /// Something was asked for: looks from time to time whether it comes.
    pub(super) fn watch_for_stalls(&mut self, now_ms: u64) {
        self.timers.set(Timer::Stalls, now_ms + STALL_LOOK_MS);
    }

    fn look_for_stalls(&mut self, now_ms: u64) {
        if self.fetching.is_empty() && self.sessions.values().all(|session| session.blobs_asked() == 0) {
            return;
        }
        self.watch_for_stalls(now_ms);
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
        let late = |s: &Session| s.blobs_asked() > 0 && now_ms >= s.blob_ms + STALL_MS;
        let late: Vec<LinkId> = self.sessions.iter().filter(|(_, s)| late(s)).map(|(link, _)| *link).collect();
        for link in late {
            self.stalled(link, "images");
            self.swarm.release(link);
            if let Some(session) = self.sessions.get_mut(&link) {
                session.asked.clear();
                session.blob_ms = now_ms;
            }
            self.others(link).into_iter().chain([link]).for_each(|other| self.ask_for_blobs(now_ms, other));
        }
    }

    fn stalled(&mut self, link: LinkId, what: &'static str) {
        if let Some(session) = self.sessions.get(&link) {
            let device = session.device;
            self.outputs.push_back(Output::Event(Event::Stalled { device, what }));
            self.conduct.note(device, Fault::Withheld);
        }
    }

    /// Something happened after which there may be something to do that can wait a little.
    pub(super) fn keep_house_soon(&mut self, now_ms: u64) {
        self.timers.set(Timer::House, now_ms + HOUSE_MS);
    }

    fn keep_house(&mut self, now_ms: u64) {
        // A gateway says again and again that it is one, all of them at the same times.
        let repeats_ms = GATEWAY_REPEAT_MS - now_ms % GATEWAY_REPEAT_MS;
        self.timers.set(Timer::House, now_ms + if self.gateway { repeats_ms } else { IDLE_HOUSE_MS });
        self.expire(now_ms);
        self.scrub_if_due(now_ms);
        match self.tell_orphans() {
            Ok(true) => self.timers.set(Timer::House, now_ms + HOUSE_MS),
            Ok(false) => {}
            Err(error) => self.store_failed(error),
        }
        if self.gateway {
            self.say_gateway(now_ms, false);
        }
        match self.judge_edits() {
            Ok(true) => self.timers.set(Timer::House, now_ms + MORE_MS),
            Ok(false) => {}
            Err(error) => self.store_failed(error),
        }
        match self.replica.renew_group_key(now_ms) {
            Ok(false) => {}
            Ok(true) => self.settle_news(now_ms, None),
            Err(AppendError::Store(error)) => self.store_failed(error),
            // Whoever writes next tries again, and sees why it can't be.
            Err(_) => {}
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

    /// Erases what is past its time, a bounded part of it at once.
    fn expire(&mut self, now_ms: u64) {
        match self.replica.expire(now_ms) {
            Ok(true) => self.timers.set(Timer::House, now_ms + MORE_MS),
            Ok(false) => {}
            Err(error) => self.store_failed(error),
        }
        self.settle_news(now_ms, None);
    }

    pub(super) fn store_failed(&mut self, error: StoreError) {
        self.outputs.push_back(Output::Event(Event::StoreFailed(error)));
    }

    fn durable(&mut self, now_ms: u64, ticket: Ticket) {
        let grown = self.replica.on_durable(ticket);
        let own = (!grown.is_empty()).then(|| self.replica.own_author().log());
        for (log, head) in grown {
            self.tell_frontier(now_ms, log);
            if Some(log) == own {
                self.push(log, head.height, None);
            }
        }
        self.remove_erased(ticket);
        self.note_scrubbed(now_ms, ticket);
        match self.swarm.durable(self.replica.store_mut(), ticket) {
            Ok(whole) => whole.into_iter().for_each(|(capture, rank)| self.whole(now_ms, capture, rank)),
            Err(error) => self.store_failed(error),
        }
    }

    pub(super) fn cant_store(&mut self, error: StoreError) -> CloseReason {
        self.store_failed(error.clone());
        CloseReason::Store(error)
    }
}
