//! Writing own entries: checked against the same rules that others check them by, sealed before they are anything else.

use serde_bytes::{ByteArray, ByteBuf};
use thiserror::Error;

use super::Replica;
use super::ingest::Work;
use super::log::Head;
use crate::blob::{BlobError, BlobRef};
use crate::codec::{encode, encode_padded};
use crate::entry::{About, BODY_BYTES_MAX, ENTRY_VERSION, Entry, Header};
use crate::ids::{CaptureId, EntryHash};
use crate::record::EditError;
use crate::seal::{ContentKey, Reader, SealError, Sealed, Seed, derive};
use crate::site::{CertificateError, Roles};
use crate::statement::{
    ANSWER_BLOCK_BYTES, Capture, CaptureDraft, Erasure, IMAGES_MAX, Inside, Kind, PARTICULAR_BYTES_MAX,
    PARTICULARS_MAX, REFERENCES_BLOCK_BYTES, Receipt, Review, ReviewContent, Seen, Statement, Verdict, VerdictContent,
    Why, capture_id,
};
use crate::store::{Store, StoreError, Ticket};
use crate::time::Hlc;
use crate::view::{CaptureView, EntryRef, Origin, WORDS_MAX};

/// An own entry that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// What it is about.
    pub about: About,
    /// Where it stands.
    pub at: EntryRef,
    /// Its name.
    pub hash: EntryHash,
    /// It may be spoken of once this is durable.
    pub ticket: Ticket,
}

/// Why an own entry wasn't written. Nothing was kept of it.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// The device's roles don't allow it.
    #[error("this device's role ({roles}) doesn't allow that; ask the supervisor for a certificate with the role")]
    Role {
        /// The roles it has.
        roles: String,
    },
    /// The certificate isn't valid now.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The purpose isn't one of the site's.
    #[error("purpose `{purpose}` isn't in this site's policy; choose one of {allowed}")]
    Purpose {
        /// What was asked for.
        purpose: String,
        /// What the policy has.
        allowed: String,
    },
    /// Nothing to search with.
    #[error("a capture needs at least one finger image or a face")]
    NoImages,
    /// Too many images.
    #[error("a capture has at most {IMAGES_MAX} images")]
    TooManyImages,
    /// Too many or too long particulars.
    #[error("at most {PARTICULARS_MAX} particulars of at most {PARTICULAR_BYTES_MAX} bytes each")]
    Particulars,
    /// An image is empty or too long.
    #[error("an image can't be taken: {0}")]
    Image(#[from] BlobError),
    /// No hub to seal to.
    #[error("no hub is known to seal this to; enrol a hub first, then enrol this device (again)")]
    NoHub,
    /// The capture isn't known here.
    #[error("no such capture here; see `greenline list`")]
    UnknownCapture,
    /// What it was about is gone.
    #[error("this capture was erased: nothing but its trail is left of it")]
    Erased,
    /// The capture is another's.
    #[error("only the device that captured can take this back, or a supervisor")]
    NotOwnCapture,
    /// The verdict is sealed to others.
    #[error("the verdict is sealed to others, and nobody can have read it here")]
    NotReadable,
    /// There is no verdict to review or to acknowledge.
    #[error("there is no verdict on this capture yet")]
    NoVerdict,
    /// The origin may not examine its own capture.
    #[error("the device that captured can't examine the answer; another supervisor must")]
    OwnCapture,
    /// More would not count.
    #[error("this device has said {WORDS_MAX} words on this capture, and more don't count; another supervisor must")]
    TooManyWords,
    /// This device is revoked.
    #[error(
        "this device was revoked at this site, and nothing it writes would count; ask the supervisor for another one"
    )]
    Revoked,
    /// A device can't decide about itself.
    #[error("a device can't vote about itself; ask another supervisor to")]
    OwnCase,
    /// No such device.
    #[error("no such device is known here; see `greenline peers`")]
    UnknownDevice,
    /// Nothing to readmit.
    #[error("nothing of this capture is set aside for its author's revocation; see `greenline set-aside`")]
    NotVoid,
    /// The body would be too long.
    #[error("{0} bytes in one entry, at most {BODY_BYTES_MAX}")]
    TooLong(usize),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The record's edit isn't possible.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The device has used up its logs.
    #[error(
        "this device was copied or restored too often to write any more; give it an empty home folder and enrol it anew"
    )]
    TooManyLogs,
    /// No group key to write under.
    #[error("this device has no group key to write under; ask the supervisor to enrol it again")]
    NoGroupKey,
    /// The store can't take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What content keys and sealed bodies of a capture are bound to.
pub(super) fn context(site: &[u8; 32], id: CaptureId, purpose: &str) -> Vec<u8> {
    [b"greenline ".as_slice(), purpose.as_bytes(), b"\0", site, &id.0].concat()
}

