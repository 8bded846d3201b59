//! What is wrong with a scenario, where, and what to do about it.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

/// Longest line that is shown, in characters: what is longer is cut around the place.
const SHOWN_CHARS_MAX: usize = 100;
/// How much of two names may differ for one to have been meant as the other, of 1.
const DIFFERS_MAX: f64 = 0.4;

/// Why a scenario can't be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}{what}{}", Beginning(self), Excerpt(self))]
pub struct ScenarioError {
    /// The file, or `--set` if it is what was set beside it.
    pub file: String,
    /// Where in it; none if the whole of it is meant.
    pub place: Option<Box<Place>>,
    /// What is wrong.
    pub what: String,
    /// What to do next.
    pub hint: String,
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line, as it stands there.
    pub text: String,
    /// How many characters of it are meant.
    pub width: usize,
}

/// What is wrong with a stretch of the text, before it is known which file that is.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) what: String,
    pub(super) hint: String,
}

impl Problem {
    pub(super) fn new(span: Range<usize>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { span, what: what.into(), hint: hint.into() }
    }
}

impl ScenarioError {
    /// Of a file as a whole.
    pub(super) fn of_file(file: &str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: None, what: what.into(), hint: hint.into() }
    }

    /// The line where it is, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

    /// Of a place in a text.
    pub(super) fn at(file: &str, text: &str, problem: Problem) -> Self {
        let start = floor(text, problem.span.start);
        let end = floor(text, problem.span.end.max(start));
        let begins = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let ends = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[..begins].matches('\n').count() + 1;
        let place = Place {
            line,
            column: text[begins..start].chars().count() + 1,
            text: text[begins..ends].trim_end_matches('\r').to_owned(),
            width: text[start..end.min(ends)].chars().count().max(1),
        };
        Self { file: file.to_owned(), place: Some(Box::new(place)), what: problem.what, hint: problem.hint }
    }
}

/// The nearest boundary of a character at or before a place.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

struct Beginning<'a>(&'a ScenarioError);

impl fmt::Display for Beginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.place {
            Some(place) => write!(f, "{}:{}:{}: ", self.0.file, place.line, place.column),
            None => write!(f, "{}: ", self.0.file),
        }
    }
}

/// The line with a caret under what is meant.
struct Excerpt<'a>(&'a ScenarioError);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(it) = &self.0.place else { return Ok(()) };
        let number = it.line.to_string();
        let margin = " ".repeat(number.len());
        // A long line is shown from a little before the place on.
        let place = it.column - 1;
        let skipped = if place < SHOWN_CHARS_MAX { 0 } else { place - SHOWN_CHARS_MAX / 2 };
        let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
        let shown: String = it.text.chars().skip(skipped).take(SHOWN_CHARS_MAX).map(clean).collect();
        let carets = "^".repeat(it.width.min(SHOWN_CHARS_MAX - (place - skipped).min(SHOWN_CHARS_MAX - 1)));
        write!(f, "\n {margin} |\n {number} | {shown}\n {margin} | {}{carets}", " ".repeat(place - skipped))
    }
}

/// The name that was likely meant, as a question; else which ones there are.
pub(super) fn nearest<'a>(meant: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const LISTED_MAX: usize = 24;
    let known: Vec<&str> = known.into_iter().collect();
    let alike = |name: &&str| strsim::normalized_damerau_levenshtein(meant, name);
    let best = known.iter().copied().max_by(|one, other| alike(one).total_cmp(&alike(other)));
    let list: Vec<String> = known.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect();
    let more = if known.len() > LISTED_MAX { ", ..." } else { "" };
    // Whoever wrote the beginning of a name meant it, however long it goes on.
    let is_meant = |best: &&str| alike(best) >= 1.0 - DIFFERS_MAX || (!meant.is_empty() && best.starts_with(meant));
    match best.filter(is_meant) {
        Some(best) => format!("did you mean `{best}`? Known are {}{more}", list.join(", ")),
        None if known.is_empty() => "there is none yet: define it first".to_owned(),
        None => format!("known are {}{more}", list.join(", ")),
    }
}
