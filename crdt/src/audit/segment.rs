//! A trail's files: each begins with a header that says where in the chain it is, and goes on with frames of records.
//!
//! A frame is a length and sealed bytes: the records that were made durable together. It opens only in its place. What a crash
//! left of a frame at the very end was never promised to anybody, and is cut off.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

use super::{Chain, Point, RECORD_BYTES_MAX, RecordError, Salted, TrailId, leaf};
use crate::codec::{decode, encode};
use crate::ids::{DeviceId, SiteId};
use crate::vault::{Nonce, OVERHEAD_BYTES, VaultKey};

/// Size after which a new file is begun, in bytes.
pub const SEGMENT_BYTES: u64 = 1024 * 1024;
/// Age after which a new file is begun, in ms: so that what is past its time goes soon after.
pub const SEGMENT_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// How long records are kept, in ms: two years, so that a yearly inspection finds its year whole and can look at the one before.
pub const RETENTION_MS: u64 = 2 * 365 * 24 * 60 * 60 * 1_000;
/// Most records that are made durable together.
pub const GROUP_MAX: usize = 16;
/// Longest frame, in bytes: with the lengths of the records, and of their list.
const FRAME_BYTES_MAX: usize = GROUP_MAX * (RECORD_BYTES_MAX + LENGTH_BYTES) + LENGTH_BYTES + OVERHEAD_BYTES;

/// Longest file that is read, in bytes: far more than one that was almost full before its last frames.
pub const FILE_BYTES_MAX: u64 = 2 * SEGMENT_BYTES;

const VERSION: u8 = 1;
const HEADER_CONTEXT: &[u8] = b"greenline trail segment";
const GROUP_CONTEXT: &[u8] = b"greenline trail records";
const LENGTH_BYTES: usize = 4;

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    version: u8,
    /// The chain, as far as the records in the files before go.
    pub chain: Chain,
    /// When the file was begun, in ms.
    pub at_ms: u64,
}

/// Why a file isn't one of a trail's.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SegmentError {
    /// Nothing of it opens.
    #[error("it doesn't open: it was changed, or is another device's")]
    Sealed,
    /// It is of another format.
    #[error("it is of a newer format; update this program")]
    Version,
    /// It doesn't continue the file before, or isn't of this device and site.
    #[error("it doesn't continue the one before it: one was removed, or this one was put in")]
    Place,
    /// It has more bytes than any.
    #[error("it is longer than any file of a trail")]
    TooLong,
    /// It goes on after a place that doesn't open.
    #[error("what comes after record {0} was changed")]
    Changed(u64),
    /// What opens is no record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// A file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its header.
    pub header: Header,
    /// Its records.
    pub records: Vec<Salted>,
    /// The chain after them.
    pub chain: Chain,
    /// Bytes of the file up to there. What comes after was never promised.
    pub bytes: usize,
}

impl Header {
    /// Of a file that goes on after `chain`.
    #[must_use]
    pub const fn new(chain: Chain, at_ms: u64) -> Self {
        Self { version: VERSION, chain, at_ms }
    }

    /// The file's first bytes.
    #[must_use]
    pub fn frame(&self, key: &VaultKey, nonce: &Nonce) -> Vec<u8> {
        framed(&key.seal(HEADER_CONTEXT, &encode(self), nonce))
    }

    /// The file's name: the number of its first record.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:016x}", self.chain.end.number.saturating_add(1))
    }
}

/// The bytes that records are in their file, the first of them at the end of `chain`. At most [`GROUP_MAX`].
#[must_use]
pub fn group_frame(key: &VaultKey, chain: &Chain, records: &[Salted], nonce: &Nonce) -> Vec<u8> {
    let group: Vec<ByteBuf> = records.iter().map(|record| ByteBuf::from(record.encode())).collect();
    framed(&key.seal(&group_context(chain), &encode(&group), nonce))
}

/// Whose a trail is.
pub type Owner = (SiteId, DeviceId);

/// Reads a file. `before` is the chain after the file before it, if there is one; `last` says that no file comes after, so that
/// it may end within a frame.
pub fn read(
    key: &VaultKey,
    bytes: &[u8],
    owner: Owner,
    before: Option<&Chain>,
    last: bool,
) -> Result<Segment, SegmentError> {
    let (header, mut rest) = header_and_rest(key, bytes, owner)?;
    let chain = header.chain;
    if before.is_some_and(|before| *before != chain) {
        return Err(SegmentError::Place);
    }
    let mut segment = Segment { header, records: Vec::new(), chain, bytes: bytes.len() - rest.len() };
    while !rest.is_empty() {
        let opened = next_frame(rest).and_then(|(sealed, after)| {
            let plain = key.open(&group_context(&segment.chain), sealed).ok()?;
            Some((plain, after))
        });
        let Some((plain, after)) = opened else {
            // A crash leaves one frame at most that isn't whole, of which any part may have reached the disk.
            let torn = last && rest.len() <= LENGTH_BYTES + FRAME_BYTES_MAX;
            return if torn { Ok(segment) } else { Err(SegmentError::Changed(segment.chain.end.number)) };
        };
        let group: Vec<ByteBuf> = decode(&plain, FRAME_BYTES_MAX).map_err(RecordError::from)?;
        for bytes in group {
            let record = Salted::decode(&bytes)?;
            segment.chain.extend(&leaf(&record));
            segment.records.push(record);
        }
        segment.bytes = bytes.len() - after.len();
        rest = after;
    }
    Ok(segment)
}

/// Reads only what a file begins with.
pub fn read_header(key: &VaultKey, bytes: &[u8], owner: Owner) -> Result<Header, SegmentError> {
    header_and_rest(key, bytes, owner).map(|(header, _)| header)
}

