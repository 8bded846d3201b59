//! A keystore: secrets under a passphrase, under a key file, or in the clear because somebody said so.
//!
//! ```text
//! passphrase ── Argon2id (salt, memory, passes, lanes: in the file) ──► key ─┐
//! key file ─────────────────────────────────────────────────────────► key ───┴─► XChaCha20-Poly1305 of the secrets
//! ```
//!
//! Nothing here touches a file or draws a random number: `home.rs` and `authority.rs` do.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use crdt::audit::Under;
use crdt::codec::{checksum, decode, encode};
use crdt::vault::{NONCE_BYTES, Nonce, VaultKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

/// What a new passphrase costs to try: RFC 9106, section 4, the second recommended option, for machines that can't spare
/// 2 GiB. It is over the least that OWASP's Password Storage Cheat Sheet asks for (19 MiB, 2 passes, 1 lane).
pub const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
/// The dearest that is read, four times the memory of [`COST`]: a changed file can't ask for a terabyte, nor for a year.
pub const COST_MAX: Cost = Cost { memory_kib: 256 * 1024, passes: 16, lanes: 16 };
/// Shortest passphrase, in characters: the least that NIST SP 800-63B allows.
pub const PASSPHRASE_CHARS_MIN: usize = 8;
/// Longest passphrase, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1_024;
/// Random bytes that sealing takes: a salt and a nonce.
pub const DICE_BYTES: usize = SALT_BYTES + NONCE_BYTES;

const SALT_BYTES: usize = 16;
/// A site's export is the longest that is kept so.
const KEYSTORE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Why a keystore doesn't open.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum KeystoreError {
    /// It is under a passphrase, and none was given.
    #[error("the keys are under a passphrase")]
    NeedsPassphrase,
    /// It is under a key file, and none was given.
    #[error("the keys are under a key file")]
    NeedsKeyFile,
    /// That isn't the passphrase.
    #[error("that isn't the passphrase")]
    WrongPassphrase,
    /// That isn't the key file.
    #[error("that isn't the key file of these keys")]
    WrongKeyFile,
    /// The passphrase is too short or too long to be one.
    #[error("a passphrase has {PASSPHRASE_CHARS_MIN} characters to {PASSPHRASE_BYTES_MAX} bytes")]
    Length,
    /// The bytes aren't what this program writes.
    #[error("the keystore is damaged, or was written by a newer program")]
    Damaged,
}

impl KeystoreError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NeedsPassphrase => {
                "run the command in a terminal, where it asks, or give --passphrase-file (GREENLINE_PASSPHRASE_FILE)"
            }
            Self::NeedsKeyFile => "give --key-file (GREENLINE_KEY_FILE)",
            Self::WrongPassphrase => {
                "nothing is lost: try again; without the passphrase a device is enrolled anew in another folder, and a site founded anew"
            }
            Self::WrongKeyFile => "nothing is lost: give the file that the keys were protected with",
            Self::Length => "take a few words that belong together for you only",
            Self::Damaged => "restore the file from a backup, or update the program",
        }
    }
}

/// What a passphrase costs to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Times that the memory is gone over.
    pub passes: u32,
    /// Parts of the memory that can be filled at a time.
    pub lanes: u32,
}

/// A passphrase: never printed, overwritten when it is dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

/// The key in a key file.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile(VaultKey);

/// What opens a keystore, and what a new one is put under.
#[derive(Clone, Debug)]
pub enum Opener {
    /// Nothing: the folder is the device, and whoever copies it is it.
    Nothing,
    /// A passphrase.
    Passphrase(Passphrase),
    /// A key file.
    KeyFile(KeyFile),
}

/// What a keystore is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Nothing.
    Nothing,
    /// A passphrase that costs so much to try.
    Passphrase(Cost),
    /// A key file.
    KeyFile,
}

/// Secrets, and how they are locked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Keystore {
    lock: Lock,
    sealed: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Lock {
    Nothing,
    Passphrase { salt: [u8; SALT_BYTES], cost: Cost },
    KeyFile { name: [u8; 16] },
}

impl Opener {
    /// What it is, for the audit trail.
    #[must_use]
    pub const fn under(&self) -> Under {
        match self {
            Self::Nothing => Under::Nothing,
            Self::Passphrase(_) => Under::Passphrase,
            Self::KeyFile(_) => Under::KeyFile,
        }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile(…)")
    }
}

impl Passphrase {
    /// As it was typed; bytes count, not what they look like.
    #[must_use]
    pub fn typed(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// A new one, which must be long enough.
    pub fn chosen(text: Zeroizing<String>) -> Result<Self, KeystoreError> {
        match text.chars().count() >= PASSPHRASE_CHARS_MIN && text.len() <= PASSPHRASE_BYTES_MAX {
            true => Ok(Self(text)),
            false => Err(KeystoreError::Length),
        }
    }

    fn key(&self, salt: &[u8], cost: Cost) -> Result<VaultKey, KeystoreError> {
        if !cost.is_bearable() || self.0.len() > PASSPHRASE_BYTES_MAX {
            return Err(if cost.is_bearable() { KeystoreError::WrongPassphrase } else { KeystoreError::Damaged });
        }
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32));
        let params = params.map_err(|_| KeystoreError::Damaged)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.0.as_bytes(), salt, &mut *key)
            .map_err(|_| KeystoreError::Damaged)?;
        Ok(VaultKey::new(*key))
    }
}

