//! `greenline sim fuzz`: operations in which everything goes wrong, small ones by the thousand, or those of a scenario.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use simulations::fuzz::{self, Case};
use simulations::many;
use simulations::scenario::Scenario;
use simulations::trouble::Class;

use super::case::{again, troubled};
use super::play::{progress, stop_when_asked};
use super::run::whole;
use super::trouble::Troubles;
use crate::failure::Failure;
use crate::output;

/// Seeds after which a sort of trouble that never struck is a fault of the simulator: each is on in half of them.
const SEEDS_TO_STRIKE: u64 = 64;
/// Seeds if nobody says how many: of small operations, and of a scenario.
const SEEDS: u64 = 1_000;
const SCENARIO_SEEDS: u64 = 20;
/// Seeds that are handed out at a time.
const BATCH: u64 = 10_000;

const MEANING: &str = "\
Each seed is an operation of three to six devices, a hub, and half of all sorts of trouble: power cuts, full and rotten disks, wrong
clocks, links that are cut, that lie, that carry one way, portals, a hub that fails, members that lie, are revoked, copied or restored.
Trouble ends, everybody meets everybody, and then the rules must hold (docs/ARCHITECTURE.md, Rules of the simulator).
Of a scenario, each seed is its plan with the trouble that its `[faults]` say (docs/SCENARIOS.md), or with half of all sorts.
Ctrl-C ends after the seeds that are under way, and tells what is done so far.";

#[derive(Args, Debug)]
#[command(after_help = MEANING)]
pub(super) struct FuzzArgs {
    /// Operations of this scenario instead of small ones: a file, or the name of one that comes with the program
    scenario: Option<String>,
    /// Set a key of the scenario; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "scenario")]
    settings: Vec<String>,
    /// How many seeds to play [default: 1000; of a scenario, 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    seeds: Option<u64>,
    /// Play seeds for so long instead, such as 90s, 10m or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time, conflicts_with = "seeds")]
    lasts: Option<Duration>,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    from: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of all seeds.
#[derive(Default)]
struct Sum {
    seeds: u64,
    captures: (usize, usize),
    troubles: Troubles,
}

pub(super) fn run(args: &FuzzArgs) -> Result<(), Failure> {
    let scenario = args.scenario.as_ref().map(|name| troubled(name, &args.settings)).transpose()?;
    let sum = play(args, scenario.as_ref())?;
    if args.json {
        output::json(&numbers(&sum))?;
    } else {
        output::say(told(&sum))?;
    }
    let seeds = format!("{} seeds", whole(sum.seeds as f64));
    sum.troubles.holds(&seeds, |seed| match (&args.scenario, &scenario) {
        (Some(name), Some(it)) => again(name, it.settings(), seed),
        _ => format!("greenline sim replay --seed {seed}"),
    })?;
    if scenario.is_some() {
        return sum.troubles.all_struck();
    }
    let struck = &sum.troubles.struck;
    let silent: Vec<&str> = Class::ALL.iter().filter(|class| !struck.contains_key(class)).map(|it| it.name()).collect();
    if sum.seeds >= SEEDS_TO_STRIKE && !silent.is_empty() {
        let what = format!("some trouble never struck: {}", silent.join(", "));
        return Err(Failure::new(what).hint("this is a bug of the simulator: what never strikes proves nothing"));
    }
    Ok(())
}

fn play(args: &FuzzArgs, scenario: Option<&Scenario>) -> Result<Sum, Failure> {
    let seeds_max = args.seeds.unwrap_or(if scenario.is_some() { SCENARIO_SEEDS } else { SEEDS });
    let stop = stop_when_asked()?;
    let began = Instant::now();
    let bar = progress("fuzz", if args.lasts.is_some() { 0 } else { seeds_max });
    let is_over = |sum: &Sum| match args.lasts {
        Some(lasts) => began.elapsed() >= lasts,
        None => sum.seeds >= seeds_max,
    };
    let mut sum = Sum::default();
    while !is_over(&sum) && !stop.load(Ordering::Relaxed) {
        let next = args.from.wrapping_add(sum.seeds);
        let count = if args.lasts.is_some() { BATCH } else { BATCH.min(seeds_max - sum.seeds) };
        let seeds: Vec<u64> = (0..count).map(|number| next.wrapping_add(number)).collect();
        let one = |seed: &u64| {
            let case = scenario.and_then(|scenario| scenario.case(*seed)).unwrap_or_else(|| Case::draw(*seed));
            (*seed, fuzz::drawn(&case), fuzz::play(&case))
        };
        many::each(&seeds, many::cores(), &stop, one, |(seed, drawn, played)| {
            sum.seeds += 1;
            sum.captures = (sum.captures.0 + played.captures.0, sum.captures.1 + played.captures.1);
            sum.troubles.add(seed, &drawn, &played);
            bar.inc(1);
            if is_over(&sum) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    bar.finish_and_clear();
    Ok(sum)
}

fn told(sum: &Sum) -> String {
    let (seeds, captures) = (whole(sum.seeds as f64), whole(sum.captures.0 as f64));
    let at_hub = whole(sum.captures.1 as f64);
    format!("{seeds} seeds, {captures} captures, {at_hub} of them at the hub in the end\n\n{}", sum.troubles.told())
}

fn numbers(sum: &Sum) -> serde_json::Value {
    let mut told = sum.troubles.json();
    told["seeds"] = json!(sum.seeds);
    (told["captures"], told["delivered"]) = (json!(sum.captures.0), json!(sum.captures.1));
    told
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.filter(|span| !span.is_zero()).ok_or_else(|| "write 90s, 10m or 2h".to_owned())
}
