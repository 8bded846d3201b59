//! Many runs on all cores, with a bar, until they are over or somebody asks to stop.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use simulations::fuzz;
use simulations::many;
use simulations::report::Measured;
use simulations::scenario::Scenario;

use crate::failure::Failure;
use crate::shutdown::asked_to_stop;

/// Most seeds: the figures of each are held until the end, a kilobyte.
const SEEDS_MAX: u64 = 10_000;

/// Which seeds are played.
#[derive(Args, Debug)]
pub(super) struct SeedArgs {
    /// How many seeds to play
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
}

impl SeedArgs {
    pub(super) fn list(&self) -> Vec<u64> {
        (0..self.seeds).map(|number| self.seed.wrapping_add(number)).collect()
    }
}

/// One run of several settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    /// Which of the settings.
    pub(super) point: usize,
    pub(super) seed: u64,
}

/// Does every job, in whatever order they get done. Ends early, with the runs that are under way, once somebody asks to stop.
pub(super) fn all<J: Sync, T: Send>(
    name: &str,
    jobs: &[J],
    work: impl Fn(&J) -> T + Sync,
    mut take: impl FnMut(T),
) -> Result<(), Failure> {
    let stop = stop_when_asked()?;
    let bar = progress(name, jobs.len() as u64);
    many::each(jobs, many::cores(), &stop, work, |done| {
        take(done);
        bar.inc(1);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    Ok(())
}

/// What is measured of each run that got done, of scenarios by their points. One that breaks a rule is no measure of anything.
pub(super) fn measured(name: &str, jobs: &[Job], of: &[&Scenario]) -> Result<Vec<(Job, Measured)>, Failure> {
    let (mut done, mut broken) = (Vec::new(), None);
    let work = |job: &Job| (*job, fuzz::run(of[job.point], job.seed));
    all(name, jobs, work, |(job, ran)| {
        done.push((job, Measured::of(&ran.outcome)));
        let failure = ran.troubled.and_then(|troubled| troubled.played.failure);
        broken = broken.take().or_else(|| Some((job, failure?)));
    })?;
    match broken {
        None => Ok(done),
        Some((job, broken)) => {
            let what =
                format!("{}, seed {}: `{}` breaks: {}", title(of[job.point]), job.seed, broken.rule, broken.what);
            Err(Failure::new(what).hint("play it again with `greenline sim run` and this seed, which tells how"))
        }
    }
}

pub(super) fn nothing_done() -> Failure {
    let hint = "shorten the scenario, for example with `--set lasts='1 d'`";
    Failure::new("stopped before a run was over").hint(hint)
}

/// What a scenario is called, with what was set.
pub(super) fn title(scenario: &Scenario) -> String {
    let settings: String = scenario.settings().iter().map(|setting| format!(", {setting}")).collect();
    format!("{}{settings}", scenario.name())
}

/// Set once somebody asks to stop. Whoever asks again needn't wait.
pub(super) fn stop_when_asked() -> Result<Arc<AtomicBool>, Failure> {
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
pub(super) fn progress(name: &str, runs: u64) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(runs), target);
    let template = "{spinner} {prefix}  {bar:32} {pos} of {len} runs, {elapsed} so far";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
