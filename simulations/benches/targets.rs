//! What simulations are to keep: `cargo bench -p simulations --bench targets`, with `-- wb21 speed fuzz same bytes` for some of it, and
//! a number for so many seeds of small worlds.
//!
//! Prints each figure beside what it is to be, and fails on none: machines differ. So what takes time is told in checks of a signature
//! too, which are measured in the same run and are most of what a device does. WB21 is that of the published traces if `GREENLINE_TRACES`
//! names their folder, and the scenario that comes with the program otherwise.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crdt::sync::Sort;
use simulations::fuzz::{Case, play};
use simulations::many;
use simulations::operation::{self, Outcome, Plan, Radio};
use simulations::scenario::{Scenario, no_files, shipped};
use simulations::{Member, Pace, World};

/// Signatures checked one by one: enough for a figure.
const CHECKS: u32 = 5_000;
/// Seeds of small worlds, if the command line doesn't say.
const SEEDS: u64 = 500;
/// What the issue asks of them: so many in so long.
const SEEDS_ASKED: u64 = 10_000;
const SEEDS_BUDGET: Duration = Duration::from_secs(600);
/// And of a thousand devices: so many days in so long.
const DAYS_ASKED: f64 = 14.0;
const DAYS_BUDGET: Duration = Duration::from_secs(60);

const DAY_MS: f64 = 86_400_000.0;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let seeds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(SEEDS);
    let asked: Vec<&str> = words.iter().map(String::as_str).filter(|word| word.parse::<u64>().is_err()).collect();
    let wants = |part: &str| asked.is_empty() || asked.contains(&part);
    let check = check_of_a_signature();
    println!("one check of a signature: {:.1} us", check.as_secs_f64() * 1e6);
    if wants("wb21") {
        wb21(check);
    }
    if wants("speed") {
        speed(check);
    }
    if wants("fuzz") {
        fuzz(seeds, check);
    }
    if wants("same") {
        same();
    }
    if wants("bytes") {
        ["stonebrood", "ferry", "slovenia"].into_iter().for_each(|name| bytes(name, &operation::run(&plan(name), 1)));
    }
}

/// How long a check takes that can't be saved.
fn check_of_a_signature() -> Duration {
    let mut world = World::new(1);
    world.add(Member::Hub);
    let device = world.add(Member::Officer);
    let id = world.capture(device, 1, 100);
    let at = world.view(device, id).origin.unwrap().at;
    let entry = world.engine(device).replica().entry(at).unwrap().unwrap();
    let began = Instant::now();
    for _ in 0..CHECKS {
        black_box(&entry).signed.verify().unwrap();
    }
    began.elapsed() / CHECKS
}

fn plan(name: &str) -> Plan {
    Scenario::read(name, shipped(name).unwrap().text, &[], &no_files).unwrap().plan(1)
}

/// How much of what was possible arrives, and how soon.
fn wb21(check: Duration) {
    let (name, plan) = match std::env::var_os("GREENLINE_TRACES") {
        Some(folder) => ("WB21 of the published traces", published(&PathBuf::from(folder))),
        None => ("WB21 as it comes with the program (GREENLINE_TRACES names no folder of traces)", plan("wb21")),
    };
    let (outcome, took) = timed(&plan);
    println!("\n{name}: {} devices, {} captures", plan.devices.len(), plan.captures.len());
    for (what, spread) in [("to the hub", outcome.delivery()), ("to the answer", outcome.answer())] {
        let (delivered, possible) = (spread.delays.delivered() * 100.0, spread.oracle.delivered() * 100.0);
        let less = possible - delivered;
        println!("  {what}: {delivered:.2} % of {possible:.2} % possible, {less:.2} points less (at most 1)");
        if let Some((half, most)) = spread.ratio {
            println!("  {what}: {half:.4} times the possible delay at p50 (at most 1.05), {most:.4} at p90 (1.25)");
        }
    }
    bytes(name, &outcome);
    pace(&plan, took, check);
}

/// The operation of the published files, with radios of 10 Mbit/s that take two seconds to link.
fn published(folder: &std::path::Path) -> Plan {
    let text = "name = \"syn_wb21\"\nlasts = \"14 d\"\n[contacts]\nradio = \"wifi-ap\"\ntrace = \"syn_wb21.csv\"\n\
        [groups.all]\nnodes = \"all\"\nuplink = { profile = \"4g\", windows_csv = \"syn_wb21.windows.csv\" }\n\
        [captures.all]\ncsv = \"syn_wb21.captures.csv\"\n";
    let open = |file: &str| -> std::io::Result<Box<dyn BufRead>> {
        Ok(Box::new(BufReader::new(File::open(folder.join(file))?)))
    };
    let mut plan = Scenario::read("syn_wb21", text, &[], &open).unwrap().plan(1);
    let pace = Pace { latency_ms: 5, bits_per_s: Some(10_000_000), loss_ppm: 0 };
    plan.radio = Radio { setup_ms: 2_000, pace };
    plan.screening_ms = 10_000;
    for way in plan.devices.iter_mut().filter_map(|device| device.way_out.as_mut()) {
        (way.setup_ms, way.pace) = (200, pace);
    }
    plan
}

