//! Known bugs, put in on purpose: a test switches one on and shows that the simulator's rules catch it.
//!
//! Without the feature `canary` none can be switched on, and what asks for one is compiled away. No program that is shipped has it.

/// A bug that the rules must catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// Signatures of entries aren't looked at: whoever passes an entry on could have written it.
    Author,
    /// Own entries are pushed before they are on the disk.
    Durability,
    /// What was screened is answered without looking whose it is and whether it is answered.
    Submission,
    /// What a revoked device writes counts.
    Revocation,
    /// A frame that can't be read overwrites what is known of the peer: that it has everything, for ever.
    Frontier,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Author, Self::Durability, Self::Submission, Self::Revocation, Self::Frontier];
}

/// Whether a bug is switched on for this thread.
#[cfg(not(feature = "canary"))]
#[must_use]
pub const fn sings(_: Canary) -> bool {
    false
}

/// Notes a pair of devices, of whom the first believes that the second has everything.
#[cfg(not(feature = "canary"))]
pub const fn overwrite(_: &[u8; 32], _: &[u8; 32]) {}

/// Whether a pair was noted.
#[cfg(not(feature = "canary"))]
#[must_use]
pub const fn is_overwritten(_: &[u8; 32], _: &[u8; 32]) -> bool {
    false
}

#[cfg(feature = "canary")]
pub use loud::{is_overwritten, overwrite, sings, switch};

#[cfg(feature = "canary")]
mod loud {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;

    use super::Canary;

    type Pair = ([u8; 32], [u8; 32]);

    thread_local! {
        static ON: Cell<Option<Canary>> = const { Cell::new(None) };
        static OVERWRITTEN: RefCell<BTreeSet<Pair>> = const { RefCell::new(BTreeSet::new()) };
    }

    /// Switches one bug on for this thread, or all off.
    pub fn switch(on: Option<Canary>) {
        ON.set(on);
        OVERWRITTEN.take();
    }

    /// Notes a pair of devices, of whom the first believes that the second has everything.
    pub fn overwrite(own: &[u8; 32], peer: &[u8; 32]) {
        OVERWRITTEN.with_borrow_mut(|pairs| pairs.insert((*own, *peer)));
    }

    /// Whether a pair was noted.
    #[must_use]
    pub fn is_overwritten(own: &[u8; 32], peer: &[u8; 32]) -> bool {
        OVERWRITTEN.with_borrow(|pairs| pairs.contains(&(*own, *peer)))
    }

    /// Whether a bug is switched on for this thread.
    #[must_use]
    pub fn sings(canary: Canary) -> bool {
        ON.get() == Some(canary)
    }
}
