//! How rows lie in the file: values sealed, and the keys that name devices and logs veiled.
//!
//! | table | key in the file | value in the file |
//! | --- | --- | --- |
//! | most | as it is: a number, a time, a random id | sealed; an empty one stays empty |
//! | runs | the log's 16 bytes veiled, the rest as it is | sealed: length of the key, key, value |
//! | meta | what comes after the first `/` veiled | the same |
//!
//! To veil is to replace by a keyed hash, which is the same each time, so that a row is found; the order within a veiled part is
//! lost, and scans make up for that. A value is sealed with ChaCha20-Poly1305 under a subkey of the opening, which is 16 random
//! bytes, and with a counter as its nonce; both lie before it. The table and the key are authenticated with the value, so that
//! no row can be put in the place of another. ring does it, because hundreds of thousands of short rows are sealed in a catch-up,
//! and it takes a fifth of the time that the cipher of `vault.rs` takes for one.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::store::{FORMAT_KEY, StoreError, Table};
use crate::vault::VaultKey;

/// Random bytes that name an opening.
const OPENING_BYTES: usize = 16;
/// What lies before a ciphertext: the opening, and a number within it.
const HEAD_BYTES: usize = OPENING_BYTES + size_of::<u64>();
/// Bytes of a log's name, which begins the keys of [`Table::Runs`].
const LOG_BYTES: usize = 16;

/// The key of a file's rows, and the nonces of this opening.
pub(super) struct Rows {
    values: VaultKey,
    names: VaultKey,
    opening: [u8; OPENING_BYTES],
    /// What this opening seals with.
    key: LessSafeKey,
    /// Values sealed so far. No more than 2^64 can be, ever.
    sealed: AtomicU64,
}

/// Where the rows of a scan lie in the file.
pub(super) enum Span {
    /// From one key to another, in the order of the keys as they are.
    Sorted(Vec<u8>, Vec<u8>),
    /// Somewhere from one key to another.
    Mixed(Vec<u8>, Vec<u8>),
}

impl Rows {
    /// `opening` is random, drawn anew each time a file is opened.
    pub(super) fn new(data_key: &VaultKey, opening: [u8; OPENING_BYTES]) -> Self {
        let (values, names) = (data_key.derive("values"), data_key.derive("names"));
        let key = key_of(&values, &opening);
        Self { values, names, opening, key, sealed: AtomicU64::new(0) }
    }

