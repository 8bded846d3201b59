//! `greenline members`: who belongs to the site.

use clap::Args;
use serde_json::Value;

use crate::client::{Client, HomeArg};
use crate::failure::Failure;
use crate::output::{self, text};

/// List the site's members: their roles, how long they are certified, and who was revoked.
#[derive(Args, Debug)]
pub(crate) struct MembersArgs {
    #[command(flatten)]
    home: HomeArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &MembersArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let answer = client.get("/api/members")?;
    if args.json {
        return output::json(&answer);
    }
    let members = answer["members"].as_array().map_or(&[][..], Vec::as_slice);
    let header = ["member", "device", "roles", "entries", "valid until", "standing"];
    output::say(output::table(header, members.iter().map(|member| line(member, &answer["quorum"]))))
}

fn line(member: &Value, quorum: &Value) -> [String; 6] {
    let entries: u64 = logs(member).filter_map(|log| log["entries"].as_u64()).sum();
    [
        output::who(member),
        output::short(text(member, "device")).to_owned(),
        roles(member),
        entries.to_string(),
        output::time(member["not_after_ms"].as_u64()),
        standing(member, quorum),
    ]
}

fn roles(member: &Value) -> String {
    let names: Vec<&str> = member["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() { "carrier".to_owned() } else { names.join(", ") }
}

fn logs(member: &Value) -> impl Iterator<Item = &Value> {
    member["logs"].as_array().into_iter().flatten()
}

/// Whether a member is one, in words.
pub(crate) fn standing(member: &Value, quorum: &Value) -> String {
    let votes: Vec<String> = member["votes"].as_array().into_iter().flatten().map(output::who).collect();
    if member["revoked"] == true {
        let count = |name| logs(member).filter_map(|log| log[name].as_u64()).sum::<u64>();
        let by = if votes.is_empty() { "the authority".to_owned() } else { votes.join(", ") };
        let void = count("entries") - count("trusted");
        let void = if void == 0 { String::new() } else { format!(", {void} of its entries set aside") };
        return format!("REVOKED by {by}{void}");
    }
    if !votes.is_empty() {
        return format!("{} of {quorum} votes to revoke it: {}", votes.len(), votes.join(", "));
    }
    match (member["valid"] == true, member["renewal_due"] == true) {
        (true, true) => "member, renewal due".into(),
        (true, false) => "member".into(),
        (false, _) => "certificate not valid now".into(),
    }
}
