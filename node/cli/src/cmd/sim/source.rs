//! Where scenarios come from: a file, or one of those that come with the program.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use simulations::scenario::{SHIPPED, Scenario, ScenarioError, TEXT_BYTES_MAX, no_files, shipped};

use crate::failure::Failure;

/// A scenario, and what is set beside it.
#[derive(Args, Debug)]
pub(super) struct ScenarioArgs {
    /// A file, or the name of a scenario that comes with the program
    scenario: String,
    /// Set a key before the file is checked, as in `contacts.radio=ble` or `groups.post.count=5`; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl ScenarioArgs {
    pub(super) fn read(&self) -> Result<Scenario, Failure> {
        read(&self.scenario, &self.settings)
    }

    /// What it was called here.
    pub(super) fn name(&self) -> &str {
        &self.scenario
    }
}

/// One by the name of its file, or by its own.
pub(super) fn read(name: &str, settings: &[String]) -> Result<Scenario, Failure> {
    if let Some(it) = shipped(name) {
        return Scenario::read(&format!("{name}.toml"), it.text, settings, &no_files).map_err(told);
    }
    let path = Path::new(name);
    if !path.exists() && !name.contains(['/', '\\', '.']) {
        let names: Vec<&str> = SHIPPED.iter().map(|it| it.name).collect();
        let hint = format!("give a file, or one of {}; see `greenline sim scenarios`", names.join(", "));
        return Err(Failure::new(format!("there is no scenario `{name}`")).hint(hint));
    }
    let text = text(path).map_err(|error| {
        Failure::new(format!("{name}: {error}")).hint("check that the file is there, is text, and is yours to read")
    })?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    Scenario::read(name, &text, settings, &|file| open(&folder, file)).map_err(told)
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than may be, so that too long a file is told from one that is just not.
    File::open(path)?.take(TEXT_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// A file beside a scenario.
fn open(folder: &Path, file: &str) -> io::Result<Box<dyn BufRead>> {
    let path: PathBuf = folder.join(file);
    Ok(Box::new(BufReader::new(File::open(path)?)))
}

fn told(error: ScenarioError) -> Failure {
    let hint = error.hint.clone();
    Failure::new(error).hint(hint)
}
