//! One record in memory: the edits that count, applied by Automerge, read, and ready for the next edit.

use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::CommitOptions;
use automerge::{ActorId, Automerge, ChangeHash};

use super::history::{Accepted, EDITS_PER_AUTHOR_MAX, Edit, History, judge};
use super::op::{EDIT_OPS_MAX, EditError, EditOp, OpError};
use super::preflight::{CHUNK_BYTES_MAX, DEPENDENCIES_MAX};
use super::read::{Voices, read};
use super::reason::Reason;
use super::schema::Genesis;
use super::{Quarantined, Record};
use crate::entry::About;
use crate::ids::{Author, LogId};
use crate::quiet;
use crate::statement::Subject;
use crate::view::EntryRef;

/// A record as the edits here make it.
pub(crate) struct Document {
    genesis: Genesis,
    key: Vec<u8>,
    engine: Automerge,
    record: Record,
    accepted: BTreeSet<EntryRef>,
    /// Each author's last change.
    last: BTreeMap<[u8; 16], (u64, ChangeHash)>,
    /// Logs with edits that don't count here, or not yet.
    stuck: BTreeSet<LogId>,
}

impl Document {
    /// Makes the record from all its edits, in any order.
    pub(crate) fn new(about: &About, edits: Vec<Edit>) -> Self {
        let genesis = Genesis::new(if about.capture().is_some() { Subject::Capture } else { Subject::Site });
        let mut history = judge(&genesis, about.key(), edits);
        let (engine, record) = settle(&genesis, &mut history, run);
        let mut document = Self {
            key: about.key().to_vec(),
            engine,
            record,
            accepted: history.accepted.iter().map(|it| it.edit.at).collect(),
            last: BTreeMap::new(),
            stuck: BTreeSet::new(),
            genesis,
        };
        document.account(history);
        document
    }

    /// What it says.
    pub(crate) const fn record(&self) -> &Record {
        &self.record
    }

    /// Whether the edit at a place counts.
    pub(crate) fn accepts(&self, at: &EntryRef) -> bool {
        self.accepted.contains(at)
    }

    /// Whether edits of this log don't count here, or not yet, so that no more can follow them.
    pub(crate) fn is_stuck(&self, log: &LogId) -> bool {
        self.stuck.contains(log)
    }

    /// Makes the change by which `author` does all of `ops`.
    pub(crate) fn change(&self, author: Author, ops: &[EditOp]) -> Result<Vec<u8>, EditError> {
        if ops.is_empty() || ops.len() > EDIT_OPS_MAX {
            return Err(EditError::Count);
        }
        ops.iter().try_for_each(EditOp::check)?;
        if !ops.iter().all(|op| self.genesis.has(op.part())) {
            return Err(EditError::OtherRecord);
        }
        if self.is_stuck(&author.log()) {
            return Err(EditError::Stuck);
        }
        let actor = author.actor(&self.key);
        if self.last.get(&actor).is_some_and(|(seq, _)| *seq >= EDITS_PER_AUTHOR_MAX) {
            return Err(EditError::TooMany);
        }
        let written = quiet::catch(|| self.write(actor, ops)).unwrap_or(Err(OpError::Engine));
        let chunk = written?.ok_or(EditError::NothingNew)?;
        if chunk.len() > CHUNK_BYTES_MAX { Err(EditError::TooLong) } else { Ok(chunk) }
    }

    fn write(&self, actor: [u8; 16], ops: &[EditOp]) -> Result<Option<Vec<u8>>, OpError> {
        let mut engine = self.to_build_on(&actor)?;
        engine.set_actor(ActorId::from(actor));
        let mut transaction = engine.transaction();
        ops.iter().try_for_each(|op| op.perform(&self.genesis, &mut transaction))?;
        let (changed, _) = transaction.commit_with(CommitOptions::default().with_time(0));
        let change = changed.and_then(|_| engine.get_last_local_change());
        Ok(change.map(|change| change.raw_bytes().to_vec()))
    }

    /// The document with no more heads than a change can name: those left out stay concurrent to it, and lose nothing.
    fn to_build_on(&self, actor: &[u8; 16]) -> Result<Automerge, OpError> {
        let heads = self.engine.get_heads();
        let most = DEPENDENCIES_MAX as usize;
        if heads.len() <= most {
            return Ok(self.engine.clone());
        }
        let own = self.last.get(actor).map(|(_, hash)| *hash);
        let chosen: Vec<ChangeHash> = own.into_iter().chain(heads).take(most).collect();
        Ok(self.engine.fork_at(&chosen)?)
    }

    fn account(&mut self, history: History) {
        self.record.edits = history.accepted.len();
        self.record.pending = history.pending.len();
        self.record.unreadable = history.unreadable.len();
        for it in &history.accepted {
            self.last.insert(it.sound.actor, (it.sound.seq(), it.sound.hash));
        }
        let refused = history.refused.iter().map(|(edit, _)| edit);
        let without_effect = refused.chain(&history.pending).chain(&history.unreadable);
        self.stuck = without_effect.map(|edit| edit.at.log).collect();
        let quarantined = |(edit, reason): (Edit, Reason)| Quarantined {
            log: edit.at.log,
            seq: edit.at.seq,
            by: edit.author.device,
            reason,
        };
        self.record.quarantined = history.refused.into_iter().map(quarantined).collect();
    }
}

