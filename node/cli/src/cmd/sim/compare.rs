//! `greenline sim compare`: two scenarios, or one with two settings, over the same seeds.

use std::path::PathBuf;

use clap::Args;
use simulations::report::{Better, Comparison, Measured, Told};
use simulations::scenario::Scenario;

use crate::failure::Failure;
use crate::output;

use super::out::Out;
use super::play::{self, Job, SeedArgs};
use super::source;

const FILES: [&str; 2] = ["compare.html", "compare.json"];

const MEANING: &str = "\
Differences are taken seed by seed, the second less the first, and then their mean, with its 95 % interval after Student.
One that has zero in its interval is not distinguishable from none; more seeds may show it.
Ctrl-C ends after the runs that are under way, and compares the seeds that both have been played with.

Examples:
  greenline sim compare wb21 mine.toml --seeds 10
  greenline sim compare wb21 --set-b contacts.radio=ble --seeds 10 --out ble";

#[derive(Args, Debug)]
#[command(after_help = MEANING)]
pub(super) struct CompareArgs {
    /// A scenario: a file, or the name of one that comes with the program
    first: String,
    /// Another one; if not given, the same with what --set-b sets
    second: Option<String>,
    #[command(flatten)]
    seeds: SeedArgs,
    /// Set a key of both; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Set a key of the second only; may be given more than once
    #[arg(long = "set-b", value_name = "KEY=VALUE")]
    settings_b: Vec<String>,
    /// Write compare.html and compare.json into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CompareArgs) -> Result<(), Failure> {
    if args.second.is_none() && args.settings_b.is_empty() {
        let hint = "name a second scenario, or set something of the second with --set-b";
        return Err(Failure::new("there is nothing to compare with").hint(hint));
    }
    let first = source::read(&args.first, &args.settings)?;
    let second = args.second.as_ref().unwrap_or(&args.first);
    let second = source::read(second, &[&args.settings[..], &args.settings_b].concat())?;
    let out = args.out.as_ref().map(|folder| Out::prepare(folder, &FILES)).transpose()?;
    let (seeds, measured) = measure([&first, &second], &args.seeds.list())?;
    let names = [&first, &second].map(play::title);
    let comparison =
        Comparison::new(names.each_ref().map(String::as_str), &seeds, measured.each_ref().map(Vec::as_slice));
    if let Some(out) = &out {
        out.text("compare.html", &comparison.page())?;
        out.json("compare.json", &comparison.json())?;
    }
    if args.json {
        return output::json(&comparison.json());
    }
    output::say(told(&names, &seeds, &comparison))?;
    match &out {
        Some(out) => output::say(format!("\nWritten to {}", out.path("compare.html"))),
        None => output::say("\nNothing is written: give a folder with --out"),
    }
}

/// What was measured with each for the seeds that both were played with.
fn measure(of: [&Scenario; 2], seeds: &[u64]) -> Result<(Vec<u64>, [Vec<Measured>; 2]), Failure> {
    let jobs = seeds.iter().flat_map(|seed| [0, 1].map(|side| Job { point: side, seed: *seed }));
    let done = play::measured("compare", &jobs.collect::<Vec<_>>(), &of)?;
    let find = |side: usize, seed: u64| done.iter().find(|(job, _)| (job.point, job.seed) == (side, seed));
    let both = seeds.iter().filter_map(|seed| Some((*seed, find(0, *seed)?.1.clone(), find(1, *seed)?.1.clone())));
    let (mut kept, mut measured) = (Vec::new(), [Vec::new(), Vec::new()]);
    for (seed, first, second) in both {
        kept.push(seed);
        measured[0].push(first);
        measured[1].push(second);
    }
    match kept.is_empty() {
        true => Err(play::nothing_done()),
        false => Ok((kept, measured)),
    }
}

fn told(names: &[String; 2], seeds: &[u64], comparison: &Comparison) -> String {
    let row = |it: Told| [it.name.to_owned(), it.first, it.second, it.difference, it.standing.words().to_owned()];
    let rows = comparison.told().filter(|it| it.better != Better::Neither).map(row);
    let table = output::table(["", "first", "second", "difference", "the second is"], rows);
    format!("First:  {}\nSecond: {}\n{} seeds, the same for both\n\n{table}", names[0], names[1], seeds.len())
}
