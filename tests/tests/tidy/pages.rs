//! Documentation that can't drift: what a page names is there, and what must be on a page is on it.

use crate::repo::{Finding, Repo, finds, nothing};

/// The page whose invariants name their tests.
const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";
/// What all commands say of themselves.
const HELP: &str = "tests/tests/it/snapshots/help.txt";
/// The page with every byte.
const FORMATS: &str = "docs/FORMATS.md";
/// Characters of a pattern, an example or a command line, not of a path.
const NOT_A_PATH: [char; 9] = ['<', '>', '*', '{', '}', '$', '…', '=', '#'];

/// A piece of code in prose, and where.
struct Named<'a> {
    page: &'a str,
    number: usize,
    what: &'a str,
}

impl Named<'_> {
    /// The path that it is, with the function in it, if it is one of this repository's.
    fn path(&self, repo: &Repo) -> Option<(&str, Option<&str>)> {
        let word = self.what.split_whitespace().next()?;
        let (path, function) = word.split_once("::").map_or((word, None), |(path, name)| (path, Some(name)));
        let (top, _) = path.split_once('/')?;
        let ours = repo.has(top) && !path.contains(NOT_A_PATH);
        ours.then_some((path, function))
    }
}

/// All code in backticks: in pages, and in the comments of sources.
fn named(repo: &Repo) -> Vec<Named<'_>> {
    let mut named = Vec::new();
    for (page, text) in repo.ending(".md").chain(repo.ending(".rs")) {
        let (is_page, mut fenced) = (page.ends_with(".md"), false);
        for (number, line) in (1..).zip(text.lines()) {
            fenced ^= is_page && line.starts_with("```");
            let prose = if is_page { !fenced } else { line.trim_start().starts_with("//") };
            if prose && !line.contains("```") {
                named.extend(line.split('`').skip(1).step_by(2).map(|what| Named { page, number, what }));
            }
        }
    }
    named
}

fn dead_paths(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in named(repo) {
        let Some((path, function)) = name.path(repo) else { continue };
        let at = |what| Finding::line(name.page, name.number, what);
        if !repo.has(path) && !is_beside(repo, name.page, path) {
            found.push(at(format!("there is no {path}; name what took its place")));
        } else if let Some(function) = function.filter(|function| !has_function(repo, path, function)) {
            found.push(at(format!("there is no function {function} in {path}")));
        }
    }
    found.extend(dead_pages(repo));
    found
}

/// Whether a path is meant from a folder around the page: from its package, say.
fn is_beside(repo: &Repo, page: &str, path: &str) -> bool {
    page.match_indices('/').any(|(end, _)| repo.has(&format!("{}/{path}", &page[..end])))
}

fn has_function(repo: &Repo, path: &str, name: &str) -> bool {
    repo.text(path).contains(&format!("fn {name}("))
}

/// Pages named in messages and comments, in backticks or not.
fn dead_pages(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    let lines = [".rs", ".toml"].into_iter().flat_map(|end| repo.lines(end));
    // The tests below plant pages that aren't there.
    for (path, number, line) in lines.filter(|(path, ..)| !path.starts_with("tests/tests/tidy/")) {
        let words = line.split(|c: char| !(c.is_alphanumeric() || "/._-".contains(c)));
        let pages = words.filter(|word| word.starts_with("docs/") && word.ends_with(".md"));
        let dead = pages.filter(|page| !repo.has(page) && !line.contains(&format!("`{page}`")));
        found.extend(
            dead.map(|page| Finding::line(path, number, format!("there is no {page}; name what took its place"))),
        );
    }
    found
}

#[test]
fn what_documentation_names_is_there() {
    nothing(&dead_paths(&Repo::here()));
}

