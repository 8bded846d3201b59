//! What is checked of a change's bytes before Automerge sees them.
//!
//! Automerge 0.12 inflates deflated chunks without a limit, and a 69-byte change can claim ten million operations, which cost
//! seconds and gigabytes. So this parser walks the layout by itself, expands nothing, and counts what the column headers
//! promise. It takes a microsecond, whatever the bytes say.

use thiserror::Error;

/// Longest change, in bytes.
pub const CHUNK_BYTES_MAX: usize = 4 * 1024;
/// Most operations of one change.
pub const OPERATIONS_MAX: u64 = 256;
/// Most changes that one change builds on directly, at 32 bytes each: half of the longest chunk.
pub const DEPENDENCIES_MAX: u64 = 64;
/// Most values that a change replaces: all that could be concurrent, from every author it can build on, and then some.
const REPLACED_MAX: u64 = 512;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHECKSUM_BYTES: usize = 4;
const CHANGE: u8 = 1;
const ACTOR_BYTES: u64 = 16;
const HASH_BYTES: u64 = 32;
/// Columns that a record's change can have, by number and type: object, key, insert, action, value, predecessors.
const COLUMNS: [u64; 12] = [0x01, 0x02, 0x11, 0x13, 0x15, 0x34, 0x42, 0x56, 0x57, 0x70, 0x71, 0x73];

/// Why bytes aren't handed to Automerge.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum ChunkError {
    /// Longer than [`CHUNK_BYTES_MAX`].
    #[error("the change is longer than {CHUNK_BYTES_MAX} bytes")]
    TooLong,
    /// Not one plain change chunk.
    #[error("the bytes aren't one plain change")]
    NotAChange,
    /// More than [`OPERATIONS_MAX`].
    #[error("the change has more than {OPERATIONS_MAX} operations")]
    TooManyOperations,
    /// More than [`DEPENDENCIES_MAX`].
    #[error("the change builds on more than {DEPENDENCIES_MAX} others")]
    TooManyDependencies,
    /// It replaces more values than there can be.
    #[error("the change replaces more than {REPLACED_MAX} values")]
    TooManyReplaced,
    /// A column that no record has, or a deflated one.
    #[error("the change has a column that no record has")]
    Column,
}

/// Checks that the bytes are one plain change within all bounds.
pub(crate) fn check(chunk: &[u8]) -> Result<(), ChunkError> {
    if chunk.len() > CHUNK_BYTES_MAX {
        return Err(ChunkError::TooLong);
    }
    let mut rest = Bytes(chunk);
    if rest.take(MAGIC.len() as u64)? != MAGIC {
        return Err(ChunkError::NotAChange);
    }
    rest.take(CHECKSUM_BYTES as u64)?;
    if rest.take(1)? != [CHANGE] {
        return Err(ChunkError::NotAChange);
    }
    let length = rest.unsigned()?;
    if length != rest.0.len() as u64 {
        return Err(ChunkError::NotAChange);
    }
    check_head(&mut rest)?;
    check_columns(rest)
}

/// Dependencies, actor, numbers, no message, other actors.
fn check_head(rest: &mut Bytes<'_>) -> Result<(), ChunkError> {
    let dependencies = rest.unsigned()?;
    if dependencies > DEPENDENCIES_MAX {
        return Err(ChunkError::TooManyDependencies);
    }
    rest.take(dependencies * HASH_BYTES)?;
    rest.actor()?;
    let (_seq, _first, _time) = (rest.unsigned()?, rest.unsigned()?, rest.signed()?);
    if rest.unsigned()? != 0 {
        return Err(ChunkError::NotAChange);
    }
    let others = rest.unsigned()?;
    if others > CHUNK_BYTES_MAX as u64 / ACTOR_BYTES {
        return Err(ChunkError::NotAChange);
    }
    (0..others).try_for_each(|_| rest.actor())
}

fn check_columns(mut rest: Bytes<'_>) -> Result<(), ChunkError> {
    let count = rest.unsigned()?;
    if count > COLUMNS.len() as u64 {
        return Err(ChunkError::Column);
    }
    let mut columns = Vec::with_capacity(COLUMNS.len());
    for _ in 0..count {
        let column = (rest.unsigned()?, rest.unsigned()?);
        if !COLUMNS.contains(&column.0) || columns.last().is_some_and(|(last, _)| *last >= column.0) {
            return Err(ChunkError::Column);
        }
        columns.push(column);
    }
    for (column, length) in columns {
        check_column(column, Bytes(rest.take(length)?))?;
    }
    // Bytes after the columns would be hashed and kept, and mean nothing.
    if rest.0.is_empty() { Ok(()) } else { Err(ChunkError::NotAChange) }
}

