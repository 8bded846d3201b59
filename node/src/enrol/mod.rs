//! Enrolment without Internet: a device asks with one line of text, the site's authority answers with another.

pub mod code;
pub mod codes;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fixture;
pub mod live;
pub mod parts;
pub mod wire;
pub mod words;

use std::path::{Path, PathBuf};

use crdt::audit::{Act, Chain, Head, SignedHead};
use crdt::codec::{DecodeError, checksum, decode, encode};
use crdt::ids::DeviceId;
use crdt::revocation::{Charge, Order};
use crdt::seal::{GroupKey, Reader, SealError, Sealed, derive};
use crdt::site::{Authority, Certificate, CertificateError, Manifest, NAME_BYTES_MAX, Policy, Request, Roles};
use data_encoding::BASE32_NOPAD_NOCASE as BASE32;
use gateway::driver::now_ms;
use gateway::trail::{Journal, Place};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::codes::Issued;
use crate::authority::{Acting, Alone, Vault};
use crate::home::{Home, HomeError, MembershipFile, fill_random};
use crate::keystore::Opener;

const REQUEST_PREFIX: &str = "greenline-request:";
const ANSWER_PREFIX: &str = "greenline-answer:";
const TEXT_BYTES_MAX: usize = 64 * 1024;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const CONTEXT: &[u8] = b"greenline enrolment answer";

/// Why enrolment doesn't go on.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// The text is of another kind.
    #[error("this isn't {expected}: it should begin with `{prefix}`")]
    Kind {
        /// What it should be.
        expected: &'static str,
        /// How that begins.
        prefix: &'static str,
    },
    /// A picture holds nothing to read.
    #[error("there is no QR code in it that can be read")]
    NoCode,
    /// Some parts of a text weren't read.
    #[error("{here} of {of} parts were read")]
    PartsMissing {
        /// How many were.
        here: usize,
        /// How many there are.
        of: usize,
    },
    /// Parts of different texts.
    #[error("these are parts of different texts")]
    OtherParts,
    /// The text was cut or mistyped.
    #[error("the text was cut short or mistyped")]
    Mistyped,
    /// The answer doesn't fit this device or doesn't hold.
    #[error("the answer can't be used: {0}")]
    Certificate(#[from] CertificateError),
    /// The group keys in it can't be opened.
    #[error("the answer is sealed to another device")]
    Sealed(#[from] SealError),
    /// The name is too long or empty.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes")]
    Name,
    /// There is a site in that folder already.
    #[error("there is a site in {0} already")]
    Exists(PathBuf),
    /// A folder can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl EnrolError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Kind { .. } => {
                "`greenline device request` prints requests, for `device enrol`; `device enrol` prints answers, for \
                 `device join`"
            }
            Self::NoCode => "take the picture again: all of the code, sharp, and with its light margin",
            Self::PartsMissing { .. } => "give a picture of each part",
            Self::OtherParts => "give pictures of one answer's parts only",
            Self::Mistyped => "copy the whole line again, or pass it as a file",
            Self::Certificate(_) | Self::Sealed(_) => "use the answer to this device's own request",
            Self::Name => "choose a shorter one",
            Self::Exists(_) => "choose another folder; a site's key can't be made twice",
            Self::Home(error) => error.hint(),
        }
    }
}

/// What the authority answers.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    manifest: Manifest,
    certificate: Certificate,
    hubs: Vec<Certificate>,
    group_keys: Sealed,
}

/// The request of a device, as one line.
#[must_use]
pub fn request_text(request: &Request) -> String {
    to_text(REQUEST_PREFIX, request)
}

/// Reads a request.
pub fn read_request(text: &str) -> Result<Request, EnrolError> {
    from_text("a request", REQUEST_PREFIX, text)
}

/// Joins the site of an answer, or renews the membership there. Returns the manifest and the certificate.
pub fn join(home: &Home, text: &str) -> Result<(Manifest, Certificate), EnrolError> {
    let answer: Answer = from_text("an answer", ANSWER_PREFIX, text)?;
    answer.manifest.verify()?;
    answer.certificate.verify(&answer.manifest)?;
    if answer.certificate.device != home.key()?.id() {
        return Err(CertificateError::OtherDevice.into());
    }
    let plain = answer.group_keys.open(answer.certificate.device, &home.sealing()?, CONTEXT)?;
    let group_keys: Vec<GroupKey> = decode(&plain, TEXT_BYTES_MAX).map_err(|_| EnrolError::Mistyped)?;
    let hubs = answer.hubs.into_iter().filter(|hub| hub.verify(&answer.manifest).is_ok()).collect();
    let (manifest, certificate) = (answer.manifest, answer.certificate);
    home.join(&MembershipFile { manifest: manifest.clone(), certificate: certificate.clone(), hubs, group_keys })?;
    Ok((manifest, certificate))
}

