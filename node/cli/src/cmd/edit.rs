//! `greenline edit`: the part of a capture that people write together.

use clap::Args;
use serde_json::{Value, json};

use crate::args::parse_pair;
use crate::client::{ActingArg, Client, HomeArg, resolve_capture};
use crate::failure::Failure;
use crate::output;

/// Change a capture's co-edited record. Edits made on other devices at the same time merge; nothing is lost.
#[derive(Args, Debug)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    home: HomeArg,
    #[command(flatten)]
    acting: ActingArg,
    /// The capture's id, or the beginning of it
    capture: String,
    #[command(flatten)]
    change: Change,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct Change {
    /// Add a note
    #[arg(long = "note", value_name = "TEXT")]
    notes: Vec<String>,
    /// Set the priority: routine or urgent
    #[arg(long, value_name = "PRIORITY")]
    priority: Option<String>,
    /// Correct a particular, as NAME=VALUE
    #[arg(long = "correct", value_name = "NAME=VALUE", value_parser = parse_pair)]
    corrections: Vec<(String, String)>,
    /// Link another capture
    #[arg(long = "link", value_name = "CAPTURE")]
    links: Vec<String>,
    /// Take a link back
    #[arg(long = "unlink", value_name = "CAPTURE")]
    unlinks: Vec<String>,
    /// Add a handling step
    #[arg(long = "step", value_name = "TEXT")]
    steps: Vec<String>,
}

pub(crate) fn run(args: &EditArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?.acting(&args.acting)?;
    let id = resolve_capture(&client, &args.capture)?;
    let record = client.post(&format!("/api/captures/{id}/edits"), &json!({"ops": args.change.ops()}))?;
    if args.json {
        return output::json(&record);
    }
    output::say(format!("Edited {id}"))
}

impl Change {
    fn ops(&self) -> Vec<Value> {
        let mut ops = Vec::new();
        ops.extend(self.priority.iter().map(|priority| json!({"op": "priority", "priority": priority})));
        ops.extend(self.notes.iter().map(|text| json!({"op": "note", "text": text})));
        ops.extend(self.corrections.iter().map(|(f, v)| json!({"op": "correct", "field": f, "value": v})));
        ops.extend(self.links.iter().map(|capture| json!({"op": "link", "capture": capture})));
        ops.extend(self.unlinks.iter().map(|capture| json!({"op": "unlink", "capture": capture})));
        ops.extend(self.steps.iter().map(|text| json!({"op": "step", "text": text})));
        ops
    }
}
