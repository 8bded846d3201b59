//! A site, its authority, and the certificates that say who belongs.
//!
//! The authority is an offline Ed25519 key. It signs the site's manifest (name, policy) and one certificate per device.
//! Everything else that a replica believes follows from the site's id, which is the hash of that key.

use ed25519_zebra::{SigningKey, VerificationKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use thiserror::Error;

use crate::codec::encode;
use crate::ids::{DeviceId, SiteId};
use crate::revocation::{Charge, Order};
use crate::signature::Claim;

/// Longest alias of a device or name of a site, in bytes: what fits on one line of a small screen.
pub const NAME_BYTES_MAX: usize = 64;
/// Most purposes that a site's policy lists.
pub const PURPOSES_MAX: usize = 32;
/// Longest purpose code, in bytes.
pub const PURPOSE_BYTES_MAX: usize = 32;

const CERTIFICATE_VERSION: u8 = 1;
const MANIFEST_VERSION: u8 = 2;

/// What a device may do. Carrying needs no role.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Roles(pub u8);

impl Roles {
    /// Captures and edits.
    pub const OFFICER: Self = Self(1);
    /// Enrols, revokes, reviews; reads verdicts.
    pub const SUPERVISOR: Self = Self(2);
    /// Accepts captures and answers them.
    pub const HUB: Self = Self(4);

    const NAMES: [(Self, &'static str); 3] =
        [(Self::OFFICER, "officer"), (Self::SUPERVISOR, "supervisor"), (Self::HUB, "hub")];

    /// Whether all of `other`'s roles are among these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other`'s roles is among these.
    #[must_use]
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The role of this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(role, _)| *role)
    }

    /// The names of these roles; empty for a member that only carries.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        Self::NAMES.iter().filter(|(role, _)| self.has(*role)).map(|(_, name)| *name).collect()
    }
}

impl std::fmt::Debug for Roles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.names().join("+"))
    }
}

/// What the site's policy asks of everyone, signed with the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Purpose codes that a capture may carry.
    pub purposes: Vec<String>,
    /// Longest that a capture may be kept, in days: its latest deletion time is set from this.
    pub retention_days: u16,
    /// Whether the capturing device can read back what it captured.
    pub origin_reads: bool,
    /// Whether supervisors can read what others captured.
    pub supervisors_read: bool,
    /// How many supervisors revoke a device together; at least 1.
    pub quorum: u8,
    /// How many examiners must confirm a candidate before anyone may act on it; at least 1.
    pub examiners: u8,
}

impl Default for Policy {
    /// Purposes after INTERPOL's two kinds of print search (criminal, non-criminal), and exercises; 30 days; readable by the
    /// origin alone; two supervisors to revoke, so that one who was bribed or robbed can't; one examiner.
    fn default() -> Self {
        Self {
            purposes: ["border-check", "criminal", "non-criminal", "exercise"].map(String::from).to_vec(),
            retention_days: 30,
            origin_reads: true,
            supervisors_read: false,
            quorum: 2,
            examiners: 1,
        }
    }
}

/// What founds a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u8,
    authority: [u8; 32],
    /// What people call the site.
    pub name: String,
    /// Counts up with each change; the newest valid one holds.
    pub revision: u32,
    /// The rules of the site.
    pub policy: Policy,
    signature: ByteArray<64>,
}

/// How long before the end of a certificate its renewal is due, in ms: two shifts of a week, so that somebody meets the supervisor.
pub const ENDS_SOON_MS: u64 = 14 * 24 * 60 * 60 * 1000;

/// The authority's word that a device belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    version: u8,
    /// The site that the device belongs to.
    pub site: SiteId,
    /// The device.
    pub device: DeviceId,
    /// The device's X25519 public key, to which payloads are sealed.
    pub sealing_key: [u8; 32],
    /// What the device may do.
    pub roles: Roles,
    /// What people call the device; no name of a person.
    pub alias: String,
    /// First millisecond of validity.
    pub not_before_ms: u64,
    /// First millisecond after validity.
    pub not_after_ms: u64,
    signature: ByteArray<64>,
}

