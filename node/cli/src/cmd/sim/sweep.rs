//! `greenline sim sweep`: a scenario with one or two settings through several values.

use std::path::PathBuf;

use clap::Args;
use simulations::report::{Measured, Over, Sweep};
use simulations::scenario::Scenario;

use crate::failure::Failure;
use crate::output;

use super::out::Out;
use super::play::{self, Job, SeedArgs};
use super::source;

const FILES: [&str; 3] = ["sweep.html", "sweep.json", "sweep.csv"];
/// Combinations: more than anybody reads off a map.
const POINTS_MAX: usize = 400;
/// What is printed of each combination.
const SHOWN: [(&str, &str); 6] = [
    ("delivered", "delivered"),
    ("delivery_p50_ms", "p50"),
    ("delivery_p90_ms", "p90"),
    ("answered", "answered"),
    ("answer_p50_ms", "answer p50"),
    ("moved_bytes", "moved"),
];

const MEANING: &str = "\
Every value of the first --over with every one of the second, each with the same seeds; means over the seeds.
Ctrl-C ends after the runs that are under way, and tells the combinations that have one.

Example:
  greenline sim sweep wb21 --over contacts.radio=wifi,ble --over lasts='2 d,7 d' --seeds 5 --out radios";

#[derive(Args, Debug)]
#[command(after_help = MEANING)]
pub(super) struct SweepArgs {
    /// A file, or the name of a scenario that comes with the program
    scenario: String,
    /// A key, and the values to give it, with commas between; once or twice
    #[arg(long, value_name = "KEY=A,B,C", required = true, value_parser = parse_over)]
    over: Vec<Over>,
    #[command(flatten)]
    seeds: SeedArgs,
    /// Set a key everywhere; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Write sweep.html, sweep.json and sweep.csv into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parse_over(text: &str) -> Result<Over, String> {
    let wrong = || "give a key and its values, as in `contacts.radio=wifi,ble`".to_owned();
    let (key, values) = text.split_once('=').ok_or_else(wrong)?;
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    if key.trim().is_empty() || values.iter().any(String::is_empty) {
        return Err(wrong());
    }
    Ok(Over { key: key.trim().to_owned(), values })
}

pub(super) fn run(args: &SweepArgs) -> Result<(), Failure> {
    let (first, second) = match &args.over[..] {
        [first] => (first, None),
        [first, second] if first.key != second.key => (first, Some(second)),
        [_, _] => return Err(Failure::new("both --over are for one key").hint("give all its values in one")),
        _ => return Err(Failure::new("--over is given more than twice").hint("set the rest with --set")),
    };
    let points = points(first, second);
    if points.len() > POINTS_MAX {
        let what = format!("these are {} combinations, and at most {POINTS_MAX} are played", points.len());
        return Err(Failure::new(what).hint("give fewer values"));
    }
    // All are read before the first is played, so that a wrong value is told at once.
    let read = |settings: &Vec<String>| source::read(&args.scenario, &[&args.settings[..], settings].concat());
    let scenarios: Vec<Scenario> = points.iter().map(read).collect::<Result<_, _>>()?;
    let out = args.out.as_ref().map(|folder| Out::prepare(folder, &FILES)).transpose()?;
    let seeds = args.seeds.list();
    let name = scenarios[0].name().to_owned();
    let sweep = Sweep::new(&name, &seeds, first.clone(), second.cloned(), &measure(&scenarios, &seeds)?);
    tell(args, out.as_ref(), &sweep)
}

fn tell(args: &SweepArgs, out: Option<&Out>, sweep: &Sweep) -> Result<(), Failure> {
    if let Some(out) = out {
        out.text("sweep.html", &sweep.page())?;
        out.json("sweep.json", &sweep.json())?;
        out.with("sweep.csv", |to| sweep.write_csv(to))?;
    }
    if args.json {
        return output::json(&sweep.json());
    }
    let header: Vec<String> =
        args.over.iter().map(|over| over.key.clone()).chain(SHOWN.map(|(_, name)| name.to_owned())).collect();
    output::say(output::rows(&header, sweep.told(&SHOWN.map(|(key, _)| key))))?;
    match out {
        Some(out) => output::say(format!("\nWritten to {}", out.path("sweep.html"))),
        None => output::say("\nNothing is written: give a folder with --out"),
    }
}

/// What is set at each combination.
fn points(first: &Over, second: Option<&Over>) -> Vec<Vec<String>> {
    let set = |over: &Over, value: &String| format!("{}={value}", over.key);
    let with_second = |first: String| -> Vec<Vec<String>> {
        match second {
            None => vec![vec![first]],
            Some(second) => second.values.iter().map(|value| vec![first.clone(), set(second, value)]).collect(),
        }
    };
    first.values.iter().flat_map(|value| with_second(set(first, value))).collect()
}

/// What was measured of each combination, of its seeds in order.
fn measure(scenarios: &[Scenario], seeds: &[u64]) -> Result<Vec<Vec<Measured>>, Failure> {
    let jobs = seeds.iter().flat_map(|seed| (0..scenarios.len()).map(|point| Job { point, seed: *seed }));
    let of: Vec<&Scenario> = scenarios.iter().collect();
    let mut done = play::measured("sweep", &jobs.collect::<Vec<_>>(), &of)?;
    if done.is_empty() {
        return Err(play::nothing_done());
    }
    done.sort_by_key(|(job, _)| (job.point, seeds.iter().position(|seed| *seed == job.seed)));
    let mut of = vec![Vec::new(); scenarios.len()];
    done.into_iter().for_each(|(job, measured)| of[job.point].push(measured));
    Ok(of)
}
