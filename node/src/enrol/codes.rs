//! The join codes that an authority has given out: made, used once, withdrawn, listed. They are kept in its folder.

use std::time::Duration;

use crdt::audit::Act;
use crdt::ids::DeviceId;
use crdt::site::{Certificate, NAME_BYTES_MAX, Roles};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::code::{Code, CodeId, CodeKey, SECRET_BYTES};
use super::live::{Claim, Denial};
use super::{EnrolError, SiteFolder};
use crate::files::dice;
use crate::home::HomeError;

/// Most codes that may be open at a time.
pub const OPEN_MAX: usize = 500;
/// Longest that a code may be open: whoever finds it later finds paper.
pub const VALID_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a code that isn't open any more is still listed.
const LISTED_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// What is kept of a code: what checks a proof, not the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Which code.
    pub id: CodeId,
    key: CodeKey,
    /// What the device that uses it may do.
    pub roles: Roles,
    /// What that device is called.
    pub alias: String,
    /// Days for which it is certified.
    pub days: u32,
    /// First millisecond at which the code can't be used any more.
    pub until_ms: u64,
    fate: Fate,
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Fate {
    Open,
    Used { device: DeviceId, at_ms: u64 },
    Withdrawn { at_ms: u64 },
}

/// How a code stands at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be used.
    Open,
    /// It was used.
    Used {
        /// By whom.
        device: DeviceId,
        /// When.
        at_ms: u64,
    },
    /// It was taken back.
    Withdrawn {
        /// When.
        at_ms: u64,
    },
    /// Its time is over.
    Expired,
}

/// What codes are to be made.
#[derive(Clone, Debug)]
pub struct Batch {
    /// How many.
    pub count: usize,
    /// What the devices may do.
    pub roles: Roles,
    /// What the aliases of the devices begin with; a number follows.
    pub alias_prefix: String,
    /// Days for which the devices are certified.
    pub days: u32,
    /// How long the codes may be used.
    pub valid: Duration,
}

/// Why codes can't be made or withdrawn.
#[derive(Debug, Error)]
pub enum CodesError {
    /// Too many would be open.
    #[error("{0} codes would be open, and at most {OPEN_MAX} may be")]
    TooMany(usize),
    /// They would be valid for too long.
    #[error("a code is valid for a second to seven days")]
    Valid,
    /// There is no such code.
    #[error("there is no code {0}")]
    Unknown(CodeId),
    /// It isn't open any more.
    #[error("code {0} isn't open any more")]
    NotOpen(CodeId),
    /// What enrolment itself asks for.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
}

impl CodesError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::TooMany(_) => "make fewer, or withdraw some with `greenline site codes --withdraw ID`",
            Self::Valid => "give --valid in hours, as in 8h; make new codes when they are needed",
            Self::Unknown(_) | Self::NotOpen(_) => "`greenline site codes --list` shows all codes and how they stand",
            Self::Enrol(error) => error.hint(),
        }
    }
}

impl From<HomeError> for CodesError {
    fn from(error: HomeError) -> Self {
        Self::Enrol(error.into())
    }
}

/// Why somebody with a code isn't enrolled.
#[derive(Debug, Error)]
pub enum RedeemError {
    /// The code isn't good.
    #[error("{0}")]
    Denied(Denial),
    /// What enrolment itself asks for.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
}

impl From<HomeError> for RedeemError {
    fn from(error: HomeError) -> Self {
        Self::Enrol(error.into())
    }
}

impl Issued {
    /// How it stands at some time.
    #[must_use]
    pub const fn standing(&self, now_ms: u64) -> Standing {
        match self.fate {
            Fate::Used { device, at_ms } => Standing::Used { device, at_ms },
            Fate::Withdrawn { at_ms } => Standing::Withdrawn { at_ms },
            Fate::Open if now_ms >= self.until_ms => Standing::Expired,
            Fate::Open => Standing::Open,
        }
    }

    /// Whether the device of a claim may use it now, or may have again the answer that it missed.
    fn admits(&self, claim: &Claim, now_ms: u64) -> Result<(), Denial> {
        if !claim.holds(&self.key) {
            return Err(Denial::Unknown);
        }
        match self.standing(now_ms) {
            Standing::Open => Ok(()),
            Standing::Used { device, .. } if device == claim.request().device && now_ms < self.until_ms => Ok(()),
            Standing::Used { .. } => Err(Denial::Used),
            Standing::Withdrawn { .. } => Err(Denial::Withdrawn),
            Standing::Expired => Err(Denial::Expired),
        }
    }
}

/// Whom a code has enrolled, and what to answer.
pub struct Redeemed {
    /// The certificate.
    pub certificate: Certificate,
    /// The answer's text.
    pub text: String,
    /// What shows the device that the answer comes from whoever made the code.
    pub key: CodeKey,
}

