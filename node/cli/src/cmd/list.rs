//! `greenline list`: one line per capture.

use clap::Args;
use serde_json::Value;

use crate::client::{ActingArg, Client, HomeArg, escape};
use crate::failure::Failure;
use crate::moment::Moment;
use crate::output::{self, text};

/// List captures, newest first.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    home: HomeArg,
    #[command(flatten)]
    acting: ActingArg,
    /// Only those at this stage: recorded, copied, at_gateway, accepted, screened, examined, seen, withdrawn or erased
    #[arg(long)]
    stage: Option<String>,
    /// Only those that this device captured
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Only those captured since then: 2h or 30min (ago), 14:30, 2026-11-25 or 2026-11-25T14:30
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only those captured before then
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Go on after the page that ended here
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ListArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?.acting(&args.acting)?;
    let mut path = format!("/api/captures?limit={}", args.limit);
    for (name, value) in [("stage", &args.stage), ("device", &args.device), ("after", &args.after)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", escape(value)));
        }
    }
    for (name, moment) in [("from_ms", args.since), ("to_ms", args.until)] {
        path.extend(moment.map(|Moment(ms)| format!("&{name}={ms}")));
    }
    let page = client.get(&path)?;
    if args.json {
        return output::json(&page);
    }
    let lines = page["captures"].as_array().map_or(&[][..], Vec::as_slice);
    if lines.is_empty() {
        return output::say("No captures.");
    }
    output::say(output::table(
        ["capture", "captured", "by", "stage", "copies", "images", "verdict", "kept"],
        lines.iter().map(line),
    ))?;
    if let Some(next) = page["next"].as_str() {
        output::say(format!("\nThere are more: add --after {next}"))?;
    }
    Ok(())
}

fn line(capture: &Value) -> [String; 8] {
    let urgent = if text(capture, "priority") == "urgent" { " !" } else { "" };
    [
        format!("{}{urgent}", output::short(text(capture, "id"))),
        output::time(capture["at_ms"].as_u64()),
        output::who(capture),
        output::stage(text(capture, "stage")),
        capture["copies"].to_string(),
        if capture["delete_after_ms"].is_null() {
            "-".into()
        } else {
            format!("{} ({})", capture["images"], output::bytes(capture["bytes"].as_u64().unwrap_or(0)))
        },
        output::verdict(&capture["verdict"]),
        output::left(capture["delete_after_ms"].as_u64()),
    ]
}
