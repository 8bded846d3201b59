//! Revocation: who doesn't belong any more, and from where on what they write doesn't count.
//!
//! The site's authority revokes with one signed [`Order`], which any member may carry into its log; supervisors revoke
//! together, each with a vote of the same content, as many of them as the site's policy asks for. Both name the last places
//! that are still trusted in the device's logs. What comes after is set aside on every replica, whenever and however it
//! arrives; what comes before stays.
//!
//! [`Revoked::by`] is the one function that says what all orders and votes together amount to. It knows no time and no
//! order of arrival.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_zebra::SigningKey;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::canary::{self, Canary};
use crate::codec::encode;
use crate::ids::{DeviceId, LogId, SiteId};
use crate::signature::Claim;
use crate::site::{CertificateError, Manifest};
use crate::view::EntryRef;

/// Most logs that a charge names: a device has one, and another for each time that it was copied or restored.
pub const TRUSTED_MAX: usize = 32;

/// Why a device is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nobody knows where it is.
    Lost,
    /// Somebody took it.
    Stolen,
    /// It, or who uses it, writes or passes on what it shouldn't.
    Misused,
    /// It is out of use.
    Retired,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 4] = [Self::Lost, Self::Stolen, Self::Misused, Self::Retired];

    /// The word for it, as in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::Misused => "misused",
            Self::Retired => "retired",
        }
    }

    /// The cause that a word means.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.word() == word)
    }
}

/// What is said against a device: the whole of a supervisor's vote, and what the authority signs in an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Charge {
    /// The device.
    pub device: DeviceId,
    /// Why.
    pub cause: Cause,
    /// The last trusted entry of each of its logs, at most [`TRUSTED_MAX`]. Of a log that isn't named nothing is trusted.
    pub trusted: Vec<EntryRef>,
}

/// The authority's word that a device is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What for.
    pub charge: Charge,
    signature: ByteArray<64>,
}

impl Order {
    pub(crate) fn sign(key: &SigningKey, site: SiteId, charge: Charge) -> Self {
        let signature = key.sign(&signed_bytes(site, &charge));
        Self { charge, signature: ByteArray::new(signature.into()) }
    }

    /// Checks that this is the word of the authority that `manifest` names. Anyone can.
    pub fn verify(&self, manifest: &Manifest) -> Result<(), CertificateError> {
        let (key, bytes) = (manifest.authority(), signed_bytes(manifest.site(), &self.charge));
        let claim = Claim { key: &key, bytes: &bytes, signature: &self.signature };
        if claim.holds() { Ok(()) } else { Err(CertificateError::Signature) }
    }
}

fn signed_bytes(site: SiteId, charge: &Charge) -> Vec<u8> {
    [b"greenline revocation\0".as_slice(), &encode(&(site, charge))].concat()
}

/// A supervisor's vote, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The entry.
    pub at: EntryRef,
    /// Who votes.
    pub by: DeviceId,
    /// For what.
    pub charge: Charge,
}

/// All devices that are revoked, and how much of their logs still counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked(BTreeMap<DeviceId, BTreeMap<LogId, u64>>);

impl Revoked {
    /// What orders and votes amount to, where `quorum` supervisors suffice.
    ///
    /// An order counts by itself. A vote counts unless it stands behind the place up to which its own author is trusted;
    /// whether that is so depends on other votes, which depend on others. So the answer is closed in on from both sides:
    /// too few are taken for revoked, hence too many votes for good, hence too many for revoked; hence too few votes for
    /// good, and so on until nothing changes. Where supervisors have voted each other out, so that neither side's votes can
    /// be preferred, both are out: the authority can certify whom it trusts anew, and nothing of theirs was lost.
    #[must_use]
    pub fn by(orders: &[Charge], votes: &[Vote], quorum: usize) -> Self {
        let mut too_few = Self::count(orders, &[], quorum);
        loop {
            let standing = |revoked: &Self| -> Vec<&Vote> { votes.iter().filter(|it| !revoked.voids(it)).collect() };
            let too_many = Self::count(orders, &standing(&too_few), quorum);
            let more = Self::count(orders, &standing(&too_many), quorum);
            if more == too_few {
                return too_many;
            }
            too_few = more;
        }
    }

