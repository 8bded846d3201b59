//! One copy of all that a site knows.
//!
//! Entries come in through [`Replica::ingest`] (from others) and [`Replica::append`] (own ones); both end in the same place:
//! the log grows by one, the read model of the capture follows, and one batch goes to the store. Two replicas with the same
//! entries hold the same state, bit for bit, in whatever order the entries came ([`Replica::fingerprint`]).

mod epoch;
mod erase;
mod expire;
mod freeze;
mod group;
mod ingest;
pub(crate) mod keys;
pub(crate) mod log;
mod proof;
mod query;
mod reading;
mod records;
mod restate;
mod ruling;
mod secrets;
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use epoch::EPOCHS_MAX;

pub use expire::GRACE_MS;
pub use freeze::ForkFound;
pub use group::KEYS_MAX;
pub use ingest::{Accepted, Ingested, PARKED_BYTES_MAX, PARKED_MAX, Refusal, SetAside};
pub use log::{Head, Log};
pub use proof::{Ground, Proof, ProofError};
pub(crate) use query::Page;
pub use query::{Cursor, PAGE_MAX, Query};
pub use records::RECORDS_MAX;
pub use ruling::{DECISIONS_MAX, SET_ASIDE_PAGE_MAX, SetAsideEntry};
pub use secrets::{Opened, ReadReview, ReadVerdict};
pub use write::{AppendError, Written};

use crate::blob::BlobRef;
use crate::codec::{decode, encode};
use crate::entry::DeviceKey;
use crate::ids::{Author, CaptureId, DeviceId, EntryHash, LogId, SiteId};
use crate::seal::{GroupKey, Reader, SealingSecret};
use crate::site::{Certificate, Manifest, Roles};
use crate::store::{Direction, Store, StoreError, Table, Ticket};
use crate::time::Hlc;
use crate::view::CaptureView;
use erase::Standing;

/// Rows read at a time when a table is walked from end to end.
const WALK_ROWS: usize = 4_096;
/// Longest value that the replica reads back from its own store.
const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Who this device is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Signs its entries.
    pub key: DeviceKey,
    /// Opens what is sealed to it.
    pub sealing: SealingSecret,
    /// Says that it belongs.
    pub certificate: Certificate,
}

impl Identity {
    /// The device's id.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.certificate.device
    }
}

/// What a device was given when it was enrolled.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The site's manifest.
    pub manifest: Manifest,
    /// The keys under which members write to each other.
    pub group_keys: Vec<GroupKey>,
    /// Hubs that were certified by then; more are learned from their logs.
    pub hubs: Vec<Certificate>,
}

/// One copy of a site, on one store.
pub struct Replica<S> {
    store: S,
    identity: Identity,
    membership: Membership,
    logs: BTreeMap<LogId, Log>,
    durable: BTreeMap<LogId, Head>,
    pending: VecDeque<(Ticket, Vec<(LogId, Head)>)>,
    /// Logs that forked, and the first place that doesn't count any more.
    frozen: BTreeMap<LogId, u64>,
    parked: ingest::Parking,
    records: records::Records,
    ruling: ruling::Ruling,
    ring: group::Ring,
    news: Vec<Accepted>,
    /// Captures about which a cut took something back.
    recast: BTreeSet<CaptureId>,
    next_arrival: u64,
    epoch: u32,
    clock: Hlc,
    /// Captures that no hub has accepted yet.
    open: BTreeSet<CaptureId>,
    /// Captures that this device, as a hub, has accepted and not answered.
    unanswered: BTreeSet<CaptureId>,
    /// Captures that were erased before they were answered, and whether a hub had accepted them.
    early: BTreeMap<CaptureId, bool>,
    captures: u64,
    /// How many captures are erased here.
    erased: u64,
    /// Those erased since the engine was told, with the images that each named.
    erased_news: Vec<(CaptureId, Vec<BlobRef>)>,
    expiry: expire::Expiry,
}

