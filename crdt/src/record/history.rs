//! Which edits count: a pure function of the set of edits, whatever the order in which they came.
//!
//! **Invariant.** Whether a change is accepted depends on three things only, all of them the same on every replica: its
//! author's log up to it, the changes that it builds on (its causal past), and the rules. Never on what else arrived, nor on
//! when. A change whose past isn't all here is pending: neither accepted nor refused. What is refused takes with it all that
//! builds on it, and nothing else.
//!
//! One author's changes form a chain: each builds on the one before. So an author can have one history per record, adds at
//! most one head to it, and a change's past is one number per author.

use std::collections::{BTreeMap, BTreeSet};

use automerge::ChangeHash;

use super::change::{Sound, Touch};
use super::reason::Reason;
use super::schema::{Genesis, OpId, Part, Who};
use crate::ids::{Author, LogId};
use crate::time::Hlc;
use crate::view::EntryRef;

/// Most edits that one author's log may make of one record: eight a day for a month. Counted along the log, so that all
/// replicas stop at the same one. Restarting costs a log, of which a device has few.
pub const EDITS_PER_AUTHOR_MAX: u64 = 256;

/// What an edit's author may do in this record, besides being an editor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) supervisor: bool,
    /// Whether the author's device captured; `None` while the capture isn't here.
    pub(crate) origin: Option<bool>,
}

/// One edit as it stands in its author's log.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) at: EntryRef,
    pub(crate) author: Author,
    pub(crate) time: Hlc,
    pub(crate) standing: Standing,
    pub(crate) body: Body,
}

/// What an edit's body holds.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// The bytes of a change.
    Chunk(Vec<u8>),
    /// Something that its group key doesn't open.
    Broken,
    /// Something under a group key that this device doesn't have (yet).
    Unreadable,
}

/// An edit that counts.
pub(crate) struct Accepted {
    pub(crate) edit: Edit,
    pub(crate) sound: Sound,
}

/// What became of all edits of a record.
#[derive(Default)]
pub(crate) struct History {
    /// Those that count, each after what it builds on; ties in order of hash.
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) refused: Vec<(Edit, Reason)>,
    pub(crate) pending: Vec<Edit>,
    pub(crate) unreadable: Vec<Edit>,
}

/// Judges all edits of a record.
pub(crate) fn judge(genesis: &Genesis, document: &[u8], mut edits: Vec<Edit>) -> History {
    edits.sort_by_key(|edit| edit.at);
    let mut judge = Judge::new(genesis);
    let mut candidates = BTreeMap::new();
    for edit in edits {
        match judge.admit(&edit, document) {
            Ok(Some(sound)) => {
                candidates.insert(sound.hash, Accepted { edit, sound });
            }
            Ok(None) => judge.out.unreadable.push(edit),
            Err(reason) => judge.out.refused.push((edit, reason)),
        }
    }
    for candidate in in_causal_order(candidates) {
        judge.decide(candidate);
    }
    judge.out.refused.sort_by_key(|(edit, _)| edit.at);
    judge.out
}

/// Each change after all those that it builds on; among those that are free to come next, the smallest hash first.
fn in_causal_order(mut candidates: BTreeMap<ChangeHash, Accepted>) -> Vec<Accepted> {
    let mut waits: BTreeMap<ChangeHash, usize> = BTreeMap::new();
    let mut frees: BTreeMap<ChangeHash, Vec<ChangeHash>> = BTreeMap::new();
    for (hash, candidate) in &candidates {
        let here = candidate.sound.change.deps().iter().filter(|dep| candidates.contains_key(dep));
        for dep in here.clone() {
            frees.entry(*dep).or_default().push(*hash);
        }
        waits.insert(*hash, here.count());
    }
    let mut free: BTreeSet<ChangeHash> =
        waits.iter().filter(|(_, count)| **count == 0).map(|(hash, _)| *hash).collect();
    let mut ordered = Vec::with_capacity(candidates.len());
    while let Some(hash) = free.pop_first() {
        ordered.extend(candidates.remove(&hash));
        for next in frees.remove(&hash).unwrap_or_default() {
            let Some(count) = waits.get_mut(&next) else { continue };
            *count -= 1;
            if *count == 0 {
                free.insert(next);
            }
        }
    }
    ordered
}

/// The places of one author's chain that are taken.
#[derive(Default)]
struct Claims {
    last: u64,
    /// Edits that can't be read here: they may have taken places in between.
    unreadable: u64,
}

impl Claims {
    fn claim(&mut self, seq: u64) -> Result<(), Reason> {
        let skipped = seq.checked_sub(self.last.saturating_add(1)).ok_or(Reason::Turn)?;
        self.unreadable = self.unreadable.checked_sub(skipped).ok_or(Reason::Turn)?;
        if seq > EDITS_PER_AUTHOR_MAX {
            return Err(Reason::TooMany);
        }
        self.last = seq;
        Ok(())
    }
}

/// How far along each author's chain a change can see, by the author's number.
type Past = Vec<u64>;

/// What later changes need to know of one that was decided.
enum Decided {
    Accepted { past: Past, top: u64 },
    Refused,
    Pending,
}

/// Where a value stands that an accepted change gave.
struct Given {
    part: Part,
    key: Option<String>,
    author: usize,
    seq: u64,
}

struct Judge<'a> {
    genesis: &'a Genesis,
    claims: BTreeMap<LogId, Claims>,
    authors: BTreeMap<[u8; 16], usize>,
    decided: BTreeMap<ChangeHash, Decided>,
    given: BTreeMap<OpId, Given>,
    out: History,
}

