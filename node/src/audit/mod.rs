//! What is handed out of the audit trail, and how anybody checks it: exports and proof packs.
//!
//! An export is lines of JSON. Each says in words what it is, and carries the signed bytes that it says it about; whoever reads
//! the words can trust them, because [`Verifier`] makes every line anew from its bytes and compares. It begins with the site's
//! manifest and the exporting device's certificate, goes on with the headers of the logs and the device's own records, and
//! ends with the device's signature over all of it.
//!
//! ```text
//!  replica ─ headers ──┐
//!                      ├─► write ─► lines ─► verify ─► summary
//!  trail ─── records ──┘   (a device)        (any machine)
//! ```
//!
//! What is handed out of an authority's trail is the same, without logs, and signed with the authority's key.
//!
//! [`line`] has the lines, [`verify`] checks them, [`tally`] counts what became of captures; all three are pure.

pub mod authority;
pub mod filter;
pub mod line;
pub mod tally;
pub mod verify;
pub mod write;

#[cfg(test)]
mod tests;

pub use authority::write_authority;
pub use filter::{Filter, FilterError, Wanted};
pub use line::{LINE_BYTES_MAX, What};
pub use tally::{Counts, Tally};
pub use verify::{Fault, ReadError, Summary, Verifier};
pub use write::{AuditError, Source, write};
