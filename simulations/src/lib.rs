//! Sites in virtual time, on the code that devices run.
//!
//! [`World`] holds devices with their engines and stores, links between them, and a heap of events. It plays the network, the
//! disks and the clocks; everything that decides is the production core. Two runs with one seed are equal to the byte
//! ([`World::trace_hash`]).
//!
//! ```
//! use simulations::{Member, World};
//!
//! let mut world = World::new(1);
//! let (officer, hub) = (world.add(Member::Officer), world.add(Member::Hub));
//! // A capture is sealed to the hub, so its device must have heard of one.
//! world.link(officer, hub);
//! world.settle();
//! let capture = world.capture(officer, 2, 30_000);
//! world.settle();
//! assert!(world.view(officer, capture).accepted().is_some());
//! ```

pub mod check;
pub mod fuzz;
mod liar;
pub mod many;
pub mod operation;
pub mod oracle;
pub mod quantile;
pub mod report;
pub mod scenario;
mod site;
pub mod trace;
pub mod trouble;
mod world;

pub use liar::{Liar, Lie};
pub use site::{Member, Site};
pub use world::{
    Carried, Clock, Deed, Device, HubTrouble, LINK_LATENCY_MS, Meddling, PERSON, Pace, Surplus, Traffic, World,
};
