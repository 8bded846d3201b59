//! A device's or a hub's folder: keys, memberships, stores.
//!
//! ```text
//! HOME/device.key                   the device's seed and the key of its stores: a keystore, see `keystore.rs`
//! HOME/sites/<name>/membership      manifest, certificate, hubs, group keys; encrypted
//! HOME/sites/<name>/store/          entries and blobs; encrypted
//! HOME/sites/<name>/trail/          who was shown what; encrypted
//! HOME/gallery/                     a hub's people with known prints; encrypted
//! HOME/api.token                    what a local program shows to use the API; owner only
//! HOME/api.json                     where the running device listens
//! ```
//!
//! The names of the sites' folders are made with the seed, so that a copied folder doesn't even tell which site it is of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

use crdt::codec::{decode, encode};
use crdt::entry::DeviceKey;
use crdt::ids::SiteId;
use crdt::replica::{Identity, Membership};
use crdt::seal::{GroupKey, SealingSecret, Seed, derive};
use crdt::site::{Certificate, Manifest, Request};
use crdt::vault::{NONCE_BYTES, VaultKey};
use data_encoding::BASE32_NOPAD_NOCASE as BASE32;
use gateway::trail::{Place, TrailError};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) use crate::files::fill_random;
use crate::files::{dice, make_private_dir, read_at_most, read_text_of, write_private, write_text};
use crate::keystore::{DICE_BYTES, KeyFile, Keystore, KeystoreError, Opener, Protection};

/// Of keys in the clear, as they were first written, and of a keystore.
const KEY_HEADERS: [&str; 2] = ["greenline device key 1", "greenline device key 2"];
/// Of a membership in the clear, as it was first written, and of an encrypted one.
const MEMBERSHIP_HEADERS: [&str; 2] = ["greenline membership 1", "greenline membership 2"];
const MEMBERSHIP_CONTEXT: &[u8] = b"greenline membership";
const KEYS_CONTEXT: &str = "greenline device";
const KEY_FILE_HEADER: &str = "greenline key file 1";
const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Longest file of a token, in bytes: ours has 32.
pub const TOKEN_BYTES_MAX: u64 = 1_024;
/// Longest file that says where a device can be reached, in bytes.
pub const ANNOUNCEMENT_BYTES_MAX: u64 = 4 * 1024;

/// Why a home folder can't be used.
#[derive(Debug, Error)]
pub enum HomeError {
    /// There is none.
    #[error("{path} is no device's folder")]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The device hasn't joined a site yet.
    #[error("this device belongs to no site yet")]
    NotJoined,
    /// The device belongs to several sites.
    #[error("this device belongs to {0} sites, and only a hub may")]
    SeveralSites(usize),
    /// A file isn't what this program writes.
    #[error("{path} can't be read: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Keys aren't overwritten.
    #[error("there are keys in {path} already")]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
    /// The keys don't open.
    #[error("{path}: {error}")]
    Keystore {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: KeystoreError,
    },
    /// What is about to be done can't be noted.
    #[error(transparent)]
    Trail(#[from] TrailError),
    /// No device runs on this folder.
    #[error("no device is running on {path}")]
    NotRunning {
        /// The folder.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Its word.
        error: io::Error,
    },
}

impl HomeError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "make one with `greenline device request --home FOLDER`",
            Self::NotJoined => {
                "run `greenline device request`, let the supervisor answer it with `greenline device enrol`, then \
                 `greenline device join`"
            }
            Self::SeveralSites(_) => "use one folder per site, with --home",
            Self::Damaged { .. } => "restore the file from a backup, or enrol the device anew in another folder",
            Self::Exists { .. } => "choose another place; keys that are lost can't be made again",
            Self::Keystore { error, .. } => error.hint(),
            Self::Trail(error) => error.hint(),
            Self::NotRunning { .. } => "start it with `greenline run`, in another window, with the same --home",
            Self::Io { .. } => "check that the folder is there, that it is yours and that the disk has room",
        }
    }
}

/// What is kept of a site that the device belongs to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MembershipFile {
    /// The site's manifest.
    pub manifest: Manifest,
    /// This device's certificate.
    pub certificate: Certificate,
    /// Hubs certified so far.
    pub hubs: Vec<Certificate>,
    /// Keys that members share.
    pub group_keys: Vec<GroupKey>,
}

/// Where a running device or hub can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Base address of its API, on loopback.
    pub url: String,
    /// Its process.
    pub pid: u32,
}

