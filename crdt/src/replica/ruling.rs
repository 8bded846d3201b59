//! What the site has decided about its members, as this replica has it: who is revoked, what was let in again, and what
//! follows for the entries that are here.
//!
//! An entry of a revoked device behind what is trusted of its log keeps its place and is passed on, without effect: it is
//! **void**. Orders, votes and entries come in any order, so whenever the ruling changes, the stretches between the old cuts
//! and the new ones are looked at again, and the read models that they touch are made anew.

use std::collections::{BTreeMap, BTreeSet};

use super::erase::Overlay;
use super::ingest::{SetAside, Work};
use super::log::Log;
use super::write::{AppendError, Written};
use super::{Replica, keys, read};
use crate::codec::encode;
use crate::entry::{About, Entry, Header};
use crate::ids::{CaptureId, DeviceId, EntryHash, LogId};
use crate::revocation::{Cause, Charge, Order, Revoked, TRUSTED_MAX, Vote};
use crate::statement::{Capture, Kind, Readmission, Statement};
use crate::store::{Batch, Direction, Store, StoreError, Table, Ticket};
use crate::view::EntryRef;

/// Most decisions that count of one log: orders, votes, readmissions and group keys together. A site has some tens in an
/// operation; a member who writes more only makes everyone slow, and takes up memory: some 25 MB, if all his 256 logs are full
/// of the longest votes.
pub const DECISIONS_MAX: usize = 128;
/// Most rows of one page of what was set aside.
pub const SET_ASIDE_PAGE_MAX: usize = 500;

const DECISION_PREFIX: &[u8] = b"decision/";
const AGAIN_PREFIX: &[u8] = b"again/";
const REVOKED_KEY: &[u8] = b"revoked";

/// Everything that was decided, where it stands.
#[derive(Default)]
pub(super) struct Ruling {
    orders: BTreeMap<EntryRef, Charge>,
    votes: BTreeMap<EntryRef, Vote>,
    readmissions: BTreeMap<EntryRef, (DeviceId, Readmission)>,
    /// What was let in, and by which readmission.
    let_in: BTreeSet<(EntryRef, EntryRef)>,
    grants: BTreeSet<EntryRef>,
    revoked: Revoked,
    changed: bool,
}

/// An entry that has no effect, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAsideEntry {
    /// The number of its arrival here: the page after this one begins behind it.
    pub arrival: u64,
    /// The entry, without its body.
    pub header: Header,
    /// Why, in words.
    pub reason: String,
    /// Whether it would count if its author weren't revoked, so that it can be readmitted.
    pub void: bool,
}

impl Ruling {
    pub(super) fn remove(&mut self, at: EntryRef) -> bool {
        let (order, vote) = (self.orders.remove(&at).is_some(), self.votes.remove(&at).is_some());
        self.changed |= order || vote;
        let readmission = self.readmissions.remove(&at);
        if let Some((_, it)) = &readmission {
            self.let_in.remove(&(it.at, at));
        }
        order || vote || readmission.is_some() || self.grants.remove(&at)
    }

    fn of_log(&self, log: LogId) -> usize {
        let (from, to) = (EntryRef { log, seq: 0 }, EntryRef { log, seq: u64::MAX });
        self.orders.range(from..=to).count()
            + self.votes.range(from..=to).count()
            + self.readmissions.range(from..=to).count()
            + self.grants.range(from..=to).count()
    }

    fn voids(&self, device: DeviceId, at: EntryRef, kind: u8, hash: impl FnOnce() -> EntryHash) -> bool {
        let outlives = Kind::rule(kind).is_some_and(|rule| rule.kind.outlives_revocation());
        if outlives || !self.revoked.covers(device, at) {
            return false;
        }
        let (first, last) =
            (EntryRef { log: LogId([0; 16]), seq: 0 }, EntryRef { log: LogId([u8::MAX; 16]), seq: u64::MAX });
        let mut readmissions = self.let_in.range((at, first)..=(at, last)).filter_map(|(_, by_at)| {
            let (by, it) = self.readmissions.get(by_at)?;
            (!self.revoked.covers(*by, *by_at)).then_some(it.entry)
        });
        let Some(first) = readmissions.next() else { return true };
        let hash = hash();
        first != hash && !readmissions.any(|entry| entry == hash)
    }
}

impl<S: Store> Replica<S> {
    // ---- Who is out ----

    /// The devices that are revoked, and what still counts of their logs.
    #[must_use]
    pub const fn revoked(&self) -> &Revoked {
        &self.ruling.revoked
    }