fn header_and_rest<'a>(key: &VaultKey, bytes: &'a [u8], owner: Owner) -> Result<(Header, &'a [u8]), SegmentError> {
    let (first, rest) = next_frame(bytes).ok_or(SegmentError::Sealed)?;
    let plain = key.open(HEADER_CONTEXT, first).map_err(|_| SegmentError::Sealed)?;
    let header: Header = decode(&plain, FRAME_BYTES_MAX).map_err(RecordError::from)?;
    if header.version != VERSION {
        return Err(SegmentError::Version);
    }
    let ours = (header.chain.site, header.chain.device) == owner;
    if ours { Ok((header, rest)) } else { Err(SegmentError::Place) }
}

/// Where a trail begins that has dropped nothing.
#[must_use]
pub fn origin(site: SiteId, device: DeviceId, trail: TrailId) -> Point {
    Chain::begin(site, device, trail).end
}

fn group_context(chain: &Chain) -> Vec<u8> {
    [GROUP_CONTEXT, &chain.trail, &chain.end.number.to_be_bytes()].concat()
}

fn framed(sealed: &[u8]) -> Vec<u8> {
    let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), sealed].concat()
}

/// The next frame, and what comes after it; `None` at the end, and where no whole frame is left.
fn next_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > FRAME_BYTES_MAX { None } else { rest.split_at_checked(length) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Act, Record};
    use crate::vault::NONCE_BYTES;

    const OWNER: Owner = (SiteId([1; 32]), DeviceId([2; 32]));

    fn key() -> VaultKey {
        VaultKey::new([7; 32])
    }

    fn salted(n: u8) -> Salted {
        let record = Record {
            at_ms: 5,
            operator: "MARKER".into(),
            act: Act::Locked,
            captures: vec![],
            why: "w".into(),
            times: u32::from(n),
        };
        Salted { salt: [n; 16], record }
    }

    /// A file with so many records.
    fn file(count: u8) -> (Vec<u8>, Chain) {
        let mut chain = Chain::begin(OWNER.0, OWNER.1, [3; 16]);
        let mut bytes = Header::new(chain, 9).frame(&key(), &[0; NONCE_BYTES]);
        for n in 0..count {
            bytes.extend(group_frame(&key(), &chain, &[salted(n)], &[n + 1; NONCE_BYTES]));
            chain.extend(&leaf(&salted(n)));
        }
        (bytes, chain)
    }

    #[test]
    fn a_file_reads_back_and_tells_nothing_without_its_key() {
        let (bytes, chain) = file(3);
        let read_back = read(&key(), &bytes, OWNER, None, true).unwrap();
        assert_eq!(
            (read_back.records, read_back.chain, read_back.bytes),
            ((0..3).map(salted).collect(), chain, bytes.len())
        );
        assert!(!bytes.windows(6).any(|window| window == b"MARKER"));
        assert_eq!(read(&VaultKey::new([8; 32]), &bytes, OWNER, None, true), Err(SegmentError::Sealed));
        let other = (OWNER.0, DeviceId([9; 32]));
        assert_eq!(read(&key(), &bytes, other, None, true), Err(SegmentError::Place));
        assert_eq!(read(&key(), &bytes, OWNER, Some(&chain), true), Err(SegmentError::Place), "another file before it");
    }

    #[test]
    fn a_file_that_ends_within_a_frame_is_cut_there_if_it_is_the_last() {
        let (bytes, _) = file(3);
        let two = file(2).0.len();
        for end in two..bytes.len() {
            let cut = read(&key(), &bytes[..end], OWNER, None, true).unwrap();
            assert_eq!((cut.records.len(), cut.bytes), (2, two), "{end} bytes");
            assert!(end == two || read(&key(), &bytes[..end], OWNER, None, false).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn any_changed_byte_is_found_or_cuts_the_end_off() {
        let (bytes, _) = file(3);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&key(), &changed, OWNER, None, false).is_err(), "byte {at}, another file follows");
            // As the last file it looks like one that a crash tore: what is missing shows in the file's length, and against
            // any head that was handed out.
            let found = read(&key(), &changed, OWNER, None, true);
            assert!(found.is_err() || found.unwrap().bytes < bytes.len(), "byte {at}");
        }
    }

    #[test]
    fn more_than_one_frame_that_does_not_open_is_no_crash() {
        let mut chain = Chain::begin(OWNER.0, OWNER.1, [3; 16]);
        let mut bytes = Header::new(chain, 9).frame(&key(), &[0; NONCE_BYTES]);
        let broken = bytes.len() + LENGTH_BYTES;
        let long =
            Record { captures: vec![crate::ids::CaptureId([4; 16]); crate::audit::CAPTURES_MAX], ..salted(1).record };
        let group = vec![Salted { salt: [1; 16], record: long }; GROUP_MAX];
        for n in 1..=2 {
            bytes.extend(group_frame(&key(), &chain, &group, &[n; NONCE_BYTES]));
            group.iter().for_each(|record| chain.extend(&leaf(record)));
        }
        assert_eq!(read(&key(), &bytes, OWNER, None, true).unwrap().records.len(), 2 * GROUP_MAX);
        bytes[broken] ^= 1;
        assert_eq!(read(&key(), &bytes, OWNER, None, true), Err(SegmentError::Changed(0)));
    }

    #[test]
    fn a_frame_opens_in_its_place_only() {
        let (bytes, _) = file(2);
        let (head, one) = (file(0).0.len(), file(1).0.len());
        let swapped = [&bytes[..head], &bytes[one..], &bytes[head..one]].concat();
        assert_eq!(read(&key(), &swapped, OWNER, None, false), Err(SegmentError::Changed(0)));
    }
}
