//! Which case is meant: that of a seed, of a scenario under a seed, or that in a file.

use std::path::PathBuf;

use clap::Args;
use simulations::fuzz::Case;
use simulations::scenario::Scenario;

use super::source;
use crate::failure::Failure;
use crate::input;

/// What makes a scenario's trouble that says nothing of any itself.
pub(super) const SWARM: &str = "faults.swarm=true";

#[derive(Args, Debug)]
pub(super) struct CaseArgs {
    /// A file that `greenline sim shrink` wrote
    #[arg(required_unless_present = "seed", conflicts_with = "seed")]
    file: Option<PathBuf>,
    /// The seed that `greenline sim fuzz` or `sim run` named
    #[arg(long)]
    seed: Option<u64>,
    /// The scenario that it was of, if it was of one
    #[arg(long, value_name = "SCENARIO", requires = "seed")]
    scenario: Option<String>,
    /// What was set beside the scenario; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "scenario")]
    settings: Vec<String>,
}

impl CaseArgs {
    pub(super) fn read(&self) -> Result<Case, Failure> {
        let seed = self.seed.unwrap_or(0);
        if let Some(name) = &self.scenario {
            return of_scenario(&troubled(name, &self.settings)?, seed);
        }
        let Some(file) = &self.file else { return Ok(Case::draw(seed)) };
        let text = input::text(file)?;
        Case::from_toml(&text).map_err(|error| {
            let what = format!("{}: {error}", file.display());
            Failure::new(what)
                .hint("mend the file, or have it written anew: `greenline sim shrink --seed SEED --out FILE`")
        })
    }
}

/// A scenario with trouble: its own, or else such as is drawn.
pub(super) fn troubled(name: &str, settings: &[String]) -> Result<Scenario, Failure> {
    let scenario = source::read(name, settings)?;
    if scenario.has_faults() {
        return Ok(scenario);
    }
    source::read(name, &[settings, &[SWARM.to_owned()]].concat())
}

pub(super) fn of_scenario(scenario: &Scenario, seed: u64) -> Result<Case, Failure> {
    scenario.case(seed).ok_or_else(|| {
        Failure::new("nothing goes wrong in this scenario")
            .hint("say what in a table `[faults]`; see docs/SCENARIOS.md")
    })
}

/// The command that plays a scenario's seed again.
pub(super) fn again(name: &str, settings: &[String], seed: u64) -> String {
    let quoted = |text: &str| {
        let plain = |it: char| it.is_ascii_alphanumeric() || "-_./=,:".contains(it);
        if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
    };
    let settings: String = settings.iter().map(|setting| format!(" --set {}", quoted(setting))).collect();
    format!("greenline sim replay --scenario {}{settings} --seed {seed}", quoted(name))
}

/// A hash, as people compare it.
pub(super) fn hex(hash: &[u8; 32]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
