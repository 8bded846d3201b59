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
use crate::statement::{GroupKeyGrant, GroupKeys, Kind, Statement};
use crate::store::{Store, StoreError};
use crate::time::Hlc;
use crate::view::EntryRef;

/// Most keys that a statement hands on: the newest ones. A site renews its key a few times in an operation.
pub const KEYS_MAX: usize = 64;
/// Most keys taken from one device's statements that it says others made.
const HANDED_ON_MAX: usize = 4 * KEYS_MAX;
/// Most statements looked through for a key to write under: the newest ones.
const LOOKED_AT_MAX: usize = 64;

/// The keys that this device has, and the statements that they came with.
#[derive(Default)]
pub(super) struct Ring {
    /// By name.
    keys: BTreeMap<[u8; 8], GroupKey>,
    /// Names, oldest first.
    order: Vec<[u8; 8]>,
    grants: BTreeMap<EntryRef, Grant>,
    /// How many keys of others each device has handed on.
    handed_on: BTreeMap<DeviceId, usize>,
}

struct Grant {
    by: DeviceId,
    time: Hlc,
    name: [u8; 8],
    /// Whether its author made the key for it, and it is here.
    holds: bool,
}

impl Ring {
    fn add(&mut self, key: GroupKey) {
        let name = key.name();
        if self.keys.insert(name, key).is_none() {
            self.order.push(name);
        }
    }

    /// Adds a key that somebody says another made: of each no more than a bound, or one member could fill everyone's memory.
    fn add_handed_on(&mut self, by: DeviceId, key: GroupKey) {
        let count = self.handed_on.entry(by).or_default();
        if *count < HANDED_ON_MAX && !self.keys.contains_key(&key.name()) {
            *count += 1;
            self.add(key);
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
    pub(super) fn key_to_write(&self, now_ms: u64) -> Result<Option<GroupKey>, StoreError> {
        let members: BTreeSet<[u8; 8]> = self.everyone(now_ms).iter().map(|reader| reader.device.prefix()).collect();
        let out: BTreeSet<[u8; 8]> = self.revoked().devices().map(DeviceId::prefix).collect();
        for (at, name) in self.newest_grants() {
            let sealed_to = self.sealed_to(at)?;
            if members.is_subset(&sealed_to) && out.is_disjoint(&sealed_to) {
                return Ok(self.ring.keys.get(&name).cloned());
            }
        }
        Ok(self.membership.group_keys.last().filter(|_| out.is_empty()).cloned())
    }

    /// Statements whose key is here and whose author isn't revoked: the own newest one, so that others' can't hide it, and then
    /// the newest.
    fn newest_grants(&self) -> Vec<(EntryRef, [u8; 8])> {
        let own = self.identity.device();
        let held = |(at, grant): &(&EntryRef, &Grant)| grant.holds && !self.revoked().covers(grant.by, **at);
        let mut grants: Vec<(&EntryRef, &Grant)> = self.ring.grants.iter().filter(held).collect();
        grants.sort_by_key(|(at, grant)| std::cmp::Reverse((grant.time, **at)));
        let own = grants.iter().position(|(_, grant)| grant.by == own);
        if let Some(place) = own {
            grants[..=place].rotate_right(1);
        }
        grants.into_iter().take(LOOKED_AT_MAX).map(|(at, grant)| (*at, grant.name)).collect()
    }

    /// To whom a statement's key is sealed, by the first bytes of their ids.
    fn sealed_to(&self, at: EntryRef) -> Result<BTreeSet<[u8; 8]>, StoreError> {
        Ok(self.grant_at(at)?.map(|(_, grant)| grant.sealed.readers().collect()).unwrap_or_default())
    }

    fn grant_at(&self, at: EntryRef) -> Result<Option<(Header, GroupKeyGrant)>, StoreError> {
        let Some(Entry { signed, body: Some(body) }) = self.entry(at)? else { return Ok(None) };
        match Statement::decode(Kind::GroupKey, &body) {
            Ok(Statement::GroupKey(grant)) => Ok(Some((signed.header, *grant))),
            _ => Ok(None),
        }
    }

    /// Makes a new key, sealed to every member that this device knows.
    pub fn group_key_new(&mut self, now_ms: u64) -> Result<Written, AppendError> {
        self.check_may_write(Kind::GroupKey, now_ms)?;
        let before = self.ring.order.iter().rev().take(KEYS_MAX - 1).rev();
        let older: Vec<GroupKey> = before.filter_map(|name| self.ring.keys.get(name).cloned()).collect();
        let members = self.everyone(now_ms);
        let seed = self.secret_for(&older, &members);
        let made_of = derive(&seed, "key");
        let name = GroupKey::made_by(self.identity.device(), &made_of).name();
        let plain = encode(&GroupKeys { seed: made_of.into(), older });
        let context = self.group_key_context(&name);
        let sealed = Sealed::to_members(&plain, &members, &context, derive(&seed, "seal"))?;
        let grant = GroupKeyGrant { name: name.into(), sealed };
        self.append(now_ms, About::Site, &Statement::GroupKey(Box::new(grant)))
    }

    /// As a supervisor's device, now and then: makes a new key if the members need one. Returns whether it did.
    pub(crate) fn renew_group_key(&mut self, now_ms: u64) -> Result<bool, AppendError> {
        let supervisor = self.identity.certificate.roles.has(Roles::SUPERVISOR);
        let in_use = !self.revoked().is_empty() || !self.ring.grants.is_empty();
        // A locked device couldn't open a key that is there, nor its own.
        let locked = self.identity.sealing.is_forgotten();
        if locked || !supervisor || !in_use || !self.may_make_keys(now_ms) || self.key_to_write(now_ms)?.is_some() {
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
        let by = header.author.device;
        let mut held = Grant { by, time: header.time, name: *grant.name, holds: false };
        if let Some(keys) = opened.ok().and_then(|plain| decode::<GroupKeys>(&plain, BODY_BYTES_MAX).ok()) {
            keys.older.into_iter().take(KEYS_MAX).for_each(|key| self.ring.add_handed_on(by, key));
            let key = GroupKey::made_by(by, &keys.seed);
            held.holds = key.name() == *grant.name;
            if held.holds {
                self.ring.add(key);
            }
        }
        self.ring.grants.insert(at, held);
        self.records.forget_all();
    }

    /// Tries all keys again.
    pub(super) fn reopen_grants(&mut self) -> Result<(), StoreError> {
        let places: Vec<EntryRef> = self.ring.grants.keys().copied().collect();
        for at in places {
            if let Some((header, grant)) = self.grant_at(at)? {
                self.hold_grant(at, &header, &grant);
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
