//! Trouble in operations that somebody planned.

use simulations::fuzz::{Case, Played, play, run};
use simulations::operation;
use simulations::scenario::{Scenario, ScenarioError, TROUBLES_MAX, no_files};
use simulations::trouble::Class;

/// Two posts an hour apart, a courier between them, one network: half a day of it.
const POSTS: &str = r#"
name = "posts"
lasts = "12 h"

[contacts]
radio = "wifi-ap"

[places]
ford = ["0 km", "0 km"]
town = ["0 km", "9 km"]

[groups.ford]
count = 2
at = "ford"

[groups.town]
count = 2
at = "town"
uplink = { profile = "4g", devices = 1 }

[groups.courier]
role = "carrier"
courier = { base = "town", stops = ["ford"], leaves = ["02:00", "06:00"] }

[captures.ford]
by = ["ford"]
total = 12
"#;

pub(crate) fn posts(faults: &str) -> Scenario {
    read(faults).unwrap_or_else(|error| panic!("{error} {}", error.hint))
}

fn read(faults: &str) -> Result<Scenario, ScenarioError> {
    Scenario::read("posts.toml", &format!("{POSTS}{faults}"), &[], &no_files)
}

pub(crate) fn case(scenario: &Scenario, seed: u64) -> Case {
    scenario.case(seed).expect("something goes wrong")
}

fn struck(played: &Played, class: Class) -> u64 {
    played.struck.get(&class).copied().unwrap_or(0)
}

#[test]
fn what_goes_wrong_strikes_as_often_as_is_said_and_the_rules_look_on() {
    let scenario =
        posts("[faults]\ncrash = { total = 4 }\nhub_fails = { per_day = 4, lasts = \"10 min\" }\nportal = true\n");
    let ran = run(&scenario, 1);
    let troubled = ran.troubled.expect("something goes wrong");
    assert_eq!(troubled.drawn.keys().copied().collect::<Vec<_>>(), [Class::Crash, Class::Portal, Class::HubFails]);
    assert_eq!((struck(&troubled.played, Class::Crash), struck(&troubled.played, Class::HubFails)), (4, 2));
    assert_eq!(troubled.played.failure, None);
    assert_eq!(troubled.played.captures, (12, 12), "all is there once it is calm");
    assert!(ran.outcome.fates.iter().all(|fate| fate.delivered_ms.is_none_or(|ms| ms < ran.plan.ends_ms)));
    assert!(posts("").case(1).is_none() && run(&posts(""), 1).troubled.is_none());
}

/// Trouble is drawn beside the plan: who meets whom, and what is captured, stays as it was.
#[test]
fn the_plan_stays_as_it_was_and_each_trouble_too() {
    let (without, some) = (posts(""), posts("[faults]\nsplit = { total = 3, lasts = \"1 h\" }\n"));
    let more = posts("[faults]\nsplit = { total = 3, lasts = \"1 h\" }\nreset = { total = 2 }\n");
    let (plan, troubled) = (without.plan(7), some.plan(7));
    assert_eq!((plan.contacts, plan.captures), (troubled.contacts, troubled.captures));
    let (few, many) = (case(&some, 7).trouble, case(&more, 7).trouble);
    assert_eq!((few.len(), many.len()), (3, 5));
    assert!(few.iter().all(|it| many.contains(it)), "{few:?} {many:?}");
    assert!(few.iter().all(|it| (1_800_000..5_400_001).contains(&it.what.lasts_ms())), "{few:?}");
}

/// Nothing that has been drawn costs nothing: a scenario whose trouble never strikes comes to the same as one without.
#[test]
fn trouble_that_is_none_changes_nothing() {
    let (without, none) = (posts(""), posts("[faults]\ncrash = { total = 0 }\n"));
    let (played, ran) = (operation::run(&without.plan(3), 3), run(&none, 3));
    assert_eq!((played.hash, played.fates), (ran.outcome.hash, ran.outcome.fates));
}

#[test]
fn a_seed_comes_to_the_same_again_and_from_a_file() {
    let scenario = posts("[faults]\nswarm = true\n");
    for seed in 0..4 {
        let case = case(&scenario, seed);
        let read = Case::from_toml(&case.to_toml()).unwrap();
        assert_eq!(read, case);
        let (once, again) = (play(&case), play(&read));
        assert_eq!(once, again, "seed {seed}");
        assert_eq!(once.failure, None, "seed {seed}");
    }
}

/// Two regions are two sites, each with a hub of its own: trouble strikes in both, and nothing of one comes to the other.
#[test]
fn each_site_has_its_own_hub_and_its_own_trouble() {
    let text =
        format!("{}[faults]\nswarm = true\n", POSTS.replace("lasts = \"12 h\"", "lasts = \"12 h\"\nregions = 2"));
    let scenario = Scenario::read("posts.toml", &text, &[], &no_files).unwrap();
    for seed in 0..3 {
        let case = case(&scenario, seed);
        let sites: Vec<usize> = case.devices.iter().map(|device| device.site).collect();
        assert_eq!((sites.iter().filter(|site| **site == 0).count(), sites.len()), (5, 10));
        let played = play(&case);
        assert_eq!(played.failure, None, "seed {seed}");
        assert!(played.captures.1 > 8, "seed {seed}: {:?}", played.captures);
    }
}

#[test]
fn what_cant_be_is_told_with_its_line_and_what_to_do() {
    for (faults, says, hint) in [
        ("crush = true", "`crush` is no sort of trouble", "did you mean `crash`?"),
        ("crash = 3", "true, false, or how often", "mend that line"),
        ("crash = { }", "this doesn't say how often", "`{ per_day = 2 }`"),
        (
            "crash = { total = 1, lasts = \"1 h\" }",
            "`lasts` isn't for trouble that is over at once",
            "leave `lasts` out",
        ),
        ("off = { total = 1, per_day = 1.0 }", "`total` and `per_day` both say how often", "leave one of the two out"),
        ("off = { per_day = -1.0 }", "strikes 0 to", "not a negative one"),
        ("off = { per_day = nan }", "strikes 0 to", "a smaller number"),
        ("off = { total = 10001 }", "strikes 0 to", "a smaller number"),
        ("off = { total = 1, lasts = \"2 d\" }", "trouble lasts", ""),
        ("swarm = { total = 1 }", "`swarm` is true or false", "rates at the sorts"),
        ("off = { often = 1 }", "`often`", "`total`"),
    ] {
        let error = read(&format!("[faults]\n{faults}\n")).err().unwrap_or_else(|| panic!("{faults} is taken"));
        let told = error.to_string();
        assert!(told.contains(says) && error.hint.contains(hint), "{faults}: {told} / {}", error.hint);
        assert!(told.contains(faults.split(' ').next().unwrap()) && told.contains('^'), "{faults}: {told}");
    }
    let most = format!("[faults]\nreset = {{ total = {TROUBLES_MAX} }}\n");
    assert_eq!(case(&posts(&most), 1).trouble.len() as u64, TROUBLES_MAX);
}
