//! `greenline sim scenarios`: what comes with the program, to be played, copied and changed.

use clap::Args;
use serde_json::json;
use simulations::scenario::{Profile, RADIOS, SHIPPED, Scenario, UPLINKS, no_files, shipped};

use crate::failure::Failure;
use crate::output;

/// How wide a source is printed, in characters.
const SOURCE_WIDTH: usize = 100;

#[derive(Args, Debug)]
pub(super) struct ScenariosArgs {
    /// Print one, to be copied and changed
    #[arg(long, value_name = "NAME", conflicts_with = "profiles")]
    show: Option<String>,
    /// List the radios and uplinks that scenarios name, with their figures and where these come from
    #[arg(long)]
    profiles: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ScenariosArgs) -> Result<(), Failure> {
    match &args.show {
        Some(name) => show(name, args.json),
        None if args.profiles => profiles(args.json),
        None => list(args.json),
    }
}

fn show(name: &str, as_json: bool) -> Result<(), Failure> {
    let Some(it) = shipped(name) else {
        let names: Vec<&str> = SHIPPED.iter().map(|it| it.name).collect();
        return Err(
            Failure::new(format!("there is no scenario `{name}`")).hint(format!("there are {}", names.join(", ")))
        );
    };
    if as_json {
        return output::json(&json!({ "name": it.name, "text": it.text }));
    }
    output::say(it.text.trim_end())
}

fn list(as_json: bool) -> Result<(), Failure> {
    let mut all = Vec::new();
    for it in SHIPPED {
        let read = Scenario::read(it.name, it.text, &[], &no_files);
        all.push(read.map_err(|error| Failure::new(&error).hint(&error.hint))?);
    }
    if as_json {
        let each = |it: &Scenario| json!({ "name": it.name(), "devices": it.devices(), "lasts_ms": it.lasts_ms(), "purpose": it.purpose() });
        return output::json(&all.iter().map(each).collect());
    }
    let row = |it: &Scenario| {
        [it.name().to_owned(), it.devices().to_string(), output::span(it.lasts_ms()), headline(it.purpose())]
    };
    output::say(output::table(["name", "devices", "lasts", "what it asks"], all.iter().map(row)))?;
    output::say(
        "\n`greenline sim run NAME` plays one, `greenline sim scenarios --show NAME > mine.toml` copies it to be changed;\n\
         docs/SCENARIOS.md tells what a file may say.",
    )
}

/// The first sentence.
fn headline(purpose: &str) -> String {
    let ends = purpose.find(['.', '?']).map_or(purpose.len(), |end| end + 1);
    purpose[..ends].split_whitespace().collect::<Vec<_>>().join(" ")
}

fn profiles(as_json: bool) -> Result<(), Failure> {
    if as_json {
        let each = |it: &Profile| {
            json!({
                "name": it.name, "what": it.what, "range_m": it.range_m, "bits_per_s": it.bits_per_s,
                "round_trip_ms": it.round_trip_ms, "setup_ms": it.setup_ms, "loss_ppm": it.loss_ppm, "source": it.source,
            })
        };
        let [radios, uplinks] = [RADIOS, UPLINKS].map(|table| table.iter().map(each).collect::<Vec<_>>());
        return output::json(&json!({ "radios": radios, "uplinks": uplinks }));
    }
    let figures = |it: &Profile| {
        let range = if it.range_m > 0.0 { it.range() } else { "-".to_owned() };
        [it.name.to_owned(), range, it.rate(), it.round_trip(), it.setup(), it.loss(), it.what.to_owned()]
    };
    let header = ["name", "range", "rate", "round trip", "set-up", "loss", "what it is"];
    for (title, table) in [("Radios, for `contacts.radio`", RADIOS), ("Uplinks, for `uplink.profile`", UPLINKS)] {
        output::say(format!("{title}\n"))?;
        output::say(output::indent(&output::table(header, table.iter().map(figures))))?;
        output::say("")?;
    }
    output::say("Where that comes from\n")?;
    for it in RADIOS.iter().chain(UPLINKS) {
        output::say(wrapped(it.name, it.source))?;
    }
    Ok(())
}

/// A name, and a text beside it in lines.
fn wrapped(name: &str, text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(last) if last.chars().count() + word.chars().count() < SOURCE_WIDTH => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let named = |(number, line): (usize, String)| format!("  {:<13}{line}", if number == 0 { name } else { "" });
    lines.into_iter().enumerate().map(named).collect::<Vec<_>>().join("\n")
}
