//! Enrolment over the network: live, with two people who compare six words.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::json;
use tests::{Check, Ran, Site, command, greenline, wait_for};

/// One side of an enrolment: a command that somebody sits before.
struct Side {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Side {
    fn start(site: &Site, name: &str, args: &[&str]) -> Self {
        let file = |ending: &str| site.path().join(format!("{name}.lan.{ending}"));
        let (out, err) = (file("out"), file("err"));
        let mut command = command();
        command.args(args).stdin(Stdio::piped());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Self { child: command.spawn().unwrap(), out, err }
    }

    /// The rest of the line that begins so, once it is on the screen.
    fn shows(&mut self, start: &str) -> String {
        wait_for(start, || {
            let text = read(&self.err);
            let found = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let found = found.filter_map(|line| line.strip_prefix(start)).next().map(|rest| rest.trim().to_owned());
            let ended = self.child.try_wait().unwrap();
            assert!(found.is_some() || ended.is_none(), "it ended ({ended:?}) and said:\n{text}");
            found
        })
    }

    /// Somebody types a line.
    fn types(&mut self, line: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    fn ends(mut self) -> Ran {
        let status = wait_for("it to end", || self.child.try_wait().unwrap());
        Ran { code: status.code(), out: read(&self.out), err: read(&self.err) }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// An authority that listens, and where.
fn listen(site: &Site, name: &str, args: &[&str]) -> (Side, String) {
    let authority = text(&site.authority());
    let start = ["device", "enrol", "--site", &authority, "--lan", "--listen", "127.0.0.1:0"];
    let mut side = Side::start(site, name, &[&start, args].concat());
    let at = side.shows("On the device: greenline device join --lan ");
    (side, at)
}

/// A device that joins.
fn join(site: &Site, name: &str, at: &str, args: &[&str]) -> Side {
    let home = text(&site.home(name));
    Side::start(site, name, &[["device", "join", "--home", &home, "--lan", at].as_slice(), args].concat())
}

fn roster(site: &Site) -> serde_json::Value {
    let told = greenline(["site", "roster", &text(&site.authority()), "--json"]).ok();
    serde_json::from_str::<serde_json::Value>(&told).unwrap()["devices"].clone()
}

#[test]
fn people_compare_six_words_and_the_device_captures() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    let officer = ["--role", "officer", "--alias", "ana", "--words-from-stdin"];
    let (mut authority, at) = listen(&site, "authority", &officer);
    let mut device = join(&site, "ana", &at, &["--alias", "tablet \u{b4}7", "--words-from-stdin"]);
    let words = (authority.shows("words: "), device.shows("words: "));
    assert_eq!(words.0, words.1);
    assert_eq!(words.0.split(' ').count(), 6);
    assert_eq!(roster(&site).as_array().unwrap().len(), 1, "nobody is certified before both agree");
    device.types(&words.0);
    authority.types(&words.1.to_uppercase());
    let (told, joined) = (authority.ends(), device.ends());
    assert!(told.err.contains("asks to belong, and to be called `tablet \u{b4}7`."), "{}", told.err);
    assert!(told.ok().starts_with("Enrolled `ana` (officer), valid until "));
    assert!(joined.ok().starts_with("Joined `Post 4` as `ana` (officer), valid until "));

    let hub = site.hub("hub").start();
    let ana = site.device("ana").hub(&hub).start();
    let id = ana.api().capture(&Check::with_picture(1));
    let verdict = wait_for("the verdict", || ana.api().verdict(&id));
    assert_eq!(verdict["value"], json!("inconclusive"), "a picture of nothing");
}

#[test]
fn wrong_words_on_either_side_end_it_on_both_and_certify_nobody() {
    let site = Site::found();
    let hub = ["--role", "hub", "--alias", "hub", "--words-from-stdin"];
    for (name, wrong_here) in [("first", true), ("second", false)] {
        let (mut authority, at) = listen(&site, name, &hub);
        let mut device = join(&site, "hub", &at, &["--words-from-stdin"]);
        let words = authority.shows("words: ");
        let _ = device.shows("words: ");
        let (wrong, right) = if wrong_here { (&mut authority, &mut device) } else { (&mut device, &mut authority) };
        wrong.types("yes");
        right.types(&words);
        let (said_here, said_there) = (authority.ends(), device.ends());
        assert_eq!((said_here.code, said_there.code), (Some(1), Some(1)));
        for said in [&said_here.err, &said_there.err] {
            assert!(said.contains("aren't the same: somebody may be in between"), "{said}");
            assert!(said.contains("Hint: nothing was certified"), "{said}");
        }
    }
    assert_eq!(roster(&site), json!([]));
    let home = text(&site.home("hub"));
    assert!(greenline(["run", "--home", &home]).err.contains("belongs to no site yet"));
}

#[test]
fn without_anybody_to_compare_words_it_does_not_begin() {
    let site = Site::found();
    let authority = text(&site.authority());
    let ran = greenline(["device", "enrol", "--site", &authority, "--lan", "--role", "hub", "--alias", "hub"]);
    assert!(ran.code == Some(1) && ran.err.contains("no terminal to ask at"), "{}", ran.err);
    assert!(ran.err.contains("Hint: run the command in a terminal, or give --words-from-stdin"), "{}", ran.err);
}
