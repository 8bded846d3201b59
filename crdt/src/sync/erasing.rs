//! Erasure between peers: proofs go before entries that lack their bodies, and images go with their capture.

use std::collections::BTreeMap;

use serde_bytes::ByteBuf;

use super::conduct::Fault;
use super::engine::Engine;
use super::frame::{Frame, PROOFS_MAX};
use super::{CloseReason, Event, LinkId, Output};
use crate::codec::decode;
use crate::entry::{ENTRY_BYTES_MAX, Entry};
use crate::ids::CaptureId;
use crate::replica::{Ground, Proof};
use crate::site::Certificate;
use crate::store::{Batch, Store, StoreError, Table, Ticket};

/// Most captures per session of which is remembered that their proof went out: 100,000 in 2 MB. Beyond, it goes out again.
const PROVED_MAX: usize = 100_000;

impl<S: Store> Engine<S> {
    // ---- Proofs ----

    /// Entries for a peer, after the proofs that it needs to take them in.
    pub(super) fn with_proofs(&mut self, link: LinkId, entries: Vec<Vec<u8>>) -> Option<Frame> {
        let proofs = match self.proofs_for(link, &entries) {
            Ok(proofs) => proofs,
            Err(error) => {
                // Without their proofs they would be held against this device.
                self.store_failed(error);
                return None;
            }
        };
        let session = self.sessions.get_mut(&link)?;
        for proofs in proofs.chunks(PROOFS_MAX) {
            session.control.push_back(erased_frame(proofs));
        }
        session.control.push_back(Frame::Entries(entries.into_iter().map(ByteBuf::from).collect()));
        session.control.pop_front()
    }

    fn proofs_for(&mut self, link: LinkId, entries: &[Vec<u8>]) -> Result<Vec<Proof>, StoreError> {
        let mut proofs = Vec::new();
        if self.replica.erased() == 0 {
            return Ok(proofs);
        }
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(proofs) };
        for id in entries.iter().filter_map(|bytes| lacks_its_body(bytes)) {
            if session.proved.contains(&id) {
                continue;
            }
            let Some(proof) = self.replica.proof(id)? else { continue };
            session.note_proved(id, PROVED_MAX);
            // Who has the log in which it stands knows.
            if proof.stands_at().is_none_or(|at| !session.promises(&at.log, at.seq)) {
                proofs.push(proof);
            }
        }
        Ok(proofs)
    }

    pub(super) fn on_erased(
        &mut self,
        now_ms: u64,
        link: LinkId,
        certificates: &[Certificate],
        grounds: Vec<(u32, Ground)>,
    ) -> Result<(), CloseReason> {
        let mut proofs = Vec::with_capacity(grounds.len().min(PROOFS_MAX));
        for (number, ground) in grounds {
            match certificates.get(number as usize) {
                Some(certificate) => proofs.push(Proof { certificate: certificate.clone(), ground }),
                None => return self.fault(link, Fault::Proof, "proves an erasure with nobody's certificate".into()),
            }
        }
        let refused = match self.replica.take_proofs(now_ms, proofs) {
            Ok((refused, _)) => refused,
            Err(error) => return Err(self.cant_store(error)),
        };
        self.settle_news(now_ms, Some(link));
        // One for all: a wrong clock on either side makes many.
        refused.first().map_or(Ok(()), |error| self.fault(link, Fault::Proof, error.to_string()))
    }

    /// Tells peers of erasures that they can hear of in no log any more, a bounded part of them at once. Says whether there was any.
    pub(super) fn tell_orphans(&mut self) -> Result<bool, StoreError> {
        let orphans = self.replica.orphans(&mut self.orphans_from)?;
        if orphans.is_empty() {
            return Ok(false);
        }
        let open: Vec<LinkId> = self.sessions.iter().filter(|(_, s)| s.is_open()).map(|(link, _)| *link).collect();
        for link in open {
            let Some(session) = self.sessions.get_mut(&link) else { continue };
            let untold: Vec<Proof> =
                orphans.iter().filter(|(id, _)| !session.proved.contains(id)).map(|(_, proof)| proof.clone()).collect();
            orphans.iter().for_each(|(id, _)| session.note_proved(*id, PROVED_MAX));
            for proofs in untold.chunks(PROOFS_MAX) {
                self.send(link, erased_frame(proofs));
            }
        }
        Ok(true)
    }

    // ---- Images ----

    /// What follows from captures that were erased: nobody is asked for them any more, and their images go once it is on disk
    /// that they may.
    pub(super) fn settle_erased(&mut self, now_ms: u64) {
        let ticket = self.replica.last_ticket();
        for (id, images) in self.replica.take_erased() {
            if let Some(rank) = self.swarm.rank(&id) {
                self.withdraw(&rank);
            }
            self.swarm.drop_out(&id);
            self.knowledge.settle(id);
            self.swarm.leave_blobs(id, &images);
            let orphans = self.swarm.take_orphans(&id);
            let blobs = images.iter().map(|blob| blob.id).chain(orphans).collect();
            self.leaving.push_back((ticket, blobs));
            self.outputs.push_back(Output::Event(Event::Erased(id)));
            self.keep_house_soon(now_ms);
            self.outputs.push_back(Output::Event(Event::Changed(id)));
        }
        self.remove_erased(self.replica.store().durable());
    }

    /// Removes the images of captures whose erasure is on disk. What a crash leaves of them the next start finds.
    pub(super) fn remove_erased(&mut self, durable: Ticket) {
        while self.leaving.front().is_some_and(|(at, _)| *at <= durable) {
            let Some((_, blobs)) = self.leaving.pop_front() else { break };
            for blob in blobs {
                self.outlines.retain(|(known, _)| known.id != blob);
                if !self.swarm.is_used(blob)
                    && let Err(error) = self.remove_blob(blob)
                {
                    self.store_failed(error);
                }
            }
        }
    }

    fn remove_blob(&mut self, blob: crate::ids::BlobId) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.remove(Table::Blobs, blob.0);
        let store = self.replica.store_mut();
        store.blob_remove(blob)?;
        store.apply(batch)?;
        Ok(())
    }
}

/// The capture of an encoded entry without a body.
fn lacks_its_body(bytes: &[u8]) -> Option<CaptureId> {
    // An entry without one ends in 0; most others don't, and needn't be read.
    bytes.last().filter(|last| **last == 0)?;
    let entry: Entry = decode(bytes, ENTRY_BYTES_MAX).ok()?;
    entry.header().about.capture().filter(|_| entry.body.is_none())
}

fn erased_frame(proofs: &[Proof]) -> Frame {
    let (mut certificates, mut numbers) = (Vec::new(), BTreeMap::new());
    let mut grounds = Vec::with_capacity(proofs.len());
    for proof in proofs {
        let key = crate::codec::encode(&proof.certificate);
        let number = *numbers.entry(key).or_insert_with(|| {
            certificates.push(proof.certificate.clone());
            certificates.len() as u32 - 1
        });
        grounds.push((number, proof.ground.clone()));
    }
    Frame::Erased { certificates, grounds }
}
