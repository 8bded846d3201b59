//! Size of the program.

use std::path::Path;
use std::process::Command;

use tests::program;

pub(crate) fn measure() {
    let built = program();
    show("as built", &built);
    let folder = tempfile::tempdir().unwrap();
    let stripped = folder.path().join("greenline");
    let done = Command::new("strip").arg("-o").arg(&stripped).arg(&built).status();
    match done {
        Ok(status) if status.success() => show("stripped", &stripped),
        _ => println!("  stripped: there is no `strip` here"),
    }
}

fn show(what: &str, path: &Path) {
    let bytes = std::fs::metadata(path).unwrap().len();
    println!("  {what:50} {:.1} MB", bytes as f64 / 1e6);
}
