//! Taking in entries of others: what continues a log is kept, what doesn't is parked or refused, and what no rule allows is
//! kept in its place without effect, so that one bad entry never blocks the ones after it.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::erase::Standing;
use super::log::{Head, Log, Run};
use super::proof::Proof;
use super::{EPOCHS_MAX, ForkFound, Replica, keys};
use crate::canary::{self, Canary};
use crate::codec::encode;
use crate::entry::{About, Entry, EntryError, Header, bad_signatures};
use crate::ids::{CaptureId, EntryHash, LogId};
use crate::site::{Certificate, CertificateError, Roles};
use crate::statement::{Kind, Statement, StatementError, capture_id};
use crate::store::{Batch, Store, StoreError, Table, Ticket};
use crate::view::{CaptureView, EntryRef, Erased, Mark, Marks, Origin, WORDS_MAX};

/// Most entries that wait for an earlier one. They come only when a peer pushes live entries across a gap, which it avoids.
pub const PARKED_MAX: usize = 1_024;
/// Most bytes of them.
pub const PARKED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why an entry wasn't taken into its log at all. The peer that sent it is counted.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The entry isn't sound in itself.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The log doesn't begin with a certificate of the site's authority for its author.
    #[error("the author doesn't belong to this site")]
    NotAMember,
    /// It doesn't point to the entry that this replica has before it.
    #[error("the entry doesn't continue the log")]
    Discontinuous,
    /// Its body is missing, and its capture isn't known to be erased: whoever carried it could have dropped it.
    #[error("the entry came without its body")]
    NoBody,
    /// The log forked at or before this place.
    #[error("the log is frozen: its author wrote two histories")]
    Frozen,
    /// The epoch isn't below [`EPOCHS_MAX`].
    #[error("too many logs of one device")]
    TooManyLogs,
    /// There is no room for entries that wait for earlier ones.
    #[error("too many entries wait for earlier ones")]
    ParkingFull,
}

/// Why an entry keeps its place in its log but has no effect. The same on every replica.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SetAside {
    /// The author's roles don't allow this kind.
    #[error("the author's role doesn't allow this kind of entry, or not about this")]
    Role,
    /// The author's certificate wasn't valid at the entry's time.
    #[error("at that time {0}")]
    Certificate(CertificateError),
    /// The entry's time is before that of the one before it.
    #[error("the entry is dated before the one it follows")]
    Backdated,
    /// The body can't be read or is out of bounds.
    #[error("the body doesn't hold: {0}")]
    Body(#[from] StatementError),
    /// The body was erased: what the header says counts all the same.
    #[error("the body was erased")]
    Erased,
    /// The capture's id isn't bound to this device.
    #[error("the capture's id isn't this device's")]
    CaptureId,
    /// The evidence proves nothing.
    #[error("the fork evidence proves nothing")]
    Evidence,
    /// The authority's order in it isn't signed by the authority.
    #[error("the order isn't the site authority's")]
    Order,
    /// The author is revoked, and this stands behind what is still trusted of the log. It can be readmitted.
    #[error("the author is revoked, and this was written after what is still trusted")]
    Revoked,
    /// One decision too many of its log.
    #[error("too many decisions of one device")]
    TooManyDecisions,
    /// Of a kind that this program doesn't know: carried for others.
    #[error("of a newer kind: carried, not understood; update this program")]
    UnknownKind,
}

/// An entry that was taken in, own or others'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Where it stands.
    pub at: EntryRef,
    /// What it is about.
    pub about: About,
    /// The number of its kind.
    pub kind: u8,
    /// Why it has no effect, if it has none.
    pub set_aside: Option<SetAside>,
}

