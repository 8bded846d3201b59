//! `greenline device enrol --lan` and `device join --lan`: live, after two people have compared six words, or by join codes.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use crdt::site::{Certificate, Manifest, NAME_BYTES_MAX, Roles};
use gateway::driver::now_ms;
use node::enrol::code::Code;
use node::enrol::codes::Standing;
use node::enrol::live::{Denial, LiveError, Takes};
use node::enrol::wire::{self, Enrolled, Guest, Listener, Ticket, WireError};
use node::enrol::words::Words;
use node::enrol::{EnrolError, SiteFolder};
use node::home::Home;

use crate::failure::Failure;
use crate::output;

/// Wrong codes after which a listener stops: people mistype now and then, and that is told apart before it counts.
const WRONG_MAX: usize = 10;

/// How often it is looked at whether codes were made or withdrawn meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How somebody says that the words are the same.
#[derive(Args, Debug)]
pub(crate) struct WordsArg {
    /// With --lan: read the other screen's six words from standard input, for scripts; without it, a terminal asks
    #[arg(long, requires = "lan")]
    words_from_stdin: bool,
}

/// How the authority enrols over the network.
#[derive(Args, Debug)]
pub(crate) struct LanEnrolArgs {
    /// Enrol a device over the network, once people have compared six words; it runs `device join --lan ADDRESS`
    #[arg(long, conflicts_with = "request")]
    pub(crate) lan: bool,
    /// With --lan: where to listen, over TCP
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:0")]
    listen: SocketAddr,
    /// With --lan: enrol every device that has a join code (`greenline site codes`), until all codes are used or over
    #[arg(long, requires = "lan", conflicts_with_all = ["roles", "alias", "days", "words_from_stdin"])]
    pub(crate) codes: bool,
    #[command(flatten)]
    words: WordsArg,
}

/// How a device joins over the network.
#[derive(Args, Debug)]
pub(crate) struct LanJoinArgs {
    /// Join over the network: the address that `device enrol --lan` printed
    #[arg(long, value_name = "IP:PORT", conflicts_with = "answer")]
    pub(crate) lan: Option<SocketAddr>,
    /// With --lan: what this device would like to be called; the authority decides
    #[arg(long, value_name = "ALIAS", requires = "lan")]
    alias: Option<String>,
    /// With --lan: a join code, in the place of people who compare words
    #[arg(long, requires = "lan", conflicts_with = "words_from_stdin")]
    code: Option<String>,
    #[command(flatten)]
    words: WordsArg,
}

/// Enrols the first device that comes.
pub(crate) fn enrol(
    args: &LanEnrolArgs,
    folder: &mut SiteFolder,
    roles: Roles,
    alias: &str,
    days: u32,
) -> Result<Certificate, Failure> {
    args.words.somebody_compares()?;
    if alias.is_empty() || alias.len() > NAME_BYTES_MAX {
        return Err(EnrolError::Name.into());
    }
    let listener = Listener::open(args.listen, folder.manifest().authority(), Takes::Words)?;
    for address in listener.addresses() {
        eprintln!("On the device: greenline device join --lan {address}");
    }
    let guest = listener.next()?;
    eprintln!("{}", introduction(&guest));
    let Enrolled { certificate, joined } = guest
        .serve(&mut |words| args.words.compare(words), |request| folder.enrol(request, roles, alias, now_ms(), days))?;
    warn_unless(joined);
    Ok(certificate)
}

fn warn_unless(joined: bool) {
    if !joined {
        eprintln!("Warning: the device was certified, but it didn't say that it has joined.");
        eprintln!("Hint: if it hasn't, let it begin again, here too if this has ended.");
    }
}

