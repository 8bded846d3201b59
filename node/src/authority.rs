//! The files of a site's authority: its key in a keystore, and what it knows of the site under a key derived from that one.
//!
//! ```text
//! FOLDER/authority.key    the authority's seed: a keystore, see `keystore.rs`
//! FOLDER/site             manifest, group keys, roster, join codes; encrypted
//! an export               both in one keystore, for another machine or a safe
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use crdt::codec::{decode, encode};
use crdt::seal::Seed;
use crdt::vault::{NONCE_BYTES, VaultKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::files::{dice, make_private_dir, read_text_of, write_text};
use crate::home::HomeError;
use crate::keystore::{DICE_BYTES, Keystore, Opener, Protection};

/// Of a key in the clear, as it was first written, and of a keystore.
const KEY_HEADERS: [&str; 2] = ["greenline site authority key 1", "greenline site authority key 2"];
/// Of what is known of the site in the clear, as it was first written; encrypted; and with join codes.
const SITE_HEADERS: [&str; 3] = ["greenline site 1", "greenline site 2", "greenline site 3"];
/// Of an export without join codes, and with them.
const EXPORT_HEADERS: [&str; 2] = ["greenline site export 1", "greenline site export 2"];
const KEY_CONTEXT: &str = "greenline site authority";
const SITE_CONTEXT: &[u8] = b"greenline site";
const EXPORT_CONTEXT: &str = "greenline site export";
const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What an export holds.
#[derive(Serialize, Deserialize)]
struct Export {
    seed: Seed,
    site: Vec<u8>,
}

/// The folder of an authority, with the key open.
pub(crate) struct Vault {
    dir: PathBuf,
    seed: Zeroizing<Seed>,
}

impl Vault {
    /// Whether there is an authority in a folder.
    pub(crate) fn exists(dir: &Path) -> bool {
        key_path(dir).exists()
    }

    /// A new folder with a fresh key under `opener`.
    pub(crate) fn make(dir: &Path, opener: &Opener) -> Result<Self, HomeError> {
        Self::put(dir, dice(dir)?, opener)
    }

    /// An existing folder.
    pub(crate) fn unlock(dir: &Path, opener: &Opener) -> Result<Self, HomeError> {
        let path = key_path(dir);
        let (version, bytes) = read_text_of(&path, &KEY_HEADERS)?;
        let secret = match version {
            0 => bytes,
            _ => open(&path, &bytes, KEY_CONTEXT, opener)?,
        };
        let seed = secret.as_slice().try_into();
        let seed = seed.map_err(|_| HomeError::Damaged { path, why: "it isn't 32 bytes long".into() })?;
        Ok(Self { dir: dir.to_owned(), seed: Zeroizing::new(seed) })
    }

    /// The authority's seed.
    pub(crate) fn seed(&self) -> &Seed {
        &self.seed
    }

    /// What is known of the site, as it was written.
    pub(crate) fn read_site(&self) -> Result<Zeroizing<Vec<u8>>, HomeError> {
        let path = site_path(&self.dir);
        let (version, bytes) = read_text_of(&path, &SITE_HEADERS)?;
        if version == 0 {
            return Ok(bytes);
        }
        let opened = self.site_key().open(SITE_CONTEXT, &bytes);
        opened.map_err(|_| HomeError::Damaged { path, why: "it was changed, or is another authority's".into() })
    }

    /// Keeps other processes from writing what is known of the site, as long as the result lives. The key's file stands for it,
    /// which isn't written meanwhile.
    pub(crate) fn lock(&self) -> Result<File, HomeError> {
        let path = key_path(&self.dir);
        let io = |error| HomeError::Io { path: path.clone(), error };
        let file = File::open(&path).map_err(io)?;
        file.lock().map_err(io)?;
        Ok(file)
    }

    /// Writes what is known of the site.
    pub(crate) fn write_site(&self, plain: &[u8]) -> Result<(), HomeError> {
        let path = site_path(&self.dir);
        let sealed = self.site_key().seal(SITE_CONTEXT, plain, &*dice::<NONCE_BYTES>(&path)?);
        write_text(&path, SITE_HEADERS[2], &sealed)
    }

    fn put(dir: &Path, seed: Zeroizing<Seed>, opener: &Opener) -> Result<Self, HomeError> {
        make_private_dir(dir)?;
        write(&key_path(dir), KEY_HEADERS[1], KEY_CONTEXT, seed.as_slice(), opener)?;
        Ok(Self { dir: dir.to_owned(), seed })
    }

    fn site_key(&self) -> VaultKey {
        VaultKey::new(*self.seed).derive("site")
    }
}

/// What the key in an authority's folder is under.
pub fn protection(dir: &Path) -> Result<Protection, HomeError> {
    let (version, bytes) = read_text_of(&key_path(dir), &KEY_HEADERS)?;
    if version == 0 {
        return Ok(Protection::Nothing);
    }
    keystore(&key_path(dir), &bytes).map(|keystore| keystore.protection())
}

/// Puts the key in an authority's folder under `new` from now on, and what older programs left in the clear too.
pub fn protect(dir: &Path, old: &Opener, new: &Opener) -> Result<(), HomeError> {
    let vault = Vault::unlock(dir, old)?;
    vault.write_site(&vault.read_site()?)?;
    write(&key_path(dir), KEY_HEADERS[1], KEY_CONTEXT, vault.seed.as_slice(), new)
}

/// Writes key, manifest, group keys and roster of an authority into one file, under `cover`.
pub fn export(dir: &Path, opener: &Opener, file: &Path, cover: &Opener) -> Result<(), HomeError> {
    let vault = Vault::unlock(dir, opener)?;
    let content = Export { seed: *vault.seed, site: vault.read_site()?.to_vec() };
    let content = Zeroizing::new(encode(&content));
    write(file, EXPORT_HEADERS[1], EXPORT_CONTEXT, &content, cover)
}

/// What an exported file is under.
pub fn export_protection(file: &Path) -> Result<Protection, HomeError> {
    let (_, bytes) = read_text_of(file, &EXPORT_HEADERS)?;
    keystore(file, &bytes).map(|keystore| keystore.protection())
}

/// Makes an authority's folder of an exported file, under what the file was under. There must be none yet.
pub fn import(file: &Path, opener: &Opener, dir: &Path) -> Result<(), HomeError> {
    if Vault::exists(dir) {
        return Err(HomeError::Exists { path: dir.to_owned() });
    }
    let (_, bytes) = read_text_of(file, &EXPORT_HEADERS)?;
    let content = open(file, &bytes, EXPORT_CONTEXT, opener)?;
    let damaged = |why: String| HomeError::Damaged { path: file.to_owned(), why };
    let content: Export = decode(&content, FILE_BYTES_MAX).map_err(|error| damaged(error.to_string()))?;
    Vault::put(dir, Zeroizing::new(content.seed), opener)?.write_site(&content.site)
}

fn key_path(dir: &Path) -> PathBuf {
    dir.join("authority.key")
}

fn site_path(dir: &Path) -> PathBuf {
    dir.join("site")
}

fn keystore(path: &Path, bytes: &[u8]) -> Result<Keystore, HomeError> {
    Keystore::decode(bytes).map_err(|error| HomeError::Keystore { path: path.to_owned(), error })
}

fn open(path: &Path, bytes: &[u8], context: &str, opener: &Opener) -> Result<Zeroizing<Vec<u8>>, HomeError> {
    let opened = keystore(path, bytes)?.open(context, opener);
    opened.map_err(|error| HomeError::Keystore { path: path.to_owned(), error })
}

fn write(path: &Path, header: &str, context: &str, secrets: &[u8], opener: &Opener) -> Result<(), HomeError> {
    let keystore = Keystore::seal(context, secrets, opener, &*dice::<DICE_BYTES>(path)?);
    let keystore = keystore.map_err(|error| HomeError::Keystore { path: path.to_owned(), error })?;
    write_text(path, header, &keystore.encode())
}