#[test]
fn a_dead_path_is_found() {
    let page =
        "`node/a.rs` `node/a.rs::f` `node/` `cargo run`\n`node/b.rs`\n```\n`node/c.rs`\n```\n`node/a.rs::g` `/api/b`\n";
    let source = "/// `node/d/<id>` and `node/e`.\nfn f() { \"`node/x`\" }\nlet hint = \"see docs/GONE.md\";\n";
    let inner = "//! `node/near.rs`, from here\n//! `node/far.rs`\n";
    let repo =
        Repo::of(&[("docs/PAGE.md", page), ("node/a.rs", source), ("node/b/c.rs", inner), ("node/b/node/near.rs", "")]);
    finds(&dead_paths(&repo), &["docs/PAGE.md:2", "docs/PAGE.md:6", "node/a.rs:1", "node/b/c.rs:2", "node/a.rs:3"]);
}

/// Commands that messages, pages and comments send people to, and that aren't there.
fn dead_commands(repo: &Repo) -> Vec<Finding> {
    let headings =
        repo.text(HELP).lines().filter_map(|line| line.strip_prefix("$ greenline ")?.strip_suffix(" --help"));
    let commands: Vec<&str> = headings.collect();
    let mut found = Vec::new();
    for (path, number, line) in repo.lines(".rs").chain(repo.lines(".md")) {
        for sent in ["see `greenline ", "run `greenline "] {
            for (_, rest) in line.match_indices(sent).map(|(at, _)| line.split_at(at + sent.len())) {
                let name: &str = rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap_or_default();
                if !name.is_empty() && !commands.contains(&name) {
                    found.push(Finding::line(path, number, format!("there is no command `greenline {name}`")));
                }
            }
        }
    }
    found
}

#[test]
fn commands_that_people_are_sent_to_are_there() {
    nothing(&dead_commands(&Repo::here()));
}

#[test]
fn a_dead_command_is_found() {
    let help = "$ greenline --help\n$ greenline list --help\n$ greenline set-aside --help\n";
    // Put together, so that it isn't found here.
    let sent = |command: &str| format!("// see `{} {command}`, or run `{0} list --all`\n", "greenline");
    let source = [sent("set-aside"), sent("quarantine")].concat();
    finds(&dead_commands(&Repo::of(&[(HELP, help), ("a.rs", &source)])), &["a.rs:2"]);
}

fn dead_links(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (page, number, line) in repo.lines(".md") {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !target.is_empty() && !target.contains("://") && !repo.has(&joined(folder, target)) {
                found.push(Finding::line(page, number, format!("the link to {target} leads nowhere")));
            }
        }
    }
    found
}

fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn links_between_pages_lead_somewhere() {
    nothing(&dead_links(&Repo::here()));
}

#[test]
fn a_dead_link_is_found() {
    let page = "[a](B.md#part) [b](../README.md) [c](https://example.org/x) [d](#here)\n[e](C.md)\n";
    let repo = Repo::of(&[("docs/A.md", page), ("docs/B.md", ""), ("README.md", "")]);
    finds(&dead_links(&repo), &["docs/A.md:2"]);
}

/// An invariant of the architecture: its number, the line where it begins, its text.
fn invariants(repo: &Repo) -> Vec<(usize, usize, String)> {
    let mut items: Vec<(usize, usize, String)> = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(repo.text(ARCHITECTURE).lines()) {
        if line.starts_with("## ") {
            inside = line == "## Invariants";
        }
        let begins = line.split_once(". ").and_then(|(digits, _)| digits.parse().ok());
        match (inside, begins, items.last_mut()) {
            (true, Some(item), _) => items.push((item, number, line.to_owned())),
            (true, None, Some((.., text))) => text.push_str(line),
            _ => {}
        }
    }
    items
}