impl<S: Store> Replica<S> {
    /// Records a capture: seals it to the hubs (and to this device, if the policy says so), writes its blobs and its entry.
    pub fn capture_new(&mut self, now_ms: u64, seed: Seed, draft: &CaptureDraft) -> Result<Written, AppendError> {
        self.check_may_write(Kind::Capture, now_ms)?;
        self.check_draft(draft)?;
        let readers = self.capture_readers(now_ms)?;
        let nonce: [u8; 16] = *derive(&seed, "nonce").first_chunk().unwrap_or(&[0; 16]);
        let id = capture_id(self.identity.device(), &nonce);
        let context = context(&self.site().0, id, "capture");
        let key = ContentKey::new(derive(&seed, "content"));
        let inside = Inside {
            particulars: draft.particulars.clone(),
            shows: draft.images.iter().map(|image| image.shows).collect(),
        };
        let mut blobs = Vec::with_capacity(draft.images.len());
        for (part, image) in (1..).zip(&draft.images) {
            blobs.push(self.put_blob(&key.seal(part, &context, image.bytes.reveal()))?);
        }
        let capture = Capture {
            nonce: ByteArray::new(nonce),
            purpose: draft.purpose.clone(),
            priority: draft.priority,
            delete_after_ms: self.certified_since(now_ms).saturating_add(self.retention_ms()),
            keys: key.wrap(&readers, &context, derive(&seed, "wrap"))?,
            inside: ByteBuf::from(key.seal(0, &context, &encode(&inside))),
            blobs,
        };
        self.append(now_ms, About::Capture(id), &Statement::Capture(Box::new(capture)))
    }

    /// As a hub: states that a capture is here whole.
    pub fn receipt_new(&mut self, now_ms: u64, id: CaptureId) -> Result<Written, AppendError> {
        let payload = self.origin(id)?.payload;
        self.append(now_ms, About::Capture(id), &Statement::Receipt(Receipt { payload }))
    }

    /// As a hub: answers a capture. The answer is sealed to its origin and the supervisors, the references to the supervisors
    /// who may examine it.
    pub fn verdict_new(
        &mut self,
        now_ms: u64,
        seed: Seed,
        id: CaptureId,
        content: &VerdictContent,
    ) -> Result<Written, AppendError> {
        let origin = self.origin(id)?;
        let seal = |plain: &[u8], readers: &[Reader], purpose| {
            Sealed::new(plain, readers, &context(&self.site().0, id, purpose), derive(&seed, purpose))
        };
        let (answer, references) = (content.answer(), &content.candidates);
        let verdict = Verdict {
            payload: origin.payload,
            answer: seal(
                &encode_padded(&answer, ANSWER_BLOCK_BYTES),
                &self.answer_readers(&origin, now_ms),
                "verdict",
            )?,
            references: seal(
                &encode_padded(references, REFERENCES_BLOCK_BYTES),
                &self.examiners(&origin, now_ms),
                "references",
            )?,
        };
        self.append(now_ms, About::Capture(id), &Statement::Verdict(verdict))
    }

    /// As an examiner: says what looking at the newest verdict showed.
    pub fn review_new(
        &mut self,
        now_ms: u64,
        seed: Seed,
        id: CaptureId,
        content: &ReviewContent,
    ) -> Result<Written, AppendError> {
        let origin = self.origin(id)?;
        if origin.device == self.identity.device() {
            return Err(AppendError::OwnCapture);
        }
        let verdict = self.verdict_to_answer(id)?;
        if self.known(id)?.reviews.count_of(self.identity.device()) >= WORDS_MAX {
            return Err(AppendError::TooManyWords);
        }
        let readers = self.answer_readers(&origin, now_ms);
        let sealed = Sealed::new(&encode(content), &readers, &context(&self.site().0, id, "review"), seed)?;
        self.append(now_ms, About::Capture(id), &Statement::Review(Review { verdict, sealed }))
    }

    /// States that this officer has read the answer. On the device that captured, an answer after which nobody needs the capture
    /// erases it, in the same batch: see [`Self::is_done`].
    pub fn seen_new(&mut self, now_ms: u64, id: CaptureId) -> Result<Written, AppendError> {
        let verdict = self.verdict_to_answer(id)?;
        if self.verdicts(id)?.iter().all(|verdict| verdict.content.is_err()) {
            return Err(AppendError::NotReadable);
        }
        let about = About::Capture(id);
        let mut statements = vec![(about, Statement::Seen(Seen { verdict }))];
        if self.origin(id)?.device == self.identity.device() && self.is_done(id)? {
            statements.push((about, Statement::Erasure(Box::new(self.erasure_of(id, Why::Done)?))));
        }
        self.append_all(now_ms, &statements)
    }

