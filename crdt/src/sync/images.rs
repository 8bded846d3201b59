//! Which images this device fetches, holds and drops, and for which captures.

use std::collections::BTreeSet;

use super::engine::Engine;
use super::swarm::{Rank, are_here};
use super::{Event, LinkId, Output};
use crate::ids::{BlobId, CaptureId, DeviceId};
use crate::knowledge::Fact;
use crate::replica::Query;
use crate::site::Roles;
use crate::store::{Store, StoreError};
use crate::view::{CaptureView, Origin};

impl<S: Store> Engine<S> {
    pub(super) fn whole(&mut self, now_ms: u64, capture: CaptureId, rank: Option<Rank>) {
        self.outputs.push_back(Output::Event(Event::Whole(capture)));
        self.outputs.push_back(Output::Event(Event::Changed(capture)));
        let identity = self.replica.identity();
        let own = identity.device();
        // A hub says so with its receipt.
        if !identity.certificate.roles.has(Roles::HUB) {
            self.knowledge.learn(now_ms, own, own, &Fact::Holds(capture));
            self.tell_what_is_held(now_ms);
        }
        rank.into_iter().for_each(|rank| self.withdraw(&rank));
    }

    /// Nobody needs to be asked for this capture any more.
    pub(super) fn withdraw(&mut self, rank: &Rank) {
        for session in self.sessions.values_mut() {
            session.offers.remove(rank);
        }
    }

    pub(super) fn restore_swarm(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let mut needed = self.replica.open_captures().clone();
        needed.extend(self.replica.unanswered());
        let mut keep = BTreeSet::new();
        for id in needed {
            let Some(origin) = self.replica.capture(id)?.and_then(|view| view.origin) else { continue };
            keep.extend(origin.blobs.iter().map(|blob| blob.id));
            if are_here(self.replica.store(), &origin)? {
                self.swarm.set_whole(id, &origin);
                self.say_that_it_holds(now_ms, id, &origin);
            } else if !self.replica.unanswered().contains(&id) {
                self.want(now_ms, id, &origin)?;
            }
        }
        // Of what is set aside for its author's revocation: a supervisor may readmit it.
        keep.extend(self.replica.void_captures()?.iter().flat_map(|capture| &capture.blobs).map(|blob| blob.id));
        self.remove_leftovers(&keep)
    }

    /// What this device knows of itself is saved now and then; what is on its disk is so at once. A device that was switched off
    /// right after it had taken a copy would otherwise never offer it to anybody.
    fn say_that_it_holds(&mut self, now_ms: u64, id: CaptureId, origin: &Origin) {
        let identity = self.replica.identity();
        let own = identity.device();
        if origin.device != own && !identity.certificate.roles.has(Roles::HUB) {
            self.knowledge.learn(now_ms, own, own, &Fact::Holds(id));
        }
    }

    /// Removes blobs that a crash left behind after their capture was settled. Own captures keep theirs.
    fn remove_leftovers(&mut self, keep: &BTreeSet<BlobId>) -> Result<(), StoreError> {
        let own = self.replica.identity().device();
        let mut keep = keep.clone();
        let mut query = Query { device: Some(own), limit: crate::replica::PAGE_MAX, ..Query::default() };
        loop {
            let (page, next) = self.captures(0, &query)?;
            for (id, origin) in page.into_iter().filter_map(|(id, view, _)| Some((id, view.origin?))) {
                self.swarm.use_blobs(id, &origin);
                keep.extend(origin.blobs.iter().map(|blob| blob.id));
            }
            let Some(next) = next else { break };
            query.after = Some(next);
        }
        for (blob, _) in self.replica.store().blob_list()? {
            if !keep.contains(&blob) {
                self.replica.store_mut().blob_remove(blob)?;
            }
        }
        Ok(())
    }

    /// Whether this device holds a capture with all that belongs to it.
    pub(super) fn holds(&self, id: CaptureId, view: &CaptureView) -> bool {
        view.origin.is_some() && view.erased.is_none() && (view.accepted().is_some() || self.swarm.is_whole(&id))
    }

    /// Takes note of a capture that is new here, that a hub has accepted meanwhile, or that a cut has changed.
    pub(super) fn consider(&mut self, now_ms: u64, id: CaptureId) -> Result<(), StoreError> {
        let view = self.replica.capture(id)?.unwrap_or_default();
        let Some(origin) = view.origin.as_ref().filter(|_| view.erased.is_none()) else {
            self.drop_out(id);
            return Ok(());
        };
        let own = self.replica.identity().device();
        if view.accepted().is_some() {
            return self.settle(id, origin, own);
        }
        if self.swarm.cares_for(&id, &origin.payload) {
            return Ok(());
        }
        self.drop_out(id);
        // A copy of this device may have made it, whose images aren't here.
        if origin.device == own && are_here(self.replica.store(), origin)? {
            self.swarm.set_whole(id, origin);
            return Ok(());
        }
        self.want(now_ms, id, origin)
    }

    fn drop_out(&mut self, id: CaptureId) {
        self.swarm.rank(&id).into_iter().for_each(|rank| self.withdraw(&rank));
        if self.swarm.drop_out(&id) {
            self.knowledge.let_go(self.replica.identity().device(), id);
        }
    }

    fn want(&mut self, now_ms: u64, id: CaptureId, origin: &Origin) -> Result<(), StoreError> {
        let ticket = self.replica.last_ticket();
        self.swarm.want(self.replica.store(), id, origin, ticket)?;
        let Some(rank) = self.swarm.rank(&id) else { return Ok(()) };
        self.take_turn(now_ms, id, origin);
        let knowledge = &self.knowledge;
        let holds =
            |device: &DeviceId| *device == origin.device || knowledge.device(device).is_some_and(|k| k.holds(&id));
        let links: Vec<LinkId> =
            self.sessions.iter().filter(|(_, s)| s.is_open() && holds(&s.device)).map(|(link, _)| *link).collect();
        for link in links {
            if let Some(session) = self.sessions.get_mut(&link) {
                session.offers.insert(rank);
            }
            self.ask_for_blobs(now_ms, link);
        }
        Ok(())
    }

    /// A hub has the capture: nobody needs to fetch it any more, and carriers drop its images.
    pub(super) fn settle(&mut self, id: CaptureId, origin: &Origin, own: DeviceId) -> Result<(), StoreError> {
        self.swarm.rank(&id).into_iter().for_each(|rank| self.withdraw(&rank));
        self.knowledge.settle(id);
        if self.replica.unanswered().contains(&id) {
            return self.go_on_working(id, origin);
        }
        self.swarm.forget(&id);
        if origin.device != own {
            for blob in self.swarm.leave_blobs(id, &origin.blobs) {
                self.replica.store_mut().blob_remove(blob)?;
            }
        }
        Ok(())
    }

    /// This hub has accepted the capture and not answered it yet, so that it needs the images. What a cut took away meanwhile and
    /// is stated again now is whole once more.
    fn go_on_working(&mut self, id: CaptureId, origin: &Origin) -> Result<(), StoreError> {
        if !self.swarm.is_whole(&id) && are_here(self.replica.store(), origin)? {
            self.swarm.set_whole(id, origin);
            self.outputs.push_back(Output::Event(Event::Whole(id)));
        }
        Ok(())
    }

    pub(super) fn offers_of(&self, device: DeviceId) -> BTreeSet<Rank> {
        let known = self.knowledge.device(&device);
        self.swarm.offers(device, |capture| known.is_some_and(|known| known.holds(capture)))
    }
}
