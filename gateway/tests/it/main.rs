//! The uplink's package from outside: hostile bytes in the place of files that it reads.
#![allow(clippy::unwrap_used, missing_docs)]

mod hostile;
