//! Waiting for what other processes do.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: far more than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until `look` finds something.
///
/// # Panics
/// With `what` was waited for, after [`PATIENCE`].
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_longer(what, PATIENCE, look)
}

/// Waits until `look` finds something, for as long as `limit`.
///
/// # Panics
/// With `what` was waited for, after the limit.
pub fn wait_longer<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < limit, "waited {} s in vain for {what}", limit.as_secs());
        pause(LOOK);
    }
}

#[expect(clippy::disallowed_methods, reason = "another process can't be awaited, only looked at again")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
