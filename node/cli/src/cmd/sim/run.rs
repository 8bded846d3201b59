//! `greenline sim run`: a scenario played under seeds, and what came of it beside what could have.

use std::path::PathBuf;

use clap::Args;
use simulations::fuzz::{self, Ran};
use simulations::report::{Gathered, Mean, Measured, Reduced, Report};
use simulations::scenario::Scenario;

use crate::failure::Failure;
use crate::output;

use super::case;
use super::out::Out;
use super::play::{self, SeedArgs};
use super::source::ScenarioArgs;
use super::trouble::Troubles;

const FILES: [&str; 3] = ["report.html", "summary.json", "events.jsonl"];

const MEANING: &str = "\
What is printed:
  played             what came of it
  at best            what no protocol could beat: contacts that carry any amount in no time
  if nobody carries  what would if each device delivered only its own captures, by itself or to a gateway that it meets
  moved              bytes over all links; needed is each entry and each image once for each device that it came to
  hash               of all that went over links: equal for equal scenarios and seeds, on any machine
If the scenario says what goes wrong (docs/SCENARIOS.md), the rules look on, also while all of it heals afterwards: that isn't counted.
Delays are of captures that arrived. Several seeds give means, with 95 % intervals after Student.
Ctrl-C ends after the runs that are under way, and tells what is done so far; once more, at once.";

#[derive(Args, Debug)]
#[command(after_help = MEANING)]
pub(super) struct RunArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    seeds: SeedArgs,
    /// Write report.html, summary.json and events.jsonl into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let scenario = args.scenario.read()?;
    let seeds = args.seeds.list();
    let out = args.out.as_ref().map(|folder| Out::prepare(folder, &FILES)).transpose()?;
    let (runs, troubles) = play(&scenario, &seeds)?;
    let name = play::title(&scenario);
    let report = Report::new(&name, scenario.purpose(), scenario.text(), &runs).ok_or_else(play::nothing_done)?;
    let mut summary = report.summary();
    if scenario.has_faults() {
        summary["faults"] = troubles.json();
    }
    if let Some(out) = &out {
        out.text(FILES[0], &report.page())?;
        out.json(FILES[1], &summary)?;
        out.with(FILES[2], |to| report.events(to))?;
    }
    if args.json {
        output::json(&summary)?;
    } else {
        output::say(told(&scenario, &seeds, &runs))?;
        if scenario.has_faults() {
            output::say(format!("\n{}", troubles.told()))?;
        }
        match &out {
            Some(out) => output::say(format!("\nWritten to {}", out.path(FILES[0])))?,
            None => output::say("\nNothing is written: give a folder for the report with --out")?,
        }
    }
    let seeds = format!("{} seeds", runs.len());
    troubles.holds(&seeds, |seed| case::again(args.scenario.name(), scenario.settings(), seed))?;
    let cheats = runs.runs().filter(|(.., measured)| measured.get("impossible") > Some(0.0));
    let cheats: Vec<String> = cheats.map(|(seed, ..)| seed.to_string()).collect();
    if cheats.is_empty() {
        return troubles.all_struck();
    }
    let what = format!(
        "something arrived before it could have, under seed {}: the simulation can't be right",
        cheats.join(", ")
    );
    Err(Failure::new(what).hint("this is a bug of the simulator; report it with the scenario and the seed"))
}

/// The runs that got done. Each is reduced to what is told of it as soon as it is over, so that a thousand take little room.
fn play(scenario: &Scenario, seeds: &[u64]) -> Result<(Gathered, Troubles), Failure> {
    let (mut runs, mut troubles) = (Gathered::new(), Troubles::default());
    let jobs: Vec<(usize, u64)> = seeds.iter().copied().enumerate().collect();
    let work = |(place, seed): &(usize, u64)| {
        let Ran { plan, outcome, troubled } = fuzz::run(scenario, *seed);
        (*place, *seed, Reduced::of(*seed, plan, outcome), troubled)
    };
    play::all(scenario.name(), &jobs, work, |(place, seed, run, troubled)| {
        runs.add(place, run);
        troubled.iter().for_each(|it| troubles.add(seed, &it.drawn, &it.played));
    })?;
    Ok((runs, troubles))
}

/// The mean of a measure over the runs.
fn mean(runs: &Gathered, key: &str) -> Option<Mean> {
    Mean::of(runs.measured(key))
}

