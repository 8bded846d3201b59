//! `greenline sim fuzz`: small operations in which everything goes wrong, by the thousand.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use simulations::check::Failure as Broken;
use simulations::fuzz::{self, Case, Played};
use simulations::many;
use simulations::trouble::Class;

use super::case::struck;
use super::play::{progress, stop_when_asked};
use super::run::whole;
use crate::failure::Failure;
use crate::output;

/// Seeds after which a sort of trouble that never struck is a fault of the simulator: each is on in half of them.
const SEEDS_TO_STRIKE: u64 = 64;
/// Seeds that are handed out at a time.
const BATCH: u64 = 10_000;
/// Broken rules that are listed.
const LISTED_MAX: usize = 20;

const MEANING: &str = "\
Each seed is an operation of three to six devices, a hub, and half of all sorts of trouble: power cuts, full and rotten disks, wrong
clocks, links that are cut, that lie, that carry one way, portals, a hub that fails, members that lie, are revoked, copied or restored.
Trouble ends, everybody meets everybody, and then the rules must hold (docs/ARCHITECTURE.md, Rules of the simulator).
Ctrl-C ends after the seeds that are under way, and tells what is done so far.";

#[derive(Args, Debug)]
#[command(after_help = MEANING)]
pub(super) struct FuzzArgs {
    /// How many seeds to play
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    seeds: u64,
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
    struck: BTreeMap<Class, u64>,
    broken: Vec<(u64, Broken)>,
}

pub(super) fn run(args: &FuzzArgs) -> Result<(), Failure> {
    let sum = play(args)?;
    if args.json {
        output::json(&numbers(&sum))?;
    } else {
        output::say(told(&sum))?;
    }
    if let Some((seed, broken)) = sum.broken.first() {
        let what =
            format!("{} of {} seeds broke a rule, first `{}`", sum.broken.len(), whole(sum.seeds as f64), broken.rule);
        return Err(Failure::new(what).hint(format!("play it again: greenline sim replay --seed {seed}")));
    }
    let silent: Vec<&str> =
        Class::ALL.iter().filter(|class| !sum.struck.contains_key(class)).map(|it| it.name()).collect();
    if sum.seeds >= SEEDS_TO_STRIKE && !silent.is_empty() {
        let what = format!("some trouble never struck: {}", silent.join(", "));
        return Err(Failure::new(what).hint("this is a bug of the simulator: what never strikes proves nothing"));
    }
    Ok(())
}

fn play(args: &FuzzArgs) -> Result<Sum, Failure> {
    let stop = stop_when_asked()?;
    let began = Instant::now();
    let bar = progress("fuzz", if args.lasts.is_some() { 0 } else { args.seeds });
    let is_over = |sum: &Sum| match args.lasts {
        Some(lasts) => began.elapsed() >= lasts,
        None => sum.seeds >= args.seeds,
    };
    let mut sum = Sum::default();
    while !is_over(&sum) && !stop.load(Ordering::Relaxed) {
        let next = args.from.wrapping_add(sum.seeds);
        let count = if args.lasts.is_some() { BATCH } else { BATCH.min(args.seeds - sum.seeds) };
        let seeds: Vec<u64> = (0..count).map(|number| next.wrapping_add(number)).collect();
        let one = |seed: &u64| (*seed, fuzz::play(&Case::draw(*seed)));
        many::each(&seeds, many::cores(), &stop, one, |(seed, played)| {
            sum.add(seed, played);
            bar.inc(1);
            if is_over(&sum) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    bar.finish_and_clear();
    sum.broken.sort_by_key(|(seed, _)| *seed);
    Ok(sum)
}

impl Sum {
    fn add(&mut self, seed: u64, played: Played) {
        self.seeds += 1;
        self.captures.0 += played.captures.0;
        self.captures.1 += played.captures.1;
        for (class, times) in played.struck {
            *self.struck.entry(class).or_default() += times;
        }
        self.broken.extend(played.failure.map(|failure| (seed, failure)));
    }
}

fn told(sum: &Sum) -> String {
    let (seeds, captures) = (whole(sum.seeds as f64), whole(sum.captures.0 as f64));
    let mut lines = vec![
        format!("{seeds} seeds, {captures} captures, {} of them at the hub in the end", whole(sum.captures.1 as f64)),
        String::new(),
        struck(sum.struck.iter().map(|(class, times)| (*class, *times))),
        String::new(),
    ];
    if sum.broken.is_empty() {
        lines.push("All rules hold.".to_owned());
    }
    let shown = sum.broken.iter().take(LISTED_MAX);
    lines.extend(shown.map(|(seed, broken)| format!("Seed {seed} breaks `{}`: {}", broken.rule, broken.what)));
    if sum.broken.len() > LISTED_MAX {
        lines.push(format!("... and {} more", sum.broken.len() - LISTED_MAX));
    }
    lines.join("\n")
}

fn numbers(sum: &Sum) -> serde_json::Value {
    let struck: BTreeMap<&str, u64> = sum.struck.iter().map(|(class, times)| (class.name(), *times)).collect();
    let broken =
        sum.broken.iter().map(|(seed, it)| json!({"seed": seed, "rule": it.rule, "what": it.what, "at_ms": it.at_ms}));
    json!({
        "seeds": sum.seeds,
        "captures": sum.captures.0,
        "delivered": sum.captures.1,
        "struck": struck,
        "broken": broken.collect::<Vec<_>>(),
    })
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.filter(|span| !span.is_zero()).ok_or_else(|| "write 90s, 10m or 2h".to_owned())
}
