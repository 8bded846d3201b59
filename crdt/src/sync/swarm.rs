//! Blobs on the move: what is missing here, who has it, what was asked of whom.
//!
//! Wants go out in order of rank (urgent first, then oldest), disjoint ranges to all who hold a capture whole. Each group
//! verifies on its own, is written as it comes, and survives a restart.
//!
//! Honest captures share no blob, but anybody can name another's in a capture of his own, with its length or with a wrong
//! one. So what is wanted goes by id and length, and a blob stays as long as any capture needs it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::ByteArray;

use super::LinkId;
use super::turns::Wait;
use crate::blob::{BlobError, BlobRef, GROUP_BYTES, Outline};
use crate::ids::{BlobId, CaptureId, DeviceId};
use crate::statement::Priority;
use crate::store::{Batch, Store, StoreError, Table, Ticket};
use crate::time::Hlc;
use crate::view::Origin;

/// In which order captures are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// 0 for urgent ones.
    lateness: u8,
    time: Hlc,
    pub(super) capture: CaptureId,
}

impl Rank {
    pub(super) fn of(capture: CaptureId, origin: &Origin) -> Self {
        Self { lateness: u8::from(origin.priority != Priority::Urgent), time: origin.time, capture }
    }
}

/// A capture of which blobs are missing.
#[derive(Debug)]
struct Missing {
    rank: Rank,
    origin: DeviceId,
    /// Each once; a few.
    blobs: Vec<BlobRef>,
}

/// A capture that this device holds or fetches.
#[derive(Debug)]
struct Care {
    payload: ByteArray<32>,
    names: Box<[BlobId]>,
    state: State,
}

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Blobs of it are missing.
    Missing,
    /// Whole, once the disk is so far.
    Finishing(Ticket),
    /// Here with all its blobs, durably.
    Whole,
}

/// How much of one blob is here.
#[derive(Debug)]
struct Progress {
    blob: BlobRef,
    outline: Option<Outline>,
    /// Who was asked for the outline.
    outline_from: Option<LinkId>,
    have: BTreeSet<u32>,
    asked: BTreeMap<u32, LinkId>,
    /// All groups are here; the disk is finishing.
    finishing: bool,
}

/// A stretch to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) blob: BlobRef,
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) outline: bool,
}

/// A group that came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    /// Whether it was asked of this link.
    pub(super) asked: bool,
    /// Whether it was kept: it verifies, and wasn't here.
    pub(super) fresh: bool,
    /// Whether no other one of its blob is lacking now.
    pub(super) last: bool,
}

/// All that is missing here.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    captures: BTreeMap<CaptureId, Care>,
    /// Those of them of which blobs are missing.
    missing: BTreeMap<CaptureId, Missing>,
    /// Those of these that aren't copied yet, since a gateway beside this device may do without.
    waiting: BTreeMap<CaptureId, Wait>,
    /// The missing blobs that were asked of somebody; of the others there may be a hundred thousand.
    wanted: BTreeMap<BlobRef, Progress>,
    /// What is whole once the disk is done.
    finishing: BTreeMap<Ticket, Vec<Finishing>>,
    /// The captures that name a blob.
    users: BTreeSet<(BlobId, CaptureId)>,
    /// Of captures that a cut took away and that weren't stated again, the blobs that are here.
    orphans: BTreeMap<CaptureId, Box<[BlobId]>>,
}

/// See [`Swarm::durable`].
#[derive(Debug)]
enum Finishing {
    /// A capture that lacked nothing.
    Capture(CaptureId),
    /// A blob whose last group was written.
    Blob(BlobRef),
}

impl Swarm {
    /// Whether a capture is here with all its blobs, durably.
    pub(super) fn is_whole(&self, capture: &CaptureId) -> bool {
        self.captures.get(capture).is_some_and(|care| care.state == State::Whole)
    }

    /// Whether this very payload is whole or being fetched.
    pub(super) fn cares_for(&self, capture: &CaptureId, payload: &ByteArray<32>) -> bool {
        self.captures.get(capture).is_some_and(|care| care.payload == *payload)
    }

    /// How many captures lack blobs here.
    pub(super) fn missing_captures(&self) -> usize {
        self.missing.len()
    }

    /// Bytes of blobs that are still to come, in whole groups. What came before a restart counts once it is gone on with.
    pub(super) fn missing_bytes(&self) -> u64 {
        let here = |blob| self.wanted.get(blob).map_or(0, |progress| progress.have.len());
        let groups = self.missing.values().flat_map(|it| &it.blobs).map(|blob| blob.groups() as usize - here(blob));
        groups.map(|count| (count * GROUP_BYTES) as u64).sum()
    }

