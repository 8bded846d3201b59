//! No reader of foreign bytes is forgotten: each is on the page of security, with a counted test and a fuzz target of one body.

use std::collections::BTreeSet;

use crate::repo::{Finding, Repo, finds, nothing};

const PAGE: &str = "docs/SECURITY.md";
/// How the table begins.
const HEAD: &str = "| reader, as its count calls it |";
/// Where fuzz targets are.
const TARGETS: [&str; 2] = ["crdt/fuzz/fuzz_targets/", "tests/fuzz/fuzz_targets/"];

/// What code looks like that makes sense of bytes. Split so that this file doesn't find itself.
const READS: [(&str, &str); 15] = [
    ("postcard::", "from_bytes"),
    ("serde_json::", "from_"),
    (" decode", "("),
    ("(decode", "("),
    ("decode", "::<"),
    ("BASE32.", "decode("),
    ("HEXLOWER.", "decode("),
    ("Change::", "from_bytes"),
    ("ImageReader::", "new("),
    ("ParsedCertificate::", "try_from"),
    (".read_", "exact("),
    (".read_", "until("),
    ("Multipart", "::"),
    ("DeTable::", "parse"),
    ("Rejection", ">"),
];

/// Files that look so and read nothing of anybody else's, or nothing that isn't read by a reader on the page.
const OWN: [(&str, &str); 6] = [
    ("crdt/src/codec.rs", "what all readers of values go through"),
    ("node/cli/src/client.rs", "answers of the own device"),
    ("node/cli/src/cmd/completions.rs", "what the argument parser wrote"),
    ("simulations/src/check/", "what the devices of a simulation say and hold"),
    ("simulations/src/liar.rs", "what a test's liar hears"),
    ("simulations/synth/src/", "made here, and where it is counted"),
];

/// A row of the table.
struct Row<'a> {
    number: usize,
    readers: Vec<&'a str>,
    sources: Vec<&'a str>,
    tests: Vec<&'a str>,
    target: &'a str,
}

fn rows(repo: &Repo) -> Vec<Row<'_>> {
    let lines = (1..).zip(repo.text(PAGE).lines()).skip_while(|(_, line)| !line.starts_with(HEAD)).skip(2);
    lines.take_while(|(_, line)| line.starts_with("| ")).map(|(number, line)| Row::read(number, line)).collect()
}

impl<'a> Row<'a> {
    fn read(number: usize, line: &'a str) -> Self {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let mut next = || cells.next().unwrap_or_default();
        let readers = next().split("; ").collect();
        let (sources, _bound, tests, target) = (code(next()), next(), code(next()), code(next()));
        Self { number, readers, sources, tests, target: target.first().copied().unwrap_or_default() }
    }
}

fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Rows whose test doesn't count the reader, and such whose target isn't one or has a body of its own.
fn unheld(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for row in rows(repo) {
        let mut miss = |what: String| found.push(Finding::line(PAGE, row.number, what));
        let folders: Vec<&str> = row.tests.iter().map(|test| folder_of(test)).collect();
        let counted = |reader: &&str| folders.iter().any(|folder| is_counted(repo, folder, reader));
        for reader in row.readers.iter().filter(|reader| !counted(reader)) {
            miss(format!("no test that is named here counts `{reader}`"));
        }
        let text = repo.text(row.target);
        let body = text.split("The body is in `").nth(1).and_then(|rest| rest.split('`').next()).unwrap_or_default();
        let call = text.rsplit("|data: &[u8]| ").next().and_then(|rest| rest.split('(').next()).unwrap_or_default();
        let function = format!("fn {}(", call.rsplit("::").next().unwrap_or_default());
        if !text.contains("fuzz_target!") || !repo.text(body).contains(&function) {
            miss(format!("`{}` is no fuzz target that calls a body in `{body}`", row.target));
        } else if !folders.iter().any(|folder| body.starts_with(folder)) {
            miss(format!("the body in `{body}` isn't the test's"));
        }
    }
    found
}

fn folder_of(test: &str) -> &str {
    test.rsplit_once('/').map_or(test, |(folder, _)| folder)
}

fn is_counted(repo: &Repo, folder: &str, reader: &str) -> bool {
    let near = repo.ending(".rs").filter(|(path, _)| path.starts_with(folder));
    near.into_iter().any(|(_, text)| text.contains(&format!("\"{reader}\"")))
}

