//! A site in a temporary folder: its authority, and a home for each device.

use std::path::{Path, PathBuf};

use synth::Person;
use tempfile::TempDir;

use crate::check::on_file;
use crate::command::greenline;
use crate::process::Start;

/// See the module. A folder goes with its site, unless the test fails.
pub struct Site {
    folder: Option<TempDir>,
    path: PathBuf,
}

impl Site {
    /// Founds a site with the purposes that are given if nobody says otherwise.
    ///
    /// # Panics
    /// If the program can't.
    #[must_use]
    pub fn found() -> Self {
        Self::found_with(&[])
    }

    /// Founds a site with further arguments of `site new`.
    ///
    /// # Panics
    /// If the program can't.
    #[must_use]
    pub fn found_with(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().to_owned();
        let site = Self { folder: Some(folder), path };
        let authority = site.authority();
        let founding = ["site", "new", &as_text(&authority), "--name", "Post 4"].map(str::to_owned);
        let _ = greenline(founding.iter().map(String::as_str).chain(args.iter().copied())).ok();
        site
    }

    /// The folder of everything here.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The authority's folder.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.path.join("authority")
    }

    /// A device's folder.
    #[must_use]
    pub fn home(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Enrols a device as people do: request, answer, join. Without roles it only carries. Hubs come first.
    ///
    /// # Panics
    /// If the program can't.
    pub fn enrol(&self, name: &str, roles: &[&str]) {
        let answer = self.answer(name, roles, 30);
        let _ = greenline(["device", "join", "--home", &as_text(&self.home(name)), &answer]).ok();
    }

    /// The authority's answer to a device's request, not joined with yet.
    ///
    /// # Panics
    /// If the program can't.
    #[must_use]
    pub fn answer(&self, name: &str, roles: &[&str], days: u32) -> String {
        let request = greenline(["device", "request", "--home", &as_text(&self.home(name))]).ok();
        let (site, days) = (as_text(&self.authority()), days.to_string());
        let mut args = vec!["device", "enrol", "--site", &site, "--alias", name, "--days", &days];
        let roles = if roles.is_empty() { &["carrier"] } else { roles };
        args.extend(roles.iter().flat_map(|role| ["--role", role]));
        args.push(request.trim());
        greenline(args).ok().trim().to_owned()
    }

    /// Puts people with known prints into a hub's gallery.
    ///
    /// # Panics
    /// If the program can't.
    pub fn fill_gallery(&self, hub: &str, people: &[Person]) {
        for person in people {
            let home = as_text(&self.home(hub));
            let mut args = ["hub", "gallery", "add", "--home", &home, "--reference"].map(str::to_owned).to_vec();
            args.push(person.reference());
            for (finger, png) in on_file(person) {
                let file = self.path.join(format!("print-{finger}.png"));
                std::fs::write(&file, png).expect("a file for a print");
                args.extend(["--finger".to_owned(), format!("{finger}={}", as_text(&file))]);
            }
            let _ = greenline(args).ok();
        }
    }

    /// A device to start. It dials and listens on loopback only, and looks for nobody by itself.
    #[must_use]
    pub fn device(&self, name: &str) -> Start {
        Start::new(&self.path, name, &["run", "--no-mdns", "--no-book"])
    }

    /// A device to start as people do: it looks for others, and remembers whom it met. Only for machines of its own.
    #[must_use]
    pub fn device_at_large(&self, name: &str) -> Start {
        Start::new(&self.path, name, &["run"])
    }

    /// A hub to start, with one matcher process.
    #[must_use]
    pub fn hub(&self, name: &str) -> Start {
        Start::new(&self.path, name, &["hub", "run", "--workers", "1"])
    }
}

/// A path as an argument.
pub(crate) fn as_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("kept for you, with the logs of its processes: {}", folder.keep().display());
        }
    }
}
