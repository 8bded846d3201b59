//! A hash over all that arrived: when, from whom, at whom, what.

use crdt::sync::frame;

/// Bytes that are gathered before they are hashed: many short pieces one by one take several times as long.
const GATHERED_BYTES: usize = 1 << 16;

/// See the module.
pub(super) struct Trace {
    hasher: blake3::Hasher,
    gathered: Vec<u8>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { hasher: blake3::Hasher::new(), gathered: Vec::with_capacity(2 * GATHERED_BYTES) }
    }

    /// A frame arrives. Of a piece of an image its name is enough: whatever else comes under it isn't taken in.
    pub(super) fn note(&mut self, now_ms: u64, [from, to]: [usize; 2], bytes: &[u8]) {
        self.gathered.extend(now_ms.to_be_bytes());
        [from, to, bytes.len()].into_iter().for_each(|number| self.gathered.extend((number as u32).to_be_bytes()));
        self.gathered.extend(frame::telling_part(bytes));
        if self.gathered.len() >= GATHERED_BYTES {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        *self.hasher.clone().update(&self.gathered).finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(frames: &[(u64, [usize; 2], &[u8])]) -> [u8; 32] {
        let mut trace = Trace::new();
        frames.iter().for_each(|(now_ms, ends, bytes)| trace.note(*now_ms, *ends, bytes));
        trace.hash()
    }

    #[test]
    fn each_part_of_each_frame_counts() {
        let frames = [(1, [0, 1], b"one".as_slice()), (2, [1, 0], b"two")];
        let all = hash(&frames);
        assert_eq!(all, hash(&frames));
        for other in [(3, [1, 0], b"two".as_slice()), (2, [2, 0], b"two"), (2, [1, 3], b"two"), (2, [1, 0], b"too")] {
            assert_ne!(all, hash(&[frames[0], other]), "{other:?}");
        }
        assert_ne!(all, hash(&[frames[1], frames[0]]));
        assert_ne!(hash(&[(1, [0, 1], b"a"), (1, [0, 1], b"b")]), hash(&[(1, [0, 1], b"ab")]));
    }
}
