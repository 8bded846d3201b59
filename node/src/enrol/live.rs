//! Pure: enrolment over a network that anybody may listen on and change, while two people compare six words.
//!
//! ```text
//!   device                                                        authority
//!     hello: a hash of what it will reveal         ───────────►
//!                                                  ◄───────────   offer: a nonce, the authority's key
//!     reveal: a nonce, the request                 ───────────►   (of which the hash must be that of the hello)
//!          both show six words made of all this, and two people compare them
//!     same                                         ───────────►
//!                                                  ◄───────────   answer: sealed to the device, as without a network
//!     joined                                       ───────────►
//! ```
//!
//! Whoever is in between must promise each side something before it hears what that side adds, so it can't search for what
//! makes the words equal: it has one try in 2^66. Nothing said here is secret. Who isn't content says `refuse` and ends.

use crdt::codec::encode;
use crdt::site::{NAME_BYTES_MAX, Request};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::words::Words;
use super::{ANSWER_PREFIX, Answer, from_text};

/// The format of what is said.
pub const VERSION: u8 = 1;
/// Random bytes that each side adds.
pub const NONCE_BYTES: usize = 32;

/// What is said, by either side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// The device begins.
    Hello {
        /// [`VERSION`].
        version: u8,
        /// The hash of what it will reveal.
        commitment: [u8; 32],
    },
    /// The authority's part.
    Offer(Offer),
    /// The device's part.
    Reveal(Reveal),
    /// The device's person says that the words are the same.
    Same,
    /// The authority's answer, as text.
    Answer(String),
    /// The device has joined.
    Joined,
    /// It goes no further.
    Refuse(Refusal),
}

/// The authority's part of what the words are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Random.
    pub nonce: [u8; NONCE_BYTES],
    /// The key that will certify, whose hash is the site's id.
    pub authority: [u8; 32],
}

/// The device's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// Random.
    pub nonce: [u8; NONCE_BYTES],
    /// What it asks for.
    pub request: Request,
    /// What its people would like to call it; empty if they don't mind.
    pub wish: String,
}

/// Why one side goes no further, as it tells the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Its person says that the words differ.
    Words,
    /// What was said makes no sense to it.
    Unfit,
    /// Something failed on its own side.
    Failed,
}

/// Why it doesn't go on.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum LiveError {
    /// A person says that the words differ.
    #[error("the words on the two screens aren't the same: somebody may be in between")]
    Words,
    /// The same, on the other side.
    #[error("on the other side somebody said that the words aren't the same: somebody may be in between")]
    WordsThere,
    /// The device revealed something else than it had promised.
    #[error("the device didn't keep to what it had promised: somebody may be in between")]
    Promise,
    /// The answer is another authority's, or another device's.
    #[error("the answer isn't from the authority whose words were compared: somebody may be in between")]
    OtherAuthority,
    /// It speaks another version.
    #[error("the other side speaks version {0} of enrolment, this program version {VERSION}")]
    Version(u8),
    /// What it says doesn't fit here.
    #[error("the other side says what isn't part of an enrolment")]
    Unfit,
    /// It gave up.
    #[error("the other side gave up; see what it says on its screen")]
    FailedThere,
}

impl LiveError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Words | Self::WordsThere | Self::Promise | Self::OtherAuthority => {
                "nothing was certified; begin again on both sides, or carry request and answer by hand, without --lan"
            }
            Self::Version(_) => "run the same version of greenline on both sides",
            Self::Unfit => "check the address: it is what `greenline device enrol --lan` prints",
            Self::FailedThere => "put that right, and begin again on both sides",
        }
    }

    /// What to tell the other side; nothing, if it knows.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Words => Some(Refusal::Words),
            Self::Promise | Self::OtherAuthority | Self::Version(_) | Self::Unfit => Some(Refusal::Unfit),
            Self::WordsThere | Self::FailedThere => None,
        }
    }
}

impl From<Refusal> for LiveError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Words => Self::WordsThere,
            Refusal::Unfit | Refusal::Failed => Self::FailedThere,
        }
    }
}

/// What happens to either side.
#[derive(Clone, Debug)]
pub enum Input {
    /// The other side said something.
    Frame(Frame),
    /// Somebody compared the words: are they the same?
    Compared(bool),
    /// The authority has certified, and this is its answer.
    Certified(String),
    /// The device has joined.
    Joined,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Say this.
    Send(Frame),
    /// Let somebody compare these words.
    Compare(Words),
    /// Certify this request.
    Certify(Request),
    /// Join with this answer.
    Join(String),
    /// It is over, and well.
    Over,
}

/// The side of the device that wants to belong.
pub struct Joiner {
    ours: Reveal,
    state: JoinerState,
}

enum JoinerState {
    AwaitsOffer,
    Compares(Offer),
    AwaitsAnswer(Offer),
    Joins,
    Over,
}

impl Joiner {
    /// Begins; returns what to say first.
    #[must_use]
    pub fn new(ours: Reveal) -> (Self, Frame) {
        let hello = Frame::Hello { version: VERSION, commitment: commitment(&ours) };
        (Self { ours, state: JoinerState::AwaitsOffer }, hello)
    }

