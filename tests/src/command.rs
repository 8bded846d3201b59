//! The `greenline` program under test, run to its end.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where the program is: two folders up from the test executable, in the same profile.
///
/// # Panics
/// If it wasn't built.
#[must_use]
pub fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    let profile = own.parent().and_then(Path::parent).expect("tests are in target/<profile>/deps");
    let program = profile.join(format!("greenline{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "there is no {}: build it first, with `cargo build --release`", program.display());
    program
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it complained about.
    pub err: String,
}

/// Runs `greenline` with these arguments.
///
/// # Panics
/// If it can't be started.
pub fn greenline<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Ran {
    let output = command().args(args).stdin(Stdio::null()).output().expect("the program starts");
    output.into()
}

/// The program with an environment that is the same everywhere.
#[must_use]
pub fn command() -> Command {
    command_in(None, None)
}

/// The same, in a network namespace, and with a clock that is off by so much. Time that is measured, rather than read, goes on as ever.
pub(crate) fn command_in(namespace: Option<&str>, clock_off: Option<&str>) -> Command {
    let mut command = match namespace {
        None => Command::new(program()),
        Some(namespace) => {
            // It becomes the program, so a signal to it is one to the program.
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace]).arg(program());
            command
        }
    };
    if let (Some(off), Some(library)) = (clock_off, faketime()) {
        // Not the command `faketime`: it stays the parent of what it starts, and hands no signal on.
        command.env("LD_PRELOAD", library).env("FAKETIME", off);
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    }
    in_a_plain_environment(command)
}

/// Whether processes can be given a wrong clock here. Says so if they can't.
#[must_use]
pub fn can_fake_time() -> bool {
    let found = faketime().is_some();
    if !found {
        skipped("clocks that are wrong: there is no libfaketime");
    }
    found
}

/// The library that makes clocks wrong, wherever this system keeps it.
fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].into_iter().map(PathBuf::from);
    let below = folders.clone().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let places = folders.chain(below.map(|entry| entry.path()));
    places.map(|place| place.join("faketime/libfaketimeMT.so.1")).find(|library| library.is_file())
}

/// Says aloud, past what captures a test's output, that something isn't tested here.
///
/// # Panics
/// If there is nowhere to say it.
pub fn skipped(what: &str) {
    writeln!(io::stderr(), "SKIPPED {what}").expect("a place to say it");
}

fn in_a_plain_environment(mut command: Command) -> Command {
    command
        .env_remove("GREENLINE_OPERATOR")
        .env_remove("GREENLINE_HOME")
        .env_remove("XDG_DATA_HOME")
        .env("HOME", "/nowhere");
    command.env_remove("GREENLINE_PASSPHRASE_FILE").env_remove("GREENLINE_KEY_FILE");
    // Most tests aren't about protection, and a passphrase costs what a try shall cost.
    command.env("GREENLINE_NO_PASSPHRASE", "1").env("NO_COLOR", "1").env("TZ", "UTC");
    command
}

impl Ran {
    /// What it printed, of a command that must succeed.
    ///
    /// # Panics
    /// If it failed.
    #[must_use]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}
