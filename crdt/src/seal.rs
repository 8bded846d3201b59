//! Sealing: who may read a payload, decided when it is written.
//!
//! A fresh content key encrypts the parts of one payload (ChaCha20-Poly1305, one nonce per part); HPKE (RFC 9180: X25519,
//! HKDF-SHA256, ChaCha20-Poly1305) wraps that key once per reader. Whoever carries the payload holds ciphertext.
//! What all members may read is encrypted under the site's group key instead.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hpke::aead::ChaCha20Poly1305 as HpkeAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, X25519HkdfSha256};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal_with_rng};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use thiserror::Error;
use zeroize::Zeroize;

use crate::ids::DeviceId;

/// 32 secret random bytes for one operation. The core has no randomness of its own: the shell hands one in.
pub type Seed = [u8; 32];

/// Most readers of one payload: hubs, supervisors and the origin.
pub const READERS_MAX: usize = 32;

/// Most readers of a group key: all members of a site that has dozens of devices, in an entry of at most 60 KiB.
pub const MEMBERS_MAX: usize = 512;
/// How much of the stack is wiped after a secret was made: several times what its making takes.
const WIPED_BYTES: usize = 32 * 1024;

/// Why something can't be sealed or read.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// The payload isn't sealed to this device.
    #[error("this payload isn't sealed to this device")]
    NotForUs,
    /// The bytes were changed, or the key is another's.
    #[error("the sealed bytes don't open: they were changed, or the key is another's")]
    Broken,
    /// The device is locked: its secret was forgotten.
    #[error("this device is locked")]
    Locked,
    /// A reader's public key is no key.
    #[error("the sealing key of a reader is no X25519 key; enrol that device again")]
    BadKey,
    /// There are too many readers.
    #[error("more than {0} readers; narrow the site's policy, or revoke devices that are out of use")]
    TooManyReaders(usize),
}

/// The random generator of one operation.
#[must_use]
pub fn rng(seed: Seed) -> ChaCha20Rng {
    ChaCha20Rng::from_seed(seed)
}

/// Independent seeds from one, by purpose.
#[must_use]
pub fn derive(seed: &Seed, purpose: &str) -> Seed {
    let mut hasher = blake3::Hasher::new_derive_key("greenline seed v1");
    hasher.update(seed);
    hasher.update(purpose.as_bytes());
    *hasher.finalize().as_bytes()
}

/// A device's X25519 secret: opens what is sealed to it.
#[derive(Clone)]
pub struct SealingSecret {
    /// Overwritten when it is dropped; `None` while it is forgotten. In a box, since what is moved leaves a copy behind.
    private: Option<Box<<X25519HkdfSha256 as Kem>::PrivateKey>>,
    public: [u8; 32],
}

impl SealingSecret {
    /// From 32 secret random bytes.
    #[must_use]
    pub fn from_seed(seed: &Seed) -> Self {
        let secret = Self::derive(seed);
        wipe_stack();
        secret
    }

    #[inline(never)]
    fn derive(seed: &Seed) -> Self {
        let private = Box::new(X25519HkdfSha256::derive_keypair(seed).0);
        let public = X25519HkdfSha256::sk_to_pk(&private).to_bytes().into();
        Self { private: Some(private), public }
    }

    /// The public half, which goes into the device's certificate.
    #[must_use]
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Forgets the secret half: from now on nothing opens.
    pub fn forget(&mut self) {
        self.private = None;
    }

    /// Whether it was forgotten.
    #[must_use]
    pub const fn is_forgotten(&self) -> bool {
        self.private.is_none()
    }
}

impl fmt::Debug for SealingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingSecret(…)")
    }
}

/// Somebody that a payload is sealed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// The device.
    pub device: DeviceId,
    /// Its X25519 public key, from its certificate.
    pub sealing_key: [u8; 32],
}

/// A content key, wrapped for one reader: 91 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// First eight bytes of the reader's id: which of the wrapped keys is whose.
    to: ByteArray<8>,
    encapsulated: ByteArray<32>,
    ciphertext: ByteArray<48>,
}

/// The key of one payload.
#[derive(Clone)]
pub struct ContentKey([u8; 32]);

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

