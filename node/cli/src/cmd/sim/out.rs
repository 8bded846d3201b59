//! Files that simulations are told in: what is there already is never written over.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;

/// A folder for files that aren't there yet.
pub(super) struct Out {
    folder: PathBuf,
}

impl Out {
    /// Makes the folder, before anything is simulated for it. Refuses if one of the files is there.
    pub(super) fn prepare(folder: &Path, files: &[&str]) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|error| wrong(folder, &error))?;
        match files.iter().map(|file| folder.join(file)).find(|path| path.exists()) {
            Some(path) => Err(wrong(&path, &io::ErrorKind::AlreadyExists.into())),
            None => Ok(Self { folder: folder.to_owned() }),
        }
    }

    pub(super) fn text(&self, file: &str, text: &str) -> Result<(), Failure> {
        self.with(file, |to| to.write_all(text.as_bytes()))
    }

    pub(super) fn json(&self, file: &str, value: &Value) -> Result<(), Failure> {
        self.with(file, |to| {
            serde_json::to_writer_pretty(&mut *to, value)?;
            writeln!(to)
        })
    }

    pub(super) fn with(&self, file: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let path = self.folder.join(file);
        let told = |error: io::Error| wrong(&path, &error);
        let mut to = BufWriter::new(File::create_new(&path).map_err(told)?);
        write(&mut to).and_then(|()| to.flush()).map_err(told)
    }

    /// Where a file is, for people.
    pub(super) fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }
}

fn wrong(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(format!("{path} is there already")).hint("it is kept: give another folder with --out")
        }
        _ => Failure::new(format!("{path}: {error}")).hint("give a folder that you can write to with --out"),
    }
}
