//! Known bugs, each put in on purpose: some rule catches each within so many seeds.
//!
//! A simulator that finds nothing proves nothing. What is switched on is in `crdt/src/canary.rs`.

use crdt::canary::{Canary, switch};
use simulations::fuzz::{Case, play, shrink};

/// Within how many seeds, and by which rule at the latest.
const CAUGHT: [(Canary, u64); 5] = [
    (Canary::Author, 300),
    (Canary::Durability, 10),
    (Canary::Submission, 60),
    (Canary::Revocation, 60),
    (Canary::Frontier, 300),
];

#[test]
fn each_known_bug_is_caught_within_so_many_seeds() {
    assert_eq!(CAUGHT.map(|(canary, _)| canary), Canary::ALL);
    for (canary, within) in CAUGHT {
        let caught = (0..within).find_map(|seed| {
            let case = Case::draw(seed);
            switch(Some(canary));
            let failure = play(&case).failure;
            switch(None);
            Some((seed, failure?))
        });
        let (seed, failure) = caught.unwrap_or_else(|| panic!("{canary:?}: not caught within {within} seeds"));
        println!("{canary:?}: seed {seed} breaks `{}`: {}", failure.rule, failure.what);
        assert!(play(&Case::draw(seed)).failure.is_none(), "{canary:?}: without the bug the rules hold");
    }
}

/// A case that fails becomes one that a person can read, and fails for the same reason.
#[test]
fn what_breaks_a_rule_is_shrunk_to_what_it_takes() {
    let case = Case::draw(0);
    switch(Some(Canary::Durability));
    let shrunk = shrink(&case, |_| true).unwrap().case;
    let failure = play(&shrunk).failure.unwrap();
    switch(None);
    assert_eq!(shrunk.breaks, failure.rule);
    assert!(shrunk.devices.len() <= 2 && shrunk.captures.len() <= 1, "{shrunk:?}");
    assert!(shrunk.trouble.is_empty() && shrunk.contacts.len() <= 1, "{shrunk:?}");
    assert!(play(&shrunk).failure.is_none());
    assert!(shrink(&case, |_| true).is_none(), "what breaks no rule isn't shrunk");
}

/// What a scenario's seed breaks is shrunk to a few lines as well, though its plan has devices and captures for half a day.
#[test]
fn what_a_scenario_breaks_is_shrunk_too() {
    let case = crate::faults::case(&crate::faults::posts("[faults]\ncrash = { total = 6 }\n"), 0);
    switch(Some(Canary::Durability));
    let shrunk = shrink(&case, |_| true).unwrap().case;
    switch(None);
    assert!(shrunk.devices.len() <= 2 && shrunk.captures.len() <= 1 && shrunk.contacts.len() <= 1, "{shrunk:?}");
    assert!(shrunk.to_toml().lines().count() < 40, "{}", shrunk.to_toml());
    assert!(play(&shrunk).failure.is_none() && play(&case).failure.is_none());
}
