//! `greenline status`: how a running device is.

use clap::Args;
use serde_json::Value;

use crate::client::{Client, HomeArg};
use crate::failure::Failure;
use crate::output::{self, text};

/// How many of the newest notes are shown; the page and `--json` have more.
const NOTES_SHOWN: usize = 5;

/// Show how a running device is.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    home: HomeArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &StatusArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let status = client.get("/api/status")?;
    if status["sites"].is_array() {
        let what = format!("a hub runs on {}, and no device", args.home.home.display());
        return Err(Failure::new(what).hint("run `greenline hub status` with the same --home"));
    }
    if args.json {
        return output::json(&status);
    }
    output::say(lines(&status).join("\n"))
}

fn lines(status: &Value) -> Vec<String> {
    let device = &status["device"];
    let roles: Vec<&str> = device["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let roles = if roles.is_empty() { "carrier".to_owned() } else { roles.join(", ") };
    let missing = &status["missing"];
    let mut lines = vec![
        format!("{} ({roles}) at {}", text(device, "alias"), text(&status["site"], "name")),
        format!("  captures   {} ({} not accepted by a hub yet)", status["captures"], status["open"]),
        format!("  peers      {}", status["peers"]),
        format!("  gateway    {}", gateway(status)),
    ];
    if !status["clock"].is_null() {
        lines.push(format!("  CLOCK      {}", text(&status["clock"], "words")));
    }
    if device["renewal_due"] == true {
        lines.push(format!(
            "  ENDS       its certificate, on {}; renew it: `greenline device request`, and the answer of `device enrol`",
            output::time(device["not_after_ms"].as_u64())
        ));
    }
    if status["lock"]["locked"] == true {
        lines.push("  LOCKED     `greenline unlock` opens it; it goes on carrying and syncing".to_owned());
    }
    if let Some(tries @ 1..) = status["lock"]["wrong_tries"].as_u64() {
        let tries = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
        lines.push(format!("  WRONG      {tries} to unlock it since it was started"));
    }
    if missing["captures"].as_u64().unwrap_or(0) > 0 {
        let bytes = output::bytes(missing["bytes"].as_u64().unwrap_or(0));
        lines.push(format!("  to fetch   images of {} captures, {bytes}", missing["captures"]));
    }
    for frozen in status["frozen"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  FROZEN     {} wrote two histories from entry {} on: it was cloned, or its key was stolen",
            output::who(frozen),
            frozen["from_seq"]
        ));
    }
    for revoked in status["revoked"].as_array().into_iter().flatten() {
        lines.push(format!("  REVOKED    {}; see `greenline members`", output::who(revoked)));
    }
    for refused in status["refused"].as_array().into_iter().flatten() {
        lines.push(format!("  FAULTY     {}: {}", output::who(refused), text(refused, "words")));
    }
    for note in status["notes"].as_array().into_iter().flatten().take(NOTES_SHOWN) {
        let times = note["times"].as_u64().filter(|times| *times > 1).map(|times| format!(" ({times} times)"));
        let (at, times) = (output::time(note["at_ms"].as_u64()), times.unwrap_or_default());
        lines.push(format!("  noted      {at}: {}{times}", text(note, "what")));
    }
    lines
}

fn gateway(status: &Value) -> String {
    let uplink = &status["uplink"];
    if status["gateway"] == true {
        "yes".into()
    } else if uplink.is_null() {
        "no hub configured".into()
    } else {
        format!("no: {}", text(uplink, "detail"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A device that was revoked knew why nobody let it in, and its officer didn't.
    #[test]
    fn the_newest_notes_are_shown_and_one_try_is_one() {
        let note = |number: u64| json!({"at_ms": 1, "times": 1 + number % 2, "what": format!("note {number}")});
        let status = json!({"lock": {"wrong_tries": 1}, "notes": (0..9).map(note).collect::<Vec<_>>()});
        let shown = lines(&status).join("\n");
        assert!(shown.contains("  WRONG      1 try to unlock it"), "{shown}");
        assert!(shown.contains(": note 1 (2 times)\n") && shown.ends_with(": note 4"), "{shown}");
    }
}
