//! A running device or hub: a process of its own.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::api::Api;
use crate::command::command;
use crate::wait::wait_for;

/// A process that is to start.
#[derive(Clone, Debug)]
pub struct Start {
    folder: PathBuf,
    name: String,
    args: Vec<OsString>,
    listen: SocketAddr,
    log: String,
}

impl Start {
    pub(crate) fn new(folder: &Path, name: &str, args: &[&str]) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            args: args.iter().map(OsString::from).collect(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: "info".to_owned(),
        }
    }

    /// Dials this device.
    #[must_use]
    pub fn peer(self, peer: &Process) -> Self {
        self.arg("--peer").arg(&peer.listening().to_string())
    }

    /// Forwards to this hub.
    #[must_use]
    pub fn hub(self, hub: &Process) -> Self {
        self.hub_at(hub.listening())
    }

    /// Forwards to the hub at an address.
    #[must_use]
    pub fn hub_at(self, hub: SocketAddr) -> Self {
        self.arg("--hub").arg(&hub.to_string())
    }

    /// Listens here, not on a port that the system chooses: for a process that comes back where others look for it.
    #[must_use]
    pub fn listen(self, listen: SocketAddr) -> Self {
        Self { listen, ..self }
    }

    /// Logs this much.
    #[must_use]
    pub fn log(self, filter: &str) -> Self {
        Self { log: filter.to_owned(), ..self }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Starts it, and waits until it says that it is ready.
    ///
    /// # Panics
    /// With its last words if it doesn't.
    #[must_use]
    pub fn start(&self) -> Process {
        let (out, log) = (self.file("out"), self.file("log"));
        let mut child = self.spawn(&out, &log);
        let ready = wait_for(&format!("{} to be ready", self.name), || {
            let said = std::fs::read_to_string(&out).unwrap_or_default();
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                panic!("{} ended ({status}) and said:\n{}", self.name, read(&log));
            }
            said.lines().find(|line| line.starts_with("ready:")).map(str::to_owned)
        });
        let listening = ready.split_whitespace().filter_map(|word| word.parse().ok()).next_back();
        let listening = listening.unwrap_or_else(|| panic!("{} listens nowhere: {ready}", self.name));
        let home = self.folder.join(&self.name);
        Process { name: self.name.clone(), api: Api::of(&home), home, child, listening, log }
    }

    /// Starts it where it can't run, and waits until it has ended. Returns how, and what it complained about.
    ///
    /// # Panics
    /// If it runs all the same.
    #[must_use]
    pub fn fails(&self) -> (Option<i32>, String) {
        let (out, log) = (self.file("out"), self.file("log"));
        let mut child = self.spawn(&out, &log);
        let ended = wait_for(&format!("{} to give up", self.name), || {
            if read(&out).contains("ready:") {
                let _ = child.kill();
                panic!("{} runs, and shouldn't", self.name);
            }
            child.try_wait().expect("a child can be asked")
        });
        (ended.code(), read(&log))
    }

    fn spawn(&self, out: &Path, log: &Path) -> Child {
        let out = File::create(out).expect("a file for its output");
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a file for its log");
        let mut command = command();
        command.args(&self.args).arg("--home").arg(self.folder.join(&self.name));
        command.args(["--listen", &self.listen.to_string(), "--log", &self.log]);
        command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().expect("the program starts")
    }

    /// Beside the home, so that a home holds what the program wrote there and nothing else.
    fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.name))
    }
}

/// See the module. Killed when it goes.
pub struct Process {
    name: String,
    home: PathBuf,
    child: Child,
    api: Api,
    listening: SocketAddr,
    log: PathBuf,
}

impl Process {
    /// What it was enrolled as.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Its API.
    #[must_use]
    pub const fn api(&self) -> &Api {
        &self.api
    }

    /// Where others reach it.
    #[must_use]
    pub const fn listening(&self) -> SocketAddr {
        self.listening
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged, and those before it on the same folder.
    #[must_use]
    pub fn logged(&self) -> String {
        read(&self.log)
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// If the system can't tell.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// Ends it as a power cut does, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// If it doesn't, or says that it failed.
    pub fn stop(mut self) {
        let pid = self.pid().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        assert!(asked.success(), "{} can't be asked to stop", self.name);
        let what = format!("{} to stop", self.name);
        let ended: ExitStatus = wait_for(&what, || self.child.try_wait().expect("a child can be asked"));
        assert!(ended.success(), "{} stopped with {ended}: {}", self.name, read(&self.log));
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
