//! The worker processes of these tests: this binary again, with the name of one test. libtest's own lines come before the
//! preamble, which the pool skips.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process, thread,
};

/// Set where this binary is to work.
const WORKER: &str = "MATCHER_TEST_WORKER";

/// Where a faulty worker keeps count, and what it does.
const FAULT_FOLDER: &str = "MATCHER_TEST_FAULT_FOLDER";
const FAULT: &str = "MATCHER_TEST_FAULT";

/// How a worker ends that was asked what it can't read.
pub(crate) const UNREADABLE: i32 = 3;

/// The file in that folder that says that a worker hangs.
pub(crate) const HANGS: &str = "hangs";

/// After so many bytes of input a faulty worker fails: inside its first picture.
const FAULT_AFTER_BYTES: usize = 1000;

#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Dies,
    Hangs,
}

/// The command of a sound worker.
pub(crate) fn sound() -> Vec<OsString> {
    let exe = env::current_exe().unwrap();
    let words = ["env", &format!("{WORKER}=1")].map(OsString::from);
    let test = ["workers::a_worker_ends_with_its_input", "--exact", "--nocapture"].map(OsString::from);
    [words.as_slice(), &[exe.into_os_string()], &test].concat()
}

/// The command of a worker whose first `times` processes fail in the middle of a picture.
pub(crate) fn faulty(folder: &Path, fault: Fault, times: usize) -> Vec<OsString> {
    fs::write(folder.join("times"), times.to_string()).unwrap();
    let assign = |name: &str, value: &str| OsString::from(format!("{name}={value}"));
    let kind = match fault {
        Fault::Dies => "dies",
        Fault::Hangs => "hangs",
    };
    let mut command = vec!["env".into(), assign(FAULT_FOLDER, folder.to_str().unwrap()), assign(FAULT, kind)];
    command.extend(sound());
    command
}

#[test]
fn a_worker_ends_with_its_input() {
    if env::var_os(WORKER).is_some() {
        let input = Faulty { fault: fault_left(), left: FAULT_AFTER_BYTES };
        process::exit(if matcher::serve(input, io::stdout()).is_ok() { 0 } else { UNREADABLE });
    }
    let mut said = Vec::new();
    matcher::serve(io::empty(), &mut said).unwrap();
    assert!(!said.is_empty(), "it greets whoever started it");
}

/// The fault of this process, if any of the count are left. Each process takes one, whichever comes first.
fn fault_left() -> Option<Fault> {
    let folder = PathBuf::from(env::var_os(FAULT_FOLDER)?);
    let times: usize = fs::read_to_string(folder.join("times")).unwrap().parse().unwrap();
    let taken = (0..times).any(|n| fs::File::create_new(folder.join(n.to_string())).is_ok());
    taken.then(|| if env::var(FAULT).unwrap() == "dies" { Fault::Dies } else { Fault::Hangs })
}

/// Standard input that fails when enough of it was read.
struct Faulty {
    fault: Option<Fault>,
    left: usize,
}

impl Read for Faulty {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = io::stdin().read(into)?;
        self.left = self.left.saturating_sub(read);
        match self.fault {
            Some(Fault::Dies) if self.left == 0 => process::abort(),
            Some(Fault::Hangs) if self.left == 0 => hang(),
            _ => Ok(read),
        }
    }
}

/// Leaves word that it hangs, for whoever waits for that, and does.
fn hang() -> ! {
    let folder = PathBuf::from(env::var_os(FAULT_FOLDER).unwrap());
    fs::write(folder.join(HANGS), "").unwrap();
    loop {
        thread::park();
    }
}
