//! What is kept on a device's own disk, encrypted: one secret key, subkeys by purpose, sealed bytes, names that tell nothing.
//!
//! XChaCha20-Poly1305 takes nonces of 24 bytes, long enough to be drawn at random. The context is authenticated, not stored:
//! what was sealed for one place doesn't open in another.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::seal::{SealError, Seed, derive};

/// Random bytes that each sealing takes.
pub const NONCE_BYTES: usize = 24;
/// Bytes of the check value at the end.
pub const TAG_BYTES: usize = 16;
/// What sealed bytes are longer than plain ones.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// A nonce: random, or unique in another way.
pub type Nonce = [u8; NONCE_BYTES];

/// A secret key for what lies on this device's own disk. Its bytes are overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct VaultKey([u8; 32]);

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey(…)")
    }
}

impl VaultKey {
    /// From 32 secret random bytes.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self(seed)
    }

    /// The bytes, for keeping them somewhere safe.
    #[must_use]
    pub const fn reveal(&self) -> &Seed {
        &self.0
    }

    /// An independent key, by purpose.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self(derive(&self.0, purpose))
    }

    /// Encrypts: the nonce, the ciphertext, the check value.
    #[must_use]
    pub fn seal(&self, context: &[u8], plain: &[u8], nonce: &Nonce) -> Vec<u8> {
        let payload = Payload { msg: plain, aad: context };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(*nonce), payload)
            .expect("XChaCha20-Poly1305 takes up to 256 GiB, and nothing here is near that");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Broken)?;
        let payload = Payload { msg: rest, aad: context };
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Broken)?;
        Ok(Zeroizing::new(plain))
    }

    /// A key for `what` that is always the same under this key.
    #[must_use]
    pub fn subkey(&self, what: &[u8]) -> Self {
        Self(*blake3::keyed_hash(&self.0, what).as_bytes())
    }

    /// A name for `what` that is always the same under this key, and tells nothing without it.
    #[must_use]
    pub fn name(&self, what: &[u8]) -> [u8; 16] {
        let mut name = [0; 16];
        name.copy_from_slice(&blake3::keyed_hash(&self.0, what).as_bytes()[..16]);
        name
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = [9; NONCE_BYTES];

    #[test]
    fn it_opens_with_its_key_in_its_place_and_otherwise_not() {
        let key = VaultKey::new([1; 32]);
        let sealed = key.seal(b"row 1", b"MARKER", &NONCE);
        assert_eq!(sealed.len(), 6 + OVERHEAD_BYTES);
        assert!(!sealed.windows(6).any(|bytes| bytes == b"MARKER"));
        assert_eq!(*key.open(b"row 1", &sealed).unwrap(), b"MARKER");
        assert!(key.open(b"row 2", &sealed).is_err());
        assert!(VaultKey::new([2; 32]).open(b"row 1", &sealed).is_err());
    }

    #[test]
    fn any_changed_bit_and_any_cut_is_noticed() {
        let key = VaultKey::new([1; 32]);
        let sealed = key.seal(b"", b"image", &NONCE);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(b"", &changed).is_err(), "byte {at}");
            assert!(key.open(b"", &sealed[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn names_and_subkeys_depend_on_the_key_and_on_what_they_are_of() {
        let key = VaultKey::new([1; 32]);
        assert_eq!(key.name(b"a"), key.name(b"a"));
        assert!(key.name(b"a") != key.name(b"b") && key.name(b"a") != key.derive("other").name(b"a"));
        assert!(key.subkey(b"a") == key.subkey(b"a") && key.subkey(b"a") != key.subkey(b"b"));
    }
}
