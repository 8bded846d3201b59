//! `greenline show`: one capture, whole.

use clap::Args;
use serde_json::Value;

use crate::client::{ActingArg, Client, HomeArg, resolve_capture};
use crate::failure::Failure;
use crate::output::{self, text, who};

/// Show one capture: its journey, its record, its verdict.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    home: HomeArg,
    #[command(flatten)]
    acting: ActingArg,
    /// The capture's id, or the beginning of it
    capture: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ShowArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?.acting(&args.acting)?;
    let id = resolve_capture(&client, &args.capture)?;
    let capture = client.get(&format!("/api/captures/{id}"))?;
    if args.json {
        return output::json(&capture);
    }
    let parts = [head(&capture), journey(&capture), verdicts(&capture), record(&capture)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    output::say(parts.join("\n\n"))
}

fn head(capture: &Value) -> String {
    let mut lines = vec![format!("Capture {}", text(capture, "id"))];
    if !capture["stages"]["erased"].is_null() {
        lines.push(format!("  {}", erased(&capture["stages"]["erased"])));
        return lines.join("\n");
    }
    let until = capture["delete_after_ms"].as_u64();
    lines.push(format!(
        "  {} ({}), kept until {} ({} left)",
        text(capture, "purpose"),
        text(capture, "priority"),
        output::time(until),
        output::left(until)
    ));
    if let Some(particulars) = capture["particulars"].as_object() {
        lines.extend(particulars.iter().map(|(name, value)| format!("  {name}: {}", value.as_str().unwrap_or("?"))));
    }
    let images = capture["images"].as_array().into_iter().flatten();
    let images: Vec<String> = images
        .map(|image| {
            let shows = image["shows"].as_str().unwrap_or("sealed image");
            format!("{shows} ({})", output::bytes(image["bytes"].as_u64().unwrap_or(0)))
        })
        .collect();
    lines.push(format!("  images: {}", images.join(", ")));
    lines.join("\n")
}

fn erased(erased: &Value) -> String {
    let why = match text(erased, "reason") {
        "done" => "its purpose is served",
        "expired" => "it was kept as long as it may be",
        "withdrawn" => "it was withdrawn",
        "ordered" => "a supervisor ordered it",
        _ => "its time was over, or who said so isn't known any more",
    };
    format!("erased: {why}. Nothing but this trail is left of it.")
}

fn journey(capture: &Value) -> String {
    let stages = &capture["stages"];
    let step = |name: &str, step: &Value| {
        (!step.is_null()).then(|| [name.to_owned(), output::time(step["at_ms"].as_u64()), who(step)])
    };
    let several = |name: &str, devices: &Value| {
        let names: Vec<String> = devices.as_array().into_iter().flatten().map(who).collect();
        (!names.is_empty()).then(|| [name.to_owned(), String::new(), names.join(", ")])
    };
    let rows = [
        step("recorded", &stages["recorded"]),
        several("copied", &stages["copies"]),
        several("at gateway", &stages["gateways"]),
        step("accepted", &stages["accepted"]),
        step("screened", &stages["screened"]),
        step("examined", &stages["examined"]),
        step("seen", &stages["seen"]),
        step("erased", &stages["erased"]).filter(|row| row[1] != "-"),
    ];
    format!(
        "Journey (now: {})\n{}",
        output::stage(text(capture, "stage")),
        output::indent(&output::table(["stage", "when", "by"], rows.into_iter().flatten()))
    )
}

fn verdicts(capture: &Value) -> String {
    let mut lines = Vec::new();
    for verdict in capture["verdicts"].as_array().into_iter().flatten() {
        lines.push(format!(
            "Verdict: {} (by {}, {})",
            output::verdict(verdict),
            who(verdict),
            output::time(verdict["at_ms"].as_u64())
        ));
        if let Some(lock) = verdict["lock"].as_str() {
            lines.push(format!("  {}{}", lock.to_uppercase(), agreeing(verdict)));
        }
        if let Some(reason) = verdict["reason"].as_str() {
            lines.push(format!("  reason: {reason}"));
        }
        let list = |member: &str| -> Vec<&str> {
            verdict[member].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        if !list("candidates").is_empty() {
            lines.push(format!("  for the examiner: {}", list("candidates").join(", ")));
        }
        if !list("basis").is_empty() {
            lines.push(format!("  rests on: {}", list("basis").join(", ")));
        }
    }
    for review in capture["reviews"].as_array().into_iter().flatten() {
        let outcome = if review["readable"] == true { text(review, "outcome") } else { "sealed to others" };
        lines.push(format!("Examined: {outcome} (by {}, {})", who(review), output::time(review["at_ms"].as_u64())));
        if !text(review, "note").is_empty() {
            lines.push(format!("  {}", text(review, "note")));
        }
    }
    lines.join("\n")
}

/// Who sees one examiner's word, and the lock still on, is told what is missing.
fn agreeing(verdict: &Value) -> String {
    let needed = verdict["examiners"].as_u64().filter(|needed| *needed > 1);
    needed.map_or_else(String::new, |needed| format!(" ({needed} examiners must agree)"))
}

/// The record's members, whatever they are: the record's own view says what there is.
fn record(capture: &Value) -> String {
    let mut lines = Vec::new();
    print_members(&capture["record"], 1, &mut lines);
    if lines.is_empty() { String::new() } else { format!("Record\n{}", lines.join("\n")) }
}

fn print_members(value: &Value, depth: usize, lines: &mut Vec<String>) {
    let blank = "  ".repeat(depth);
    for (name, member) in value.as_object().into_iter().flatten() {
        match member {
            Value::Null => {}
            Value::Number(count) if count.as_u64() == Some(0) => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Object(members) if members.is_empty() => {}
            Value::Array(items) => {
                lines.push(format!("{blank}{name}:"));
                lines.extend(items.iter().map(|item| format!("{blank}  - {}", on_one_line(item))));
            }
            Value::Object(_) => {
                lines.push(format!("{blank}{name}:"));
                print_members(member, depth + 1, lines);
            }
            plain => lines.push(format!("{blank}{name}: {}", on_one_line(plain))),
        }
    }
}

fn on_one_line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let by = members.get("alias").or_else(|| members.get("by")).and_then(Value::as_str).unwrap_or_default();
            let at = members.get("time_ms").or_else(|| members.get("at_ms")).and_then(Value::as_u64);
            let words = members.get("text").or_else(|| members.get("value")).or_else(|| members.get("reason"));
            match words.and_then(Value::as_str) {
                Some(words) => format!("{words}  ({by}{}{})", if by.is_empty() { "" } else { ", " }, output::time(at)),
                None => value.to_string(),
            }
        }
        other => other.to_string(),
    }
}
