//! Pure: a join code, which one device may use once in the place of people who compare words.
//!
//! Sixteen characters of base32 are 80 random bits; four more tell a mistyped code from a wrong one. The code itself is never
//! said: both sides show that they know the key derived from it.

use std::fmt;
use std::str::FromStr;

use crdt::audit::CodeName;
use crdt::codec::checksum;
use data_encoding::BASE32_NOPAD_NOCASE as BASE32;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Random bytes of a code.
pub const SECRET_BYTES: usize = 10;
/// Characters of a code, without what separates its groups.
const CHARACTERS: usize = 20;
/// Characters of a group.
const GROUP: usize = 4;

/// A code. Its bytes are overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Code([u8; SECRET_BYTES]);

/// Which code: derived from it, and of no use to guess it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CodeId([u8; 5]);

/// What both sides show that they know.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct CodeKey([u8; 32]);

/// Why a text is no code.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum CodeError {
    /// It isn't as long as a code, or has other characters.
    #[error("a code has {CHARACTERS} letters and digits from a to z and 2 to 7, in groups of {GROUP}")]
    Form,
    /// It was mistyped.
    #[error("the code is mistyped: its last characters don't fit the rest")]
    Mistyped,
    /// That is no id of a code.
    #[error("an id of a code has 8 letters and digits, as `greenline site codes --list` prints them")]
    Id,
}

impl CodeId {
    /// What the audit trail calls the code.
    #[must_use]
    pub const fn name(self) -> CodeName {
        CodeName(self.0)
    }
}

impl Code {
    /// From random bytes.
    #[must_use]
    pub const fn new(secret: [u8; SECRET_BYTES]) -> Self {
        Self(secret)
    }

    /// As people read and type it.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let plain = Zeroizing::new(self.characters());
        let groups: Vec<&str> = (0..CHARACTERS).step_by(GROUP).map(|at| &plain[at..at + GROUP]).collect();
        Zeroizing::new(groups.join("-"))
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> CodeId {
        let [a, b, c, d, e, ..] = blake3::derive_key("greenline join code id v1", &self.0);
        CodeId([a, b, c, d, e])
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> CodeKey {
        CodeKey(blake3::derive_key("greenline join code key v1", &self.0))
    }

    fn characters(&self) -> String {
        let check = BASE32.encode(&checksum(&self.0));
        (BASE32.encode(&self.0) + &check[..GROUP]).to_ascii_lowercase()
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let typed: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let typed = Zeroizing::new(typed.to_lowercase());
        if typed.len() != CHARACTERS || !typed.is_ascii() {
            return Err(CodeError::Form);
        }
        let secret = BASE32.decode(&typed.as_bytes()[..CHARACTERS - GROUP]).map_err(|_| CodeError::Form)?;
        let secret = Zeroizing::new(secret).as_slice().try_into().map_err(|_| CodeError::Form)?;
        let code = Self(secret);
        let fits = Zeroizing::new(code.characters()).as_str() == typed.as_str();
        if fits { Ok(code) } else { Err(CodeError::Mistyped) }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

impl fmt::Display for CodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for CodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for CodeId {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let bytes = BASE32.decode(text.trim().as_bytes()).map_err(|_| CodeError::Id)?;
        bytes.try_into().map(Self).map_err(|_| CodeError::Id)
    }
}

impl CodeKey {
    /// Shows that `who` knows the key and heard this.
    pub(crate) fn prove(&self, who: &str, heard: &[u8]) -> [u8; 32] {
        *self.proof(who, heard).as_bytes()
    }

    /// Whether `who` knows the key and heard the same, in a time that tells nothing.
    pub(crate) fn holds(&self, who: &str, heard: &[u8], proof: &[u8; 32]) -> bool {
        self.proof(who, heard) == blake3::Hash::from(*proof)
    }

    fn proof(&self, who: &str, heard: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, &[who.as_bytes(), &[0], heard].concat())
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed_and_every_single_typo_is_noticed() {
        let code = Code::new(*b"0123456789");
        let text = code.text().to_string();
        assert_eq!(text.len(), 24);
        for typed in [text.clone(), text.to_uppercase(), text.replace('-', " "), text.replace('-', "")] {
            assert_eq!(typed.parse::<Code>(), Ok(code.clone()));
        }
        let plain = text.replace('-', "");
        for at in 0..plain.len() {
            for other in ('a'..='z').chain('2'..='7').filter(|c| *c != char::from(plain.as_bytes()[at])) {
                let typed = [&plain[..at], &other.to_string(), &plain[at + 1..]].concat();
                assert_eq!(typed.parse::<Code>(), Err(CodeError::Mistyped), "{typed}");
            }
        }
        for wrong in ["", &plain[1..], &format!("{plain}a"), &plain.replacen(&plain[..1], "1", 1), "äöüäöüäöüä"]
        {
            assert_eq!(wrong.parse::<Code>(), Err(CodeError::Form), "{wrong}");
        }
    }

    #[test]
    fn a_proof_is_of_one_side_one_key_and_one_conversation() {
        let key = Code::new([1; SECRET_BYTES]).key();
        let proof = key.prove("device", b"heard");
        assert!(key.holds("device", b"heard", &proof));
        assert!(!key.holds("authority", b"heard", &proof), "it can't be sent back");
        assert!(!key.holds("device", b"other", &proof));
        assert!(!Code::new([2; SECRET_BYTES]).key().holds("device", b"heard", &proof));
        assert_eq!(format!("{:?}{key:?}", Code::new([1; SECRET_BYTES])), "Code(…)CodeKey(…)");
    }

    #[test]
    fn an_id_is_printed_and_read_back() {
        let id = Code::new([1; SECRET_BYTES]).id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("zz".parse::<CodeId>(), Err(CodeError::Id));
    }
}
