//! The core, as a site would see it: many replicas, one truth.
#![allow(clippy::unwrap_used, missing_docs)]

mod aliases;
mod bodies;
#[cfg(feature = "canary")]
mod canary;
mod clocks;
mod compare;
mod converge;
mod crashes;
mod edits;
mod erasure;
mod faults;
mod forks;
mod fuzz;
mod hostile;
mod kit;
mod liar;
mod notes;
mod operation;
mod oracle;
mod order;
mod plans;
mod privacy;
mod published;
mod report;
mod revoked;
mod scenario;
mod shipped;
mod trace;
mod traffic;
mod turns;
