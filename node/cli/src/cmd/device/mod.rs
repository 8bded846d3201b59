//! `greenline device`: three steps that enrol a device without Internet.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use crdt::site::Roles;
use gateway::driver::now_ms;
use node::enrol;
use serde_json::json;

use crate::client::HomeArg;
use crate::failure::Failure;
use crate::output;
use crate::unlock::{KeysArg, NewKeysArg, OpenerArg};

/// See the subcommands.
#[derive(Args, Debug)]
pub(crate) struct DeviceArgs {
    #[command(subcommand)]
    command: DeviceCommand,
}

#[derive(Subcommand, Debug)]
enum DeviceCommand {
    /// On the device: make its keys and print a request
    Request(RequestArgs),
    /// At the site's authority: answer a request with a certificate
    Enrol(EnrolArgs),
    /// On the device: join the site with the answer
    Join(JoinArgs),
}

#[derive(Args, Debug)]
struct RequestArgs {
    #[command(flatten)]
    home: HomeArg,
    #[command(flatten)]
    keys: NewKeysArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    /// Captures and edits
    Officer,
    /// Enrols, reviews and reads all verdicts
    Supervisor,
    /// Accepts captures and answers them
    Hub,
    /// Only carries
    Carrier,
}

#[derive(Args, Debug)]
struct EnrolArgs {
    /// The authority's folder
    #[arg(long, value_name = "FOLDER")]
    site: PathBuf,
    /// What the device may do; may be given several times
    #[arg(long = "role", value_enum, required = true)]
    roles: Vec<RoleArg>,
    /// What people call the device; no name of a person
    #[arg(long)]
    alias: String,
    /// Days of validity
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// The request: its text, or a file that holds it
    request: String,
    #[command(flatten)]
    opener: OpenerArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct JoinArgs {
    #[command(flatten)]
    keys: KeysArg,
    /// The answer: its text, or a file that holds it
    answer: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: DeviceArgs) -> Result<(), Failure> {
    match args.command {
        DeviceCommand::Request(args) => request(&args),
        DeviceCommand::Enrol(args) => enrol(&args),
        DeviceCommand::Join(args) => join(&args),
    }
}

fn request(args: &RequestArgs) -> Result<(), Failure> {
    let home = args.keys.home(&args.home.home)?;
    let request = home.request()?;
    let text = enrol::request_text(&request);
    if args.json {
        return output::json(&json!({"device": request.device.to_string(), "request": text}));
    }
    output::say(text)
}

fn enrol(args: &EnrolArgs) -> Result<(), Failure> {
    let request = enrol::read_request(&text_or_file(&args.request)?)?;
    let mut folder = args.opener.site(&args.site)?;
    let roles = args.roles.iter().fold(Roles(0), |all, role| all.and(role.bits()));
    if !folder.has_hub() && !roles.has(Roles::HUB) {
        eprintln!("Warning: no hub is enrolled yet, and this device can't capture before it knows one.");
        eprintln!("Hint: enrol the hub first, then enrol this device again.");
    }
    let (certificate, answer) = folder.enrol(&request, roles, &args.alias, now_ms(), args.days)?;
    if args.json {
        return output::json(&json!({
            "device": certificate.device.to_string(),
            "alias": certificate.alias,
            "roles": certificate.roles.names(),
            "not_after_ms": certificate.not_after_ms,
            "answer": answer,
        }));
    }
    output::say(answer)
}

fn join(args: &JoinArgs) -> Result<(), Failure> {
    let home = args.keys.unlock()?;
    let (manifest, certificate) = enrol::join(&home, &text_or_file(&args.answer)?)?;
    if args.json {
        return output::json(&json!({
            "site": manifest.site().to_string(),
            "name": manifest.name,
            "alias": certificate.alias,
            "roles": certificate.roles.names(),
            "not_after_ms": certificate.not_after_ms,
        }));
    }
    let roles = certificate.roles.names().join(", ");
    output::say(format!(
        "Joined `{}` as `{}` ({}), valid until {}.",
        manifest.name,
        certificate.alias,
        if roles.is_empty() { "carrier" } else { &roles },
        output::time(Some(certificate.not_after_ms))
    ))
}

/// A text given on the command line, or the file that it names.
pub(crate) fn text_or_file(argument: &str) -> Result<String, Failure> {
    if argument.trim_start().starts_with("greenline-") || !Path::new(argument).is_file() {
        return Ok(argument.to_owned());
    }
    std::fs::read_to_string(argument).map_err(|error| Failure::new(format!("{argument}: {error}")))
}

impl RoleArg {
    const fn bits(self) -> Roles {
        match self {
            Self::Officer => Roles::OFFICER,
            Self::Supervisor => Roles::SUPERVISOR,
            Self::Hub => Roles::HUB,
            Self::Carrier => Roles(0),
        }
    }
}
