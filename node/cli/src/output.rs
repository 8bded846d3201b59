//! What commands print: aligned tables, short times, one JSON document.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::failure::Failure;

/// Prints text and a newline.
pub(crate) fn say(text: impl std::fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Prints one JSON document, readable.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    say(serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()))
}

/// A table without lines, columns aligned, a header.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    self::rows(&header.map(str::to_owned), rows.into_iter().map(Vec::from))
}

/// As [`table`], of columns that are counted only when it runs.
pub(crate) fn rows(header: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Every line two blanks further in.
pub(crate) fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// A time of day here, with the date unless it is today.
pub(crate) fn time(ms: Option<u64>) -> String {
    let Some(ms) = ms else { return "-".into() };
    let zone = TimeZone::system();
    let Ok(then) = Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX)) else { return "?".into() };
    let (then, now) = (then.to_zoned(zone.clone()), Timestamp::now().to_zoned(zone));
    let format = if then.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    then.strftime(format).to_string()
}

/// How long ago, in one unit.
pub(crate) fn age(ms: Option<u64>) -> String {
    let Some(ms) = ms else { return "-".into() };
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    let seconds = now.saturating_sub(ms) / 1000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A stretch of time, in one or two units.
pub(crate) fn span(ms: u64) -> String {
    let (seconds, two) = (ms / 1000, |large: u64, unit, small: u64, below| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {below}"),
    });
    match seconds {
        0 if ms > 0 => format!("{ms} ms"),
        0..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// How long something is still kept, in one unit.
pub(crate) fn left(until_ms: Option<u64>) -> String {
    let Some(until_ms) = until_ms else { return "-".into() };
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    match until_ms.saturating_sub(now).div_ceil(60_000) {
        0 => "over".into(),
        minutes @ 1..60 => format!("{minutes} min"),
        minutes @ 60..2_880 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1_440),
    }
}

/// A size in bytes, in the unit that fits.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.0} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

/// The first eight characters of an id.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// A text member of a JSON object; empty if it isn't there.
pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// The name of a device in a JSON object: its alias, or the beginning of its id.
pub(crate) fn who(value: &Value) -> String {
    let alias = text(value, "alias");
    if !alias.is_empty() {
        return alias.to_owned();
    }
    let id = [text(value, "device"), text(value, "by"), text(value, "id")];
    short(id.into_iter().find(|id| !id.is_empty()).unwrap_or("?")).to_owned()
}

/// A stage in words.
pub(crate) fn stage(word: &str) -> String {
    word.replace('_', " ")
}

/// A verdict in words. A candidate is locked until an examiner has spoken, and is never called anything stronger.
pub(crate) fn verdict(verdict: &Value) -> String {
    if verdict.is_null() {
        return "-".into();
    }
    if verdict["readable"] != true {
        return "sealed to others".into();
    }
    let value = text(verdict, "value").replace('_', " ");
    match verdict["standing"].as_str() {
        _ if verdict["locked"] == true => format!("{value} (LOCKED)"),
        Some(standing) => format!("{value}, {standing}"),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_aligned_and_has_no_trailing_blanks() {
        let text = table(["id", "stage"], [["a".into(), "recorded".into()], ["bbbb".into(), "seen".into()]]);
        assert_eq!(text, "ID    STAGE\na     recorded\nbbbb  seen");
    }

    #[test]
    fn what_is_kept_says_for_how_long() {
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap();
        let (min, day) = (60_000, 86_400_000);
        let until = |ms| left(Some(now + ms));
        assert_eq!(
            (until(30 * day + min), until(3 * 60 * min + min), until(min / 2)),
            ("30 d".into(), "3 h".into(), "1 min".into())
        );
        assert_eq!((left(Some(now - 1)), left(None)), ("over".into(), "-".into()));
    }

    #[test]
    fn a_locked_candidate_says_so() {
        let candidate = json!({"readable": true, "value": "candidate", "standing": "awaiting", "locked": true});
        assert_eq!(verdict(&candidate), "candidate (LOCKED)");
        let refuted = json!({"readable": true, "value": "candidate", "standing": "refuted", "locked": false});
        assert_eq!(verdict(&refuted), "candidate, refuted");
        assert_eq!(verdict(&json!({"readable": false})), "sealed to others");
        assert_eq!(verdict(&json!({"readable": true, "value": "no_match", "locked": false})), "no match");
    }
}
