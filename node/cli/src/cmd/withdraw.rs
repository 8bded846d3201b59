//! `greenline withdraw`: a capture is taken back.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::client::{Client, HomeArg, resolve_capture};
use crate::failure::Failure;
use crate::output;

/// Take a capture back. Its images, particulars and answers are erased here and on every device that they reached, and nothing
/// brings them back; only the trail stays of who did what when. For the device that captured it, and for supervisors.
#[derive(Args, Debug)]
pub(crate) struct WithdrawArgs {
    #[command(flatten)]
    home: HomeArg,
    /// The capture's id, or the beginning of it
    capture: String,
    /// Why
    #[arg(long, value_enum, default_value = "withdrawn")]
    reason: ReasonArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReasonArg {
    /// A mistake, or no longer wanted
    Withdrawn,
    /// A court or the person asked for it: supervisors only
    Ordered,
}

pub(crate) fn run(args: &WithdrawArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let id = resolve_capture(&client, &args.capture)?;
    let reason = match args.reason {
        ReasonArg::Withdrawn => "withdrawn",
        ReasonArg::Ordered => "ordered",
    };
    let answer = client.post(&format!("/api/captures/{id}/withdraw"), &json!({"reason": reason}))?;
    if args.json {
        return output::json(&answer);
    }
    output::say(format!("Erased {id} ({reason}); other devices erase it as soon as they hear of it"))
}
