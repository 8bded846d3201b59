//! `cargo +nightly fuzz run session`, in `crdt`. The body is in `crdt/tests/it/hostile/bodies.rs`.
#![no_main]

mod hostile;
#[path = "../../tests/it/site.rs"]
#[allow(dead_code, reason = "each target uses a part of it")]
mod site;

// What Automerge panics on is caught where it is called, and no find.
libfuzzer_sys::fuzz_target!(init: crdt::quiet::install_panic_hook(), |data: &[u8]| hostile::bodies::session(data));
