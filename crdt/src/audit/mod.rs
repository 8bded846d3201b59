//! The audit trail: who did what, when and why.
//!
//! Most of it is there already. A capture, a review, an erasure is an entry, and its header and signature stay when its body
//! goes ([`Verb::of_entry`] says which verb each is). What makes no entry is a [`Record`]: that somebody read a capture, that a
//! hub compared one, that a request was refused. Records are local. Each device chains its own, so that none can be changed,
//! left out or put in without it showing, and signs the end of the chain whenever it is handed out:
//!
//! ```text
//!  record ─ salt ─► leaf ─┐
//!                         ├─► link ─► link ─► … ─► head, signed
//!  link before ───────────┘
//! ```
//!
//! Where a record is left out of an export, its leaf stands in its place: the chain still verifies, and the leaf tells nothing,
//! since nobody knows the salt. Where the trail is older than it is kept for, it begins at a later link ([`Point`]).
//!
//! Nothing in a record says anything about the person who was checked: ids, verbs, counts. `operator` and `why` are words of
//! whoever uses the device; they must not name that person, and this program can't see to it.

mod chain;
mod fold;
mod record;
pub mod segment;
mod verb;

pub use chain::{Chain, Digest, Head, HeadError, LineHash, Point, SignedHead, TrailId, leaf};
pub use fold::{FOLD_MS, Fold, Folded};
pub use record::{
    Act, CAPTURES_MAX, CodeName, OPERATOR_BYTES_MAX, ParseNameError, Parts, PersonName, RECORD_BYTES_MAX, Record,
    RecordError, Refused, SALT_BYTES, Salted, Under, WHY_BYTES_MAX,
};
pub use verb::Verb;