/// Why a certificate or a manifest isn't believed.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum CertificateError {
    /// It is of another format.
    #[error("the certificate is of a newer format; update this program")]
    Version,
    /// It is of another site.
    #[error("the certificate is of another site; ask this site's supervisor for one")]
    OtherSite,
    /// It is of another device.
    #[error("the certificate is of another device; use the one that answered this device's own request")]
    OtherDevice,
    /// Not signed by the site's authority.
    #[error("the certificate isn't signed by the site's authority")]
    Signature,
    /// Not valid yet.
    #[error("the certificate isn't valid yet; check the clock")]
    NotYet,
    /// Not valid any more.
    #[error("the certificate has expired; ask the supervisor for a renewal (and check the clock)")]
    Expired,
    /// A field is longer than allowed.
    #[error("a field of the certificate is too long")]
    TooLong,
    /// A number of the policy makes no sense.
    #[error("the policy asks for no examiner or no supervisor; at least one is needed of each")]
    Policy,
}

/// The key that founds a site and certifies its devices. Kept offline.
pub struct Authority {
    key: SigningKey,
}

impl Authority {
    /// From 32 secret random bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { key: SigningKey::from(seed) }
    }

    /// The site that this key founds.
    #[must_use]
    pub fn site(&self) -> SiteId {
        site_of(&self.public())
    }

    /// Signs a manifest.
    #[must_use]
    pub fn manifest(&self, name: &str, revision: u32, policy: Policy) -> Manifest {
        let unsigned = Manifest {
            version: MANIFEST_VERSION,
            authority: self.public(),
            name: name.to_owned(),
            revision,
            policy,
            signature: ByteArray::new([0; 64]),
        };
        let signature = self.key.sign(&unsigned.signed_bytes());
        Manifest { signature: ByteArray::new(signature.into()), ..unsigned }
    }

    /// Signs a certificate for a device. `validity_ms` is first and first-after millisecond.
    #[must_use]
    pub fn certify(&self, request: &Request, roles: Roles, alias: &str, validity_ms: (u64, u64)) -> Certificate {
        let unsigned = Certificate {
            version: CERTIFICATE_VERSION,
            site: self.site(),
            device: request.device,
            sealing_key: request.sealing_key,
            roles,
            alias: alias.to_owned(),
            not_before_ms: validity_ms.0,
            not_after_ms: validity_ms.1,
            signature: ByteArray::new([0; 64]),
        };
        let signature = self.key.sign(&unsigned.signed_bytes());
        Certificate { signature: ByteArray::new(signature.into()), ..unsigned }
    }

    /// Signs that a device doesn't belong any more.
    #[must_use]
    pub fn revoke(&self, charge: Charge) -> Order {
        Order::sign(&self.key, self.site(), charge)
    }

    fn public(&self) -> [u8; 32] {
        VerificationKey::from(&self.key).into()
    }
}

impl Manifest {
    /// The site's id.
    #[must_use]
    pub fn site(&self) -> SiteId {
        site_of(&self.authority)
    }

    /// The authority's public key, which checks certificates.
    #[must_use]
    pub fn authority(&self) -> [u8; 32] {
        self.authority
    }

    /// Checks format, bounds and signature.
    pub fn verify(&self) -> Result<(), CertificateError> {
        if self.version != MANIFEST_VERSION {
            return Err(CertificateError::Version);
        }
        let purposes = &self.policy.purposes;
        if self.name.len() > NAME_BYTES_MAX
            || purposes.len() > PURPOSES_MAX
            || purposes.iter().any(|code| code.len() > PURPOSE_BYTES_MAX)
        {
            return Err(CertificateError::TooLong);
        }
        if self.policy.quorum == 0 || self.policy.examiners == 0 {
            return Err(CertificateError::Policy);
        }
        check(&self.authority, &self.signed_bytes(), &self.signature)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let fields = (self.version, &self.authority, &self.name, self.revision, &self.policy);
        [b"greenline manifest\0".as_slice(), &encode(&fields)].concat()
    }
}

