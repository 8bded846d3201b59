//! `cargo +nightly fuzz run photo`, in `tests`. The body is in `node/cli/src/photo/bodies.rs`.
//!
//! The command is no library, so its reader is taken in as it stands.
#![no_main]

#[path = "../../../node/cli/src/photo/bodies.rs"]
mod bodies;
#[path = "../../../node/cli/src/photo.rs"]
#[allow(dead_code, reason = "the command uses all of it")]
mod photo;

// What the reader of codes panics on is caught where it is called, and no find.
libfuzzer_sys::fuzz_target!(init: crdt::quiet::install_panic_hook(), |data: &[u8]| bodies::photo(data));
