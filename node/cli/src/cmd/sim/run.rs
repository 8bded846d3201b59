//! `greenline sim run`: a scenario played under seeds, and what came of it beside what could have.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use simulations::operation::{self, Outcome, Plan};
use simulations::report::{MEASURES, Mean, Measured, Report};
use simulations::scenario::Scenario;

use crate::failure::Failure;
use crate::output;

use super::out::Out;
use super::play::{self, SeedArgs};
use super::source::ScenarioArgs;

const FILES: [&str; 3] = ["report.html", "summary.json", "events.jsonl"];

const MEANING: &str = "\
What is printed:
  played             what came of it
  at best            what no protocol could beat: contacts that carry any amount in no time
  if nobody carries  what would if each device delivered only its own captures, by itself or to a gateway that it meets
  moved              bytes over all links; needed is each entry and each image once for each device that it came to
  hash               of all that went over links: equal for equal scenarios and seeds, on any machine
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
    let (plan, mut runs) = play(&scenario, &seeds, out.is_some())?;
    if let Some(out) = &out {
        report(out, &scenario, &plan, &mut runs)?;
    }
    if args.json {
        output::json(&numbers(&scenario, &seeds, &runs))?;
    } else {
        output::say(told(&scenario, &seeds, &runs))?;
        match &out {
            Some(out) => output::say(format!("\nWritten to {}", out.path(FILES[0])))?,
            None => output::say("\nNothing is written: give a folder for the report with --out")?,
        }
    }
    let cheats: Vec<String> = runs.iter().filter(|run| run.impossible > 0).map(|run| run.seed.to_string()).collect();
    if cheats.is_empty() {
        return Ok(());
    }
    let what = format!(
        "something arrived before it could have, under seed {}: the simulation can't be right",
        cheats.join(", ")
    );
    Err(Failure::new(what).hint("this is a bug of the simulator; report it with the scenario and the seed"))
}

/// What is kept of a run.
struct Run {
    seed: u64,
    devices: usize,
    contacts: usize,
    impossible: usize,
    hash: String,
    measured: Measured,
    /// All of it, if there is to be a report.
    outcome: Option<Outcome>,
}

/// The runs that got done, in order, and the plan of the first.
fn play(scenario: &Scenario, seeds: &[u64], in_full: bool) -> Result<(Plan, Vec<Run>), Failure> {
    let (mut runs, mut first) = (Vec::new(), None::<(usize, Plan)>);
    let jobs: Vec<(usize, u64)> = seeds.iter().copied().enumerate().collect();
    let work = |(place, seed): &(usize, u64)| {
        let plan = scenario.plan(*seed);
        let outcome = operation::run(&plan, *seed);
        (*place, kept(*seed, &plan, outcome, in_full), plan)
    };
    play::all(scenario.name(), &jobs, work, |(place, run, plan)| {
        runs.push((place, run));
        if first.as_ref().is_none_or(|(earlier, _)| place < *earlier) {
            first = Some((place, plan));
        }
    })?;
    runs.sort_by_key(|(place, _)| *place);
    let (_, plan) = first.ok_or_else(play::nothing_done)?;
    Ok((plan, runs.into_iter().map(|(_, run)| run).collect()))
}

fn kept(seed: u64, plan: &Plan, outcome: Outcome, in_full: bool) -> Run {
    Run {
        seed,
        devices: plan.devices.len(),
        contacts: plan.contacts.contacts().len(),
        impossible: outcome.impossible,
        hash: outcome.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        measured: Measured::of(&outcome),
        outcome: in_full.then_some(outcome),
    }
}

fn report(out: &Out, scenario: &Scenario, plan: &Plan, runs: &mut [Run]) -> Result<(), Failure> {
    let outcomes = runs.iter_mut().filter_map(|run| Some((run.seed, run.outcome.take()?)));
    let outcomes: Vec<(u64, Outcome)> = outcomes.collect();
    let (name, source) = (play::title(scenario), scenario.text());
    let report = Report::new(&name, scenario.purpose(), source, plan, &outcomes).ok_or_else(play::nothing_done)?;
    out.text(FILES[0], &report.page())?;
    out.json(FILES[1], &report.summary())?;
    out.with(FILES[2], |to| report.events(to))
}

/// The mean of a measure over the runs.
fn mean(runs: &[Run], key: &str) -> Option<Mean> {
    Mean::of(runs.iter().filter_map(|run| run.measured.get(key)))
}

fn told(scenario: &Scenario, seeds: &[u64], runs: &[Run]) -> String {
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
fn shown(runs: &[Run], key: &str, how: fn(f64) -> String) -> String {
    let Some(it) = mean(runs, key) else {
        return if key.is_empty() { String::new() } else { "-".to_owned() };
    };
    match it.half_width.filter(|half| *half > 0.0) {
        Some(half) => format!("{} ± {}", how(it.mean), how(half)),
        None => how(it.mean),
    }
}

fn headline(scenario: &Scenario, seeds: &[u64], runs: &[Run]) -> String {
    let done = match runs.len() {
        done if done < seeds.len() => format!("{done} of {} seeds, stopped", seeds.len()),
        1 => format!("seed {}", runs[0].seed),
        done => format!("{done} seeds from {}", runs[0].seed),
    };
    let contacts = Mean::of(runs.iter().map(|run| run.contacts as f64)).map_or(0.0, |it| it.mean);
    let captures = mean(runs, "captures").map_or(0.0, |it| it.mean);
    format!(
        "{}: {} devices, {} contacts, {} captures in {}; {done}",
        play::title(scenario),
        runs[0].devices,
        whole(contacts),
        whole(captures),
        output::span(scenario.lasts_ms()),
    )
}

/// Each seed with its hash, by which a run is known again.
fn by_seed(runs: &[Run]) -> String {
    let value = |run: &Run, key: &str| run.measured.get(key);
    let row = |run: &Run| {
        [
            run.seed.to_string(),
            value(run, "delivered").map_or_else(|| "-".to_owned(), percent),
            value(run, "delivery_p50_ms").map_or_else(|| "-".to_owned(), span),
            value(run, "delivery_p90_ms").map_or_else(|| "-".to_owned(), span),
            value(run, "answered").map_or_else(|| "-".to_owned(), percent),
            run.hash[..16].to_owned(),
        ]
    };
    output::table(["seed", "delivered", "p50", "p90", "answered", "hash"], runs.iter().map(row))
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

fn numbers(scenario: &Scenario, seeds: &[u64], runs: &[Run]) -> Value {
    let values = |run: &Run| -> serde_json::Map<String, Value> {
        run.measured.values().map(|(measure, value)| (measure.key.to_owned(), json!(value))).collect()
    };
    let each = |run: &Run| {
        let mut told = values(run);
        told.insert("seed".to_owned(), json!(run.seed));
        told.insert("hash".to_owned(), json!(run.hash));
        told.insert("impossible".to_owned(), json!(run.impossible));
        told.insert("contacts".to_owned(), json!(run.contacts));
        Value::Object(told)
    };
    let means: serde_json::Map<String, Value> = MEASURES
        .iter()
        .filter_map(|measure| {
            let it = mean(runs, measure.key)?;
            Some((measure.key.to_owned(), json!({ "mean": it.mean, "half_width_95": it.half_width })))
        })
        .collect();
    json!({
        "scenario": scenario.name(),
        "settings": scenario.settings(),
        "devices": runs[0].devices,
        "lasts_ms": scenario.lasts_ms(),
        "seeds_asked": seeds.len(),
        "runs": runs.iter().map(each).collect::<Vec<_>>(),
        "means": means,
    })
}
