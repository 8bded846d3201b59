//! Two histories of one author meet: find where they part, and state the evidence.

use super::conduct::Fault;
use super::engine::Engine;
use super::frame::{Frame, Item};
use super::{CloseReason, Event, LinkId, Output};
use crate::entry::{About, SignedHeader};
use crate::ids::{EntryHash, LogId};
use crate::replica::ForkFound;
use crate::statement::Statement;
use crate::store::Store;
use crate::view::EntryRef;

impl<S: Store> Engine<S> {
    /// Compares a peer's announced history with ours.
    pub(super) fn compare(&mut self, link: LinkId, item: &Item) {
        if item.height == 0 || self.replica.frozen_at(&item.log).is_some_and(|cut| item.height >= cut) {
            return;
        }
        if self.hash_at(item.log, item.height).is_some_and(|hash| hash.prefix() != *item.prefix) {
            self.begin_probe(link, item.log, item.height);
        }
    }

    /// Begins to look for the place where our history of a log and a peer's part: at `hi` they differ.
    pub(super) fn begin_probe(&mut self, link: LinkId, log: LogId, hi: u64) {
        self.probe(link, log, 0, hi);
    }

    fn probe(&mut self, link: LinkId, log: LogId, lo: u64, hi: u64) {
        if hi == lo + 1 {
            let entry = self.replica.entry(EntryRef { log, seq: hi }).ok().flatten();
            if let Some(entry) = entry {
                self.send(link, Frame::Parting(Box::new(entry.signed)));
            }
        } else if let Some(hash) = self.hash_at(log, lo.midpoint(hi)) {
            self.send(link, Frame::Probe { log, lo, hi, middle: hash.prefix().into() });
        }
    }

    /// Halves the stretch in which the histories part. Each exchange halves it, so that it ends.
    pub(super) fn on_probe(
        &mut self,
        link: LinkId,
        log: LogId,
        lo: u64,
        hi: u64,
        middle: [u8; 8],
    ) -> Result<(), CloseReason> {
        if hi <= lo.saturating_add(1) {
            return self.fault(link, Fault::Request, "an impossible probe".into());
        }
        let at = lo.midpoint(hi);
        match self.hash_at(log, at) {
            Some(ours) if ours.prefix() == middle => self.probe(link, log, at, hi),
            Some(_) => self.probe(link, log, lo, at),
            None => {}
        }
        Ok(())
    }

    pub(super) fn on_parting(&mut self, now_ms: u64, link: LinkId, theirs: &SignedHeader) -> Result<(), CloseReason> {
        let header = &theirs.header;
        if theirs.verify().is_err() || header.site != self.replica.site() {
            return self.fault(link, Fault::Entry, "a parting header that doesn't hold".into());
        }
        let at = EntryRef { log: header.author.log(), seq: header.seq };
        let ours = self.replica.entry(at).ok().flatten();
        let Some(ours) = ours.filter(|ours| ours.header().prev == header.prev) else { return Ok(()) };
        if let Some(found) = ForkFound::of(at.log, &ours.signed, theirs) {
            self.send(link, Frame::Parting(Box::new(ours.signed)));
            self.state_fork(now_ms, found);
        }
        Ok(())
    }

    /// States the evidence, unless the log is cut there already.
    pub(super) fn state_fork(&mut self, now_ms: u64, found: ForkFound) {
        let at = found.fork.a.header.seq;
        if self.replica.frozen_at(&found.log).is_some_and(|cut| cut <= at) {
            return;
        }
        let author = found.fork.a.header.author.device;
        let statement = Statement::Fork(Box::new(found.fork));
        // An expired certificate, say: nobody else hears of it from us, but it is shown here.
        if let Err(error) = self.replica.append(now_ms, About::Site, &statement) {
            self.blame(author, Fault::Fork, format!("a fork was found and can't be stated: {error}"));
        }
        self.fetching.remove(&found.log);
        self.settle_news(now_ms, None);
    }

    /// Tells of logs that were cut since the last call.
    pub(super) fn tell_of_cuts(&mut self) {
        if self.replica.frozen().count() > self.cut.len() {
            let fresh: Vec<LogId> =
                self.replica.frozen().map(|(log, _)| *log).filter(|log| !self.cut.contains(log)).collect();
            for log in fresh {
                self.cut.insert(log);
                self.conduct.forked.insert(log);
                self.outputs.push_back(Output::Event(Event::Frozen(log)));
            }
        }
        self.name_forkers();
    }

    /// Holds cuts against their authors. The evidence may come before the log that says whose it is.
    fn name_forkers(&mut self) {
        let forked = std::mem::take(&mut self.conduct.forked);
        for log in forked {
            match self.replica.log(&log).map(|log| log.author.device) {
                Some(author) => self.conduct.note(author, Fault::Fork),
                None => _ = self.conduct.forked.insert(log),
            }
        }
    }

    fn hash_at(&self, log: LogId, seq: u64) -> Option<EntryHash> {
        let head = self.replica.log(&log)?.head;
        if head.height == seq {
            return Some(head.hash);
        }
        Some(self.replica.entry(EntryRef { log, seq }).ok()??.header().hash())
    }
}
