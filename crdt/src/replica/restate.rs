//! After a cut: what the own part of a forked log said, said again in another log, so that nothing is lost with it.

use std::collections::BTreeSet;

use serde_bytes::ByteBuf;

use super::freeze::is_left;
use super::ingest::Work;
use super::write::AppendError;
use super::{EPOCHS_MAX, Replica};
use crate::entry::{Entry, Header};
use crate::statement::{Fork, Kind, Statement};
use crate::store::{Batch, Store, StoreError};
use crate::time::Hlc;
use crate::view::EntryRef;

impl<S: Store> Replica<S> {
    /// Of others, only evidence of forks: those logs stay cut, and whoever comes later must be able to see why. Of this
    /// device's own words, whatever means the same in another of its logs. A certificate begins each of them anyway; an edit
    /// is bound to its log by its actor.
    pub(super) fn is_to_be_said_again(&self, entry: &Entry) -> bool {
        let header = entry.header();
        if entry.body.is_none() {
            // What is erased can't be said again, and needn't: the erasure is.
            return false;
        }
        match Kind::rule(header.kind).map(|rule| rule.kind) {
            Some(Kind::Fork) => {
                fork_in(entry).is_some_and(|fork| self.frozen.contains_key(&fork.a.header.author.log()))
            }
            // The authority's word, whoever carried it.
            Some(Kind::Revocation) => true,
            Some(Kind::Certificate | Kind::Edit) | None => false,
            Some(
                Kind::Capture
                | Kind::Receipt
                | Kind::Verdict
                | Kind::Review
                | Kind::Seen
                | Kind::Vote
                | Kind::Readmission
                | Kind::GroupKey
                | Kind::Erasure,
            ) => header.author.device == self.identity.device(),
        }
    }

    /// Says again, in the own log and in the old order, what is lost with the cut and stands nowhere else.
    pub(super) fn restate(&mut self, lost: Vec<Entry>, cut: EntryRef, work: &mut Work) -> Result<(), StoreError> {
        let lost = self.without_what_stands(lost, cut, work)?;
        self.make_way(&lost, &mut work.batch);
        for Entry { signed, body } in lost {
            let header = signed.header;
            let time = self.date(&header);
            if self.may_say(&header, time) {
                self.begin_own_log(time, work).map_err(as_store_error)?;
                let body = body.map(ByteBuf::into_vec).unwrap_or_default();
                self.append_one(time, header.about, header.kind, body, work)?;
            }
        }
        // What is evident is frozen already.
        work.freezes.clear();
        Ok(())
    }

    fn without_what_stands(&self, lost: Vec<Entry>, cut: EntryRef, work: &Work) -> Result<Vec<Entry>, StoreError> {
        let (mut words, mut left) = (BTreeSet::new(), Vec::new());
        for entry in lost {
            let header = entry.header();
            if words.insert((header.about, header.kind, header.body_hash))
                && !self.stands_elsewhere(header, cut, work)?
            {
                left.push(entry);
            }
        }
        Ok(left)
    }

    /// Own words keep their times. If the own log has gone on past them, as it has where they came from a copy of this device,
    /// they begin another one.
    fn make_way(&mut self, lost: &[Entry], batch: &mut Batch) {
        let own = self.own_author();
        let words = lost.iter().map(Entry::header).filter(|header| header.author.device == own.device);
        let (first, log) = (words.map(|header| header.time).min(), self.logs.get(&own.log()));
        let gone_on = first.is_some_and(|first| log.is_some_and(|log| log.time > first));
        if gone_on && self.next_epoch() < EPOCHS_MAX {
            self.begin_new_log(batch);
        }
    }

    /// The time to say something again with: of own words their own, so that lists and deadlines stay as they were, unless
    /// the certificate came later. Another's clock isn't taken over.
    fn date(&self, header: &Header) -> Hlc {
        let own = header.author.device == self.identity.device();
        let said = if own { header.time } else { self.clock };
        let log = self.logs.get(&self.own_author().log()).map_or(Hlc::default(), |log| log.time);
        said.max(log).max(Hlc::from_ms(self.identity.certificate.not_before_ms))
    }

    fn may_say(&self, header: &Header, time: Hlc) -> bool {
        let certificate = &self.identity.certificate;
        let allowed = Kind::rule(header.kind).is_some_and(|rule| rule.allows(certificate.roles, &header.about));
        allowed && certificate.valid_at(time.ms()).is_ok() && !self.is_out_of_logs()
    }

    /// Whether these very words stand in a log that isn't cut there: by anybody, if they are evidence; else by this device.
    fn stands_elsewhere(&self, header: &Header, cut: EntryRef, work: &Work) -> Result<bool, StoreError> {
        if header.kind == Kind::Capture as u8 {
            let view = header.about.capture().and_then(|id| work.views.get(&id));
            return Ok(view.is_some_and(|view| view.origin.is_some()));
        }
        let same = |other: &Header| {
            let who = proves_itself(header) || other.author.device == header.author.device;
            who && other.kind == header.kind && other.body_hash == header.body_hash && is_left(other, cut)
        };
        Ok(self.entries_about(&header.about)?.iter().any(|(_, entry)| same(entry.header())))
    }
}

fn proves_itself(header: &Header) -> bool {
    Kind::rule(header.kind).is_some_and(|rule| rule.kind.proves_itself())
}

fn fork_in(entry: &Entry) -> Option<Fork> {
    match Statement::decode(Kind::Fork, entry.body.as_ref()?) {
        Ok(Statement::Fork(fork)) => Some(*fork),
        _ => None,
    }
}

fn as_store_error(error: AppendError) -> StoreError {
    match error {
        AppendError::Store(error) => error,
        other => StoreError::Damaged(other.to_string()),
    }
}
