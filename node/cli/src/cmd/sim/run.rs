//! `greenline sim run`: a scenario played under seeds, and what came of it beside what could have.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use simulations::many::{self, Played};
use simulations::report::Mean;
use simulations::scenario::Scenario;

use crate::failure::Failure;
use crate::output;
use crate::shutdown::asked_to_stop;

use super::source::ScenarioArgs;

/// Most seeds: what is kept of each is held until the end.
const SEEDS_MAX: u64 = 10_000;

const MEANING: &str = "\
What is printed:
  played             what came of it
  at best            what no protocol could beat: contacts that carry any amount in no time
  if nobody carries  what would if each device delivered only its own captures, by itself or to a gateway that it meets
  moved              bytes over all links, entries and images
  hash               of all that went over links: equal for equal scenarios and seeds, on any machine
Delays are of captures that arrived. Several seeds give means, with 95 % intervals after Student.
Ctrl-C ends after the runs that are under way, and tells what is done so far; once more, at once.";

#[derive(Args, Debug)]
#[command(after_help = MEANING)]
pub(super) struct RunArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// How many seeds to play
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let scenario = args.scenario.read()?;
    let seeds: Vec<u64> = (0..args.seeds).map(|number| args.seed.wrapping_add(number)).collect();
    let runs = play(&scenario, &seeds)?;
    if args.json {
        output::json(&numbers(&scenario, &seeds, &runs))?;
    } else {
        output::say(told(&scenario, &seeds, &runs))?;
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
    /// By the place in [`MEASURES`].
    values: Vec<Option<f64>>,
}

/// Something measured of every run.
struct Measure {
    key: &'static str,
    of: fn(&Played) -> Option<f64>,
}

const MEASURES: [Measure; 20] = [
    Measure { key: "captures", of: |it| Some(it.outcome.fates.len() as f64) },
    Measure { key: "delivered", of: |it| Some(it.outcome.delivery().delays.delivered()) },
    Measure { key: "delivered_at_best", of: |it| Some(it.outcome.delivery().oracle.delivered()) },
    Measure { key: "delivery_p50_ms", of: |it| ms(it.outcome.delivery().delays.quantile_ms(0.5)) },
    Measure { key: "delivery_at_best_p50_ms", of: |it| ms(it.outcome.delivery().oracle.quantile_ms(0.5)) },
    Measure { key: "delivery_p90_ms", of: |it| ms(it.outcome.delivery().delays.quantile_ms(0.9)) },
    Measure { key: "delivery_at_best_p90_ms", of: |it| ms(it.outcome.delivery().oracle.quantile_ms(0.9)) },
    Measure { key: "delivery_ratio_p50", of: |it| it.outcome.delivery().ratio.map(|ratio| ratio.0) },
    Measure { key: "delivery_ratio_p90", of: |it| it.outcome.delivery().ratio.map(|ratio| ratio.1) },
    Measure { key: "answered", of: |it| Some(it.outcome.answer().delays.delivered()) },
    Measure { key: "answered_at_best", of: |it| Some(it.outcome.answer().oracle.delivered()) },
    Measure { key: "answer_p50_ms", of: |it| ms(it.outcome.answer().delays.quantile_ms(0.5)) },
    Measure { key: "answer_at_best_p50_ms", of: |it| ms(it.outcome.answer().oracle.quantile_ms(0.5)) },
    Measure { key: "answer_p90_ms", of: |it| ms(it.outcome.answer().delays.quantile_ms(0.9)) },
    Measure { key: "answer_at_best_p90_ms", of: |it| ms(it.outcome.answer().oracle.quantile_ms(0.9)) },
    Measure { key: "nobody_carries", of: |it| Some(it.outcome.direct().delivered()) },
    Measure { key: "nobody_carries_p50_ms", of: |it| ms(it.outcome.direct().quantile_ms(0.5)) },
    Measure { key: "nobody_carries_p90_ms", of: |it| ms(it.outcome.direct().quantile_ms(0.9)) },
    Measure { key: "captured_bytes", of: |it| Some(captured(it)) },
    Measure { key: "moved_bytes", of: |it| Some(it.outcome.traffic.sent_bytes as f64) },
];

