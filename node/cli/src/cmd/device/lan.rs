//! `greenline device enrol --lan` and `device join --lan`: live, after two people have compared six words.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;

use clap::Args;
use crdt::site::{Certificate, Manifest, NAME_BYTES_MAX, Roles};
use gateway::driver::now_ms;
use node::enrol::wire::{self, Enrolled, Guest, Listener};
use node::enrol::words::Words;
use node::enrol::{EnrolError, SiteFolder};
use node::home::Home;

use crate::failure::Failure;

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
    let listener = Listener::open(args.listen, folder.manifest().authority())?;
    for address in listener.addresses() {
        eprintln!("On the device: greenline device join --lan {address}");
    }
    let guest = listener.next()?;
    eprintln!("{}", introduction(&guest));
    let Enrolled { certificate, joined } = guest
        .serve(&mut |words| args.words.compare(words), |request| folder.enrol(request, roles, alias, now_ms(), days))?;
    if !joined {
        eprintln!("Warning: the device was certified, but it didn't say that it has joined.");
        eprintln!("Hint: if it hasn't, begin again on both sides; that renews the certificate.");
    }
    Ok(certificate)
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
    args.words.somebody_compares()?;
    let wish = args.alias.as_deref().unwrap_or_default();
    if wish.len() > NAME_BYTES_MAX || wish.chars().any(char::is_control) {
        return Err(EnrolError::Name.into());
    }
    Ok(wire::join_at(&home()?, at, wish, &mut |words| args.words.compare(words))?)
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
