//! `greenline hub`: run a hub, keep its gallery.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use crdt::vault::{NONCE_BYTES, VaultKey};
use gateway::hub::{Hub, HubConfig, SiteConfig};
use matcher::{Gallery, Pool, Position};
use node::home::Home;
use serde_json::json;

use super::run::{runtime, start_logging, warn_if_unprotected};
use crate::builtin::Builtin;
use crate::client::HomeArg;
use crate::failure::Failure;
use crate::output;
use crate::parallel::{self, cores};
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

#[derive(Args, Debug)]
struct GalleryArgs {
    #[command(subcommand)]
    command: GalleryCommand,
}

#[derive(Subcommand, Debug)]
enum GalleryCommand {
    /// Add a person, or all that `greenline synth people` made
    Add(AddArgs),
    /// List the people
    List(ListArgs),
    /// Remove a person
    Remove(RemoveArgs),
}

#[derive(Args, Debug)]
struct AddArgs {
    #[command(flatten)]
    keys: KeysArg,
    /// The person's reference in the database, never a name
    #[arg(long, required_unless_present = "from", conflicts_with = "from")]
    reference: Option<String>,
    /// A finger's image, as NUMBER=FILE; may be given several times
    #[arg(long = "finger", value_name = "N=FILE", value_parser = parse_finger, requires = "reference")]
    fingers: Vec<(Position, PathBuf)>,
    /// A folder with one folder per person, each with finger-N.png files
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    keys: KeysArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct RemoveArgs {
    #[command(flatten)]
    keys: KeysArg,
    /// The person's reference
    reference: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: HubArgs) -> Result<(), Failure> {
    match args.command {
        HubCommand::Run(args) => run_hub(args),
        HubCommand::Status(args) => status(&args),
        HubCommand::Gallery(args) => match args.command {
            GalleryCommand::Add(args) => add(&args),
            GalleryCommand::List(args) => list(&args),
            GalleryCommand::Remove(args) => remove(&args),
        },
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

fn add(args: &AddArgs) -> Result<(), Failure> {
    let home = args.keys.unlock()?;
    let gallery = open_gallery(&home)?;
    let pool = pool(cores())?;
    let people = match (&args.from, &args.reference) {
        (Some(folder), _) => people_in(folder)?,
        (None, Some(reference)) => BTreeMap::from([(reference.clone(), args.fingers.clone())]),
        (None, None) => BTreeMap::new(),
    };
    if people.values().all(Vec::is_empty) {
        return Err(Failure::new("no finger images to add").hint("give --finger 2=index.png, or --from FOLDER"));
    }
    let failures = add_all(&gallery, &pool, &people);
    let added = people.len() - failures.len();
    for failure in &failures {
        eprintln!("Warning: {failure}");
    }
    if added == 0 {
        return Err(Failure::new("nobody was added").hint("see the warnings above"));
    }
    if args.json {
        return output::json(&json!({"added": added, "failed": failures}));
    }
    output::say(format!("Added {added} of {} people", people.len()))
}

/// Extracts and adds in parallel; returns what went wrong, per person.
fn add_all(gallery: &Gallery, pool: &Pool, people: &BTreeMap<String, Vec<(Position, PathBuf)>>) -> Vec<String> {
    let people: Vec<_> = people.iter().collect();
    let add = |number: usize| {
        let (reference, prints) = people[number];
        let added = read_all(prints).and_then(|images| add_person(gallery, pool, reference, &images));
        added.err().map(|failure| format!("{reference}: {failure}"))
    };
    parallel::map(people.len(), add).into_iter().flatten().collect()
}

fn read_all(prints: &[(Position, PathBuf)]) -> Result<Vec<(Position, Vec<u8>)>, String> {
    let read = |(position, path): &(Position, PathBuf)| {
        let image = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((*position, image))
    };
    prints.iter().map(read).collect()
}

/// Adds a person with these images to a gallery; an error says what went wrong, not with whom.
pub(crate) fn add_person(
    gallery: &Gallery,
    pool: &Pool,
    reference: &str,
    images: &[(Position, Vec<u8>)],
) -> Result<(), String> {
    let extract = |(position, image): &(Position, Vec<u8>)| {
        let extracted = pool.extract(image).map_err(|error| format!("{position}: {error}"))?;
        Ok((*position, extracted.template))
    };
    let templates = images.iter().map(extract).collect::<Result<_, String>>()?;
    gallery.add(reference, templates).map(|_| ()).map_err(|error| error.to_string())
}

/// The layout that `greenline synth people` writes: a folder per person, finger-N.png in it.
fn people_in(folder: &Path) -> Result<BTreeMap<String, Vec<(Position, PathBuf)>>, Failure> {
    let unreadable = |error| Failure::new(format!("{}: {error}", folder.display()));
    let mut people = BTreeMap::new();
    for person in std::fs::read_dir(folder).map_err(unreadable)?.flatten().filter(|entry| entry.path().is_dir()) {
        let files = std::fs::read_dir(person.path()).map_err(unreadable)?.flatten().map(|entry| entry.path());
        let mut prints: Vec<_> = files.filter_map(|path| Some((finger_of(&path)?, path))).collect();
        prints.sort();
        if let (Ok(reference), false) = (person.file_name().into_string(), prints.is_empty()) {
            people.insert(reference, prints);
        }
    }
    Ok(people)
}

/// `finger-2.png` shows finger 2; `finger-2-1.png`, a further impression, isn't for the gallery.
fn finger_of(path: &Path) -> Option<Position> {
    let stem = path.file_stem()?.to_str()?.strip_prefix("finger-")?;
    Position::from_code(stem.parse().ok()?)
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let contents = open_gallery(&args.keys.unlock()?)?.load_all().map_err(Failure::new)?;
    for damaged in &contents.damaged {
        eprintln!("Warning: {damaged}");
    }
    if args.json {
        let people: Vec<_> = contents
            .people
            .iter()
            .map(|person| {
                let fingers: Vec<u8> = person.prints.iter().map(|(position, _)| position.code()).collect();
                json!({"reference": person.reference.as_str(), "fingers": fingers})
            })
            .collect();
        return output::json(&json!({"people": people, "damaged": contents.damaged.len()}));
    }
    if contents.people.is_empty() {
        return output::say("The gallery is empty.");
    }
    let rows = contents.people.iter().map(|person| {
        let fingers: Vec<String> = person.prints.iter().map(|(position, _)| position.code().to_string()).collect();
        [person.reference.to_string(), fingers.join(" ")]
    });
    output::say(output::table(["reference", "fingers"], rows))
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let removed = open_gallery(&args.keys.unlock()?)?.remove(&args.reference).map_err(Failure::new)?;
    if !removed {
        return Err(Failure::new(format!("there is no `{}` in the gallery", args.reference))
            .hint("see `greenline hub gallery list`"));
    }
    if args.json {
        return output::json(&json!({"removed": args.reference}));
    }
    output::say(format!("Removed {}", args.reference))
}

/// The gallery of the hub in this home.
pub(crate) fn open_gallery(home: &Home) -> Result<Gallery, Failure> {
    let cover = Cover { key: home.gallery_key()? };
    Gallery::open(home.gallery_dir(), Arc::new(cover)).map_err(Failure::new)
}

/// What a gallery's files are encrypted with.
struct Cover {
    key: VaultKey,
}

impl matcher::gallery::Cover for Cover {
    fn name(&self, reference: &str) -> [u8; 16] {
        self.key.name(reference.as_bytes())
    }

    fn seal(&self, name: &[u8; 16], plain: &[u8]) -> Result<Vec<u8>, String> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
        Ok(self.key.seal(name, plain, &nonce))
    }

    fn open(&self, name: &[u8; 16], sealed: &[u8]) -> Option<Vec<u8>> {
        self.key.open(name, sealed).ok().map(|plain| plain.to_vec())
    }
}

/// Matcher workers: processes of this very program.
pub(crate) fn pool(workers: usize) -> Result<Pool, Failure> {
    let own = std::env::current_exe().map_err(Failure::from)?;
    Pool::start(vec![own.into_os_string(), OsString::from("matcher-worker")], workers).map_err(Failure::new)
}

fn parse_finger(text: &str) -> Result<(Position, PathBuf), String> {
    let (number, file) = text.split_once('=').ok_or("write NUMBER=FILE, 2=index.png for example")?;
    let position = number.parse().ok().and_then(Position::from_code).ok_or("the finger's number is 1 to 10")?;
    Ok((position, file.into()))
}
