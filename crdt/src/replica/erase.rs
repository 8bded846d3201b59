//! Erasure: what was taken of a person goes, and nothing of it comes back.
//!
//! Once a capture is erased here, every body about it that could say anything of the person is gone, and its read model holds
//! only what headers say and bodies that stay. Both are functions of the entries, in whatever order they came: one that comes
//! later loses its body before it is stored. What proves that bodies may be lacking is kept for ever, and goes before entries
//! without bodies to whoever lacks it, so that nobody who only carries them can strip them.
//!
//! It is final. An erasure counts although its author is revoked later, or the log that it stood in is cut: replicas that heard
//! of it have nothing to go back to. Cut ones are told on (`orphan`), so that all replicas agree.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ingest::{SetAside, Work, apply_to_view, state_origin};
use super::proof::{Ground, Proof};
use super::{Replica, keys, read};
use crate::blob::BlobRef;
use crate::codec::encode;
use crate::entry::{About, Entry, Header};
use crate::ids::{CaptureId, DeviceId, EntryHash};
use crate::statement::{Erasure, Kind, Statement};
use crate::store::{Batch, Direction, Store, StoreError, Table};
use crate::view::{CaptureView, EntryRef, Erased, Mark, Marks, Origin, WORDS_MAX};

/// Erasures of cut logs looked at in one round: cuts are rare, and so are erasures that nobody says again.
const ORPHANS_MAX: usize = 256;

/// A proof as it is kept: many have the same certificate.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) device: DeviceId,
    certificate: [u8; 32],
    pub(super) ground: Ground,
}

/// What a capture still needs of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No hub has accepted it.
    Open,
    /// This hub has, and nobody has answered.
    Unanswered(DeviceId),
    /// Nothing any more: it was erased before it was answered, or even accepted.
    Early { accepted: bool },
    /// Nothing.
    Settled,
}

impl Standing {
    pub(super) fn of(view: &CaptureView) -> Self {
        if view.origin.is_none() {
            return Self::Settled;
        }
        let (accepted, answered) = (view.accepted(), view.screened().is_some());
        match accepted {
            accepted if view.erased.is_some() && !answered => Self::Early { accepted: accepted.is_some() },
            _ if view.erased.is_some() => Self::Settled,
            None => Self::Open,
            Some(mark) if !answered => Self::Unanswered(mark.by),
            Some(_) => Self::Settled,
        }
    }
}

fn is_erasable(header: &Header) -> bool {
    Kind::rule(header.kind).is_some_and(|rule| rule.kind.is_erasable())
}

impl SetAside {
    /// Whether a reason, as it is kept, came from a body. Once that is gone nobody can tell any more.
    fn rests_on_body(reason: &[u8]) -> bool {
        const BODY: &[u8] = b"the body doesn't hold";
        let is = |other: Self| reason == other.to_string().as_bytes();
        reason.starts_with(BODY) || is(Self::CaptureId) || is(Self::Erased)
    }
}

// ---- What comes in ----

impl<S: Store> Replica<S> {
    /// Whether an entry may come without its body: its capture is erased here. Of a kind that this program doesn't know it may be,
    /// too: a newer one knows whether that goes.
    pub(super) fn may_lack_its_body(&self, header: &Header) -> Result<bool, StoreError> {
        let Some(id) = header.about.capture() else { return Ok(false) };
        let known = Kind::rule(header.kind).is_none_or(|rule| rule.kind.is_erasable());
        Ok(known && self.capture(id)?.is_some_and(|view| view.erased.is_some()))
    }

    /// Whether an entry's body goes before it is stored.
    pub(super) fn is_to_be_stripped(&self, header: &Header, work: &mut Work) -> Result<bool, StoreError> {
        let Some(id) = header.about.capture().filter(|_| is_erasable(header)) else { return Ok(false) };
        let view = self.view_in(id, work)?;
        let erased = view.erased.is_some() || work.erasures.contains_key(&id);
        work.views.insert(id, view);
        Ok(erased)
    }

    /// What an entry without a body adds to what is left of its capture.
    pub(super) fn leave_trace(
        &mut self,
        hash: EntryHash,
        entry: &Entry,
        arrival: u64,
        work: &mut Work,
    ) -> Result<Option<SetAside>, StoreError> {
        let header = entry.header();
        work.batch.put(Table::About, keys::about(&header.about, arrival), []);
        let Some(id) = header.about.capture() else { return Ok(Some(SetAside::Erased)) };
        let mut view = self.view_in(id, work)?;
        let known = view.origin.is_some();
        let reason = add_trace(&mut view, id, hash, header, &mut work.batch);
        self.captures += u64::from(!known && view.origin.is_some());
        work.views.insert(id, view);
        Ok(reason)
    }