    /// What was said against a device: the authority's orders, and who voted.
    #[must_use]
    pub fn charges(&self, device: &DeviceId) -> (Vec<&Charge>, BTreeMap<DeviceId, &Charge>) {
        let orders = self.ruling.orders.values().filter(|charge| charge.device == *device).collect();
        let votes = self.ruling.votes.values().filter(|vote| vote.charge.device == *device);
        (orders, votes.map(|vote| (vote.by, &vote.charge)).collect())
    }

    /// All devices that something was said against.
    #[must_use]
    pub fn accused(&self) -> BTreeSet<DeviceId> {
        let ordered = self.ruling.orders.values().map(|charge| charge.device);
        ordered.chain(self.ruling.votes.values().map(|vote| vote.charge.device)).collect()
    }

    /// How many supervisors revoke together.
    pub(super) fn quorum(&self) -> usize {
        usize::from(self.membership.manifest.policy.quorum)
    }

    /// Whether an entry has no effect because its author is revoked.
    pub(super) fn is_void(&self, header: &Header) -> bool {
        let at = EntryRef { log: header.author.log(), seq: header.seq };
        self.ruling.voids(header.author.device, at, header.kind, || header.hash())
    }

    /// Whether a log holds an order or a vote after `seq`: it goes ahead of all others.
    #[must_use]
    pub fn decides(&self, log: LogId, after: u64) -> bool {
        let (from, to) = (EntryRef { log, seq: after + 1 }, EntryRef { log, seq: u64::MAX });
        after < u64::MAX
            && (self.ruling.orders.range(from..=to).next().is_some()
                || self.ruling.votes.range(from..=to).next().is_some())
    }

    // ---- Deciding ----

    /// What a charge against a device says if all of it is trusted that is here now, or what was written before `before_ms`.
    pub fn charge(&self, device: DeviceId, cause: Cause, before_ms: Option<u64>) -> Result<Charge, StoreError> {
        let mut trusted = Vec::new();
        for (id, log) in self.logs.iter().filter(|(_, log)| log.author.device == device) {
            let seq = match before_ms {
                None => log.head.height,
                Some(ms) => self.height_before(*id, log.head.height, ms)?,
            };
            trusted.push(EntryRef { log: *id, seq });
        }
        trusted.sort_by_key(|at| std::cmp::Reverse(at.seq));
        trusted.truncate(TRUSTED_MAX);
        Ok(Charge { device, cause, trusted })
    }

