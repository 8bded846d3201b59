//! Bytes that nobody means well with: sound ones changed in the ways that find bugs, and random ones.
//!
//! Each package tries its readers of foreign bytes with them in its own tests. They are made and counted here, so that a count
//! says the same everywhere.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Dice;

/// Longest random input, in bytes.
const RANDOM_BYTES_MAX: usize = 600;
/// How much more memory the process may ever have taken after a reader was tried than before. Pictures may take most of it.
const MEMORY_MIB_MAX: u64 = 256;
/// How much of an input that a reader didn't bear is shown, in bytes.
const SHOWN_BYTES_MAX: usize = 4_096;

/// A few changes of the sort that find bugs: flipped bits, cut and doubled stretches, extreme numbers, foreign pieces.
#[must_use]
pub fn mutated(dice: &mut Dice, sound: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        match dice.below(6) {
            _ if bytes.is_empty() => bytes.push(0),
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes.truncate(at),
            2 => bytes.splice(at..at, [0xff; 9]).for_each(drop),
            3 => bytes[at] = *dice.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            4 => bytes.extend_from_within(at..),
            _ => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[dice.below(other.len())..]);
            }
        }
    }
    bytes
}

/// Tries a reader with each sample as it is, with `rounds` changes of each, and with as many random inputs as for one sample.
/// `HEAVY=1` tries a hundred times as many. Says how many it bore.
///
/// # Panics
/// If the reader does, and if it takes memory out of all proportion.
pub fn bears<N: Display>(reader: &str, samples: &[(N, Vec<u8>)], rounds: usize, read: impl Fn(&[u8])) {
    let key: Vec<u64> = reader.bytes().map(u64::from).collect();
    let (mut dice, mut tried) = (Dice::keyed(&key), 0_usize);
    let before = memory_mib_most();
    let mut bear = |name: &dyn Display, bytes: &[u8]| {
        tried += 1;
        let panics = catch_unwind(AssertUnwindSafe(|| read(bytes))).is_err();
        let shown = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
        assert!(!panics, "`{reader}` on {name}, {} bytes: {shown:02x?}", bytes.len());
    };
    let rounds = rounds * if is_heavy() { 100 } else { 1 };
    for (name, sound) in samples {
        bear(&format_args!("`{name}`"), sound);
        for _ in 0..rounds {
            let other = &samples[dice.below(samples.len())].1;
            bear(&format_args!("a mutated `{name}`"), &mutated(&mut dice, sound, other));
        }
    }
    for _ in 0..rounds {
        let random: Vec<u8> = (0..dice.below(RANDOM_BYTES_MAX)).map(|_| dice.next() as u8).collect();
        bear(&"random bytes", &random);
    }
    if let Some((before, after)) = before.zip(memory_mib_most()) {
        assert!(after <= before + MEMORY_MIB_MAX, "`{reader}` took {before} to {after} MiB");
    }
    println!("{reader}: {tried} hostile inputs, 0 panics");
}

/// Whether long runs are wanted.
fn is_heavy() -> bool {
    std::env::var_os("HEAVY").is_some_and(|value| value != "0")
}

/// The most memory that this process ever had, where the system says it.
fn memory_mib_most() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    most.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_differ_and_reach_every_sort() {
        let mut dice = Dice::keyed(&[1]);
        let made: Vec<Vec<u8>> = (0..2_000).map(|_| mutated(&mut dice, b"a sound sample", b"OTHER")).collect();
        let any = |test: fn(&Vec<u8>) -> bool| made.iter().any(test);
        assert!(any(|it| it.len() < 14) && any(|it| it.len() > 14 + 9) && any(|it| it.ends_with(b"OTHER")));
        assert!(any(|it| it.windows(9).any(|part| part == [0xff; 9])));
        assert!(made.iter().filter(|it| *it == b"a sound sample").count() < 20);
    }

    #[test]
    fn nothing_to_change_is_no_reason_to_panic() {
        let mut dice = Dice::keyed(&[2]);
        for _ in 0..100 {
            let _ = mutated(&mut dice, b"", b"");
        }
    }

    #[test]
    fn a_reader_that_panics_on_one_of_many_is_found() {
        let bad = |bytes: &[u8]| assert!(bytes.first() != Some(&0xff));
        let samples = [("one", b"0123456789".to_vec())];
        let found = catch_unwind(|| bears("bad", &samples, 500, bad)).unwrap_err();
        assert!(found.downcast_ref::<String>().is_some_and(|said| said.starts_with("`bad` on a")));
    }
}
