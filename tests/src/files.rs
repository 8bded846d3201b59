//! Looking through the files of processes.

use std::path::{Path, PathBuf};

/// All files in a folder and in the folders in it. A folder may go while it is looked at.
#[must_use]
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

/// Whether `needle` stands somewhere in `bytes`.
#[must_use]
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let mut at = bytes.iter().enumerate().filter(|(_, b)| needle.first() == Some(*b)).map(|(at, _)| at);
    at.any(|at| bytes[at..].starts_with(needle))
}