impl SiteFolder {
    /// Makes codes and returns each with its text, which is kept nowhere.
    pub fn make_codes(&mut self, batch: &Batch, now_ms: u64) -> Result<Vec<(Issued, Zeroizing<String>)>, CodesError> {
        if batch.valid.is_zero() || batch.valid > VALID_MAX {
            return Err(CodesError::Valid);
        }
        let alone = self.refresh()?;
        let open = self.codes().iter().filter(|code| code.standing(now_ms) == Standing::Open).count();
        if open.saturating_add(batch.count) > OPEN_MAX {
            return Err(CodesError::TooMany(open.saturating_add(batch.count)));
        }
        self.file.codes.retain(|code| code.until_ms.saturating_add(LISTED_MS) > now_ms);
        let mut made = Vec::new();
        for _ in 0..batch.count {
            made.push(self.make_code(batch, now_ms)?);
        }
        let given = made.iter().map(|(code, _): &(Issued, _)| Act::CodeMade {
            code: code.id.name(),
            roles: code.roles,
            days: code.days,
        });
        self.note(&alone, now_ms, &given.collect::<Vec<_>>())?;
        self.save(&alone)?;
        Ok(made)
    }

    fn make_code(&mut self, batch: &Batch, now_ms: u64) -> Result<(Issued, Zeroizing<String>), CodesError> {
        let code = Code::new(*dice::<SECRET_BYTES>(&self.dir)?);
        let issued = Issued {
            id: code.id(),
            key: code.key(),
            roles: batch.roles,
            alias: self.free_alias(&batch.alias_prefix)?,
            days: batch.days,
            until_ms: now_ms.saturating_add(u64::try_from(batch.valid.as_millis()).unwrap_or(u64::MAX)),
            fate: Fate::Open,
        };
        self.file.codes.push(issued.clone());
        Ok((issued, code.text()))
    }

    /// The prefix with the first number that no device and no code has.
    fn free_alias(&self, prefix: &str) -> Result<String, EnrolError> {
        let aliases = || self.roster().iter().map(|it| &it.alias).chain(self.codes().iter().map(|it| &it.alias));
        let alias = (1_u64..).map(|number| format!("{prefix}-{number}")).find(|alias| !aliases().any(|it| it == alias));
        let fits = |alias: &String| !prefix.is_empty() && alias.len() <= NAME_BYTES_MAX;
        alias.filter(fits).ok_or(EnrolError::Name)
    }

    /// The codes given out, as this folder last read them.
    #[must_use]
    pub fn codes(&self) -> &[Issued] {
        &self.file.codes
    }

    /// Reads again what another process may have changed.
    pub fn refresh_codes(&mut self) -> Result<(), HomeError> {
        self.refresh().map(|_| ())
    }

    /// Takes a code back that nobody has used.
    pub fn withdraw_code(&mut self, id: CodeId, now_ms: u64) -> Result<(), CodesError> {
        let alone = self.refresh()?;
        let code = self.file.codes.iter_mut().find(|code| code.id == id).ok_or(CodesError::Unknown(id))?;
        if code.standing(now_ms) != Standing::Open {
            return Err(CodesError::NotOpen(id));
        }
        code.fate = Fate::Withdrawn { at_ms: now_ms };
        self.note(&alone, now_ms, &[Act::CodeWithdrawn(id.name())])?;
        Ok(self.save(&alone)?)
    }

