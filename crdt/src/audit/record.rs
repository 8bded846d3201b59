//! One record of the trail: something that was done and makes no entry.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD_NOCASE as BASE32, HEXLOWER};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Verb;
use crate::codec::{DecodeError, decode, encode};
use crate::ids::{CaptureId, DeviceId};
use crate::replica::PAGE_MAX;
use crate::revocation::Cause;
use crate::site::Roles;

/// Longest name of an operator, in bytes.
pub const OPERATOR_BYTES_MAX: usize = 64;
/// Longest reason, in bytes: a line or two.
pub const WHY_BYTES_MAX: usize = 200;
/// Most captures that one record is about: a whole page of a list.
pub const CAPTURES_MAX: usize = PAGE_MAX;
/// Bytes of chance before each record, so that the hash of a record that is left out tells nothing.
pub const SALT_BYTES: usize = 16;
/// Longest record with its salt, in bytes: all captures, both texts, and room for the numbers.
pub const RECORD_BYTES_MAX: usize = SALT_BYTES + 16 * CAPTURES_MAX + OPERATOR_BYTES_MAX + WHY_BYTES_MAX + 64;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Act {
    /// A capture was shown, with these parts of what is known of the person.
    Shown(Parts),
    /// A list was shown in which verdicts on these captures could be read.
    Listed,
    /// What people leave each other at this site was shown.
    SiteShown,
    /// Captures were linked, or a link was taken back.
    Linked,
    /// A hub compared a capture with its database.
    Compared,
    /// An export of the trail was handed out.
    Exported,
    /// A proof pack was handed out.
    Packed,
    /// A request was refused.
    Refused(Refused),
    /// The device was locked.
    Locked,
    /// The device was unlocked.
    Unlocked,
    /// The keys were put under something else.
    Protected(Under),
    /// Records up to this number were older than they are kept for, and are gone.
    Dropped(u64),
    /// So many bytes at the end of the trail's last file didn't read: a crash tore what nobody was promised, or they were
    /// changed.
    Cut(u64),
    /// A person was added to a hub's gallery by hand.
    PersonAdded(PersonName),
    /// A person's prints in it were replaced.
    PersonReplaced(PersonName),
    /// A person was removed from it.
    PersonRemoved(PersonName),
    /// So many people in it were listed.
    PeopleListed(u32),
    /// An authority founded its site.
    Founded,
    /// It certified a device, or renewed its certificate.
    Certified {
        /// The device.
        device: DeviceId,
        /// What it may do.
        roles: Roles,
        /// For how long.
        days: u32,
    },
    /// It gave out a join code.
    CodeMade {
        /// Which.
        code: CodeName,
        /// What the device that uses it may do.
        roles: Roles,
        /// For how long it is certified.
        days: u32,
    },
    /// A device used a code, and is certified.
    CodeUsed {
        /// Which.
        code: CodeName,
        /// The device.
        device: DeviceId,
    },
    /// The authority took a code back.
    CodeWithdrawn(CodeName),
    /// It signed that a device is revoked.
    Ordered {
        /// The device.
        device: DeviceId,
        /// Why.
        cause: Cause,
    },
    /// Its key was exported.
    KeyExported,
    /// Its folder was made of an exported key.
    KeyImported,
}

/// The id of a join code, which isn't the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CodeName(pub [u8; 5]);

/// A person of a hub's gallery, by the name of their file there. Only the gallery's key makes it of a reference; to anybody else
/// it tells that two records are about the same person, and not about whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PersonName(pub [u8; 16]);

/// Parts of a capture, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Parts(pub u8);

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Refused {
    /// It showed no valid token.
    NoToken,
    /// The device is locked.
    Locked,
    /// It isn't for this device's role, or came by a foreign name.
    NotAllowed,
    /// What should have unlocked the device didn't.
    WrongOpener,
}

/// What keys lie under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Under {
    /// Nothing.
    Nothing,
    /// A passphrase.
    Passphrase,
    /// A key file.
    KeyFile,
}

/// Who did what, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, by the device's clock, in ms. Of a record that counts repetitions, when the last one was.
    pub at_ms: u64,
    /// Whoever used the device, in their own words; empty if nobody could be asked, as of a stranger.
    pub operator: String,
    /// What was done.
    pub act: Act,
    /// The captures that it is about; empty for the device or the site.
    pub captures: Vec<CaptureId>,
    /// Why: words of the operator, or else the purpose of the capture.
    pub why: String,
    /// How often. What is done again within a while is one more record, with the number of repetitions: so all add up.
    pub times: u32,
}

