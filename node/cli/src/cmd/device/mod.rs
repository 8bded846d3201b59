//! `greenline device`: three steps that enrol a device without Internet.

mod lan;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use crdt::site::{Certificate, Roles};
use gateway::driver::now_ms;
use node::enrol;
use serde_json::{Value, json};

use self::lan::{LanEnrolArgs, LanJoinArgs};
use crate::client::{HomeArg, OperatorArg};
use crate::failure::Failure;
use crate::input;
use crate::output;
use crate::qr;
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
    #[command(flatten)]
    code: CodeArg,
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
    /// What the device may do; may be given several times. A renewal keeps its roles if none are given
    #[arg(long = "role", value_enum)]
    roles: Vec<RoleArg>,
    /// What people call the device; no name of a person. A renewal keeps it if none is given
    #[arg(long)]
    alias: Option<String>,
    /// Days of validity
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// The request: its text, or a file that holds it, or a picture of its QR code
    #[arg(required_unless_present = "lan", conflicts_with_all = ["listen", "codes", "words_from_stdin"])]
    request: Option<String>,
    #[command(flatten)]
    lan: LanEnrolArgs,
    #[command(flatten)]
    code: CodeArg,
    #[command(flatten)]
    opener: OpenerArg,
    #[command(flatten)]
    by: OperatorArg,
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
    /// The answer: its text, or a file that holds it, or pictures of its QR codes
    #[arg(required_unless_present = "lan", conflicts_with_all = ["alias", "code", "words_from_stdin"])]
    answer: Vec<String>,
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
    args.code.show(&text)?;
    output::say(text)
}

fn enrol(args: &EnrolArgs) -> Result<(), Failure> {
    let request = args.request.as_deref().map(|text| Ok::<_, Failure>(enrol::read_request(&text_or_file(text)?)?));
    let request = request.transpose()?;
    let mut folder = args.opener.site(&args.site)?.acting(args.by.at_authority());
    if args.lan.codes {
        return lan::redeem(&args.lan, &mut folder, args.json);
    }
    let (roles, alias) = standing(args, request.as_ref().and_then(|request| folder.certificate(&request.device)))?;
    if !folder.has_hub() && !roles.has(Roles::HUB) {
        warn_without_hub();
    }
    let Some(request) = request else {
        let certificate = lan::enrol(&args.lan, &mut folder, roles, &alias, args.days)?;
        return tell_enrolled(&certificate, args.json);
    };
    let (certificate, answer) = folder.enrol(&request, roles, &alias, now_ms(), args.days)?;
    if args.json {
        let mut told = enrolled(&certificate);
        told["answer"] = json!(answer);
        return output::json(&told);
    }
    args.code.show(&answer)?;
    output::say(answer)
}

fn warn_without_hub() {
    eprintln!("Warning: no hub is enrolled yet, and this device can't capture before it knows one.");
    eprintln!("Hint: enrol the hub first, then enrol this device again.");
}

/// Roles and alias: as given, or as a device had them that is renewed.
fn standing(args: &EnrolArgs, before: Option<&Certificate>) -> Result<(Roles, String), Failure> {
    let given = RoleArg::all(&args.roles);
    let roles = if args.roles.is_empty() { before.map(|old| old.roles) } else { Some(given) };
    let alias = args.alias.clone().or_else(|| before.map(|old| old.alias.clone()));
    let missing = |what: &str| {
        Failure::new(format!("this device was never enrolled here, and no {what} is given"))
            .hint(format!("add --{what}"))
    };
    Ok((roles.ok_or_else(|| missing("role"))?, alias.ok_or_else(|| missing("alias"))?))
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
        (None, given) => {
            let home = args.keys.old_home(&args.home.home)?;
            enrol::join(&home, &answer(given)?)?
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

/// A text as a QR code, for a camera on the other device.
#[derive(Args, Debug)]
struct CodeArg {
    /// Draw it in the terminal as QR codes, too
    #[arg(long)]
    qr: bool,
    /// Write it into a picture as QR codes, too
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

impl CodeArg {
    /// Draws on the terminal if somebody sits there or asks for it; beside the text, so that the text can be copied alone.
    fn show(&self, text: &str) -> Result<(), Failure> {
        if self.qr || std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
            eprintln!("{}\n", qr::for_terminal(text)?);
        }
        let Some(path) = &self.png else { return Ok(()) };
        qr::write_png(text, path)?;
        eprintln!("Written to {}", path.display());
        Ok(())
    }
}

/// The answer as one text, a file, or pictures of its parts; a text that was broken into words is put together again.
fn answer(arguments: &[String]) -> Result<String, Failure> {
    let paths: Vec<&Path> = arguments.iter().map(Path::new).collect();
    if paths.iter().all(|path| qr::is_picture(path)) {
        return qr::read(&paths);
    }
    match arguments {
        [one] => text_or_file(one),
        several => Ok(several.concat()),
    }
}

/// A text given on the command line, or the file that it names, or what a picture's QR codes say.
pub(crate) fn text_or_file(argument: &str) -> Result<String, Failure> {
    if argument.trim_start().to_ascii_lowercase().starts_with("greenline-") || !Path::new(argument).is_file() {
        return Ok(argument.to_owned());
    }
    if qr::is_picture(Path::new(argument)) {
        return qr::read(&[Path::new(argument)]);
    }
    Ok(input::text(Path::new(argument))?.to_string())
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