#[derive(Debug, Serialize, Deserialize)]
struct SiteFile {
    manifest: Manifest,
    group_keys: Vec<GroupKey>,
    roster: Vec<Certificate>,
    codes: Vec<Issued>,
}

/// The same as older programs wrote it.
#[derive(Deserialize)]
struct SiteFileWithoutCodes {
    manifest: Manifest,
    group_keys: Vec<GroupKey>,
    roster: Vec<Certificate>,
}

/// The folder of a site's authority: keep it offline.
pub struct SiteFolder {
    dir: PathBuf,
    vault: Vault,
    authority: Authority,
    file: SiteFile,
    acting: Acting,
}

impl SiteFolder {
    /// Founds a site in a new folder, with a key that nothing protects: for exercises and tests.
    pub fn found(dir: &Path, name: &str, policy: Policy) -> Result<Self, EnrolError> {
        Self::found_under(dir, name, policy, &Opener::Nothing, Acting::default())
    }

    /// Founds a site in a new folder, with its key under a passphrase or a key file.
    pub fn found_under(
        dir: &Path,
        name: &str,
        policy: Policy,
        opener: &Opener,
        acting: Acting,
    ) -> Result<Self, EnrolError> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(EnrolError::Name);
        }
        if Vault::exists(dir) {
            return Err(EnrolError::Exists(dir.to_owned()));
        }
        let (vault, alone) = Vault::make(dir, opener)?;
        let authority = vault.authority();
        let manifest = authority.manifest(name, 1, policy);
        manifest.verify()?;
        let group_keys = vec![GroupKey::new(derive(vault.seed(), "first group key"))];
        let file = SiteFile { manifest, group_keys, roster: Vec::new(), codes: Vec::new() };
        let folder = Self { dir: dir.to_owned(), vault, authority, file, acting };
        folder.note(&alone, now_ms(), &[Act::Founded])?;
        folder.save(&alone)?;
        Ok(folder)
    }

    /// Opens a site's folder whose key nothing protects.
    pub fn open(dir: &Path) -> Result<Self, EnrolError> {
        Ok(Self::unlock(dir, &Opener::Nothing)?)
    }

    /// Opens a site's folder.
    pub fn unlock(dir: &Path, opener: &Opener) -> Result<Self, HomeError> {
        let vault = Vault::unlock(dir, opener)?;
        let file = read_site(&vault, dir)?;
        Ok(Self { dir: dir.to_owned(), authority: vault.authority(), vault, file, acting: Acting::default() })
    }

    /// The same, used by somebody who says who they are, and why.
    #[must_use]
    pub fn acting(self, acting: Acting) -> Self {
        Self { acting, ..self }
    }

    /// The site's manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.file.manifest
    }

    /// The certificates given so far, one per device.
    #[must_use]
    pub fn roster(&self) -> &[Certificate] {
        &self.file.roster
    }

    /// Whether a hub has been enrolled: without one, nobody can capture.
    #[must_use]
    pub fn has_hub(&self) -> bool {
        self.file.roster.iter().any(|certificate| certificate.roles.has(Roles::HUB))
    }

    /// Certifies a device and returns the answer's text. Again for the same device renews.
    ///
    /// Validity begins a day early, for clocks that are behind.
    pub fn enrol(
        &mut self,
        request: &Request,
        roles: Roles,
        alias: &str,
        now_ms: u64,
        days: u32,
    ) -> Result<(Certificate, String), EnrolError> {
        if alias.is_empty() || alias.len() > NAME_BYTES_MAX {
            return Err(EnrolError::Name);
        }
        let alone = self.refresh()?;
        let certificate = self.certify(&alone, request, (roles, alias), now_ms, days)?;
        let text = self.answer(&certificate)?;
        Ok((certificate, text))
    }

    /// Writes the roster with a new certificate in it.
    fn certify(
        &mut self,
        alone: &Alone,
        request: &Request,
        (roles, alias): (Roles, &str),
        now_ms: u64,
        days: u32,
    ) -> Result<Certificate, HomeError> {
        self.note(alone, now_ms, &[Act::Certified { device: request.device, roles, days }])?;
        let validity_ms = (now_ms.saturating_sub(DAY_MS), now_ms.saturating_add(u64::from(days) * DAY_MS));
        let certificate = self.authority.certify(request, roles, alias, validity_ms);
        self.file.roster.retain(|old| old.device != request.device);
        self.file.roster.push(certificate.clone());
        self.save(alone)?;
        Ok(certificate)
    }

    /// Signs that a device doesn't belong any more.
    pub fn revoke(&self, charge: Charge, now_ms: u64) -> Result<Order, HomeError> {
        let alone = self.vault.lock()?;
        self.note(&alone, now_ms, &[Act::Ordered { device: charge.device, cause: charge.cause }])?;
        Ok(self.authority.revoke(charge))
    }

    fn answer(&self, certificate: &Certificate) -> Result<String, EnrolError> {
        let mut seed = [0; 32];
        fill_random(&mut seed, &self.dir)?;
        let reader = Reader { device: certificate.device, sealing_key: certificate.sealing_key };
        let group_keys = Sealed::new(&encode(&self.file.group_keys), &[reader], CONTEXT, seed)?;
        let is_hub = |known: &&Certificate| known.roles.has(Roles::HUB);
        let answer = Answer {
            manifest: self.file.manifest.clone(),
            certificate: certificate.clone(),
            hubs: self.file.roster.iter().filter(is_hub).cloned().collect(),
            group_keys,
        };
        Ok(to_text(ANSWER_PREFIX, &answer))
    }

    /// Notes that the trail is handed out. Nobody writes it as long as the first result lives; the second is where it ends.
    pub(crate) fn hand_out(&self, now_ms: u64) -> Result<(Alone, Chain), HomeError> {
        let alone = self.vault.lock()?;
        self.note(&alone, now_ms, &[Act::Exported])?;
        let chain = Journal::open(self.trail(), now_ms)?.chain();
        Ok((alone, chain))
    }

    /// Where the trail is.
    pub(crate) fn trail(&self) -> Place {
        self.vault.trail()
    }

    /// Signs what is handed out of the trail.
    pub(crate) fn sign(&self, head: Head) -> SignedHead {
        head.sign(&self.vault.key())
    }

    fn note(&self, alone: &Alone, now_ms: u64, acts: &[Act]) -> Result<(), HomeError> {
        self.vault.note(alone, &self.acting, now_ms, acts)
    }

    /// Reads again what another process may have written meanwhile, and keeps others from writing as long as the result lives.
    fn refresh(&mut self) -> Result<Alone, HomeError> {
        let alone = self.vault.lock()?;
        self.file = read_site(&self.vault, &self.dir)?;
        Ok(alone)
    }

    fn save(&self, alone: &Alone) -> Result<(), HomeError> {
        self.vault.write_site(alone, &encode(&self.file))
    }

    /// The certificate last given to a device.
    #[must_use]
    pub fn certificate(&self, device: &DeviceId) -> Option<&Certificate> {
        self.file.roster.iter().find(|certificate| certificate.device == *device)
    }
}

