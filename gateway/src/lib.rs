//! (being written)
pub mod driver;
