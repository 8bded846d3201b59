//! The uplink's package from outside: hostile bytes on its links and in the place of its files.
#![allow(clippy::unwrap_used, missing_docs)]

mod hostile;
