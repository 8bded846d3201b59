//! Entries on the move: who is asked for which log, what is pushed to whom.

use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::ByteBuf;

use super::conduct::Fault;
use super::engine::Engine;
use super::frame::{FRAME_BYTES_MAX, Frame, Item};
use super::session::{CREDIT_BYTES, LinkClass, SERVING_MAX};
use super::timers::Timer;
use super::{CloseReason, Event, LinkId, Output};
use crate::codec::decode;
use crate::entry::{ENTRY_BYTES_MAX, Entry};
use crate::ids::LogId;
use crate::replica::{Ingested, Replica};
use crate::site::Roles;
use crate::statement::Priority;
use crate::store::Store;
use crate::view::EntryRef;

/// How many peers on one LAN new entries are pushed to from the beginning; the others are told, and who fetches what nobody pushed
/// joins the tree. Whoever begins with three has loops of them: where thirteen devices come and go for a week, each new loop sent
/// whole batches twice, and half of all entries moved came for the second time.
const EAGER_MAX: usize = 1;
/// Most that a fetch may lack for the path it took to join the push tree: more is a catch-up, and says nothing of the tree.
const GRAFT_ENTRIES_MAX: u64 = 16;
/// How long an announced entry may take to be pushed by somebody before it is fetched, in ms.
const GRACE_MS: u64 = 60;

/// Most logs asked of one peer at a time, so that what its own answers to us take is left of its [`SERVING_MAX`].
const FETCHES_MAX: usize = SERVING_MAX / 2;
/// When to try again if there are as many, in ms.
const CROWDED_MS: u64 = 1_000;

/// A log that is being fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) link: LinkId,
    pub(super) to: u64,
    pub(super) progress_ms: u64,
}

impl<S: Store> Engine<S> {
    pub(super) fn may_push_to_more(&self) -> bool {
        let eager = |s: &&super::session::Session| s.is_open() && s.eager && s.class == LinkClass::Lan;
        self.sessions.values().filter(eager).count() < EAGER_MAX
    }

    // ---- What others have ----

    pub(super) fn on_frontier(
        &mut self,
        now_ms: u64,
        link: LinkId,
        items: &[Item],
        opening: bool,
    ) -> Result<(), CloseReason> {
        for item in items {
            let ours = self.replica.log(&item.log).map(|log| log.head);
            let height = ours.map_or(0, |head| head.height);
            if let Some(session) = self.sessions.get_mut(&link) {
                session.note_promise(item, opening);
            }
            let at_head = ours.is_some_and(|head| head.height == item.height);
            if (opening || at_head) && item.height <= height {
                self.compare(link, item);
            }
            if item.height > height {
                let grace = if opening { 0 } else { GRACE_MS };
                self.timers.set(Timer::Fetch(item.log), now_ms + grace);
            }
        }
        Ok(())
    }

    /// Asks the best peer for a log that somebody has further than this device.
    pub(super) fn plan_fetch(&mut self, now_ms: u64, log: LogId) {
        let height = self.replica.log(&log).map_or(0, |log| log.head.height);
        if self.fetching.contains_key(&log) {
            return;
        }
        let allowed = self.replica.frozen_at(&log).map_or(u64::MAX, |cut| cut - 1);
        let mut load: BTreeMap<LinkId, usize> = BTreeMap::new();
        self.fetching.values().for_each(|fetch| *load.entry(fetch.link).or_default() += 1);
        let best = self
            .sessions
            .iter()
            .filter(|(_, session)| session.is_open() && session.promises(&log, height + 1))
            .min_by_key(|(link, session)| (session.class, load.get(link).copied().unwrap_or(0), **link));
        let Some((link, session)) = best else { return };
        let promise = session.promised.get(&log).copied().unwrap_or_default();
        let (link, to) = (*link, promise.height.min(allowed));
        if to <= height {
            return;
        }
        if load.get(&link).is_some_and(|load| *load >= FETCHES_MAX) {
            return self.timers.set(Timer::Fetch(log), now_ms + CROWDED_MS);
        }
        self.fetching.insert(log, Fetch { link, to, progress_ms: now_ms });
        self.watch_for_stalls(now_ms);
        let near = to - height <= GRAFT_ENTRIES_MAX;
        self.send(link, Frame::Want { log, from: height + 1, to });
        match self.sessions.get_mut(&link) {
            // Announced, and nobody pushed it: that is what the tree lacks.
            Some(session) if near && promise.is_news => session.join_tree(),
            // It came about while the two were apart, and says nothing of the tree, but the peer can't tell that from the asking.
            Some(session) if near && !session.eager => self.send(link, Frame::Prune),
            _ => {}
        }
    }

