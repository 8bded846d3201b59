//! Reading what is sealed to this device: own captures, captures to screen, verdicts and reviews.

use serde::de::DeserializeOwned;

use super::Replica;
use super::write::context;
use crate::blob::BlobRef;
use crate::codec::{DecodeError, decode, decode_padded};
use crate::entry::{BODY_BYTES_MAX, Entry};
use crate::examination::{Standing, Word, standing};
use crate::ids::CaptureId;
use crate::seal::{ContentKey, SealError, Sealed, SealingSecret};
use crate::statement::{
    ANSWER_BLOCK_BYTES, Answer, Capture, Image, Inside, Kind, REFERENCES_BLOCK_BYTES, ReviewContent, Statement,
    VerdictValue,
};
use crate::store::{Store, StoreError};
use crate::view::Mark;

/// A capture in the clear.
pub struct Opened {
    /// Particulars, and what each image shows.
    pub inside: Inside,
    /// The images whose blobs are here.
    pub images: Vec<Image>,
}

/// A verdict, and what it says if it may be read here.
#[derive(Clone, Debug)]
pub struct ReadVerdict {
    /// Who gave it and when.
    pub mark: Mark,
    /// What it says; `NotForUs` for carriers.
    pub content: Result<Answer, SealError>,
    /// Database references, best first: `NotForUs` for all but supervisors, and on the device that captured.
    pub references: Result<Vec<String>, SealError>,
}

/// A review, and what it says if it may be read here.
#[derive(Clone, Debug)]
pub struct ReadReview {
    /// Who gave it and when.
    pub mark: Mark,
    /// What it says; `NotForUs` for carriers.
    pub content: Result<ReviewContent, SealError>,
}

impl ReadReview {
    /// What it says to an examination; `None` if it can't be read here.
    #[must_use]
    pub fn word(&self) -> Option<Word> {
        let outcome = self.content.as_ref().ok()?.outcome;
        Some(Word { by: self.mark.by, time: self.mark.time, outcome })
    }
}

impl<S: Store> Replica<S> {
    /// Forgets the key that opens what is sealed to this device: what needs it is [`SealError::Locked`] until it is given
    /// back. Everything else goes on.
    pub fn forget_sealing(&mut self) {
        self.identity.sealing.forget();
        self.records.forget_all();
    }

    /// Gives it back. Says whether it was this device's.
    pub fn give_back_sealing(&mut self, sealing: SealingSecret) -> Result<bool, StoreError> {
        let ours = sealing.public() == self.identity.sealing.public() && !sealing.is_forgotten();
        if ours {
            self.identity.sealing = sealing;
            // Keys that came meanwhile couldn't be opened.
            self.reopen_grants()?;
        }
        Ok(ours)
    }

    /// Opens a capture that is sealed to this device. `None` if it isn't known here.
    pub fn open_capture(&self, id: CaptureId) -> Result<Option<Result<Opened, SealError>>, StoreError> {
        let Some(capture) = self.capture_statement(id)? else { return Ok(None) };
        let context = context(&self.site().0, id, "capture");
        let (key, inside) = match self.unseal(&capture, &context) {
            Ok(unsealed) => unsealed,
            Err(error) => return Ok(Some(Err(error))),
        };
        let mut images = Vec::new();
        for ((part, blob), shows) in (1..).zip(&capture.blobs).zip(&inside.shows) {
            if let Some(sealed) = self.whole_blob(blob)?
                && let Ok(plain) = key.open(part, &context, &sealed)
            {
                images.push(Image { shows: *shows, bytes: plain.into() });
            }
        }
        Ok(Some(Ok(Opened { inside, images })))
    }

    /// The same without its images: what is written about it.
    pub fn open_inside(&self, id: CaptureId) -> Result<Option<Result<Inside, SealError>>, StoreError> {
        let Some(capture) = self.capture_statement(id)? else { return Ok(None) };
        let unsealed = self.unseal(&capture, &context(&self.site().0, id, "capture"));
        Ok(Some(unsealed.map(|(_, inside)| inside)))
    }

    fn unseal(&self, capture: &Capture, context: &[u8]) -> Result<(ContentKey, Inside), SealError> {
        let key = ContentKey::unwrap(&capture.keys, self.identity.device(), &self.identity.sealing, context)?;
        let plain = key.open(0, context, &capture.inside)?;
        let inside = decode::<Inside>(&plain, BODY_BYTES_MAX).map_err(|_| SealError::Broken)?;
        Ok((key, inside))
    }

