//! A device's or a hub's folder: keys, memberships, stores.
//!
//! ```text
//! HOME/device.key                   Ed25519 and X25519 seeds, readable by the owner only
//! HOME/sites/<site>/membership      manifest, certificate, hubs, group keys; owner only
//! HOME/sites/<site>/store/          entries and blobs
//! HOME/api.token                    what a local program shows to use the API; owner only
//! HOME/api.json                     where the running device listens
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crdt::codec::{decode, encode};
use crdt::entry::DeviceKey;
use crdt::ids::SiteId;
use crdt::replica::{Identity, Membership};
use crdt::seal::{GroupKey, SealingSecret, derive};
use crdt::site::{Certificate, Manifest, Request};
use data_encoding::BASE32_NOPAD_NOCASE as BASE32;
use serde::{Deserialize, Serialize};
use thiserror::Error;

const KEY_HEADER: &str = "greenline device key 1";
const MEMBERSHIP_HEADER: &str = "greenline membership 1";
const FILE_BYTES_MAX: usize = 1024 * 1024;

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

/// A device's folder.
#[derive(Clone, Debug)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// An existing folder.
    pub fn open(dir: &Path) -> Result<Self, HomeError> {
        let home = Self { dir: dir.to_owned() };
        if home.key_path().is_file() { Ok(home) } else { Err(HomeError::Missing { path: dir.to_owned() }) }
    }

    /// An existing folder, or a new one with fresh keys.
    pub fn create(dir: &Path) -> Result<Self, HomeError> {
        let home = Self { dir: dir.to_owned() };
        if !home.key_path().exists() {
            make_private_dir(dir)?;
            let mut seed = [0; 32];
            fill_random(&mut seed, dir)?;
            write_text(&home.key_path(), KEY_HEADER, &seed)?;
        }
        home.seed()?;
        Ok(home)
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the device asks the supervisor to certify.
    pub fn request(&self) -> Result<Request, HomeError> {
        Ok(Request { device: self.key()?.id(), sealing_key: self.sealing()?.public() })
    }

    /// The signing key.
    pub fn key(&self) -> Result<DeviceKey, HomeError> {
        Ok(DeviceKey::from_seed(derive(&self.seed()?, "signing")))
    }

    /// The key that opens what is sealed to the device.
    pub fn sealing(&self) -> Result<SealingSecret, HomeError> {
        Ok(SealingSecret::from_seed(&derive(&self.seed()?, "sealing")))
    }

    /// The sites that the device belongs to.
    pub fn sites(&self) -> Result<Vec<SiteId>, HomeError> {
        let path = self.dir.join("sites");
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(HomeError::Io { path, error }),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut sites: Vec<SiteId> = names.filter_map(|name| name.parse().ok()).collect();
        sites.retain(|site| self.membership_path(*site).is_file());
        sites.sort();
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
        let site = file.manifest.site();
        make_private_dir(&self.site_dir(site))?;
        write_text(&self.membership_path(site), MEMBERSHIP_HEADER, &encode(file))
    }

    /// Who the device is at a site, and what it was given there.
    pub fn membership(&self, site: SiteId) -> Result<(Identity, Membership), HomeError> {
        let path = self.membership_path(site);
        let bytes = read_text(&path, MEMBERSHIP_HEADER)?;
        let damaged = |why: String| HomeError::Damaged { path: path.clone(), why };
        let file: MembershipFile = decode(&bytes, FILE_BYTES_MAX).map_err(|error| damaged(error.to_string()))?;
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
    #[must_use]
    pub fn store_dir(&self, site: SiteId) -> PathBuf {
        self.site_dir(site).join("store")
    }

    /// A hub's people with known prints.
    #[must_use]
    pub fn gallery_dir(&self) -> PathBuf {
        self.dir.join("gallery")
    }

    /// The secret that local programs show to use the API; made at the first call.
    pub fn token(&self) -> Result<String, HomeError> {
        let path = self.dir.join("api.token");
        match fs::read_to_string(&path) {
            Ok(token) if !token.trim().is_empty() => Ok(token.trim().to_owned()),
            Ok(_) => Err(HomeError::Damaged { path, why: "it is empty; remove it and a new one is made".into() }),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(HomeError::Damaged { path, why: "it isn't text; remove it and a new one is made".into() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut secret = [0; 20];
                fill_random(&mut secret, &self.dir)?;
                let token = BASE32.encode(&secret).to_ascii_lowercase();
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
        let text = fs::read(self.announcement_path());
        let found = text.ok().and_then(|text| serde_json::from_slice(&text).ok());
        found.ok_or_else(|| HomeError::NotRunning { path: self.dir.clone() })
    }

    fn seed(&self) -> Result<[u8; 32], HomeError> {
        let path = self.key_path();
        let bytes = read_text(&path, KEY_HEADER)?;
        bytes.try_into().map_err(|_| HomeError::Damaged { path, why: "it isn't 32 bytes long".into() })
    }

    fn key_path(&self) -> PathBuf {
        self.dir.join("device.key")
    }

    fn site_dir(&self, site: SiteId) -> PathBuf {
        self.dir.join("sites").join(site.to_string())
    }

    fn membership_path(&self, site: SiteId) -> PathBuf {
        self.site_dir(site).join("membership")
    }

    fn announcement_path(&self) -> PathBuf {
        self.dir.join("api.json")
    }
}

/// Random bytes from the operating system.
pub(crate) fn fill_random(bytes: &mut [u8], path: &Path) -> Result<(), HomeError> {
    getrandom::fill(bytes)
        .map_err(|error| HomeError::Io { path: path.to_owned(), error: io::Error::other(error.to_string()) })
}

/// A folder that only its owner may enter.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), HomeError> {
    let io = |error| HomeError::Io { path: path.to_owned(), error };
    fs::create_dir_all(path).map_err(io)?;
    restrict(path, 0o700).map_err(io)
}

/// Bytes under a one-line header, as base32 text: survives being printed, mailed and pasted.
pub(crate) fn write_text(path: &Path, header: &str, bytes: &[u8]) -> Result<(), HomeError> {
    let text = format!("{header}\n{}\n", BASE32.encode(bytes).to_ascii_lowercase());
    write_private(path, text.as_bytes())
}

/// Reads what [`write_text`] wrote.
pub(crate) fn read_text(path: &Path, header: &str) -> Result<Vec<u8>, HomeError> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => HomeError::Missing { path: path.to_owned() },
        io::ErrorKind::InvalidData => HomeError::Damaged { path: path.to_owned(), why: "it isn't text".into() },
        _ => HomeError::Io { path: path.to_owned(), error },
    })?;
    let damaged = |why: &str| HomeError::Damaged { path: path.to_owned(), why: why.to_owned() };
    let (first, rest) = text.split_once('\n').ok_or_else(|| damaged("it is cut short"))?;
    if first.trim_end() != header {
        return Err(damaged("it is of another kind or version"));
    }
    BASE32.decode(rest.trim().as_bytes()).map_err(|_| damaged("it was changed"))
}

/// Writes a file that only its owner may read: whole or not at all, also through a power cut.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let io = |error| HomeError::Io { path: path.to_owned(), error };
    let temporary = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary).map_err(io)?;
    restrict(&temporary, 0o600).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&temporary, path).map_err(io)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}
