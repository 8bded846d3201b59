//! No file is forgotten: what no module names is never compiled, and a test in it never runs.

use crate::packages::Package;
use crate::repo::{Finding, Repo, finds, nothing};

fn forgotten(repo: &Repo, packages: &[Package]) -> Vec<Finding> {
    let is_root = |path: &str| packages.iter().any(|package| package.roots.iter().any(|root| root == path));
    let lost = repo.in_workspace(".rs").filter(|(path, _)| !is_root(path) && !is_declared(repo, packages, path));
    let what = "no module names this file, so it is never compiled: add its `mod` line, or delete it";
    lost.map(|(path, _)| Finding::file(path, what)).collect()
}

fn is_declared(repo: &Repo, packages: &[Package], path: &str) -> bool {
    let Some((mut folder, mut name)) = path.trim_end_matches(".rs").rsplit_once('/') else { return false };
    if name == "mod" {
        let Some((above, own)) = folder.rsplit_once('/') else { return false };
        (folder, name) = (above, own);
    }
    let usual = ["mod.rs", "lib.rs", "main.rs"].map(|file| format!("{folder}/{file}"));
    let roots = packages
        .iter()
        .flat_map(|package| &package.roots)
        .filter(|root| root.rsplit_once('/').is_some_and(|(its_folder, _)| its_folder == folder));
    let mut parents = usual.into_iter().chain([format!("{folder}.rs")]).chain(roots.cloned());
    let declares = |line: &str| line.trim() == format!("mod {name};") || line.ends_with(&format!(" mod {name};"));
    parents.any(|parent| parent != path && repo.text(&parent).lines().any(declares))
}

#[test]
fn every_source_file_belongs_to_a_module() {
    nothing(&forgotten(&Repo::here(), &Package::all()));
}

#[test]
fn a_forgotten_file_is_found() {
    let mut package = Package::planted("node", &[]);
    package.roots = vec!["node/src/lib.rs".into(), "node/tests/it/main.rs".into()];
    let repo = Repo::of(&[
        ("node/src/lib.rs", "mod api;\n#[cfg(unix)]\npub(crate) mod book;\n"),
        ("node/src/api/mod.rs", "mod auth;\n"),
        ("node/src/api/auth.rs", ""),
        ("node/src/api/page.rs", ""),
        ("node/src/book.rs", ""),
        ("node/tests/it/main.rs", "mod life;\n"),
        ("node/tests/it/life.rs", ""),
        ("node/tests/it/traffic.rs", ""),
    ]);
    finds(&forgotten(&repo, &[package]), &["node/src/api/page.rs", "node/tests/it/traffic.rs"]);
}

/// The package whose tests are about the whole: this binary stands beside its `it`.
const WHOLE: (&str, [&str; 2]) = ("tests", ["it", "tidy"]);

fn too_many(packages: &[Package]) -> Vec<Finding> {
    let allowed = |package: &Package, suite: &str| match package.folder() == WHOLE.0 {
        true => WHOLE.1.contains(&suite),
        false => suite == "it",
    };
    let mut found = Vec::new();
    for package in packages {
        for suite in package.suites.iter().filter(|suite| !allowed(package, suite)) {
            let what = "one integration test binary per package, `tests/it/main.rs`: each more is linked anew";
            found.push(Finding::file(&format!("{}/tests/{suite}.rs", package.folder()), what));
        }
    }
    found
}

#[test]
fn each_package_has_one_integration_test_binary() {
    nothing(&too_many(&Package::all()));
}

#[test]
fn a_second_binary_is_found() {
    let with = |name: &str, suites: &[&str]| {
        let mut package = Package::planted(name, &[]);
        package.suites = suites.iter().map(|suite| (*suite).to_owned()).collect();
        package
    };
    let packages = [with("crdt", &["it", "store"]), with("node", &["it"]), with("tests", &["it", "tidy"])];
    finds(&too_many(&packages), &["crdt/tests/store.rs"]);
}
