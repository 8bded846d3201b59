//! `cargo +nightly fuzz run link`, in `tests`. The body is in `node/mesh/tests/it/hostile/bodies.rs`.
#![no_main]

#[path = "../../../node/mesh/tests/it/hostile/bodies.rs"]
#[allow(dead_code, reason = "each target uses one body")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::link(data));