    /// An erasure that stands in its log takes effect when the call's work is committed.
    pub(super) fn take_erasure(
        &self,
        at: EntryRef,
        entry: &Entry,
        erasure: &Erasure,
        work: &mut Work,
    ) -> Option<SetAside> {
        let header = entry.header();
        let Some(log) = self.logs.get(&at.log) else { return Some(SetAside::Role) };
        let Some(id) = header.about.capture().filter(|_| erasure.is_about(&header.about)) else {
            return Some(SetAside::CaptureId);
        };
        if !erasure.allows(log.certificate.roles, header.author.device) {
            return Some(SetAside::Role);
        }
        let proof = || Proof { certificate: log.certificate.clone(), ground: Ground::Stated(Box::new(entry.clone())) };
        let known = work.erasures.get(&id);
        if known.is_none_or(|known| known.stands_at().is_none()) {
            work.erasures.insert(id, proof());
        }
        None
    }
}

// ---- What goes ----

impl<S: Store> Replica<S> {
    /// Carries out a call's erasures, as part of its batch: bodies, read model, and the row that remembers it for ever. Returns
    /// the images that each named.
    pub(super) fn erase(&mut self, work: &mut Work) -> Result<Vec<(CaptureId, Vec<BlobRef>)>, StoreError> {
        let erasures = std::mem::take(&mut work.erasures);
        if erasures.is_empty() {
            return Ok(Vec::new());
        }
        let (written, mut gone) = (Overlay::of(&work.batch), Vec::new());
        for (id, proof) in erasures {
            let Ok((_, device)) = proof.subject() else { continue };
            let kept = self.kept(id)?;
            let view = self.view_in(id, work)?;
            let view = if kept.is_some() {
                view
            } else {
                let images = self.images_named(id, &view, &written)?;
                let bare = self.fold_again(id, device, &view, &written, &mut work.batch)?;
                self.captures += u64::from(bare.origin.is_some());
                self.captures -= u64::from(view.origin.is_some());
                self.records.forget(&About::Capture(id));
                self.parked.strip(id);
                self.erased += 1;
                gone.push((id, images));
                bare
            };
            let better = |kept: &Kept| matches!(kept.ground, Ground::Expired { .. }) && proof.stands_at().is_some();
            if kept.as_ref().is_none_or(better) {
                keep(id, device, &proof, &mut work.batch);
            }
            put_orphan(id, &view, proof.stands_at().is_some(), &mut work.batch);
            work.views.insert(id, view);
        }
        Ok(gone)
    }

    /// Works out what is left of an erased capture from all entries about it, and takes their bodies. `before` is its read model,
    /// which names an entry that no table does.
    pub(super) fn fold_again(
        &self,
        id: CaptureId,
        device: DeviceId,
        before: &CaptureView,
        written: &Overlay,
        batch: &mut Batch,
    ) -> Result<CaptureView, StoreError> {
        let erased = Some(Erased { device, statements: Marks::default() });
        let mut view = CaptureView { erased, ..CaptureView::default() };
        if let Some(origin) = &before.origin {
            batch.remove(Table::Order, keys::order(origin.time, id));
        }
        for arrival in self.arrivals_about(id, before, written)? {
            let key = keys::entry(arrival);
            let Some(bytes) = written.get(self, Table::Entries, &key)? else { continue };
            let entry: Entry = read(&bytes)?;
            let reason = written.get(self, Table::Quarantine, &key)?;
            let counts = !self.is_void(entry.header());
            fold(&mut view, id, (arrival, &entry), counts, reason.as_deref(), batch);
        }
        Ok(view)
    }

    /// The images that any statement of a capture names, also one that doesn't count: of a revoked device, say.
    fn images_named(&self, id: CaptureId, view: &CaptureView, written: &Overlay) -> Result<Vec<BlobRef>, StoreError> {
        let mut images = Vec::new();
        for arrival in self.arrivals_about(id, view, written)? {
            let Some(bytes) = written.get(self, Table::Entries, &keys::entry(arrival))? else { continue };
            let entry: Entry = read(&bytes)?;
            if let Some(body) = entry.body.as_ref().filter(|_| entry.header().kind == Kind::Capture as u8)
                && let Ok(Statement::Capture(capture)) = Statement::decode(Kind::Capture, body)
            {
                images.extend(capture.blobs);
            }
        }
        Ok(images)
    }

