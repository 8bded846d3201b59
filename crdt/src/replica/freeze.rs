//! Forks: one author, one sequence number, two histories. The log is cut at the first place where they part, on every
//! replica alike, and stays cut; the evidence is a statement that anyone can check.

use std::collections::BTreeSet;

use super::erase::Overlay;
use super::ingest::{Work, put_run};
use super::log::{Head, Run};
use super::{Replica, keys, read};
use crate::codec::encode;
use crate::entry::{About, Entry, Header, SignedHeader};
use crate::ids::{CaptureId, EntryHash, LogId};
use crate::statement::{Fork, Kind, Statement};
use crate::store::{Batch, Direction, Store, StoreError, Table, Ticket};
use crate::time::Hlc;
use crate::view::{CaptureView, EntryRef};

const FROZEN_PREFIX: &[u8] = b"frozen/";

/// Evidence that this replica came upon and that nobody has stated yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkFound {
    /// The log that forked.
    pub log: LogId,
    /// The two headers.
    pub fork: Fork,
}

impl ForkFound {
    /// From two headers of one place; `None` if they prove nothing.
    #[must_use]
    pub fn of(log: LogId, one: &SignedHeader, other: &SignedHeader) -> Option<Self> {
        Fork::of(one, other).map(|fork| Self { log, fork })
    }
}

impl<S: Store> Replica<S> {
    /// The first place of a log that doesn't count because its author wrote two histories.
    #[must_use]
    pub fn frozen_at(&self, log: &LogId) -> Option<u64> {
        self.frozen.get(log).copied()
    }

    /// All frozen logs and where they were cut.
    pub fn frozen(&self) -> impl Iterator<Item = (&LogId, &u64)> {
        self.frozen.iter()
    }

    pub(super) fn note_freeze(&mut self, log: LogId, seq: u64, batch: &mut Batch) {
        let at = self.frozen.entry(log).or_insert(seq);
        *at = seq.min(*at);
        batch.put(Table::Meta, [FROZEN_PREFIX, &log.0].concat(), at.to_be_bytes());
        if log == self.own_author().log() {
            self.begin_new_log(batch);
        }
    }

    /// Reads the frozen logs back, and finishes a cut that a crash interrupted.
    pub(super) fn restore_freezes(&mut self) -> Result<(), StoreError> {
        let mut frozen = Vec::new();
        self.walk(Table::Meta, FROZEN_PREFIX, |key, value| {
            if let Ok(log) = key[FROZEN_PREFIX.len()..].try_into() {
                frozen.push((LogId(log), keys::number(&value)));
            }
            Ok(())
        })?;
        self.frozen = frozen.into_iter().collect();
        let logs: Vec<LogId> = self.frozen.keys().copied().collect();
        for log in logs {
            self.truncate_frozen(log)?;
        }
        Ok(())
    }

    /// Takes back everything of a frozen log from its cut on, and says again in the own log what must not be lost with it: all
    /// in one batch, so that a crash leaves nothing half cut and nothing is said twice.
    pub(super) fn truncate_frozen(&mut self, log: LogId) -> Result<Option<Ticket>, StoreError> {
        let Some(seq) = self.frozen_at(&log) else { return Ok(None) };
        let cut = EntryRef { log, seq };
        self.parked.drop_log(log);
        let Some(height) = self.logs.get(&log).map(|state| state.head.height).filter(|height| *height >= seq) else {
            return Ok(None);
        };
        let mut work = Work::default();
        let (touched, lost) = self.remove_entries(cut, height, &mut work)?;
        self.cut_runs(log, seq, &mut work.batch)?;
        self.shorten(log, seq, &mut work)?;
        let cutting = Overlay::of(&work.batch);
        for id in &touched {
            self.rebuild_view(*id, |header| is_left(header, cut), &cutting, &mut work)?;
        }
        self.restate(lost, cut, &mut work)?;
        self.lower_promises(log, seq);
        self.recast.extend(touched);
        Ok(self.commit(work)?.ticket)
    }

    /// Removes what is cut. Returns the captures that it was about, and those entries that are to be said again.
    fn remove_entries(
        &mut self,
        cut: EntryRef,
        to: u64,
        work: &mut Work,
    ) -> Result<(BTreeSet<CaptureId>, Vec<Entry>), StoreError> {
        let (mut touched, mut lost) = (BTreeSet::new(), Vec::new());
        for seq in cut.seq..=to {
            let at = EntryRef { seq, ..cut };
            let (Some(arrival), Some(entry)) = (self.arrival(at)?, self.entry(at)?) else { continue };
            let about = entry.header().about;
            let counted = self.store.get(Table::Quarantine, &keys::entry(arrival))?.is_none();
            work.batch.remove(Table::Entries, keys::entry(arrival));
            work.batch.remove(Table::Quarantine, keys::entry(arrival));
            work.batch.remove(Table::About, keys::about(&about, arrival));
            self.lose_decision(at, &mut work.batch);
            self.records.forget(&about);
            touched.extend(about.capture());
            if counted && self.is_to_be_said_again(&entry) {
                lost.push(entry);
            }
        }
        Ok((touched, lost))
    }

