//! Real `greenline` processes on loopback, one story a module. They need no root, no network, no service;
//! only those in network namespaces need root, and are skipped aloud without it.
#![allow(clippy::unwrap_used, missing_docs)]

mod at_rest;
mod audit;
mod authority;
mod cli;
#[cfg(target_os = "linux")]
mod clock;
mod crash;
mod enrol;
mod enrol_lan;
mod erasure;
mod journey;
mod liar;
mod locked;
#[cfg(target_os = "linux")]
mod netns;
mod partition;
mod privacy;
mod revoked;
mod scale;
mod sim;
mod strangers;
