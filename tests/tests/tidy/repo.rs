//! The repository as text, and what a rule finds in it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Folders that aren't ours: what the build makes, what version control keeps.
const NOT_OURS: [&str; 2] = ["target", ".git"];

/// Packages that are workspaces of their own: what holds for the workspace's packages doesn't hold for them.
const APART: [&str; 2] = ["crdt/fuzz/", "tests/fuzz/"];

/// All files by their path from the root. What isn't text is there too, and empty.
pub(crate) struct Repo(BTreeMap<String, String>);

impl Repo {
    /// The repository that this test belongs to.
    pub(crate) fn here() -> Self {
        let (root, mut files) = (root(), BTreeMap::new());
        read_into(&root, &root, &mut files);
        Self(files)
    }

    /// A made-up one, to plant a violation in.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    /// A file's text; empty if there is no such file.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.0.get(path).map_or("", String::as_str)
    }

    /// Whether there is such a file or folder.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        self.0.contains_key(path)
            || self.0.range(inside.clone()..).next().is_some_and(|(it, _)| it.starts_with(&inside))
    }

    /// The files whose paths end so, with their texts.
    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter(move |(path, _)| path.ends_with(end)).map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The same without packages that lie in no workspace of ours.
    pub(crate) fn in_workspace(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.ending(end).filter(|(path, _)| !APART.iter().any(|folder| path.starts_with(folder)))
    }

    /// Every line of the files whose paths end so: path, number from 1, line.
    pub(crate) fn lines(&self, end: &str) -> impl Iterator<Item = (&str, usize, &str)> {
        self.ending(end)
            .flat_map(|(path, text)| (1..).zip(text.lines()).map(move |(number, line)| (path, number, line)))
    }
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

fn read_into(root: &Path, dir: &Path, files: &mut BTreeMap<String, String>) {
    for item in fs::read_dir(dir).expect("a readable folder").flatten() {
        let path = item.path();
        if NOT_OURS.iter().any(|name| item.file_name() == *name) {
            continue;
        }
        if path.is_dir() {
            read_into(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            files.insert(name, fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

/// Something that isn't as it should be.
pub(crate) struct Finding {
    at: String,
    what: String,
}

impl Finding {
    /// About a whole file.
    pub(crate) fn file(path: &str, what: impl Into<String>) -> Self {
        Self { at: path.to_owned(), what: what.into() }
    }

    /// About one line.
    pub(crate) fn line(path: &str, number: usize, what: impl Into<String>) -> Self {
        Self { at: format!("{path}:{number}"), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// The rule holds here.
#[track_caller]
pub(crate) fn nothing(findings: &[Finding]) {
    let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

/// The rule sees what was planted: one finding for each place, in order.
#[track_caller]
pub(crate) fn finds(findings: &[Finding], places: &[&str]) {
    let found: Vec<&str> = findings.iter().map(|finding| finding.at.as_str()).collect();
    assert_eq!(found, places);
}

/// Says that a test couldn't look, past the test harness, which swallows what passing tests print.
pub(crate) fn skipped(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED tidy: {why}").expect("a place to say it");
}

#[test]
fn folders_are_there_as_well_as_files() {
    let repo = Repo::of(&[("a/b.rs", ""), ("a-c/d.rs", "")]);
    assert!(["a", "a/", "a/b.rs", "a-c"].iter().all(|path| repo.has(path)));
    assert!(["a/c.rs", "a-", "b.rs"].iter().all(|path| !repo.has(path)));
}
