//! `greenline site export` and `import`: an authority in one protected file, for another machine or a safe.

use std::path::PathBuf;

use clap::Args;
use node::authority;
use serde_json::json;

use crate::client::OperatorArg;
use crate::failure::Failure;
use crate::output;
use crate::unlock::{CoverArg, OpenerArg};

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The authority's folder
    folder: PathBuf,
    /// The file to write: key, manifest, group keys and roster
    file: PathBuf,
    #[command(flatten)]
    opener: OpenerArg,
    #[command(flatten)]
    cover: CoverArg,
    #[command(flatten)]
    by: OperatorArg,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The exported file
    file: PathBuf,
    /// A new folder for the authority; the passphrase or key file of the exported file protects it from now on
    folder: PathBuf,
    #[command(flatten)]
    opener: OpenerArg,
    #[command(flatten)]
    by: OperatorArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn export(args: &ExportArgs) -> Result<(), Failure> {
    let (site, opener) = args.opener.site_and_opener(&args.folder)?;
    if args.file.exists() {
        return Err(Failure::new(format!("{} is there already", args.file.display())).hint("choose another name"));
    }
    let cover = args.cover.new_opener("the exported file")?;
    authority::export(&args.folder, &opener, &args.file, &cover, &args.by.at_authority())?;
    output::say(format!(
        "Wrote the authority of `{}` to {}. Whoever opens it can certify anybody: keep it, and what opens it, apart.",
        site.manifest().name,
        args.file.display()
    ))
}

pub(crate) fn import(args: &ImportArgs) -> Result<(), Failure> {
    let protection = authority::export_protection(&args.file)?;
    let acting = args.by.at_authority();
    let import = |opener: &_| authority::import(&args.file, opener, &args.folder, &acting);
    let ((), _) = args.opener.open(protection, &args.file, import)?;
    let site = args.opener.site(&args.folder);
    let site = site.map_err(|failure| failure.hint("the folder was written; see what is wrong with it"))?;
    let (name, id, devices) = (&site.manifest().name, site.manifest().site(), site.roster().len());
    if args.json {
        return output::json(&json!({"site": id.to_string(), "name": name, "devices": devices}));
    }
    output::say(format!("`{name}` is in {} now, with {devices} devices on its roster: {id}", args.folder.display()))
}