    /// A capture that is whole from the start: it was made here, or found whole on disk.
    pub(super) fn set_whole(&mut self, capture: CaptureId, origin: &Origin) {
        self.care_for(capture, origin, State::Whole);
    }

    fn care_for(&mut self, capture: CaptureId, origin: &Origin, state: State) {
        self.use_blobs(capture, origin);
        self.orphans.remove(&capture);
        let names = origin.blobs.iter().map(|blob| blob.id).collect();
        self.captures.insert(capture, Care { payload: origin.payload, names, state });
    }

    /// Notes that a capture needs its blobs here.
    pub(super) fn use_blobs(&mut self, capture: CaptureId, origin: &Origin) {
        self.users.extend(origin.blobs.iter().map(|blob| (blob.id, capture)));
    }

    fn users_of(&self, blob: BlobId) -> impl Iterator<Item = CaptureId> {
        let (first, last) = (CaptureId([0; 16]), CaptureId([u8::MAX; 16]));
        self.users.range((blob, first)..=(blob, last)).map(|(_, capture)| *capture)
    }

    /// Whether any capture needs a blob.
    pub(super) fn is_used(&self, blob: BlobId) -> bool {
        self.users_of(blob).next().is_some()
    }

    /// A capture needs its blobs no longer: those that no other one needs either.
    pub(super) fn leave_blobs(&mut self, capture: CaptureId, blobs: &[BlobRef]) -> Vec<BlobId> {
        let mut free = Vec::new();
        for blob in blobs {
            self.users.remove(&(blob.id, capture));
            free.extend(self.users_of(blob.id).next().is_none().then_some(blob.id));
        }
        free
    }

    /// Begins to want a capture's blobs. With none missing, it is whole once `ticket` is durable.
    pub(super) fn want<S: Store>(
        &mut self,
        store: &S,
        capture: CaptureId,
        origin: &Origin,
        ticket: Ticket,
    ) -> Result<(), StoreError> {
        let mut blobs = Vec::new();
        for blob in &origin.blobs {
            if !blobs.contains(blob) && !is_here(store, blob)? {
                blobs.push(*blob);
            }
        }
        if blobs.is_empty() {
            self.care_for(capture, origin, State::Finishing(ticket));
            self.finishing.entry(ticket).or_default().push(Finishing::Capture(capture));
        } else {
            self.care_for(capture, origin, State::Missing);
            self.missing.insert(capture, Missing { rank: Rank::of(capture, origin), origin: origin.device, blobs });
        }
        Ok(())
    }

    /// Stops wanting a capture, and holding it.
    pub(super) fn forget(&mut self, capture: &CaptureId) {
        self.captures.remove(capture);
        self.waiting.remove(capture);
        let Some(missing) = self.missing.remove(capture) else { return };
        for blob in missing.blobs {
            if self.missing_it(&blob).next().is_none() {
                self.wanted.remove(&blob);
            }
        }
    }

    /// The captures that lack a blob.
    fn missing_it(&self, blob: &BlobRef) -> impl Iterator<Item = &Missing> {
        let missing = self.users_of(blob.id).filter_map(|user| self.missing.get(&user));
        missing.filter(|missing| missing.blobs.contains(blob))
    }

    /// A capture isn't what it was: a cut took it away, or another statement of it holds now. Returns whether it was here or
    /// wanted.
    pub(super) fn drop_out(&mut self, capture: &CaptureId) -> bool {
        let Some(care) = self.captures.get_mut(capture) else { return false };
        // The blobs themselves stay until it is erased, or the next start: most often it is stated again.
        let names = std::mem::take(&mut care.names);
        self.forget(capture);
        for blob in &names {
            self.users.remove(&(*blob, *capture));
        }
        self.orphans.insert(*capture, names);
        true
    }

    /// The blobs of a capture that a cut took away, which isn't going to be stated again.
    pub(super) fn take_orphans(&mut self, capture: &CaptureId) -> Box<[BlobId]> {
        self.orphans.remove(capture).unwrap_or_default()
    }

    /// The captures missing here that `holds` says a device has whole (its own ones included).
    pub(super) fn offers(&self, device: DeviceId, holds: impl Fn(&CaptureId) -> bool) -> BTreeSet<Rank> {
        let offered = |(id, missing): &(&CaptureId, &Missing)| missing.origin == device || holds(id);
        self.missing.iter().filter(offered).map(|(_, missing)| missing.rank).collect()
    }

    /// The rank of a missing capture, for a device that says it holds it.
    pub(super) fn rank(&self, capture: &CaptureId) -> Option<Rank> {
        self.missing.get(capture).map(|missing| missing.rank)
    }

