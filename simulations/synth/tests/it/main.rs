//! Synthetic subjects, as others use them.
#![allow(clippy::unwrap_used, missing_docs)]

mod people;
