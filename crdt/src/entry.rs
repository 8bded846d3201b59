//! Entries: signed, hash-chained, the only thing that is replicated.
//!
//! An entry is a header, the author's signature over the header's hash, and a body that the header names by hash. The
//! body may be erased later and the chain still verifies. Layout, byte by byte: `docs/FORMATS.md`.

use ed25519_zebra::{SigningKey, VerificationKey};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use thiserror::Error;

use crate::codec::encode;
use crate::ids::{Author, CaptureId, DeviceId, EntryHash, SiteId};
use crate::signature::{Claim, unfounded};
use crate::time::Hlc;

/// Longest body, in bytes. An entry with its header stays under 64 KiB; images are blobs, not bodies.
pub const BODY_BYTES_MAX: usize = 60 * 1024;
/// Longest encoded entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;
/// The version that this program writes and the newest that it reads.
pub const ENTRY_VERSION: u8 = 1;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum About {
    /// The site as a whole.
    Site,
    /// One capture.
    Capture(CaptureId),
}

impl About {
    /// As a table key: empty for the site, the capture's 16 bytes otherwise.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Site => &[],
            Self::Capture(id) => &id.0,
        }
    }

    /// The capture, if it is about one.
    #[must_use]
    pub fn capture(&self) -> Option<CaptureId> {
        match self {
            Self::Site => None,
            Self::Capture(id) => Some(*id),
        }
    }
}

/// What is signed of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`ENTRY_VERSION`].
    pub version: u8,
    /// The site.
    pub site: SiteId,
    /// Who wrote it.
    pub author: Author,
    /// Its place in the author's log, from 1.
    pub seq: u64,
    /// The author's previous header; [`EntryHash::NONE`] at 1.
    pub prev: EntryHash,
    /// When, by the author's hybrid clock.
    pub time: Hlc,
    /// What it is about.
    pub about: About,
    /// The number of its kind (see [`crate::statement::Kind`]); unknown ones are carried, not understood.
    pub kind: u8,
    /// BLAKE3 of the body.
    pub body_hash: ByteArray<32>,
    /// Length of the body in bytes.
    pub body_len: u32,
}

impl Header {
    /// The entry's name.
    #[must_use]
    pub fn hash(&self) -> EntryHash {
        EntryHash(*blake3::hash(&encode(self)).as_bytes())
    }
}

/// A header with its author's signature: enough to show what somebody wrote, without the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// Ed25519 over the header's hash.
    pub signature: ByteArray<64>,
}

impl SignedHeader {
    /// Checks the author's signature (ZIP 215 rules, the same alone and in a batch).
    pub fn verify(&self) -> Result<(), EntryError> {
        let signed = holds(self.header.author.device, &self.header.hash().0, &self.signature);
        if signed { Ok(()) } else { Err(EntryError::Signature) }
    }
}

/// Whether a device signed these bytes.
pub(crate) fn holds(device: DeviceId, bytes: &[u8], signature: &[u8; 64]) -> bool {
    Claim { key: &device.0, bytes, signature }.holds()
}

/// One signed fact or edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Header and signature.
    pub signed: SignedHeader,
    /// The body; `None` once erased.
    pub body: Option<ByteBuf>,
}

/// Why bytes aren't an acceptable entry, whatever else a replica holds.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    /// Of a newer format.
    #[error("entry of a newer format version")]
    Version,
    /// Of another site.
    #[error("entry of another site")]
    OtherSite,
    /// The body isn't the one that was signed.
    #[error("the body isn't the one that was signed")]
    Body,
    /// The body is longer than [`BODY_BYTES_MAX`].
    #[error("the body is too long")]
    TooLong,
    /// Sequence number 0, or a first entry that points back.
    #[error("impossible place in the log")]
    Place,
    /// The author didn't sign this.
    #[error("the signature isn't the author's")]
    Signature,
}

impl Entry {
    /// Signs a new entry.
    #[must_use]
    pub fn sign(key: &DeviceKey, mut header: Header, body: Vec<u8>) -> Self {
        header.body_hash = ByteArray::new(*blake3::hash(&body).as_bytes());
        header.body_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let signature = key.sign(&header.hash().0);
        Self { signed: SignedHeader { header, signature: ByteArray::new(signature) }, body: Some(ByteBuf::from(body)) }
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.signed.header
    }

    /// Checks everything but the signature: version, site, body.
    pub fn check_shape(&self, site: SiteId) -> Result<(), EntryError> {
        let header = self.header();
        if header.version != ENTRY_VERSION {
            return Err(EntryError::Version);
        }
        if header.site != site {
            return Err(EntryError::OtherSite);
        }
        if header.seq == 0 || (header.seq == 1) != (header.prev == EntryHash::NONE) {
            return Err(EntryError::Place);
        }
        if header.body_len as usize > BODY_BYTES_MAX {
            return Err(EntryError::TooLong);
        }
        match &self.body {
            Some(body) if body.len() != header.body_len as usize => Err(EntryError::Body),
            Some(body) if blake3::hash(body).as_bytes() != &*header.body_hash => Err(EntryError::Body),
            _ => Ok(()),
        }
    }