    /// Takes one step. After an error there is none.
    pub fn handle(&mut self, input: Input) -> Result<Vec<Output>, LiveError> {
        match (std::mem::replace(&mut self.state, JoinerState::Over), input) {
            (_, Input::Frame(Frame::Refuse(why))) => Err(why.into()),
            (JoinerState::AwaitsOffer, Input::Frame(Frame::Offer(offer))) => {
                let words = words(&offer, &self.ours);
                self.state = JoinerState::Compares(offer);
                Ok(vec![Output::Send(Frame::Reveal(self.ours.clone())), Output::Compare(words)])
            }
            (JoinerState::Compares(_), Input::Compared(false)) => Err(LiveError::Words),
            (JoinerState::Compares(offer), Input::Compared(true)) => {
                self.state = JoinerState::AwaitsAnswer(offer);
                Ok(vec![Output::Send(Frame::Same)])
            }
            (JoinerState::AwaitsAnswer(offer), Input::Frame(Frame::Answer(text))) => {
                self.check(&offer, &text)?;
                self.state = JoinerState::Joins;
                Ok(vec![Output::Join(text)])
            }
            (JoinerState::Joins, Input::Joined) => Ok(vec![Output::Send(Frame::Joined), Output::Over]),
            _ => Err(LiveError::Unfit),
        }
    }

    /// Whether an answer comes under the authority whose key the words were made of, and is this device's.
    fn check(&self, offer: &Offer, text: &str) -> Result<(), LiveError> {
        let answer: Answer = from_text("an answer", ANSWER_PREFIX, text).map_err(|_| LiveError::Unfit)?;
        let (manifest, certificate) = (&answer.manifest, &answer.certificate);
        let holds = manifest.authority() == offer.authority
            && manifest.verify().is_ok()
            && certificate.verify(manifest).is_ok()
            && certificate.device == self.ours.request.device;
        if holds { Ok(()) } else { Err(LiveError::OtherAuthority) }
    }
}

/// The authority's side, for one device.
pub struct Host {
    offer: Offer,
    state: HostState,
}

enum HostState {
    AwaitsHello,
    AwaitsReveal {
        commitment: [u8; 32],
    },
    /// Who has said so far that the words are the same.
    Compares {
        theirs: Reveal,
        here: bool,
        there: bool,
    },
    Certifies,
    AwaitsJoined,
    Over,
}

impl Host {
    /// Awaits a device.
    #[must_use]
    pub const fn new(offer: Offer) -> Self {
        Self { offer, state: HostState::AwaitsHello }
    }

    /// Who asks, once that is known and until it is certified.
    #[must_use]
    pub const fn guest(&self) -> Option<&Reveal> {
        match &self.state {
            HostState::Compares { theirs, .. } => Some(theirs),
            _ => None,
        }
    }

    /// Takes one step. After an error there is none.
    pub fn handle(&mut self, input: Input) -> Result<Vec<Output>, LiveError> {
        match (std::mem::replace(&mut self.state, HostState::Over), input) {
            (_, Input::Frame(Frame::Refuse(why))) => Err(why.into()),
            (HostState::AwaitsHello, Input::Frame(Frame::Hello { version, .. })) if version != VERSION => {
                Err(LiveError::Version(version))
            }
            (HostState::AwaitsHello, Input::Frame(Frame::Hello { commitment, .. })) => {
                self.state = HostState::AwaitsReveal { commitment };
                Ok(vec![Output::Send(Frame::Offer(self.offer.clone()))])
            }
            (HostState::AwaitsReveal { commitment }, Input::Frame(Frame::Reveal(theirs))) => {
                self.meet(commitment, theirs)
            }
            (HostState::Compares { .. }, Input::Compared(false)) => Err(LiveError::Words),
            (HostState::Compares { theirs, there, here: false }, Input::Compared(true)) => {
                Ok(self.agree(theirs, true, there))
            }
            (HostState::Compares { theirs, here, there: false }, Input::Frame(Frame::Same)) => {
                Ok(self.agree(theirs, here, true))
            }
            (HostState::Certifies, Input::Certified(text)) => {
                self.state = HostState::AwaitsJoined;
                Ok(vec![Output::Send(Frame::Answer(text))])
            }
            (HostState::AwaitsJoined, Input::Frame(Frame::Joined)) => Ok(vec![Output::Over]),
            _ => Err(LiveError::Unfit),
        }
    }

    fn meet(&mut self, promised: [u8; 32], theirs: Reveal) -> Result<Vec<Output>, LiveError> {
        if commitment(&theirs) != promised {
            return Err(LiveError::Promise);
        }
        // It will be shown to a person.
        if theirs.wish.len() > NAME_BYTES_MAX || theirs.wish.chars().any(char::is_control) {
            return Err(LiveError::Unfit);
        }
        let words = words(&self.offer, &theirs);
        self.state = HostState::Compares { theirs, here: false, there: false };
        Ok(vec![Output::Compare(words)])
    }

    fn agree(&mut self, theirs: Reveal, here: bool, there: bool) -> Vec<Output> {
        if here && there {
            self.state = HostState::Certifies;
            return vec![Output::Certify(theirs.request)];
        }
        self.state = HostState::Compares { theirs, here, there };
        Vec::new()
    }
}

/// What a device promises to reveal.
fn commitment(reveal: &Reveal) -> [u8; 32] {
    blake3::derive_key("greenline enrolment promise v1", &encode(reveal))
}

/// What both sides heard, as words. What was promised follows from what was revealed.
fn words(offer: &Offer, reveal: &Reveal) -> Words {
    Words::of(&blake3::derive_key("greenline enrolment words v1", &encode(&(offer, reveal))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