    /// Certifies the device of a claim, if its code is good. That the code is used is on disk before this returns.
    pub fn redeem(&mut self, claim: &Claim, now_ms: u64) -> Result<Redeemed, RedeemError> {
        let alone = self.refresh()?;
        let place = self.file.codes.iter().position(|code| code.id == claim.code());
        let place = place.ok_or(RedeemError::Denied(Denial::Unknown))?;
        let issued = self.file.codes[place].clone();
        issued.admits(claim, now_ms).map_err(RedeemError::Denied)?;
        let request = claim.request();
        let certificate = match (issued.fate, self.certificate(&request.device).cloned()) {
            // It missed the answer.
            (Fate::Used { .. }, Some(certificate)) => certificate,
            _ => {
                self.note(&alone, now_ms, &[Act::CodeUsed { code: issued.id.name(), device: request.device }])?;
                self.file.codes[place].fate = Fate::Used { device: request.device, at_ms: now_ms };
                self.certify(&alone, request, (issued.roles, &issued.alias), now_ms, issued.days)?
            }
        };
        let text = self.answer(&certificate)?;
        Ok(Redeemed { certificate, text, key: issued.key })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::enrol::fixture::{Fixture, NOW_MS};
    use crate::enrol::live::{Host, Input, Joiner, Offer, Output, Reveal, Takes};

    const HOUR: Duration = Duration::from_secs(3600);

    fn batch(count: usize, valid: Duration) -> Batch {
        Batch { count, roles: Roles::OFFICER, alias_prefix: "tablet".into(), days: 30, valid }
    }

    impl Fixture {
        fn code(&mut self) -> Code {
            self.site.make_codes(&batch(1, HOUR), NOW_MS).unwrap()[0].1.parse().unwrap()
        }

        fn claim(&self, name: &str, code: &Code) -> Claim {
            let request = self.home(name).request().unwrap();
            let ours = Reveal { nonce: [1; 32], request, wish: String::new(), code: None };
            let (mut joiner, hello) = Joiner::with_code(ours, code);
            let offer = Offer { nonce: [2; 32], authority: self.site.manifest().authority(), takes: Takes::Codes };
            let mut host = Host::new(offer);
            let mut outputs = host.handle(Input::Frame(hello)).unwrap();
            loop {
                let mut answers = Vec::new();
                for output in outputs.drain(..) {
                    match output {
                        Output::Send(frame) => answers.extend(joiner.handle(Input::Frame(frame)).unwrap()),
                        Output::Redeem(claim) => return claim,
                        other => panic!("{other:?}"),
                    }
                }
                for answer in answers {
                    let Output::Send(frame) = answer else { panic!("{answer:?}") };
                    outputs.extend(host.handle(Input::Frame(frame)).unwrap());
                }
            }
        }

        fn denied(&mut self, claim: &Claim, now_ms: u64) -> Denial {
            match self.site.redeem(claim, now_ms) {
                Err(RedeemError::Denied(why)) => why,
                other => panic!("{:?}", other.map(|redeemed| redeemed.certificate)),
            }
        }
    }

    #[test]
    fn a_code_is_good_to_the_last_millisecond_for_one_device() {
        let mut f = Fixture::new();
        let (first, second) = (f.code(), f.code());
        let (ana, ben) = (f.claim("ana", &first), f.claim("ben", &second));
        let until_ms = NOW_MS + 3_600_000;
        assert_eq!(f.denied(&ben, until_ms), Denial::Expired);
        assert_eq!(f.site.redeem(&ana, until_ms - 1).unwrap().certificate.alias, "tablet-1");
        let thief = f.claim("thief", &first);
        assert_eq!(f.denied(&thief, until_ms - 1), Denial::Used);
        assert_eq!(f.denied(&ana, until_ms), Denial::Used, "and no second answer after its time");
        assert_eq!(f.site.roster().len(), 1);
    }

    #[test]
    fn what_became_of_a_code_is_on_disk_before_anybody_is_answered() {
        let mut f = Fixture::new();
        let (code, other) = (f.code(), f.code());
        let (ana, ben) = (f.claim("ana", &code), f.claim("ben", &code));
        let path = f.folder();
        // Two listeners on one folder: what one has done, the other knows.
        let mut second = SiteFolder::open(&path).unwrap();
        let answer = f.site.redeem(&ana, NOW_MS).unwrap();
        assert!(matches!(second.redeem(&ben, NOW_MS), Err(RedeemError::Denied(Denial::Used))));
        second.withdraw_code(other.id(), NOW_MS).unwrap();
        let carl = f.claim("carl", &other);
        assert_eq!(f.denied(&carl, NOW_MS), Denial::Withdrawn);
        let again = SiteFolder::open(&path).unwrap().redeem(&ana, NOW_MS + 1).unwrap();
        assert_eq!(again.certificate, answer.certificate, "the same, for who missed the answer");
    }

    #[test]
    fn bounds_hold_at_n_and_not_at_n_plus_1() {
        let mut f = Fixture::new();
        let _ = f.site.make_codes(&batch(OPEN_MAX, VALID_MAX), NOW_MS).unwrap();
        assert!(matches!(f.site.make_codes(&batch(1, HOUR), NOW_MS), Err(CodesError::TooMany(_))));
        let over = Duration::from_millis(1);
        assert!(matches!(f.site.make_codes(&batch(1, VALID_MAX + over), NOW_MS), Err(CodesError::Valid)));
        assert!(matches!(f.site.make_codes(&batch(1, Duration::ZERO), NOW_MS), Err(CodesError::Valid)));
        let long = Batch { alias_prefix: "a".repeat(NAME_BYTES_MAX - 1), ..batch(1, HOUR) };
        let later_ms = NOW_MS + 8 * 24 * 3_600_000;
        assert!(matches!(f.site.make_codes(&long, later_ms), Err(CodesError::Enrol(EnrolError::Name))));
        // Long after, what is over isn't listed any more.
        let _ = f.site.make_codes(&batch(1, HOUR), later_ms + LISTED_MS).unwrap();
        assert_eq!(f.site.codes().len(), 1);
    }

    #[test]
    fn only_an_open_code_can_be_withdrawn() {
        let mut f = Fixture::new();
        let code = f.code();
        f.site.withdraw_code(code.id(), NOW_MS).unwrap();
        assert!(matches!(f.site.withdraw_code(code.id(), NOW_MS), Err(CodesError::NotOpen(_))));
        let unknown = Code::new([9; SECRET_BYTES]).id();
        assert!(matches!(f.site.withdraw_code(unknown, NOW_MS), Err(CodesError::Unknown(_))));
    }
}
