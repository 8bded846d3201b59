//! Real `greenline` processes on loopback, one story a module. They need no root, no network, no service.
#![allow(clippy::unwrap_used, missing_docs)]

mod journey;