fn read_site(vault: &Vault, dir: &Path) -> Result<SiteFile, HomeError> {
    let bytes = vault.read_site()?;
    // Without codes, the bytes end where their list would begin: one never reads as the other.
    let file = decode(&bytes, 16 * TEXT_BYTES_MAX).or_else(|error| {
        let old: SiteFileWithoutCodes = decode(&bytes, 16 * TEXT_BYTES_MAX).map_err(|_| error)?;
        Ok(SiteFile { manifest: old.manifest, group_keys: old.group_keys, roster: old.roster, codes: Vec::new() })
    });
    file.map_err(|error: DecodeError| HomeError::Damaged { path: dir.join("site"), why: error.to_string() })
}

pub(crate) fn to_text<T: Serialize>(prefix: &str, value: &T) -> String {
    let bytes = encode(value);
    let checked = [bytes.as_slice(), &checksum(&bytes)].concat();
    format!("{prefix}{}", BASE32.encode(&checked).to_ascii_lowercase())
}

pub(crate) fn from_text<T: DeserializeOwned>(
    expected: &'static str,
    prefix: &'static str,
    text: &str,
) -> Result<T, EnrolError> {
    // Mail programs and terminals break long lines.
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let body = text.strip_prefix(prefix).ok_or(EnrolError::Kind { expected, prefix })?;
    let bytes = BASE32.decode(body.as_bytes()).map_err(|_| EnrolError::Mistyped)?;
    let (value, check) = bytes.split_last_chunk::<4>().ok_or(EnrolError::Mistyped)?;
    if checksum(value) != *check {
        return Err(EnrolError::Mistyped);
    }
    decode(value, TEXT_BYTES_MAX).map_err(|_| EnrolError::Mistyped)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::fixture::{Fixture, NOW_MS};
    use super::*;

    impl Fixture {
        fn answer(&mut self, home: &Home, roles: Roles) -> String {
            let request = read_request(&request_text(&home.request().unwrap())).unwrap();
            self.site.enrol(&request, roles, "tablet", NOW_MS, 30).unwrap().1
        }
    }

    #[test]
    fn a_device_joins_with_the_answer_to_its_request() {
        let mut f = Fixture::new();
        let (hub, officer) = (f.home("hub"), f.home("officer"));
        let hub_answer = f.answer(&hub, Roles::HUB);
        join(&hub, &hub_answer).unwrap();
        let answer = f.answer(&officer, Roles::OFFICER);
        let broken_lines = answer.as_bytes().chunks(60).map(|c| std::str::from_utf8(c).unwrap()).collect::<Vec<_>>();
        join(&officer, &broken_lines.join("\n  ")).unwrap();
        let (identity, membership) = officer.membership(officer.site().unwrap()).unwrap();
        assert!(identity.certificate.roles.has(Roles::OFFICER));
        assert_eq!(membership.hubs.len(), 1, "it knows whom to seal to");
        let (_, hubs) = hub.membership(hub.site().unwrap()).unwrap();
        assert_eq!(membership.group_keys, hubs.group_keys, "members share a key");
    }

    #[test]
    fn wrong_texts_are_told_apart() {
        let mut f = Fixture::new();
        let (a, b) = (f.home("a"), f.home("b"));
        let answer = f.answer(&a, Roles::OFFICER);
        let request = request_text(&a.request().unwrap());
        assert!(matches!(join(&a, &request), Err(EnrolError::Kind { expected: "an answer", .. })));
        assert!(matches!(read_request(&answer), Err(EnrolError::Kind { expected: "a request", .. })));
        assert!(matches!(join(&b, &answer), Err(EnrolError::Certificate(CertificateError::OtherDevice))));
        assert!(matches!(join(&a, &answer[..answer.len() - 3]), Err(EnrolError::Mistyped)));
        let mistyped = answer.replacen('a', "b", 2);
        assert!(matches!(join(&a, &mistyped), Err(EnrolError::Mistyped | EnrolError::Kind { .. })));
        assert!(matches!(b.site(), Err(HomeError::NotJoined)));
    }

    #[test]
    fn a_renewal_keeps_one_membership_and_the_roster_one_line() {
        let mut f = Fixture::new();
        let home = f.home("a");
        for roles in [Roles::OFFICER, Roles::SUPERVISOR] {
            let answer = f.answer(&home, roles);
            join(&home, &answer).unwrap();
        }
        let (identity, _) = home.membership(home.site().unwrap()).unwrap();
        assert_eq!(identity.certificate.roles, Roles::SUPERVISOR);
        assert_eq!(SiteFolder::open(&f.folder()).unwrap().roster().len(), 1);
    }

    #[test]
    fn a_folder_from_before_there_were_codes_is_read() {
        let mut f = Fixture::new();
        let home = f.home("a");
        let _ = f.answer(&home, Roles::OFFICER);
        let file = &f.site.file;
        let old = encode(&(&file.manifest, &file.group_keys, &file.roster));
        f.site.vault.write_site(&f.site.vault.lock().unwrap(), &old).unwrap();
        let mut site = SiteFolder::open(&f.folder()).unwrap();
        assert_eq!((site.roster(), site.codes()), (f.site.roster(), [].as_slice()));
        let _ = site.enrol(&f.home("b").request().unwrap(), Roles::HUB, "hub", NOW_MS, 30).unwrap();
        assert_eq!(SiteFolder::open(&f.folder()).unwrap().roster().len(), 2);
        f.site.vault.write_site(&f.site.vault.lock().unwrap(), &old[..old.len() - 1]).unwrap();
        assert!(matches!(SiteFolder::open(&f.folder()), Err(EnrolError::Home(HomeError::Damaged { .. }))));
    }

    #[test]
    fn a_damaged_key_is_named_and_never_replaced() {
        let f = Fixture::new();
        let home = f.home("a");
        let path = home.dir().join("device.key");
        std::fs::write(&path, "greenline device key 1\nnot base32!").unwrap();
        assert!(matches!(Home::create(home.dir()), Err(HomeError::Damaged { .. })));
        assert!(matches!(Home::open(home.dir()).unwrap().key(), Err(HomeError::Damaged { .. })));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(Home::open(home.dir()).unwrap().key(), Err(HomeError::Damaged { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let f = Fixture::new();
        let home = f.home("a");
        home.token().unwrap();
        for name in ["device.key", "api.token"] {
            let mode = std::fs::metadata(home.dir().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
