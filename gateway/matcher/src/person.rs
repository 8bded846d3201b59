//! A person of the gallery: an opaque reference and the prints on file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{position::Position, template::Template};

/// Longest reference in bytes: it becomes a file name, and file systems end at 255.
pub const REFERENCE_BYTES_MAX: usize = 64;

/// Most prints of one person: ten rolled and ten plain.
pub const PRINTS_MAX: usize = 20;

/// A print: which finger, and its template.
pub type FingerPrint = (Position, Template);

/// The gallery's name for a person: an id of another system, never a person's name. Letters, digits, `-` and `_`, so that it is
/// safe as a file name anywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

/// A reference that can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reference has 1 to {REFERENCE_BYTES_MAX} letters (a to z), digits, - or _")]
pub struct BadReference;

/// A person and the prints that searches are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who, for those who keep the list.
    pub reference: Reference,
    /// At most [`PRINTS_MAX`]. Several of one finger are allowed: the best of them counts.
    pub prints: Vec<FingerPrint>,
}

impl Reference {
    /// Checks a reference.
    pub fn new(text: &str) -> Result<Reference, BadReference> {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if text.is_empty() || text.len() > REFERENCE_BYTES_MAX || !text.bytes().all(safe) {
            return Err(BadReference);
        }
        Ok(Reference(text.to_owned()))
    }

    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Reference {
    type Error = BadReference;

    fn try_from(text: String) -> Result<Self, BadReference> {
        Reference::new(&text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_short_and_safe() {
        assert!(Reference::new(&"a".repeat(REFERENCE_BYTES_MAX)).is_ok());
        assert!(Reference::new(&"a".repeat(REFERENCE_BYTES_MAX + 1)).is_err());
        for bad in ["", "..", "a/b", "a\\b", "a.b", "a b", "é", "a\0", "C:x"] {
            assert_eq!(Reference::new(bad), Err(BadReference), "{bad:?}");
        }
        assert!(Reference::new("WB21-000_7").is_ok());
    }
}