/// What came of a handful of entries.
#[derive(Debug, Default)]
pub struct Ingested {
    /// How many were taken in, or followed one that was.
    pub accepted: usize,
    /// What these weigh, as they are kept.
    pub accepted_bytes: usize,
    /// Already here.
    pub duplicates: usize,
    /// Waiting for an earlier entry.
    pub parked: usize,
    /// Not taken in.
    pub refused: Vec<(LogId, Refusal)>,
    /// Two entries of one author with one number: evidence to state.
    pub forks: Vec<ForkFound>,
    /// Logs whose history differs from ours, and a place at or after the parting that both have.
    pub diverged: BTreeMap<LogId, u64>,
    /// Becomes durable when this does; `None` if nothing was written.
    pub ticket: Option<Ticket>,
}

/// Entries that wait for an earlier one of their log.
#[derive(Debug, Default)]
pub(super) struct Parking {
    entries: BTreeMap<(LogId, u64), (EntryHash, Entry)>,
    bytes: usize,
}

impl Parking {
    fn park(&mut self, log: LogId, hash: EntryHash, entry: Entry) -> bool {
        let bytes = entry.wire_bytes();
        if self.entries.len() >= PARKED_MAX || self.bytes + bytes > PARKED_BYTES_MAX {
            return false;
        }
        if let Some((_, old)) = self.entries.insert((log, entry.header().seq), (hash, entry)) {
            self.bytes -= old.wire_bytes();
        }
        self.bytes += bytes;
        true
    }

    fn take(&mut self, log: LogId, seq: u64) -> Option<(EntryHash, Entry)> {
        let found = self.entries.remove(&(log, seq))?;
        self.bytes -= found.1.wire_bytes();
        Some(found)
    }

    /// Drops the bodies about a capture that was erased.
    pub(super) fn strip(&mut self, capture: CaptureId) {
        for (_, entry) in self.entries.values_mut() {
            let header = entry.header();
            let goes = header.about.capture() == Some(capture)
                && Kind::rule(header.kind).is_some_and(|rule| rule.kind.is_erasable());
            if let Some(body) = entry.body.take_if(|_| goes) {
                self.bytes -= body.len();
            }
        }
    }

    pub(super) fn drop_log(&mut self, log: LogId) {
        let seqs: Vec<u64> = self.entries.range((log, 0)..=(log, u64::MAX)).map(|((_, seq), _)| *seq).collect();
        for seq in seqs {
            self.take(log, seq);
        }
    }
}

/// What one call adds up before it goes to the store as one batch.
#[derive(Default)]
pub(super) struct Work {
    pub(super) batch: Batch,
    pub(super) views: BTreeMap<CaptureId, CaptureView>,
    pub(super) logs: BTreeSet<LogId>,
    pub(super) freezes: Vec<(LogId, u64)>,
    /// Captures to look at again once this is in the store.
    pub(super) again: BTreeSet<CaptureId>,
    /// Captures that this erases, and why each may be.
    pub(super) erasures: BTreeMap<CaptureId, Proof>,
    pub(super) accepted: Vec<Accepted>,
    pub(super) out: Ingested,
}

impl<S: Store> Replica<S> {
    /// Takes in entries that came from others, in any order, with any repetition.
    pub fn ingest(&mut self, now_ms: u64, entries: Vec<Entry>) -> Result<Ingested, StoreError> {
        let mut work = Work::default();
        let fresh = self.sift(entries, &mut work)?;
        for (hash, entry) in Self::verified(fresh, &mut work) {
            self.place(now_ms, hash, entry, &mut work)?;
        }
        self.commit(work)
    }

    /// Drops what is malformed, known or frozen, before any signature is checked.
    fn sift(&self, entries: Vec<Entry>, work: &mut Work) -> Result<Vec<(EntryHash, Entry)>, StoreError> {
        let mut fresh = Vec::with_capacity(entries.len());
        for entry in entries {
            let header = entry.header();
            let log = header.author.log();
            if let Err(error) = entry.check_shape(self.site()) {
                work.out.refused.push((log, error.into()));
            } else if entry.body.is_none() && !self.may_lack_its_body(header)? {
                work.out.refused.push((log, Refusal::NoBody));
            } else if header.author.epoch >= EPOCHS_MAX {
                work.out.refused.push((log, Refusal::TooManyLogs));
            } else if self.frozen_at(&log).is_some_and(|at| header.seq >= at) {
                work.out.refused.push((log, Refusal::Frozen));
            } else {
                let hash = header.hash();
                if self.is_known(log, header, hash, &entry, work)? {
                    continue;
                }
                fresh.push((hash, entry));
            }
        }
        Ok(fresh)
    }

