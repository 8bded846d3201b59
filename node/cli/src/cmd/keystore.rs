//! `greenline keystore`: what protects a folder's keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use crdt::audit::Act;
use crdt::ids::SiteId;
use crdt::store::redb::RedbStore;
use node::authority;
use node::home::{Home, make_key_file};
use node::keystore::{Opener, Protection};
use serde_json::json;

use super::gallery_notes::append;
use crate::client::{ActingArg, HomeArg, OperatorArg};
use crate::failure::Failure;
use crate::output;
use crate::unlock::{OpenerArg, ProtectArg};

/// See the subcommands.
#[derive(Args, Debug)]
pub(crate) struct KeystoreArgs {
    #[command(subcommand)]
    command: KeystoreCommand,
}

#[derive(Subcommand, Debug)]
enum KeystoreCommand {
    /// Show what protects a folder's keys
    Status(StatusArgs),
    /// Put a folder's keys under a passphrase or a key file, or change it
    Protect(ProtectArgs),
    /// Make a key file, for a hub or a carrier that starts unattended
    NewKeyFile(NewKeyFileArgs),
}

#[derive(Args, Debug)]
struct StatusArgs {
    #[command(flatten)]
    place: PlaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The keys of a device, or of a site's authority.
#[derive(Args, Debug)]
struct PlaceArg {
    #[command(flatten)]
    home: HomeArg,
    /// The authority's folder, in the place of a device's
    #[arg(long, value_name = "FOLDER")]
    site: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Nothing may run on the folder meanwhile. What older programs left in the clear is encrypted too.
Examples:
  greenline keystore protect --home ./tablet                        asks for the old passphrase, then for a new one
  greenline keystore protect --home ./hub --new-key-file hub.key    for a hub that starts by itself
  greenline keystore protect --site ./site                          the authority's key";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
struct ProtectArgs {
    #[command(flatten)]
    place: PlaceArg,
    #[command(flatten)]
    opener: OpenerArg,
    #[command(flatten)]
    new: ProtectArg,
    #[command(flatten)]
    by: OperatorArg,
}

#[derive(Args, Debug)]
struct NewKeyFileArgs {
    /// The file to make; best on another disk than the folder that it protects
    file: PathBuf,
}

pub(crate) fn run(args: KeystoreArgs) -> Result<(), Failure> {
    match args.command {
        KeystoreCommand::Status(args) => status(&args),
        KeystoreCommand::Protect(args) => protect(&args),
        KeystoreCommand::NewKeyFile(args) => {
            make_key_file(&args.file)?;
            output::say(format!("Made {}. Whoever has it opens what it protects.", args.file.display()))
        }
    }
}

fn status(args: &StatusArgs) -> Result<(), Failure> {
    let protection = match &args.place.site {
        Some(site) => authority::protection(site)?,
        None => Home::open(&args.place.home.home)?.protection()?,
    };
    if args.json {
        let cost = match protection {
            Protection::Passphrase(cost) => Some(cost),
            _ => None,
        };
        return output::json(&json!({"protection": protection.word(), "argon2id": cost}));
    }
    output::say(match protection {
        Protection::Nothing => "Nothing protects the keys: whoever copies the folder has them.\n\
                                `greenline keystore protect` puts them under a passphrase."
            .to_owned(),
        Protection::KeyFile => "The keys are under a key file.".to_owned(),
        Protection::Passphrase(cost) => format!(
            "The keys are under a passphrase (Argon2id: {} MiB, {} passes, {} lanes).",
            cost.memory_kib / 1024,
            cost.passes,
            cost.lanes
        ),
    })
}

fn protect(args: &ProtectArgs) -> Result<(), Failure> {
    let what = match &args.place.site {
        Some(site) => {
            let (_, old) = args.opener.site_and_opener(site)?;
            authority::protect(site, &old, &args.new.new_opener("the authority")?, &args.by.at_authority())?;
            "the authority's key"
        }
        None => {
            let home = args.opener.home(&args.place.home.home)?;
            let new = args.new.new_opener("this device")?;
            encrypt_all(&home)?;
            home.protect(&new)?;
            note(&home, &new, &args.by.acting());
            "the device's keys"
        }
    };
    let protection = match &args.place.site {
        Some(site) => authority::protection(site)?,
        None => Home::open(&args.place.home.home)?.protection()?,
    };
    output::say(match protection {
        Protection::Nothing => format!("Nothing protects {what} any more."),
        Protection::Passphrase(_) => format!("A passphrase protects {what} from now on."),
        Protection::KeyFile => format!("The key file protects {what} from now on."),
    })
}

/// Notes in the trail of each site that the keys lie under something else now. They do in any case.
fn note(home: &Home, new: &Opener, acting: &ActingArg) {
    for site in home.sites().unwrap_or_default() {
        if let Err(failure) = note_at(home, site, Act::Protected(new.under()), acting) {
            eprintln!("Warning: not noted in the audit trail: {failure}");
        }
    }
}

fn note_at(home: &Home, site: SiteId, act: Act, acting: &ActingArg) -> Result<(), Failure> {
    let alias = home.membership(site)?.0.certificate.alias;
    append(&home.trail(site)?, &alias, acting, act)
}

/// Opening a store or a gallery encrypts what an older program left there in the clear. A store that is in use says that
/// something runs on the folder.
fn encrypt_all(home: &Home) -> Result<(), Failure> {
    for site in home.sites()? {
        let folder = home.store_dir(site)?;
        if folder.is_dir() {
            RedbStore::open(&folder, &home.store_key(site)?, Box::new(|_| {}))
                .map_err(|error| Failure::new(error).hint("stop whatever runs on the folder, then try again"))?;
        }
    }
    if home.gallery_dir().is_dir() {
        super::gallery::open_gallery(home)?;
    }
    Ok(())
}
