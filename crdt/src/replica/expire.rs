//! Expiry: what was kept as long as it may be goes, whether or not anybody says so.
//!
//! Those who may erase say so when the time is over, one after another, so that the audit has it and all devices agree. A day
//! later every device does it by its own clock. A wrong clock must not destroy what others hold: nobody states an expiry by
//! the own clock alone.

use super::ingest::{SetAside, Work};
use super::proof::Proof;
use super::{AppendError, Replica, keys};
use crate::entry::{About, Entry};
use crate::ids::CaptureId;
use crate::site::Roles;
use crate::statement::{Kind, Statement, Why, capture_id};
use crate::store::{Direction, Store, StoreError, Table};
use crate::time::{FOLLOW_MS_MAX, Hlc};
use crate::view::{CaptureView, EntryRef, Origin};

pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// How long after its time is over a capture goes here although nobody has said so, in ms. A day is far more than clocks differ
/// by, and time enough for somebody who may say it to come by.
pub const GRACE_MS: u64 = DAY_MS;
/// How long the device that captured waits for a hub to say it, and supervisors for both, in ms: most often it is said once.
const TURN_MS: u64 = 60 * 60 * 1000;
/// How often it is looked whether something is past its time, in ms, while nothing is.
const LOOK_MS: u64 = 900_000;
/// Captures erased in one round, so that nothing else waits for long.
const ROUND_MAX: usize = 64;
/// Captures looked at in one round.
const LOOK_MAX: usize = 1_024;

/// How far the captures, oldest first, were looked at.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    stated: Vec<u8>,
    stripped: Vec<u8>,
    /// The same of what is set aside, by arrival, and when to begin again.
    set_aside: Vec<u8>,
    again_ms: u64,
    /// When it was looked last, with nothing left to do.
    looked_ms: Option<u64>,
    /// Whether something is past its time by the own clock, and nobody else's says so yet.
    doubts: bool,
}

impl Expiry {
    /// A capture may come late, behind what was looked at.
    pub(super) fn notice(&mut self, id: CaptureId, view: &CaptureView) {
        if let Some(origin) = view.origin.as_ref().filter(|_| view.erased.is_none()) {
            let key = keys::order(origin.time, id);
            for from in [&mut self.stated, &mut self.stripped] {
                if key < *from {
                    from.clone_from(&key);
                    self.looked_ms = None;
                }
            }
        }
    }
}

impl<S: Store> Replica<S> {
    /// How long a capture may be kept, in ms.
    pub(super) fn retention_ms(&self) -> u64 {
        u64::from(self.membership.manifest.policy.retention_days) * DAY_MS
    }

    /// When the time of a capture is over by its header alone, in ms.
    pub(super) fn ends_ms(&self, captured: Hlc) -> u64 {
        captured.ms().saturating_add(self.retention_ms())
    }

    /// A capture that comes when its time is long over goes at once: it is never stored.
    pub(super) fn notice_its_age(
        &self,
        now_ms: u64,
        at: EntryRef,
        entry: &Entry,
        statement: &Statement,
        set_aside: &Option<SetAside>,
        work: &mut Work,
    ) {
        let Statement::Capture(capture) = statement else { return };
        let over = now_ms >= self.ends_ms(entry.header().time).saturating_add(GRACE_MS);
        let (Some(id), Some(log)) = (entry.header().about.capture(), self.logs.get(&at.log)) else { return };
        if over && set_aside.is_none() && !work.erasures.contains_key(&id) {
            work.erasures.insert(id, Proof::of_expiry(&log.certificate, entry.signed.clone(), capture));
        }
    }