    /// Whether a place is taken already: by the same entry, or by another one, which is evidence of a fork.
    fn is_known(
        &self,
        log: LogId,
        header: &Header,
        hash: EntryHash,
        entry: &Entry,
        work: &mut Work,
    ) -> Result<bool, StoreError> {
        let Some(known) = self.logs.get(&log).filter(|known| header.seq <= known.head.height) else {
            return Ok(false);
        };
        if header.seq == known.head.height && known.head.hash == hash {
            work.out.duplicates += 1;
            return Ok(true);
        }
        match self.entry(EntryRef { log, seq: header.seq })? {
            Some(ours) if ours.header().hash() != hash => self.conflict(log, &ours, entry, work),
            _ => work.out.duplicates += 1,
        }
        Ok(true)
    }

    fn conflict(&self, log: LogId, ours: &Entry, theirs: &Entry, work: &mut Work) {
        if let Err(error) = theirs.signed.verify() {
            work.out.refused.push((log, error.into()));
        } else if ours.header().prev != theirs.header().prev {
            // They part before this place: the sync session looks for where.
            work.out.diverged.insert(log, theirs.header().seq - 1);
        } else {
            work.out.forks.extend(ForkFound::of(log, &ours.signed, &theirs.signed));
        }
    }

    fn verified(fresh: Vec<(EntryHash, Entry)>, work: &mut Work) -> Vec<(EntryHash, Entry)> {
        let pairs: Vec<(EntryHash, &Entry)> = fresh.iter().map(|(hash, entry)| (*hash, entry)).collect();
        let bad = if canary::sings(Canary::Author) { Vec::new() } else { bad_signatures(&pairs) };
        if bad.is_empty() {
            return fresh;
        }
        let (mut good, mut bad) = (Vec::with_capacity(fresh.len()), bad.into_iter().peekable());
        for (index, (hash, entry)) in fresh.into_iter().enumerate() {
            if bad.next_if_eq(&index).is_some() {
                work.out.refused.push((entry.header().author.log(), EntryError::Signature.into()));
            } else {
                good.push((hash, entry));
            }
        }
        good
    }

    /// Puts a sound entry where it belongs: at the end of its log, or in the parking, and then those that waited for it.
    fn place(&mut self, now_ms: u64, hash: EntryHash, entry: Entry, work: &mut Work) -> Result<(), StoreError> {
        let log = entry.header().author.log();
        let mut next = Some((hash, entry));
        while let Some((hash, entry)) = next.take() {
            let head = self.logs.get(&log).map_or(Head::NONE, |known| known.head);
            let (seq, prev) = (entry.header().seq, entry.header().prev);
            if seq > head.height + 1 {
                if self.parked.park(log, hash, entry) {
                    work.out.parked += 1;
                } else {
                    work.out.refused.push((log, Refusal::ParkingFull));
                }
            } else if seq <= head.height {
                work.out.duplicates += 1;
            } else if prev != head.hash {
                work.out.refused.push((log, Refusal::Discontinuous));
                work.out.diverged.insert(log, head.height);
            } else if seq == 1 && !self.begins_a_log(&entry) {
                work.out.refused.push((log, Refusal::NotAMember));
            } else {
                self.notice_own_log_ahead(log, &mut work.batch);
                self.accept(now_ms, hash, &entry, work)?;
                next = self.parked.take(log, seq + 1);
            }
        }
        Ok(())
    }

