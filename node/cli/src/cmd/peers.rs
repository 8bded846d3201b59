//! `greenline peers`: who is connected, and who is known.

use clap::Args;
use serde_json::{Value, json};

use crate::client::{Client, HomeArg};
use crate::failure::Failure;
use crate::output::{self, text};

/// Show who this device is connected to, and whom it knows.
#[derive(Args, Debug)]
pub(crate) struct PeersArgs {
    #[command(flatten)]
    home: HomeArg,
    /// Dial this address now, and keep to it until the device stops
    #[arg(long, value_name = "IP:PORT")]
    dial: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &PeersArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    if let Some(address) = &args.dial {
        client.post("/api/peers", &json!({"address": address}))?;
    }
    let peers = client.get("/api/peers")?;
    if args.json {
        return output::json(&peers);
    }
    let connected = peers["connected"].as_array().map_or(&[][..], Vec::as_slice);
    let known = peers["known"].as_array().map_or(&[][..], Vec::as_slice);
    if connected.is_empty() {
        output::say("Connected to nobody.")?;
    } else {
        output::say(output::table(
            ["device", "kind", "address", "state", "heard", "behind", "refused"],
            connected.iter().map(line),
        ))?;
    }
    let others: Vec<&Value> = known.iter().filter(|device| device["connected"] != true).collect();
    if others.is_empty() {
        return Ok(());
    }
    let rows = others.into_iter().map(|device| {
        let gateway = if device["gateway"] == true { "gateway" } else { "" };
        [output::who(device), output::age(device["heard_ms"].as_u64()), gateway.to_owned()]
    });
    output::say(format!("\nHeard of, not connected:\n{}", output::table(["device", "heard of", ""], rows)))
}

fn line(peer: &Value) -> [String; 7] {
    let state = if peer["admitted"] == true { "syncing" } else { text(peer, "phase") };
    [
        output::who(peer),
        text(peer, "kind").to_owned(),
        text(peer, "address").to_owned(),
        state.to_owned(),
        output::age(peer["heard_ms"].as_u64()),
        format!("{} entries", peer["behind"]),
        peer["refused"].to_string(),
    ]
}
