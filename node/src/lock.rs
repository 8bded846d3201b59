//! Pure: when a device locks because its officer is away, and how often somebody may try to unlock it.
//!
//! ```text
//!            idle for so long, or asked to
//!   open ───────────────────────────────────► locked ──► a try ──► right: open
//!    ▲                                          ▲          │
//!    └── an officer's request: begins anew      └──────────┴──► wrong: the next try waits 1, 2, 4 ... 60 s
//! ```
//!
//! Times are milliseconds of a clock that only goes forward.

/// The first wait after a wrong try, in ms.
const WAIT_MS: u64 = 1_000;
/// The longest wait after a wrong try, in ms: 1,440 tries a day, and a person who mistyped isn't kept out for long.
const WAIT_MS_MAX: u64 = 60_000;

/// See the module.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Idle time after which it locks, in ms; never, if there is none.
    after_ms: Option<u64>,
    last_ms: u64,
    locked: bool,
    /// Somebody's try is being looked at.
    trying: bool,
    wrong_in_a_row: u32,
    next_try_ms: u64,
    wrong: u64,
}

/// Why nobody may try now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// It is open.
    Open,
    /// Somebody else's try is being looked at.
    Busy,
    /// After a wrong try there is a wait, of so many ms more.
    Wait(u64),
}

impl Lock {
    /// An open one.
    #[must_use]
    pub const fn new(now_ms: u64, after_ms: Option<u64>) -> Self {
        Self { after_ms, last_ms: now_ms, locked: false, trying: false, wrong_in_a_row: 0, next_try_ms: 0, wrong: 0 }
    }

    /// An officer asks for something: idle time begins anew. Says whether it may be answered.
    pub fn ask(&mut self, now_ms: u64) -> bool {
        if self.is_locked(now_ms) {
            return false;
        }
        self.last_ms = now_ms;
        true
    }

    /// Whether it is locked, because it was told to or because it is time.
    pub fn is_locked(&mut self, now_ms: u64) -> bool {
        self.locked |= self.due_ms().is_some_and(|due_ms| due_ms <= now_ms);
        self.locked
    }

    /// When it will lock by itself, if nobody asks for anything.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        let after_ms = self.after_ms.filter(|_| !self.locked)?;
        Some(self.last_ms.saturating_add(after_ms))
    }

    /// Locks it now.
    pub const fn lock(&mut self) {
        self.locked = true;
    }

    /// Somebody wants to unlock it. After `Ok`, one of [`Self::was_right`] and [`Self::was_wrong`] must follow.
    pub fn begin_try(&mut self, now_ms: u64) -> Result<(), NotNow> {
        if !self.is_locked(now_ms) {
            return Err(NotNow::Open);
        }
        if self.trying {
            return Err(NotNow::Busy);
        }
        if now_ms < self.next_try_ms {
            return Err(NotNow::Wait(self.next_try_ms - now_ms));
        }
        self.trying = true;
        Ok(())
    }

    /// It was the right passphrase or key file.
    pub const fn was_right(&mut self, now_ms: u64) {
        self.trying = false;
        self.locked = false;
        self.wrong_in_a_row = 0;
        self.last_ms = now_ms;
    }

    /// It wasn't.
    pub fn was_wrong(&mut self, now_ms: u64) {
        self.trying = false;
        self.wrong += 1;
        let wait_ms = WAIT_MS.saturating_mul(1 << self.wrong_in_a_row.min(20)).min(WAIT_MS_MAX);
        self.wrong_in_a_row = self.wrong_in_a_row.saturating_add(1);
        self.next_try_ms = now_ms.saturating_add(wait_ms);
    }

    /// Wrong tries since the start.
    #[must_use]
    pub const fn wrong(&self) -> u64 {
        self.wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER_MS: u64 = 900_000;

    #[test]
    fn it_locks_after_idle_time_and_each_request_begins_it_anew() {
        let mut lock = Lock::new(0, Some(AFTER_MS));
        assert!(lock.ask(AFTER_MS - 1));
        assert_eq!(lock.due_ms(), Some(2 * AFTER_MS - 1));
        assert!(!lock.is_locked(2 * AFTER_MS - 2));
        assert!(lock.is_locked(2 * AFTER_MS - 1));
        assert!(!lock.ask(2 * AFTER_MS), "a request doesn't unlock it");
        assert!(lock.is_locked(2 * AFTER_MS + 1));
        assert_eq!(lock.due_ms(), None);
    }

    #[test]
    fn without_an_idle_time_it_locks_only_when_told() {
        let mut lock = Lock::new(0, None);
        assert!(lock.ask(u64::MAX));
        assert_eq!(lock.begin_try(u64::MAX), Err(NotNow::Open));
        lock.lock();
        assert!(!lock.ask(u64::MAX));
    }

    #[test]
    fn wrong_tries_wait_longer_each_time_up_to_a_minute_and_are_counted() {
        let mut lock = Lock::new(0, None);
        lock.lock();
        let mut now_ms = 0;
        for wait_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            assert_eq!(lock.begin_try(now_ms), Ok(()));
            assert_eq!(lock.begin_try(now_ms), Err(NotNow::Busy), "one at a time");
            lock.was_wrong(now_ms);
            assert_eq!(lock.begin_try(now_ms + wait_ms - 1), Err(NotNow::Wait(1)));
            now_ms += wait_ms;
        }
        assert_eq!(lock.wrong(), 8);
        assert_eq!(lock.begin_try(now_ms), Ok(()));
        lock.was_right(now_ms);
        assert!(lock.ask(now_ms));
        lock.lock();
        assert_eq!(lock.begin_try(now_ms), Ok(()));
        lock.was_wrong(now_ms);
        assert_eq!(lock.begin_try(now_ms + 1_000), Ok(()), "it begins again at the first wait");
        assert_eq!(lock.wrong(), 9);
    }
}
