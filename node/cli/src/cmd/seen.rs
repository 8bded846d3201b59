//! `greenline seen`: the verdict was read.

use clap::Args;
use serde_json::{Value, json};

use crate::client::{ActingArg, Client, HomeArg, resolve_capture};
use crate::failure::Failure;
use crate::output;

/// State that a verdict was read by the officer who captured. A `no match`, or a candidate that examiners refuted, ends the
/// capture: it is erased everywhere, and this command prints the verdict for the last time.
#[derive(Args, Debug)]
pub(crate) struct SeenArgs {
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

pub(crate) fn run(args: &SeenArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?.acting(&args.acting)?;
    let id = resolve_capture(&client, &args.capture)?;
    let answer = client.post(&format!("/api/captures/{id}/seen"), &json!({}))?;
    if args.json {
        return output::json(&answer);
    }
    output::say(said(&id, &answer))
}

fn said(id: &str, answer: &Value) -> String {
    let verdict = output::verdict(&answer["verdicts"][0]);
    let after = if answer["erased"] == true {
        "; nobody needs the capture any more: it is erased, here and on other devices as soon as they hear of it"
    } else {
        ""
    };
    format!("Noted: the verdict on {id} was read: {verdict}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_said_once_more_and_that_it_is_erased_now() {
        let verdict = json!({"readable": true, "value": "no_match", "locked": false});
        let erased = said("abc", &json!({"verdicts": [verdict], "erased": true}));
        assert!(erased.starts_with("Noted: the verdict on abc was read: no match; ") && erased.contains("is erased"));
        let verdict = json!({"readable": true, "value": "candidate", "locked": true});
        let kept = said("abc", &json!({"verdicts": [verdict], "erased": false}));
        assert_eq!(kept, "Noted: the verdict on abc was read: candidate (LOCKED)");
    }
}
