//! Pure: enrolment over a network that anybody may listen on and change, while two people compare six words, or by a join
//! code.
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
//!
//! With a code nobody compares anything. In the place of `same` the device says `prove`, and in the place of `answer` the
//! authority says `proved`: each shows, over all that was said, that it knows the code, which is never said itself.

use crdt::codec::encode;
use crdt::site::{NAME_BYTES_MAX, Request};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::code::{Code, CodeId, CodeKey};
use super::words::Words;
use super::{ANSWER_PREFIX, Answer, from_text};

/// The format of what is said.
pub const VERSION: u8 = 1;
/// Whose proof it is that somebody knows a code.
const DEVICE: &str = "greenline enrolment device";
const AUTHORITY: &str = "greenline enrolment authority";
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
    /// The device knows the code.
    Prove([u8; 32]),
    /// The authority's answer, as text, and that it knows the code.
    Proved {
        /// The answer.
        text: String,
        /// Over that, too.
        proof: [u8; 32],
    },
}

/// The authority's part of what the words are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Random.
    pub nonce: [u8; NONCE_BYTES],
    /// The key that will certify, whose hash is the site's id.
    pub authority: [u8; 32],
    /// Whom it takes.
    pub takes: Takes,
}

/// Whom an authority takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Takes {
    /// Whoever people compare words with.
    Words,
    /// Whoever has a code.
    Codes,
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
    /// Which code it has, if it comes with one.
    pub code: Option<CodeId>,
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
    /// It takes whoever has a code, and nobody else.
    NeedsCode,
    /// It takes no codes.
    NeedsWords,
    /// The code isn't good.
    Denied(Denial),
}

/// Why a code isn't good. All but the first are told to whoever has the code, and to nobody else.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Denial {
    /// There is none like it.
    #[error("this site has given out no such code")]
    Unknown,
    /// It was used.
    #[error("the code was used already, by another device")]
    Used,
    /// It was taken back.
    #[error("the code was withdrawn")]
    Withdrawn,
    /// Its time is over.
    #[error("the code has expired")]
    Expired,
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
    /// A device came without a code.
    #[error("the device has no code")]
    NeedsCode,
    /// A device came with a code.
    #[error("the device has a code, and this side lets people compare words")]
    NeedsWords,
    /// This device came without a code.
    #[error("the authority takes devices that have a code, and no others")]
    NeedsCodeThere,
    /// This device came with a code.
    #[error("the authority takes no codes now: it lets people compare words")]
    NeedsWordsThere,
    /// The device's code isn't good.
    #[error("{0}")]
    Denied(Denial),
    /// This device's code isn't good.
    #[error("{0}")]
    DeniedThere(Denial),
    /// The authority doesn't know the code.
    #[error("whoever answers doesn't know the code: it isn't the authority that made it, or somebody is in between")]
    Impostor,
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
            Self::NeedsCode | Self::NeedsCodeThere => {
                "give the device a code: greenline device join --lan ADDRESS --code CODE"
            }
            Self::NeedsWords | Self::NeedsWordsThere => {
                "begin again on both sides: without --code on the device, or with --codes at the authority"
            }
            Self::Denied(_) | Self::DeniedThere(_) => {
                "ask for another code; `greenline site codes --list` shows how each stands"
            }
            Self::Impostor => "nothing was changed; check the address, and begin again",
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
            Self::Promise | Self::OtherAuthority | Self::Impostor | Self::Version(_) | Self::Unfit => {
                Some(Refusal::Unfit)
            }
            Self::NeedsCode => Some(Refusal::NeedsCode),
            Self::NeedsWords => Some(Refusal::NeedsWords),
            Self::Denied(why) => Some(Refusal::Denied(*why)),
            Self::WordsThere
            | Self::FailedThere
            | Self::NeedsCodeThere
            | Self::NeedsWordsThere
            | Self::DeniedThere(_) => None,
        }
    }
}

impl From<Refusal> for LiveError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Words => Self::WordsThere,
            Refusal::Unfit | Refusal::Failed => Self::FailedThere,
            Refusal::NeedsCode => Self::NeedsCodeThere,
            Refusal::NeedsWords => Self::NeedsWordsThere,
            Refusal::Denied(why) => Self::DeniedThere(why),
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
    /// The authority has certified whoever had a code with this key.
    Redeemed(String, CodeKey),
    /// The device has joined.
    Joined,
}

/// What a device with a code asks for, and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    theirs: Reveal,
    code: CodeId,
    heard: [u8; 32],
    proof: [u8; 32],
}

impl Claim {
    /// Which code it names.
    #[must_use]
    pub const fn code(&self) -> CodeId {
        self.code
    }

    /// What it asks for.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.theirs.request
    }

    /// What its people would like to call it; empty if they don't mind.
    #[must_use]
    pub fn wish(&self) -> &str {
        &self.theirs.wish
    }

    /// Whether it knows the code with this key.
    #[must_use]
    pub fn holds(&self, key: &CodeKey) -> bool {
        key.holds(DEVICE, &self.heard, &self.proof)
    }
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
    /// Look at this claim, and certify whoever makes it if its code is good.
    Redeem(Claim),
    /// Join with this answer.
    Join(String),
    /// It is over, and well.
    Over,
}