    /// A log begins with its author's certificate, or it isn't a member's.
    fn begins_a_log(&self, entry: &Entry) -> bool {
        self.certificate_in(entry).is_some()
    }

    pub(super) fn certificate_in(&self, entry: &Entry) -> Option<Certificate> {
        let body = entry.body.as_ref().filter(|_| entry.header().kind == Kind::Certificate as u8)?;
        let Ok(Statement::Certificate(certificate)) = Statement::decode(Kind::Certificate, body) else { return None };
        let own = certificate.device == entry.header().author.device;
        (own && certificate.verify(&self.membership.manifest).is_ok()).then_some(*certificate)
    }

    /// Appends an entry whose place, signature and shape hold.
    pub(super) fn accept(
        &mut self,
        now_ms: u64,
        hash: EntryHash,
        entry: &Entry,
        work: &mut Work,
    ) -> Result<(), StoreError> {
        let header = entry.header();
        let at = EntryRef { log: header.author.log(), seq: header.seq };
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        // What comes after its capture was erased isn't kept, not even for a moment.
        let stripped = self.is_to_be_stripped(header, work)?.then(|| entry.without_body());
        let entry = stripped.as_ref().unwrap_or(entry);
        let encoded = encode(entry);
        work.out.accepted_bytes += encoded.len();
        work.batch.put(Table::Entries, keys::entry(arrival), encoded);
        let effect = self.interpret(at, entry);
        self.grow(at, arrival, hash, entry, work);
        let set_aside = match effect {
            Ok(statement) if self.is_void(header) => Some(self.keep_void(at, entry, arrival, &statement, work)),
            Ok(effect) => {
                let reason = self.take_effect(at, hash, entry, arrival, &effect, work)?;
                self.notice_its_age(now_ms, at, entry, &effect, &reason, work);
                reason
            }
            Err(SetAside::Erased) if !self.is_void(entry.header()) => self.leave_trace(hash, entry, arrival, work)?,
            Err(reason) => {
                // Found when the capture is erased, and counted as nothing until then.
                work.batch.put(Table::About, keys::about(&header.about, arrival), []);
                Some(if reason == SetAside::Erased { SetAside::Revoked } else { reason })
            }
        };
        if let Some(reason) = &set_aside {
            work.batch.put(Table::Quarantine, keys::entry(arrival), reason.to_string());
        }
        self.clock = self.clock.follow(header.time, now_ms);
        work.out.accepted += 1;
        work.accepted.push(Accepted { at, about: header.about, kind: header.kind, set_aside });
        Ok(())
    }

    fn grow(&mut self, at: EntryRef, arrival: u64, hash: EntryHash, entry: &Entry, work: &mut Work) {
        let header = entry.header();
        if at.seq == 1
            && let Some(certificate) = self.certificate_in(entry)
        {
            let log =
                Log { author: header.author, certificate, head: Head::NONE, time: header.time, run: Run::default() };
            self.logs.insert(at.log, log);
        }
        let Some(log) = self.logs.get_mut(&at.log) else { return };
        let before = log.run;
        log.run.push(at.seq, arrival);
        if before.count > 0 && log.run.first_seq != before.first_seq {
            put_run(&mut work.batch, at.log, before);
        }
        log.head = Head { height: at.seq, hash };
        log.time = log.time.max(header.time);
        work.logs.insert(at.log);
    }

    /// What an entry says, if its author may say it. Depends on nothing but its own log.
    fn interpret(&self, at: EntryRef, entry: &Entry) -> Result<Statement, SetAside> {
        let header = entry.header();
        let rule = Kind::rule(header.kind).ok_or(SetAside::UnknownKind)?;
        if rule.kind == Kind::Certificate {
            if !rule.allows(Roles(0), &header.about) {
                return Err(SetAside::Role);
            }
            let certificate = self.certificate_in(entry).ok_or(SetAside::Certificate(CertificateError::Signature))?;
            certificate.valid_at(header.time.ms()).map_err(SetAside::Certificate)?;
            return Ok(Statement::Certificate(Box::new(certificate)));
        }
        let log = self.logs.get(&at.log).ok_or(SetAside::Role)?;
        log.certificate.valid_at(header.time.ms()).map_err(SetAside::Certificate)?;
        if header.time < log.time {
            return Err(SetAside::Backdated);
        }
        if !rule.allows(log.certificate.roles, &header.about) {
            return Err(SetAside::Role);
        }
        let body = entry.body.as_ref().ok_or(SetAside::Erased)?;
        Ok(Statement::decode(rule.kind, body)?)
    }

