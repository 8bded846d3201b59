//! `greenline demo`: two cut-off groups, a mule between them, one gateway that finds the Internet late, and a hub.
//!
//! Everything is real: processes of this program, their keys and stores, the matcher. Only the people, their prints and the
//! distances are made up. The demo checks itself.

mod ending;
mod people;
mod process;
mod relay;
mod report;
mod stage;
mod story;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::failure::Failure;
use story::Story;

/// Watch two cut-off groups, a mule and a late gateway get their captures screened. Needs no root, no network, no service.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    /// Keep the folders of all devices here, to look at them afterwards
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// How many people are in the hub's gallery
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(12..=2_000))]
    gallery: u32,
    /// Begins all that is drawn by lot: who is captured where
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let temporary = match &args.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            None
        }
        None => Some(tempfile::tempdir()?),
    };
    let folder = args.keep.clone().or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned()));
    let folder = folder.ok_or_else(|| Failure::new("no folder to work in"))?;
    let mut story = Story::begin()?;
    let report = stage::play(&folder, args.gallery, args.seed, &mut story)?;
    story.blank()?;
    crate::output::say(report.table())?;
    crate::output::say(format!("\n{}", report.summary()))?;
    if args.json {
        crate::output::say(report.json())?;
    }
    match report.complaint() {
        Some(complaint) => Err(Failure::new(complaint)),
        None => Ok(()),
    }
}

/// Waits until `look` finds something; fails with what was waited for.
fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if began.elapsed() > limit {
            return Err(Failure::new(format!("waited {} s in vain for {what}", limit.as_secs())));
        }
        pause(Duration::from_millis(25));
    }
}

#[expect(clippy::disallowed_methods, reason = "the demo looks at other processes from outside, as a person would")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
