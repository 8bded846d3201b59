//! A running device or hub: a process of its own.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::api::Api;
use crate::command::{Ran, command_in};
#[cfg(target_os = "linux")]
use crate::netns::{Machine, carry_into};
use crate::wait::wait_for;

/// Where processes on machines of their own listen.
#[cfg(target_os = "linux")]
pub const PORT: u16 = 7400;

/// A process that is to start.
#[derive(Clone, Debug)]
pub struct Start {
    folder: PathBuf,
    name: String,
    args: Vec<OsString>,
    listen: SocketAddr,
    log: String,
    /// The namespace that it is to run in.
    #[cfg(target_os = "linux")]
    inside: Option<String>,
    /// How far its clock is off, as `faketime` reads it.
    clock_off: Option<String>,
}

impl Start {
    pub(crate) fn new(folder: &Path, name: &str, args: &[&str]) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            args: args.iter().map(OsString::from).collect(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: "info".to_owned(),
            #[cfg(target_os = "linux")]
            inside: None,
            clock_off: None,
        }
    }

    /// Runs on this machine, and listens on all its networks.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn on(self, machine: &Machine) -> Self {
        let listen = SocketAddr::from(([0, 0, 0, 0], PORT));
        Self { inside: Some(machine.name().to_owned()), listen, ..self }
    }

    /// Dials this device.
    #[must_use]
    pub fn peer(self, peer: &Process) -> Self {
        self.peer_at(peer.listening())
    }

    /// Dials the device at an address.
    #[must_use]
    pub fn peer_at(self, peer: SocketAddr) -> Self {
        self.arg("--peer").arg(&peer.to_string())
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

    /// Has a clock that is wrong by so much: `-3d`, `+2h`.
    #[must_use]
    pub fn clock_off(self, by: &str) -> Self {
        Self { clock_off: Some(by.to_owned()), ..self }
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
        self.try_start().unwrap_or_else(|ran| panic!("{} ended ({:?}) and said:\n{}", self.name, ran.code, ran.err))
    }

    /// Starts it, and waits until it says that it is ready, or has ended.
    ///
    /// # Panics
    /// If it does neither.
    pub fn try_start(&self) -> Result<Process, Ran> {
        let (out, log) = (self.file("out"), self.file("log"));
        let mut child = self.spawn(&out, &log);
        let ready = wait_for(&format!("{} to be ready", self.name), || {
            let ended = child.try_wait().expect("a child can be asked");
            let said = read(&out);
            let ready = said.lines().find(|line| line.starts_with("ready:")).map(str::to_owned);
            match ended {
                Some(status) => Some(Err(Ran { code: status.code(), out: said, err: read(&log) })),
                None => ready.map(Ok),
            }
        })?;
        let listening = ready.split_whitespace().filter_map(|word| word.parse().ok()).next_back();
        let listening = listening.unwrap_or_else(|| panic!("{} listens nowhere: {ready}", self.name));
        let home = self.folder.join(&self.name);
        let api = self.reach(Api::of(&home));
        Ok(Process { name: self.name.clone(), api, home, child, listening, log })
    }

    fn spawn(&self, out: &Path, log: &Path) -> Child {
        let out = File::create(out).expect("a file for its output");
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a file for its log");
        let mut command = self.command();
        command.args(&self.args).arg("--home").arg(self.folder.join(&self.name));
        command.args(["--listen", &self.listen.to_string(), "--log", &self.log]);
        command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().expect("the program starts")
    }

    #[cfg(target_os = "linux")]
    fn command(&self) -> Command {
        command_in(self.inside.as_deref(), self.clock_off.as_deref())
    }

    #[cfg(not(target_os = "linux"))]
    fn command(&self) -> Command {
        command_in(None, self.clock_off.as_deref())
    }

    /// An API on the loopback of another namespace has to be reached from here.
    #[cfg(target_os = "linux")]
    fn reach(&self, api: Api) -> Api {
        match &self.inside {
            Some(namespace) => api.reached_at(carry_into(namespace, api.addr())),
            None => api,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn reach(&self, api: Api) -> Api {
        api
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

    /// The processes that it has started.
    ///
    /// # Panics
    /// If there is no `/proc`.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        let own = format!("PPid:\t{}", self.pid());
        let all = std::fs::read_dir("/proc").expect("Linux has /proc").flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| read(Path::new(&format!("/proc/{pid}/status"))).lines().any(|line| line == own)).collect()
    }

    /// A line of the system's word on its memory, in MiB: `VmRSS` for now, `VmHWM` for the most so far.
    ///
    /// # Panics
    /// If there is no `/proc`, or no such line.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn memory_mib(&self, line: &str) -> f64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.pid())));
        let found = status.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(':'));
        let kib = found.and_then(|found| found.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kib.unwrap_or_else(|| panic!("{} has no {line}", self.name)) / 1024.0
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

/// Ends any process at once.
///
/// # Panics
/// If there is no `kill`.
pub fn kill(pid: u32) {
    // It may be gone already.
    let _ =
        Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status().expect("kill is there");
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
