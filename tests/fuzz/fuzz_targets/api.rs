//! `cargo +nightly fuzz run api`, in `tests`. The body is in `node/tests/it/hostile/api.rs`.
#![no_main]

use std::sync::OnceLock;

#[path = "../../../node/tests/it/hostile/api.rs"]
#[allow(dead_code, reason = "the test uses all of it")]
mod api;

/// It runs as long as the target does.
static POST: OnceLock<api::Post> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| api::api(POST.get_or_init(api::Post::start), data));
