//! `greenline seen`: the verdict was read.

use clap::Args;
use serde_json::json;

use crate::client::{Client, HomeArg, resolve_capture};
use crate::failure::Failure;
use crate::output;

/// State that a verdict was read by the officer who captured.
#[derive(Args, Debug)]
pub(crate) struct SeenArgs {
    #[command(flatten)]
    home: HomeArg,
    /// The capture's id, or the beginning of it
    capture: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &SeenArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let id = resolve_capture(&client, &args.capture)?;
    let answer = client.post(&format!("/api/captures/{id}/seen"), &json!({}))?;
    if args.json {
        return output::json(&answer);
    }
    output::say(format!("Noted: the verdict on {id} was read"))
}