/// The secrets of a device.
struct Keys {
    /// What its signing and sealing keys come from.
    seed: Zeroizing<Seed>,
    /// What its stores, and a hub's gallery, are encrypted under.
    store: VaultKey,
}

/// A device's folder. Its keys are read when they are first needed, unless they are under a passphrase or a key file: then
/// [`Home::unlock`] reads them.
#[derive(Clone)]
pub struct Home {
    dir: PathBuf,
    keys: Option<Arc<Keys>>,
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Home {
    /// An existing folder.
    pub fn open(dir: &Path) -> Result<Self, HomeError> {
        let home = Self { dir: dir.to_owned(), keys: None };
        if home.key_path().is_file() { Ok(home) } else { Err(HomeError::Missing { path: dir.to_owned() }) }
    }

    /// An existing folder with its keys, which stay in memory as long as this value or a copy of it.
    pub fn unlock(dir: &Path, opener: &Opener) -> Result<Self, HomeError> {
        let home = Self::open(dir)?;
        let keys = Some(Arc::new(home.read_keys(opener)?));
        Ok(Self { keys, ..home })
    }

    /// An existing folder, or a new one with fresh keys that nothing protects: for exercises and tests.
    pub fn create(dir: &Path) -> Result<Self, HomeError> {
        Self::create_under(dir, &Opener::Nothing)
    }

    /// An existing folder, or a new one with fresh keys under a passphrase or a key file.
    pub fn create_under(dir: &Path, opener: &Opener) -> Result<Self, HomeError> {
        let home = Self { dir: dir.to_owned(), keys: None };
        if !home.key_path().exists() {
            make_private_dir(dir)?;
            let keys = Keys { seed: dice(dir)?, store: VaultKey::new(*dice(dir)?) };
            home.write_keys(&keys, opener)?;
        }
        Self::unlock(dir, opener)
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the keys are under.
    pub fn protection(&self) -> Result<Protection, HomeError> {
        Ok(self.keystore()?.map_or(Protection::Nothing, |keystore| keystore.protection()))
    }

    /// Puts the keys under `opener` from now on, and whatever older programs left in the clear too. Nothing may run on the
    /// folder. What can't be promised is that the disk forgets the old files: they are overwritten as well as it allows.
    pub fn protect(&self, opener: &Opener) -> Result<(), HomeError> {
        let keys = self.keys()?;
        for site in self.sites()? {
            let (old, new) = (self.site_dir(&keys, site), self.hidden_site_dir(&keys, site));
            let file = self.membership_file(&keys, &old)?;
            self.write_membership(&keys, &old, &file)?;
            if old != new {
                fs::rename(&old, &new).map_err(|error| HomeError::Io { path: old, error })?;
            }
        }
        self.write_keys(&keys, opener)
    }

    /// What the device asks the supervisor to certify.
    pub fn request(&self) -> Result<Request, HomeError> {
        Ok(Request { device: self.key()?.id(), sealing_key: self.sealing()?.public() })
    }

    /// The signing key.
    pub fn key(&self) -> Result<DeviceKey, HomeError> {
        Ok(DeviceKey::from_seed(derive(&self.keys()?.seed, "signing")))
    }

    /// The key that opens what is sealed to the device.
    pub fn sealing(&self) -> Result<SealingSecret, HomeError> {
        Ok(SealingSecret::from_seed(&Zeroizing::new(derive(&self.keys()?.seed, "sealing"))))
    }

    /// What the store of a site is encrypted under.
    pub fn store_key(&self, site: SiteId) -> Result<VaultKey, HomeError> {
        Ok(self.keys()?.store.derive(&format!("store {site}")))
    }

    /// Where a site's trail is kept, and under what key.
    pub fn trail(&self, site: SiteId) -> Result<Place, HomeError> {
        let keys = self.keys()?;
        let dir = self.site_dir(&keys, site).join("trail");
        let key = keys.store.derive(&format!("trail {site}"));
        Ok(Place { dir, key, site, device: self.key()?.id() })
    }

    /// What a hub's gallery is encrypted under.
    pub fn gallery_key(&self) -> Result<VaultKey, HomeError> {
        Ok(self.keys()?.store.derive("gallery"))
    }

    /// The sites that the device belongs to.
    pub fn sites(&self) -> Result<Vec<SiteId>, HomeError> {
        let path = self.dir.join("sites");
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(HomeError::Io { path, error }),
        };
        let keys = self.keys()?;
        let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let joined = folders.filter(|folder| folder.join("membership").is_file());
        let sites = joined.map(|folder| Ok(self.membership_file(&keys, &folder)?.manifest.site()));
        let mut sites = sites.collect::<Result<Vec<_>, HomeError>>()?;
        sites.sort();
        sites.dedup();
        Ok(sites)
    }

    /// The one site of a device.
    pub fn site(&self) -> Result<SiteId, HomeError> {
        match self.sites()?.as_slice() {
            [] => Err(HomeError::NotJoined),
            [site] => Ok(*site),
            several => Err(HomeError::SeveralSites(several.len())),
        }
    }

    /// Joins a site, or renews the membership. Log and store stay.
    pub fn join(&self, file: &MembershipFile) -> Result<(), HomeError> {
        let keys = self.keys()?;
        let folder = self.site_dir(&keys, file.manifest.site());
        make_private_dir(&folder)?;
        self.write_membership(&keys, &folder, file)
    }

    /// Who the device is at a site, and what it was given there.
    pub fn membership(&self, site: SiteId) -> Result<(Identity, Membership), HomeError> {
        let keys = self.keys()?;
        let folder = self.site_dir(&keys, site);
        let damaged = |why: String| HomeError::Damaged { path: folder.join("membership"), why };
        let file = self.membership_file(&keys, &folder)?;
        file.manifest.verify().map_err(|error| damaged(error.to_string()))?;
        file.certificate.verify(&file.manifest).map_err(|error| damaged(error.to_string()))?;
        let key = self.key()?;
        if file.certificate.device != key.id() {
            return Err(damaged("the certificate is of another device".into()));
        }
        let identity = Identity { key, sealing: self.sealing()?, certificate: file.certificate };
        let membership = Membership { manifest: file.manifest, group_keys: file.group_keys, hubs: file.hubs };
        Ok((identity, membership))
    }

    /// Where a site's entries and blobs are.
    pub fn store_dir(&self, site: SiteId) -> Result<PathBuf, HomeError> {
        let keys = self.keys()?;
        Ok(self.site_dir(&keys, site).join("store"))
    }

    /// A hub's people with known prints.
    #[must_use]
    pub fn gallery_dir(&self) -> PathBuf {
        self.dir.join("gallery")
    }

    /// The secret that local programs show to use the API; made at the first call.
    pub fn token(&self) -> Result<String, HomeError> {
        let path = self.dir.join("api.token");
        let unfit =
            |path, what| Err(HomeError::Damaged { path, why: format!("{what}; remove it and a new one is made") });
        match read_at_most(&path, TOKEN_BYTES_MAX).map(String::from_utf8) {
            Ok(Ok(token)) if !token.trim().is_empty() => Ok(token.trim().to_owned()),
            Ok(Ok(_)) => unfit(path, "it is empty"),
            Ok(Err(_)) => unfit(path, "it isn't text"),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => unfit(path, "it is longer than any token"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = BASE32.encode(&*dice::<20>(&self.dir)?).to_ascii_lowercase();
                write_private(&path, token.as_bytes())?;
                Ok(token)
            }
            Err(error) => Err(HomeError::Io { path, error }),
        }
    }

    /// Says where the running device can be reached.
    pub fn announce(&self, url: &str) -> Result<(), HomeError> {
        let announcement = Announcement { url: url.to_owned(), pid: std::process::id() };
        let text = serde_json::to_vec(&announcement).unwrap_or_default();
        write_private(&self.announcement_path(), &text)
    }

    /// Takes that back, at a clean stop.
    pub fn withdraw(&self) {
        // If it can't be removed, clients find nobody there and say so.
        let _ = fs::remove_file(self.announcement_path());
    }

    /// Where the running device can be reached.
    pub fn announced(&self) -> Result<Announcement, HomeError> {
        let text = read_at_most(&self.announcement_path(), ANNOUNCEMENT_BYTES_MAX);
        let found = text.ok().and_then(|text| serde_json::from_slice(&text).ok());
        found.ok_or_else(|| HomeError::NotRunning { path: self.dir.clone() })
    }

    fn keys(&self) -> Result<Arc<Keys>, HomeError> {
        match &self.keys {
            Some(keys) => Ok(Arc::clone(keys)),
            None => self.read_keys(&Opener::Nothing).map(Arc::new),
        }
    }

    fn read_keys(&self, opener: &Opener) -> Result<Keys, HomeError> {
        let path = self.key_path();
        let damaged = || HomeError::Damaged { path: path.clone(), why: "it hasn't the length of keys".into() };
        let (version, bytes) = read_text_of(&path, &KEY_HEADERS)?;
        if version == 0 {
            let seed: Zeroizing<Seed> = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| damaged())?);
            let store = VaultKey::new(derive(&seed, "store"));
            return Ok(Keys { seed, store });
        }
        let secrets = Keystore::decode(&bytes).and_then(|keystore| keystore.open(KEYS_CONTEXT, opener));
        let secrets = secrets.map_err(|error| HomeError::Keystore { path: path.clone(), error })?;
        let (seed, store) = secrets.split_first_chunk::<32>().ok_or_else(damaged)?;
        let store = VaultKey::new(store.try_into().map_err(|_| damaged())?);
        Ok(Keys { seed: Zeroizing::new(*seed), store })
    }

    fn write_keys(&self, keys: &Keys, opener: &Opener) -> Result<(), HomeError> {
        let path = self.key_path();
        let secrets = Zeroizing::new([keys.seed.as_slice(), keys.store.reveal()].concat());
        let keystore = Keystore::seal(KEYS_CONTEXT, &secrets, opener, &*dice::<DICE_BYTES>(&path)?);
        let keystore = keystore.map_err(|error| HomeError::Keystore { path: path.clone(), error })?;
        write_text(&path, KEY_HEADERS[1], &keystore.encode())
    }

    /// `None` for keys in the clear, as they were first written.
    fn keystore(&self) -> Result<Option<Keystore>, HomeError> {
        let path = self.key_path();
        let (version, bytes) = read_text_of(&path, &KEY_HEADERS)?;
        let decoded = (version > 0).then(|| Keystore::decode(&bytes)).transpose();
        decoded.map_err(|error| HomeError::Keystore { path, error })
    }

    fn membership_file(&self, keys: &Keys, folder: &Path) -> Result<MembershipFile, HomeError> {
        let path = folder.join("membership");
        let (version, bytes) = read_text_of(&path, &MEMBERSHIP_HEADERS)?;
        let damaged = |why: String| HomeError::Damaged { path: path.clone(), why };
        let plain = match version {
            0 => bytes,
            _ => {
                let opened = keys.memberships().open(MEMBERSHIP_CONTEXT, &bytes);
                opened.map_err(|_| damaged("it was changed, or is another device's".into()))?
            }
        };
        decode(&plain, FILE_BYTES_MAX).map_err(|error| damaged(error.to_string()))
    }

    fn write_membership(&self, keys: &Keys, folder: &Path, file: &MembershipFile) -> Result<(), HomeError> {
        let path = folder.join("membership");
        let plain = Zeroizing::new(encode(file));
        let sealed = keys.memberships().seal(MEMBERSHIP_CONTEXT, &plain, &*dice::<NONCE_BYTES>(&path)?);
        write_text(&path, MEMBERSHIP_HEADERS[1], &sealed)
    }

    fn key_path(&self) -> PathBuf {
        self.dir.join("device.key")
    }

    /// A site's folder: by the name that older programs gave it, if it is there.
    fn site_dir(&self, keys: &Keys, site: SiteId) -> PathBuf {
        let open = self.dir.join("sites").join(site.to_string());
        if open.join("membership").is_file() { open } else { self.hidden_site_dir(keys, site) }
    }

    fn hidden_site_dir(&self, keys: &Keys, site: SiteId) -> PathBuf {
        let name = keys.memberships().name(&site.0);
        self.dir.join("sites").join(BASE32.encode(&name).to_ascii_lowercase())
    }

    fn announcement_path(&self) -> PathBuf {
        self.dir.join("api.json")
    }
}

