//! What is done to a hub's gallery by hand, as a hub that runs is told of it to note it in its trails.

use crdt::audit::{Act, ParseNameError};
use serde::{Deserialize, Serialize};

/// Something that is about to be done. People go by the names of their files, which tell nothing without the gallery's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "snake_case", deny_unknown_fields)]
pub enum Handling {
    /// A person is added.
    Added {
        /// The name.
        person: String,
    },
    /// A person's prints are replaced.
    Replaced {
        /// The name.
        person: String,
    },
    /// A person is removed.
    Removed {
        /// The name.
        person: String,
    },
    /// Everybody is listed.
    Listed {
        /// How many there are.
        people: u32,
    },
}

impl Handling {
    /// What the trail says of it.
    pub fn act(&self) -> Result<Act, ParseNameError> {
        Ok(match self {
            Self::Added { person } => Act::PersonAdded(person.parse()?),
            Self::Replaced { person } => Act::PersonReplaced(person.parse()?),
            Self::Removed { person } => Act::PersonRemoved(person.parse()?),
            Self::Listed { people } => Act::PeopleListed(*people),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crdt::audit::PersonName;
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn what_is_told_is_what_is_noted_and_a_reference_is_no_name() {
        let person = PersonName([0xa7; 16]);
        let told = |did: &str| from_value::<Handling>(json!({"did": did, "person": person.to_string()}));
        assert_eq!(told("added").unwrap().act(), Ok(Act::PersonAdded(person)));
        assert_eq!(told("replaced").unwrap().act(), Ok(Act::PersonReplaced(person)));
        assert_eq!(told("removed").unwrap().act(), Ok(Act::PersonRemoved(person)));
        assert!(told("listed").is_err() && told("seen").is_err());
        let listed: Handling = from_value(json!({"did": "listed", "people": 60})).unwrap();
        assert_eq!((listed.act(), json!(listed)), (Ok(Act::PeopleListed(60)), json!({"did": "listed", "people": 60})));
        let by_reference: Handling = from_value(json!({"did": "added", "person": "P-0001"})).unwrap();
        assert_eq!(by_reference.act(), Err(ParseNameError));
    }
}