fn check_column(column: u64, bytes: Bytes<'_>) -> Result<(), ChunkError> {
    let (rows, most, error) = match column {
        0x57 => return Ok(()),
        0x34 => (boolean_rows(bytes)?, OPERATIONS_MAX, ChunkError::TooManyOperations),
        0x15 => (run_rows(bytes, Bytes::text)?.0, OPERATIONS_MAX, ChunkError::TooManyOperations),
        0x13 => (run_rows(bytes, Bytes::difference)?.0, OPERATIONS_MAX, ChunkError::TooManyOperations),
        0x70 => {
            let (rows, replaced) = run_rows(bytes, Bytes::unsigned)?;
            if replaced > REPLACED_MAX {
                return Err(ChunkError::TooManyReplaced);
            }
            (rows, OPERATIONS_MAX, ChunkError::TooManyOperations)
        }
        0x71 => (run_rows(bytes, Bytes::unsigned)?.0, REPLACED_MAX, ChunkError::TooManyReplaced),
        0x73 => (run_rows(bytes, Bytes::difference)?.0, REPLACED_MAX, ChunkError::TooManyReplaced),
        _ => (run_rows(bytes, Bytes::unsigned)?.0, OPERATIONS_MAX, ChunkError::TooManyOperations),
    };
    if rows > most { Err(error) } else { Ok(()) }
}

/// How many rows a run-length column promises, and the sum over them of what `value` reads.
fn run_rows<'a>(
    mut bytes: Bytes<'a>,
    value: impl Fn(&mut Bytes<'a>) -> Result<u64, ChunkError>,
) -> Result<(u64, u64), ChunkError> {
    let (mut rows, mut sum) = (0u64, 0u64);
    while !bytes.0.is_empty() {
        match bytes.signed()? {
            0 => rows = rows.saturating_add(bytes.unsigned()?),
            literal @ ..0 => {
                for _ in 0..literal.unsigned_abs() {
                    sum = sum.saturating_add(value(&mut bytes)?);
                    rows += 1;
                }
            }
            repeated => {
                let repeated = repeated.unsigned_abs();
                sum = sum.saturating_add(value(&mut bytes)?.saturating_mul(repeated));
                rows = rows.saturating_add(repeated);
            }
        }
    }
    Ok((rows, sum))
}

/// How many rows a boolean column promises: it is nothing but counts.
fn boolean_rows(mut bytes: Bytes<'_>) -> Result<u64, ChunkError> {
    let mut rows = 0u64;
    while !bytes.0.is_empty() {
        rows = rows.saturating_add(bytes.unsigned()?);
    }
    Ok(rows)
}

/// The bytes that weren't read yet.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], ChunkError> {
        let count = usize::try_from(count).map_err(|_| ChunkError::NotAChange)?;
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ChunkError::NotAChange)?;
        self.0 = rest;
        Ok(taken)
    }

    fn actor(&mut self) -> Result<(), ChunkError> {
        if self.unsigned()? != ACTOR_BYTES {
            return Err(ChunkError::NotAChange);
        }
        self.take(ACTOR_BYTES).map(|_| ())
    }

    fn text(&mut self) -> Result<u64, ChunkError> {
        let length = self.unsigned()?;
        self.take(length).map(|_| 0)
    }

    fn difference(&mut self) -> Result<u64, ChunkError> {
        self.signed().map(|_| 0)
    }

    fn unsigned(&mut self) -> Result<u64, ChunkError> {
        let (value, _, _) = self.leb128()?;
        Ok(value)
    }

    fn signed(&mut self) -> Result<i64, ChunkError> {
        let (value, bits, negative) = self.leb128()?;
        let value = value.cast_signed();
        Ok(if negative && bits < u64::BITS { value | (-1 << bits) } else { value })
    }

    /// A number in groups of seven bits: its value, how many bits were given, and whether the last one's sign bit is set.
    fn leb128(&mut self) -> Result<(u64, u32, bool), ChunkError> {
        let (mut value, mut bits) = (0u64, 0);
        loop {
            let [byte] = *self.take(1)? else { return Err(ChunkError::NotAChange) };
            if bits >= u64::BITS {
                return Err(ChunkError::NotAChange);
            }
            value |= u64::from(byte & 0x7f) << bits;
            bits += 7;
            if byte & 0x80 == 0 {
                return Ok((value, bits, byte & 0x40 != 0));
            }
        }
    }
}
