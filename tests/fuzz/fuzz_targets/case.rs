//! `cargo +nightly fuzz run case`, in `tests`. The body is in `simulations/tests/it/bodies.rs`.
#![no_main]

#[path = "../../../simulations/tests/it/bodies.rs"]
#[allow(dead_code, reason = "each target uses one body")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::case(data));
