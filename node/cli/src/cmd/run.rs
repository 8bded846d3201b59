//! `greenline run`: this device, until it is told to stop.

use std::net::SocketAddr;

use clap::Args;
use node::runtime::{Device, DeviceConfig};
use tracing::Metadata;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::client::HomeArg;
use crate::failure::Failure;
use crate::output;
use crate::shutdown::asked_to_stop;

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
    home: HomeArg,
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
    /// What to log on stderr: error, warn, info, debug or trace, or a filter by module
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: String,
}

pub(crate) fn run(args: RunArgs) -> Result<(), Failure> {
    start_logging(&args.log)?;
    runtime()?.block_on(serve(args))
}

async fn serve(args: RunArgs) -> Result<(), Failure> {
    let home = args.home.open()?;
    let site = home.site()?;
    let (identity, membership) = home.membership(site)?;
    let config = DeviceConfig {
        identity,
        membership,
        store_dir: home.store_dir(site),
        listen: args.listen,
        peers: args.peers,
        hubs: args.hubs,
        mdns: !args.no_mdns,
        book: !args.no_book,
        api: args.api,
        token: home.token()?,
    };
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
