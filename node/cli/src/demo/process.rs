//! Real processes of this very program, on loopback, in temporary folders.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, HomeArg};
use crate::failure::Failure;

/// How long a process may take to say that it is ready.
const READY: Duration = Duration::from_secs(30);
/// How long it may take to stop when asked to.
const STOP: Duration = Duration::from_secs(10);

/// A running device or hub.
pub(super) struct Process {
    name: String,
    home: PathBuf,
    child: Child,
    client: Client,
    listening: Option<SocketAddr>,
}

impl Process {
    /// Starts `greenline ARGS --home FOLDER/NAME` and waits until it is ready. What it logs goes to a file in its folder.
    pub(super) fn start(folder: &Path, name: &str, args: &[String]) -> Result<Self, Failure> {
        let home = folder.join(name);
        let log = std::fs::File::create(home.join("log.txt"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .arg("--home")
            .arg(&home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let Some(stdout) = child.stdout.take() else { return Err(Failure::new("no output to read")) };
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            // Whoever waits gave up, or this was all it waited for.
            let _ = tell.send(lines.find_map(|line| line.ok().filter(|line| line.starts_with("ready:"))));
        });
        let Ok(Some(ready)) = told.recv_timeout(READY) else {
            let _ = child.kill();
            let log = std::fs::read_to_string(home.join("log.txt")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(3).collect();
            return Err(Failure::new(format!("{name} didn't start: {}", last.join(" / "))));
        };
        let listening = ready.split_whitespace().filter_map(|word| word.parse().ok()).next_back();
        let client = Client::connect(&HomeArg { home: home.clone() })?;
        Ok(Self { name: name.to_owned(), home, child, client, listening })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Where others reach it.
    pub(super) fn listening(&self) -> Result<SocketAddr, Failure> {
        self.listening.ok_or_else(|| Failure::new(format!("{} doesn't listen anywhere", self.name)))
    }

    /// A capture as this device knows it; nothing if it doesn't.
    pub(super) fn capture(&self, id: &str) -> Option<Value> {
        self.client.get(&format!("/api/captures/{id}")).ok()
    }

    /// Its state.
    pub(super) fn status(&self) -> Result<Value, Failure> {
        self.client.get("/api/status")
    }

    /// Switches it off in good order.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        self.end();
        Ok(())
    }

    /// The last lines of its log, for a failed demo.
    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.home.join("log.txt")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n    ")
    }

    fn end(&mut self) {
        if cfg!(unix) {
            let pid = self.child.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status();
            let asked = std::time::Instant::now();
            while asked.elapsed() < STOP {
                if matches!(self.child.try_wait(), Ok(Some(_))) {
                    return;
                }
                super::pause(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}
