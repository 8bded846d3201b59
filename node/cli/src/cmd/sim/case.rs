//! Which case is meant: that of a seed, or that in a file.

use std::path::PathBuf;

use clap::Args;
use simulations::fuzz::Case;
use simulations::trouble::Class;

use crate::failure::Failure;
use crate::input;
use crate::output;

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct CaseArgs {
    /// A file that `greenline sim shrink` wrote
    file: Option<PathBuf>,
    /// The seed that `greenline sim fuzz` named
    #[arg(long)]
    seed: Option<u64>,
}

impl CaseArgs {
    pub(super) fn read(&self) -> Result<Case, Failure> {
        let Some(file) = &self.file else { return Ok(Case::draw(self.seed.unwrap_or(0))) };
        let text = input::text(file)?;
        Case::from_toml(&text).map_err(|error| {
            let what = format!("{}: {error}", file.display());
            Failure::new(what)
                .hint("mend the file, or have it written anew: `greenline sim shrink --seed SEED --out FILE`")
        })
    }
}

/// How often which trouble struck, as a table.
pub(super) fn struck(times: impl IntoIterator<Item = (Class, u64)>) -> String {
    let rows = times.into_iter().map(|(class, times)| [class.name().replace('_', " "), times.to_string()]);
    output::table(["trouble", "struck"], rows)
}

/// A hash, as people compare it.
pub(super) fn hex(hash: &[u8; 32]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
