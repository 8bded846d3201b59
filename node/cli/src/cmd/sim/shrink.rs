//! `greenline sim shrink`: what breaks a rule, made as small as it will be.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::Args;
use simulations::fuzz::{self, Case};

use super::case::CaseArgs;
use super::play::{progress, stop_when_asked};
use crate::failure::Failure;
use crate::output;

#[derive(Args, Debug)]
pub(super) struct ShrinkArgs {
    #[command(flatten)]
    case: CaseArgs,
    /// Write it here
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &ShrinkArgs) -> Result<(), Failure> {
    let case = args.case.read()?;
    let wrong = |error| Failure::new(format!("{}: {error}", args.out.display())).hint("choose another file with --out");
    // What is there already may be somebody's only copy.
    let mut file = std::fs::File::create_new(&args.out).map_err(wrong)?;
    let stop = stop_when_asked()?;
    let bar = progress("shrink", 0);
    let shrunk = fuzz::shrink(&case, |_| {
        bar.inc(1);
        !stop.load(Ordering::Relaxed)
    });
    bar.finish_and_clear();
    let Some(shrunk) = shrunk else {
        let _ = std::fs::remove_file(&args.out);
        return Err(
            Failure::new("it breaks no rule: there is nothing to shrink").hint("choose a seed that `sim fuzz` named")
        );
    };
    let again =
        format!("# Breaks `{}`. Play it again: greenline sim replay {}\n", shrunk.case.breaks, args.out.display());
    file.write_all((again + &shrunk.case.to_toml()).as_bytes()).map_err(wrong)?;
    output::say(format!(
        "Breaks `{}`. From {} to {}, by {} plays.\nWritten to {}",
        shrunk.case.breaks,
        size(&case),
        size(&shrunk.case),
        shrunk.plays,
        args.out.display()
    ))
}

fn size(case: &Case) -> String {
    let Case { devices, contacts, captures, trouble, ends_ms, .. } = case;
    format!(
        "{} devices, {} contacts, {} captures and {} troubles in {}",
        devices.len(),
        contacts.len(),
        captures.len(),
        trouble.len(),
        output::span(*ends_ms)
    )
}
