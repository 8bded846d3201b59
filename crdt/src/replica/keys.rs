//! The store's keys. Numbers are big-endian, so that bytes sort as numbers do.

use crate::entry::About;
use crate::ids::{CaptureId, LogId};
use crate::time::Hlc;
use crate::view::EntryRef;

/// Prefix of the rows in `Meta` that hold logs.
pub(crate) const LOG_PREFIX: &[u8] = b"log/";
/// Prefix of the rows in `Meta` that hold what is known of devices.
pub(crate) const KNOWN_PREFIX: &[u8] = b"known/";
/// Prefix of the rows in `Meta` that say why a capture may lack its bodies.
pub(crate) const ERASED_PREFIX: &[u8] = b"erased/";
/// Prefix of the rows in `Meta` that name erasures which stand in no log here.
pub(crate) const ORPHAN_PREFIX: &[u8] = b"orphan/";
/// Prefix of the rows in `Meta` that hold the certificates of those who erased.
pub(crate) const ERASER_PREFIX: &[u8] = b"eraser/";
/// Row in `Meta`: how many captures were erased when the store was last scrubbed.
pub(crate) const SCRUBBED: &[u8] = b"scrubbed";
/// Row in `Meta`: the epoch of the own log.
pub(crate) const EPOCH: &[u8] = b"epoch";

pub(crate) fn entry(arrival: u64) -> [u8; 8] {
    arrival.to_be_bytes()
}

pub(crate) fn number(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    let from = bytes.len().saturating_sub(8);
    number[8 - (bytes.len() - from)..].copy_from_slice(&bytes[from..]);
    u64::from_be_bytes(number)
}

pub(crate) fn run(at: EntryRef) -> Vec<u8> {
    [at.log.0.as_slice(), &at.seq.to_be_bytes()].concat()
}

pub(crate) fn order(time: Hlc, capture: CaptureId) -> Vec<u8> {
    [time.0.to_be_bytes().as_slice(), &capture.0].concat()
}

pub(crate) fn about(about: &About, arrival: u64) -> Vec<u8> {
    [about_prefix(about).as_slice(), &arrival.to_be_bytes()].concat()
}

pub(crate) fn about_prefix(about: &About) -> Vec<u8> {
    let tag = u8::from(about.capture().is_some());
    [[tag].as_slice(), about.key()].concat()
}

pub(crate) fn log(log: LogId) -> Vec<u8> {
    [LOG_PREFIX, &log.0].concat()
}

pub(crate) fn erased(capture: CaptureId) -> Vec<u8> {
    [ERASED_PREFIX, &capture.0].concat()
}

pub(crate) fn orphan(capture: CaptureId) -> Vec<u8> {
    [ORPHAN_PREFIX, &capture.0].concat()
}

pub(crate) fn eraser(certificate: &[u8; 32]) -> Vec<u8> {
    [ERASER_PREFIX, certificate].concat()
}

/// The first key after all that begin with `prefix`.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX; prefix.len() + 9]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_next_begins() {
        assert_eq!(after(b"ab"), b"ac");
        assert_eq!(after(&[1, 255]), [2]);
        assert!(after(&[255, 255]).as_slice() > [255, 255, 255].as_slice());
    }

    #[test]
    fn numbers_read_back_from_the_end_of_a_key() {
        let key = about(&About::Capture(CaptureId([3; 16])), 77);
        assert_eq!(number(&key), 77);
        assert_eq!(number(&[]), 0);
    }
}