    /// For what a missing capture waits, if it does.
    pub(super) fn wait(&self, capture: &CaptureId) -> Option<Wait> {
        self.waiting.get(capture).copied()
    }

    /// A missing capture waits.
    pub(super) fn set_wait(&mut self, capture: CaptureId, wait: Wait) {
        self.waiting.insert(capture, wait);
    }

    /// It waits no more.
    pub(super) fn end_wait(&mut self, capture: &CaptureId) {
        self.waiting.remove(capture);
    }

    /// Nothing does. Returns what did.
    pub(super) fn end_waits(&mut self) -> Vec<CaptureId> {
        std::mem::take(&mut self.waiting).into_keys().collect()
    }

    /// Whether any missing capture waits.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What to ask next over `link`, at most `window` groups, among `offers`. Marks them as asked.
    pub(super) fn ask<S: Store>(
        &mut self,
        store: &S,
        link: LinkId,
        offers: &BTreeSet<Rank>,
        mut window: u32,
    ) -> Result<Vec<Ask>, StoreError> {
        let mut asks = Vec::new();
        for rank in offers {
            let waits = self.waiting.contains_key(&rank.capture);
            let Some(missing) = self.missing.get(&rank.capture).filter(|_| !waits) else { continue };
            for blob in &missing.blobs {
                if window == 0 {
                    return Ok(asks);
                }
                let progress = match self.wanted.entry(*blob) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(vacant) => vacant.insert(Progress::resume(store, *blob)?),
                };
                while window > 0
                    && let Some(ask) = progress.ask(link, window)
                {
                    window -= ask.count;
                    asks.push(ask);
                }
            }
        }
        Ok(asks)
    }

    /// Takes in an outline. Returns whether it was wanted.
    pub(super) fn outline<S: Store>(
        &mut self,
        store: &mut S,
        blob: BlobRef,
        values: &[u8],
    ) -> Result<Result<bool, BlobError>, StoreError> {
        let Some(progress) = self.wanted.get_mut(&blob).filter(|progress| progress.outline.is_none()) else {
            return Ok(Ok(false));
        };
        match Outline::verify(progress.blob, values) {
            Ok(outline) => progress.outline = Some(outline),
            Err(error) => {
                progress.outline_from = None;
                return Ok(Err(error));
            }
        }
        let mut batch = Batch::default();
        batch.put(Table::Blobs, blob.id.0, values);
        store.apply(batch)?;
        Ok(Ok(true))
    }

    /// The outline of a blob that is being fetched, if it is verified: that of a single group says nothing.
    pub(super) fn verified_outline(&self, blob: &BlobRef) -> Option<&Outline> {
        self.wanted.get(blob).filter(|_| blob.groups() > 1)?.outline.as_ref()
    }

    /// Takes in a group.
    pub(super) fn group<S: Store>(
        &mut self,
        store: &mut S,
        link: LinkId,
        blob: BlobRef,
        index: u32,
        bytes: &[u8],
    ) -> Result<Result<Group, BlobError>, StoreError> {
        let Some(progress) = self.wanted.get_mut(&blob) else { return Ok(Ok(Group::default())) };
        let asked = progress.asked.get(&index) == Some(&link);
        if asked {
            progress.asked.remove(&index);
        }
        let useless = Group { asked, ..Group::default() };
        if progress.have.contains(&index) || progress.finishing {
            return Ok(Ok(useless));
        }
        let Some(outline) = &progress.outline else { return Ok(Ok(useless)) };
        if let Err(error) = outline.check(index, bytes) {
            return Ok(Err(error));
        }
        store.blob_write(blob.id, u64::from(index) * GROUP_BYTES as u64, bytes)?;
        progress.have.insert(index);
        let last = progress.have.len() == progress.blob.groups() as usize;
        if last {
            progress.finishing = true;
            let ticket = store.blob_finish(blob.id)?;
            self.finishing.entry(ticket).or_default().push(Finishing::Blob(blob));
        }
        Ok(Ok(Group { asked, fresh: true, last }))
    }

    /// What became whole now that everything up to `ticket` is on disk; with its rank, if it was fetched.
    pub(super) fn durable<S: Store>(
        &mut self,
        store: &mut S,
        ticket: Ticket,
    ) -> Result<Vec<(CaptureId, Option<Rank>)>, StoreError> {
        let mut whole = Vec::new();
        while self.finishing.first_key_value().is_some_and(|(at, _)| *at <= ticket) {
            let Some((_, done)) = self.finishing.pop_first() else { break };
            for finishing in done {
                match finishing {
                    Finishing::Capture(capture) => {
                        whole.extend(self.settle(capture, ticket).then_some((capture, None)));
                    }
                    Finishing::Blob(blob) => {
                        let ranks = self.finish(store, blob)?;
                        whole.extend(ranks.into_iter().map(|rank| (rank.capture, Some(rank))));
                    }
                }
            }
        }
        Ok(whole)
    }

    /// A blob is on disk. Returns the captures that are whole by it.
    fn finish<S: Store>(&mut self, store: &mut S, blob: BlobRef) -> Result<Vec<Rank>, StoreError> {
        self.wanted.remove(&blob);
        let mut batch = Batch::default();
        batch.remove(Table::Blobs, blob.id.0);
        store.apply(batch)?;
        let users: Vec<CaptureId> = self.users_of(blob.id).collect();
        Ok(users.into_iter().filter_map(|capture| self.arrived(capture, &blob)).collect())
    }

    /// A blob that a capture may have lacked is here. Returns the capture's rank if that makes it whole.
    fn arrived(&mut self, capture: CaptureId, blob: &BlobRef) -> Option<Rank> {
        let missing = self.missing.get_mut(&capture)?;
        let before = missing.blobs.len();
        missing.blobs.retain(|other| other != blob);
        if missing.blobs.len() == before || !missing.blobs.is_empty() {
            return None;
        }
        self.captures.get_mut(&capture)?.state = State::Whole;
        self.waiting.remove(&capture);
        self.missing.remove(&capture).map(|missing| missing.rank)
    }

    /// A capture that lacked nothing is on disk. Returns whether it still waited for that.
    fn settle(&mut self, capture: CaptureId, ticket: Ticket) -> bool {
        let waits = |care: &&mut Care| matches!(care.state, State::Finishing(at) if at <= ticket);
        let care = self.captures.get_mut(&capture).filter(waits);
        care.map(|care| care.state = State::Whole).is_some()
    }

    /// A peer doesn't have a blob after all: whose it is.
    pub(super) fn gone(&mut self, link: LinkId, blob: &BlobRef) -> Vec<Rank> {
        if let Some(progress) = self.wanted.get_mut(blob) {
            progress.release(link);
        }
        self.missing_it(blob).map(|missing| missing.rank).collect()
    }

    /// Whatever was asked over a link may be asked of others again.
    pub(super) fn release(&mut self, link: LinkId) {
        for progress in self.wanted.values_mut() {
            progress.release(link);
        }
    }
}

