//! What each source file keeps to.

use crate::repo::{Finding, Repo, finds, nothing};

/// Files that decide and never act: time and randomness are arguments, orders are the same everywhere.
const PURE: [&str; 13] = [
    "crdt/src/",
    "gateway/src/intake.rs",
    "gateway/src/uplink.rs",
    "node/src/audit/line.rs",
    "node/src/audit/tally.rs",
    "node/src/audit/verify.rs",
    "node/src/dial.rs",
    "node/src/enrol/code.rs",
    "node/src/enrol/live.rs",
    "node/src/enrol/words.rs",
    "node/src/keystore.rs",
    "node/src/lock.rs",
    "simulations/src/",
];
/// The one place below them that acts.
const SHELL: &str = "crdt/src/store/redb/";
/// What the pure files do without, and what they do instead. Split so that this file doesn't find itself.
const BANNED: [(&str, &str, &str); 12] = [
    ("SystemTime", "::now", "time is an argument"),
    ("Instant", "::now", "time is an argument"),
    ("thread", "::sleep", "timers are outputs"),
    ("thread", "::spawn", "the shell has the threads"),
    ("Hash", "Map", "its order differs between runs; use BTreeMap"),
    ("Hash", "Set", "its order differs between runs; use BTreeSet"),
    ("std", "::fs", "the store is a trait; files are its business"),
    ("std", "::env", "configuration is an argument"),
    ("Udp", "Socket", "frames are arguments and outputs"),
    ("Tcp", "Stream", "frames are arguments and outputs"),
    ("tokio", "::", "the shell has the runtime"),
    ("getrandom", "::", "randomness is a seed"),
];