    /// Counts without asking whose votes are good.
    fn count(orders: &[Charge], votes: &[&Vote], quorum: usize) -> Self {
        let mut cases: BTreeMap<DeviceId, Case> = BTreeMap::new();
        for charge in orders {
            strictest(&mut cases.entry(charge.device).or_default().ordered, charge);
        }
        // Nobody is a judge in their own case.
        for Vote { by, charge, .. } in votes.iter().filter(|vote| vote.by != vote.charge.device) {
            let voters = &mut cases.entry(charge.device).or_default().voters;
            strictest(voters.entry(*by).or_default(), charge);
        }
        Self(cases.into_iter().filter_map(|(device, case)| Some((device, case.trust(quorum.max(1))?))).collect())
    }

    fn voids(&self, vote: &Vote) -> bool {
        self.covers(vote.by, vote.at)
    }

    /// Whether a device is revoked.
    #[must_use]
    pub fn is_out(&self, device: &DeviceId) -> bool {
        self.0.contains_key(device)
    }

    /// Whether an entry of a device's log stands behind what is trusted.
    #[must_use]
    pub fn covers(&self, device: DeviceId, at: EntryRef) -> bool {
        at.seq > self.trusted(&device, at.log)
    }

    /// How many entries of a device's log still count: all, if it isn't revoked.
    #[must_use]
    pub fn trusted(&self, device: &DeviceId, log: LogId) -> u64 {
        if canary::sings(Canary::Revocation) {
            return u64::MAX;
        }
        self.0.get(device).map_or(u64::MAX, |trusted| trusted.get(&log).copied().unwrap_or(0))
    }