/// Whether a blob is on disk, complete and of this length.
fn is_here<S: Store>(store: &S, blob: &BlobRef) -> Result<bool, StoreError> {
    Ok(store.blob_len(blob.id)? == Some(u64::from(blob.bytes)))
}

/// Whether all blobs of a capture are.
pub(super) fn are_here<S: Store>(store: &S, origin: &Origin) -> Result<bool, StoreError> {
    for blob in &origin.blobs {
        if !is_here(store, blob)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Progress {
    /// Picks up what a restart left: an outline in the store, groups in the unfinished file; all of it verified again.
    fn resume<S: Store>(store: &S, blob: BlobRef) -> Result<Self, StoreError> {
        let saved = if blob.groups() == 1 { Some(vec![0; 32]) } else { store.get(Table::Blobs, &blob.id.0)? };
        let outline = saved.and_then(|values| Outline::verify(blob, &values).ok());
        let mut have = BTreeSet::new();
        if let Some(outline) = &outline {
            for index in 0..blob.groups() {
                let Some((offset, len)) = blob.group(index) else { break };
                let bytes = store.blob_read(blob.id, offset, len)?;
                if outline.check(index, &bytes).is_ok() {
                    have.insert(index);
                }
            }
        }
        if have.len() == blob.groups() as usize {
            // It lacks only its finish: fetching the last group again does that, in the one place that finishes.
            have.pop_last();
        }
        Ok(Self { blob, outline, outline_from: None, have, asked: BTreeMap::new(), finishing: false })
    }

    fn ask(&mut self, link: LinkId, window: u32) -> Option<Ask> {
        if self.finishing {
            return None;
        }
        let outline = self.outline.is_none();
        if outline && self.outline_from.is_some_and(|from| from != link) {
            return None;
        }
        let free = |index: &u32| !self.have.contains(index) && !self.asked.contains_key(index);
        let first = (0..self.blob.groups()).find(free)?;
        let count = (first..self.blob.groups()).take_while(free).take(window as usize).count() as u32;
        self.asked.extend((first..first + count).map(|index| (index, link)));
        let outline = outline && self.outline_from.replace(link).is_none();
        Some(Ask { blob: self.blob, first, count, outline })
    }

    /// Takes back what was asked over a link.
    fn release(&mut self, link: LinkId) {
        self.asked.retain(|_, asked| *asked != link);
        if self.outline.is_none() && self.outline_from == Some(link) {
            self.outline_from = None;
        }
    }
}