    /// Erases a capture, everywhere and for good: as the device that captured it, or as a supervisor or hub.
    pub fn erase_new(&mut self, now_ms: u64, id: CaptureId, why: Why) -> Result<Written, AppendError> {
        self.check_may_write(Kind::Erasure, now_ms)?;
        if why == Why::Ordered && !self.identity.certificate.roles.has(Roles::SUPERVISOR) {
            return Err(self.role_error());
        }
        let erasure = self.erasure_of(id, why)?;
        self.append(now_ms, About::Capture(id), &Statement::Erasure(Box::new(erasure)))
    }

    /// What would erase a capture, if this device may say it.
    pub(super) fn erasure_of(&self, id: CaptureId, why: Why) -> Result<Erasure, AppendError> {
        let origin = self.origin(id)?;
        let (entry, capture) = (self.entry(origin.at)?, self.capture_statement(id)?);
        let (Some(entry), Some(capture)) = (entry, capture) else { return Err(AppendError::UnknownCapture) };
        let entry = entry.header().hash();
        let erasure = Erasure { why, device: origin.device, nonce: capture.nonce, at: origin.at, entry };
        let certificate = &self.identity.certificate;
        let allowed = erasure.allows(certificate.roles, certificate.device);
        if allowed { Ok(erasure) } else { Err(AppendError::NotOwnCapture) }
    }

    /// Signs a statement and appends it to the own log.
    pub fn append(&mut self, now_ms: u64, about: About, statement: &Statement) -> Result<Written, AppendError> {
        self.append_all(now_ms, &[(about, statement.clone())])
    }

    /// Signs statements and appends them to the own log: all of them, or none. Returns the first.
    pub(super) fn append_all(
        &mut self,
        now_ms: u64,
        statements: &[(About, Statement)],
    ) -> Result<Written, AppendError> {
        let mut bodies = Vec::with_capacity(statements.len());
        for (about, statement) in statements {
            self.check_may_write(statement.kind(), now_ms)?;
            let body = statement.encode();
            if body.len() > BODY_BYTES_MAX {
                return Err(AppendError::TooLong(body.len()));
            }
            bodies.push((*about, statement.kind() as u8, body));
        }
        let mut work = Work::default();
        self.author_to_write();
        self.begin_own_log(self.time_to_write(now_ms), &mut work)?;
        let mut first = None;
        for (about, kind, body) in bodies {
            let time = self.time_to_write(now_ms);
            let (at, hash) = self.append_one(time, about, kind, body, &mut work)?;
            first.get_or_insert((about, at, hash));
        }
        let ticket = self.commit(work)?.ticket;
        let (Some((about, at, hash)), Some(ticket)) = (first, ticket) else {
            return Err(StoreError::Io("an empty batch".into()).into());
        };
        Ok(Written { about, at, hash, ticket })
    }

    /// Begins the own log, or renews the certificate in it, so that others know this device before it says anything.
    pub fn introduce(&mut self, now_ms: u64) -> Result<(), AppendError> {
        self.author_to_write();
        let mut work = Work::default();
        self.begin_own_log(self.time_to_write(now_ms), &mut work)?;
        self.commit(work)?;
        Ok(())
    }

    /// States the certificate in the own log, unless it is the newest there.
    pub(super) fn begin_own_log(&mut self, time: Hlc, work: &mut Work) -> Result<(), AppendError> {
        if self.is_out_of_logs() {
            return Err(AppendError::TooManyLogs);
        }
        let own = self.logs.get(&self.own_author().log());
        if own.is_some_and(|log| log.certificate == self.identity.certificate) {
            return Ok(());
        }
        let certificate = encode(&self.identity.certificate);
        self.append_one(time, About::Site, Kind::Certificate as u8, certificate, work)?;
        Ok(())
    }

    /// Signs one entry and appends it. `time` mustn't be before that of the one before it.
    pub(super) fn append_one(
        &mut self,
        time: Hlc,
        about: About,
        kind: u8,
        body: Vec<u8>,
        work: &mut Work,
    ) -> Result<(EntryRef, EntryHash), StoreError> {
        let author = self.own_author();
        let head = self.logs.get(&author.log()).map_or(Head::NONE, |log| log.head);
        let header = Header {
            version: ENTRY_VERSION,
            site: self.site(),
            author,
            seq: head.height + 1,
            prev: head.hash,
            time,
            about,
            kind,
            body_hash: ByteArray::new([0; 32]),
            body_len: 0,
        };
        let entry = Entry::sign(&self.identity.key, header, body);
        let hash = entry.header().hash();
        self.accept(time.ms(), hash, &entry, work)?;
        Ok((EntryRef { log: author.log(), seq: entry.header().seq }, hash))
    }

