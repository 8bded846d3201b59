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
}