impl ContentKey {
    /// From 32 secret random bytes, used for this payload only.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self(seed)
    }

    /// Encrypts part `part` of the payload; `context` must be the same when opening.
    #[must_use]
    pub fn seal(&self, part: u32, context: &[u8], plain: &[u8]) -> Vec<u8> {
        self.cipher()
            .encrypt(&nonce(part), Payload { msg: plain, aad: context })
            .expect("ChaCha20-Poly1305 takes up to 256 GiB, and a blob is at most 16 MiB")
    }

    /// Decrypts part `part`.
    pub fn open(&self, part: u32, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.cipher().decrypt(&nonce(part), Payload { msg: sealed, aad: context }).map_err(|_| SealError::Broken)
    }

    /// Wraps this key for each reader.
    pub fn wrap(&self, readers: &[Reader], context: &[u8], seed: Seed) -> Result<Vec<WrappedKey>, SealError> {
        if readers.len() > READERS_MAX {
            return Err(SealError::TooManyReaders(READERS_MAX));
        }
        self.wrap_for_all(readers, context, seed)
    }

    fn wrap_for_all(&self, readers: &[Reader], context: &[u8], seed: Seed) -> Result<Vec<WrappedKey>, SealError> {
        let mut rng = rng(seed);
        readers.iter().map(|reader| self.wrap_for(reader, context, &mut rng)).collect()
    }

    /// Finds and opens the key that is wrapped for `device`.
    pub fn unwrap(
        keys: &[WrappedKey],
        device: DeviceId,
        secret: &SealingSecret,
        context: &[u8],
    ) -> Result<Self, SealError> {
        let wrapped = keys.iter().find(|key| key.to == short(device)).ok_or(SealError::NotForUs)?;
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(wrapped.encapsulated.as_slice())
            .map_err(|_| SealError::Broken)?;
        let opened = single_shot_open::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            secret.private.as_deref().ok_or(SealError::Locked)?,
            &encapsulated,
            context,
            wrapped.ciphertext.as_slice(),
            &[],
        );
        let bytes = opened.map_err(|_| SealError::Broken)?;
        Ok(Self(bytes.try_into().map_err(|_| SealError::Broken)?))
    }

    fn wrap_for(&self, reader: &Reader, context: &[u8], rng: &mut ChaCha20Rng) -> Result<WrappedKey, SealError> {
        let key =
            <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&reader.sealing_key).map_err(|_| SealError::BadKey)?;
        let (encapsulated, ciphertext) = single_shot_seal_with_rng::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &key,
            context,
            &self.0,
            &[],
            rng,
        )
        .map_err(|_| SealError::BadKey)?;
        Ok(WrappedKey {
            to: short(reader.device),
            encapsulated: ByteArray::new(encapsulated.to_bytes().into()),
            ciphertext: ByteArray::new(ciphertext.try_into().map_err(|_| SealError::BadKey)?),
        })
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&self.0.into())
    }
}

/// A small payload in one piece, with its readers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The content key, once per reader.
    pub keys: Vec<WrappedKey>,
    /// The encrypted bytes.
    #[serde(with = "serde_bytes")]
    pub ciphertext: Vec<u8>,
}

impl Sealed {
    /// Seals `plain` to `readers`.
    pub fn new(plain: &[u8], readers: &[Reader], context: &[u8], seed: Seed) -> Result<Self, SealError> {
        let key = ContentKey::new(derive(&seed, "content"));
        let keys = key.wrap(readers, context, derive(&seed, "wrap"))?;
        Ok(Self { keys, ciphertext: key.seal(0, context, plain) })
    }

    /// Seals `plain` to all members of a site.
    pub fn to_members(plain: &[u8], members: &[Reader], context: &[u8], seed: Seed) -> Result<Self, SealError> {
        if members.len() > MEMBERS_MAX {
            return Err(SealError::TooManyReaders(MEMBERS_MAX));
        }
        let key = ContentKey::new(derive(&seed, "content"));
        let keys = key.wrap_for_all(members, context, derive(&seed, "wrap"))?;
        Ok(Self { keys, ciphertext: key.seal(0, context, plain) })
    }

    /// The first eight bytes of each reader's id.
    pub fn readers(&self) -> impl Iterator<Item = [u8; 8]> {
        self.keys.iter().map(|key| *key.to)
    }

    /// Opens it as one of the readers.
    pub fn open(&self, device: DeviceId, secret: &SealingSecret, context: &[u8]) -> Result<Vec<u8>, SealError> {
        ContentKey::unwrap(&self.keys, device, secret, context)?.open(0, context, &self.ciphertext)
    }
}

/// The key under which a site's members write to each other: edits, roster, hand-over.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupKey([u8; 32]);

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupKey(…)")
    }
}

/// Bytes encrypted under a group key. The body names its key, so that several can hold at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSealed {
    key: ByteArray<8>,
    salt: ByteArray<16>,
    #[serde(with = "serde_bytes")]
    ciphertext: Vec<u8>,
}

