//! The files of a site's authority: its key in a keystore, and what it knows of the site under a key derived from that one.
//!
//! ```text
//! FOLDER/authority.key    the authority's seed: a keystore, see `keystore.rs`
//! FOLDER/site             manifest, group keys, roster, join codes; encrypted
//! FOLDER/trail/           what was done with the key, and by whom; encrypted
//! FOLDER/lock             who has it locked may write
//! an export               both in one keystore, for another machine or a safe
//! ```
//!
//! What is done is noted in the trail before it is done.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crdt::audit::{Act, Record};
use crdt::codec::{decode, encode};
use crdt::entry::DeviceKey;
use crdt::seal::{Seed, derive};
use crdt::site::Authority;
use crdt::vault::{NONCE_BYTES, VaultKey};
use gateway::driver::now_ms;
use gateway::trail::{Journal, Place};
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

/// Who uses an authority's folder and why, for its trail.
#[derive(Clone, Debug)]
pub struct Acting {
    /// In their own words.
    pub operator: String,
    /// Likewise.
    pub why: String,
}

impl Default for Acting {
    /// Somebody who doesn't say.
    fn default() -> Self {
        Self { operator: "authority".into(), why: String::new() }
    }
}

/// Nobody else writes in an authority's folder as long as this lives.
pub(crate) struct Alone(#[expect(dead_code, reason = "what counts is that it is locked")] File);

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
    pub(crate) fn make(dir: &Path, opener: &Opener) -> Result<(Self, Alone), HomeError> {
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

    /// The authority.
    pub(crate) fn authority(&self) -> Authority {
        Authority::from_seed(derive(&self.seed, "authority"))
    }

    /// Its key, as what writes the trail.
    pub(crate) fn key(&self) -> DeviceKey {
        DeviceKey::from_seed(derive(&self.seed, "authority"))
    }

    /// Where its trail is.
    pub(crate) fn trail(&self) -> Place {
        let key = VaultKey::new(*self.seed).derive("trail");
        Place { dir: self.dir.join("trail"), key, site: self.authority().site(), device: self.key().id() }
    }

    /// Notes what is about to be done, at this time. It may be done once this returns.
    pub(crate) fn note(&self, _: &Alone, acting: &Acting, now_ms: u64, acts: &[Act]) -> Result<(), HomeError> {
        let record = |act: &Act| {
            let Acting { operator, why } = acting.clone();
            Record { at_ms: now_ms, operator, act: *act, captures: Vec::new(), why, times: 1 }
        };
        Ok(Journal::open(self.trail(), now_ms)?.append(now_ms, acts.iter().map(record).collect())?)
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

    /// Keeps other processes from writing, as long as the result lives; waits for one that does.
    pub(crate) fn lock(&self) -> Result<Alone, HomeError> {
        lock(&self.dir)
    }

    /// Writes what is known of the site.
    pub(crate) fn write_site(&self, _: &Alone, plain: &[u8]) -> Result<(), HomeError> {
        let path = site_path(&self.dir);
        let sealed = self.site_key().seal(SITE_CONTEXT, plain, &*dice::<NONCE_BYTES>(&path)?);
        write_text(&path, SITE_HEADERS[2], &sealed)
    }

    /// A key in a folder that has none.
    fn put(dir: &Path, seed: Zeroizing<Seed>, opener: &Opener) -> Result<(Self, Alone), HomeError> {
        make_private_dir(dir)?;
        let alone = lock(dir)?;
        if Self::exists(dir) {
            return Err(HomeError::Exists { path: dir.to_owned() });
        }
        write(&key_path(dir), KEY_HEADERS[1], KEY_CONTEXT, seed.as_slice(), opener)?;
        Ok((Self { dir: dir.to_owned(), seed }, alone))
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
pub fn protect(dir: &Path, old: &Opener, new: &Opener, acting: &Acting) -> Result<(), HomeError> {
    let vault = Vault::unlock(dir, old)?;
    let alone = vault.lock()?;
    vault.note(&alone, acting, now_ms(), &[Act::Protected(new.under())])?;
    vault.write_site(&alone, &vault.read_site()?)?;
    write(&key_path(dir), KEY_HEADERS[1], KEY_CONTEXT, vault.seed.as_slice(), new)
}

/// Writes key, manifest, group keys and roster of an authority into one file, under `cover`.
pub fn export(dir: &Path, opener: &Opener, file: &Path, cover: &Opener, acting: &Acting) -> Result<(), HomeError> {
    let vault = Vault::unlock(dir, opener)?;
    let alone = vault.lock()?;
    vault.note(&alone, acting, now_ms(), &[Act::KeyExported])?;
    let content = Export { seed: *vault.seed, site: vault.read_site()?.to_vec() };
    let content = Zeroizing::new(encode(&content));
    write(file, EXPORT_HEADERS[1], EXPORT_CONTEXT, &content, cover)
}

/// What an exported file is under.
pub fn export_protection(file: &Path) -> Result<Protection, HomeError> {
    let (_, bytes) = read_text_of(file, &EXPORT_HEADERS)?;
    keystore(file, &bytes).map(|keystore| keystore.protection())
}

/// Makes an authority's folder of an exported file, under what the file was under. There must be none yet. Its trail begins here:
/// what was done before is in that of the folder that was exported.
pub fn import(file: &Path, opener: &Opener, dir: &Path, acting: &Acting) -> Result<(), HomeError> {
    if Vault::exists(dir) {
        return Err(HomeError::Exists { path: dir.to_owned() });
    }
    let (_, bytes) = read_text_of(file, &EXPORT_HEADERS)?;
    let content = open(file, &bytes, EXPORT_CONTEXT, opener)?;
    let damaged = |why: String| HomeError::Damaged { path: file.to_owned(), why };
    let content: Export = decode(&content, FILE_BYTES_MAX).map_err(|error| damaged(error.to_string()))?;
    let (vault, alone) = Vault::put(dir, Zeroizing::new(content.seed), opener)?;
    vault.note(&alone, acting, now_ms(), &[Act::KeyImported])?;
    vault.write_site(&alone, &content.site)
}

fn lock(dir: &Path) -> Result<Alone, HomeError> {
    let path = dir.join("lock");
    let io = |error| HomeError::Io { path: path.clone(), error };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(io)?;
    file.lock().map_err(io)?;
    Ok(Alone(file))
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
