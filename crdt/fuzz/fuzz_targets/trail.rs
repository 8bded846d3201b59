//! `cargo +nightly fuzz run trail`, in `crdt`. The body is in `crdt/tests/it/hostile/bodies.rs`.
#![no_main]

mod hostile;
#[path = "../../tests/it/site.rs"]
#[allow(dead_code, reason = "each target uses a part of it")]
mod site;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::bodies::trail(data));