/// A record that can't be kept, or that isn't one.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum RecordError {
    /// The operator's name is too long or has characters that aren't shown.
    #[error("the operator's name has at most {OPERATOR_BYTES_MAX} bytes, without control characters")]
    Operator,
    /// The reason is too long or has characters that aren't shown.
    #[error("the reason has at most {WHY_BYTES_MAX} bytes, without control characters")]
    Why,
    /// Too many captures.
    #[error("a record is about at most {CAPTURES_MAX} captures")]
    Captures,
    /// The bytes are none.
    #[error("not a record of the trail: {0}")]
    Decode(#[from] DecodeError),
}

/// A text that is no person's name in a gallery.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("this is not the name of a person's file: expected 32 characters 0-9 and a-f")]
pub struct ParseNameError;

impl Parts {
    /// Names, document numbers and the like.
    pub const PARTICULARS: Self = Self(1);
    /// What the images show.
    pub const IMAGES: Self = Self(2);
    /// What a verdict says.
    pub const VERDICTS: Self = Self(4);
    /// What an examiner says.
    pub const REVIEWS: Self = Self(8);
    /// What people wrote about it.
    pub const RECORD: Self = Self(16);

    const NAMES: [(Self, &'static str); 5] = [
        (Self::PARTICULARS, "particulars"),
        (Self::IMAGES, "what images show"),
        (Self::VERDICTS, "verdicts"),
        (Self::REVIEWS, "reviews"),
        (Self::RECORD, "the record"),
    ];

    /// These, and those if `also`.
    #[must_use]
    pub const fn and(self, other: Self, also: bool) -> Self {
        if also { Self(self.0 | other.0) } else { self }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn names(self) -> String {
        let names = Self::NAMES.iter().filter(|(part, _)| self.0 & part.0 != 0).map(|(_, name)| *name);
        names.collect::<Vec<_>>().join(", ")
    }
}

impl Act {
    /// What sort of thing that is.
    #[must_use]
    pub const fn verb(self) -> Verb {
        match self {
            Self::PersonAdded(_) => Verb::Collection,
            Self::PersonReplaced(_) => Verb::Alteration,
            Self::Shown(_) | Self::Listed | Self::SiteShown | Self::PeopleListed(_) => Verb::Consultation,
            Self::Linked | Self::Compared => Verb::Combination,
            Self::Exported | Self::Packed => Verb::Disclosure,
            Self::Refused(_) | Self::Locked | Self::Unlocked => Verb::Access,
            Self::Protected(_)
            | Self::Founded
            | Self::Certified { .. }
            | Self::CodeMade { .. }
            | Self::CodeUsed { .. }
            | Self::CodeWithdrawn(_)
            | Self::Ordered { .. }
            | Self::KeyExported
            | Self::KeyImported => Verb::Administration,
            Self::PersonRemoved(_) | Self::Dropped(_) | Self::Cut(_) => Verb::Erasure,
        }
    }

    /// Whether it is counted when it is done again within a while. What changes something is a record each time: added,
    /// removed and added again is something else than added twice and removed.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        !matches!(self, Self::PersonAdded(_) | Self::PersonReplaced(_) | Self::PersonRemoved(_))
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Shown(parts) => format!("was shown {}", parts.names()),
            Self::Listed => "was shown verdicts in a list".into(),
            Self::SiteShown => "was shown what people leave each other".into(),
            Self::Linked => "linked captures, or took a link back".into(),
            Self::Compared => "compared it with the database".into(),
            Self::Exported => "exported the trail".into(),
            Self::Packed => "made a proof pack".into(),
            Self::Refused(Refused::NoToken) => "was refused: no valid token".into(),
            Self::Refused(Refused::Locked) => "was refused: the device was locked".into(),
            Self::Refused(Refused::NotAllowed) => "was refused: not allowed".into(),
            Self::Refused(Refused::WrongOpener) => "was refused: that didn't unlock the device".into(),
            Self::Locked => "locked the device".into(),
            Self::Unlocked => "unlocked the device".into(),
            Self::Protected(Under::Nothing) => "took the protection of the keys away".into(),
            Self::Protected(Under::Passphrase) => "put the keys under a passphrase".into(),
            Self::Protected(Under::KeyFile) => "put the keys under a key file".into(),
            Self::Dropped(to) => format!("dropped the records up to number {to}: they were past their time"),
            Self::Cut(bytes) => format!("cut {bytes} bytes off the trail that didn't read"),
            Self::PersonAdded(name) => format!("added person {name} to the gallery"),
            Self::PersonReplaced(name) => format!("replaced the prints of person {name} in the gallery"),
            Self::PersonRemoved(name) => format!("removed person {name} from the gallery"),
            Self::PeopleListed(people) => format!("was shown the gallery ({people} in it)"),
            Self::Founded => "founded the site".into(),
            Self::Certified { device, roles, days } => {
                format!("certified device {device} for {days} days as {}", called(roles))
            }
            Self::CodeMade { code, roles, days } => {
                format!("gave out code {code}, for a device that is certified for {days} days as {}", called(roles))
            }
            Self::CodeUsed { code, device } => format!("let device {device} use code {code}"),
            Self::CodeWithdrawn(code) => format!("withdrew code {code}"),
            Self::Ordered { device, cause } => format!("signed that device {device} is revoked: {}", cause.word()),
            Self::KeyExported => "exported the authority's key".into(),
            Self::KeyImported => "made this folder of an exported key".into(),
        }
    }
}