impl Certificate {
    /// Checks that this is the word of the authority `manifest` names, whatever the time.
    pub fn verify(&self, manifest: &Manifest) -> Result<(), CertificateError> {
        if self.version != CERTIFICATE_VERSION {
            return Err(CertificateError::Version);
        }
        if self.site != manifest.site() {
            return Err(CertificateError::OtherSite);
        }
        if self.alias.len() > NAME_BYTES_MAX {
            return Err(CertificateError::TooLong);
        }
        check(&manifest.authority, &self.signed_bytes(), &self.signature)
    }

    /// Checks the time.
    pub fn valid_at(&self, ms: u64) -> Result<(), CertificateError> {
        if ms < self.not_before_ms {
            Err(CertificateError::NotYet)
        } else if ms >= self.not_after_ms {
            Err(CertificateError::Expired)
        } else {
            Ok(())
        }
    }

    /// Whether it ends so soon that a renewal is due: within [`ENDS_SOON_MS`], or the last tenth of a shorter one.
    #[must_use]
    pub const fn ends_soon(&self, ms: u64) -> bool {
        let tenth = self.not_after_ms.saturating_sub(self.not_before_ms) / 10;
        let soon = if tenth < ENDS_SOON_MS { tenth } else { ENDS_SOON_MS };
        self.not_after_ms.saturating_sub(ms) < soon
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let fields = (
            (self.version, self.site, self.device, self.sealing_key),
            (self.roles, &self.alias, self.not_before_ms, self.not_after_ms),
        );
        [b"greenline certificate\0".as_slice(), &encode(&fields)].concat()
    }
}

/// A device asks to belong: its two public keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The device's Ed25519 public key.
    pub device: DeviceId,
    /// Its X25519 public key.
    pub sealing_key: [u8; 32],
}

fn site_of(authority: &[u8; 32]) -> SiteId {
    SiteId(*blake3::hash(authority).as_bytes())
}

fn check(key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> Result<(), CertificateError> {
    let claim = Claim { key, bytes, signature };
    if claim.holds() { Ok(()) } else { Err(CertificateError::Signature) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certified() -> (Authority, Manifest, Certificate) {
        let authority = Authority::from_seed([1; 32]);
        let manifest = authority.manifest("Post 4", 1, Policy::default());
        let request = Request { device: DeviceId([2; 32]), sealing_key: [3; 32] };
        let certificate = authority.certify(&request, Roles::OFFICER, "tablet 1", (1_000, 2_000));
        (authority, manifest, certificate)
    }

    #[test]
    fn the_authoritys_word_is_believed_and_a_changed_one_is_not() {
        let (_, manifest, certificate) = certified();
        assert_eq!(manifest.verify(), Ok(()));
        assert_eq!(certificate.verify(&manifest), Ok(()));
        let promoted = Certificate { roles: Roles::SUPERVISOR, ..certificate };
        assert_eq!(promoted.verify(&manifest), Err(CertificateError::Signature));
        let renamed = Manifest { name: "Post 5".into(), ..manifest };
        assert_eq!(renamed.verify(), Err(CertificateError::Signature));
    }

    #[test]
    fn another_sites_certificate_is_named_as_such() {
        let (_, _, certificate) = certified();
        let other = Authority::from_seed([9; 32]).manifest("Post 9", 1, Policy::default());
        assert_eq!(certificate.verify(&other), Err(CertificateError::OtherSite));
    }

    #[test]
    fn validity_begins_and_ends_at_its_milliseconds() {
        let (_, _, certificate) = certified();
        let at = |ms| certificate.valid_at(ms);
        assert_eq!(at(999), Err(CertificateError::NotYet));
        assert_eq!((at(1_000), at(1_999)), (Ok(()), Ok(())));
        assert_eq!(at(2_000), Err(CertificateError::Expired));
    }
}
