//! `cargo +nightly fuzz run enrolment_wire`, in `tests`. The body is in `node/tests/it/hostile/bodies.rs`.
#![no_main]

#[path = "../../../node/tests/it/hostile/bodies.rs"]
#[allow(dead_code, reason = "each target uses one body")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::enrolment_wire(data));