    /// What is written next comes after the newest time that this device has heard of and believes now, also before it was
    /// restarted.
    fn time_to_write(&self, now_ms: u64) -> Hlc {
        let heard = self.logs.values().fold(self.clock, |clock, log| clock.follow(log.time, now_ms));
        heard.next(self.certified_since(now_ms))
    }

    fn put_blob(&mut self, sealed: &[u8]) -> Result<BlobRef, AppendError> {
        let blob = BlobRef::of(sealed)?;
        self.store.blob_write(blob.id, 0, sealed)?;
        self.store.blob_finish(blob.id)?;
        Ok(blob)
    }

    /// The own clock, but not before the own certificate began: that it is here shows that it has. So a clock that is days behind
    /// keeps nobody from capturing.
    fn certified_since(&self, now_ms: u64) -> u64 {
        now_ms.max(self.identity.certificate.not_before_ms)
    }

    pub(super) fn check_may_write(&self, kind: Kind, now_ms: u64) -> Result<(), AppendError> {
        let certificate = &self.identity.certificate;
        certificate.valid_at(self.certified_since(now_ms))?;
        if self.revoked().is_out(&certificate.device) {
            return Err(AppendError::Revoked);
        }
        let roles = Kind::rule(kind as u8).map_or(Roles(0), |rule| rule.roles);
        if roles != Roles(0) && !certificate.roles.any(roles) {
            return Err(self.role_error());
        }
        Ok(())
    }

    fn role_error(&self) -> AppendError {
        let roles = self.identity.certificate.roles.names().join(", ");
        AppendError::Role { roles: if roles.is_empty() { "carrier".to_owned() } else { roles } }
    }

    fn check_draft(&self, draft: &CaptureDraft) -> Result<(), AppendError> {
        let purposes = &self.membership.manifest.policy.purposes;
        if !purposes.contains(&draft.purpose) {
            return Err(AppendError::Purpose { purpose: draft.purpose.clone(), allowed: purposes.join(", ") });
        }
        if draft.images.is_empty() {
            return Err(AppendError::NoImages);
        }
        if draft.images.len() > IMAGES_MAX {
            return Err(AppendError::TooManyImages);
        }
        let too_long = |text: &str| text.len() > PARTICULAR_BYTES_MAX;
        let particulars = &draft.particulars;
        if particulars.len() > PARTICULARS_MAX || particulars.iter().any(|(k, v)| too_long(k) || too_long(v.reveal())) {
            return Err(AppendError::Particulars);
        }
        draft.images.iter().try_for_each(|image| BlobRef::of(image.bytes.reveal()).map(|_| ()))?;
        Ok(())
    }

    fn capture_readers(&self, now_ms: u64) -> Result<Vec<Reader>, AppendError> {
        let mut readers = self.members(Roles::HUB, now_ms);
        if readers.is_empty() {
            return Err(AppendError::NoHub);
        }
        let policy = &self.membership.manifest.policy;
        if policy.supervisors_read {
            readers.extend(self.members(Roles::SUPERVISOR, now_ms));
        }
        if policy.origin_reads {
            readers.push(self.own_reader());
        }
        readers.sort();
        readers.dedup();
        Ok(readers)
    }

    fn answer_readers(&self, origin: &Origin, now_ms: u64) -> Vec<Reader> {
        let mut readers = self.members(Roles::SUPERVISOR, now_ms);
        let origin = self.certificate(&origin.device).filter(|c| !self.revoked().is_out(&c.device));
        readers.extend(origin.map(|c| Reader { device: c.device, sealing_key: c.sealing_key }));
        readers.push(self.own_reader());
        readers.sort();
        readers.dedup();
        readers
    }

    /// Who may examine a capture. Its own device may not, also if it is a supervisor's, and so reads no references.
    fn examiners(&self, origin: &Origin, now_ms: u64) -> Vec<Reader> {
        let mut readers = self.members(Roles::SUPERVISOR, now_ms);
        readers.retain(|reader| reader.device != origin.device);
        readers
    }

    fn own_reader(&self) -> Reader {
        let certificate = &self.identity.certificate;
        Reader { device: certificate.device, sealing_key: certificate.sealing_key }
    }

    fn origin(&self, id: CaptureId) -> Result<Origin, AppendError> {
        self.known(id)?.origin.ok_or(AppendError::UnknownCapture)
    }

    /// A capture's read model, if there is more than a trail of it.
    pub(super) fn known(&self, id: CaptureId) -> Result<CaptureView, AppendError> {
        let view = self.capture(id)?.ok_or(AppendError::UnknownCapture)?;
        if view.erased.is_some() { Err(AppendError::Erased) } else { Ok(view) }
    }

    fn verdict_to_answer(&self, id: CaptureId) -> Result<EntryHash, AppendError> {
        let view = self.known(id)?;
        view.screened().map(|mark| mark.entry).ok_or(AppendError::NoVerdict)
    }
}
