//! Meshes on real sockets of 127.0.0.1.
#![allow(clippy::unwrap_used, missing_docs)]

mod abuse;
mod hostile;
mod kit;
mod life;
mod traffic;