impl GroupKey {
    /// From 32 secret random bytes.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self(seed)
    }

    /// From 32 secret random bytes and who made it. So nobody can pass off as new a key that others have.
    #[must_use]
    pub fn made_by(device: DeviceId, seed: &Seed) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("greenline group key v1");
        hasher.update(&device.0);
        hasher.update(seed);
        Self(*hasher.finalize().as_bytes())
    }

    /// The name by which bodies refer to this key; says nothing about the key.
    #[must_use]
    pub fn name(&self) -> [u8; 8] {
        let hash = blake3::derive_key("greenline group key name v1", &self.0);
        let [a, b, c, d, e, f, g, h, ..] = hash;
        [a, b, c, d, e, f, g, h]
    }

    /// Encrypts under a subkey of its own, so that no nonce can meet another.
    #[must_use]
    pub fn seal(&self, context: &[u8], plain: &[u8], seed: Seed) -> GroupSealed {
        let mut salt = [0; 16];
        rng(seed).fill_bytes(&mut salt);
        let ciphertext = self.subkey(&salt).seal(0, context, plain);
        GroupSealed { key: ByteArray::new(self.name()), salt: ByteArray::new(salt), ciphertext }
    }

    /// Decrypts what was sealed under this key.
    pub fn open(&self, context: &[u8], sealed: &GroupSealed) -> Result<Vec<u8>, SealError> {
        if *sealed.key != self.name() {
            return Err(SealError::NotForUs);
        }
        self.subkey(&sealed.salt).open(0, context, &sealed.ciphertext)
    }

    fn subkey(&self, salt: &[u8; 16]) -> ContentKey {
        let mut hasher = blake3::Hasher::new_derive_key("greenline group subkey v1");
        hasher.update(&self.0);
        hasher.update(salt);
        ContentKey(*hasher.finalize().as_bytes())
    }
}

/// Overwrites what the functions called just before left on the stack: copies of a secret that nobody holds any more.
#[inline(never)]
pub fn wipe_stack() {
    let mut room = [0_u8; WIPED_BYTES];
    room.zeroize();
    std::hint::black_box(&mut room);
}

fn nonce(part: u32) -> Nonce {
    let mut bytes = [0; 12];
    bytes[8..].copy_from_slice(&part.to_be_bytes());
    bytes.into()
}

fn short(device: DeviceId) -> ByteArray<8> {
    ByteArray::new(device.prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(n: u8) -> (Reader, SealingSecret) {
        let secret = SealingSecret::from_seed(&[n; 32]);
        (Reader { device: DeviceId([n; 32]), sealing_key: secret.public() }, secret)
    }

    #[test]
    fn each_reader_opens_it_and_nobody_else() {
        let ((hub, hub_secret), (origin, origin_secret), (other, other_secret)) = (reader(1), reader(2), reader(3));
        let sealed = Sealed::new(b"MARKER", &[hub, origin], b"capture", [7; 32]).unwrap();
        assert_eq!(sealed.open(hub.device, &hub_secret, b"capture").unwrap(), b"MARKER");
        assert_eq!(sealed.open(origin.device, &origin_secret, b"capture").unwrap(), b"MARKER");
        assert_eq!(sealed.open(other.device, &other_secret, b"capture"), Err(SealError::NotForUs));
        assert_eq!(sealed.open(hub.device, &other_secret, b"capture"), Err(SealError::Broken));
        assert_eq!(sealed.open(hub.device, &hub_secret, b"another"), Err(SealError::Broken));
    }

    #[test]
    fn what_was_forgotten_opens_nothing() {
        let (hub, mut secret) = reader(1);
        let sealed = Sealed::new(b"MARKER", &[hub], b"capture", [7; 32]).unwrap();
        secret.forget();
        assert_eq!(sealed.open(hub.device, &secret, b"capture"), Err(SealError::Locked));
        assert_eq!((secret.public(), secret.is_forgotten()), (hub.sealing_key, true));
    }

    #[test]
    fn one_changed_bit_is_noticed() {
        let key = ContentKey::new([1; 32]);
        let mut sealed = key.seal(0, b"", b"image");
        assert_eq!(key.open(1, b"", &sealed), Err(SealError::Broken), "parts can't be swapped");
        sealed[0] ^= 1;
        assert_eq!(key.open(0, b"", &sealed), Err(SealError::Broken));
    }

    #[test]
    fn as_many_readers_as_allowed_and_not_one_more() {
        let readers: Vec<Reader> = (0..=READERS_MAX).map(|n| reader(u8::try_from(n).unwrap()).0).collect();
        let key = ContentKey::new([1; 32]);
        assert!(key.wrap(&readers[..READERS_MAX], b"", [0; 32]).is_ok());
        assert_eq!(key.wrap(&readers, b"", [0; 32]).unwrap_err(), SealError::TooManyReaders(READERS_MAX));
    }

    #[test]
    fn members_read_what_is_written_under_their_group_key() {
        let (ours, theirs) = (GroupKey::new([1; 32]), GroupKey::new([2; 32]));
        let sealed = ours.seal(b"record", b"note", [3; 32]);
        assert_eq!(ours.open(b"record", &sealed).unwrap(), b"note");
        assert_eq!(theirs.open(b"record", &sealed), Err(SealError::NotForUs));
        assert_eq!(ours.open(b"other", &sealed), Err(SealError::Broken));
    }
}
