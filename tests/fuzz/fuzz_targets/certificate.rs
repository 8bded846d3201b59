//! `cargo +nightly fuzz run certificate`, in `tests`. The body is in `gateway/tests/it/hostile/bodies.rs`.
#![no_main]

#[path = "../../../gateway/tests/it/hostile/bodies.rs"]
#[allow(dead_code, reason = "each target uses one body")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::certificate(data));