/// The side of the device that wants to belong.
pub struct Joiner {
    ours: Reveal,
    key: Option<CodeKey>,
    state: JoinerState,
}

enum JoinerState {
    AwaitsOffer,
    Compares(Offer),
    AwaitsAnswer(Offer),
    AwaitsProof(Offer, CodeKey),
    Joins,
    Over,
}

impl Joiner {
    /// Begins, for people who compare words; returns what to say first.
    #[must_use]
    pub fn new(ours: Reveal) -> (Self, Frame) {
        Self::begin(Reveal { code: None, ..ours }, None)
    }

    /// Begins with a code; returns what to say first.
    #[must_use]
    pub fn with_code(ours: Reveal, code: &Code) -> (Self, Frame) {
        Self::begin(Reveal { code: Some(code.id()), ..ours }, Some(code.key()))
    }

    fn begin(ours: Reveal, key: Option<CodeKey>) -> (Self, Frame) {
        let hello = Frame::Hello { version: VERSION, commitment: commitment(&ours) };
        (Self { ours, key, state: JoinerState::AwaitsOffer }, hello)
    }

    /// Takes one step. After an error there is none.
    pub fn handle(&mut self, input: Input) -> Result<Vec<Output>, LiveError> {
        match (std::mem::replace(&mut self.state, JoinerState::Over), input) {
            (_, Input::Frame(Frame::Refuse(why))) => Err(why.into()),
            (JoinerState::AwaitsOffer, Input::Frame(Frame::Offer(offer))) => {
                // Before people are asked in vain.
                match (offer.takes, &self.key) {
                    (Takes::Words, None) | (Takes::Codes, Some(_)) => {}
                    (Takes::Words, Some(_)) => return Err(LiveError::NeedsWordsThere),
                    (Takes::Codes, None) => return Err(LiveError::NeedsCodeThere),
                }
                let reveal = Output::Send(Frame::Reveal(self.ours.clone()));
                Ok(vec![reveal, self.meet(offer)])
            }
            (JoinerState::Compares(_), Input::Compared(false)) => Err(LiveError::Words),
            (JoinerState::Compares(offer), Input::Compared(true)) => {
                self.state = JoinerState::AwaitsAnswer(offer);
                Ok(vec![Output::Send(Frame::Same)])
            }
            (JoinerState::AwaitsProof(offer, key), Input::Frame(Frame::Proved { text, proof })) => {
                if !key.holds(AUTHORITY, &answered(&heard(&offer, &self.ours), &text), &proof) {
                    return Err(LiveError::Impostor);
                }
                self.check(&offer, &text)?;
                self.state = JoinerState::Joins;
                Ok(vec![Output::Join(text)])
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

    /// The offer is there: people compare, or the code speaks.
    fn meet(&mut self, offer: Offer) -> Output {
        if let Some(key) = self.key.take() {
            let proof = key.prove(DEVICE, &heard(&offer, &self.ours));
            self.state = JoinerState::AwaitsProof(offer, key);
            return Output::Send(Frame::Prove(proof));
        }
        let words = words(&offer, &self.ours);
        self.state = JoinerState::Compares(offer);
        Output::Compare(words)
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
    /// It came with a code.
    AwaitsProof {
        theirs: Reveal,
        code: CodeId,
    },
    Certifies,
    Redeems {
        heard: [u8; 32],
    },
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
            (HostState::AwaitsProof { theirs, code }, Input::Frame(Frame::Prove(proof))) => {
                let heard = heard(&self.offer, &theirs);
                self.state = HostState::Redeems { heard };
                Ok(vec![Output::Redeem(Claim { theirs, code, heard, proof })])
            }
            (HostState::Redeems { heard }, Input::Redeemed(text, key)) => {
                self.state = HostState::AwaitsJoined;
                let proof = key.prove(AUTHORITY, &answered(&heard, &text));
                Ok(vec![Output::Send(Frame::Proved { text, proof })])
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
        match (self.offer.takes, theirs.code) {
            (Takes::Words, None) => {}
            (Takes::Words, Some(_)) => return Err(LiveError::NeedsWords),
            (Takes::Codes, None) => return Err(LiveError::NeedsCode),
            (Takes::Codes, Some(code)) => {
                self.state = HostState::AwaitsProof { theirs, code };
                return Ok(Vec::new());
            }
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

/// What both sides heard, for proofs: keys, nonces, and which code.
fn heard(offer: &Offer, reveal: &Reveal) -> [u8; 32] {
    blake3::derive_key("greenline enrolment heard v1", &encode(&(offer, reveal)))
}

/// The same, and the answer.
fn answered(heard: &[u8; 32], text: &str) -> Vec<u8> {
    [heard.as_slice(), text.as_bytes()].concat()
}

/// What both sides heard, as words. What was promised follows from what was revealed.
fn words(offer: &Offer, reveal: &Reveal) -> Words {
    Words::of(&blake3::derive_key("greenline enrolment words v1", &encode(&(offer, reveal))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
