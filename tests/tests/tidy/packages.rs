//! Who may use whom: our packages form a line, each heavy package has its owners, and the simulator stays pure.

use std::process::Command;

use serde_json::Value;

use crate::repo::{Finding, Repo, finds, nothing, root, skipped};

/// What each of our packages may use of the others: the line, the small packages in it (which know nothing of ours), and
/// the command, which may use all.
const LINE: [(&str, &[&str]); 9] = [
    ("crdt", &[]),
    ("matcher", &[]),
    ("mesh", &[]),
    ("synth", &[]),
    ("gateway", &["crdt"]),
    ("node", &["crdt", "gateway", "mesh"]),
    ("simulations", &["crdt", "gateway", "node"]),
    ("greenline", &["crdt", "gateway", "matcher", "mesh", "node", "simulations", "synth"]),
    ("tests", &["crdt", "gateway", "matcher", "mesh", "node", "simulations", "synth"]),
];

/// Tests of any package may use these too: made-up people belong to no layer.
const FOR_TESTS: [&str; 1] = ["synth"];

/// The owners of each heavy package. In a package that has a pure half it is optional, so that the simulator builds
/// without it.
const OWNERS: [(&str, &[&str]); 39] = [
    ("argon2", &["node"]),
    ("automerge", &["crdt"]),
    ("bip39", &["node"]),
    ("chacha20poly1305", &["crdt"]),
    ("ed25519-zebra", &["crdt"]),
    ("hpke", &["crdt"]),
    ("rand_chacha", &["crdt"]),
    ("redb", &["crdt"]),
    ("quinn", &["gateway"]),
    ("quinn-proto", &["gateway"]),
    ("rcgen", &["gateway"]),
    ("rustls", &["gateway"]),
    ("nbis-rs", &["matcher"]),
    ("distrs", &["simulations"]),
    ("flate2", &["simulations"]),
    ("plotters", &["simulations"]),
    ("libm", &["simulations"]),
    ("strsim", &["simulations"]),
    ("memchr", &["simulations"]),
    ("toml", &["simulations"]),
    ("if-addrs", &["node"]),
    ("libp2p", &["mesh"]),
    ("libp2p-stream", &["mesh"]),
    ("axum", &["node"]),
    ("maud", &["node", "simulations"]),
    ("prometheus-client", &["node"]),
    ("clap", &["greenline"]),
    ("clap_complete", &["greenline"]),
    ("comfy-table", &["greenline"]),
    ("indicatif", &["greenline"]),
    ("qrcode", &["greenline"]),
    ("rpassword", &["greenline"]),
    ("rqrr", &["greenline"]),
    ("tracing-subscriber", &["greenline"]),
    ("futures", &["mesh", "node"]),
    ("tokio", &["gateway", "greenline", "mesh", "node", "tests"]),
    ("jiff", &["greenline", "node"]),
    ("image", &["greenline", "matcher", "synth"]),
    ("ureq", &["greenline", "tests"]),
];

/// Packages that touch a network, a disk or a clock, and so are optional where there is a pure half.
const SHELL: [&str; 15] = [
    "axum",
    "futures",
    "getrandom",
    "if-addrs",
    "jiff",
    "maud",
    "mesh",
    "prometheus-client",
    "quinn",
    "quinn-proto",
    "rcgen",
    "ring",
    "redb",
    "rustls",
    "tokio",
];

/// The packages that have a pure half.
const WITH_A_PURE_HALF: [&str; 3] = ["crdt", "gateway", "node"];

/// What must never be in the simulator's tree.
const NOT_IN_A_SIMULATION: [&str; 6] = ["axum", "libp2p", "mio", "quinn", "redb", "tokio"];

/// One of our packages, as cargo sees it.
pub(crate) struct Package {
    name: String,
    /// Path of its Cargo.toml.
    manifest: String,
    uses: Vec<Use>,
    /// Names of its integration test binaries.
    pub(crate) suites: Vec<String>,
    /// The files that its targets begin with.
    pub(crate) roots: Vec<String>,
}

struct Use {
    name: String,
    dev: bool,
    optional: bool,
}

impl Package {
    /// All of the workspace.
    pub(crate) fn all() -> Vec<Self> {
        let manifest = root().join("Cargo.toml");
        let told =
            cargo(&["metadata", "--format-version", "1", "--no-deps", "--manifest-path", &manifest.to_string_lossy()]);
        let told: Value =
            serde_json::from_str(&told.expect("cargo describes the workspace")).expect("cargo writes JSON");
        list(&told["packages"]).iter().map(Self::read).collect()
    }

    /// The folder that it lies in, from the root.
    pub(crate) fn folder(&self) -> &str {
        self.manifest.trim_end_matches("/Cargo.toml")
    }