fn impurities(repo: &Repo) -> Vec<Finding> {
    let pure = |path: &str| PURE.iter().any(|start| path.starts_with(start)) && !path.starts_with(SHELL);
    let lines = repo.lines(".rs").filter(|(path, ..)| pure(path));
    let found = lines.filter_map(|(path, number, line)| {
        let (a, b, instead) = BANNED.iter().find(|(a, b, _)| code(line).contains(&[*a, *b].concat()))?;
        Some(Finding::line(path, number, format!("{a}{b} in a pure file: {instead}")))
    });
    found.collect()
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

#[test]
fn what_decides_is_pure() {
    nothing(&impurities(&Repo::here()));
}

#[test]
fn a_clock_or_an_unordered_map_in_the_core_is_found() {
    let clock = format!("// {0} is banned\nlet now = {0}();\n", ["Instant", "::now"].concat());
    let map = ["use std::collections::Hash", "Map;"].concat();
    let repo = Repo::of(&[
        ("crdt/src/time.rs", &clock),
        ("crdt/src/store/redb/mod.rs", &clock),
        ("gateway/src/driver.rs", &clock),
        ("simulations/src/world.rs", &map),
    ]);
    finds(&impurities(&repo), &["crdt/src/time.rs:2", "simulations/src/world.rs:1"]);
}

fn headless(repo: &Repo) -> Vec<Finding> {
    let headless = repo.ending(".rs").filter(|(_, text)| !text.starts_with("//! "));
    headless.map(|(path, _)| Finding::line(path, 1, "begin with `//!` and say what this file is")).collect()
}

#[test]
fn every_file_says_what_it_is() {
    nothing(&headless(&Repo::here()));
}

#[test]
fn a_file_without_a_beginning_is_found() {
    let repo = Repo::of(&[("a.rs", "//! A file.\n"), ("b.rs", "use std::fmt;\n"), ("c.rs", "")]);
    finds(&headless(&repo), &["b.rs:1", "c.rs:1"]);
}

/// Lints that test code is free of anyway: a panic is how a test fails, and nobody reads its documentation.
const FREE_IN_TESTS: [&str; 2] = ["clippy::unwrap_used", "missing_docs"];

fn unreasoned(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in repo.ending(".rs") {
        for start in ["[allow(", "[expect("] {
            for (at, _) in text.match_indices(start) {
                if !is_attribute(&text[..at]) || has_reason(path, text, at + start.len()) {
                    continue;
                }
                let number = text[..at].matches('\n').count() + 1;
                found.push(Finding::line(path, number, "say why: `reason = \"...\"`"));
            }
        }
    }
    for (path, number, line) in repo.lines(".clippy.toml").filter(|(.., line)| line.contains("path =")) {
        if !line.contains("reason =") {
            found.push(Finding::line(path, number, "a ban carries its reason"));
        }
    }
    found
}

fn is_attribute(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default().trim_start();
    line == "#" || line == "#!"
}

fn has_reason(path: &str, text: &str, at: usize) -> bool {
    let inside = text[at..].split(")]").next().unwrap_or_default();
    let (before, after) = (&text[..at], &text[at..]);
    let test_code = ["/tests/", "/benches/"].iter().any(|folder| path.contains(folder))
        || before.contains("#[cfg(test)]")
        || after.split(")]\n").nth(1).is_some_and(|next| next.starts_with("#[cfg(test)]"));
    let free = inside.split(',').all(|lint| FREE_IN_TESTS.contains(&lint.trim()));
    inside.contains("reason =") || (test_code && free)
}

#[test]
fn every_exception_and_every_ban_has_a_reason() {
    nothing(&unreasoned(&Repo::here()));
}

#[test]
fn an_exception_without_a_reason_is_found() {
    let (bare, why) = ("#[allow(unsafe_code)]\n", "#[expect(unsafe_code, reason = \"C\")]\n");
    let in_tests = "#[cfg(test)]\nmod tests {\n    #![allow(clippy::unwrap_used)]\n";
    let repo = Repo::of(&[
        ("a.rs", &[why, bare].concat()),
        ("b.rs", in_tests),
        ("c/tests/it/main.rs", "#![allow(clippy::unwrap_used, missing_docs)]\n"),
        ("d/tests/it/main.rs", "#![allow(clippy::unwrap_used, dead_code)]\n"),
        (".clippy.toml", "    { path = \"a\", reason = \"b\" },\n    { path = \"a\" },\n"),
    ]);
    finds(&unreasoned(&repo), &["a.rs:2", "d/tests/it/main.rs:1", ".clippy.toml:2"]);
}

/// What isn't finished. Split so that this file doesn't find itself.
const UNFINISHED: [(&str, &str); 8] = [
    ("to", "do!"),
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X:"),
    ("unimple", "mented!("),
    ("dbg", "!("),
    ("(being", " written)"),
    ("//! (", "stub)"),
];
/// Places on one machine.
const PLACES: [(&str, &str); 3] = [("/wo", "rk/"), ("/ro", "ot/"), ("/tmp", "/wt/")];

fn unfinished(repo: &Repo) -> Vec<Finding> {
    let texts = [".rs", ".md", ".toml", "/run"].into_iter().flat_map(|end| repo.lines(end));
    let found = texts.filter_map(|(path, number, line)| {
        let among = |list: &[(&str, &str)]| list.iter().any(|(a, b)| line.contains(&[*a, *b].concat()));
        if among(&UNFINISHED) {
            return Some(Finding::line(path, number, "finish it, or write down what is left where people look for it"));
        }
        among(&PLACES).then(|| Finding::line(path, number, "a path of one machine; nobody else has it"))
    });
    found.collect()
}

#[test]
fn nothing_is_left_unfinished() {
    nothing(&unfinished(&Repo::here()));
}

#[test]
fn a_leftover_is_found() {
    let later = ["// TO", "DO: later\n"].concat();
    let place = ["see /wo", "rk/notes\n"].concat();
    let repo = Repo::of(&[("a.rs", &later), ("b.md", &place), ("c.rs", "// to do it well\n")]);
    finds(&unfinished(&repo), &["a.rs:1", "b.md:1"]);
}