    /// How far a log goes whose entries were written before `ms`. Times in a log don't fall, or the entry is set aside.
    fn height_before(&self, log: LogId, height: u64, ms: u64) -> Result<u64, StoreError> {
        let (mut low, mut high) = (0, height);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let before = self.entry(EntryRef { log, seq: middle })?.is_some_and(|it| it.header().time.ms() < ms);
            if before { low = middle } else { high = middle - 1 }
        }
        Ok(low)
    }

    /// As a supervisor: votes that a device be revoked. If that settles it, a new group key follows at once.
    pub fn vote_new(&mut self, now_ms: u64, charge: Charge) -> Result<Written, AppendError> {
        self.check_charge(&charge)?;
        self.decide(now_ms, &Statement::Vote(Box::new(charge)))
    }

    /// As any member: carries the authority's order into the own log.
    pub fn order_new(&mut self, now_ms: u64, order: Order) -> Result<Written, AppendError> {
        order.verify(&self.membership.manifest)?;
        self.decide(now_ms, &Statement::Revocation(Box::new(order)))
    }

    fn check_charge(&self, charge: &Charge) -> Result<(), AppendError> {
        if charge.device == self.identity.device() {
            return Err(AppendError::OwnCase);
        }
        let known = self.certificate(&charge.device).is_some();
        if known { Ok(()) } else { Err(AppendError::UnknownDevice) }
    }

    fn decide(&mut self, now_ms: u64, statement: &Statement) -> Result<Written, AppendError> {
        let before = self.ruling.revoked.len();
        let mut written = self.append(now_ms, About::Site, statement)?;
        if self.ruling.revoked.len() > before && self.may_make_keys(now_ms) {
            written.ticket = self.group_key_new(now_ms)?.ticket;
        }
        Ok(written)
    }

    /// As a supervisor: lets a capture count that was set aside with its author's revocation.
    pub fn readmit_new(&mut self, now_ms: u64, id: CaptureId) -> Result<Written, AppendError> {
        let captures = self.all_about(&About::Capture(id))?.into_iter().map(|(_, entry)| entry);
        let void = captures.filter(|it| it.header().kind == Kind::Capture as u8 && self.is_void(it.header()));
        let first =
            void.min_by_key(|it| (it.header().author.epoch > 0, it.header().time)).ok_or(AppendError::NotVoid)?;
        let header = first.header();
        let at = EntryRef { log: header.author.log(), seq: header.seq };
        let readmission = Statement::Readmission(Readmission { at, entry: header.hash() });
        self.append(now_ms, About::Capture(id), &readmission)
    }

    // ---- Taking decisions in ----

    /// Notes a decision that counts. `None` if there is one too many of that log.
    pub(super) fn note_decision(
        &mut self,
        at: EntryRef,
        header: &Header,
        statement: &Statement,
        work: &mut Work,
    ) -> Option<SetAside> {
        if self.ruling.of_log(at.log) >= DECISIONS_MAX {
            return Some(SetAside::TooManyDecisions);
        }
        work.batch.put(Table::Meta, decision_key(at), []);
        if let (Statement::Readmission(_), Some(id)) = (statement, header.about.capture()) {
            self.look_again(id, work);
        }
        self.hold_decision(at, header, statement);
        None
    }

    fn hold_decision(&mut self, at: EntryRef, header: &Header, statement: &Statement) {
        let by = header.author.device;
        match statement {
            Statement::Revocation(order) => {
                self.ruling.orders.insert(at, order.charge.clone());
                self.ruling.changed = true;
            }
            Statement::Vote(charge) => {
                self.ruling.votes.insert(at, Vote { at, by, charge: (**charge).clone() });
                self.ruling.changed = true;
            }
            Statement::Readmission(it) => {
                self.ruling.let_in.insert((it.at, at));
                self.ruling.readmissions.insert(at, (by, it.clone()));
            }
            Statement::GroupKey(grant) => {
                self.ruling.grants.insert(at);
                self.hold_grant(at, header, grant);
            }
            _ => {}
        }
    }

    /// A decision is cut away with its log.
    pub(super) fn lose_decision(&mut self, at: EntryRef, batch: &mut Batch) {
        if self.ruling.remove(at) {
            batch.remove(Table::Meta, decision_key(at));
            self.lose_grant(at);
        }
    }

    /// A read model has to be made anew once this batch is in the store. Remembered there, so that a crash in between changes
    /// nothing.
    fn look_again(&mut self, id: CaptureId, work: &mut Work) {
        work.batch.put(Table::Meta, [AGAIN_PREFIX, &id.0].concat(), []);
        work.again.insert(id);
    }

    /// Reads the decisions back, and finishes what a crash interrupted.
    pub(super) fn restore_ruling(&mut self) -> Result<(), StoreError> {
        let (mut places, mut again) = (Vec::new(), BTreeSet::new());
        self.walk(Table::Meta, DECISION_PREFIX, |key, _| {
            places.extend(place(&key[DECISION_PREFIX.len()..]));
            Ok(())
        })?;
        self.walk(Table::Meta, AGAIN_PREFIX, |key, _| {
            again.extend(key[AGAIN_PREFIX.len()..].try_into().map(CaptureId));
            Ok(())
        })?;
        for at in places {
            let Some(Entry { signed, body: Some(body) }) = self.entry(at)? else { continue };
            let Some(rule) = Kind::rule(signed.header.kind) else { continue };
            if let Ok(statement) = Statement::decode(rule.kind, &body) {
                self.hold_decision(at, &signed.header, &statement);
            }
        }
        if let Some(bytes) = self.store.get(Table::Meta, REVOKED_KEY)? {
            self.ruling.revoked = read(&bytes)?;
        }
        self.rule(again)?;
        Ok(())
    }

    /// Works out who is revoked, if anything was said since, and looks again at all that it touches.
    pub(super) fn rule(&mut self, again: BTreeSet<CaptureId>) -> Result<Option<Ticket>, StoreError> {
        let before = self.ruling.revoked.clone();
        if std::mem::take(&mut self.ruling.changed) {
            let orders: Vec<Charge> = self.ruling.orders.values().cloned().collect();
            let votes: Vec<Vote> = self.ruling.votes.values().cloned().collect();
            self.ruling.revoked = Revoked::by(&orders, &votes, self.quorum());
        }
        if self.ruling.revoked == before && again.is_empty() {
            return Ok(None);
        }
        let mut work = Work::default();
        work.batch.put(Table::Meta, REVOKED_KEY, encode(&self.ruling.revoked));
        again.iter().for_each(|id| work.batch.remove(Table::Meta, [AGAIN_PREFIX, &id.0].concat()));
        let mut touched = again;
        for (log, from, to) in self.stretches_since(&before) {
            for seq in from..=to {
                let at = EntryRef { log, seq };
                let (Some(arrival), Some(entry)) = (self.arrival(at)?, self.entry(at)?) else { continue };
                touched.extend(entry.header().about.capture());
                self.mark(arrival, &entry, &mut work)?;
            }
        }
        for id in &touched {
            for (arrival, entry) in self.all_about(&About::Capture(*id))? {
                self.mark(arrival, &entry, &mut work)?;
            }
        }
        let marked = Overlay::of(&work.batch);
        for id in &touched {
            self.rebuild_view(*id, |_| true, &marked, &mut work)?;
        }
        self.records.forget_all();
        self.recast.extend(touched);
        Ok(self.commit(work)?.ticket)
    }

    /// The stretches of logs that counted before and don't now, or the other way round.
    fn stretches_since(&self, before: &Revoked) -> Vec<(LogId, u64, u64)> {
        let stretch = |(id, log): (&LogId, &Log)| {
            let device = log.author.device;
            let (was, is) = (before.trusted(&device, *id), self.ruling.revoked.trusted(&device, *id));
            let (from, to) = (was.min(is).saturating_add(1), was.max(is).min(log.head.height));
            (was != is && from <= to).then_some((*id, from, to))
        };
        self.logs.iter().filter_map(stretch).collect()
    }

    /// Marks an entry as set aside, or takes the mark away. What was set aside for another reason stays so.
    fn mark(&self, arrival: u64, entry: &Entry, work: &mut Work) -> Result<(), StoreError> {
        let (key, header) = (keys::entry(arrival), entry.header());
        let row = self.store.get(Table::Quarantine, &key)?;
        let marked = row.as_deref() == Some(SetAside::Revoked.to_string().as_bytes());
        match (self.is_void(header), row.is_some()) {
            (true, false) => {
                work.batch.put(Table::Quarantine, key, SetAside::Revoked.to_string());
                self.keep_in_sight(header, arrival, work)?;
            }
            (false, _) if marked => work.batch.remove(Table::Quarantine, key),
            _ => {}
        }
        Ok(())
    }

    /// A capture is found by its read model, which a void one is not in: so it has a row of its own from now on.
    pub(super) fn keep_in_sight(&self, header: &Header, arrival: u64, work: &mut Work) -> Result<(), StoreError> {
        if header.kind == Kind::Capture as u8 {
            work.batch.put(Table::About, keys::about(&header.about, arrival), []);
        }
        Ok(())
    }

    // ---- Seeing what was set aside ----

    /// Entries that have no effect, in order of arrival from `from` on, at most [`SET_ASIDE_PAGE_MAX`].
    pub fn set_aside(&self, from: u64) -> Result<Vec<SetAsideEntry>, StoreError> {
        let (from, to) = (keys::entry(from), [u8::MAX; 9]);
        let rows = self.store.scan(Table::Quarantine, &from, &to, Direction::Up, SET_ASIDE_PAGE_MAX)?;
        let mut found = Vec::with_capacity(rows.len());
        for (key, reason) in rows {
            let arrival = keys::number(&key);
            let Some(entry) = self.entry_by_arrival(arrival)? else { continue };
            let reason = String::from_utf8_lossy(&reason).into_owned();
            let void = self.is_void(entry.header());
            found.push(SetAsideEntry { arrival, header: entry.signed.header, reason, void });
        }
        Ok(found)
    }

    /// The void captures: nobody's for now, but readmission may ask for their images again.
    pub(crate) fn void_captures(&self) -> Result<Vec<Capture>, StoreError> {
        let (mut captures, revoked) = (Vec::new(), SetAside::Revoked.to_string());
        let mut arrivals = Vec::new();
        if !self.ruling.revoked.is_empty() {
            self.walk(Table::Quarantine, &[], |key, reason| {
                arrivals.extend((reason == revoked.as_bytes()).then(|| keys::number(&key)));
                Ok(())
            })?;
        }
        for arrival in arrivals {
            let Some(entry) = self.entry_by_arrival(arrival)? else { continue };
            if let Some(body) = entry.body.as_ref().filter(|_| entry.header().kind == Kind::Capture as u8)
                && let Ok(Statement::Capture(capture)) = Statement::decode(Kind::Capture, body)
            {
                captures.push(*capture);
            }
        }
        Ok(captures)
    }
}

fn decision_key(at: EntryRef) -> Vec<u8> {
    [DECISION_PREFIX, &keys::run(at)].concat()
}

fn place(key: &[u8]) -> Option<EntryRef> {
    let (log, seq) = key.split_first_chunk::<16>()?;
    Some(EntryRef { log: LogId(*log), seq: u64::from_be_bytes(seq.try_into().ok()?) })
}
