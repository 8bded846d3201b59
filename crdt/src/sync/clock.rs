//! A clock that is set while the engine runs, or a device that slept.
//!
//! Timers are set by the wall clock, and so is what people read. When it is set back, what was to happen in some seconds still does;
//! when it is set forward, or nothing ran for a while, nobody is blamed for what couldn't come in a time that didn't pass.

use super::engine::Engine;
use super::timers::Timer;
use crate::store::Store;

/// A timer that is served later than this was overtaken by a clock that was set forward, or by sleep, in ms.
const LATE_MS: u64 = 5_000;

impl<S: Store> Engine<S> {
    /// Looks at the clock, before anything else is done at `now_ms`.
    pub(super) fn look_at_clock(&mut self, now_ms: u64) {
        let last_ms = std::mem::replace(&mut self.last_ms, now_ms);
        if now_ms < last_ms {
            let back_ms = last_ms - now_ms;
            self.timers.bring_forward(back_ms);
            self.scrubbing.bring_forward(back_ms);
            self.count_from(|ms| ms.saturating_sub(back_ms));
        } else if let Some(due_ms) = self.timers.next().filter(|due_ms| now_ms - due_ms.min(&now_ms) > LATE_MS) {
            let slept_ms = now_ms - due_ms;
            self.count_from(|ms| ms.saturating_add(slept_ms).min(now_ms));
            self.timers.put_off(|timer| matches!(timer, Timer::Handshake(_)), slept_ms);
        }
    }

    /// Moves the times since which something is waited for.
    fn count_from(&mut self, moved: impl Fn(u64) -> u64) {
        self.fetching.values_mut().for_each(|fetch| fetch.progress_ms = moved(fetch.progress_ms));
        for session in self.sessions.values_mut() {
            (session.heard_ms, session.blob_ms) = (moved(session.heard_ms), moved(session.blob_ms));
        }
    }
}
