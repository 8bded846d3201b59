//! `greenline review`: an examiner's word.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::client::{Client, HomeArg, resolve_capture};
use crate::failure::Failure;
use crate::output;

/// Say, as an examiner, what looking at a verdict showed. The device that captured can't.
#[derive(Args, Debug)]
pub(crate) struct ReviewArgs {
    #[command(flatten)]
    home: HomeArg,
    /// The capture's id, or the beginning of it
    capture: String,
    /// How the examination ended
    #[arg(long, value_enum)]
    outcome: OutcomeArg,
    /// The examiner's words
    #[arg(long, default_value = "")]
    note: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OutcomeArg {
    /// The same person
    Confirmed,
    /// Not the same person
    Refuted,
    /// Can't say
    Undecided,
}

pub(crate) fn run(args: &ReviewArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let id = resolve_capture(&client, &args.capture)?;
    let outcome = match args.outcome {
        OutcomeArg::Confirmed => "confirmed",
        OutcomeArg::Refuted => "refuted",
        OutcomeArg::Undecided => "undecided",
    };
    let body = json!({"outcome": outcome, "note": args.note});
    let answer = client.post(&format!("/api/captures/{id}/reviews"), &body)?;
    if args.json {
        return output::json(&answer);
    }
    output::say(format!("Examined {id}: {outcome}"))
}