    fn cut_runs(&mut self, log: LogId, cut: u64, batch: &mut Batch) -> Result<(), StoreError> {
        let (from, to) = (keys::run(EntryRef { log, seq: 0 }), keys::after(&log.0));
        let mut last = Run::default();
        for (key, value) in self.store.scan(Table::Runs, &from, &to, Direction::Up, usize::MAX)? {
            let (first_arrival, count) = read(&value)?;
            let run = Run { first_seq: keys::number(&key), first_arrival, count };
            if run.first_seq >= cut {
                batch.remove(Table::Runs, key);
            } else {
                last = Run { count: run.count.min(cut - run.first_seq), ..run };
                put_run(batch, log, last);
            }
        }
        if let Some(state) = self.logs.get_mut(&log) {
            state.run = last;
        }
        Ok(())
    }

    /// Sets head, time and certificate back to what they were before the cut.
    fn shorten(&mut self, log: LogId, cut: u64, work: &mut Work) -> Result<(), StoreError> {
        let (mut head, mut time, mut certificate) = (Head::NONE, Hlc::default(), None);
        for seq in 1..cut {
            let Some(entry) = self.entry(EntryRef { log, seq })? else { break };
            head = Head { height: seq, hash: entry.header().hash() };
            time = time.max(entry.header().time);
            if entry.header().kind == Kind::Certificate as u8 {
                certificate = self.certificate_held(&entry).or(certificate);
            }
        }
        match (self.logs.get_mut(&log), certificate) {
            (Some(state), Some(certificate)) => {
                (state.head, state.time, state.certificate) = (head, time, certificate);
                work.batch.put(Table::Meta, keys::log(log), encode(state));
            }
            _ => {
                self.logs.remove(&log);
                work.batch.remove(Table::Meta, keys::log(log));
            }
        }
        Ok(())
    }

    fn certificate_held(&self, entry: &Entry) -> Option<crate::site::Certificate> {
        let certificate = self.certificate_in(entry)?;
        let counts = entry.header().seq == 1 || certificate.valid_at(entry.header().time.ms()).is_ok();
        counts.then_some(certificate)
    }

    /// Works a read model out again from those of its entries that are left and count. `changed` are the tables as they will be.
    pub(super) fn rebuild_view(
        &mut self,
        id: CaptureId,
        is_left: impl Fn(&Header) -> bool,
        changed: &Overlay,
        work: &mut Work,
    ) -> Result<(), StoreError> {
        let before = self.capture(id)?.unwrap_or_default();
        if let Some(erased) = &before.erased {
            let view = self.fold_again(id, erased.device, &before, changed, &mut work.batch)?;
            self.captures -= u64::from(before.origin.is_some());
            self.captures += u64::from(view.origin.is_some());
            self.note_orphan(id, &view, &mut work.batch)?;
            work.views.insert(id, view);
            return Ok(());
        }
        let before = before.origin;
        let mut entries: Vec<Entry> = Vec::new();
        if let Some(origin) = &before {
            work.batch.remove(Table::Order, keys::order(origin.time, id));
            entries.extend(self.entry(origin.at)?);
        }
        for (arrival, entry) in self.all_about(&About::Capture(id))? {
            if changed.get(self, Table::Quarantine, &keys::entry(arrival))?.is_none() {
                entries.push(entry);
            }
        }
        let mut seen = BTreeSet::new();
        entries.retain(|entry| {
            let header = entry.header();
            is_left(header) && !self.is_void(header) && seen.insert((header.author, header.seq))
        });
        let mut view = CaptureView::default();
        for entry in entries {
            let (Some(rule), Some(body)) = (Kind::rule(entry.header().kind), entry.body.as_ref()) else { continue };
            if let Ok(statement) = Statement::decode(rule.kind, body) {
                let hash: EntryHash = entry.header().hash();
                super::ingest::apply_to_view(&mut view, id, hash, entry.header(), &statement, &mut work.batch);
            }
        }
        self.captures -= u64::from(before.is_some());
        self.captures += u64::from(view.origin.is_some());
        work.views.insert(id, view);
        Ok(())
    }

    /// A promise to have more of a log than up to the cut becomes one to have all before it, at the same time as before.
    fn lower_promises(&mut self, log: LogId, cut: u64) {
        let head = self.logs.get(&log).map(|state| state.head);
        let lower = |promised: Head| if promised.height < cut { Some(promised) } else { head };
        for (_, heads) in &mut self.pending {
            heads.retain_mut(|(id, promised)| {
                let lowered = if *id == log { lower(*promised) } else { Some(*promised) };
                lowered.inspect(|head| *promised = *head).is_some()
            });
        }
        if let Some(head) = self.durable.remove(&log).and_then(lower) {
            self.durable.insert(log, head);
        }
    }
}

pub(super) fn is_left(header: &Header, cut: EntryRef) -> bool {
    header.seq < cut.seq || header.author.log() != cut.log
}
