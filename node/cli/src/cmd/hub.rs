//! `greenline hub`: run a hub. Keeping its gallery is in `gallery.rs`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::{Args, Subcommand};
use gateway::hub::{Hub, HubConfig, SiteConfig};
use matcher::Pool;

use super::gallery::{self, GalleryArgs, open_gallery};
use super::run::{runtime, start_logging, warn_if_unprotected};
use crate::builtin::Builtin;
use crate::client::HomeArg;
use crate::failure::Failure;
use crate::output;
use crate::parallel::cores;
use crate::shutdown::asked_to_stop;
use crate::unlock::KeysArg;

/// See the subcommands.
#[derive(Args, Debug)]
pub(crate) struct HubArgs {
    #[command(subcommand)]
    command: HubCommand,
}

#[derive(Subcommand, Debug)]
enum HubCommand {
    /// Run this hub: accept captures, screen them, answer
    Run(HubRunArgs),
    /// Show how a running hub is
    Status(HubStatusArgs),
    /// Keep the gallery: people with known prints that captures are compared with
    Gallery(GalleryArgs),
}

#[derive(Args, Debug)]
struct HubRunArgs {
    #[command(flatten)]
    keys: KeysArg,
    /// Where gateways reach this hub, over UDP
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:7443")]
    listen: SocketAddr,
    /// Where local programs reach the status
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    api: SocketAddr,
    /// Matcher processes; as many as cores if not given
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// What to log on stderr: error, warn, info, debug or trace, or a filter by module
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: String,
}

#[derive(Args, Debug)]
struct HubStatusArgs {
    #[command(flatten)]
    home: HomeArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: HubArgs) -> Result<(), Failure> {
    match args.command {
        HubCommand::Run(args) => run_hub(args),
        HubCommand::Status(args) => status(&args),
        HubCommand::Gallery(args) => gallery::run(&args),
    }
}

fn run_hub(args: HubRunArgs) -> Result<(), Failure> {
    start_logging(&args.log)?;
    runtime()?.block_on(serve(args))
}

async fn serve(args: HubRunArgs) -> Result<(), Failure> {
    let home = args.keys.unlock()?;
    let mut sites = Vec::new();
    for site in home.sites()? {
        let (identity, membership) = home.membership(site)?;
        let (store_dir, store_key) = (home.store_dir(site)?, home.store_key(site)?);
        sites.push(SiteConfig { store_dir, store_key, trail: home.trail(site)?, identity, membership });
    }
    if sites.is_empty() {
        return Err(node::home::HomeError::NotJoined.into());
    }
    warn_if_unprotected(&home)?;
    let workers = args.workers.unwrap_or_else(cores);
    let builtin = Arc::new(Builtin::new(pool(workers)?, open_gallery(&home)?));
    let hub = Hub::start(HubConfig { listen: args.listen, sites, screener: builtin.clone(), workers }).await?;
    let hub = Arc::new(hub);
    let listening = hub.listening();
    let server = node::hub_api::serve(args.api, &home.token()?, hub.clone()).await;
    let server = server.map_err(|error| {
        Failure::new(format!("the API can't be served: {error}")).hint("choose another address with --api")
    })?;
    let url = format!("http://{}", server.addr());
    home.announce(&url)?;
    output::say(format!("ready: api {url}, listening {listening}"))?;
    tokio::select! {
        () = asked_to_stop() => {}
        () = hub.stopped() => tracing::error!("the engine of a site has stopped"),
    }
    home.withdraw();
    server.stop().await;
    hub.shut_down().await;
    Ok(())
}

fn status(args: &HubStatusArgs) -> Result<(), Failure> {
    let client = crate::client::Client::connect(&args.home).map_err(crate::client::hub_hint)?;
    let status = client.get("/api/status")?;
    if args.json {
        return output::json(&status);
    }
    let sites = status["sites"].as_array().into_iter().flatten();
    let rows = sites.map(|site| {
        [
            output::text(site, "name").to_owned(),
            site["captures"].to_string(),
            site["accepted"].to_string(),
            site["waiting"].to_string(),
            site["answered"].to_string(),
            site["erased"].to_string(),
            site["links"].as_array().map_or(0, Vec::len).to_string(),
        ]
    });
    output::say(output::table(["site", "captures", "accepted", "waiting", "answered", "erased", "links"], rows))?;
    for site in status["sites"].as_array().into_iter().flatten() {
        for faulty in site["refused"].as_array().into_iter().flatten() {
            let (name, words) = (output::text(site, "name"), output::text(faulty, "words"));
            output::say(format!("FAULTY  {} at {name}: {words}", output::who(faulty)))?;
        }
    }
    Ok(())
}

/// Matcher workers: processes of this very program.
pub(crate) fn pool(workers: usize) -> Result<Pool, Failure> {
    let own = std::env::current_exe().map_err(Failure::from)?;
    Pool::start(vec![own.into_os_string(), OsString::from("matcher-worker")], workers).map_err(Failure::new)
}
