//! `greenline watch`: what happens, line by line.

use clap::Args;
use serde_json::{Value, json};

use crate::client::{Client, HomeArg};
use crate::failure::Failure;
use crate::output::{self, text};

/// Follow what happens on a device until Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    home: HomeArg,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &WatchArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let mut shown: Option<(String, String)> = None;
    client.events("/api/events", |name, data| {
        if args.json {
            output::say(json!({"event": name, "data": data}))?;
        } else if let Some(line) = describe(&client, name, &data)
            // A capture changes more often than its stage does.
            && shown.as_ref() != Some(&line)
        {
            output::say(format!("{}  {}", output::time(Some(gateway::driver::now_ms())), line.1))?;
            shown = Some(line);
        }
        Ok(true)
    })
}

fn describe(client: &Client, name: &str, data: &Value) -> Option<(String, String)> {
    let line = match name {
        "capture" => {
            let id = text(data, "id");
            let capture = client.get(&format!("/api/captures/{id}")).ok()?;
            let verdict = capture["verdicts"].get(0).map(output::verdict);
            let verdict = verdict.map(|verdict| format!(", verdict: {verdict}")).unwrap_or_default();
            let stage = output::stage(text(&capture, "stage"));
            format!("capture {} by {}: {stage}{verdict}", output::short(id), output::who(&capture))
        }
        "peer" => format!("peer {}: {} {}", output::who(data), text(data, "state"), text(data, "reason")),
        "gateway" if data["on"] == true => "this device is a gateway now".into(),
        "gateway" => "this device is no gateway any more".into(),
        "stall" => format!("{} stopped sending {}", output::who(data), text(data, "what")),
        other => format!("{other}: {}", text(data, "reason")),
    };
    Some((name.to_owned(), line.trim_end().to_owned()))
}
