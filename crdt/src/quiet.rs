//! Catching the panics of a dependency without a word on the terminal.
//!
//! A panic's message may quote what it choked on, which may be about a person. So the panic hook is asked to be silent while
//! `catch` runs. The hook belongs to the whole process: a shell installs ours once, at its start; the core never does.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Lets the present panic hook speak, except on a thread that is inside `catch`. For a shell, once, at its start.
pub fn install_panic_hook() {
    let speak = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !QUIET.get() {
            speak(info);
        }
    }));
}

/// What `work` returns; `None` if it panicked. Whatever it was working on must be dropped then.
pub fn catch<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_answer_and_the_thread_speaks_again_afterwards() {
        assert_eq!(catch(|| 7), Some(7));
        assert_eq!(catch(|| -> u8 { panic!("MARKER") }), None);
        assert!(!QUIET.get());
    }
}
