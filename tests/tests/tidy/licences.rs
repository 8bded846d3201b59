//! What comes from elsewhere comes under a licence that `deny.toml` allows.

use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::packages::{cargo, list, text};
use crate::repo::{Finding, Repo, finds, nothing, skipped};

/// The licences that the page allows: the quoted lines of its list.
fn allowed(page: &str) -> Vec<String> {
    let list = page.lines().skip_while(|line| *line != "allow = [").skip(1).take_while(|line| *line != "]");
    list.map(|line| line.trim().trim_matches([',', '"']).to_owned()).collect()
}

/// Packages that ask for more than is allowed, as `(name, licence)`.
fn asking_for_more(packages: &[(String, String)], allowed: &[String]) -> Vec<Finding> {
    let is_allowed = |req: &LicenseReq| allowed.contains(&req.to_string());
    let fits = |licence: &str| {
        // Some old packages separate their choices by a slash.
        Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|expression| expression.evaluate(is_allowed))
    };
    let wrong = packages.iter().filter(|(_, licence)| !fits(licence));
    wrong
        .map(|(name, licence)| Finding::file("Cargo.lock", format!("{name} is under `{licence}`: see deny.toml")))
        .collect()
}

#[test]
fn every_dependency_is_under_a_licence_that_is_allowed() {
    let told = match cargo(&["metadata", "--format-version", "1", "--locked", "--all-features"]) {
        Ok(told) => serde_json::from_str::<Value>(&told).expect("cargo writes JSON"),
        Err(why) => return skipped(&format!("the licences of dependencies aren't known: {why}")),
    };
    let packages: Vec<_> =
        list(&told["packages"]).iter().map(|package| (text(&package["name"]), text(&package["license"]))).collect();
    assert!(packages.len() > 100, "{} packages", packages.len());
    nothing(&asking_for_more(&packages, &allowed(Repo::here().text("deny.toml"))));
}

#[test]
fn a_licence_that_is_not_allowed_is_found() {
    let allowed = allowed("[licenses]\nallow = [\n    \"MIT\",\n    \"ISC\",\n]\n");
    let package = |name: &str, licence: &str| (name.to_owned(), licence.to_owned());
    let fine = [package("a", "GPL-3.0-only OR MIT"), package("b", "MIT/Apache-2.0"), package("c", "MIT AND ISC")];
    nothing(&asking_for_more(&fine, &allowed));
    for wrong in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "", "nonsense"] {
        finds(&asking_for_more(&[package("d", wrong)], &allowed), &["Cargo.lock"]);
    }
}