impl<S: Store> Replica<S> {
    /// Opens the replica that `store` holds, or begins an empty one.
    pub fn open(store: S, identity: Identity, membership: Membership) -> Result<Self, StoreError> {
        let mut replica = Self {
            store,
            identity,
            membership,
            logs: BTreeMap::new(),
            durable: BTreeMap::new(),
            pending: VecDeque::new(),
            frozen: BTreeMap::new(),
            parked: ingest::Parking::default(),
            records: records::Records::default(),
            ruling: ruling::Ruling::default(),
            ring: group::Ring::default(),
            news: Vec::new(),
            recast: BTreeSet::new(),
            next_arrival: 0,
            epoch: 0,
            clock: Hlc::default(),
            open: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            early: BTreeMap::new(),
            captures: 0,
            erased: 0,
            erased_news: Vec::new(),
            expiry: expire::Expiry::default(),
        };
        replica.restore()?;
        Ok(replica)
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.membership.manifest.site()
    }

    /// This device.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What this device was enrolled with.
    #[must_use]
    pub const fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The store, for what isn't entries.
    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The store, for what isn't entries.
    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// The store, to begin again from.
    #[must_use]
    pub fn into_store(self) -> S {
        self.store
    }

    /// The log that this device writes.
    #[must_use]
    pub fn own_author(&self) -> Author {
        Author { device: self.identity.device(), epoch: self.epoch }
    }

    /// All logs, in order of id.
    pub fn logs(&self) -> impl Iterator<Item = (&LogId, &Log)> {
        self.logs.iter()
    }

    /// One log.
    #[must_use]
    pub fn log(&self, log: &LogId) -> Option<&Log> {
        self.logs.get(log)
    }

    /// The newest certificate of a device, from its logs or from enrolment.
    #[must_use]
    pub fn certificate(&self, device: &DeviceId) -> Option<&Certificate> {
        let in_logs = self.logs.values().filter(|log| log.author.device == *device).map(|log| &log.certificate);
        let enrolled = self.membership.hubs.iter().filter(|certificate| certificate.device == *device);
        in_logs.chain(enrolled).max_by_key(|certificate| certificate.not_after_ms)
    }

    /// Devices with any of `roles` whose certificates are valid at `now_ms` and who aren't revoked.
    #[must_use]
    pub fn members(&self, roles: Roles, now_ms: u64) -> Vec<Reader> {
        self.readers(now_ms, |certificate| certificate.roles.any(roles))
    }

    fn readers(&self, now_ms: u64, wanted: impl Fn(&Certificate) -> bool) -> Vec<Reader> {
        let in_logs = self.logs.values().map(|log| &log.certificate);
        let fits = |c: &&Certificate| wanted(c) && now_ms < c.not_after_ms && !self.revoked().is_out(&c.device);
        let readers: BTreeSet<Reader> = in_logs
            .chain(&self.membership.hubs)
            .filter(fits)
            .map(|c| Reader { device: c.device, sealing_key: c.sealing_key })
            .collect();
        readers.into_iter().collect()
    }

    /// What this replica may promise to have: every log as far as it is on disk.
    #[must_use]
    pub const fn frontier(&self) -> &BTreeMap<LogId, Head> {
        &self.durable
    }

    /// Everything up to `ticket` is on disk now. Returns the logs whose promised height grew.
    pub fn on_durable(&mut self, ticket: Ticket) -> Vec<(LogId, Head)> {
        let mut grown = BTreeMap::new();
        while self.pending.front().is_some_and(|(at, _)| *at <= ticket) {
            let Some((_, heads)) = self.pending.pop_front() else { break };
            grown.extend(heads);
        }
        self.durable.extend(grown.iter().map(|(log, head)| (*log, *head)));
        grown.into_iter().collect()
    }

    /// The newest batch that went to the store: everything known now is durable when it is.
    #[must_use]
    pub fn last_ticket(&self) -> Ticket {
        self.store.applied()
    }

    /// The entries that were taken in since the last call, own and others', in order.
    pub fn take_news(&mut self) -> Vec<Accepted> {
        std::mem::take(&mut self.news)
    }

    /// The captures about which a cut took something back since the last call.
    pub(crate) fn take_recast(&mut self) -> BTreeSet<CaptureId> {
        std::mem::take(&mut self.recast)
    }

    /// The read model of a capture.
    pub fn capture(&self, id: CaptureId) -> Result<Option<CaptureView>, StoreError> {
        match self.store.get(Table::Captures, &id.0)? {
            Some(bytes) => Ok(Some(self.read(&bytes)?)),
            None => self.trace_of(id),
        }
    }

    /// How many captures are known.
    #[must_use]
    pub const fn captures(&self) -> u64 {
        self.captures
    }