/// How fast a thousand devices are played.
fn speed(check: Duration) {
    let text = shipped("thousand").unwrap().text;
    // A fourteenth of its captures: it says how many there are in all.
    let day =
        ["lasts=1 d", "captures.crossing.total=338", "captures.reception.total=450", "captures.patrols.total=154"];
    let plan = Scenario::read("thousand", text, &day.map(str::to_owned), &no_files).unwrap().plan(1);
    let (_, took) = timed(&plan);
    println!("\na day of {} devices, {} captures", plan.devices.len(), plan.captures.len());
    pace(&plan, took, check);
    let all = took.mul_f64(DAYS_ASKED);
    let (all_s, budget_s) = (all.as_secs_f64(), DAYS_BUDGET.as_secs());
    println!("  {DAYS_ASKED} days at that pace: {all_s:.0} s on one core (at most {budget_s})");
}

fn pace(plan: &Plan, took: Duration, check: Duration) {
    let (days, seconds) = (plan.ends_ms as f64 / DAY_MS, took.as_secs_f64());
    let checks = seconds / check.as_secs_f64();
    println!(
        "  {days:.0} virtual days in {seconds:.1} s: {:.3} days a second; a day takes {:.0} checks of a signature",
        days / seconds,
        checks / days
    );
}

/// How many small worlds in which everything goes wrong are played, and whether the rules hold in them.
fn fuzz(seeds: u64, check: Duration) {
    let all: Vec<u64> = (0..seeds).collect();
    let mut broken = Vec::new();
    let began = Instant::now();
    let one = |seed: &u64| (*seed, play(&Case::draw(*seed)).failure);
    many::each(&all, many::cores(), &AtomicBool::new(false), one, |(seed, failure)| {
        broken.extend(failure.map(|failure| format!("seed {seed} breaks `{}`: {}", failure.rule, failure.what)));
        ControlFlow::Continue(())
    });
    let took = began.elapsed();
    let (each, cores) = (took.as_secs_f64() / seeds as f64, many::cores());
    println!("\n{seeds} seeds of small worlds on {cores} cores: {:.1} a second", 1.0 / each);
    println!("  each takes {:.0} checks of a signature", each * cores as f64 / check.as_secs_f64());
    let (all_s, budget_s) = (each * SEEDS_ASKED as f64, SEEDS_BUDGET.as_secs());
    println!("  {SEEDS_ASKED} at that pace: {all_s:.0} s (at most {budget_s}); {} broke a rule (0)", broken.len());
    broken.iter().for_each(|line| println!("  {line}"));
}

/// The same run twice.
fn same() {
    let plan = plan("stonebrood");
    let [one, other] = [(); 2].map(|()| operation::run(&plan, 1).hash);
    println!("\nstonebrood twice: hashes are {} (equal)", if one == other { "equal" } else { "NOT EQUAL" });
}

/// What was moved, by what it was.
fn bytes(name: &str, outcome: &Outcome) {
    let (traffic, surplus) = (outcome.traffic, outcome.traffic.entries_surplus());
    let needed = traffic.entries_needed_bytes as f64;
    let over = |bytes: u64| bytes as f64 / needed;
    let (links, sent) = (traffic.links(), traffic.sent);
    println!(
        "  {name}: {:.3} bytes of entries moved for each needed (at most 1.2): came again {:.3}, around them {:.3}, lost {:.3}",
        over(traffic.entries_sent_bytes),
        over(surplus.twice_bytes),
        over(surplus.around_bytes),
        over(surplus.lost_bytes),
    );
    let each = (sent.bytes(Sort::Handshake) + sent.bytes(Sort::Opening)) as f64 / links.max(1) as f64;
    println!(
        "  all but images: {:.3}; {links} links at {each:.0} bytes each; {needed:.0} bytes needed",
        over(traffic.entries_sent_bytes + traffic.besides_bytes())
    );
    for sort in Sort::ALL {
        println!("    {sort:?}: {} frames, {} bytes", sent.frames(sort), sent.bytes(sort));
    }
}

/// Plays a plan, on one core. Says how much of it that took.
fn timed(plan: &Plan) -> (Outcome, Duration) {
    let (wall, before) = (Instant::now(), cpu());
    let outcome = operation::run(plan, 1);
    let took = before.and_then(|before| Some(cpu()? - before)).unwrap_or_else(|| wall.elapsed());
    (outcome, took)
}

/// What this process has had of processors, if the system tells: others may use them too.
fn cpu() -> Option<Duration> {
    /// Linux counts in hundredths of a second, whatever it counts in inside.
    const TICK_MS: u64 = 10;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * TICK_MS))
}