impl Keys {
    fn memberships(&self) -> VaultKey {
        VaultKey::new(*self.seed).derive("memberships")
    }
}

/// Makes a key file: what protects the keys of a device that starts unattended.
pub fn make_key_file(path: &Path) -> Result<(), HomeError> {
    if path.exists() {
        return Err(HomeError::Exists { path: path.to_owned() });
    }
    write_text(path, KEY_FILE_HEADER, KeyFile::new(*dice(path)?).reveal())
}

/// Reads a key file.
pub fn read_key_file(path: &Path) -> Result<KeyFile, HomeError> {
    let (_, bytes) = read_text_of(path, &[KEY_FILE_HEADER])?;
    let seed = bytes.as_slice().try_into();
    let seed = seed.map_err(|_| HomeError::Damaged { path: path.to_owned(), why: "it isn't 32 bytes long".into() })?;
    Ok(KeyFile::new(seed))
}

/// A key file's text, which is what a program sends to unlock a running device.
pub fn parse_key_file(text: &str) -> Option<KeyFile> {
    let bytes = Zeroizing::new(BASE32.decode(text.strip_prefix(KEY_FILE_HEADER)?.trim().as_bytes()).ok()?);
    Some(KeyFile::new(bytes.as_slice().try_into().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::enrol::{SiteFolder, join, read_request, request_text};
    use crate::keystore::Passphrase;
    use crdt::site::{Policy, Roles};

    fn passphrase(text: &str) -> Opener {
        Opener::Passphrase(Passphrase::typed(Zeroizing::new(text.to_owned())))
    }

    /// A member's home, and its site.
    fn member(dir: &Path, opener: &Opener) -> (Home, SiteId) {
        let mut site = SiteFolder::found(&dir.join("site"), "MARKER Post 4", Policy::default()).unwrap();
        let home = Home::create_under(&dir.join("ana"), opener).unwrap();
        let request = read_request(&request_text(&home.request().unwrap())).unwrap();
        let (_, answer) = site.enrol(&request, Roles::OFFICER, "MARKER ana", 1_800_000_000_000, 30).unwrap();
        join(&home, &answer).unwrap();
        (home, site.manifest().site())
    }

    /// A home as programs wrote it before there were keystores: everything in the clear.
    fn as_it_was(home: &Home, site: SiteId) {
        let keys = home.keys().unwrap();
        let file = home.membership_file(&keys, &home.hidden_site_dir(&keys, site)).unwrap();
        let folder = home.dir.join("sites").join(site.to_string());
        fs::rename(home.hidden_site_dir(&keys, site), &folder).unwrap();
        write_text(&folder.join("membership"), MEMBERSHIP_HEADERS[0], &encode(&file)).unwrap();
        write_text(&home.key_path(), KEY_HEADERS[0], keys.seed.as_slice()).unwrap();
    }

    fn holds(dir: &Path, needle: &[u8]) -> bool {
        fs::read_dir(dir).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                return path.to_string_lossy().contains(&*String::from_utf8_lossy(needle)) || holds(&path, needle);
            }
            let text = fs::read_to_string(path).unwrap();
            let bytes = BASE32.decode(text.lines().nth(1).unwrap_or_default().as_bytes()).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle)
        })
    }

    #[test]
    fn a_home_of_an_older_program_is_read_and_protecting_it_leaves_nothing_in_the_clear() {
        let dir = tempfile::tempdir().unwrap();
        let (home, site) = member(dir.path(), &Opener::Nothing);
        let id = home.key().unwrap().id();
        as_it_was(&home, site);
        let home = Home::open(home.dir()).unwrap();
        let seed = home.keys().unwrap().seed.to_vec();
        let clear = [b"MARKER".to_vec(), seed, site.to_string().into_bytes()];
        assert!(clear.iter().all(|needle| holds(home.dir(), needle)), "the search can fail");
        assert_eq!((home.key().unwrap().id(), home.site().unwrap()), (id, site));
        let store_key = home.store_key(site).unwrap();

        home.protect(&passphrase("a few words")).unwrap();
        assert!(!clear.iter().any(|needle| holds(home.dir(), needle)));
        let home = Home::unlock(home.dir(), &passphrase("a few words")).unwrap();
        assert_eq!((home.key().unwrap().id(), home.site().unwrap()), (id, site));
        assert_eq!(home.store_key(site).unwrap(), store_key);
        assert_eq!(home.membership(site).unwrap().0.certificate.alias, "MARKER ana");
    }

    #[test]
    fn without_the_passphrase_a_home_has_a_token_and_no_keys() {
        let dir = tempfile::tempdir().unwrap();
        let (home, _) = member(dir.path(), &passphrase("a few words"));
        let locked = Home::open(home.dir()).unwrap();
        assert!(locked.token().is_ok());
        for error in
            [locked.key().err(), locked.site().err(), locked.request().err(), locked.protect(&Opener::Nothing).err()]
        {
            let Some(HomeError::Keystore { error, .. }) = error else { panic!("{error:?}") };
            assert_eq!(error, KeystoreError::NeedsPassphrase);
        }
        assert!(matches!(
            Home::create_under(home.dir(), &passphrase("other words")),
            Err(HomeError::Keystore { error: KeystoreError::WrongPassphrase, .. })
        ));
        assert!(home.site().is_ok(), "nothing was lost");
    }
}