    /// The same without its body: the header and the signature still hold.
    #[must_use]
    pub fn without_body(&self) -> Self {
        Self { signed: self.signed.clone(), body: None }
    }

    /// Length on the wire, in bytes, to within a few.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        240 + self.body.as_ref().map_or(0, |body| body.len())
    }
}

/// Checks the signatures of many entries: all at once, and one by one only if that fails. Says which are bad.
#[must_use]
pub fn bad_signatures(entries: &[(EntryHash, &Entry)]) -> Vec<usize> {
    let claim =
        |(hash, entry): &'_ (EntryHash, &Entry)| (hash.0, entry.header().author.device.0, *entry.signed.signature);
    let parts: Vec<_> = entries.iter().map(claim).collect();
    let claims: Vec<Claim<'_>> = parts.iter().map(|(bytes, key, signature)| Claim { key, bytes, signature }).collect();
    unfounded(&claims)
}

/// A device's Ed25519 key: signs its entries, proves it to peers.
#[derive(Clone)]
pub struct DeviceKey {
    seed: [u8; 32],
    key: SigningKey,
}

impl DeviceKey {
    /// From 32 secret random bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed, key: SigningKey::from(seed) }
    }

    /// The public half: the device's id.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId(VerificationKey::from(&self.key).into())
    }

    /// The secret seed, for the transports, which prove the same key.
    #[must_use]
    pub const fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let signature = self.key.sign(bytes).into();
        // What was signed here needs no check.
        Claim { key: &self.id().0, bytes, signature: &signature }.remember();
        signature
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceKey({:?})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: SiteId = SiteId([9; 32]);

    fn entry(key: &DeviceKey, seq: u64, body: &[u8]) -> Entry {
        let prev = if seq == 1 { EntryHash::NONE } else { EntryHash([1; 32]) };
        let header = Header {
            version: ENTRY_VERSION,
            site: SITE,
            author: Author { device: key.id(), epoch: 0 },
            seq,
            prev,
            time: Hlc::from_ms(seq),
            about: About::Site,
            kind: 200,
            body_hash: ByteArray::new([0; 32]),
            body_len: 0,
        };
        Entry::sign(key, header, body.to_vec())
    }

    #[test]
    fn a_signed_entry_holds_and_a_changed_one_does_not() {
        let key = DeviceKey::from_seed([1; 32]);
        let entry = entry(&key, 1, b"body");
        assert_eq!(entry.check_shape(SITE), Ok(()));
        assert_eq!(entry.signed.verify(), Ok(()));
        let mut changed = entry.clone();
        changed.signed.header.time = Hlc::from_ms(2);
        assert_eq!(changed.signed.verify(), Err(EntryError::Signature));
        let mut swapped = entry.clone();
        swapped.body = Some(ByteBuf::from(b"ydob".to_vec()));
        assert_eq!(swapped.check_shape(SITE), Err(EntryError::Body));
        assert_eq!(entry.check_shape(SiteId([8; 32])), Err(EntryError::OtherSite));
    }

    #[test]
    fn an_erased_body_leaves_a_header_that_still_verifies() {
        let key = DeviceKey::from_seed([1; 32]);
        let erased = Entry { body: None, ..entry(&key, 1, b"body") };
        assert_eq!(erased.check_shape(SITE), Ok(()));
        assert_eq!(erased.signed.verify(), Ok(()));
    }

    #[test]
    fn a_body_of_the_longest_length_is_taken_and_a_longer_one_is_not() {
        let key = DeviceKey::from_seed([1; 32]);
        assert_eq!(entry(&key, 1, &vec![0; BODY_BYTES_MAX]).check_shape(SITE), Ok(()));
        assert_eq!(entry(&key, 1, &vec![0; BODY_BYTES_MAX + 1]).check_shape(SITE), Err(EntryError::TooLong));
    }

    #[test]
    fn a_batch_names_exactly_the_bad_ones() {
        let (a, b) = (DeviceKey::from_seed([1; 32]), DeviceKey::from_seed([2; 32]));
        let mut entries: Vec<Entry> = (1..20).map(|seq| entry(if seq % 2 == 0 { &a } else { &b }, seq, b"x")).collect();
        let names = |entries: &[Entry]| -> Vec<usize> {
            let pairs: Vec<_> = entries.iter().map(|e| (e.header().hash(), e)).collect();
            bad_signatures(&pairs)
        };
        assert!(names(&entries).is_empty());
        entries[3].signed.signature[5] ^= 1;
        entries[7].signed.header.author.device = a.id();
        entries[7].signed.header.seq = 1_000;
        assert_eq!(names(&entries), [3, 7]);
    }
}