    fn arrivals_about(
        &self,
        id: CaptureId,
        before: &CaptureView,
        written: &Overlay,
    ) -> Result<BTreeSet<u64>, StoreError> {
        let mut arrivals: BTreeSet<u64> = written.about(id).collect();
        self.walk(Table::About, &keys::about_prefix(&About::Capture(id)), |key, _| {
            arrivals.insert(keys::number(&key));
            Ok(())
        })?;
        if let Some(origin) = &before.origin {
            arrivals.extend(self.arrival(origin.at)?);
        }
        Ok(arrivals)
    }
}

/// Adds an entry to what is left of an erased capture, if it counts, and strips it. `reason` is why it was set aside, if it was.
fn fold(
    view: &mut CaptureView,
    id: CaptureId,
    (arrival, entry): (u64, &Entry),
    counts: bool,
    reason: Option<&[u8]>,
    batch: &mut Batch,
) {
    let header = entry.header();
    let hash = header.hash();
    if !is_erasable(header) {
        let rule = Kind::rule(header.kind).filter(|_| reason.is_none() && counts);
        if let (Some(rule), Some(body)) = (rule, &entry.body)
            && let Ok(statement) = Statement::decode(rule.kind, body)
        {
            // It had this effect before, or the same on another read model.
            let _ = apply_to_view(view, id, hash, header, &statement, batch);
        }
        return;
    }
    if entry.body.is_some() {
        batch.put(Table::Entries, keys::entry(arrival), encode(&entry.without_body()));
    }
    batch.put(Table::About, keys::about(&header.about, arrival), []);
    if !counts || reason.is_some_and(|reason| !SetAside::rests_on_body(reason)) {
        return;
    }
    match add_trace(view, id, hash, header, batch) {
        Some(reason) => batch.put(Table::Quarantine, keys::entry(arrival), reason.to_string()),
        None if reason.is_some() => batch.remove(Table::Quarantine, keys::entry(arrival)),
        None => {}
    }
}

/// What a header says of an erased capture, once its author may say such a thing at all.
fn add_trace(
    view: &mut CaptureView,
    id: CaptureId,
    entry: EntryHash,
    header: &Header,
    batch: &mut Batch,
) -> Option<SetAside> {
    let Some(device) = view.erased.as_ref().map(|erased| erased.device) else { return Some(SetAside::Erased) };
    let at = EntryRef { log: header.author.log(), seq: header.seq };
    let mark = Mark { time: header.time, at, by: header.author.device, entry, refers: [0; 32].into() };
    match Kind::rule(header.kind).map(|rule| rule.kind) {
        Some(Kind::Capture) if header.author.device == device => state_origin(view, id, Origin::bare(header), batch),
        Some(Kind::Capture) => return Some(SetAside::CaptureId),
        Some(Kind::Verdict) => view.verdicts.add(mark),
        Some(Kind::Review) => view.reviews.add_of_each(WORDS_MAX, mark),
        _ => {}
    }
    None
}

// ---- What is remembered ----

impl<S: Store> Replica<S> {
    /// That a capture is erased, where nothing else is known of it.
    pub(super) fn trace_of(&self, id: CaptureId) -> Result<Option<CaptureView>, StoreError> {
        let Some(kept) = self.kept(id)? else { return Ok(None) };
        let erased = Some(Erased { device: kept.device, statements: Marks::default() });
        Ok(Some(CaptureView { erased, ..CaptureView::default() }))
    }

    /// What shows that a capture is erased; `None` if it isn't.
    pub fn proof(&self, id: CaptureId) -> Result<Option<Proof>, StoreError> {
        let Some(kept) = self.kept(id)? else { return Ok(None) };
        let certificate = self.store.get(Table::Meta, &keys::eraser(&kept.certificate))?;
        let certificate = certificate.ok_or_else(|| StoreError::Damaged("who erased isn't on file".into()))?;
        Ok(Some(Proof { certificate: read(&certificate)?, ground: kept.ground }))
    }

    /// How many captures are erased here.
    #[must_use]
    pub const fn erased(&self) -> u64 {
        self.erased
    }

    /// Of those, how many no hub had accepted, and how many one had and nobody had answered.
    #[must_use]
    pub fn erased_early(&self) -> (u64, u64) {
        let accepted = self.early.values().filter(|accepted| **accepted).count() as u64;
        (self.early.len() as u64 - accepted, accepted)
    }

    /// The captures erased since the last call, with the images that each named.
    pub(crate) fn take_erased(&mut self) -> Vec<(CaptureId, Vec<BlobRef>)> {
        std::mem::take(&mut self.erased_news)
    }

