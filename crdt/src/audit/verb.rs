//! The verbs of the trail: those that the law on police data wants logged (article 25 of Directive (EU) 2016/680), and two of
//! our own for what guards them.

use crate::statement::Kind;

/// What sort of thing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Data was taken of a person.
    Collection,
    /// What is known was added to or changed.
    Alteration,
    /// Somebody read it.
    Consultation,
    /// It was handed to somebody else.
    Disclosure,
    /// It was compared or joined with other data.
    Combination,
    /// It is gone.
    Erasure,
    /// Somebody got in, or didn't.
    Access,
    /// Who belongs, and under which keys.
    Administration,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Collection,
        Self::Alteration,
        Self::Consultation,
        Self::Disclosure,
        Self::Combination,
        Self::Erasure,
        Self::Access,
        Self::Administration,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Alteration => "alteration",
            Self::Consultation => "consultation",
            Self::Disclosure => "disclosure",
            Self::Combination => "combination",
            Self::Erasure => "erasure",
            Self::Access => "access",
            Self::Administration => "administration",
        }
    }

    /// The verb of this name, if there is one.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }

    /// What writing an entry of this kind is.
    #[must_use]
    pub const fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::Capture => Self::Collection,
            Kind::Edit | Kind::Review => Self::Alteration,
            // The officer has read the verdict: the one reading that everybody is told of.
            Kind::Seen => Self::Consultation,
            // The data has reached somebody else, who keeps it from now on.
            Kind::Receipt => Self::Disclosure,
            // The answer to a comparison. What was compared and how often is in the hub's own trail.
            Kind::Verdict => Self::Combination,
            Kind::Erasure => Self::Erasure,
            Kind::Certificate | Kind::Fork | Kind::Revocation | Kind::Vote | Kind::Readmission | Kind::GroupKey => {
                Self::Administration
            }
        }
    }

    /// The same by the number in a header, and the words for it. A kind that this program doesn't know was carried, and
    /// what it does is known to those who wrote it.
    #[must_use]
    pub fn of_entry(number: u8) -> (Self, &'static str) {
        Kind::rule(number).map_or((Self::Alteration, "something that this program is too old to know"), |rule| {
            (Self::of_kind(rule.kind), words(rule.kind))
        })
    }
}

const fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Certificate => "showed its certificate",
        Kind::Capture => "captured",
        Kind::Edit => "edited the record",
        Kind::Receipt => "took it over as a hub",
        Kind::Verdict => "answered it",
        Kind::Review => "examined the answer",
        Kind::Seen => "read the answer",
        Kind::Fork => "showed that a log was forked",
        Kind::Revocation => "handed on an order that revokes a device",
        Kind::Vote => "voted to revoke a device",
        Kind::Readmission => "readmitted a capture",
        Kind::GroupKey => "renewed the key that members share",
        Kind::Erasure => "erased it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_verb_and_the_six_of_the_law_all_occur() {
        let verbs: Vec<Verb> = Kind::RULES.iter().map(|rule| Verb::of_entry(rule.kind as u8).0).collect();
        assert!(Verb::ALL[..6].iter().all(|verb| verbs.contains(verb)), "{verbs:?}");
        assert_eq!(Verb::of_entry(200).0, Verb::Alteration);
        assert!(Verb::ALL.into_iter().all(|verb| Verb::named(verb.word()) == Some(verb)));
        assert_eq!(Verb::named("looking"), None);
    }
}