    fn read(told: &Value) -> Self {
        let targets = list(&told["targets"]);
        let is_suite = |target: &&Value| list(&target["kind"]).iter().any(|kind| kind == "test");
        Self {
            name: text(&told["name"]),
            manifest: from_root(&told["manifest_path"]),
            uses: list(&told["dependencies"]).iter().map(Use::read).collect(),
            suites: targets.iter().filter(is_suite).map(|target| text(&target["name"])).collect(),
            roots: targets.iter().map(|target| from_root(&target["src_path"])).collect(),
        }
    }

    /// A made-up one. Names after `name` are what it uses: `?` before one makes it optional, `dev ` a dev-dependency.
    pub(crate) fn planted(name: &str, uses: &[&str]) -> Self {
        let one = |word: &&str| {
            let (dev, optional) = (word.starts_with("dev "), word.starts_with('?'));
            Use { name: word.trim_start_matches("dev ").trim_start_matches('?').to_owned(), dev, optional }
        };
        let manifest = format!("{name}/Cargo.toml");
        Self { name: name.to_owned(), manifest, uses: uses.iter().map(one).collect(), suites: vec![], roots: vec![] }
    }
}

impl Use {
    fn read(told: &Value) -> Self {
        Self { name: text(&told["name"]), dev: told["kind"] == "dev", optional: told["optional"] == true }
    }
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn from_root(path: &Value) -> String {
    let path = text(path);
    let root = format!("{}/", root().to_string_lossy());
    path.strip_prefix(&root).unwrap_or(&path).to_owned()
}

pub(crate) fn cargo(args: &[&str]) -> Result<String, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo).args(args).arg("--offline").current_dir(root()).output();
    let output = output.map_err(|error| format!("cargo can't be run: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join(" ")),
    }
}

fn layers(packages: &[Package]) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in packages {
        let Some((_, allowed)) = LINE.iter().find(|(name, _)| *name == package.name) else {
            found.push(Finding::file(
                &package.manifest,
                "a new package: say in LINE (tidy test) what it may use, and why it exists in docs/decisions",
            ));
            continue;
        };
        for used in package.uses.iter().filter(|used| LINE.iter().any(|(name, _)| *name == used.name)) {
            let for_tests = used.dev && FOR_TESTS.contains(&used.name.as_str());
            if !for_tests && !allowed.contains(&used.name.as_str()) {
                let what = format!("{} may not use {}: move what both need down the line", package.name, used.name);
                found.push(Finding::file(&package.manifest, what));
            }
        }
    }
    found
}

#[test]
fn our_packages_are_a_line() {
    nothing(&layers(&Package::all()));
}

#[test]
fn a_package_that_looks_up_the_line_is_found() {
    let up = Package::planted("crdt", &["serde", "gateway"]);
    let test_only = Package::planted("matcher", &["dev synth"]);
    let in_earnest = Package::planted("gateway", &["crdt", "synth"]);
    let unknown = Package::planted("helpers", &[]);
    finds(
        &layers(&[up, test_only, in_earnest, unknown]),
        &["crdt/Cargo.toml", "gateway/Cargo.toml", "helpers/Cargo.toml"],
    );
}

fn owners(packages: &[Package]) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in packages {
        for used in package.uses.iter().filter(|used| !used.dev) {
            let owners = OWNERS.iter().find(|(name, _)| *name == used.name).map(|(_, owners)| *owners);
            if owners.is_some_and(|owners| !owners.contains(&package.name.as_str())) {
                let what = format!(
                    "{} belongs to {}; ask for what you need there",
                    used.name,
                    owners.unwrap_or(&[]).join(" and ")
                );
                found.push(Finding::file(&package.manifest, what));
            }
            let pure_half = WITH_A_PURE_HALF.contains(&package.name.as_str());
            if pure_half && SHELL.contains(&used.name.as_str()) && !used.optional {
                let what = format!(
                    "{} must be `optional = true`, behind a feature: the simulator builds without it",
                    used.name
                );
                found.push(Finding::file(&package.manifest, what));
            }
        }
    }
    found
}

#[test]
fn each_heavy_package_has_its_owners() {
    nothing(&owners(&Package::all()));
}

#[test]
fn a_second_owner_and_a_shell_in_the_pure_half_are_found() {
    let second = Package::planted("node", &["automerge"]);
    let always_on = Package::planted("crdt", &["automerge", "redb"]);
    let fine = Package::planted("gateway", &["?quinn", "?tokio", "dev libp2p"]);
    finds(&owners(&[second, always_on, fine]), &["node/Cargo.toml", "crdt/Cargo.toml"]);
}

