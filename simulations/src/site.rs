//! A made-up site: its authority, and members with keys that follow from a seed.

use crdt::entry::DeviceKey;
use crdt::replica::{Identity, Membership};
use crdt::seal::{GroupKey, SealingSecret, Seed, derive};
use crdt::site::{Authority, Certificate, Manifest, Policy, Request, Roles};
use serde::{Deserialize, Serialize};

/// What sort of member a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Member {
    /// Captures and edits.
    Officer,
    /// Captures, edits, enrols and reviews.
    Supervisor,
    /// Only carries.
    Carrier,
    /// Accepts and answers.
    Hub,
}

impl Member {
    const fn roles(self) -> Roles {
        match self {
            Self::Officer => Roles::OFFICER,
            Self::Supervisor => Roles::OFFICER.and(Roles::SUPERVISOR),
            Self::Carrier => Roles(0),
            Self::Hub => Roles::HUB,
        }
    }
}

/// A site that can enrol members.
pub struct Site {
    seed: Seed,
    authority: Authority,
    manifest: Manifest,
    hubs: Vec<Certificate>,
    members: u32,
}

impl Site {
    /// A site whose keys all follow from `seed`.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let authority = Authority::from_seed(derive(&seed, "authority"));
        let manifest = authority.manifest("Simulated post", 1, Policy::default());
        Self { seed, authority, manifest, hubs: Vec::new(), members: 0 }
    }

    /// The key that founded it.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Enrols the next member, valid from the beginning of time.
    pub fn enrol(&mut self, member: Member) -> Identity {
        self.enrol_until(member, u64::MAX)
    }

    /// Enrols the next member, valid until `not_after_ms`.
    pub fn enrol_until(&mut self, member: Member, not_after_ms: u64) -> Identity {
        let number = self.members;
        self.members += 1;
        let key = DeviceKey::from_seed(derive(&self.seed, &format!("device {number}")));
        let sealing = SealingSecret::from_seed(&derive(&self.seed, &format!("sealing {number}")));
        let request = Request { device: key.id(), sealing_key: sealing.public() };
        let alias = format!("{member:?} {number}");
        let certificate = self.authority.certify(&request, member.roles(), &alias, (0, not_after_ms));
        if member == Member::Hub {
            self.hubs.push(certificate.clone());
        }
        Identity { key, sealing, certificate }
    }

    /// What a member enrolled now is given.
    #[must_use]
    pub fn membership(&self) -> Membership {
        Membership {
            manifest: self.manifest.clone(),
            group_keys: vec![GroupKey::new(derive(&self.seed, "group"))],
            hubs: self.hubs.clone(),
        }
    }
}
