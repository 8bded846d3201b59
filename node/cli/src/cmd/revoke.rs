//! `greenline revoke`: a device doesn't belong any more.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::members::standing;
use crate::client::{Client, HomeArg};
use crate::failure::Failure;
use crate::moment::Moment;
use crate::output::{self, text};

/// Revoke a device: vote as a supervisor, or hand on the authority's order.
///
/// What the device wrote so far stays, unless --before says otherwise; what it writes from now on is set aside everywhere,
/// and nobody talks to it any more. It takes as many supervisors as the site's policy says, or one order of the authority:
/// `--draft` prints what `greenline site revoke` signs, and `--order` states what that printed.
#[derive(Args, Debug)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    home: HomeArg,
    /// The device: its id or the beginning of it, or its name; see `greenline members`
    #[arg(required_unless_present = "order", conflicts_with = "order")]
    device: Option<String>,
    /// What happened to it
    #[arg(long, value_enum, required_unless_present = "order", conflicts_with = "order")]
    cause: Option<CauseArg>,
    /// Trust only what it wrote before: 2h or 30min (ago), 14:30, 2026-11-25 or 2026-11-25T14:30
    #[arg(long, value_name = "TIME", conflicts_with = "order")]
    before: Option<Moment>,
    /// Don't vote: print the charge, for the authority to sign
    #[arg(long, conflicts_with = "order")]
    draft: bool,
    /// State the authority's order, as `greenline site revoke` printed it
    #[arg(long, value_name = "ORDER")]
    order: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CauseArg {
    /// Nobody knows where it is
    Lost,
    /// Somebody took it
    Stolen,
    /// It, or who uses it, writes or passes on what it shouldn't
    Misused,
    /// It is out of use
    Retired,
}

pub(crate) fn run(args: &RevokeArgs) -> Result<(), Failure> {
    let client = Client::connect(&args.home)?;
    let member = match (&args.order, &args.device, args.cause) {
        (Some(order), ..) => client.post("/api/orders", &json!({"order": super::device::text_or_file(order)?}))?,
        (None, Some(device), Some(cause)) => {
            let id = resolve_device(&client, device)?;
            if args.draft {
                return draft(&client, args, &id, cause);
            }
            let body = json!({"cause": cause.word(), "before_ms": args.before.map(|Moment(ms)| ms)});
            client.post(&format!("/api/members/{id}/votes"), &body)?
        }
        // The argument parser asks for them.
        _ => return Err(Failure::new("no device is named")),
    };
    if args.json {
        return output::json(&member);
    }
    let quorum = client.get("/api/members")?["quorum"].clone();
    output::say(format!("{}: {}", output::who(&member), standing(&member, &quorum)))
}

fn draft(client: &Client, args: &RevokeArgs, id: &str, cause: CauseArg) -> Result<(), Failure> {
    let before = args.before.map(|Moment(ms)| format!("&before_ms={ms}")).unwrap_or_default();
    let answer = client.get(&format!("/api/members/{id}/charge?cause={}{before}", cause.word()))?;
    if args.json { output::json(&answer) } else { output::say(text(&answer, "charge")) }
}

/// A device's whole id from its beginning or its name, if only one member has it.
pub(crate) fn resolve_device(client: &Client, wanted: &str) -> Result<String, Failure> {
    let answer = client.get("/api/members")?;
    let members = answer["members"].as_array().map_or(&[][..], Vec::as_slice);
    let named: Vec<&Value> = members.iter().filter(|member| text(member, "alias") == wanted).collect();
    let begun = members.iter().filter(|member| !wanted.is_empty() && text(member, "device").starts_with(wanted));
    let found: Vec<&Value> = if named.is_empty() { begun.collect() } else { named };
    match found.as_slice() {
        [one] => Ok(text(one, "device").to_owned()),
        [] => Err(Failure::new(format!("no member is called `{wanted}` or begins so")).hint("see `greenline members`")),
        _ => Err(Failure::new(format!("{} members fit `{wanted}`", found.len())).hint("give more of the device's id")),
    }
}

impl CauseArg {
    const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::Misused => "misused",
            Self::Retired => "retired",
        }
    }
}
