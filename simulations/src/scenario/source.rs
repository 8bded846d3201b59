//! The text of a scenario with what was set beside it, read as one, and every mistake in it told with its place.

use serde::de::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::error::{Problem, ScenarioError, nearest};
use super::form::Form;

/// Longest text. The longest that is shipped has a fiftieth of it.
pub const TEXT_BYTES_MAX: usize = 256 << 10;
/// Most settings beside a file: more than there are keys.
pub const SETTINGS_MAX: usize = 100;
/// How much of a key, and of what a reader says, is repeated.
const KEY_CHARS_MAX: usize = 60;
const MESSAGE_CHARS_MAX: usize = 300;
/// What a setting is called in messages.
const SETTING: &str = "--set";

/// A text, and settings that go before what it says.
pub(super) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    /// Each with the place where its text would begin if it followed the file's and those before it.
    settings: Vec<(usize, String)>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, settings: &[String]) -> Result<Self, ScenarioError> {
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("it has more than {TEXT_BYTES_MAX} bytes");
            return Err(ScenarioError::of_file(file, what, "put long lists into CSV files of their own"));
        }
        if settings.len() > SETTINGS_MAX {
            let what = format!("there are more than {SETTINGS_MAX}");
            return Err(ScenarioError::of_file(SETTING, what, "copy the scenario, and change the copy"));
        }
        let mut source = Self { file, text, settings: Vec::new() };
        let mut begins = text.len() + 1;
        for setting in settings {
            let setting = as_toml(setting)?;
            let length = setting.len() + 1;
            source.settings.push((begins, setting));
            begins += length;
        }
        Ok(source)
    }

    /// Reads all of it.
    pub(super) fn form(&self) -> Result<Form, ScenarioError> {
        // Blanks before each setting, so that places in it are those that it would have behind the text.
        let padded = self.settings.iter().map(|(begins, setting)| format!("{}{setting}", " ".repeat(*begins)));
        let padded: Vec<String> = padded.collect();
        let no_toml = |error: toml::de::Error| {
            let hint = "mend that line: texts stand in double quotes, lists in [ ], tables in { } on one line";
            self.told(Problem::new(error.span().unwrap_or(0..0), shown(error.message(), MESSAGE_CHARS_MAX), hint))
        };
        let mut whole = DeTable::parse(self.text).map_err(no_toml)?;
        for setting in &padded {
            merge(whole.get_mut(), DeTable::parse(setting).map_err(no_toml)?.into_inner());
        }
        Form::deserialize(Deserializer::from(whole)).map_err(|error| self.told(problem(&error)))
    }

    /// A problem, with the file and line or the setting where it is.
    pub(super) fn told(&self, problem: Problem) -> ScenarioError {
        let setting = self.settings.iter().rev().find(|(begins, _)| problem.span.start >= *begins);
        match setting {
            Some((begins, setting)) => {
                let span = problem.span.start - begins..problem.span.end.max(*begins) - begins;
                ScenarioError::at(SETTING, setting, Problem { span, ..problem })
            }
            None => ScenarioError::at(self.file, self.text, problem),
        }
    }
}

/// `contacts.radio=ble` as a line of TOML: a value that is none is a text, so that nobody needs quotes in a shell.
fn as_toml(setting: &str) -> Result<String, ScenarioError> {
    let hint = "write it as `--set KEY=VALUE`, for example `--set contacts.radio=ble` or `--set groups.post.count=5`";
    let Some((key, value)) = setting.split_once('=') else {
        return Err(ScenarioError::of_file(SETTING, format!("`{}` has no `=`", shown(setting, KEY_CHARS_MAX)), hint));
    };
    let (key, value) = (key.trim(), value.trim());
    if setting.contains('\n') || DeTable::parse(&format!("{key} = 0")).is_err() {
        return Err(ScenarioError::of_file(SETTING, format!("`{}` is no key", shown(key, KEY_CHARS_MAX)), hint));
    }
    let line = format!("{key} = {value}");
    if DeTable::parse(&line).is_ok() {
        return Ok(line);
    }
    let escaped: String = value.chars().flat_map(|it| it.escape_default()).collect();
    Ok(format!("{key} = \"{escaped}\""))
}

/// What stood there or was said of it, on one line and not too much.
fn shown(text: &str, chars_max: usize) -> String {
    text.trim().chars().map(|it| if it.is_control() { ' ' } else { it }).take(chars_max).collect()
}

/// Puts what is in one table over what is in another.
fn merge<'a>(under: &mut DeTable<'a>, over: DeTable<'a>) {
    for (key, value) in over {
        let (span, value) = (value.span(), value.into_inner());
        match (under.get_mut(&key).map(Spanned::get_mut), value) {
            (Some(DeValue::Table(inner)), DeValue::Table(over)) => merge(inner, over),
            (_, value) => {
                under.remove(&key);
                under.insert(key, Spanned::new(span, value));
            }
        }
    }
}

/// What the parser and the reader of forms complain about, in our words.
fn problem(error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let message = error.message().trim();
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let [wrong, known @ ..] = words.as_slice() {
        if message.starts_with("unknown field") {
            return Problem::new(
                span,
                format!("`{}` is no key here", shown(wrong, KEY_CHARS_MAX)),
                nearest(wrong, known.iter().copied()),
            );
        }
        if message.starts_with("unknown variant") {
            let what = format!("`{}` can't be chosen here", shown(wrong, KEY_CHARS_MAX));
            return Problem::new(span, what, nearest(wrong, known.iter().copied()));
        }
        if message.starts_with("missing field") {
            return Problem::new(span, format!("`{wrong}` is missing"), format!("add a line `{wrong} = ...`"));
        }
    }
    let hint = "mend that line; docs/SCENARIOS.md says what each key takes";
    let said = of_another_kind(message).unwrap_or_else(|| message.to_owned());
    Problem::new(span, shown(&said, MESSAGE_CHARS_MAX), hint)
}

/// That something else belongs there, without the names that programmers have for it.
fn of_another_kind(message: &str) -> Option<String> {
    let (found, expected) = message.split_once(", expected ")?;
    let found = found.strip_prefix("invalid type: ").or_else(|| found.strip_prefix("invalid value: "))?;
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" => "a text in double quotes",
        "a sequence" => "a list in [ ]",
        "a map" => "a table in { }",
        other => other,
    };
    // A number that is too large for any kind is told with the kind that it was tried as.
    let found = found.trim_end_matches(" as i128").trim_end_matches(" as u128");
    Some(format!("{expected} belongs here, not {found}"))
}
