//! The chain that holds records together, and the signed word on where it ends.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use thiserror::Error;

use super::Salted;
use crate::codec::encode;
use crate::entry::{DeviceKey, holds};
use crate::ids::{DeviceId, SiteId};

/// A hash of the trail: of a record, of the chain up to one, or of a file.
pub type Digest = [u8; 32];

/// Which trail: random, made with it. A device whose trail was lost begins another.
pub type TrailId = [u8; 16];

const HEAD_VERSION: u8 = 1;

/// A place in a chain: after so many records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// How many records come before.
    pub number: u64,
    /// The link after them.
    pub link: Digest,
}

/// A chain as far as it goes: what the next record is tied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The site.
    pub site: SiteId,
    /// The device whose trail it is.
    pub device: DeviceId,
    /// Which of its trails.
    pub trail: TrailId,
    /// The end.
    pub end: Point,
}

impl Chain {
    /// A new one.
    #[must_use]
    pub fn begin(site: SiteId, device: DeviceId, trail: TrailId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("greenline trail begins v1");
        for part in [site.0.as_slice(), &device.0, &trail] {
            hasher.update(part);
        }
        let link = *hasher.finalize().as_bytes();
        Self { site, device, trail, end: Point { number: 0, link } }
    }

    /// Ties one more record to it, by its leaf.
    pub fn extend(&mut self, leaf: &Digest) {
        let number = self.end.number.saturating_add(1);
        let mut hasher = blake3::Hasher::new_derive_key("greenline trail link v1");
        for part in [number.to_be_bytes().as_slice(), &self.end.link, leaf] {
            hasher.update(part);
        }
        self.end = Point { number, link: *hasher.finalize().as_bytes() };
    }

    /// The same chain, as far as another place.
    #[must_use]
    pub const fn at(self, end: Point) -> Self {
        Self { end, ..self }
    }
}

/// Hashes lines of text, each with its end: what a head signs of an export.
#[derive(Clone, Debug, Default)]
pub struct LineHash(blake3::Hasher);

impl LineHash {
    /// One more line, without its end.
    pub fn add(&mut self, line: &str) {
        self.0.update(line.as_bytes());
        self.0.update(b"\n");
    }

    /// The hash so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.0.finalize().as_bytes()
    }
}

/// What stands for a record in the chain, also where the record itself is left out.
#[must_use]
pub fn leaf(salted: &Salted) -> Digest {
    blake3::derive_key("greenline trail record v1", &salted.encode())
}

/// Where a trail begins and ends at a moment, and the rest of what is handed out with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    version: u8,
    /// The chain, as far as it goes.
    pub chain: Chain,
    /// Where it begins: records before it were past their time.
    pub start: Point,
    /// When, in ms.
    pub at_ms: u64,
    /// Hash of all that is handed out before it.
    pub digest: ByteArray<32>,
}

impl Head {
    /// The word of this device's own on its trail.
    #[must_use]
    pub const fn new(chain: Chain, start: Point, at_ms: u64, digest: Digest) -> Self {
        Self { version: HEAD_VERSION, chain, start, at_ms, digest: ByteArray::new(digest) }
    }

    /// Signs it.
    #[must_use]
    pub fn sign(self, key: &DeviceKey) -> SignedHead {
        let signature = key.sign(&self.signed_bytes());
        SignedHead { head: self, signature: ByteArray::new(signature) }
    }

    fn signed_bytes(&self) -> Vec<u8> {
        [b"greenline trail head\0".as_slice(), &encode(self)].concat()
    }
}

/// A head with its device's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// What is signed.
    pub head: Head,
    /// The device's.
    pub signature: ByteArray<64>,
}

/// Why a head isn't believed.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum HeadError {
    /// It is of another format.
    #[error("of a newer format; update this program")]
    Version,
    /// Its device didn't sign this.
    #[error("the signature at the end isn't the device's: something was changed, or another device signed")]
    Signature,
}

impl SignedHead {
    /// Checks format and signature.
    pub fn verify(&self) -> Result<(), HeadError> {
        if self.head.version != HEAD_VERSION {
            return Err(HeadError::Version);
        }
        let signed = holds(self.head.chain.device, &self.head.signed_bytes(), &self.signature);
        if signed { Ok(()) } else { Err(HeadError::Signature) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Act, Record};

    fn salted(n: u8) -> Salted {
        let (operator, captures, why) = ("ana".into(), vec![], "exercise".into());
        let record = Record { at_ms: u64::from(n), operator, act: Act::Listed, captures, why, times: 1 };
        Salted { salt: [n; 16], record }
    }

    fn chain_of(leaves: &[Digest]) -> Chain {
        let mut chain = Chain::begin(SiteId([1; 32]), DeviceId([2; 32]), [3; 16]);
        leaves.iter().for_each(|leaf| chain.extend(leaf));
        chain
    }

    #[test]
    fn a_chain_ends_elsewhere_if_a_record_is_changed_left_out_put_in_or_moved() {
        let leaves: Vec<Digest> = (0..5).map(|n| leaf(&salted(n))).collect();
        let whole = chain_of(&leaves).end;
        assert_eq!(chain_of(&leaves).end, whole);
        let swapped = [&leaves[..2], &[leaves[3], leaves[2]], &leaves[4..]].concat();
        let repeated = [leaves.as_slice(), &leaves[4..]].concat();
        let changed = [&leaves[..4], &[leaf(&salted(9))]].concat();
        for other in [&swapped, &repeated, &changed, &leaves[1..].to_vec(), &leaves[..4].to_vec()] {
            assert_ne!(chain_of(other).end, whole);
        }
        let mut resalted = salted(1);
        resalted.salt = [9; 16];
        assert_ne!(leaf(&resalted), leaf(&salted(1)), "who knows what a record says doesn't know its leaf");
    }

    #[test]
    fn a_head_is_its_devices_word_and_any_other_bytes_are_not() {
        let key = DeviceKey::from_seed([4; 32]);
        let chain = Chain::begin(SiteId([1; 32]), key.id(), [3; 16]);
        let signed = Head::new(chain, chain.end, 7, [5; 32]).sign(&key);
        assert_eq!(signed.verify(), Ok(()));
        let mut later = signed.clone();
        later.head.at_ms = 8;
        assert_eq!(later.verify(), Err(HeadError::Signature));
        let mut other = signed.clone();
        other.head.chain.device = DeviceKey::from_seed([6; 32]).id();
        assert_eq!(other.verify(), Err(HeadError::Signature));
        let newer = SignedHead { head: Head { version: 2, ..signed.head }, ..signed };
        assert_eq!(newer.verify(), Err(HeadError::Version));
    }
}