impl KeyFile {
    /// From 32 secret random bytes.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self(VaultKey::new(seed))
    }

    /// The bytes, for writing them into the file.
    #[must_use]
    pub const fn reveal(&self) -> &[u8; 32] {
        self.0.reveal()
    }

    /// Tells key files apart and tells nothing of the key.
    fn name(&self) -> [u8; 16] {
        self.0.name(b"greenline key file")
    }
}

impl Cost {
    const fn is_bearable(self) -> bool {
        self.memory_kib <= COST_MAX.memory_kib && self.passes <= COST_MAX.passes && self.lanes <= COST_MAX.lanes
    }
}

impl Protection {
    /// In one word, for JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Passphrase(_) => "passphrase",
            Self::KeyFile => "key_file",
        }
    }
}

impl Keystore {
    /// Puts secrets under what `opener` says. `context` says what they are; `dice` are random.
    pub fn seal(
        context: &str,
        secrets: &[u8],
        opener: &Opener,
        dice: &[u8; DICE_BYTES],
    ) -> Result<Self, KeystoreError> {
        let (salt, nonce) = split(dice);
        let lock = match opener {
            Opener::Nothing => {
                return Ok(Self { lock: Lock::Nothing, sealed: [secrets, &checksum(secrets)].concat() });
            }
            Opener::Passphrase(_) => Lock::Passphrase { salt, cost: COST },
            Opener::KeyFile(file) => Lock::KeyFile { name: file.name() },
        };
        let key = lock.key(opener)?;
        Ok(Self { lock, sealed: key.seal(&lock.context(context), secrets, &nonce) })
    }

    /// The secrets.
    pub fn open(&self, context: &str, opener: &Opener) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        if matches!(self.lock, Lock::Nothing) {
            let (secrets, check) = self.sealed.split_last_chunk::<4>().ok_or(KeystoreError::Damaged)?;
            return if checksum(secrets) == *check {
                Ok(Zeroizing::new(secrets.to_vec()))
            } else {
                Err(KeystoreError::Damaged)
            };
        }
        let wrong = match self.lock {
            Lock::Passphrase { .. } => KeystoreError::WrongPassphrase,
            // The name fits, so the bytes don't.
            _ => KeystoreError::Damaged,
        };
        self.lock.key(opener)?.open(&self.lock.context(context), &self.sealed).map_err(|_| wrong)
    }

    /// What it is under.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        match self.lock {
            Lock::Nothing => Protection::Nothing,
            Lock::Passphrase { cost, .. } => Protection::Passphrase(cost),
            Lock::KeyFile { .. } => Protection::KeyFile,
        }
    }

    /// As bytes, for a file.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(encode(self))
    }

    /// Reads them back.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeystoreError> {
        decode(bytes, KEYSTORE_BYTES_MAX).map_err(|_| KeystoreError::Damaged)
    }
}

impl Lock {
    fn key(&self, opener: &Opener) -> Result<VaultKey, KeystoreError> {
        match (self, opener) {
            (Self::Passphrase { salt, cost }, Opener::Passphrase(passphrase)) => passphrase.key(salt, *cost),
            (Self::KeyFile { name }, Opener::KeyFile(file)) if *name == file.name() => Ok(file.0.derive("keystore")),
            (Self::KeyFile { .. }, Opener::KeyFile(_)) => Err(KeystoreError::WrongKeyFile),
            (Self::Passphrase { .. }, _) => Err(KeystoreError::NeedsPassphrase),
            (Self::KeyFile { .. }, _) => Err(KeystoreError::NeedsKeyFile),
            (Self::Nothing, _) => Err(KeystoreError::Damaged),
        }
    }

    /// Changed parameters don't open, even where they lead to the same key.
    fn context(&self, context: &str) -> Vec<u8> {
        [context.as_bytes(), &[0], &encode(self)].concat()
    }
}