    /// Captures that no hub has accepted yet.
    #[must_use]
    pub const fn open_captures(&self) -> &BTreeSet<CaptureId> {
        &self.open
    }

    /// Captures that this device, as a hub, has accepted and not answered yet: its work, whatever crashed in between.
    #[must_use]
    pub const fn unanswered(&self) -> &BTreeSet<CaptureId> {
        &self.unanswered
    }

    /// A hash over the shared state: equal on replicas that have the same entries.
    pub fn fingerprint(&self) -> Result<[u8; 32], StoreError> {
        let mut hasher = blake3::Hasher::new_derive_key("greenline replica fingerprint v1");
        for (log, state) in &self.logs {
            hasher.update(&encode(&(log, &state.certificate, state.head, state.time)));
        }
        hasher.update(&encode(&self.frozen));
        hasher.update(&encode(self.revoked()));
        self.walk(Table::Captures, &[], |key, value| {
            hasher.update(&key);
            hasher.update(&value);
            Ok(())
        })?;
        Ok(*hasher.finalize().as_bytes())
    }

    /// A hash over how far each log goes: equal on replicas that have the same entries, and cheap.
    #[must_use]
    pub fn heads_digest(&self) -> [u8; 8] {
        let heads: Vec<_> = self.logs.iter().map(|(log, state)| (log, state.head)).collect();
        EntryHash(*blake3::hash(&encode(&heads)).as_bytes()).prefix()
    }

    fn restore(&mut self) -> Result<(), StoreError> {
        let mut logs = Vec::new();
        self.walk(Table::Meta, keys::LOG_PREFIX, |_, value| {
            logs.push(value);
            Ok(())
        })?;
        for bytes in logs {
            let log: Log = self.read(&bytes)?;
            self.logs.insert(log.author.log(), log);
        }
        self.durable = self.logs.iter().map(|(id, log)| (*id, log.head)).collect();
        self.epoch = self.store.get(Table::Meta, keys::EPOCH)?.map_or(0, |bytes| keys::number(&bytes) as u32);
        // How far others' clocks can be believed is seen when something is written.
        self.clock = self.logs.get(&self.own_author().log()).map_or(Hlc::default(), |log| log.time);
        let last = self.store.scan(Table::Entries, &[], &[u8::MAX; 9], Direction::Down, 1)?;
        self.next_arrival = last.first().map_or(0, |(key, _)| keys::number(key) + 1);
        let mut views = Vec::new();
        self.walk(Table::Captures, &[], |key, value| {
            let view: CaptureView = read(&value)?;
            views.push((key, view.origin.is_some(), Standing::of(&view)));
            Ok(())
        })?;
        for (key, known, standing) in views {
            let Ok(id) = key.try_into().map(CaptureId) else { continue };
            self.track(id, standing);
            self.captures += u64::from(known);
        }
        self.restore_ring();
        self.restore_ruling()?;
        self.restore_erased()?;
        self.restore_freezes()
    }

    /// Keeps the sets of open, unanswered and too soon erased captures in step with a read model.
    fn track(&mut self, id: CaptureId, standing: Standing) {
        if standing == Standing::Open {
            self.open.insert(id);
        } else {
            self.open.remove(&id);
        }
        if let Standing::Early { accepted } = standing {
            self.early.insert(id, accepted);
        } else {
            self.early.remove(&id);
        }
        if standing == Standing::Unanswered(self.identity.device()) {
            self.unanswered.insert(id);
        } else {
            self.unanswered.remove(&id);
        }
    }

    /// Visits every row of a table whose key begins with `prefix`, in order.
    fn walk(
        &self,
        table: Table,
        prefix: &[u8],
        mut visit: impl FnMut(Vec<u8>, Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let end = keys::after(prefix);
        let mut from = prefix.to_vec();
        loop {
            let rows = self.store.scan(table, &from, &end, Direction::Up, WALK_ROWS)?;
            let done = rows.len() < WALK_ROWS;
            for (key, value) in rows {
                from = [key.as_slice(), &[0]].concat();
                visit(key, value)?;
            }
            if done {
                return Ok(());
            }
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, StoreError> {
        read(bytes)
    }
}

/// Reads a value that this program wrote: if it can't be read, the store is damaged.
fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    decode(bytes, VALUE_BYTES_MAX).map_err(|error| StoreError::Damaged(error.to_string()))
}
