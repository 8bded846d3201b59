//! Blobs: sealed bytes, named by their hash, fetched in ranges that verify one by one.
//!
//! A blob is cut into groups of 16 KiB, which are subtrees of its BLAKE3 tree. The **outline** of a blob is the list of
//! their chaining values: it verifies against the blob's id, and each group then verifies against its line of the outline, in
//! any order and from any holder. Nothing about progress needs to be remembered: what a restart finds on disk is hashed again.

use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::BlobId;

/// Longest blob: a full ten-print card at 1000 ppi stays well below.
pub const BLOB_BYTES_MAX: usize = 16 * 1024 * 1024;
/// One group: 16 BLAKE3 chunks. At 100 kbit/s it takes 1.3 s, the most that anything urgent waits behind it.
pub const GROUP_BYTES: usize = 16 * 1024;

/// A blob as a capture names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobRef {
    /// BLAKE3 of the ciphertext.
    pub id: BlobId,
    /// Its length in bytes.
    pub bytes: u32,
}

/// Why received bytes aren't part of a blob.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum BlobError {
    /// The length is 0 or above [`BLOB_BYTES_MAX`].
    #[error("a blob has 1 to {BLOB_BYTES_MAX} bytes")]
    Length,
    /// The outline isn't that of the blob.
    #[error("the outline isn't that of the blob")]
    Outline,
    /// The bytes aren't those of the group.
    #[error("the bytes aren't those of the group")]
    Group,
}

impl BlobRef {
    /// Names a whole blob.
    pub fn of(bytes: &[u8]) -> Result<Self, BlobError> {
        if bytes.is_empty() || bytes.len() > BLOB_BYTES_MAX {
            return Err(BlobError::Length);
        }
        let id = BlobId(*blake3::hash(bytes).as_bytes());
        Ok(Self { id, bytes: u32::try_from(bytes.len()).map_err(|_| BlobError::Length)? })
    }

    /// Whether the length is one that a blob can have.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        self.bytes > 0 && self.bytes as usize <= BLOB_BYTES_MAX
    }

    /// How many groups it has.
    #[must_use]
    pub const fn groups(&self) -> u32 {
        self.bytes.div_ceil(GROUP_BYTES as u32)
    }

    /// First byte and length of group `index`; `None` past the end.
    #[must_use]
    pub fn group(&self, index: u32) -> Option<(u64, usize)> {
        let start = u64::from(index) * GROUP_BYTES as u64;
        let left = u64::from(self.bytes).checked_sub(start).filter(|left| *left > 0)?;
        Some((start, left.min(GROUP_BYTES as u64) as usize))
    }
}

/// The chaining values of a blob's groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    blob: BlobRef,
    values: Vec<ChainingValue>,
}

impl Outline {
    /// Of a whole blob at hand.
    pub fn of(bytes: &[u8]) -> Result<Self, BlobError> {
        if bytes.len() <= GROUP_BYTES {
            let blob = BlobRef::of(bytes)?;
            return Ok(Self { blob, values: vec![chaining_value(0, bytes)] });
        }
        let len = u32::try_from(bytes.len()).ok().filter(|len| *len as usize <= BLOB_BYTES_MAX);
        let len = len.ok_or(BlobError::Length)?;
        let groups = bytes.chunks(GROUP_BYTES).enumerate();
        let values: Vec<ChainingValue> = groups.map(|(index, group)| chaining_value(index, group)).collect();
        // The name of the whole follows from them: hashing is what an image costs most, and once is enough.
        Ok(Self { blob: BlobRef { id: BlobId(root(&values, u64::from(len))), bytes: len }, values })
    }

    /// From bytes that a peer sent or a disk held: 32 per group. Verified against the blob's id.
    pub fn verify(blob: BlobRef, bytes: &[u8]) -> Result<Self, BlobError> {
        if !blob.is_bounded() {
            return Err(BlobError::Length);
        }
        let (values, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || values.len() != blob.groups() as usize {
            return Err(BlobError::Outline);
        }
        let outline = Self { blob, values: values.to_vec() };
        // A blob of one group is its own root: its chaining value can't be told from the id, so the group itself is hashed.
        if values.len() > 1 && root(&outline.values, u64::from(blob.bytes)) != blob.id.0 {
            return Err(BlobError::Outline);
        }
        Ok(outline)
    }

    /// As sent and stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.values.concat()
    }