    /// A peer that didn't deliver a log isn't asked for it again until it announces it anew.
    pub(super) fn demote(&mut self, link: LinkId, log: LogId) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.promised.remove(&log);
        }
    }

    // ---- What others want ----

    pub(super) fn on_want(&mut self, link: LinkId, log: LogId, from: u64, to: u64) -> Result<(), CloseReason> {
        let height = self.replica.log(&log).map_or(0, |log| log.head.height);
        let importance = self.importance(&log, from);
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        if from == 0 || from > to || session.serving.len() >= SERVING_MAX {
            return self.fault(link, Fault::Request, "asks for a range that can't be".into());
        }
        if to - from < GRAFT_ENTRIES_MAX {
            session.join_tree();
        }
        if from <= height {
            let to = to.min(height);
            session.theirs.insert(log, to);
            session.serve(importance, log, from, to);
            self.ready.insert(link);
        }
        Ok(())
    }

    pub(super) fn on_credit(&mut self, link: LinkId, bytes: u32) -> Result<(), CloseReason> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        session.credit = session.credit.saturating_add(bytes).min(2 * CREDIT_BYTES);
        self.ready.insert(link);
        Ok(())
    }

    pub(super) fn on_prune(&mut self, link: LinkId) -> Result<(), CloseReason> {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.eager = false;
        }
        Ok(())
    }

    /// The next entries for a peer: most important log first, as many as fit into a frame and its credit.
    pub(super) fn entries_frame(&mut self, link: LinkId) -> Option<Frame> {
        loop {
            let session = self.sessions.get_mut(&link)?;
            if session.credit == 0 {
                return None;
            }
            let (&(importance, log), &range) = session.serving.first_key_value()?;
            let bytes_max = session.class.entries_bytes();
            let entries = match self.replica.entries_from(log, range.next, range.to, bytes_max) {
                Ok(entries) => entries,
                Err(error) => {
                    self.store_failed(error);
                    Vec::new()
                }
            };
            let session = self.sessions.get_mut(&link)?;
            session.serving.remove(&(importance, log));
            if entries.is_empty() {
                continue;
            }
            let next = range.next + entries.len() as u64;
            if next <= range.to {
                session.serving.insert((importance, log), super::session::Range { next, to: range.to });
            }
            let bytes: usize = entries.iter().map(Vec::len).sum();
            session.credit = session.credit.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
            debug_assert!(bytes < FRAME_BYTES_MAX);
            return self.with_proofs(link, entries);
        }
    }

    // ---- What comes ----

    pub(super) fn on_entries(&mut self, now_ms: u64, link: LinkId, encoded: &[ByteBuf]) -> Result<(), CloseReason> {
        let bytes: usize = encoded.iter().map(|entry| entry.len()).sum();
        self.counters.entries_carried_bytes += bytes as u64;
        let mut entries: Vec<Entry> = Vec::with_capacity(encoded.len().min(1_024));
        for bytes in encoded {
            match decode(bytes, ENTRY_BYTES_MAX) {
                Ok(entry) => entries.push(entry),
                Err(error) => self.fault(link, Fault::Entry, format!("an entry can't be read: {error}"))?,
            }
        }
        self.note_received(link, &entries);
        let outcome = match self.replica.ingest(now_ms, entries) {
            Ok(outcome) => outcome,
            Err(error) => return Err(self.cant_store(error)),
        };
        self.counters.duplicates += outcome.duplicates as u64;
        self.counters.entries_fresh_bytes += outcome.accepted_bytes as u64;
        self.prune_if_useless(link, &outcome);
        self.settle_news(now_ms, Some(link));
        self.give_credit(link, bytes);
        self.look_into(now_ms, link, outcome)
    }

    fn note_received(&mut self, link: LinkId, entries: &[Entry]) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        for entry in entries {
            session.note_theirs(entry.header().author.log(), entry.header().seq);
        }
    }

    /// Somebody else was faster with all of it: this peer need only announce.
    fn prune_if_useless(&mut self, link: LinkId, outcome: &Ingested) {
        let asked = self.fetching.values().any(|fetch| fetch.link == link);
        if outcome.duplicates == 0 || outcome.accepted > 0 || outcome.parked > 0 || asked {
            return;
        }
        // The edge leaves the tree in both directions, or trees of different sources would undo each other.
        if let Some(session) = self.sessions.get_mut(&link) {
            session.eager = false;
            self.send(link, Frame::Prune);
        }
    }

    fn give_credit(&mut self, link: LinkId, bytes: usize) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.consumed = session.consumed.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if session.consumed >= CREDIT_BYTES / 4 {
            let bytes = std::mem::take(&mut session.consumed);
            self.send(link, Frame::Credit(bytes));
        }
    }

    fn look_into(&mut self, now_ms: u64, link: LinkId, outcome: Ingested) -> Result<(), CloseReason> {
        for found in outcome.forks {
            self.state_fork(now_ms, found);
        }
        for (log, hi) in outcome.diverged {
            self.begin_probe(link, log, hi);
        }
        let mut bodiless = BTreeSet::new();
        for (log, refusal) in outcome.refused {
            // Where one lacks its body without reason, all after it are in vain: one fault, not hundreds.
            if refusal == crate::replica::Refusal::NoBody && !bodiless.insert(log) {
                continue;
            }
            // What comes of a frozen log is no fault of the peer that carries it.
            if refusal != crate::replica::Refusal::Frozen {
                self.demote(link, log);
                self.fault(link, Fault::of_refusal(&refusal), refusal.to_string())?;
            }
        }
        Ok(())
    }

    /// What follows from entries that were taken in: they are pushed on, fetched logs go on, captures are looked at.
    pub(super) fn settle_news(&mut self, now_ms: u64, from: Option<LinkId>) {
        self.settle_erased(now_ms);
        let news = self.replica.take_news();
        let mut logs: BTreeMap<LogId, u64> = BTreeMap::new();
        let mut captures = self.replica.take_recast();
        for entry in news {
            self.look_at_author(&entry);
            if let (Some(link), Some(author)) = (from, self.replica.log(&entry.at.log).map(|log| log.author.device)) {
                let teller = self.sessions.get(&link).map_or(author, |session| session.device);
                self.knowledge.hear(now_ms, teller, author);
            }
            logs.insert(entry.at.log, entry.at.seq);
            captures.extend(entry.about.capture());
        }
        for id in captures {
            if let Err(error) = self.consider(now_ms, id) {
                self.store_failed(error);
            }
            self.outputs.push_back(Output::Event(Event::Changed(id)));
        }
        self.tell_of_cuts();
        self.part_with_revoked(now_ms);
        if logs.is_empty() {
            return;
        }
        self.keep_house_soon(now_ms);
        let own = self.replica.own_author().log();
        for (log, height) in logs {
            self.go_on_fetching(now_ms, log, height);
            // What a cut made this device say again waits for the disk, as all own entries do.
            if from.is_some() && log != own {
                self.push(log, height, from);
            }
        }
    }

    fn go_on_fetching(&mut self, now_ms: u64, log: LogId, height: u64) {
        if let Some(fetch) = self.fetching.get_mut(&log) {
            fetch.progress_ms = now_ms;
            if height < fetch.to {
                return;
            }
            self.fetching.remove(&log);
        }
        // The log moves: what is still lacking has its own grace. An old one would fetch what is being pushed.
        self.timers.clear(Timer::Fetch(log));
        if self.sessions.values().any(|session| session.is_open() && session.promises(&log, height + 1)) {
            self.timers.set(Timer::Fetch(log), now_ms + GRACE_MS);
        }
    }

    /// Pushes a log up to `height` to the peers on the push tree that have all before it.
    pub(super) fn push(&mut self, log: LogId, height: u64, from: Option<LinkId>) {
        let mut importance = None;
        let links: Vec<LinkId> = self.sessions.keys().copied().filter(|link| Some(*link) != from).collect();
        for link in links {
            let Some(session) = self.sessions.get(&link) else { continue };
            let theirs = session.theirs.get(&log).copied().unwrap_or(0);
            let beginning = session.promised.is_empty() && session.theirs.is_empty();
            // A peer far behind is catching up, and asks for what it wants itself.
            let near = height.saturating_sub(theirs) <= GRAFT_ENTRIES_MAX;
            if !session.is_open() || !session.eager || theirs >= height || beginning || !near {
                continue;
            }
            let importance = *importance.get_or_insert_with(|| importance_of(&self.replica, log, height));
            if let Some(session) = self.sessions.get_mut(&link) {
                session.serve(importance, log, theirs + 1, height);
                session.note_theirs(log, height);
                self.ready.insert(link);
            }
        }
    }

    /// How early a log is sent from `from` on.
    fn importance(&self, log: &LogId, from: u64) -> u8 {
        if self.replica.decides(*log, from.saturating_sub(1)) { 0 } else { importance_by_role(&self.replica, log) }
    }
}

/// How early a log is sent: who is revoked first, then answers, then what supervisors say, then urgent captures, then the
/// rest.
fn importance_of<S: Store>(replica: &Replica<S>, log: LogId, height: u64) -> u8 {
    if replica.decides(log, height.saturating_sub(1)) {
        return 0;
    }
    let by_role = importance_by_role(replica, &log);
    let newest = replica.entry(EntryRef { log, seq: height }).ok().flatten();
    let capture = newest.and_then(|entry| entry.header().about.capture());
    let view = capture.and_then(|id| replica.capture(id).ok().flatten());
    let urgent = view.and_then(|view| view.origin).is_some_and(|origin| origin.priority == Priority::Urgent);
    if urgent { by_role.min(3) } else { by_role }
}

fn importance_by_role<S: Store>(replica: &Replica<S>, log: &LogId) -> u8 {
    let roles = replica.log(log).map_or(Roles(0), |log| log.certificate.roles);
    if roles.has(Roles::HUB) {
        1
    } else if roles.has(Roles::SUPERVISOR) {
        2
    } else {
        4
    }
}