    /// Keeps an entry of a revoked device in its place: without effect, but found if that is taken back.
    fn keep_void(
        &mut self,
        at: EntryRef,
        entry: &Entry,
        arrival: u64,
        statement: &Statement,
        work: &mut Work,
    ) -> SetAside {
        let header = entry.header();
        work.batch.put(Table::About, keys::about(&header.about, arrival), self.roles_for(at, statement));
        // Whether a void decision counts depends on others, and may change.
        let too_many = statement.kind().decides().then(|| self.note_decision(at, header, statement, work)).flatten();
        too_many.unwrap_or(SetAside::Revoked)
    }

    fn take_effect(
        &mut self,
        at: EntryRef,
        hash: EntryHash,
        entry: &Entry,
        arrival: u64,
        statement: &Statement,
        work: &mut Work,
    ) -> Result<Option<SetAside>, StoreError> {
        let header = entry.header();
        match statement {
            Statement::Certificate(certificate) => {
                if let Some(log) = self.logs.get_mut(&at.log) {
                    log.certificate = (**certificate).clone();
                }
                return Ok(None);
            }
            Statement::Fork(fork) => {
                if !fork.proves() || fork.a.header.site != self.site() {
                    return Ok(Some(SetAside::Evidence));
                }
                work.freezes.push((fork.a.header.author.log(), fork.a.header.seq));
            }
            Statement::Revocation(order) if order.verify(&self.membership.manifest).is_err() => {
                return Ok(Some(SetAside::Order));
            }
            Statement::Erasure(erasure) => {
                if let Some(reason) = self.take_erasure(at, entry, erasure, work) {
                    return Ok(Some(reason));
                }
            }
            decision if decision.kind().decides() => {
                if let Some(reason) = self.note_decision(at, header, statement, work) {
                    return Ok(Some(reason));
                }
            }
            // The capture itself says who its origin is, who may write more than others.
            Statement::Edit(_) | Statement::Capture(_) => self.records.forget(&header.about),
            _ => {}
        }
        let (mut reason, mut found) = (None, false);
        if let Some(id) = header.about.capture() {
            let mut view = self.view_in(id, work)?;
            let known = view.origin.is_some();
            reason = apply_to_view(&mut view, id, hash, header, statement, &mut work.batch);
            self.captures += u64::from(!known && view.origin.is_some());
            // A capture is found by its read model, unless that names another statement of it: see `Origin::outranks`.
            found = header.author.epoch == 0 && view.origin.as_ref().is_some_and(|origin| origin.at == at);
            work.views.insert(id, view);
        }
        if !found {
            work.batch.put(Table::About, keys::about(&header.about, arrival), self.roles_for(at, statement));
        }
        Ok(reason)
    }

    /// What is kept beside an edit: its author's roles at that place of the log, which later certificates don't change.
    fn roles_for(&self, at: EntryRef, statement: &Statement) -> Vec<u8> {
        match (statement, self.logs.get(&at.log)) {
            (Statement::Edit(_), Some(log)) => vec![log.certificate.roles.0],
            _ => Vec::new(),
        }
    }

    pub(super) fn view_in(&self, id: CaptureId, work: &mut Work) -> Result<CaptureView, StoreError> {
        match work.views.remove(&id) {
            Some(view) => Ok(view),
            None => Ok(self.capture(id)?.unwrap_or_default()),
        }
    }

