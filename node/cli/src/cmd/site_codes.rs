//! `greenline site codes`: join codes for a batch of devices, made, listed and withdrawn.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use crdt::site::Roles;
use gateway::driver::now_ms;
use jiff::SignedDuration;
use node::enrol::SiteFolder;
use node::enrol::code::CodeId;
use node::enrol::codes::{Batch, Issued, Standing};
use serde_json::{Value, json};

use super::device::RoleArg;
use crate::client::OperatorArg;
use crate::failure::Failure;
use crate::output;
use crate::unlock::OpenerArg;

/// See the command.
#[derive(Args, Debug)]
pub(crate) struct CodesArgs {
    /// The authority's folder
    #[arg(long, value_name = "FOLDER")]
    site: PathBuf,
    /// How many codes to make
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,
    /// How long they may be used, as in 8h
    #[arg(long, value_name = "TIME", default_value = "8h", value_parser = parse_valid)]
    valid: Duration,
    /// What a device that uses one may do; may be given several times
    #[arg(long = "role", value_enum, required_unless_present_any = ["list", "withdraw"])]
    roles: Vec<RoleArg>,
    /// What the devices' aliases begin with; a number follows. The first role, if it isn't given
    #[arg(long, value_name = "PREFIX")]
    alias_prefix: Option<String>,
    /// Days for which the devices are certified
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// Show the codes given out, and how each stands
    #[arg(long, conflicts_with_all = ["withdraw", "count", "valid", "roles", "alias_prefix", "days"])]
    list: bool,
    /// Take back a code that nobody has used
    #[arg(long, value_name = "ID", conflicts_with_all = ["count", "valid", "roles", "alias_prefix", "days"])]
    withdraw: Option<CodeId>,
    #[command(flatten)]
    opener: OpenerArg,
    #[command(flatten)]
    by: OperatorArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &CodesArgs) -> Result<(), Failure> {
    let mut folder = args.opener.site(&args.site)?.acting(args.by.at_authority());
    match args.withdraw {
        Some(id) => withdraw(args, &mut folder, id),
        None if args.list => list(args, &folder),
        None => make(args, &mut folder),
    }
}

fn make(args: &CodesArgs, folder: &mut SiteFolder) -> Result<(), Failure> {
    let roles = RoleArg::all(&args.roles);
    let prefix = args.alias_prefix.clone().unwrap_or_else(|| names(roles));
    let batch = Batch { count: args.count.into(), roles, alias_prefix: prefix, days: args.days, valid: args.valid };
    let now_ms = now_ms();
    let made = folder.make_codes(&batch, now_ms)?;
    if args.json {
        let codes = made.iter().map(|(issued, text)| {
            let mut told = told(issued, folder, now_ms);
            told["code"] = json!(text.as_str());
            told
        });
        return output::json(&json!({"codes": codes.collect::<Vec<_>>()}));
    }
    let rows = made.iter().map(|(issued, text)| {
        let until = output::time(Some(issued.until_ms));
        [issued.alias.clone(), text.to_string(), until, issued.id.to_string()]
    });
    output::say(output::table(["alias", "code", "until", "id"], rows))?;
    eprintln!("Each code lets one device in. They are kept nowhere: print them now, and burn them when they are used.");
    Ok(())
}

fn list(args: &CodesArgs, folder: &SiteFolder) -> Result<(), Failure> {
    let now_ms = now_ms();
    if args.json {
        let codes: Vec<_> = folder.codes().iter().map(|issued| told(issued, folder, now_ms)).collect();
        return output::json(&json!({"codes": codes}));
    }
    let rows = folder.codes().iter().map(|issued| {
        let standing = match issued.standing(now_ms) {
            Standing::Open => format!("open until {}", output::time(Some(issued.until_ms))),
            Standing::Used { device, at_ms } => format!("used by {} at {}", device.short(), output::time(Some(at_ms))),
            Standing::Withdrawn { at_ms } => format!("withdrawn at {}", output::time(Some(at_ms))),
            Standing::Expired => format!("expired at {}", output::time(Some(issued.until_ms))),
        };
        [issued.id.to_string(), issued.alias.clone(), names(issued.roles), standing]
    });
    output::say(output::table(["id", "alias", "roles", "standing"], rows))
}

fn withdraw(args: &CodesArgs, folder: &mut SiteFolder, id: CodeId) -> Result<(), Failure> {
    folder.withdraw_code(id, now_ms())?;
    if args.json {
        return output::json(&json!({"id": id.to_string(), "state": "withdrawn"}));
    }
    output::say(format!("Code {id} is withdrawn."))
}

/// A code as JSON.
fn told(issued: &Issued, folder: &SiteFolder, now_ms: u64) -> Value {
    let mut told = json!({
        "id": issued.id.to_string(),
        "alias": issued.alias,
        "roles": issued.roles.names(),
        "days": issued.days,
        "until_ms": issued.until_ms,
        "site": folder.manifest().site().to_string(),
    });
    let (state, at_ms) = match issued.standing(now_ms) {
        Standing::Open => ("open", None),
        Standing::Used { device, at_ms } => {
            told["device"] = json!(device.to_string());
            ("used", Some(at_ms))
        }
        Standing::Withdrawn { at_ms } => ("withdrawn", Some(at_ms)),
        Standing::Expired => ("expired", Some(issued.until_ms)),
    };
    told["state"] = json!(state);
    told["at_ms"] = json!(at_ms);
    told
}

/// Roles in words.
fn names(roles: Roles) -> String {
    match roles.names().as_slice() {
        [] => "carrier".into(),
        names => names.join("-"),
    }
}

fn parse_valid(text: &str) -> Result<Duration, String> {
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.filter(|span| !span.is_zero()).ok_or_else(|| "write 8h, or 45min".into())
}