fn called(roles: Roles) -> String {
    let names = roles.names();
    if names.is_empty() { "carrier".into() } else { names.join(", ") }
}

impl fmt::Display for CodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Display for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for PersonName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(ParseNameError)
    }
}

impl Record {
    /// Checks the bounds.
    pub fn check(&self) -> Result<(), RecordError> {
        let shown = |text: &str| !text.chars().any(char::is_control);
        if self.operator.len() > OPERATOR_BYTES_MAX || !shown(&self.operator) {
            return Err(RecordError::Operator);
        }
        if self.why.len() > WHY_BYTES_MAX || !shown(&self.why) {
            return Err(RecordError::Why);
        }
        if self.captures.len() > CAPTURES_MAX { Err(RecordError::Captures) } else { Ok(()) }
    }
}

/// A record as it is kept and hashed: after its salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salted {
    /// Chance.
    pub salt: [u8; SALT_BYTES],
    /// The record.
    pub record: Record,
}

impl Salted {
    /// The bytes that are kept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [self.salt.as_slice(), &encode(&self.record)].concat()
    }

    /// Reads them.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let short = || DecodeError::Malformed("too short".into());
        let (salt, rest) = bytes.split_first_chunk::<SALT_BYTES>().ok_or_else(short)?;
        let record: Record = decode(rest, RECORD_BYTES_MAX - SALT_BYTES)?;
        record.check()?;
        Ok(Self { salt: *salt, record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Act = Act::Certified { device: DeviceId([7; 32]), roles: Roles(u8::MAX), days: u32::MAX };

    fn record() -> Record {
        let (operator, why) = ("o".repeat(OPERATOR_BYTES_MAX), "w".repeat(WHY_BYTES_MAX));
        let captures = vec![CaptureId([7; 16]); CAPTURES_MAX];
        Record { at_ms: u64::MAX, operator, act: LONGEST, captures, why, times: u32::MAX }
    }

    #[test]
    fn the_longest_record_fits_and_one_byte_or_capture_more_is_refused() {
        let longest = Salted { salt: [1; SALT_BYTES], record: record() };
        let bytes = longest.encode();
        assert!(bytes.len() <= RECORD_BYTES_MAX);
        assert_eq!(Salted::decode(&bytes), Ok(longest));
        let refused = |record: Record| record.check().unwrap_err();
        assert_eq!(refused(Record { operator: "o".repeat(OPERATOR_BYTES_MAX + 1), ..record() }), RecordError::Operator);
        assert_eq!(refused(Record { why: "w".repeat(WHY_BYTES_MAX + 1), ..record() }), RecordError::Why);
        assert_eq!(refused(Record { why: "two\nlines".into(), ..record() }), RecordError::Why);
        let captures = vec![CaptureId([7; 16]); CAPTURES_MAX + 1];
        assert_eq!(refused(Record { captures, ..record() }), RecordError::Captures);
    }

    #[test]
    fn a_persons_name_is_read_as_it_is_written_and_nothing_else_is_one() {
        let name = PersonName([0xa7; 16]);
        assert_eq!(name.to_string().parse(), Ok(name));
        assert_eq!(Act::PersonAdded(name).words(), format!("added person {} to the gallery", "a7".repeat(16)));
        for other in ["", "a7", "Ana Kovač", &"A7".repeat(16), &"a7".repeat(17)] {
            assert_eq!(other.parse::<PersonName>(), Err(ParseNameError), "{other}");
        }
    }

    #[test]
    fn what_an_authority_does_names_devices_whole_and_codes_by_their_ids() {
        let (device, code) = (DeviceId([7; 32]), CodeName([1; 5]));
        let certified = Act::Certified { device, roles: Roles::default(), days: 30 };
        assert_eq!(certified.words(), format!("certified device {device} for 30 days as carrier"));
        assert_eq!(Act::CodeUsed { code, device }.words(), format!("let device {device} use code aeaqcaib"));
        let acts = [certified, Act::CodeUsed { code, device }, Act::Founded, Act::KeyExported, Act::KeyImported];
        assert!(acts.iter().all(|act| act.verb() == Verb::Administration));
    }

    #[test]
    fn parts_are_named() {
        let parts = Parts::default().and(Parts::PARTICULARS, true).and(Parts::IMAGES, false).and(Parts::RECORD, true);
        assert_eq!(Act::Shown(parts).words(), "was shown particulars, the record");
        assert!(Parts::default().is_empty() && !parts.is_empty());
    }
}
