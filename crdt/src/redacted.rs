//! A value that must not reach a log, a metric or an error text.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Personal data. Prints `…` wherever it is formatted; reaching the value takes the explicit [`Redacted::reveal`].
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for its rightful reader.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// Unwraps the value, for its rightful reader.
    pub fn into_revealed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_value_is_printed() {
        let name = Redacted::new("MARKER".to_owned());
        assert_eq!(format!("{name} {name:?} {:?}", Some(&name)), "… … Some(…)");
    }
}