    /// All verdicts on a capture.
    pub fn verdicts(&self, id: CaptureId) -> Result<Vec<ReadVerdict>, StoreError> {
        let Some(view) = self.capture(id)? else { return Ok(Vec::new()) };
        let mut verdicts = Vec::new();
        for mark in view.verdicts.iter() {
            if let Some(Statement::Verdict(verdict)) = self.statement_at(mark)? {
                let mark = mark.clone();
                let content = self.open_padded(&verdict.answer, id, "verdict", ANSWER_BLOCK_BYTES);
                let references = self.open_padded(&verdict.references, id, "references", REFERENCES_BLOCK_BYTES);
                verdicts.push(ReadVerdict { mark, content, references });
            }
        }
        Ok(verdicts)
    }

    /// All reviews of a capture's verdicts.
    pub fn reviews(&self, id: CaptureId) -> Result<Vec<ReadReview>, StoreError> {
        let Some(view) = self.capture(id)? else { return Ok(Vec::new()) };
        let mut reviews = Vec::new();
        for mark in view.reviews.iter() {
            if let Some(Statement::Review(review)) = self.statement_at(mark)? {
                let content = self.open_sealed(&review.sealed, id, "review", |plain| decode(plain, BODY_BYTES_MAX));
                reviews.push(ReadReview { mark: mark.clone(), content });
            }
        }
        Ok(reviews)
    }

    /// Whether nobody needs a capture any more once its officer has read the answer: nobody matches, or as many examiners as the
    /// policy asks for have refuted every candidate and none has confirmed it. Only somebody who reads all verdicts and all
    /// reviews can say so.
    pub fn is_done(&self, id: CaptureId) -> Result<bool, StoreError> {
        let Some(origin) = self.capture(id)?.and_then(|view| view.origin) else { return Ok(false) };
        let (verdicts, reviews) = (self.verdicts(id)?, self.reviews(id)?);
        let examiners = self.membership.manifest.policy.examiners;
        let refuted = |verdict: &ReadVerdict| {
            let of_it = reviews.iter().filter(|review| *review.mark.refers == verdict.mark.entry.0);
            let words: Option<Vec<Word>> = of_it.map(ReadReview::word).collect();
            words.is_some_and(|words| standing(&words, origin.device, examiners) == Standing::Refuted)
        };
        let settled = |verdict: &ReadVerdict| match verdict.content.as_ref().ok().map(|content| content.value) {
            Some(VerdictValue::NoMatch) => true,
            Some(VerdictValue::Candidate) => refuted(verdict),
            Some(VerdictValue::Inconclusive) | None => false,
        };
        Ok(!verdicts.is_empty() && verdicts.iter().all(settled))
    }

    /// A blob, if it is here whole and undamaged.
    pub fn whole_blob(&self, blob: &BlobRef) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = self.store.blob_read(blob.id, 0, blob.bytes as usize)?;
        Ok((BlobRef::of(&bytes) == Ok(*blob)).then_some(bytes))
    }

    fn open_padded<T: DeserializeOwned>(
        &self,
        sealed: &Sealed,
        id: CaptureId,
        purpose: &str,
        block: usize,
    ) -> Result<T, SealError> {
        self.open_sealed(sealed, id, purpose, |plain| decode_padded(plain, block, BODY_BYTES_MAX))
    }

    fn open_sealed<T>(
        &self,
        sealed: &Sealed,
        id: CaptureId,
        purpose: &str,
        read: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, SealError> {
        let context = context(&self.site().0, id, purpose);
        let plain = sealed.open(self.identity.device(), &self.identity.sealing, &context)?;
        read(&plain).map_err(|_| SealError::Broken)
    }

    pub(super) fn capture_statement(&self, id: CaptureId) -> Result<Option<Capture>, StoreError> {
        let Some(origin) = self.capture(id)?.and_then(|view| view.origin) else { return Ok(None) };
        match self.entry(origin.at)?.and_then(|entry| statement_of(&entry)) {
            Some(Statement::Capture(capture)) => Ok(Some(*capture)),
            _ => Ok(None),
        }
    }

    fn statement_at(&self, mark: &Mark) -> Result<Option<Statement>, StoreError> {
        Ok(self.entry(mark.at)?.and_then(|entry| statement_of(&entry)))
    }
}

fn statement_of(entry: &Entry) -> Option<Statement> {
    let kind: Kind = Kind::rule(entry.header().kind)?.kind;
    Statement::decode(kind, entry.body.as_ref()?).ok()
}
