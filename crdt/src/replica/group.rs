//! The keys under which members write to each other.
//!
//! Everyone was given one with the certificate. Once somebody is revoked, that one is known outside, and nothing is
//! written under it any more: a new one is made, sealed to each member in a statement. Supervisors' devices do so as soon as
//! they hear of the revocation; who has something to write before that makes one first. Several made apart all hold, since
//! a body names its key. A key's statement carries the older keys too, so that who joins later reads what was written before.

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use super::write::{AppendError, Written};
use crate::codec::{decode, encode};
use crate::entry::{About, BODY_BYTES_MAX, Entry, Header};
use crate::ids::DeviceId;
use crate::seal::{GroupKey, Reader, Sealed, Seed, derive};
use crate::site::Roles;
use crate::statement::{GroupKeyGrant, Kind, Statement};
use crate::store::{Store, StoreError};
use crate::time::Hlc;
use crate::view::EntryRef;

/// Most keys that a statement hands on: the newest ones. A site renews its key a few times in an operation.
pub const KEYS_MAX: usize = 64;

/// The keys that this device has, and the statements that they came with.
#[derive(Default)]
pub(super) struct Ring {
    /// By name.
    keys: BTreeMap<[u8; 8], GroupKey>,
    /// Names, oldest first.
    order: Vec<[u8; 8]>,
    grants: BTreeMap<EntryRef, Grant>,
}

struct Grant {
    by: DeviceId,
    time: Hlc,
    name: [u8; 8],
    sealed_to: BTreeSet<[u8; 8]>,
}

impl Ring {
    fn add(&mut self, key: GroupKey) {
        let name = key.name();
        if self.keys.insert(name, key).is_none() {
            self.order.push(name);
        }
    }

    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &GroupKey> {
        self.keys.values()
    }
}

impl<S: Store> Replica<S> {
    /// Takes over the keys that came with the certificate.
    pub(super) fn restore_ring(&mut self) {
        self.membership.group_keys.clone().into_iter().for_each(|key| self.ring.add(key));
    }

    /// How many keys this device can read under.
    #[must_use]
    pub fn group_keys(&self) -> usize {
        self.ring.keys.len()
    }

    /// The key to write under: known to all members that this device knows, and to nobody who is revoked. `None` if there is
    /// none, so that one has to be made.
    pub(super) fn key_to_write(&self, now_ms: u64) -> Option<&GroupKey> {
        let members = self.everyone(now_ms);
        let fits = |(at, grant): &(&EntryRef, &Grant)| {
            !self.revoked().covers(grant.by, **at)
                && members.iter().all(|reader| grant.sealed_to.contains(&reader.device.prefix()))
                && !self.revoked().devices().any(|device| grant.sealed_to.contains(&device.prefix()))
        };
        let newest = self.ring.grants.iter().filter(fits).max_by_key(|(at, grant)| (grant.time, **at));
        let granted = newest.and_then(|(_, grant)| self.ring.keys.get(&grant.name));
        let founding = || self.membership.group_keys.last().filter(|_| self.revoked().is_empty());
        granted.or_else(founding)
    }

    /// Makes a new key, sealed to every member that this device knows.
    pub fn group_key_new(&mut self, now_ms: u64) -> Result<Written, AppendError> {
        self.check_may_write(Kind::GroupKey, now_ms)?;
        let before = self.ring.order.iter().rev().take(KEYS_MAX - 1).rev();
        let mut keys: Vec<GroupKey> = before.filter_map(|name| self.ring.keys.get(name).cloned()).collect();
        let members = self.everyone(now_ms);
        let seed = self.secret_for(&keys, &members);
        let key = GroupKey::new(derive(&seed, "key"));
        let name = key.name();
        keys.push(key);
        let context = self.group_key_context(&name);
        let sealed = Sealed::to_members(&encode(&keys), &members, &context, derive(&seed, "seal"))?;
        let grant = GroupKeyGrant { name: name.into(), sealed };
        self.append(now_ms, About::Site, &Statement::GroupKey(Box::new(grant)))
    }

    /// As a supervisor's device, now and then: makes a new key if the members need one. Returns whether it did.
    pub(crate) fn renew_group_key(&mut self, now_ms: u64) -> Result<bool, AppendError> {
        let supervisor = self.identity.certificate.roles.has(Roles::SUPERVISOR);
        let in_use = !self.revoked().is_empty() || !self.ring.grants.is_empty();
        // A locked device couldn't open a key that is there, nor its own.
        let locked = self.identity.sealing.is_forgotten();
        if locked || !supervisor || !in_use || !self.may_make_keys(now_ms) || self.key_to_write(now_ms).is_some() {
            return Ok(false);
        }
        self.group_key_new(now_ms)?;
        Ok(true)
    }

    pub(super) fn may_make_keys(&self, now_ms: u64) -> bool {
        self.check_may_write(Kind::GroupKey, now_ms).is_ok()
    }

    /// Every member that can be sealed to: whoever is certified now and not revoked.
    fn everyone(&self, now_ms: u64) -> Vec<Reader> {
        self.readers(now_ms, |_| true)
    }

    /// Opens the keys of a statement, if they are sealed to this device.
    pub(super) fn hold_grant(&mut self, at: EntryRef, header: &Header, grant: &GroupKeyGrant) {
        let context = self.group_key_context(&grant.name);
        let opened = grant.sealed.open(self.identity.device(), &self.identity.sealing, &context);
        let keys = opened.ok().and_then(|plain| decode::<Vec<GroupKey>>(&plain, BODY_BYTES_MAX).ok());
        // What somebody else hands on is held to the same bound as one's own.
        keys.into_iter().flatten().take(KEYS_MAX).for_each(|key| self.ring.add(key));
        let sealed_to = grant.sealed.readers().collect();
        let held = Grant { by: header.author.device, time: header.time, name: *grant.name, sealed_to };
        self.ring.grants.insert(at, held);
        self.records.forget_all();
    }

    /// Tries all keys again.
    pub(super) fn reopen_grants(&mut self) -> Result<(), StoreError> {
        let places: Vec<EntryRef> = self.ring.grants.keys().copied().collect();
        for at in places {
            let Some(Entry { signed, body: Some(body) }) = self.entry(at)? else { continue };
            if let Ok(Statement::GroupKey(grant)) = Statement::decode(Kind::GroupKey, &body) {
                self.hold_grant(at, &signed.header, &grant);
            }
        }
        Ok(())
    }

    pub(super) fn lose_grant(&mut self, at: EntryRef) {
        self.ring.grants.remove(&at);
    }

    fn group_key_context(&self, name: &[u8; 8]) -> Vec<u8> {
        [b"greenline group key\0".as_slice(), &self.site().0, name].concat()
    }

    /// A secret that nobody else can know, and that this device uses for nothing else: it follows from its own key, from the
    /// place of the entry and from all that goes into it. So a device can renew keys by itself, without asking its shell for
    /// randomness.
    fn secret_for(&self, keys: &[GroupKey], members: &[Reader]) -> Seed {
        let mut hasher = blake3::Hasher::new_keyed(&derive(self.identity.key.seed(), "group keys"));
        let log = self.own_author().log();
        hasher.update(&encode(&(log, self.logs.get(&log).map(|log| log.head), keys)));
        members.iter().for_each(|member| {
            hasher.update(&member.device.0).update(&member.sealing_key);
        });
        *hasher.finalize().as_bytes()
    }
}