/// Why a change isn't accepted.
enum No {
    Refused(Reason),
    Pending,
}

impl From<Reason> for No {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl<'a> Judge<'a> {
    fn new(genesis: &'a Genesis) -> Self {
        let top = Decided::Accepted { past: Past::new(), top: genesis.top };
        Self {
            genesis,
            claims: BTreeMap::new(),
            authors: BTreeMap::new(),
            decided: BTreeMap::from([(genesis.hash, top)]),
            given: BTreeMap::new(),
            out: History::default(),
        }
    }

    /// What can be said of an edit from its author's log alone; `None` if it can't be read here. The first sound change claims
    /// its place in the author's chain, whatever becomes of it: so no later entry can void it.
    fn admit(&mut self, edit: &Edit, document: &[u8]) -> Result<Option<Sound>, Reason> {
        let claims = self.claims.entry(edit.at.log).or_default();
        let chunk = match &edit.body {
            Body::Chunk(chunk) => chunk,
            Body::Broken => return Err(Reason::Sealed),
            Body::Unreadable => {
                claims.unreadable += 1;
                return Ok(None);
            }
        };
        let sound = Sound::read(chunk, edit.author.actor(document), self.genesis)?;
        if let Err(reason) = claims.claim(sound.seq()) {
            self.decided.entry(sound.hash).or_insert(Decided::Refused);
            return Err(reason);
        }
        let next = self.authors.len();
        self.authors.entry(sound.actor).or_insert(next);
        Ok(Some(sound))
    }

    fn decide(&mut self, candidate: Accepted) {
        let hash = candidate.sound.hash;
        let decided = match self.check(&candidate) {
            Ok(past) => {
                self.remember(&candidate.sound);
                let top = candidate.sound.top();
                self.out.accepted.push(candidate);
                Decided::Accepted { past, top }
            }
            Err(No::Refused(reason)) => {
                self.out.refused.push((candidate.edit, reason));
                Decided::Refused
            }
            Err(No::Pending) => {
                self.out.pending.push(candidate.edit);
                Decided::Pending
            }
        };
        self.decided.insert(hash, decided);
    }

    fn check(&self, candidate: &Accepted) -> Result<Past, No> {
        let sound = &candidate.sound;
        let (mut past, top) = self.past(sound)?;
        for touch in &sound.touches {
            may_write(touch.part, candidate.edit.standing)?;
        }
        let own = self.authors[&sound.actor];
        if past[own] + 1 != sound.seq() {
            return Err(Reason::Turn.into());
        }
        if sound.first() != top + 1 {
            return Err(Reason::Past.into());
        }
        if !sound.touches.iter().enumerate().all(|(index, touch)| self.refers_to_its_past(sound, index, touch, &past)) {
            return Err(Reason::Past.into());
        }
        past[own] = sound.seq();
        Ok(past)
    }

    /// What the changes that this one builds on have seen together, and the highest number of an operation among them.
    fn past(&self, sound: &Sound) -> Result<(Past, u64), No> {
        let (mut past, mut top, mut pending) = (vec![0; self.authors.len()], 0, false);
        for dep in sound.change.deps() {
            match self.decided.get(dep) {
                Some(Decided::Refused) => return Err(Reason::BuildsOn.into()),
                Some(Decided::Pending) | None => pending = true,
                Some(Decided::Accepted { past: theirs, top: highest }) => {
                    past.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours = (*ours).max(*theirs));
                    top = top.max(*highest);
                }
            }
        }
        match top {
            _ if pending => Err(No::Pending),
            // It builds on nothing, not even the genesis.
            0 => Err(Reason::Past.into()),
            top => Ok((past, top)),
        }
    }

    /// Whether everything that an operation names was in the record its author saw, in the same part and under the same key.
    fn refers_to_its_past(&self, sound: &Sound, index: usize, touch: &Touch, past: &Past) -> bool {
        let seen = |id: &OpId, part: Part, key: Option<&str>| {
            let earlier = sound.touches[..index].iter().enumerate();
            let in_this = earlier
                .filter(|(at, _)| sound.op(*at) == *id)
                .any(|(_, touch)| touch.gives && touch.part == part && touch.key.as_deref() == key);
            in_this
                || self.given.get(id).is_some_and(|given| {
                    given.part == part && given.key.as_deref() == key && given.seq <= past[given.author]
                })
        };
        let key = touch.key.as_deref();
        let names_a_task = || key.and_then(OpId::named).is_some_and(|task| seen(&task, Part::Tasks, None));
        touch.after.iter().all(|id| seen(id, touch.part, None))
            && touch.replaces.iter().all(|id| seen(id, touch.part, key))
            && (touch.gives || !touch.replaces.is_empty())
            && (touch.part != Part::Done || names_a_task())
    }

    fn remember(&mut self, sound: &Sound) {
        let author = self.authors[&sound.actor];
        for (index, touch) in sound.touches.iter().enumerate().filter(|(_, touch)| touch.gives) {
            let given = Given { part: touch.part, key: touch.key.clone(), author, seq: sound.seq() };
            self.given.insert(sound.op(index), given);
        }
    }
}

/// Whether somebody of this standing may write a part. Officers and supervisors get this far, nobody else.
fn may_write(part: Part, standing: Standing) -> Result<(), No> {
    match (part.rule().who, standing) {
        (Who::Editors, _) | (_, Standing { supervisor: true, .. }) => Ok(()),
        (Who::Origin, Standing { origin: Some(true), .. }) => Ok(()),
        (Who::Origin, Standing { origin: None, .. }) => Err(No::Pending),
        (Who::Supervisors | Who::Origin, _) => Err(Reason::Role.into()),
    }
}
