//! What the tests of enrolment share: a site of their own, and homes beside it.

use std::path::PathBuf;

use crdt::site::Policy;
use tempfile::TempDir;

use super::SiteFolder;
use crate::home::Home;

pub(super) const NOW_MS: u64 = 1_800_000_000_000;

/// A site in a folder that goes with it.
pub(super) struct Fixture {
    dir: TempDir,
    pub(super) site: SiteFolder,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let site = SiteFolder::found(&dir.path().join("site"), "Post 4", Policy::default()).unwrap();
        Self { dir, site }
    }

    /// The site's folder.
    pub(super) fn folder(&self) -> PathBuf {
        self.dir.path().join("site")
    }

    /// A device that belongs nowhere yet.
    pub(super) fn home(&self, name: &str) -> Home {
        Home::create(&self.dir.path().join(name)).unwrap()
    }
}
