//! What mDNS found, bounded in number and rate: its answers are unauthenticated, and anyone can send a million.

use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use tokio::time::Instant;

use crate::event::DeviceKey;

/// Pairs of device and address that are kept. A site has tens of devices with one or two addresses each.
pub(crate) const FOUND_MAX: usize = 512;
/// Finds that are reported at once, a whole site's.
const BURST_MAX: u32 = 64;
/// After a burst, one more find per this long.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// A find, as claimed.
pub(crate) type Found = (DeviceKey, SocketAddr);

/// The finds, and which of them are still to be reported.
#[derive(Debug)]
pub(crate) struct Discovery {
    known: BTreeSet<Found>,
    unreported: VecDeque<Found>,
    /// Reports allowed at `refilled`.
    allowance: u32,
    refilled: Instant,
}

impl Discovery {
    pub(crate) fn new(now: Instant) -> Self {
        Self { known: BTreeSet::new(), unreported: VecDeque::new(), allowance: BURST_MAX, refilled: now }
    }

    /// Takes in a find. False when there is no more room: then it's time to forget them all.
    #[must_use]
    pub(crate) fn add(&mut self, found: Found) -> bool {
        if self.known.contains(&found) {
            return true;
        }
        if self.known.len() == FOUND_MAX {
            return false;
        }
        self.known.insert(found);
        self.unreported.push_back(found);
        true
    }

    /// Forgets a find. True if it had been reported, so that its end is news too.
    pub(crate) fn remove(&mut self, gone: &Found) -> bool {
        let waiting = self.unreported.len();
        self.unreported.retain(|found| found != gone);
        self.known.remove(gone) && self.unreported.len() == waiting
    }

    /// Forgets all finds, not how many were reported lately.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.unreported.clear();
    }

    /// The next find to report, if one may be reported now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Found> {
        self.refill(now);
        if self.allowance == 0 {
            return None;
        }
        let found = self.unreported.pop_front()?;
        self.allowance -= 1;
        Some(found)
    }

    /// When to ask again, if something waits.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let wait = if self.allowance == 0 { REPORT_INTERVAL } else { Duration::ZERO };
        (!self.unreported.is_empty()).then(|| self.refilled + wait)
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled).as_millis();
        let earned = passed / REPORT_INTERVAL.as_millis();
        let earned = u32::try_from(earned).unwrap_or(BURST_MAX);
        if self.allowance.saturating_add(earned) >= BURST_MAX {
            self.allowance = BURST_MAX;
            self.refilled = now;
        } else {
            self.allowance += earned;
            self.refilled += REPORT_INTERVAL * earned;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(n: usize) -> Found {
        let [low, high] = u16::try_from(n).unwrap_or(u16::MAX).to_le_bytes();
        ([low; 32], SocketAddr::from(([10, 0, high, low], 1)))
    }

    #[test]
    fn a_find_is_reported_once() {
        let now = Instant::now();
        let mut discovery = Discovery::new(now);
        assert!(discovery.add(found(1)));
        assert!(discovery.add(found(1)));
        assert_eq!(discovery.next(now), Some(found(1)));
        assert_eq!(discovery.next(now), None);
        assert!(discovery.remove(&found(1)));
        assert!(discovery.add(found(1)));
        assert_eq!(discovery.next(now), Some(found(1)));
    }

    #[test]
    fn the_end_of_a_find_that_was_never_reported_is_no_news() {
        let mut discovery = Discovery::new(Instant::now());
        assert!(discovery.add(found(1)));
        assert!(!discovery.remove(&found(1)), "it waits to be reported");
        assert!(!discovery.remove(&found(2)), "never found");
    }

    #[test]
    fn the_table_takes_its_bound_and_not_one_more() {
        let mut discovery = Discovery::new(Instant::now());
        assert!((0..FOUND_MAX).all(|n| discovery.add(found(n))));
        assert!(!discovery.add(found(FOUND_MAX)));
        discovery.clear();
        assert!(discovery.add(found(FOUND_MAX)));
    }

    #[test]
    fn after_a_burst_finds_trickle() {
        let start = Instant::now();
        let mut discovery = Discovery::new(start);
        assert!((0..FOUND_MAX).all(|n| discovery.add(found(n))));
        let count = |discovery: &mut Discovery, now| std::iter::from_fn(|| discovery.next(now)).count();
        assert_eq!(count(&mut discovery, start), BURST_MAX as usize);
        assert_eq!(discovery.wake(), Some(start + REPORT_INTERVAL));
        assert_eq!(count(&mut discovery, start + REPORT_INTERVAL), 1);
        assert_eq!(count(&mut discovery, start + 3 * REPORT_INTERVAL), 2);
        assert_eq!(count(&mut discovery, start + Duration::from_secs(3600)), BURST_MAX as usize);
    }
}
