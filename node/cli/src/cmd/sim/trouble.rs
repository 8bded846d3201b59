//! How trouble went over many seeds: what was to strike, what did, and which rules it broke.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simulations::check::Failure as Broken;
use simulations::fuzz::Played;
use simulations::trouble::Class;

use crate::failure::Failure;
use crate::output;

/// Broken rules that are listed.
const LISTED_MAX: usize = 20;

/// See the module.
#[derive(Default)]
pub(super) struct Troubles {
    /// How often which was to strike.
    pub(super) drawn: BTreeMap<Class, u64>,
    /// How often it did.
    pub(super) struck: BTreeMap<Class, u64>,
    /// Seeds that broke a rule, and which was the first of each.
    pub(super) broken: BTreeMap<u64, Broken>,
}

impl Troubles {
    pub(super) fn add(&mut self, seed: u64, drawn: &BTreeMap<Class, u64>, played: &Played) {
        for (all, times) in [(&mut self.drawn, drawn), (&mut self.struck, &played.struck)] {
            times.iter().for_each(|(class, times)| *all.entry(*class).or_default() += times);
        }
        self.broken.extend(played.failure.clone().map(|failure| (seed, failure)));
    }

    /// A table, and what the rules say.
    pub(super) fn told(&self) -> String {
        let all = self.drawn.keys().map(|class| (*class, self.struck.get(class).copied().unwrap_or(0)));
        let mut lines = vec![struck(all), String::new()];
        if self.broken.is_empty() {
            lines.push("All rules hold.".to_owned());
        }
        let shown = self.broken.iter().take(LISTED_MAX);
        lines.extend(shown.map(|(seed, broken)| format!("Seed {seed} breaks `{}`: {}", broken.rule, broken.what)));
        if self.broken.len() > LISTED_MAX {
            lines.push(format!("... and {} more", self.broken.len() - LISTED_MAX));
        }
        lines.join("\n")
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let struck: BTreeMap<&str, u64> = self.struck.iter().map(|(class, times)| (class.name(), *times)).collect();
        let broken = self.broken.iter();
        let broken =
            broken.map(|(seed, it)| json!({"seed": seed, "rule": it.rule, "what": it.what, "at_ms": it.at_ms}));
        json!({ "struck": struck, "broken": broken.collect::<Vec<_>>() })
    }

    /// An error if a rule was broken. `again` is the command that plays a seed again.
    pub(super) fn holds(&self, seeds: &str, again: impl FnOnce(u64) -> String) -> Result<(), Failure> {
        let Some((seed, broken)) = self.broken.first_key_value() else { return Ok(()) };
        let what = format!("{} of {seeds} broke a rule, first `{}`", self.broken.len(), broken.rule);
        Err(Failure::new(what).hint(format!("play it again: {}", again(*seed))))
    }

    /// An error if something that was on never struck.
    pub(super) fn all_struck(&self) -> Result<(), Failure> {
        let silent = self.drawn.keys().filter(|class| !self.struck.contains_key(class));
        let silent: Vec<&str> = silent.map(|class| class.name()).collect();
        let Some(first) = silent.first() else { return Ok(()) };
        let hint = format!("what never strikes proves nothing: play more seeds, or --set faults.{first}=false");
        Err(Failure::new(format!("some trouble was on and never struck: {}", silent.join(", "))).hint(hint))
    }
}

/// How often which trouble struck, as a table.
pub(super) fn struck(times: impl IntoIterator<Item = (Class, u64)>) -> String {
    let rows = times.into_iter().map(|(class, times)| [class.name().replace('_', " "), times.to_string()]);
    output::table(["trouble", "struck"], rows)
}
