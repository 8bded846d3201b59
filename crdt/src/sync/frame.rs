//! Frames: what two devices say to each other, length-prefixed by the transport, each at most [`FRAME_BYTES_MAX`] long.

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::blob::BlobRef;
use crate::codec::{DecodeError, decode, encode_into};
use crate::entry::SignedHeader;
use crate::ids::{DeviceId, LogId, SiteId};
use crate::knowledge::Fact;
use crate::replica::Ground;
use crate::site::Certificate;

/// The protocol version that this program speaks.
pub const PROTOCOL_VERSION: u16 = 1;
/// Longest frame in bytes. The transports refuse longer ones before reading them.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// Most logs in one frontier frame; a larger frontier takes several.
pub const FRONTIER_ITEMS_MAX: usize = 2_048;
/// Most devices' facts in one knowledge frame.
pub const FACTS_MAX: usize = 1_024;
/// Most proofs of erasures in one frame, at up to 700 bytes each.
pub const PROOFS_MAX: usize = 256;
/// Longest reason in a goodbye, in bytes.
pub const REASON_BYTES_MAX: usize = 200;

/// How far somebody has a log, with the first bytes of the last entry's hash: enough to see that two histories differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The log.
    pub log: LogId,
    /// Its height.
    pub height: u64,
    /// First eight bytes of the last entry's hash.
    pub prefix: ByteArray<8>,
}

/// What a frame with a group of a blob begins with.
const GROUP: u8 = 12;
/// At least the longest name of a group: what it begins with, id and length of its blob, index, and its own length.
const GROUP_NAME_BYTES: usize = 48;
/// What most frames have room in, in bytes.
const USUAL_BYTES: usize = 128;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// First of all, from the dialling side, and back: shows that one knows the site without naming it.
    Knock {
        /// [`PROTOCOL_VERSION`].
        version: u16,
        /// See [`knock_tag`].
        tag: ByteArray<16>,
    },
    /// Who I am: the site's word for it.
    Hello(Box<Certificate>),
    /// I take you for a member. Only now anything else may be said.
    Admitted,
    /// I hang up, and why.
    Bye(String),
    /// How far I durably have these logs. The first one lists all of them.
    Frontier {
        /// The logs.
        items: Vec<Item>,
        /// Whether these are all that I have, in the first frontier of a session.
        opening: bool,
    },
    /// Send me a log from one place to another, both included.
    Want {
        /// The log.
        log: LogId,
        /// First place.
        from: u64,
        /// Last place.
        to: u64,
    },
    /// Encoded entries, in the order of their logs.
    Entries(Vec<ByteBuf>),
    /// You may send this many more bytes of entries.
    Credit(u32),
    /// You push what I have already: only announce from now on.
    Prune,
    /// What third parties hold.
    Knowledge(Vec<(DeviceId, Vec<Fact>)>),
    /// Send me groups of a blob.
    BlobWant {
        /// The blob.
        blob: BlobRef,
        /// First group.
        first: u32,
        /// How many.
        count: u32,
        /// Its outline too, first.
        outline: bool,
    },
    /// The outline of a blob.
    BlobOutline {
        /// The blob, as it was asked for: whoever names another's with a wrong length mustn't get the right one's answers.
        blob: BlobRef,
        /// Its groups' chaining values, 32 bytes each.
        values: ByteBuf,
    },
    /// One group of a blob.
    BlobGroup {
        /// The blob.
        blob: BlobRef,
        /// Which group.
        index: u32,
        /// Its bytes.
        bytes: ByteBuf,
    },
    /// I don't have this blob (any more).
    BlobGone(BlobRef),
    /// Our histories of a log differ somewhere after `lo` and at or before `hi`: this is mine half-way.
    Probe {
        /// The log.
        log: LogId,
        /// Both have the same entry here.
        lo: u64,
        /// The entries here differ.
        hi: u64,
        /// First bytes of my entry's hash at the middle.
        middle: ByteArray<8>,
    },
    /// My header at the place where our histories part.
    Parting(Box<SignedHeader>),
    /// These captures are erased: entries about them come without their bodies.
    Erased {
        /// Of those who signed what follows, each once.
        certificates: Vec<Certificate>,
        /// What shows it: the number of a certificate, and what its device signed.
        grounds: Vec<(u32, Ground)>,
    },
}

impl Frame {
    /// The frame's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let images = if let Self::BlobGroup { bytes, .. } = self { bytes.len() } else { 0 };
        encode_into(self, Vec::with_capacity(USUAL_BYTES + images))
    }

    /// Reads a frame. Its lists are bounded by its length; what is in them is checked by whoever handles it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes, FRAME_BYTES_MAX)
    }
}

/// What tells a frame from all others: the whole, but of a piece of an image what names it, which nothing else verifies under.
#[must_use]
pub fn telling_part(bytes: &[u8]) -> &[u8] {
    match bytes.first() {
        Some(&GROUP) => &bytes[..bytes.len().min(GROUP_NAME_BYTES)],
        _ => bytes,
    }
}

/// Shows from one device to another that it knows the site, without naming the site to a stranger.
#[must_use]
pub fn knock_tag(site: SiteId, from: DeviceId, to: DeviceId) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("greenline knock v1");
    hasher.update(&site.0).update(&from.0).update(&to.0);
    let mut tag = [0; 16];
    tag.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::BlobId;

    #[test]
    fn a_piece_of_an_image_is_told_by_its_name_and_every_other_frame_by_all_of_it() {
        let group = |id: u8, index: u32, bytes: u32, fill: u8| {
            let blob = BlobRef { id: BlobId([id; 32]), bytes };
            Frame::BlobGroup { blob, index, bytes: vec![fill; 16_384].into() }.encode()
        };
        let (first, max) = (group(1, 2, 3, 4), group(1, u32::MAX, u32::MAX, 4));
        assert!(telling_part(&first).len() < 64);
        let others = [group(2, 2, 3, 4), group(1, 3, 3, 4), group(1, 2, 4, 4), max.clone()];
        others.iter().for_each(|other| assert_ne!(telling_part(&first), telling_part(other)));
        assert_ne!(telling_part(&max), telling_part(&group(1, u32::MAX - 1, u32::MAX, 4)), "the longest name fits");
        let bye = Frame::Bye("x".repeat(100)).encode();
        assert_eq!(telling_part(&bye), bye);
        assert_eq!(telling_part(&[]), [0; 0]);
    }
}
