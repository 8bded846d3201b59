//! `greenline set-aside` and `greenline readmit`: what has no effect, and letting a capture count after all.

use clap::Args;
use serde_json::{Value, json};

use crate::client::{Client, HomeArg};
use crate::failure::Failure;
use crate::output::{self, text};

/// List the entries that have no effect, and why: of revoked devices, or such as their author may not write.
#[derive(Args, Debug)]
pub(crate) struct SetAsideArgs {
    #[command(flatten)]
    home: HomeArg,
    /// Go on after the page that ended here
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Let a capture count that was set aside because its device was revoked. For supervisors.
#[derive(Args, Debug)]
pub(crate) struct ReadmitArgs {
    #[command(flatten)]
    home: HomeArg,
    /// The capture's id, or the beginning of it; see `greenline set-aside`
    capture: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &SetAsideArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let page = client.get(&path(args.after))?;
    if args.json {
        return output::json(&page);
    }
    let entries = page["entries"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        return output::say("Nothing is set aside.");
    }
    output::say(output::table(["what", "capture", "by", "written", "why"], entries.iter().map(line)))?;
    if let Some(next) = page["next"].as_u64() {
        output::say(format!("\nThere are more: add --after {next}"))?;
    }
    Ok(())
}

fn line(entry: &Value) -> [String; 5] {
    let capture = text(entry, "capture");
    [
        text(entry, "kind").to_owned(),
        if capture.is_empty() { "-".to_owned() } else { output::short(capture).to_owned() },
        output::who(entry),
        output::time(entry["at_ms"].as_u64()),
        text(entry, "reason").to_owned(),
    ]
}

fn path(after: Option<u64>) -> String {
    after.map_or_else(|| "/api/set-aside".to_owned(), |after| format!("/api/set-aside?after={after}"))
}

pub(crate) fn readmit(args: &ReadmitArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let id = resolve(&client, &args.capture)?;
    let answer = client.post(&format!("/api/captures/{id}/readmit"), &json!({}))?;
    if args.json {
        return output::json(&answer);
    }
    output::say(format!("Readmitted {id}"))
}

/// A capture's whole id from its beginning, among those that can be readmitted.
fn resolve(client: &Client, beginning: &str) -> Result<String, Failure> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = client.get(&path(after))?;
        let entries = page["entries"].as_array().into_iter().flatten();
        let fits = entries.filter(|it| it["readmissible"] == true && text(it, "capture").starts_with(beginning));
        found.extend(fits.map(|it| text(it, "capture").to_owned()));
        after = page["next"].as_u64();
        if after.is_none() {
            break;
        }
    }
    found.dedup();
    match found.as_slice() {
        [one] if !beginning.is_empty() => Ok(one.clone()),
        [] => Err(Failure::new(format!("no capture that begins with `{beginning}` is set aside for a revocation"))
            .hint("see `greenline set-aside`")),
        _ => {
            Err(Failure::new(format!("{} captures begin with `{beginning}`", found.len())).hint("give more of the id"))
        }
    }
}
