//! Enrolment over the network: live, with two people who compare six words, or by join codes.

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

/// Makes codes and returns their texts and ids.
fn codes(site: &Site, args: &[&str]) -> Vec<(String, String)> {
    let authority = text(&site.authority());
    let told = greenline([&["site", "codes", "--site", &authority, "--role", "officer", "--json"], args].concat()).ok();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let word = |code: &serde_json::Value, member: &str| code[member].as_str().unwrap().to_owned();
    told["codes"].as_array().unwrap().iter().map(|code| (word(code, "code"), word(code, "id"))).collect()
}

/// An authority that takes whoever has a code, and where.
fn take_codes(site: &Site, name: &str) -> (Side, String) {
    let authority = text(&site.authority());
    let args = ["device", "enrol", "--site", &authority, "--lan", "--codes", "--listen", "127.0.0.1:0"];
    let mut side = Side::start(site, name, &args);
    let at = side.shows("On each device: greenline device join --lan ");
    (side, at.trim_end_matches(" --code CODE").to_owned())
}

/// How each code stands.
fn states(site: &Site) -> Vec<String> {
    let told = greenline(["site", "codes", "--site", &text(&site.authority()), "--list", "--json"]).ok();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    told["codes"].as_array().unwrap().iter().map(|code| code["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_batch_of_three_joins_by_codes_and_each_code_lets_one_in() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    let made = codes(&site, &["--count", "4", "--valid", "8h", "--alias-prefix", "tablet"]);
    let (authority, at) = take_codes(&site, "authority");
    let join = |name: &str, code: &str| join(&site, name, &at, &["--code", code]).ends();
    let refused = |name: &str, code: &str, why: &str| {
        let ran = join(name, code);
        assert!(ran.code == Some(1) && ran.err.contains(why) && ran.err.contains("Hint: "), "{name}: {}", ran.err);
    };

    let first = &made[0].0;
    assert!(join("one", &first.to_uppercase().replace('-', " ")).ok().contains("as `tablet-1` (officer)"));
    refused("other", first, "the code was used already, by another device");
    // Who missed the answer may ask again.
    assert!(join("one", first).ok().contains("as `tablet-1` (officer)"));
    let mistyped = [if first.starts_with('a') { "b" } else { "a" }, &first[1..]].concat();
    refused("other", &mistyped, "the code is mistyped");
    refused("other", &first[1..], "a code has 20 letters and digits");
    refused("other", &codes(&Site::found(), &[])[0].0, "this site has given out no such code");
    let withdrawn = greenline(["site", "codes", "--site", &text(&site.authority()), "--withdraw", &made[3].1]);
    assert!(withdrawn.ok().contains("is withdrawn"));
    refused("other", &made[3].0, "the code was withdrawn");
    assert_eq!(states(&site), ["used", "open", "open", "withdrawn"]);

    // Killed and started anew, it knows what was used.
    drop(authority);
    let (authority, at) = take_codes(&site, "again");
    let join = |name: &str, code: &str| self::join(&site, name, &at, &["--code", code]);
    assert!(join("other", first).ends().err.contains("the code was used already"));
    // Two devices with one code: one of them gets in.
    let racing = [join("two", &made[1].0), join("three", &made[1].0)].map(Side::ends);
    let won = racing.iter().filter(|ran| ran.code == Some(0)).count();
    let lost = racing.iter().find(|ran| ran.code == Some(1)).unwrap();
    assert!(won == 1 && lost.err.contains("the code was used already"), "{}", lost.err);
    assert!(join("four", &made[2].0).ends().ok().contains("as `tablet-3`"));
    let ended = authority.ends();
    assert!(ended.err.ends_with("No code is open any more.\n"), "{}", ended.err);
    assert!(ended.ok().contains("Enrolled `tablet-3` (officer), valid until "));
    assert_eq!(states(&site), ["used", "used", "used", "withdrawn"]);
    assert_eq!(roster(&site).as_array().unwrap().len(), 4);
    let trail = greenline(["audit", "show", "--authority", &text(&site.authority())]).ok();
    let noted =
        ["gave out code ", " use code ", "certified device ", "withdrew code "].map(|did| trail.matches(did).count());
    assert_eq!(noted, [4, 3, 4, 1], "who missed the answer is certified once: {trail}");

    let hub = site.hub("hub").start();
    let four = site.device("four").hub(&hub).start();
    let id = four.api().capture(&Check::with_picture(1));
    wait_for("the verdict", || four.api().verdict(&id));
}

#[test]
fn an_expired_code_lets_nobody_in_and_guessing_stops_the_listener() {
    let site = Site::found();
    let over = codes(&site, &["--valid", "1s"]);
    let _ = codes(&site, &["--valid", "1h"]);
    wait_for("the code to expire", || (states(&site) == ["expired", "open"]).then_some(()));
    let (authority, at) = take_codes(&site, "authority");
    let ran = join(&site, "ana", &at, &["--code", &over[0].0]).ends();
    assert!(ran.code == Some(1) && ran.err.contains("the code has expired"), "{}", ran.err);
    let others = codes(&Site::found(), &["--count", "10"]);
    for (code, _) in &others {
        let ran = join(&site, "ana", &at, &["--code", code]).ends();
        assert!(ran.err.contains("this site has given out no such code"), "{}", ran.err);
    }
    let ended = authority.ends();
    assert!(ended.code == Some(1) && ended.err.contains("somebody may be guessing"), "{}", ended.err);
    assert_eq!(roster(&site), json!([]));
}

#[test]
fn an_option_that_would_do_nothing_is_refused() {
    let enrol = ["device", "enrol", "--site", "s", "--role", "hub", "--alias", "hub", "REQUEST"];
    let join = ["device", "join", "--home", "h", "ANSWER"];
    let codes = ["site", "codes", "--site", "s", "--list"];
    for (command, option) in [
        (enrol.as_slice(), ["--listen", "127.0.0.1:0"].as_slice()),
        (&enrol, &["--words-from-stdin"]),
        (&join, &["--alias", "ana"]),
        (&join, &["--code", "aaaa"]),
        (&join, &["--words-from-stdin"]),
        (&codes, &["--count", "2"]),
        (&codes, &["--valid", "1h"]),
    ] {
        let ran = greenline([command, option].concat());
        assert!(ran.code == Some(2) && ran.err.contains("cannot be used with"), "{option:?}: {}", ran.err);
    }
}

#[test]
fn codes_and_words_do_not_mix() {
    let site = Site::found();
    let (code, _) = codes(&site, &[]).remove(0);
    let (_authority, at) = take_codes(&site, "authority");
    let ran = join(&site, "ana", &at, &["--words-from-stdin"]).ends();
    assert!(ran.code == Some(1) && ran.err.contains("takes devices that have a code"), "{}", ran.err);
    let (_other, at) = listen(&site, "other", &["--role", "hub", "--alias", "hub", "--words-from-stdin"]);
    let ran = join(&site, "ana", &at, &["--code", &code]).ends();
    assert!(ran.code == Some(1) && ran.err.contains("takes no codes now"), "{}", ran.err);
}
