//! A device as one crate, from outside: hostile bytes, and too many, in the place of everything that it reads.
#![allow(clippy::unwrap_used, missing_docs)]

mod bounds;
mod hostile;
