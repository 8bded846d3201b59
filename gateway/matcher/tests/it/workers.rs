//! The worker processes of these tests: this binary again, with the name of one ignored test. libtest's own lines come before the
//! preamble, which the pool skips.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process, thread,
};

/// Where a faulty worker keeps count, and what it does.
const FAULT_FOLDER: &str = "MATCHER_TEST_FAULT_FOLDER";
const FAULT: &str = "MATCHER_TEST_FAULT";

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
    [
        exe.as_os_str(),
        "workers::sound_worker".as_ref(),
        "--exact".as_ref(),
        "--ignored".as_ref(),
        "--nocapture".as_ref(),
    ]
    .map(OsString::from)
    .to_vec()
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
#[ignore = "no test but the worker process that every test of the pool starts"]
fn sound_worker() {
    let input = Faulty { fault: fault_left(), left: FAULT_AFTER_BYTES };
    matcher::serve(input, io::stdout()).unwrap();
    process::exit(0);
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
