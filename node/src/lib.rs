//! One device: the runtime that joins core and shells, and its local API.
//!
//! ```text
//!   mesh (libp2p) ──► lan ──┐                       ┌── api ──► status page, command, other programs
//!                           ├──► driver (engine) ◄──┤
//!   hub (QUIC) ──► way_out ─┘                       └── home, keystore, enrol: keys, memberships
//! ```
//!
//! What decides is pure: the sync engine in `crdt`, whom to dial in [`dial`], the way out in `gateway`. The rest here
//! carries it out. Without the feature `shell` only the pure half is built, for the simulator.

pub mod clock;
pub mod dial;

#[cfg(feature = "shell")]
mod api;
#[cfg(feature = "shell")]
pub mod audit;
#[cfg(feature = "shell")]
pub mod authority;
#[cfg(feature = "shell")]
pub mod book;
#[cfg(feature = "shell")]
pub mod enrol;
#[cfg(feature = "shell")]
pub mod files;
#[cfg(feature = "shell")]
pub mod handling;
#[cfg(feature = "shell")]
pub mod home;
#[cfg(feature = "shell")]
pub mod hub_api;
#[cfg(feature = "shell")]
pub mod keystore;
#[cfg(feature = "shell")]
mod lan;
pub mod lock;
#[cfg(feature = "shell")]
pub mod locker;
#[cfg(feature = "shell")]
mod metrics;
#[cfg(feature = "shell")]
mod names;
#[cfg(feature = "shell")]
pub mod orders;
#[cfg(feature = "shell")]
pub mod runtime;
#[cfg(feature = "shell")]
mod shared;
#[cfg(feature = "shell")]
mod way_out;