    /// Erasures that others hear of in no log: it was cut where they stood, or doesn't let them count. A bounded part of them from
    /// a key on, which is set to where the next part begins.
    pub(crate) fn orphans(&self, from: &mut Vec<u8>) -> Result<Vec<(CaptureId, Proof)>, StoreError> {
        let begin = std::mem::take(from);
        if self.erased == 0 {
            return Ok(Vec::new());
        }
        let (prefix, to) = (keys::ORPHAN_PREFIX, keys::after(keys::ORPHAN_PREFIX));
        let rows = self.store.scan(Table::Meta, begin.as_slice().max(prefix), &to, Direction::Up, ORPHANS_MAX)?;
        if let Some((last, _)) = rows.last().filter(|_| rows.len() == ORPHANS_MAX) {
            *from = keys::after(last);
        }
        let mut orphans = Vec::new();
        for (key, _) in rows {
            let Ok(id) = key[keys::ORPHAN_PREFIX.len()..].try_into().map(CaptureId) else { continue };
            let Some(proof) = self.proof(id)? else { continue };
            let Some(at) = proof.stands_at() else { continue };
            let height = self.logs.get(&at.log).map_or(0, |log| log.head.height);
            // Of a device that is revoked, what came ahead of its entry is perhaps the last that anybody heard.
            let ends = self.frozen_at(&at.log).is_some_and(|cut| cut <= at.seq)
                || self.revoked().is_out(&proof.certificate.device);
            if height >= at.seq || ends {
                orphans.push((id, proof));
            }
        }
        Ok(orphans)
    }

    pub(super) fn restore_erased(&mut self) -> Result<(), StoreError> {
        let mut count = 0;
        self.walk(Table::Meta, keys::ERASED_PREFIX, |_, _| {
            count += 1;
            Ok(())
        })?;
        self.erased = count;
        Ok(())
    }

    /// A cut took entries of an erased capture: whether its erasure still stands anywhere.
    pub(super) fn note_orphan(&self, id: CaptureId, view: &CaptureView, batch: &mut Batch) -> Result<(), StoreError> {
        let stated = self.kept(id)?.is_some_and(|kept| matches!(kept.ground, Ground::Stated(_)));
        put_orphan(id, view, stated, batch);
        Ok(())
    }

    pub(super) fn kept(&self, id: CaptureId) -> Result<Option<Kept>, StoreError> {
        if self.erased == 0 {
            return Ok(None);
        }
        self.store.get(Table::Meta, &keys::erased(id))?.map(|bytes| read(&bytes)).transpose()
    }
}

fn keep(id: CaptureId, device: DeviceId, proof: &Proof, batch: &mut Batch) {
    let certificate = encode(&proof.certificate);
    let hash = *blake3::hash(&certificate).as_bytes();
    batch.put(Table::Meta, keys::eraser(&hash), certificate);
    let kept = Kept { device, certificate: hash, ground: proof.ground.clone() };
    batch.put(Table::Meta, keys::erased(id), encode(&kept));
}

fn put_orphan(id: CaptureId, view: &CaptureView, stated: bool, batch: &mut Batch) {
    let stands = view.erased.as_ref().is_some_and(|erased| !erased.statements.is_empty());
    if stated && !stands {
        batch.put(Table::Meta, keys::orphan(id), []);
    } else {
        batch.remove(Table::Meta, keys::orphan(id));
    }
}

/// The tables as they will be once a batch is in them.
pub(super) struct Overlay {
    rows: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    entries: BTreeSet<(CaptureId, u64)>,
}

impl Overlay {
    pub(super) fn of(batch: &Batch) -> Self {
        let (mut rows, mut entries) = (BTreeMap::new(), BTreeSet::new());
        for (table, key, value) in &batch.writes {
            if !matches!(table, Table::Entries | Table::Quarantine) {
                continue;
            }
            if let (Table::Entries, Some(bytes)) = (table, value)
                && let Ok(entry) = read::<Entry>(bytes)
                && let Some(id) = entry.header().about.capture()
            {
                entries.insert((id, keys::number(key)));
            }
            rows.insert((*table, key.clone()), value.clone());
        }
        Self { rows, entries }
    }

    fn about(&self, id: CaptureId) -> impl Iterator<Item = u64> {
        self.entries.range((id, 0)..=(id, u64::MAX)).map(|(_, arrival)| *arrival)
    }

    pub(super) fn get<S: Store>(
        &self,
        replica: &Replica<S>,
        table: Table,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match self.rows.get(&(table, key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => replica.store.get(table, key),
        }
    }
}