/// What all captures weigh.
fn captured(played: &Played) -> f64 {
    played.outcome.fates.iter().map(|fate| fate.bytes as f64).sum()
}

fn ms(ms: Option<u64>) -> Option<f64> {
    ms.map(|ms| ms as f64)
}

fn play(scenario: &Scenario, seeds: &[u64]) -> Result<Vec<Run>, Failure> {
    let stop = stop_when_asked()?;
    let bar = progress(scenario, seeds.len() as u64);
    let mut runs = Vec::new();
    many::play(
        seeds,
        many::cores(),
        &stop,
        |seed| scenario.plan(seed),
        |played| {
            runs.push(kept(&played));
            bar.inc(1);
            ControlFlow::Continue(())
        },
    );
    bar.finish_and_clear();
    runs.sort_by_key(|run| seeds.iter().position(|seed| *seed == run.seed));
    if runs.is_empty() {
        return Err(Failure::new("stopped before a run was over")
            .hint("shorten the scenario, for example with `--set lasts='1 d'`"));
    }
    Ok(runs)
}

fn kept(played: &Played) -> Run {
    Run {
        seed: played.seed,
        devices: played.plan.devices.len(),
        contacts: played.plan.contacts.contacts().len(),
        impossible: played.outcome.impossible,
        hash: played.outcome.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        values: MEASURES.iter().map(|measure| (measure.of)(played)).collect(),
    }
}

/// Set once somebody asks to stop. Whoever asks again needn't wait.
fn stop_when_asked() -> Result<Arc<AtomicBool>, Failure> {
    /// What a shell calls a program that Ctrl-C has ended.
    const INTERRUPTED: i32 = 130;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(asked_to_stop());
        told.store(true, Ordering::Relaxed);
        eprintln!("\nStopping after the runs that are under way. Once more to stop at once.");
        runtime.block_on(asked_to_stop());
        std::process::exit(INTERRUPTED);
    });
    Ok(stop)
}

/// A bar on a terminal; nothing elsewhere.
fn progress(scenario: &Scenario, seeds: u64) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(seeds), target);
    let template = "{spinner} {prefix}  {bar:32} {pos} of {len} seeds, {elapsed} so far";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(scenario.name().to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// The mean of a measure over the runs.
fn mean(runs: &[Run], key: &str) -> Option<Mean> {
    let place = MEASURES.iter().position(|measure| measure.key == key)?;
    let values: Vec<f64> = runs.iter().filter_map(|run| run.values[place]).collect();
    Mean::of(values)
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
    let settings: String = scenario.settings().iter().map(|setting| format!(", {setting}")).collect();
    let done = match runs.len() {
        done if done < seeds.len() => format!("{done} of {} seeds, stopped", seeds.len()),
        1 => format!("seed {}", runs[0].seed),
        done => format!("{done} seeds from {}", runs[0].seed),
    };
    let contacts: Vec<f64> = runs.iter().map(|run| run.contacts as f64).collect();
    let contacts = Mean::of(contacts).map_or(0.0, |it| it.mean);
    let captures = mean(runs, "captures").map_or(0.0, |it| it.mean);
    format!(
        "{}{settings}: {} devices, {} contacts, {} captures in {}; {done}",
        scenario.name(),
        runs[0].devices,
        whole(contacts),
        whole(captures),
        output::span(scenario.lasts_ms()),
    )
}

/// Each seed with its hash, by which a run is known again.
fn by_seed(runs: &[Run]) -> String {
    let value = |run: &Run, key: &str| {
        MEASURES.iter().position(|measure| measure.key == key).and_then(|place| run.values[place])
    };
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
fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

fn numbers(scenario: &Scenario, seeds: &[u64], runs: &[Run]) -> Value {
    let values = |run: &Run| -> serde_json::Map<String, Value> {
        MEASURES.iter().zip(&run.values).map(|(measure, value)| (measure.key.to_owned(), json!(value))).collect()
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
            Some((measure.key.to_owned(), json!({ "mean": it.mean, "half_of_95_percent": it.half_width })))
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