    /// The revoked devices.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceId> {
        self.0.keys()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How many entries of each log are trusted; of one that isn't named, none.
type Trust = BTreeMap<LogId, u64>;

/// All that is said against one device: by the authority, and by each supervisor.
#[derive(Default)]
struct Case {
    ordered: Option<Trust>,
    voters: BTreeMap<DeviceId, Option<Trust>>,
}

impl Case {
    /// What still counts of the device's logs, if enough is said against it. Of each log it is as much as the authority says,
    /// or as the strictest `quorum` of supervisors agree on: an entry is out once that many of them don't trust it. So
    /// another vote can only take away, and one supervisor alone can take nothing.
    fn trust(&self, quorum: usize) -> Option<Trust> {
        let voted: Vec<&Trust> = self.voters.values().flatten().collect();
        let enough = voted.len() >= quorum;
        if self.ordered.is_none() && !enough {
            return None;
        }
        let logs: BTreeSet<LogId> =
            self.ordered.iter().chain(voted.iter().copied()).flat_map(|it| it.keys().copied()).collect();
        let of = |trust: &Trust, log: &LogId| trust.get(log).copied().unwrap_or(0);
        let left = |log: &LogId| {
            let mut agreed: Vec<u64> = voted.iter().map(|trust| of(trust, log)).collect();
            agreed.sort_unstable();
            let agreed = agreed.get(quorum - 1).copied();
            self.ordered.iter().map(|trust| of(trust, log)).chain(agreed).min().unwrap_or(0)
        };
        Some(logs.into_iter().map(|log| (log, left(&log))).collect())
    }
}

/// Joins a charge to what the same people said before: only what every one of their charges trusts is trusted.
fn strictest(trust: &mut Option<Trust>, charge: &Charge) {
    let of = |log: &LogId| charge.trusted.iter().find(|at| at.log == *log).map(|at| at.seq);
    *trust = Some(match trust.take() {
        None => charge.trusted.iter().map(|at| (at.log, of(&at.log).unwrap_or(0))).collect(),
        Some(known) => known.into_iter().filter_map(|(log, seq)| Some((log, seq.min(of(&log)?)))).collect(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(n: u8) -> DeviceId {
        DeviceId([n; 32])
    }

    fn log(n: u8) -> LogId {
        LogId([n; 16])
    }

    /// A charge against device `n`, of whose one log `trusted` entries are good.
    fn against(n: u8, trusted: u64) -> Charge {
        Charge { device: device(n), cause: Cause::Stolen, trusted: vec![EntryRef { log: log(n), seq: trusted }] }
    }

    fn vote(by: u8, seq: u64, charge: Charge) -> Vote {
        Vote { at: EntryRef { log: log(by), seq }, by: device(by), charge }
    }

    fn trusted(orders: &[Charge], votes: &[Vote], n: u8) -> u64 {
        Revoked::by(orders, votes, 2).trusted(&device(n), log(n))
    }

    #[test]
    fn one_supervisor_can_do_nothing_and_two_can() {
        let (a, b) = (vote(1, 5, against(9, 3)), vote(2, 5, against(9, 7)));
        assert_eq!(trusted(&[], std::slice::from_ref(&a), 9), u64::MAX);
        assert_eq!(trusted(&[], &[a.clone(), vote(1, 6, against(9, 0))], 9), u64::MAX, "twice the same is one");
        assert_eq!(trusted(&[], &[a.clone(), vote(9, 1, against(9, 0))], 9), u64::MAX, "not in their own case");
        assert_eq!(trusted(&[], &[a, b], 9), 7, "only what both distrust is out");
    }

    #[test]
    fn another_vote_takes_away_and_never_gives_back() {
        let votes = [vote(1, 5, against(9, 3)), vote(2, 5, against(9, 7)), vote(3, 5, against(9, 5))];
        assert_eq!(trusted(&[], &votes[..2], 9), 7);
        assert_eq!(trusted(&[], &votes, 9), 5);
        assert_eq!(trusted(&[against(9, 4)], &votes, 9), 4);
        assert_eq!(trusted(&[against(9, 6)], &votes, 9), 5);
    }

    #[test]
    fn of_a_log_that_nobody_named_nothing_counts() {
        let revoked = Revoked::by(&[against(9, 4)], &[], 2);
        assert!(!revoked.covers(device(9), EntryRef { log: log(9), seq: 4 }));
        assert!(revoked.covers(device(9), EntryRef { log: log(9), seq: 5 }));
        assert!(revoked.covers(device(9), EntryRef { log: log(8), seq: 1 }));
        assert!(!revoked.covers(device(8), EntryRef { log: log(8), seq: 1 }));
    }

    #[test]
    fn a_revoked_supervisors_later_votes_are_void_and_earlier_ones_stand() {
        let out = [vote(1, 5, against(3, 10)), vote(2, 5, against(3, 10))];
        let before = [vote(3, 10, against(9, 0)), vote(2, 6, against(9, 0))];
        let after = [vote(3, 11, against(9, 0)), vote(2, 6, against(9, 0))];
        assert_eq!(trusted(&[], &[&out[..], &before].concat(), 9), 0);
        assert_eq!(trusted(&[], &[&out[..], &after].concat(), 9), u64::MAX);
    }

    #[test]
    fn supervisors_who_vote_each_other_out_are_all_out() {
        let votes = [
            vote(1, 5, against(3, 0)),
            vote(2, 5, against(3, 0)),
            vote(3, 5, against(1, 0)),
            vote(4, 5, against(1, 0)),
        ];
        let revoked = Revoked::by(&[], &votes, 2);
        assert_eq!(revoked.devices().copied().collect::<Vec<_>>(), [device(1), device(3)]);
        // The authority's word decides between them.
        let revoked = Revoked::by(&[against(4, 0)], &votes, 2);
        assert_eq!(revoked.devices().copied().collect::<Vec<_>>(), [device(3), device(4)]);
    }

    #[test]
    fn the_order_of_votes_does_not_matter() {
        let mut votes: Vec<Vote> = (0..12)
            .map(|n: u8| vote(1 + n % 4, u64::from(n), against(1 + (n * 5 + 2) % 6, u64::from(n * 7 % 9))))
            .collect();
        let straight = Revoked::by(&[], &votes, 2);
        for turn in 0..votes.len() {
            votes.rotate_left(turn);
            assert_eq!(Revoked::by(&[], &votes, 2), straight);
        }
    }
}
