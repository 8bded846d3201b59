//! A site of real processes, in figures: `cargo build --release && cargo bench -p tests --bench site`.
//!
//! Measures all of it in about four minutes, or the parts that are named: `-- visible verdict memory revoked size`. `HEAVY=1` takes
//! more devices, captures and people. Everything runs on this machine, so sixteen devices share its cores.
//!
//! One process watches all devices by one clock, and next to what depends on the disk stands what one bare fsync took there,
//! in the same run.
#![allow(missing_docs, clippy::unwrap_used)]

mod figures;
mod fill;
mod memory;
mod revoked;
mod size;
mod stream;
mod verdict;
mod visible;

/// A part: its name, and what measures it.
type Part = (&'static str, fn());

const PARTS: [Part; 5] = [
    ("visible", visible::measure),
    ("verdict", verdict::measure),
    ("memory", memory::measure),
    ("revoked", revoked::measure),
    ("size", size::measure),
];

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let chosen = |name: &str| named.is_empty() || named.iter().any(|it| it == name);
    for (name, measure) in PARTS.into_iter().filter(|(name, _)| chosen(name)) {
        println!("{name}");
        measure();
    }
}

/// Whether the long run was asked for.
fn heavy() -> bool {
    std::env::var_os("HEAVY").is_some_and(|value| value != "0")
}
