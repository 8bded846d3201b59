//! `greenline device`: three steps that enrol a device without Internet.

mod lan;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use crdt::site::{Certificate, Roles};
use gateway::driver::now_ms;
use node::enrol;
use serde_json::{Value, json};

use self::lan::{LanEnrolArgs, LanJoinArgs};
use crate::client::HomeArg;
use crate::failure::Failure;
use crate::output;
use crate::unlock::{NewKeysArg, OpenerArg};

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
pub(crate) enum RoleArg {
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
    #[arg(long = "role", value_enum, required_unless_present = "codes")]
    roles: Vec<RoleArg>,
    /// What people call the device; no name of a person
    #[arg(long, required_unless_present = "codes")]
    alias: Option<String>,
    /// Days of validity
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// The request: its text, or a file that holds it
    #[arg(required_unless_present = "lan", conflicts_with_all = ["listen", "codes", "words_from_stdin"])]
    request: Option<String>,
    #[command(flatten)]
    lan: LanEnrolArgs,
    #[command(flatten)]
    opener: OpenerArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct JoinArgs {
    #[command(flatten)]
    home: HomeArg,
    #[command(flatten)]
    keys: NewKeysArg,
    /// The answer: its text, or a file that holds it
    #[arg(required_unless_present = "lan", conflicts_with_all = ["alias", "code", "words_from_stdin"])]
    answer: Option<String>,
    #[command(flatten)]
    lan: LanJoinArgs,
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
    let request = args.request.as_deref().map(|text| Ok::<_, Failure>(enrol::read_request(&text_or_file(text)?)?));
    let request = request.transpose()?;
    let mut folder = args.opener.site(&args.site)?;
    if args.lan.codes {
        return lan::redeem(&args.lan, &mut folder, args.json);
    }
    let alias = args.alias.as_deref().unwrap_or_default();
    let roles = RoleArg::all(&args.roles);
    if !folder.has_hub() && !roles.has(Roles::HUB) {
        warn_without_hub();
    }
    let Some(request) = request else {
        let certificate = lan::enrol(&args.lan, &mut folder, roles, alias, args.days)?;
        return tell_enrolled(&certificate, args.json);
    };
    let (certificate, answer) = folder.enrol(&request, roles, alias, now_ms(), args.days)?;
    if args.json {
        let mut told = enrolled(&certificate);
        told["answer"] = json!(answer);
        return output::json(&told);
    }
    output::say(answer)
}

fn warn_without_hub() {
    eprintln!("Warning: no hub is enrolled yet, and this device can't capture before it knows one.");
    eprintln!("Hint: enrol the hub first, then enrol this device again.");
}

fn enrolled(certificate: &Certificate) -> Value {
    json!({
        "device": certificate.device.to_string(),
        "alias": certificate.alias,
        "roles": certificate.roles.names(),
        "not_after_ms": certificate.not_after_ms,
    })
}

fn tell_enrolled(certificate: &Certificate, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(&enrolled(certificate));
    }
    output::say(format!("Enrolled `{}` ({}), {}.", certificate.alias, roles(certificate), until(certificate)))
}

/// The roles of a certificate in words.
fn roles(certificate: &Certificate) -> String {
    let roles = certificate.roles.names().join(", ");
    if roles.is_empty() { "carrier".into() } else { roles }
}

fn until(certificate: &Certificate) -> String {
    format!("valid until {}", output::time(Some(certificate.not_after_ms)))
}

fn join(args: &JoinArgs) -> Result<(), Failure> {
    let (manifest, certificate) = match (args.lan.lan, &args.answer) {
        // Keys are made if there are none: nobody carries a request.
        (Some(at), _) => lan::join(&args.lan, at, || args.keys.home(&args.home.home))?,
        (None, answer) => {
            let home = args.keys.old_home(&args.home.home)?;
            enrol::join(&home, &text_or_file(answer.as_deref().unwrap_or_default())?)?
        }
    };
    if args.json {
        return output::json(&json!({
            "site": manifest.site().to_string(),
            "name": manifest.name,
            "alias": certificate.alias,
            "roles": certificate.roles.names(),
            "not_after_ms": certificate.not_after_ms,
        }));
    }
    let (alias, roles, until) = (&certificate.alias, roles(&certificate), until(&certificate));
    output::say(format!("Joined `{}` as `{alias}` ({roles}), {until}.", manifest.name))
}

/// A text given on the command line, or the file that it names.
pub(crate) fn text_or_file(argument: &str) -> Result<String, Failure> {
    if argument.trim_start().starts_with("greenline-") || !Path::new(argument).is_file() {
        return Ok(argument.to_owned());
    }
    std::fs::read_to_string(argument).map_err(|error| Failure::new(format!("{argument}: {error}")))
}

impl RoleArg {
    /// All of these.
    pub(crate) fn all(roles: &[Self]) -> Roles {
        roles.iter().fold(Roles(0), |all, role| all.and(role.bits()))
    }

    const fn bits(self) -> Roles {
        match self {
            Self::Officer => Roles::OFFICER,
            Self::Supervisor => Roles::SUPERVISOR,
            Self::Hub => Roles::HUB,
            Self::Carrier => Roles(0),
        }
    }
}
