//! Proofs that bodies may be lacking: what goes before entries without bodies, and how it is checked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use thiserror::Error;

use super::ingest::Work;
use super::{EPOCHS_MAX, Replica};
use crate::entry::{ENTRY_VERSION, Entry, EntryError, Header, SignedHeader, bad_signatures};
use crate::ids::{CaptureId, DeviceId, EntryHash};
use crate::site::{Certificate, CertificateError};
use crate::statement::{Capture, Erasure, Kind, Statement, capture_id};
use crate::store::{Store, StoreError, Ticket};
use crate::view::EntryRef;

/// What shows by itself that the bodies about a capture may be lacking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Of the author of what is in `ground`.
    pub certificate: Certificate,
    /// What was signed.
    pub ground: Ground,
}

/// Why the bodies about a capture may be lacking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ground {
    /// Somebody who may has said so: the whole entry.
    Stated(Box<Entry>),
    /// Its time is over.
    Expired {
        /// The capture's header, which says from when it counts.
        header: Box<SignedHeader>,
        /// Its nonce, which binds its id to the header's author.
        nonce: ByteArray<16>,
    },
}

/// Why a proof isn't believed.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum ProofError {
    /// The certificate isn't one of this site, or wasn't valid then.
    #[error("of an erasure: {0}")]
    Certificate(#[from] CertificateError),
    /// The entry isn't sound.
    #[error("of an erasure: {0}")]
    Entry(#[from] EntryError),
    /// It isn't about the capture that it is said to be about, or nothing of the sort.
    #[error("what should prove an erasure doesn't")]
    Nothing,
    /// The author may not erase this.
    #[error("the author may not erase that")]
    Role,
    /// By this device's clock it may still be kept.
    #[error("a capture is said to be past its time, which it isn't here; check the clocks")]
    NotYet,
}

impl Proof {
    pub(super) fn of_expiry(certificate: &Certificate, header: SignedHeader, capture: &Capture) -> Self {
        let ground = Ground::Expired { header: Box::new(header), nonce: capture.nonce };
        Self { certificate: certificate.clone(), ground }
    }

    /// The capture and the device that captured it, if they belong together.
    pub(super) fn subject(&self) -> Result<(CaptureId, DeviceId), ProofError> {
        let (about, device, nonce) = match &self.ground {
            Ground::Stated(entry) => {
                let erasure = erasure_in(entry).ok_or(ProofError::Nothing)?;
                (entry.header().about, erasure.device, erasure.nonce)
            }
            Ground::Expired { header, nonce } => (header.header.about, header.header.author.device, *nonce),
        };
        let id = capture_id(device, &nonce);
        if about.capture() == Some(id) { Ok((id, device)) } else { Err(ProofError::Nothing) }
    }

    /// Where the erasure stands, if somebody stated it.
    #[must_use]
    pub fn stands_at(&self) -> Option<EntryRef> {
        match &self.ground {
            Ground::Stated(entry) => Some(EntryRef { log: entry.header().author.log(), seq: entry.header().seq }),
            Ground::Expired { .. } => None,
        }
    }

    fn signed(&self) -> Entry {
        match &self.ground {
            Ground::Stated(entry) => (**entry).clone(),
            Ground::Expired { header, .. } => Entry { signed: (**header).clone(), body: None },
        }
    }
}

fn erasure_in(entry: &Entry) -> Option<Erasure> {
    let body = entry.body.as_ref().filter(|_| entry.header().kind == Kind::Erasure as u8)?;
    match Statement::decode(Kind::Erasure, body) {
        Ok(Statement::Erasure(erasure)) => Some(*erasure),
        _ => None,
    }
}

impl<S: Store> Replica<S> {
    /// Takes in what a peer says is erased. What doesn't hold is returned.
    pub fn take_proofs(
        &mut self,
        now_ms: u64,
        proofs: Vec<Proof>,
    ) -> Result<(Vec<ProofError>, Option<Ticket>), StoreError> {
        let (mut refused, mut fresh) = (Vec::new(), Vec::new());
        for proof in proofs {
            match self.check(now_ms, &proof) {
                Err(error) => refused.push(error),
                Ok(id) if self.is_news(id, &proof)? => fresh.push((id, proof)),
                Ok(_) => {}
            }
        }
        let mut work = Work::default();
        for (id, proof) in signed(fresh, &mut refused) {
            work.erasures.insert(id, proof);
        }
        Ok((refused, self.commit(work)?.ticket))
    }

    /// Everything but the signature of what was signed.
    fn check(&self, now_ms: u64, proof: &Proof) -> Result<CaptureId, ProofError> {
        let (id, _) = proof.subject()?;
        let certificate = &proof.certificate;
        let known = |log: &super::Log| log.certificate == *certificate;
        if !self.logs.values().any(known) {
            certificate.verify(&self.membership.manifest)?;
        }
        let header = match &proof.ground {
            Ground::Stated(entry) => {
                entry.check_shape(self.site())?;
                self.check_stated(certificate, entry)?;
                entry.header()
            }
            Ground::Expired { header, .. } => {
                self.check_expired(now_ms, &header.header)?;
                &header.header
            }
        };
        if certificate.device != header.author.device {
            return Err(CertificateError::OtherDevice.into());
        }
        if header.author.epoch >= EPOCHS_MAX { Err(ProofError::Nothing) } else { Ok(id) }
    }

    fn check_stated(&self, certificate: &Certificate, entry: &Entry) -> Result<(), ProofError> {
        let header = entry.header();
        certificate.valid_at(header.time.ms())?;
        let erasure = erasure_in(entry).ok_or(ProofError::Nothing)?;
        let rule = Kind::rule(header.kind).ok_or(ProofError::Nothing)?;
        let allowed =
            rule.allows(certificate.roles, &header.about) && erasure.allows(certificate.roles, header.author.device);
        if allowed { Ok(()) } else { Err(ProofError::Role) }
    }

    fn check_expired(&self, now_ms: u64, header: &Header) -> Result<(), ProofError> {
        let sound = header.version == ENTRY_VERSION && header.site == self.site();
        if !sound || header.kind != Kind::Capture as u8 {
            return Err(ProofError::Nothing);
        }
        if now_ms >= self.ends_ms(header.time) { Ok(()) } else { Err(ProofError::NotYet) }
    }

    /// Whether a proof says more than what is known: that somebody stated it outweighs that its time is over.
    fn is_news(&self, id: CaptureId, proof: &Proof) -> Result<bool, StoreError> {
        let kept = self.kept(id)?;
        Ok(kept.is_none_or(|kept| matches!(kept.ground, Ground::Expired { .. }) && proof.stands_at().is_some()))
    }
}

fn signed(proofs: Vec<(CaptureId, Proof)>, refused: &mut Vec<ProofError>) -> Vec<(CaptureId, Proof)> {
    let entries: Vec<Entry> = proofs.iter().map(|(_, proof)| proof.signed()).collect();
    let pairs: Vec<(EntryHash, &Entry)> = entries.iter().map(|entry| (entry.header().hash(), entry)).collect();
    let bad: BTreeSet<usize> = bad_signatures(&pairs).into_iter().collect();
    refused.extend(bad.iter().map(|_| ProofError::Entry(EntryError::Signature)));
    let good = proofs.into_iter().enumerate().filter(|(index, _)| !bad.contains(index));
    good.map(|(_, proof)| proof).collect()
}
