//! The core as one crate, from outside: bytes on disk and on the wire, faults under the store, hostile input, and the
//! promise that the order of arrival never matters.
#![allow(clippy::unwrap_used, missing_docs)]

mod bounds;
mod erasure;
mod forks;
mod formats;
mod hostile;
mod leftovers;
mod net;
mod properties;
mod roles;
mod site;
mod store_faults;
mod verdicts;