    /// A key as it lies in the file.
    pub(super) fn key<'a>(&self, table: Table, key: &'a [u8]) -> Cow<'a, [u8]> {
        match (table, veiled_part(table, key)) {
            (_, None) => Cow::Borrowed(key),
            (Table::Runs, Some(log)) => [&self.names.name(log), &key[log.len()..]].concat().into(),
            (_, Some(rest)) => [&key[..key.len() - rest.len()], &self.names.name(rest)].concat().into(),
        }
    }

    /// A value as it lies in the file, into a buffer. `placed` is the key as it lies there.
    pub(super) fn seal(&self, table: Table, key: &[u8], placed: &[u8], value: &[u8], sealed: &mut Vec<u8>) {
        sealed.clear();
        if is_clear(table, key) || (value.is_empty() && !holds_key(table)) {
            sealed.extend_from_slice(value);
            return;
        }
        let number = self.sealed.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        sealed.extend_from_slice(&self.opening);
        sealed.extend_from_slice(&number);
        if holds_key(table) {
            // Keys are shorter than 64 KiB: the longest are 40 bytes.
            sealed.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
            sealed.extend_from_slice(key);
        }
        sealed.extend_from_slice(value);
        let context = Context::new(table, placed);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(number), Aad::from(context.bytes()), &mut sealed[HEAD_BYTES..])
            .expect("ChaCha20-Poly1305 takes up to 256 GiB, and a row is at most a few MiB");
        sealed.extend_from_slice(tag.as_ref());
    }

    /// The key and the value of a row that lies in the file.
    pub(super) fn open(&self, table: Table, placed: &[u8], sealed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
        if is_clear(table, placed) || (sealed.is_empty() && !holds_key(table)) {
            return Ok((placed.to_vec(), sealed.to_vec()));
        }
        let damaged = || StoreError::Damaged("a row was changed".to_owned());
        let (opening, rest) = sealed.split_first_chunk::<OPENING_BYTES>().ok_or_else(damaged)?;
        let (number, sealed) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (mut value, context) = (sealed.to_vec(), Context::new(table, placed));
        let of_another = (*opening != self.opening).then(|| key_of(&self.values, opening));
        let key = of_another.as_ref().unwrap_or(&self.key);
        let opened = key.open_in_place(nonce(*number), Aad::from(context.bytes()), &mut value);
        let len = opened.map_err(|_| damaged())?.len();
        value.truncate(len);
        if !holds_key(table) {
            return Ok((placed.to_vec(), value));
        }
        let (len, rest) = value.split_first_chunk::<2>().ok_or_else(damaged)?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len))).ok_or_else(damaged)?;
        Ok((key.to_vec(), rest.to_vec()))
    }

    /// Where the rows with `from <= key < to` lie.
    pub(super) fn span(&self, table: Table, from: &[u8], to: &[u8]) -> Span {
        match table {
            Table::Runs => self.span_of_runs(from, to),
            Table::Meta => {
                let start = from[..from.len() - veiled_part(table, from).map_or(0, <[u8]>::len)].to_vec();
                let end = match veiled_part(table, to) {
                    Some(rest) => after(&to[..to.len() - rest.len()]),
                    None => to.to_vec(),
                };
                Span::Mixed(start, end)
            }
            _ => Span::Sorted(from.to_vec(), to.to_vec()),
        }
    }

    /// Within one log, runs lie in order.
    fn span_of_runs(&self, from: &[u8], to: &[u8]) -> Span {
        let all = || Span::Mixed(Vec::new(), vec![u8::MAX; LOG_BYTES + 9]);
        let Some((log, rest)) = from.split_at_checked(LOG_BYTES) else { return all() };
        let name = self.names.name(log);
        let start = [&name, rest].concat();
        match to.strip_prefix(log) {
            Some(rest) => Span::Sorted(start, [&name, rest].concat()),
            None if to == after(log) => Span::Sorted(start, after(&name)),
            None => all(),
        }
    }
}

/// What an opening seals with.
fn key_of(values: &VaultKey, opening: &[u8; OPENING_BYTES]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, values.subkey(opening).reveal());
    LessSafeKey::new(key.expect("a key has 32 bytes, as this cipher takes"))
}

fn nonce(number: [u8; 8]) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number);
    Nonce::assume_unique_for_key(nonce)
}

/// The part of a key that names a device or a log.
fn veiled_part(table: Table, key: &[u8]) -> Option<&[u8]> {
    match table {
        Table::Runs => Some(&key[..key.len().min(LOG_BYTES)]),
        Table::Meta => key.iter().position(|byte| *byte == b'/').map(|slash| &key[slash + 1..]),
        _ => None,
    }
}

/// Whether values hold the whole key, because the one in the file doesn't tell it.
const fn holds_key(table: Table) -> bool {
    matches!(table, Table::Runs | Table::Meta)
}

/// The format is read before there is a key.
fn is_clear(table: Table, key: &[u8]) -> bool {
    table == Table::Meta && key == FORMAT_KEY
}

/// The first key after all that begin with `prefix`.
fn after(prefix: &[u8]) -> Vec<u8> {
    let kept = prefix.iter().rposition(|byte| *byte < u8::MAX);
    match kept {
        Some(last) => [&prefix[..last], &[prefix[last] + 1]].concat(),
        None => vec![u8::MAX; prefix.len() + 9],
    }
}

/// What is authenticated with a value: the table and the key. Most keys are short, and this is done for every row.
enum Context {
    Short([u8; Self::SHORT], usize),
    Long(Vec<u8>),
}