/// Enrols whoever has a code, until there is none left to use.
pub(crate) fn redeem(args: &LanEnrolArgs, folder: &mut SiteFolder, json: bool) -> Result<(), Failure> {
    if open_for(folder).is_none() {
        return Err(Failure::new("no code is open").hint("make some with `greenline site codes`"));
    }
    if !folder.has_hub() {
        super::warn_without_hub();
    }
    let listener = Listener::open(args.listen, folder.manifest().authority(), Takes::Codes)?;
    for address in listener.addresses() {
        eprintln!("On each device: greenline device join --lan {address} --code CODE");
    }
    let mut wrong = 0;
    while let Some(patience) = open_for(folder) {
        let Some(guest) = listener.next_within(patience.min(LOOK_AGAIN))? else {
            folder.refresh_codes()?;
            continue;
        };
        let wish = guest.claim().map(|claim| claim.wish().to_owned()).unwrap_or_default();
        match guest.redeem(|claim| folder.redeem(claim, now_ms())) {
            Ok(enrolled) => tell(&enrolled, &wish, json)?,
            Err(error) => {
                eprintln!("Refused: {error}");
                wrong += usize::from(matches!(error, WireError::Live(LiveError::Denied(Denial::Unknown))));
            }
        }
        if wrong == WRONG_MAX {
            return Err(Failure::new(format!("{WRONG_MAX} wrong codes were tried: somebody may be guessing"))
                .hint("find out who it was, then begin again"));
        }
    }
    eprintln!("No code is open any more.");
    Ok(())
}

/// How long some code is open yet; nothing, if none is.
fn open_for(folder: &SiteFolder) -> Option<Duration> {
    let now_ms = now_ms();
    let open = folder.codes().iter().filter(|code| code.standing(now_ms) == Standing::Open);
    open.map(|code| Duration::from_millis(code.until_ms.saturating_sub(now_ms))).max()
}

fn tell(enrolled: &Enrolled, wish: &str, json: bool) -> Result<(), Failure> {
    let certificate = &enrolled.certificate;
    warn_unless(enrolled.joined);
    if json {
        let mut told = super::enrolled(certificate);
        told["wish"] = serde_json::json!(wish);
        // One line each: they come one by one.
        return output::say(told);
    }
    let wished = if wish.is_empty() { String::new() } else { format!(", which asked to be called `{wish}`") };
    let (alias, roles, until) = (&certificate.alias, super::roles(certificate), super::until(certificate));
    output::say(format!("Enrolled `{alias}` ({roles}), {until}{wished}."))
}

fn introduction(guest: &Guest) -> String {
    let Some(wants) = guest.wants() else { return String::new() };
    let device = wants.request.device.short();
    match wants.wish.as_str() {
        "" => format!("Device {device} asks to belong."),
        wish => format!("Device {device} asks to belong, and to be called `{wish}`."),
    }
}

/// Joins over the network.
pub(crate) fn join(
    args: &LanJoinArgs,
    at: SocketAddr,
    home: impl FnOnce() -> Result<Home, Failure>,
) -> Result<(Manifest, Certificate), Failure> {
    if args.code.is_none() {
        args.words.somebody_compares()?;
    }
    let code = args.code.as_deref().map(read_code).transpose()?;
    let wish = args.alias.as_deref().unwrap_or_default();
    if wish.len() > NAME_BYTES_MAX || wish.chars().any(char::is_control) {
        return Err(EnrolError::Name.into());
    }
    let home = home()?;
    Ok(match &code {
        Some(code) => wire::join_at(&home, at, wish, Ticket::Code(code))?,
        None => wire::join_at(&home, at, wish, Ticket::Words(&mut |words| args.words.compare(words)))?,
    })
}

fn read_code(text: &str) -> Result<Code, Failure> {
    let code = text.parse::<Code>();
    code.map_err(|error| Failure::new(error).hint("look at the paper again, and type the code as it stands there"))
}

impl WordsArg {
    /// Before anything is said: whether there is anybody to compare words.
    fn somebody_compares(&self) -> Result<(), Failure> {
        if self.words_from_stdin || io::stdin().is_terminal() {
            return Ok(());
        }
        Err(Failure::new("somebody must compare words, and there is no terminal to ask at")
            .hint("run the command in a terminal, or give --words-from-stdin and the words of the other screen"))
    }

    fn compare(&self, words: &Words) -> bool {
        eprintln!("words: {words}");
        if self.words_from_stdin {
            return words.are(&line());
        }
        eprintln!("Look at the other screen, or ask whoever stands before it. Does it show the same six words?");
        eprint!("Type yes if it does, anything else if not: ");
        line().trim().eq_ignore_ascii_case("yes")
    }
}

/// A line from standard input; empty if there is none.
fn line() -> String {
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(_) => line,
        Err(_) => String::new(),
    }
}