/// Lets the engine apply all that counts, in one run. It fails only if our rules let through what Automerge can't take: then
/// each change is tried in its order, and those that can't be applied are refused with all that builds on them.
fn settle(
    genesis: &Genesis,
    history: &mut History,
    run: impl Fn(&Genesis, &[Accepted]) -> Option<(Automerge, Record)>,
) -> (Automerge, Record) {
    if let Some(whole) = run(genesis, &history.accepted) {
        return whole;
    }
    let (mut kept, mut gone) = (Vec::new(), BTreeSet::new());
    let mut best = (genesis.document.clone(), Record::default());
    for next in std::mem::take(&mut history.accepted) {
        let hash = next.sound.hash;
        let builds_on_gone = next.sound.change.deps().iter().any(|dep| gone.contains(dep));
        kept.push(next);
        let tried = if builds_on_gone { Err(Reason::BuildsOn) } else { run(genesis, &kept).ok_or(Reason::Engine) };
        match tried {
            Ok(whole) => best = whole,
            Err(reason) => {
                gone.insert(hash);
                history.refused.extend(kept.pop().map(|it| (it.edit, reason)));
            }
        }
    }
    history.accepted = kept;
    history.refused.sort_by_key(|(edit, _)| edit.at);
    best
}

/// Applies changes to a copy of the genesis, saves and loads it, and compares: a document that can't be read back, or reads
/// otherwise, is as good as none.
fn run(genesis: &Genesis, accepted: &[Accepted]) -> Option<(Automerge, Record)> {
    let voices = Voices::of(accepted.iter());
    let applied = || {
        let mut document = genesis.document.clone();
        let changes: Vec<_> = accepted.iter().map(|it| it.sound.change.clone()).collect();
        document.apply_changes(changes).ok()?;
        let record = read(genesis, &document, &voices);
        let loaded = Automerge::load(&document.save_nocompress()).ok()?;
        let heads = document.get_heads();
        let same = heads == heads_of(genesis, accepted)
            && heads == loaded.get_heads()
            && record == read(genesis, &loaded, &voices);
        same.then_some((document, record))
    };
    quiet::catch(applied).flatten()
}

/// The changes that no other one builds on.
fn heads_of(genesis: &Genesis, accepted: &[Accepted]) -> Vec<ChangeHash> {
    let built_on: BTreeSet<&ChangeHash> = accepted.iter().flat_map(|it| it.sound.change.deps()).collect();
    let all = accepted.iter().map(|it| it.sound.hash).chain([genesis.hash]);
    let heads: BTreeSet<ChangeHash> = all.filter(|hash| !built_on.contains(hash)).collect();
    heads.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CaptureId, DeviceId};
    use crate::record::history::{Body, Standing};
    use crate::time::Hlc;

    const ABOUT: About = About::Capture(CaptureId([7; 16]));

    fn write(edits: &mut Vec<Edit>, who: u8) {
        let author = Author { device: DeviceId([who; 32]), epoch: 0 };
        let note = [EditOp::Note { text: "a note".to_owned().into() }];
        let chunk = Document::new(&ABOUT, edits.clone()).change(author, &note).unwrap();
        let standing = Standing { supervisor: false, origin: None };
        let at = EntryRef { log: author.log(), seq: 2 };
        edits.push(Edit { at, author, time: Hlc::default(), standing, body: Body::Chunk(chunk) });
    }

    /// No change is known that our rules let through and Automerge doesn't take; if there is one, it harms nobody else.
    #[test]
    fn what_only_the_engine_refuses_goes_alone_with_what_builds_on_it() {
        let (mut edits, mut apart) = (Vec::new(), Vec::new());
        write(&mut edits, 1);
        write(&mut edits, 2);
        write(&mut apart, 3);
        edits.extend(apart);
        let genesis = Genesis::new(Subject::Capture);
        let mut history = judge(&genesis, ABOUT.key(), edits);
        assert_eq!(history.accepted.len(), 3);
        let touchy = |genesis: &Genesis, accepted: &[Accepted]| {
            let bad = accepted.iter().any(|it| it.edit.author.device.0[0] == 1);
            if bad { None } else { run(genesis, accepted) }
        };
        let (_, record) = settle(&genesis, &mut history, touchy);
        assert_eq!((record.notes.len(), record.notes[0].by.0[0]), (1, 3));
        let mut refused: Vec<_> = history.refused.iter().map(|(edit, why)| (edit.author.device.0[0], *why)).collect();
        refused.sort_by_key(|(who, _)| *who);
        assert_eq!(refused, [(1, Reason::Engine), (2, Reason::BuildsOn)]);
        assert_eq!(history.accepted.len(), 1);
    }
}
