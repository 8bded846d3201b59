//! Which finger a print is of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The finger position codes of ANSI/NIST-ITL 1, table "friction ridge position": 0 unknown, 1 to 5 the right hand from
/// thumb to little finger, 6 to 10 the left.
const CODE_MAX: u8 = 10;

/// One finger, or an unknown one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Position(u8);

impl Position {
    /// The finger isn't known: such a print is compared with every finger of the other side.
    pub const UNKNOWN: Position = Position(0);

    /// The position with this ANSI/NIST code; `None` above 10 (slaps and palms must be cut into fingers first).
    pub fn from_code(code: u8) -> Option<Position> {
        (code <= CODE_MAX).then_some(Position(code))
    }

    /// The ANSI/NIST code, 0 to 10.
    pub fn code(self) -> u8 {
        self.0
    }

    /// Whether prints at these two positions may be of one finger.
    pub fn may_be(self, other: Position) -> bool {
        self == other || self == Position::UNKNOWN || other == Position::UNKNOWN
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 11] = [
            "unknown finger",
            "right thumb",
            "right index finger",
            "right middle finger",
            "right ring finger",
            "right little finger",
            "left thumb",
            "left index finger",
            "left middle finger",
            "left ring finger",
            "left little finger",
        ];
        f.write_str(NAMES.get(usize::from(self.0)).copied().unwrap_or(NAMES[0]))
    }
}

/// A code that no single finger has.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a finger position: use 0 (unknown) or 1 to 10")]
pub struct NoSuchPosition(u8);

impl TryFrom<u8> for Position {
    type Error = NoSuchPosition;

    fn try_from(code: u8) -> Result<Self, NoSuchPosition> {
        Position::from_code(code).ok_or(NoSuchPosition(code))
    }
}

impl From<Position> for u8 {
    fn from(position: Position) -> u8 {
        position.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_is_the_last_finger() {
        assert_eq!(Position::from_code(10).map(Position::code), Some(10));
        assert_eq!(Position::from_code(11), None);
        assert!(postcard::from_bytes::<Position>(&[10]).is_ok());
        assert!(postcard::from_bytes::<Position>(&[11]).is_err());
    }

    #[test]
    fn only_the_unknown_finger_may_be_another() {
        let [thumb, index] = [1, 2].map(|code| Position::from_code(code).unwrap_or(Position::UNKNOWN));
        assert!(thumb.may_be(thumb) && thumb.may_be(Position::UNKNOWN) && Position::UNKNOWN.may_be(index));
        assert!(!thumb.may_be(index));
    }
}
