//! The bodies, as the tests have them.
#![allow(dead_code, reason = "each target uses one body")]

#[path = "../../tests/it/hostile/bodies.rs"]
pub(crate) mod bodies;
#[path = "../../tests/it/hostile/peer.rs"]
pub(crate) mod peer;
