//! Names of things: sites, devices, logs, captures, blobs.
//!
//! All are random or hashes, so none says anything about a person. They print as short lower-case base32, which
//! survives being read aloud over a radio and contains no character that a shell or a file system minds.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use data_encoding::BASE32_NOPAD_NOCASE;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bytes of a text that was meant to be an id and isn't one.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{text}` is not {what}: expected {chars} characters a-z and 2-7; copy it whole from `greenline list`")]
pub struct BadId {
    text: String,
    what: &'static str,
    chars: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = $bytes;

            /// The first eight characters: enough for a person to tell two apart on a screen, never used as a key.
            #[must_use]
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(8);
                text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32_NOPAD_NOCASE.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.short())
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let bad = || BadId {
                    text: text.chars().take(80).collect(),
                    what: $what,
                    chars: ($bytes * 8usize).div_ceil(5),
                };
                let bytes = BASE32_NOPAD_NOCASE.decode(text.trim().as_bytes()).map_err(|_| bad())?;
                Ok(Self(bytes.try_into().map_err(|_| bad())?))
            }
        }
    };
}

id!(
    /// A site: BLAKE3 of the site authority's Ed25519 public key.
    SiteId, 32, "a site id"
);
id!(
    /// A device: its Ed25519 public key, which is its libp2p identity and its TLS identity too.
    DeviceId, 32, "a device id"
);
id!(
    /// One author's log, in 16 bytes: what frontiers are keyed by. See [`Author::log`].
    LogId, 16, "a log id"
);
id!(
    /// One person's check. Made at capture from the device and a random number; see [`crate::statement::capture_id`].
    CaptureId, 16, "a capture id"
);
id!(
    /// Sealed bytes beside the log: BLAKE3 of the ciphertext.
    BlobId, 32, "a blob id"
);
id!(
    /// BLAKE3 of an encoded header: the name of an entry, and what the next entry of its log points back to.
    EntryHash, 32, "an entry hash"
);

/// Who writes a log: one install of one device. A device that was restored from a backup or copied goes on under another
/// epoch, in a new log, instead of forking the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Author {
    /// The device, whose key signs the entries.
    pub device: DeviceId,
    /// Which install of it: 0 for the first, any other number for those after it.
    pub epoch: u32,
}

/// What log ids are derived under. It is made once: they are asked for all the time.
static LOG_ID: LazyLock<ContextKey> = LazyLock::new(|| hash_derive_key_context("greenline log id v1"));

impl Author {
    /// The log's name: 16 bytes of BLAKE3 over device and epoch, so that a frontier of 50 logs fits in a kilobyte.
    #[must_use]
    pub fn log(&self) -> LogId {
        let mut bytes = [0; 36];
        bytes[..32].copy_from_slice(&self.device.0);
        bytes[32..].copy_from_slice(&self.epoch.to_be_bytes());
        LogId(first_16(blake3::Hasher::new_from_context_key(&LOG_ID).update(&bytes).finalize()))
    }

    /// The Automerge actor under which this author edits `document`: 16 bytes of BLAKE3 over device, epoch and document.
    ///
    /// With the bare device key, a restored or cloned device would reissue (actor, seq) and wedge every replica.
    #[must_use]
    pub fn actor(&self, document: &[u8]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_derive_key("greenline automerge actor v1");
        hasher.update(&self.device.0);
        hasher.update(&self.epoch.to_be_bytes());
        hasher.update(document);
        first_16(hasher.finalize())
    }
}

impl DeviceId {
    /// The first eight bytes: which of a payload's wrapped keys is whose.
    #[must_use]
    pub fn prefix(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        [a, b, c, d, e, f, g, h]
    }
}

impl EntryHash {
    /// What the first entry of a log points back to.
    pub const NONE: Self = Self([0; 32]);

    /// The first eight bytes, which travel in frontiers to show that two replicas hold the same history.
    #[must_use]
    pub fn prefix(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        [a, b, c, d, e, f, g, h]
    }
}

fn first_16(hash: blake3::Hash) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_prints_whatever_the_case() {
        let id = CaptureId([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn a_cut_or_foreign_text_is_refused_with_what_was_expected() {
        let error = "abc".parse::<CaptureId>().unwrap_err().to_string();
        assert!(error.contains("26 characters"), "{error}");
        assert!("é".repeat(26).parse::<DeviceId>().is_err());
    }

    #[test]
    fn two_installs_of_one_device_write_two_logs() {
        let device = DeviceId([1; 32]);
        let (a, b) = (Author { device, epoch: 0 }, Author { device, epoch: 1 });
        assert_ne!(a.log(), b.log());
        assert_ne!(a.actor(b"doc"), b.actor(b"doc"));
        assert_ne!(a.actor(b"doc"), a.actor(b"other"));
    }
}
