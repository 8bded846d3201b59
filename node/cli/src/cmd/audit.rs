//! `greenline audit`: who did what, handed out, shown and checked.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use crdt::ids::SiteId;
use node::audit::verify::read;
use node::audit::{Filter, ReadError, Summary, Verifier, What};
use tempfile::NamedTempFile;

use super::audit_pages::{self as pages, Latest};
use super::audit_source::Asked;
use crate::client::ActingArg;
use crate::failure::Failure;
use crate::moment::Moment;
use crate::output;
use crate::unlock::KeysArg;

/// See the subcommands.
#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand, Debug)]
enum AuditCommand {
    /// Write the trail to a file that anybody can check
    Export(ExportArgs),
    /// Show the trail
    Show(ShowArgs),
    /// Check an export or a proof pack, on any machine
    Verify(VerifyArgs),
    /// Show what became of the captures of an operation, and write what proves it
    Proof(ProofArgs),
}

/// Whose trail, and who asks.
#[derive(Args, Debug)]
struct SourceArg {
    #[command(flatten)]
    keys: KeysArg,
    /// Which of a hub's sites
    #[arg(long, value_name = "ID")]
    site: Option<SiteId>,
    /// Who you are, for the audit trail: that it is handed out is noted too; the device's alias, or `authority`, if it isn't given
    #[arg(long = "as", env = "GREENLINE_OPERATOR", value_name = "NAME")]
    operator: Option<String>,
    /// Why you ask, for the audit trail
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

/// The trail of an authority, in the place of a device's.
#[derive(Args, Debug)]
struct AuthorityArg {
    /// The folder of a site's authority, in the place of a device's
    #[arg(long, value_name = "FOLDER", conflicts_with = "site")]
    authority: Option<PathBuf>,
}

/// What is shown. The rest is left out, and how much that is is shown.
#[derive(Args, Debug)]
struct FilterArg {
    /// Only what was done since then: 2h or 30min (ago), 14:30, 2026-11-25 or 2026-11-25T14:30
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Only what was done before then
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// Only what this device did
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Only what devices of this role did: officer, supervisor, hub or carrier
    #[arg(long)]
    role: Option<String>,
    /// Only what this operator did
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// Only this: collection, alteration, consultation, disclosure, combination, erasure, access or administration
    #[arg(long)]
    verb: Option<String>,
    /// Only what is about this capture; its whole id
    #[arg(long, value_name = "CAPTURE")]
    capture: Option<String>,
}

const EXPORT_HELP: &str = "\
A device shows what it did itself; supervisors' devices and hubs also show what others wrote.
Whether or not something runs on the folder. Nothing about the persons checked is in the file.
Examples:
  greenline audit export --home ./chief trail.jsonl --why 'yearly inspection'
  greenline audit export --home ./hub trail.jsonl --from 2026-11-01 --verb combination
  greenline audit export --authority ./site trail.jsonl";

#[derive(Args, Debug)]
#[command(after_help = EXPORT_HELP)]
struct ExportArgs {
    /// The file to write
    file: PathBuf,
    #[command(flatten)]
    source: SourceArg,
    #[command(flatten)]
    place: AuthorityArg,
    #[command(flatten)]
    filter: FilterArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ShowArgs {
    #[command(flatten)]
    source: SourceArg,
    #[command(flatten)]
    place: AuthorityArg,
    #[command(flatten)]
    filter: FilterArg,
    /// How many lines at most: the latest
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Check an export or a proof pack. Needs nothing but the file; compare the site's id that it prints with the one you know.
#[derive(Args, Debug)]
struct VerifyArgs {
    /// The file
    file: PathBuf,
    /// The site that it must be of
    #[arg(long, value_name = "ID")]
    site: Option<SiteId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const PROOF_HELP: &str = "\
Example:
  greenline audit proof --home ./chief --from 2026-11-01 --out november.jsonl --markdown > november.md";

#[derive(Args, Debug)]
#[command(after_help = PROOF_HELP)]
struct ProofArgs {
    #[command(flatten)]
    source: SourceArg,
    /// Only captures recorded since then: 2h or 30min (ago), 14:30, 2026-11-25 or 2026-11-25T14:30
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Only captures recorded before then
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// A file for the signed headers that the numbers follow from
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &AuditArgs) -> Result<(), Failure> {
    match &args.command {
        AuditCommand::Export(args) => export(args),
        AuditCommand::Show(args) => show(args),
        AuditCommand::Verify(args) => verify(args),
        AuditCommand::Proof(args) => proof(args),
    }
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let summary = args.source.asked(What::Trail, args.place.of(), args.filter.filter()).keep(Some(&args.file))?;
    if args.json {
        return output::json(&pages::json(&summary));
    }
    output::say(format!("Wrote {}\n{}", args.file.display(), pages::summary(&summary)))
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let (mut latest, mut verifier) = (Latest::new(args.limit), Verifier::new(None));
    args.source.asked(What::Trail, args.place.of(), args.filter.filter()).lines(|line| {
        latest.add(&verifier.line(line).map_err(|fault| unsound(&fault))?);
        Ok(())
    })?;
    let summary = verifier.finish().map_err(|fault| unsound(&fault))?;
    if args.json { output::json(&latest.json()) } else { output::say(latest.table(&summary)) }
}

fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let path = args.file.display();
    let file = File::open(&args.file).map_err(|error| {
        Failure::new(format!("{path}: {error}")).hint("give the file that `greenline audit export` or `proof` wrote")
    })?;
    let summary = read(BufReader::new(file), args.site, |_| Ok(())).map_err(|error| match error {
        ReadError::Io(error) => Failure::new(format!("{path}: {error}")).hint("check the file and its disk"),
        ReadError::Fault(fault) => Failure::new(format!("{path} doesn't hold. {fault}"))
            .hint("it isn't as the device wrote it: keep it, and ask for it again"),
    })?;
    if args.json {
        return output::json(&pages::json(&summary));
    }
    output::say(format!("{path} holds\n{}", pages::summary(&summary)))?;
    if summary.counts.is_some() { output::say(format!("\n{}", pages::proof(&summary))) } else { Ok(()) }
}

fn proof(args: &ProofArgs) -> Result<(), Failure> {
    let ms = |moment: Option<Moment>| moment.map(|Moment(ms)| ms);
    let filter = Filter { from_ms: ms(args.from), to_ms: ms(args.to), ..Filter::default() };
    let summary = args.source.asked(What::Pack, None, filter).keep(args.out.as_deref())?;
    if args.json {
        return output::json(&pages::json(&summary));
    }
    output::say(if args.markdown { pages::markdown(&summary) } else { pages::proof(&summary) })
}

impl SourceArg {
    fn asked<'a>(&'a self, what: What, authority: Option<&'a Path>, filter: Filter) -> Asked<'a> {
        let acting = ActingArg { operator: self.operator.clone(), why: self.why.clone() };
        Asked { keys: &self.keys, authority, site: self.site, acting, what, filter }
    }
}

impl AuthorityArg {
    fn of(&self) -> Option<&Path> {
        self.authority.as_deref()
    }
}

impl FilterArg {
    fn filter(&self) -> Filter {
        let ms = |moment: Option<Moment>| moment.map(|Moment(ms)| ms);
        Filter {
            from_ms: ms(self.from),
            to_ms: ms(self.to),
            device: self.device.clone(),
            role: self.role.clone(),
            operator: self.operator.clone(),
            verb: self.verb.clone(),
            capture: self.capture.clone(),
        }
    }
}

impl Asked<'_> {
    /// Checks an export as it comes, and keeps it in a file: whole, or not at all.
    fn keep(&self, path: Option<&Path>) -> Result<Summary, Failure> {
        let mut file = path.map(new_file).transpose()?;
        let mut verifier = Verifier::new(None);
        self.lines(|line| {
            verifier.line(line).map_err(|fault| unsound(&fault))?;
            file.as_mut().map_or(Ok(()), |file| Ok(writeln!(file, "{line}")?))
        })?;
        let summary = verifier.finish().map_err(|fault| unsound(&fault))?;
        if let (Some(file), Some(path)) = (file, path) {
            file.as_file().sync_all()?;
            file.persist_noclobber(path).map_err(|error| cannot_write(path, &error.error))?;
        }
        Ok(summary)
    }
}

/// A file beside the one that it is to become, for its owner only.
fn new_file(path: &Path) -> Result<NamedTempFile, Failure> {
    if path.exists() {
        return Err(Failure::new(format!("{} is there already", path.display())).hint("choose another name"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    NamedTempFile::new_in(folder).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} can't be written: {error}", path.display())).hint("choose another place")
}

/// What a device hands out must hold; if it doesn't, its trail was changed.
fn unsound(fault: &node::audit::Fault) -> Failure {
    Failure::new(format!("what this device handed out doesn't hold. {fault}"))
        .hint("its trail or its store was changed, or it stopped meanwhile; see what it logged, and keep its folder")
}