fn told(scenario: &Scenario, seeds: &[u64], runs: &Gathered) -> String {
    let row = |what: &str, keys: [&str; 3], how| {
        [what.to_owned(), shown(runs, keys[0], how), shown(runs, keys[1], how), shown(runs, keys[2], how)]
    };
    let table = [
        row("reached the hub", ["delivered", "delivered_at_best", "nobody_carries"], percent),
        row("  half of them within", ["delivery_p50_ms", "delivery_at_best_p50_ms", "nobody_carries_p50_ms"], span),
        row("  nine of ten within", ["delivery_p90_ms", "delivery_at_best_p90_ms", "nobody_carries_p90_ms"], span),
        row("answer came back", ["answered", "answered_at_best", ""], percent),
        row("  half of them within", ["answer_p50_ms", "answer_at_best_p50_ms", ""], span),
        row("  nine of ten within", ["answer_p90_ms", "answer_at_best_p90_ms", ""], span),
    ];
    let [half, most] = ["delivery_ratio_p50", "delivery_ratio_p90"].map(|key| shown(runs, key, times));
    let share = |key: &str| mean(runs, key).map_or(0.0, |it| it.mean);
    let more = share("moved_bytes") / share("captured_bytes").max(1.0);
    let moved = shown(runs, "moved_bytes", bytes);
    [
        headline(scenario, seeds, runs),
        String::new(),
        output::table(["", "played", "at best", "if nobody carries"], table),
        String::new(),
        format!("Time to the hub over the best: {half} at most for half of them, {most} for nine of ten."),
        format!("Moved: {moved}, {more:.1} times what the captures weigh."),
        format!(
            "  {} images, {} times what is needed; {} entries, {} times; {} all else.",
            shown(runs, "images_sent_bytes", bytes),
            shown(runs, "images_ratio", times),
            shown(runs, "entries_sent_bytes", bytes),
            shown(runs, "entries_ratio", times),
            bytes(share("moved_bytes") - share("images_sent_bytes") - share("entries_sent_bytes")),
        ),
        String::new(),
        by_seed(runs),
    ]
    .join("\n")
}

/// The mean of a measure, with what it may be off by; nothing if it isn't measured.
fn shown(runs: &Gathered, key: &str, how: fn(f64) -> String) -> String {
    let Some(it) = mean(runs, key) else {
        return if key.is_empty() { String::new() } else { "-".to_owned() };
    };
    match it.half_width.filter(|half| *half > 0.0) {
        Some(half) => format!("{} ± {}", how(it.mean), how(half)),
        None => how(it.mean),
    }
}

fn headline(scenario: &Scenario, seeds: &[u64], runs: &Gathered) -> String {
    let first = runs.runs().next().map_or(0, |(seed, ..)| seed);
    let done = match runs.len() {
        done if done < seeds.len() => format!("{done} of {} seeds, stopped", seeds.len()),
        1 => format!("seed {first}"),
        done => format!("{done} seeds from {first}"),
    };
    let (contacts, captures) = (mean(runs, "contacts"), mean(runs, "captures"));
    format!(
        "{}: {} devices, {} contacts, {} captures in {}; {done}",
        play::title(scenario),
        runs.plan().map_or(0, |plan| plan.devices.len()),
        whole(contacts.map_or(0.0, |it| it.mean)),
        whole(captures.map_or(0.0, |it| it.mean)),
        output::span(scenario.lasts_ms()),
    )
}

/// Each seed with its hash, by which a run is known again.
fn by_seed(runs: &Gathered) -> String {
    let row = |(seed, hash, measured): (u64, &str, &Measured)| {
        let shown = |key: &str, how: fn(f64) -> String| measured.get(key).map_or_else(|| "-".to_owned(), how);
        [
            seed.to_string(),
            shown("delivered", percent),
            shown("delivery_p50_ms", span),
            shown("delivery_p90_ms", span),
            shown("answered", percent),
            hash[..16].to_owned(),
        ]
    };
    output::table(["seed", "delivered", "p50", "p90", "answered", "hash"], runs.runs().map(row))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn span(ms: f64) -> String {
    output::span(ms.round().max(0.0) as u64)
}

fn times(ratio: f64) -> String {
    format!("{ratio:.3}")
}

fn bytes(count: f64) -> String {
    output::bytes(count.round().max(0.0) as u64)
}

/// A whole number with commas between thousands.
pub(super) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}
