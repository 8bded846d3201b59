//! One way to turn values into bytes and back: postcard, whole, nothing left over.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The bytes aren't one whole value.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end early or hold an impossible value.
    #[error("not a value of this format: {0}")]
    Malformed(String),
    /// There is more after the value.
    #[error("{0} bytes too many after the value")]
    Trailing(usize),
    /// Longer than this kind of value may be.
    #[error("{bytes} bytes, at most {max} are allowed")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
}

/// Encodes a value.
///
/// # Panics
///
/// Never: our types hold nothing that postcard can't encode, and the output grows as needed.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("our types encode into a growing vector")
}

/// The same behind what is in a vector already, whose room is used.
pub(crate) fn encode_into<T: Serialize + ?Sized>(value: &T, into: Vec<u8>) -> Vec<u8> {
    postcard::to_extend(value, into).expect("our types encode into a growing vector")
}

/// Four bytes that tell a text that people copy by hand from a mistyped one.
#[must_use]
pub fn checksum(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = *blake3::hash(bytes).as_bytes();
    [a, b, c, d]
}

/// Decodes one whole value of at most `max` bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong { bytes: bytes.len(), max });
    }
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(DecodeError::Trailing(rest.len())),
        Err(error) => Err(DecodeError::Malformed(error.to_string())),
    }
}

/// Encodes a value and zeros after it, up to a multiple of `block` bytes: so a sealed value's length tells little of it.
#[must_use]
pub fn encode_padded<T: Serialize + ?Sized>(value: &T, block: usize) -> Vec<u8> {
    let mut bytes = encode(value);
    bytes.resize(bytes.len().next_multiple_of(block), 0);
    bytes
}

/// Decodes one value of at most `max` bytes that [`encode_padded`] made.
pub fn decode_padded<T: DeserializeOwned>(bytes: &[u8], block: usize, max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong { bytes: bytes.len(), max });
    }
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| DecodeError::Malformed(error.to_string()))?;
    let padded = (bytes.len() - rest.len()).next_multiple_of(block) == bytes.len();
    if padded && rest.iter().all(|byte| *byte == 0) { Ok(value) } else { Err(DecodeError::Trailing(rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_whole_or_refused() {
        let bytes = encode(&(7u64, "seven"));
        assert_eq!(decode(&bytes, bytes.len()), Ok((7u64, "seven".to_owned())));
        assert!(matches!(decode::<(u64, String)>(&bytes, bytes.len() - 1), Err(DecodeError::TooLong { .. })));
        assert!(matches!(decode::<(u64, String)>(&bytes[..3], 100), Err(DecodeError::Malformed(_))));
        let longer = [bytes, vec![0]].concat();
        assert_eq!(decode::<(u64, String)>(&longer, 100), Err(DecodeError::Trailing(1)));
    }

    #[test]
    fn a_padded_value_fills_its_block_with_zeros_and_nothing_else() {
        let read = |bytes: &[u8]| decode_padded::<String>(bytes, 16, 100);
        let [full, over] = ["fifteen letters", "sixteen letters!"].map(|text| encode_padded(text, 16));
        assert_eq!((full.len(), over.len()), (16, 32));
        assert_eq!((read(&full), read(&over)), (Ok("fifteen letters".into()), Ok("sixteen letters!".into())));
        assert_eq!(read(&over[..31]), Err(DecodeError::Trailing(14)));
        assert_eq!(read(&[full, vec![0; 16]].concat()), Err(DecodeError::Trailing(16)), "a block too many");
        let mut changed = over;
        changed[31] = 1;
        assert_eq!(read(&changed), Err(DecodeError::Trailing(15)));
        assert!(matches!(decode_padded::<String>(&[0; 112], 16, 100), Err(DecodeError::TooLong { .. })));
    }
}