fn unheld(repo: &Repo) -> Vec<Finding> {
    let items = invariants(repo);
    if items.is_empty() {
        return vec![Finding::file(ARCHITECTURE, "has no `## Invariants`, or none under it")];
    }
    let mut found = Vec::new();
    for (expected, (number, line, text)) in (1..).zip(&items) {
        if *number != expected {
            found.push(Finding::line(ARCHITECTURE, *line, format!("number {number} should be {expected}")));
        }
        let is_test = |code: &str| code.contains(".rs::") || (code.contains("/tests/it/") && code.ends_with(".rs"));
        if !text.split('`').skip(1).step_by(2).any(is_test) {
            found.push(Finding::line(
                ARCHITECTURE,
                *line,
                "an invariant names the test that holds it, as `path/file.rs::test`",
            ));
        }
    }
    found
}

#[test]
fn every_invariant_names_the_test_that_holds_it() {
    nothing(&unheld(&Repo::here()));
}

#[test]
fn an_invariant_that_nothing_holds_is_found() {
    let held = "1. Held.\n   By `a/b.rs::test`.\n";
    let page =
        format!("1. elsewhere\n## Invariants\n{held}2. See `a/b.rs`.\n4. By\n   `a/tests/it/c.rs`.\n## More\n1. one\n");
    finds(&unheld(&Repo::of(&[(ARCHITECTURE, &page)])), &["docs/ARCHITECTURE.md:5", "docs/ARCHITECTURE.md:6"]);
    finds(&unheld(&Repo::of(&[(ARCHITECTURE, "## Invariants\n")])), &[ARCHITECTURE]);
}

/// An enum whose variants are part of a format, and how the page writes one: number and name.
type Format = (&'static str, &'static str, fn(usize, &str) -> String);

const ENUMS: [Format; 3] = [
    ("crdt/src/statement.rs", "pub enum Kind {", |number, name| format!("| {number} {name} |")),
    ("crdt/src/sync/frame.rs", "pub enum Frame {", |number, name| format!("| {number} | {name} |")),
    ("crdt/src/store/mod.rs", "pub enum Table {", |_, name| format!("| {name} |")),
];

fn unwritten(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, opening, row) in ENUMS {
        let names = variants(repo.text(path), opening);
        if names.is_empty() {
            found.push(Finding::file(path, format!("`{opening}` isn't here any more; tell the tidy test where it is")));
        }
        for (number, name) in &names {
            let row = row(*number, name);
            if !repo.text(FORMATS).contains(&row) {
                found.push(Finding::file(FORMATS, format!("lacks the row `{row}`, which {path} has")));
            }
        }
    }
    found
}

/// An enum's variants: the number that stands behind one, or else its place, and its name in words.
fn variants(text: &str, opening: &str) -> Vec<(usize, String)> {
    let body = text.split_once(opening).map_or("", |(_, rest)| rest);
    let body = body.split("\n}").next().unwrap_or_default();
    let named =
        body.lines().filter_map(|line| line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase)));
    let name = |line: &str| in_words(line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default());
    let number = |line: &str| line.split_once(" = ")?.1.strip_suffix(',')?.parse().ok();
    named.enumerate().map(|(place, line)| (number(line).unwrap_or(place), name(line))).collect()
}

fn in_words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

#[test]
fn every_kind_frame_and_table_is_on_the_page_of_formats() {
    nothing(&unwritten(&Repo::here()));
}

#[test]
fn a_variant_that_is_not_on_the_page_is_found() {
    let repo = Repo::of(&[
        ("crdt/src/statement.rs", "pub enum Kind {\n    /// One.\n    Capture = 1,\n    Seen = 9,\n}\n"),
        (
            "crdt/src/sync/frame.rs",
            "pub enum Frame {\n    BlobGone(BlobId),\n    Want {\n        from: u64,\n    },\n}\n",
        ),
        ("crdt/src/store/mod.rs", "pub enum Table {\n    Entries = 0,\n}\n"),
        (FORMATS, "| 1 capture | x |\n| 2 seen | x |\n| 0 | blob gone | y |\n| 2 | want | z |\n| entries | e |\n"),
    ]);
    finds(&unwritten(&repo), &[FORMATS, FORMATS]);
}