impl Context {
    const SHORT: usize = 48;

    fn new(table: Table, placed: &[u8]) -> Self {
        let mut short = [table as u8; Self::SHORT];
        match short[1..].get_mut(..placed.len()) {
            Some(room) => {
                room.copy_from_slice(placed);
                Self::Short(short, 1 + placed.len())
            }
            None => Self::Long([&[table as u8], placed].concat()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes, len) => &bytes[..*len],
            Self::Long(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        Rows::new(&VaultKey::new([1; 32]), [2; OPENING_BYTES])
    }

    #[test]
    fn rows_come_back_and_what_they_say_is_not_seen() {
        let (rows, mut sealed) = (rows(), Vec::new());
        let long = [b"known/".as_slice(), &[b'D'; 90]].concat();
        for table in Table::ALL {
            let named = if table == Table::Meta { b"log/DEVICE" } else { b"DEVICE 678" };
            for key in [b"".as_slice(), b"k", named, &long] {
                let placed = rows.key(table, key).into_owned();
                rows.seal(table, key, &placed, b"MARKER", &mut sealed);
                assert!(!sealed.windows(6).any(|bytes| bytes == b"MARKER"));
                assert_eq!(rows.open(table, &placed, &sealed).unwrap(), (key.to_vec(), b"MARKER".to_vec()));
                if holds_key(table) {
                    assert!(![placed, sealed.clone()].concat().windows(6).any(|bytes| bytes == b"DEVICE"), "{table:?}");
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_open_in_another_place() {
        let (rows, mut sealed) = (rows(), Vec::new());
        rows.seal(Table::Entries, &[1], &[1], b"first", &mut sealed);
        assert!(rows.open(Table::Entries, &[2], &sealed).is_err());
        assert!(rows.open(Table::Captures, &[1], &sealed).is_err());
        sealed[30] ^= 1;
        assert!(rows.open(Table::Entries, &[1], &sealed).is_err());
        assert!(rows.open(Table::Entries, &[1], &[7; 10]).is_err());
    }

    #[test]
    fn no_nonce_is_used_twice() {
        let (rows, mut sealed) = (rows(), Vec::new());
        let mut nonces = std::collections::BTreeSet::new();
        for _ in 0..100 {
            rows.seal(Table::Entries, &[1], &[1], b"same", &mut sealed);
            assert!(nonces.insert(sealed[..24].to_vec()));
        }
    }

    #[test]
    fn a_span_holds_every_key_of_its_range() {
        let rows = rows();
        let log = |fill: u8, rest: &[u8]| [&[fill; LOG_BYTES], rest].concat();
        let runs = vec![log(1, &[0]), log(1, &[7]), log(1, &[9]), log(2, &[0]), log(255, &[3]), vec![], vec![1, 2]];
        let meta: Vec<Vec<u8>> =
            ["", "epoch", "format", "known/a", "known/b", "known/", "log/a", "log/b", "z/", "zz", "/x"]
                .iter()
                .map(|key| key.as_bytes().to_vec())
                .collect();
        for (table, keys) in [(Table::Runs, runs), (Table::Meta, meta)] {
            let ends = keys.iter().flat_map(|key| [key.clone(), after(key), [key.as_slice(), &[0]].concat()]);
            let ends: Vec<Vec<u8>> = ends.chain([after(&[1; LOG_BYTES]), vec![255; 30]]).collect();
            for (from, to) in ends.iter().flat_map(|from| ends.iter().map(move |to| (from, to))) {
                let (Span::Sorted(start, end) | Span::Mixed(start, end)) = rows.span(table, from, to);
                for key in keys.iter().filter(|key| from <= *key && *key < to) {
                    let placed = rows.key(table, key).into_owned();
                    assert!(start <= placed && placed < end, "{table:?} {key:?} in {from:?} to {to:?}");
                }
            }
        }
    }
}
