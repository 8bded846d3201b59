//! The matcher with real worker processes: this test binary, started again to run one of its tests.

#![allow(clippy::unwrap_used)]

mod gallery;
mod hostile;
mod pool;
mod print;
mod separation;
mod workers;