    /// Checks that `bytes` are group `index`.
    pub fn check(&self, index: u32, bytes: &[u8]) -> Result<(), BlobError> {
        let (_, len) = self.blob.group(index).ok_or(BlobError::Group)?;
        if bytes.len() != len {
            return Err(BlobError::Group);
        }
        let holds = if self.values.len() == 1 {
            blake3::hash(bytes).as_bytes() == &self.blob.id.0
        } else {
            self.values.get(index as usize) == Some(&chaining_value(index as usize, bytes))
        };
        if holds { Ok(()) } else { Err(BlobError::Group) }
    }
}

fn chaining_value(index: usize, group: &[u8]) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset((index * GROUP_BYTES) as u64);
    hasher.update(group);
    hasher.finalize_non_root()
}

fn root(values: &[ChainingValue], len: u64) -> [u8; 32] {
    let (left, right, left_len) = split(values, len);
    let (left, right) = (merge(left, left_len), merge(right, len - left_len));
    *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
}

fn merge(values: &[ChainingValue], len: u64) -> ChainingValue {
    if let [one] = values {
        return *one;
    }
    let (left, right, left_len) = split(values, len);
    merge_subtrees_non_root(&merge(left, left_len), &merge(right, len - left_len), Mode::Hash)
}

fn split(values: &[ChainingValue], len: u64) -> (&[ChainingValue], &[ChainingValue], u64) {
    let left_len = left_subtree_len(len);
    let (left, right) = values.split_at((left_len / GROUP_BYTES as u64) as usize);
    (left, right, left_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn every_length_verifies_group_by_group() {
        let g = GROUP_BYTES;
        for len in [1, g - 1, g, g + 1, 2 * g, 3 * g, 3 * g + 5, 4 * g, 7 * g - 1, 33 * g + 1] {
            let blob = bytes(len);
            let name = BlobRef::of(&blob).unwrap();
            let outline = Outline::verify(name, &Outline::of(&blob).unwrap().to_bytes()).unwrap();
            for (index, group) in blob.chunks(g).enumerate().rev() {
                assert_eq!(outline.check(index as u32, group), Ok(()), "length {len}, group {index}");
            }
            assert_eq!(outline.check(name.groups(), b"x"), Err(BlobError::Group));
        }
    }

    #[test]
    fn a_changed_group_or_outline_is_refused() {
        for len in [100, 5 * GROUP_BYTES] {
            let blob = bytes(len);
            let name = BlobRef::of(&blob).unwrap();
            let outline = Outline::of(&blob).unwrap();
            let mut group = blob[..GROUP_BYTES.min(len)].to_vec();
            group[50] ^= 1;
            assert_eq!(outline.check(0, &group), Err(BlobError::Group));
            assert_eq!(outline.check(0, &group[..50]), Err(BlobError::Group));
            let mut lines = outline.to_bytes();
            lines.pop();
            assert_eq!(Outline::verify(name, &lines), Err(BlobError::Outline));
        }
        let blob = bytes(5 * GROUP_BYTES);
        let mut lines = Outline::of(&blob).unwrap().to_bytes();
        lines[70] ^= 1;
        assert_eq!(Outline::verify(BlobRef::of(&blob).unwrap(), &lines), Err(BlobError::Outline));
    }

    #[test]
    fn the_longest_blob_is_named_and_a_longer_or_empty_one_is_not() {
        assert!(BlobRef::of(&vec![0; BLOB_BYTES_MAX]).is_ok());
        assert_eq!(BlobRef::of(&vec![0; BLOB_BYTES_MAX + 1]), Err(BlobError::Length));
        assert_eq!(BlobRef::of(&[]), Err(BlobError::Length));
        let long = BlobRef { id: BlobId([0; 32]), bytes: u32::MAX };
        assert_eq!(Outline::verify(long, &[]), Err(BlobError::Length));
    }
}