/// What the page lacks: targets, counted readers, and files that read.
fn unlisted(repo: &Repo) -> Vec<Finding> {
    let rows = rows(repo);
    let targets: BTreeSet<&str> = rows.iter().map(|row| row.target).collect();
    let readers: BTreeSet<&str> = rows.iter().flat_map(|row| row.readers.iter().copied()).collect();
    let sources: BTreeSet<&str> = rows.iter().flat_map(|row| row.sources.iter().copied()).collect();
    let mut found = Vec::new();
    for (path, text) in repo.ending(".rs") {
        let is_target = TARGETS.iter().any(|folder| path.starts_with(folder)) && text.contains("fuzz_target!");
        if is_target && !targets.contains(path) {
            found.push(Finding::file(path, format!("{PAGE} doesn't name this target")));
        }
        let is_ours = !OWN.iter().any(|(own, _)| path.starts_with(own));
        for reader in counted(text).filter(|reader| is_ours && !readers.contains(reader)) {
            found.push(Finding::file(path, format!("`{reader}` is counted here, and {PAGE} doesn't name it")));
        }
        if is_source(path) && reads(text) && !sources.contains(path) {
            let what = format!("this reads bytes; name it in {PAGE}, with a counted test and a fuzz target");
            found.push(Finding::file(path, what));
        }
    }
    found
}

/// The readers that a file counts by name.
fn counted(text: &str) -> impl Iterator<Item = &str> {
    let calls = text.split("bears").filter_map(|rest| rest.strip_prefix('(')?.trim_start().strip_prefix('"'));
    calls.filter_map(|rest| rest.split('"').next())
}

fn is_source(path: &str) -> bool {
    let test = |part: &str| ["tests", "tests.rs", "bodies.rs", "benches", "fuzz"].contains(&part);
    path.contains("/src/") && !path.split('/').any(test) && !OWN.iter().any(|(own, _)| path.starts_with(own))
}

fn reads(text: &str) -> bool {
    let earnest = text.split("\nmod tests {").next().unwrap_or_default();
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    earnest
        .lines()
        .map(code)
        .any(|line| READS.iter().any(|(a, b)| line.contains(&[*a, *b].concat()) && !defines(&line)))
}

/// Whether a line says how something is read, and doesn't do it.
fn defines(line: &str) -> bool {
    line.contains("fn decode") || line.trim_start().starts_with("use ")
}

#[test]
fn every_reader_of_foreign_bytes_has_a_counted_test_and_a_target() {
    let repo = Repo::here();
    assert!(rows(&repo).len() > 30, "{} rows", rows(&repo).len());
    nothing(&unheld(&repo));
    nothing(&unlisted(&repo));
}

#[test]
fn a_reader_without_a_count_or_a_target_is_found() {
    let row = |reader: &str, source: &str, target: &str| {
        format!(
            "| {reader} | `node/src/{source}.rs` | 1 | `node/tests/mod.rs::t` | `tests/fuzz/fuzz_targets/{target}.rs` |\n"
        )
    };
    let rows =
        [row("held", "a", "a"), row("held; uncounted", "b", "a"), row("held", "c", "none"), row("held", "c", "own")];
    let page = format!("{HEAD}\n| --- |\n{}\n| after |", rows.concat());
    let count = |reader: &str| format!("fn t() {{ {}(\"{reader}\", body) }}", "bears");
    let target = |body: &str| format!("//! The body is in `{body}`.\nfuzz_target!(|data: &[u8]| bodies::read(data));");
    let read = format!("fn f() {{ {}(&bytes) }}\n", ["postcard::", "from_bytes"].concat());
    let [held, near, far, other] =
        [count("held") + &count("lost"), target("node/tests/bodies.rs"), target("gateway/tests/bodies.rs"), target("")];
    let repo = Repo::of(&[
        (PAGE, &page),
        ("gateway/tests/bodies.rs", "fn read(data: &[u8]) {}"),
        ("node/src/a.rs", &read),
        ("node/src/d.rs", &read),
        ("node/tests/bodies.rs", "fn read(data: &[u8]) {}"),
        ("node/tests/mod.rs", &held),
        ("tests/fuzz/fuzz_targets/a.rs", &near),
        ("tests/fuzz/fuzz_targets/other.rs", &other),
        ("tests/fuzz/fuzz_targets/own.rs", &far),
    ]);
    finds(&unheld(&repo), &["docs/SECURITY.md:4", "docs/SECURITY.md:5", "docs/SECURITY.md:6"]);
    finds(&unlisted(&repo), &["node/src/d.rs", "node/tests/mod.rs", "tests/fuzz/fuzz_targets/other.rs"]);
}