fn impurities(tree: &str) -> Vec<Finding> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    let bad = names.into_iter().filter(|name| NOT_IN_A_SIMULATION.contains(name));
    let what = |name| {
        format!("{name} is in the simulator's tree; find the way with `cargo tree -p simulations -e normal -i {name}`")
    };
    bad.map(|name| Finding::file("simulations/Cargo.toml", what(name))).collect()
}

#[test]
fn the_simulator_is_built_without_network_and_disk() {
    let args = ["tree", "--locked", "--package", "simulations", "--edges", "normal", "--prefix", "none"];
    match cargo(&args) {
        Ok(tree) => {
            assert!(tree.starts_with("simulations "), "cargo tree begins with the package: {tree:.60}");
            nothing(&impurities(&tree));
        }
        Err(why) => skipped(&format!("the simulator's tree isn't known: {why}")),
    }
}

#[test]
fn a_network_in_the_simulators_tree_is_found() {
    let tree = "simulations v0.1.0\ncrdt v0.1.0\ntokio v1.50.0\ntokio v1.50.0 (*)\nserde v1.0.0\n";
    finds(&impurities(tree), &["simulations/Cargo.toml"]);
}

/// The crates that only one part of `crdt` may name, and where that part is.
const NAMED_IN: [(&str, &[&str]); 2] =
    [("redb", &["crdt/src/store/"]), ("automerge", &["crdt/src/record/", "crdt/src/replica/records"])];

fn named_elsewhere(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, homes) in NAMED_IN {
        let away = |path: &str| path.starts_with("crdt/src/") && !homes.iter().any(|home| path.starts_with(home));
        for (path, number, _) in repo.lines(".rs").filter(|(path, _, line)| away(path) && names_crate(line, name)) {
            let what = format!("only {} may name {name}; everything else goes through it", homes.join(" and "));
            found.push(Finding::line(path, number, what));
        }
    }
    found
}

/// Whether code names a crate, as against a module of ours that is called the same.
fn names_crate(line: &str, name: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = &code[..at];
        let before = before.strip_suffix("::").unwrap_or(before);
        !before.ends_with(word)
    })
}

#[test]
fn redb_and_automerge_stay_at_home() {
    nothing(&named_elsewhere(&Repo::here()));
}

#[test]
fn a_crate_named_outside_its_home_is_found() {
    let repo = Repo::of(&[
        ("crdt/src/lib.rs", "use crate::store::redb::RedbStore;\n// redb::Database\nuse ::redb::Database;\n"),
        ("crdt/src/replica/records.rs", "use automerge::AutoCommit;\n"),
        ("crdt/src/store/redb/mod.rs", "use ::redb::Database;\nuse automerge::AutoCommit;\n"),
    ]);
    finds(&named_elsewhere(&repo), &["crdt/src/lib.rs:3", "crdt/src/store/redb/mod.rs:2"]);
}

/// What each package inherits from the workspace, so that it is said once.
const INHERITED: [&str; 4] = [
    "license.workspace = true",
    "rust-version.workspace = true",
    "publish.workspace = true",
    "[lints]\nworkspace = true",
];
/// Where a locked package may come from; a mirror's name in the lock file would break it for everybody else.
const REGISTRY: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

fn manifests(repo: &Repo) -> Vec<Finding> {
    let licences = ["LICENSE-APACHE", "LICENSE-MIT"].into_iter().filter(|path| repo.text(path).is_empty());
    let mut found: Vec<Finding> = licences.map(|path| Finding::file(path, "the licence's text is missing")).collect();
    for (path, text) in repo.in_workspace("/Cargo.toml") {
        let missing = INHERITED.into_iter().filter(|line| !text.contains(line));
        found.extend(missing.map(|line| Finding::file(path, format!("lacks `{}`", line.replace('\n', " ")))));
    }
    let foreign = |line: &str| line.starts_with("source = ") && line != REGISTRY;
    let sources = repo.lines("Cargo.lock").filter(|(.., line)| foreign(line));
    found.extend(sources.map(|(path, number, _)| Finding::line(path, number, "a source that isn't crates.io")));
    found
}

#[test]
fn licences_and_lints_are_everywhere() {
    nothing(&manifests(&Repo::here()));
}

#[test]
fn a_manifest_without_a_licence_is_found() {
    let all = INHERITED.join("\n");
    let mirrored = format!("{REGISTRY}\nsource = \"registry+https://mirror.example/index\"\n");
    let repo = Repo::of(&[
        ("LICENSE-MIT", "text"),
        ("crdt/Cargo.toml", &all),
        ("node/Cargo.toml", &all.replace("license", "licence")),
        ("Cargo.lock", &mirrored),
    ]);
    finds(&manifests(&repo), &["LICENSE-APACHE", "node/Cargo.toml", "Cargo.lock:2"]);
}
