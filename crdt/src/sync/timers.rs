//! Timers as data: what is due when, and when to wake next.

use std::collections::{BTreeMap, BTreeSet};

use super::LinkId;
use crate::ids::{CaptureId, LogId};

/// What can fall due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A handshake has taken too long.
    Handshake(LinkId),
    /// News of the own frontier is to be told.
    Frontier(LinkId),
    /// News of what this device holds is to be told.
    Holds(LinkId),
    /// News of third parties and gateways is.
    Hearsay(LinkId),
    /// The same beside the push tree, to some.
    Beside,
    /// A capture's images are to be copied that a gateway was to copy first.
    Turn(CaptureId),
    /// A log was announced and nobody pushed it: fetch it.
    Fetch(LogId),
    /// Look for stalls.
    Stalls,
    /// Save what is known of others; say again that this is a gateway.
    House,
}

/// One time per timer.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(u64, Timer)>,
    at: BTreeMap<Timer, u64>,
}

impl Timers {
    /// Sets a timer, unless it is due earlier already.
    pub(super) fn set(&mut self, timer: Timer, at_ms: u64) {
        match self.at.get(&timer) {
            Some(earlier) if *earlier <= at_ms => return,
            Some(later) => self.due.remove(&(*later, timer)),
            None => false,
        };
        self.at.insert(timer, at_ms);
        self.due.insert((at_ms, timer));
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.due.remove(&(at, timer));
        }
    }

    /// Takes one timer that is due.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<Timer> {
        let (at, timer) = *self.due.first()?;
        if at > now_ms {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }

    /// Makes all of them due earlier by so many ms.
    pub(super) fn bring_forward(&mut self, by_ms: u64) {
        self.move_all(|_, at_ms| at_ms.saturating_sub(by_ms));
    }

    /// Makes some of them due later by so many ms.
    pub(super) fn put_off(&mut self, which: impl Fn(&Timer) -> bool, by_ms: u64) {
        self.move_all(|timer, at_ms| if which(timer) { at_ms.saturating_add(by_ms) } else { at_ms });
    }

    fn move_all(&mut self, to: impl Fn(&Timer, u64) -> u64) {
        self.at.iter_mut().for_each(|(timer, at_ms)| *at_ms = to(timer, *at_ms));
        self.due = self.at.iter().map(|(timer, at_ms)| (*at_ms, *timer)).collect();
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_two_times_holds() {
        let mut timers = Timers::default();
        timers.set(Timer::Stalls, 20);
        timers.set(Timer::House, 15);
        timers.set(Timer::Stalls, 10);
        timers.set(Timer::Stalls, 30);
        assert_eq!(timers.next(), Some(10));
        assert_eq!(timers.take_due(9), None);
        assert_eq!(timers.take_due(10), Some(Timer::Stalls));
        assert_eq!(timers.next(), Some(15));
    }
}
