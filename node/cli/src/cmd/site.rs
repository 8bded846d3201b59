//! `greenline site`: the authority's folder.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use crdt::site::{Certificate, Policy};
use gateway::driver::now_ms;
use node::enrol::{EnrolError, SiteFolder};
use node::orders;
use serde_json::json;

use super::site_codes::{self, CodesArgs};
use super::site_export::{self, ExportArgs, ImportArgs};
use crate::client::OperatorArg;
use crate::failure::Failure;
use crate::output;
use crate::unlock::{NewKeysArg, OpenerArg};

/// See the subcommands.
#[derive(Args, Debug)]
pub(crate) struct SiteArgs {
    #[command(subcommand)]
    command: SiteCommand,
}

#[derive(Subcommand, Debug)]
enum SiteCommand {
    /// Found a site: makes the authority's key, which certifies devices. Keep the folder offline
    New(NewArgs),
    /// List the devices that were enrolled
    Roster(RosterArgs),
    /// Make, list and withdraw codes by which devices join without people who compare words
    Codes(CodesArgs),
    /// Sign that a device doesn't belong any more
    Revoke(RevokeArgs),
    /// Write the authority's key and all that it knows of the site into one protected file
    Export(ExportArgs),
    /// Make an authority's folder of an exported file
    Import(ImportArgs),
}

#[derive(Args, Debug)]
struct NewArgs {
    /// A new folder for the authority
    folder: PathBuf,
    /// What people call the site
    #[arg(long)]
    name: String,
    /// A purpose code that captures may carry; may be given several times
    #[arg(long = "purpose", value_name = "CODE", default_values_t = Policy::default().purposes)]
    purposes: Vec<String>,
    /// Days after which every copy of a capture must be gone
    #[arg(long, value_name = "DAYS", default_value_t = Policy::default().retention_days)]
    retention_days: u16,
    /// Don't let capturing devices read back what they captured
    #[arg(long)]
    write_only: bool,
    /// Seal captures to the supervisors too, who can then look at the prints
    #[arg(long)]
    supervisors_read: bool,
    /// How many supervisors revoke a device together
    #[arg(long, value_name = "SUPERVISORS", default_value_t = Policy::default().quorum, value_parser = clap::value_parser!(u8).range(1..))]
    quorum: u8,
    /// How many examiners must confirm a candidate before anyone may act
    #[arg(long, value_name = "EXAMINERS", default_value_t = Policy::default().examiners, value_parser = clap::value_parser!(u8).range(1..))]
    examiners: u8,
    #[command(flatten)]
    keys: NewKeysArg,
    #[command(flatten)]
    by: OperatorArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct RevokeArgs {
    /// The authority's folder
    folder: PathBuf,
    /// The charge that `greenline revoke --draft` printed: its text, or a file that holds it
    charge: String,
    #[command(flatten)]
    opener: OpenerArg,
    #[command(flatten)]
    by: OperatorArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct RosterArgs {
    /// The authority's folder
    folder: PathBuf,
    #[command(flatten)]
    opener: OpenerArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: SiteArgs) -> Result<(), Failure> {
    match args.command {
        SiteCommand::New(args) => new(args),
        SiteCommand::Roster(args) => roster(&args),
        SiteCommand::Codes(args) => site_codes::run(&args),
        SiteCommand::Revoke(args) => revoke(&args),
        SiteCommand::Export(args) => site_export::export(&args),
        SiteCommand::Import(args) => site_export::import(&args),
    }
}

fn new(args: NewArgs) -> Result<(), Failure> {
    let policy = Policy {
        purposes: args.purposes,
        retention_days: args.retention_days,
        origin_reads: !args.write_only,
        supervisors_read: args.supervisors_read,
        quorum: args.quorum,
        examiners: args.examiners,
    };
    // Before anybody is asked for a passphrase.
    if args.folder.join("authority.key").exists() {
        return Err(EnrolError::Exists(args.folder).into());
    }
    let opener = args.keys.new_opener("the authority")?;
    let folder = SiteFolder::found_under(&args.folder, &args.name, policy, &opener, args.by.at_authority())?;
    let site = folder.manifest().site();
    if args.json {
        return output::json(&json!({"site": site.to_string(), "name": args.name, "folder": args.folder}));
    }
    output::say(format!(
        "Site `{}` founded: {site}\n\nNext, enrol a hub, then the devices:\n  greenline device request --home HUB\n  \
         greenline device enrol --site {} --role hub --alias hub REQUEST",
        args.name,
        args.folder.display()
    ))
}

fn revoke(args: &RevokeArgs) -> Result<(), Failure> {
    let folder = args.opener.site(&args.folder)?.acting(args.by.at_authority());
    let charge = orders::read_charge(&super::device::text_or_file(&args.charge)?)?;
    let device = charge.device;
    let order = orders::order_text(&folder.revoke(charge, now_ms())?);
    if args.json {
        return output::json(&json!({"device": device.to_string(), "order": order}));
    }
    let alias = folder.certificate(&device).map_or_else(|| device.short(), |certificate| certificate.alias.clone());
    eprintln!("Signed: `{alias}` is revoked. State it on any device of the site: greenline revoke --order ORDER");
    output::say(order)
}

fn roster(args: &RosterArgs) -> Result<(), Failure> {
    let folder = args.opener.site(&args.folder)?;
    let lines = folder.roster().iter().map(|c| {
        json!({"device": c.device.to_string(), "alias": c.alias, "roles": c.roles.names(), "not_after_ms": c.not_after_ms,
               "renewal_due": c.ends_soon(now_ms())})
    });
    let lines: Vec<_> = lines.collect();
    if args.json {
        return output::json(&json!({"site": folder.manifest().site().to_string(), "devices": lines}));
    }
    let due = |c: &Certificate| match (c.valid_at(now_ms()).is_err(), c.ends_soon(now_ms())) {
        (true, _) => "ENDED: enrol it again",
        (false, true) => "renewal due",
        (false, false) => "",
    };
    let rows = folder.roster().iter().map(|c| {
        let until = output::time(Some(c.not_after_ms));
        let roles = c.roles.names();
        let roles = if roles.is_empty() { "carrier".to_owned() } else { roles.join(", ") };
        [c.alias.clone(), roles, c.device.short(), until, due(c).to_owned()]
    });
    output::say(output::table(["alias", "roles", "device", "valid until", ""], rows))
}