fn split(dice: &[u8; DICE_BYTES]) -> ([u8; SALT_BYTES], Nonce) {
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
    salt.copy_from_slice(&dice[..SALT_BYTES]);
    nonce.copy_from_slice(&dice[SALT_BYTES..]);
    (salt, nonce)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DICE: [u8; DICE_BYTES] = [5; DICE_BYTES];
    const SECRET: &[u8] = b"MARKER of 24 secret bytes";

    fn passphrase(text: &str) -> Opener {
        Opener::Passphrase(Passphrase::typed(Zeroizing::new(text.to_owned())))
    }

    fn there_and_back(keystore: &Keystore) -> Keystore {
        let bytes = keystore.encode();
        assert!(!bytes.windows(6).any(|window| window == b"MARKER"));
        Keystore::decode(&bytes).unwrap()
    }

    #[test]
    fn a_passphrase_opens_it_and_another_one_does_not() {
        let right = passphrase("correct horse");
        let keystore = there_and_back(&Keystore::seal("device", SECRET, &right, &DICE).unwrap());
        assert_eq!(*keystore.open("device", &right).unwrap(), SECRET);
        assert_eq!(keystore.protection(), Protection::Passphrase(COST));
        let wrong = keystore.open("device", &passphrase("correct horsf")).unwrap_err();
        assert_eq!(wrong, KeystoreError::WrongPassphrase);
        assert_eq!(keystore.open("authority", &right).unwrap_err(), KeystoreError::WrongPassphrase, "another use");
        assert_eq!(keystore.open("device", &Opener::Nothing).unwrap_err(), KeystoreError::NeedsPassphrase);
        let file = Opener::KeyFile(KeyFile::new([1; 32]));
        assert_eq!(keystore.open("device", &file).unwrap_err(), KeystoreError::NeedsPassphrase);
    }

    #[test]
    fn a_key_file_opens_it_and_another_one_does_not() {
        let right = Opener::KeyFile(KeyFile::new([1; 32]));
        let mut keystore = there_and_back(&Keystore::seal("device", SECRET, &right, &DICE).unwrap());
        assert_eq!(*keystore.open("device", &right).unwrap(), SECRET);
        let other = Opener::KeyFile(KeyFile::new([2; 32]));
        assert_eq!(keystore.open("device", &other).unwrap_err(), KeystoreError::WrongKeyFile);
        assert_eq!(keystore.open("device", &passphrase("x")).unwrap_err(), KeystoreError::NeedsKeyFile);
        keystore.sealed[30] ^= 1;
        assert_eq!(keystore.open("device", &right).unwrap_err(), KeystoreError::Damaged);
    }

    #[test]
    fn without_protection_it_is_in_the_clear() {
        let keystore = Keystore::seal("device", SECRET, &Opener::Nothing, &DICE).unwrap();
        assert!(keystore.encode().windows(6).any(|window| window == b"MARKER"));
        assert_eq!(*keystore.open("device", &passphrase("anything")).unwrap(), SECRET);
    }

    #[test]
    fn a_file_may_ask_for_so_much_and_not_for_more() {
        let right = passphrase("correct horse");
        let costing = |cost| Keystore { lock: Lock::Passphrase { salt: [5; 16], cost }, sealed: vec![0; 60] };
        let of = |cost| costing(cost).open("device", &right).unwrap_err();
        // What is read is tried: the passphrase is wrong. What is too much isn't tried at all.
        assert_eq!(of(Cost { memory_kib: 1_024, lanes: COST_MAX.lanes, ..COST }), KeystoreError::WrongPassphrase);
        assert_eq!(of(Cost { memory_kib: 1_024, passes: COST_MAX.passes, ..COST }), KeystoreError::WrongPassphrase);
        assert_eq!(of(Cost { memory_kib: COST_MAX.memory_kib, passes: 1, lanes: 1 }), KeystoreError::WrongPassphrase);
        for cost in [
            Cost { memory_kib: COST_MAX.memory_kib + 1, ..COST },
            Cost { passes: COST_MAX.passes + 1, ..COST },
            Cost { lanes: COST_MAX.lanes + 1, ..COST },
            Cost { memory_kib: u32::MAX, passes: u32::MAX, lanes: u32::MAX },
            Cost { memory_kib: 0, passes: 0, lanes: 0 },
        ] {
            assert_eq!(of(cost), KeystoreError::Damaged, "{cost:?}");
        }
    }

    #[test]
    fn changed_parameters_and_any_changed_bit_are_noticed() {
        let right = passphrase("correct horse");
        let bytes = Keystore::seal("device", SECRET, &right, &DICE).unwrap().encode();
        // Every 7th bit, since each try costs what a try shall cost.
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            let opened = Keystore::decode(&changed).and_then(|keystore| keystore.open("device", &right));
            assert!(opened.is_err(), "byte {at}");
        }
        assert_eq!(Keystore::decode(&bytes[..bytes.len() - 1]).unwrap_err(), KeystoreError::Damaged);
    }

    #[test]
    fn a_new_passphrase_has_bounds() {
        let chosen = |text: &str| Passphrase::chosen(Zeroizing::new(text.to_owned())).map(|_| ());
        assert_eq!(chosen("seven77"), Err(KeystoreError::Length));
        assert_eq!(chosen("eight888"), Ok(()));
        assert_eq!(chosen(&"x".repeat(PASSPHRASE_BYTES_MAX)), Ok(()));
        assert_eq!(chosen(&"x".repeat(PASSPHRASE_BYTES_MAX + 1)), Err(KeystoreError::Length));
    }
}
