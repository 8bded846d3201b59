//! `greenline run`: this device, until it is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use node::home::Home;
use node::keystore::Protection;
use node::locker::Locking;
use node::runtime::{Device, DeviceConfig};
use tracing::Metadata;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;
use crate::output;
use crate::shutdown::asked_to_stop;
use crate::unlock::KeysArg;

const EXAMPLES: &str = "\
Examples:
  greenline run --home ./tablet                                   finds others on the same network by itself
  greenline run --home ./tablet --peer 192.168.4.1:7400           dials a device where multicast is blocked
  greenline run --home ./van --hub hub.example.org:7443           becomes a gateway whenever the hub answers";

/// Run this device: sync with others, carry, and forward to the hub when there is a way.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    keys: KeysArg,
    /// Where other devices reach this one, over UDP; may be given several times
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:0")]
    listen: Vec<SocketAddr>,
    /// A device to dial; may be given several times
    #[arg(long = "peer", value_name = "IP:PORT")]
    peers: Vec<SocketAddr>,
    /// A hub to forward to; may be given several times
    #[arg(long = "hub", value_name = "HOST:PORT")]
    hubs: Vec<String>,
    /// Don't look for devices by multicast
    #[arg(long)]
    no_mdns: bool,
    /// Neither dial devices met before nor remember new ones
    #[arg(long)]
    no_book: bool,
    /// Where local programs reach the API and the status page
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    api: SocketAddr,
    /// Minutes (or 90s, 2h) without a request after which the device locks; 0 for never. 15 if a passphrase protects its
    /// keys, never otherwise
    #[arg(long, value_name = "MINUTES", value_parser = parse_idle)]
    lock_after: Option<Duration>,
    /// What to log on stderr: error, warn, info, debug or trace, or a filter by module
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: String,
}

pub(crate) fn run(args: RunArgs) -> Result<(), Failure> {
    start_logging(&args.log)?;
    runtime()?.block_on(serve(args))
}

async fn serve(args: RunArgs) -> Result<(), Failure> {
    let home = args.keys.unlock()?;
    let site = home.site()?;
    let (identity, membership) = home.membership(site)?;
    warn_if_unprotected(&home)?;
    let config = DeviceConfig {
        identity,
        membership,
        store_dir: home.store_dir(site)?,
        store_key: home.store_key(site)?,
        trail: home.trail(site)?,
        listen: args.listen,
        peers: args.peers,
        hubs: args.hubs,
        mdns: !args.no_mdns,
        book: !args.no_book,
        api: args.api,
        token: home.token()?,
        locking: locking(&home, args.lock_after)?,
    };
    // From here on the keys are in the engine only, which forgets the one that opens captures when it locks.
    let folder = home.dir().to_owned();
    drop(home);
    let home = Home::open(&folder)?;
    let device = Device::start(config).await?;
    let url = format!("http://{}", device.api_addr());
    home.announce(&url)?;
    let listening: Vec<String> = device.listening().iter().map(ToString::to_string).collect();
    output::say(format!("ready: api {url}, listening {}", listening.join(" ")))?;
    tokio::select! {
        () = asked_to_stop() => {}
        () = device.stopped() => tracing::error!("the device's engine has stopped"),
    }
    home.withdraw();
    device.stop().await;
    Ok(())
}

/// Idle time after which a device under a passphrase locks.
const LOCK_AFTER: Duration = Duration::from_secs(15 * 60);

fn locking(home: &Home, after: Option<Duration>) -> Result<Option<Locking>, Failure> {
    let usual = match home.protection()? {
        Protection::Nothing if after.is_some_and(|after| !after.is_zero()) => {
            return Err(Failure::new("nothing protects this device's keys, so that anybody could unlock it again")
                .hint("`greenline keystore protect` puts them under a passphrase; or leave --lock-after away"));
        }
        Protection::Nothing => return Ok(None),
        Protection::Passphrase(_) => LOCK_AFTER,
        Protection::KeyFile => Duration::ZERO,
    };
    let after = Some(after.unwrap_or(usual)).filter(|after| !after.is_zero());
    Ok(Some(Locking { home: home.dir().to_owned(), after }))
}

/// A number of minutes, or a span of time with a unit.
fn parse_idle(text: &str) -> Result<Duration, String> {
    if let Ok(minutes) = text.parse::<u32>() {
        return Ok(Duration::from_secs(60 * u64::from(minutes)));
    }
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "write a number of minutes, or 90s, or 2h".into())
}

/// A folder that is the device to whoever copies it should be known to be one.
pub(crate) fn warn_if_unprotected(home: &Home) -> Result<(), Failure> {
    if home.protection()? == Protection::Nothing {
        tracing::warn!(
            "nothing protects this device's keys: whoever copies its folder has them; see `greenline keystore`"
        );
    }
    Ok(())
}

/// Logs to stderr, so that stdout stays for data.
pub(crate) fn start_logging(filter: &str) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| Failure::new(format!("--log: {error}")).hint("use error, warn, info, debug or trace"))?;
    let colour = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    tracing_subscriber::registry().with(lines.with_filter(filter_fn(says_nothing_personal)).with_filter(filter)).init();
    Ok(())
}

/// Whatever is asked for: automerge traces the values that it merges, which are what people wrote about a person.
fn says_nothing_personal(what: &Metadata<'_>) -> bool {
    !what.target().starts_with("automerge")
}

/// The threads of a long-running command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Failure::from)
}