    /// Erases what is past its time: one bounded round. Says whether there may be more to do at once.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Result<bool, StoreError> {
        // Also after a clock was set back.
        if self.expiry.looked_ms.is_some_and(|looked_ms| now_ms.abs_diff(looked_ms) < LOOK_MS) {
            return Ok(false);
        }
        let stated = self.state_expired(now_ms)?;
        let stripped = self.strip_expired(now_ms)?;
        let set_aside = self.strip_set_aside(now_ms)?;
        let more = stated || stripped || set_aside;
        self.expiry.looked_ms = (!more && !self.expiry.doubts).then_some(now_ms);
        Ok(more)
    }

    /// States what is past its time, where this device may, and is next to.
    fn state_expired(&mut self, now_ms: u64) -> Result<bool, StoreError> {
        let (mut due, mut looked_at, mut doubts) = (Vec::new(), 0, false);
        // A capture's own date may lie a little before that of its header, which followed others' clocks.
        let before_ms = now_ms.saturating_add(FOLLOW_MS_MAX).saturating_sub(self.retention_ms());
        for (key, id) in self.oldest(&self.expiry.stated, before_ms)? {
            let origin = self.capture(id)?.filter(|view| view.erased.is_none()).and_then(|view| view.origin);
            let turn_ms = origin.as_ref().and_then(|origin| self.turn_ms(origin));
            if let (Some(origin), Some(turn_ms)) = (origin, turn_ms) {
                let ends_ms = self.ends_ms(origin.time).min(origin.delete_after_ms);
                if now_ms < ends_ms.saturating_add(turn_ms) {
                    break;
                }
                if !self.others_say_it_is(ends_ms, now_ms) {
                    doubts = true;
                    break;
                }
                due.push(id);
            }
            looked_at += 1;
            self.expiry.stated = keys::after(&key);
            if due.len() == ROUND_MAX {
                break;
            }
        }
        self.expiry.doubts = doubts;
        let more = due.len() == ROUND_MAX || looked_at == LOOK_MAX;
        match self.erase_all(now_ms, &due, Why::Expired) {
            Err(AppendError::Store(error)) => Err(error),
            // Without a valid certificate it says nothing; in a day it goes here all the same.
            Ok(()) | Err(_) => Ok(more),
        }
    }

    /// Takes what is long past its time, whatever anybody says.
    fn strip_expired(&mut self, now_ms: u64) -> Result<bool, StoreError> {
        let before_ms = now_ms.saturating_sub(self.retention_ms()).saturating_sub(GRACE_MS).saturating_add(1);
        let (mut work, mut looked_at) = (Work::default(), 0);
        for (key, id) in self.oldest(&self.expiry.stripped, before_ms)? {
            looked_at += 1;
            self.expiry.stripped = keys::after(&key);
            if let Some(proof) = self.proof_of_expiry(id)? {
                work.erasures.insert(id, proof);
            }
            if work.erasures.len() == ROUND_MAX {
                break;
            }
        }
        let more = work.erasures.len() == ROUND_MAX || looked_at == LOOK_MAX;
        self.commit(work)?;
        Ok(more)
    }

    /// Captures that are set aside are in no list by time: all that is set aside is looked through now and then.
    fn strip_set_aside(&mut self, now_ms: u64) -> Result<bool, StoreError> {
        if now_ms < self.expiry.again_ms {
            return Ok(false);
        }
        let (to, mut work) = ([u8::MAX; 9], Work::default());
        let rows = self.store.scan(Table::Quarantine, &self.expiry.set_aside, &to, Direction::Up, LOOK_MAX)?;
        let more = rows.len() == LOOK_MAX;
        for (key, _) in rows {
            let entry = self.entry_by_arrival(keys::number(&key))?;
            if let Some((id, proof)) = entry.and_then(|entry| self.proof_of_age(now_ms, &entry)) {
                work.erasures.insert(id, proof);
            }
            self.expiry.set_aside = keys::after(&key);
        }
        if !more {
            self.expiry.set_aside.clear();
            self.expiry.again_ms = now_ms.saturating_add(TURN_MS);
        }
        self.commit(work)?;
        Ok(more)
    }

    /// That a capture's time is long over, whether or not it counts.
    fn proof_of_age(&self, now_ms: u64, entry: &Entry) -> Option<(CaptureId, Proof)> {
        let (header, body) = (entry.header(), entry.body.as_ref()?);
        let over = now_ms >= self.ends_ms(header.time).saturating_add(GRACE_MS);
        let is_capture = header.kind == Kind::Capture as u8;
        let Statement::Capture(capture) = Statement::decode(Kind::Capture, body).ok().filter(|_| over && is_capture)?
        else {
            return None;
        };
        let id = capture_id(header.author.device, &capture.nonce);
        let log = self.logs.get(&header.author.log()).filter(|_| header.about.capture() == Some(id))?;
        Some((id, Proof::of_expiry(&log.certificate, entry.signed.clone(), &capture)))
    }

    fn proof_of_expiry(&self, id: CaptureId) -> Result<Option<Proof>, StoreError> {
        let origin = self.capture(id)?.filter(|view| view.erased.is_none()).and_then(|view| view.origin);
        let Some(at) = origin.map(|origin| origin.at) else { return Ok(None) };
        let (Some(entry), Some(capture)) = (self.entry(at)?, self.capture_statement(id)?) else { return Ok(None) };
        let log = self.logs.get(&at.log);
        Ok(log.map(|log| Proof::of_expiry(&log.certificate, entry.signed, &capture)))
    }

    /// The captures from a place in their order on that were made before a time, oldest first.
    fn oldest(&self, from: &[u8], before_ms: u64) -> Result<Vec<(Vec<u8>, CaptureId)>, StoreError> {
        let to = Hlc::from_ms(before_ms.min(u64::MAX >> 16)).0.to_be_bytes();
        let rows = self.store.scan(Table::Order, from, &to, Direction::Up, LOOK_MAX)?;
        let id = |key: &[u8]| Some(CaptureId(key.get(8..)?.try_into().ok()?));
        Ok(rows.into_iter().filter_map(|(key, _)| id(&key).map(|id| (key, id))).collect())
    }

    /// How long this device leaves it to others to state that a capture is past its time; `None` if it never says so.
    fn turn_ms(&self, origin: &Origin) -> Option<u64> {
        let roles = self.identity.certificate.roles;
        if roles.has(Roles::HUB) {
            Some(0)
        } else if roles.any(Roles::OFFICER.and(Roles::SUPERVISOR)) && origin.device == self.identity.device() {
            Some(TURN_MS)
        } else {
            roles.has(Roles::SUPERVISOR).then_some(2 * TURN_MS)
        }
    }

    /// Whether another device has written at about this time or later, by a clock that isn't further off than those that are
    /// followed: two wrong clocks are rarer than one.
    fn others_say_it_is(&self, ms: u64, now_ms: u64) -> bool {
        let own = self.identity.device();
        let (from, to) = (ms.saturating_sub(FOLLOW_MS_MAX), now_ms.saturating_add(FOLLOW_MS_MAX));
        let says = |log: &super::Log| log.author.device != own && (from..=to).contains(&log.time.ms());
        self.logs.values().any(says)
    }

    /// States several erasures in one batch.
    fn erase_all(&mut self, now_ms: u64, captures: &[CaptureId], why: Why) -> Result<(), AppendError> {
        if captures.is_empty() {
            return Ok(());
        }
        self.check_may_write(Kind::Erasure, now_ms)?;
        let mut statements = Vec::with_capacity(captures.len());
        for id in captures {
            match self.erasure_of(*id, why) {
                Ok(erasure) => statements.push((About::Capture(*id), Statement::Erasure(Box::new(erasure)))),
                Err(AppendError::Store(error)) => return Err(error.into()),
                // Its body is lacking: nobody can say it, and nothing is left to go.
                Err(_) => {}
            }
        }
        self.append_all(now_ms, &statements).map(|_| ())
    }
}