    /// Sends a call's work to the store as one batch.
    pub(super) fn commit(&mut self, mut work: Work) -> Result<Ingested, StoreError> {
        let mut erased = self.erase(&mut work)?;
        let mut heads = Vec::with_capacity(work.logs.len());
        for id in &work.logs {
            let Some(log) = self.logs.get(id) else { continue };
            put_run(&mut work.batch, *id, log.run);
            work.batch.put(Table::Meta, keys::log(*id), encode(log));
            heads.push((*id, log.head));
        }
        for (id, view) in &work.views {
            if view.is_empty() {
                // As on a replica that never heard of it.
                work.batch.remove(Table::Captures, id.0);
            } else {
                work.batch.put(Table::Captures, id.0, encode(view));
            }
            self.track(*id, Standing::of(view));
            self.expiry.notice(*id, view);
        }
        for (log, seq) in &work.freezes {
            self.note_freeze(*log, *seq, &mut work.batch);
        }
        if !work.batch.is_empty() {
            let ticket = self.store.apply(work.batch)?;
            self.erased_news.append(&mut erased);
            self.news.append(&mut work.accepted);
            self.pending.push_back((ticket, heads));
            work.out.ticket = Some(ticket);
        }
        for (log, _) in work.freezes {
            work.out.ticket = self.truncate_frozen(log)?.or(work.out.ticket);
        }
        work.out.ticket = self.rule(work.again)?.or(work.out.ticket);
        Ok(work.out)
    }
}

/// What a statement adds to the read model; the counterpart of [`Statement`]'s kinds.
pub(super) fn apply_to_view(
    view: &mut CaptureView,
    id: CaptureId,
    entry: EntryHash,
    header: &Header,
    statement: &Statement,
    batch: &mut Batch,
) -> Option<SetAside> {
    let at = EntryRef { log: header.author.log(), seq: header.seq };
    let mark =
        |refers: [u8; 32]| Mark { time: header.time, at, by: header.author.device, entry, refers: refers.into() };
    match statement {
        Statement::Capture(capture) => {
            if capture_id(header.author.device, &capture.nonce) != id {
                return Some(SetAside::CaptureId);
            }
            state_origin(view, id, Origin::new(header, capture), batch);
        }
        Statement::Receipt(receipt) => view.receipts.add(mark(*receipt.payload)),
        Statement::Verdict(verdict) => view.verdicts.add(mark(*verdict.payload)),
        Statement::Review(review) => view.reviews.add_of_each(WORDS_MAX, mark(review.verdict.0)),
        // Only the origin's counts, and who that is may not be known yet.
        Statement::Seen(seen) => view.seen.add_of_each(1, mark(seen.verdict.0)),
        Statement::Erasure(erasure) => {
            let erased =
                view.erased.get_or_insert_with(|| Erased { device: erasure.device, statements: Marks::default() });
            erased.statements.add(mark(*Mark::refers_to(erasure.why)));
        }
        Statement::Edit(_) if view.erased.is_some() => {}
        Statement::Edit(_) => view.edits = view.edits.saturating_add(1),
        Statement::Certificate(_)
        | Statement::Fork(_)
        | Statement::Revocation(_)
        | Statement::Vote(_)
        | Statement::Readmission(_)
        | Statement::GroupKey(_) => {}
    }
    None
}

pub(super) fn state_origin(view: &mut CaptureView, id: CaptureId, stated: Origin, batch: &mut Batch) {
    if let Some(held) = &view.origin {
        if !stated.outranks(held) {
            return;
        }
        batch.remove(Table::Order, keys::order(held.time, id));
    }
    batch.put(Table::Order, keys::order(stated.time, id), []);
    view.origin = Some(stated);
}

pub(super) fn put_run(batch: &mut Batch, log: LogId, run: Run) {
    let key = keys::run(EntryRef { log, seq: run.first_seq });
    batch.put(Table::Runs, key, encode(&(run.first_arrival, run.count)));
}
