//! Scenarios: what is read, what is refused and how, and what follows from a seed.

use std::collections::BTreeMap;

use simulations::Member;
use simulations::operation::Plan;
use simulations::oracle::Online;
use simulations::scenario::{
    CAPTURES_MAX, DAYS_MAX, DEVICES_MAX, GROUPS_MAX, LISTED_MAX, PLACES_MAX, RADIOS, REGIONS_MAX, SETTINGS_MAX,
    SHIPPED, Scenario, ScenarioError, TEXT_BYTES_MAX, UPLINKS, no_files, shipped,
};
use simulations::trace::Trace;
use synth::hostile::bears;

use crate::bodies::{self, FORD, TRACED, folder};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

fn read(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::read("a.toml", text, &[], &no_files)
}

fn plan(text: &str) -> Plan {
    read(text).unwrap().plan(1)
}

fn set(settings: &[&str]) -> Result<Scenario, ScenarioError> {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    Scenario::read("a.toml", FORD, &settings, &no_files)
}

/// The same with one thing in another's place.
fn with(what: &str, instead: &str) -> String {
    assert!(FORD.contains(what), "{what}");
    FORD.replacen(what, instead, 1)
}

// ---- What is wrong ----

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_to_do() {
    let cases = [
        // What instead of what, where, what is said, and what is advised.
        ("count = 3", "count = ", (12, 9), "string values must be quoted", "mend that line"),
        ("count = 3", "cuont = 3", (12, 1), "`cuont` is no key here", "did you mean `count`?"),
        ("[places]", "[placse]", (7, 2), "`placse` is no key here", "did you mean `places`?"),
        ("\"2 d\"", "2", (2, 9), "a time needs its unit, one of `ms`, `s`, `min`, `h`, `d`", "mend"),
        ("\"2 d\"", "\"2 days\"", (2, 9), "`days` is no unit of a time", "mend"),
        ("\"2 d\"", "\"0 s\"", (2, 9), "an operation lasts 1 ms to 400 d", "give a time from"),
        ("\"1.5 km\"", "\"1.5 MB\"", (9, 9), "`MB` is no unit of a distance", "mend"),
        ("\"wifi-ap\"", "\"wify-ap\"", (5, 9), "there is no profile `wify-ap`", "did you mean `wifi-ap`?"),
        ("\"3g\"", "\"5g\"", (14, 22), "there is no profile `5g`", "`geo-vsat`"),
        ("stops = [\"hill\"]", "stops = [\"hills\"]", (18, 41), "there is no place `hills`", "did you mean `hill`?"),
        (
            "by = [\"post\", \"patrol\"]",
            "by = [\"post\", \"patrl\"]",
            (21, 15),
            "there is no group `patrl`",
            "did you mean `patrol`?",
        ),
        ("\"18:00-18:15\"", "\"06:10-18:15\"", (14, 54), "it overlaps another one before it", "give each its own time"),
        ("\"18:00-18:15\"", "\"18:00\"", (14, 54), "write times like `\"06:00-06:15\"`", "mend"),
        ("\"18:00-18:15\"", "\"day 9 18:00-18:15\"", (14, 54), "this is after the operation's end", "last longer"),
        ("count = 3", "count = 0", (12, 9), "a group has from 1 to 2000", "give a number"),
        ("count = 3", "count = -3", (12, 9), "a whole number from 0 on belongs here, not integer `-3`", "mend"),
        ("\"06:00\", \"14:00\"", "\"14:00\", \"06:00\"", (18, 69), "it is before the one before it", "in order"),
        ("\"06:00\", \"14:00\"", "\"06:00\", \"07:00\"", (18, 60), "this journey may take 2 h", "leave less often"),
        (
            "at = \"ford\"",
            "at = \"ford\"\nshifts = { base = \"hill\", post = \"ford\", changes = [\"06:00\"] }",
            (14, 10),
            "`at` is there already",
            "make two groups",
        ),
        ("at = \"ford\"\n", "", (11, 9), "where `post` is isn't said", "add one of `at`"),
        ("total = 40", "total = 40\nper_day = 3.5", (23, 11), "both say what is captured", "make two tables"),
        ("total = 40\n", "", (20, 11), "how many captures `crossing` are isn't said", "add one of `total`"),
        (
            "[groups.patrol]",
            "[groups.\"post-1\"]\nat = \"ford\"\n[groups.patrol]",
            (16, 9),
            "two devices would be called `post-1`",
            "another name",
        ),
        ("name = \"ford\"\n", "", (1, 1), "`name` is missing", "add a line `name = ...`"),
        ("name = \"ford\"", "name = \"ford\"\nname = \"ford\"", (2, 1), "duplicate key", "mend"),
        (
            "count = 4",
            "role = \"carier\"\ncount = 4",
            (17, 8),
            "`carier` can't be chosen here",
            "did you mean `carrier`?",
        ),
        ("count = 4", "role = \"carrier\"\ncount = 4", (22, 15), "`patrol` only carries", "name another group"),
        (
            "[contacts]",
            "[contacts]\ntrace = \"a.csv\"",
            (5, 9),
            "a.csv: it can't be read: this scenario has no files",
            "own folder",
        ),
        (
            "[contacts]",
            "[contacts]\none_compat = true",
            (5, 14),
            "`one_compat` is about a trace",
            "leave `one_compat` out",
        ),
        (
            "windows = [\"06:00-06:15\", \"18:00-18:15\"]",
            "every = \"6 h\"",
            (14, 10),
            "`every` needs `open` beside it",
            "add `open",
        ),
        (
            "windows = [",
            "up = \"1 h\", down = \"2 h\", windows = [",
            (14, 10),
            "both say when there is a way out",
            "leave one",
        ),
        ("\"60 kB to 90 kB\"", "\"90 kB to 60 kB\"", (24, 10), "the smaller size goes first", "mend"),
    ];
    for (what, instead, place, said, advised) in cases {
        let error = read(&with(what, instead)).err().unwrap_or_else(|| panic!("`{instead}` is let through"));
        let told = error.to_string();
        assert_eq!(error.place.as_ref().map(|it| (it.line, it.column)), Some(place), "{instead}: {told}");
        assert!(error.what.contains(said), "{instead}: {told}");
        assert!(error.hint.contains(advised), "{instead}: {}", error.hint);
    }
}

#[test]
fn an_error_shows_its_line_with_a_caret() {
    let error = read(&with("count = 3", "cuont = 3")).unwrap_err();
    let shown = "a.toml:12:1: `cuont` is no key here\n    |\n 12 | cuont = 3\n    | ^^^^^";
    assert_eq!(error.to_string(), shown);
    // However long the line is, and whatever stands in it.
    let long = format!(
        "# \u{1b}[31m {}\n{}",
        "x".repeat(500),
        with("name = \"ford\"", &format!("{}name = 1", " ".repeat(300)))
    );
    let error = read(&long).unwrap_err();
    let widest = error.to_string().lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest < 120 && !error.to_string().contains('\u{1b}'), "{error}");
}

#[test]
fn a_setting_goes_before_the_file_and_a_wrong_one_is_named() {
    let plain = set(&[]).unwrap();
    let ble =
        set(&["contacts.radio=ble", "groups.post.count=5", "captures.crossing.hours=[\"07:00-09:00\"]", "lasts=3 d"])
            .unwrap();
    assert_eq!((plain.devices(), ble.devices(), ble.lasts_ms()), (7, 9, 3 * DAY_MS));
    assert_ne!(plain.plan(1).radio.pace, ble.plan(1).radio.pace);
    assert!(ble.plan(1).captures.iter().all(|it| (7..9).contains(&(it.at_ms % DAY_MS / HOUR_MS))));
    // The last of two wins.
    assert_eq!(set(&["groups.post.count=5", "groups.post.count=6"]).unwrap().devices(), 10);
    let cases = [
        ("contacts.radoi=ble", "contacts.radoi = \"ble\"", "`radoi` is no key here", "did you mean `radio`?"),
        ("contacts.radio=bel", "contacts.radio = \"bel\"", "there is no profile `bel`", "did you mean `ble`?"),
        (
            "groups.post.count=lots",
            "groups.post.count = \"lots\"",
            "a whole number from 0 on belongs here, not string \"lots\"",
            "mend",
        ),
        ("lasts=3", "lasts = 3", "a time needs its unit", "mend"),
    ];
    for (setting, line, said, advised) in cases {
        let error = set(&["groups.post.count=5", setting, "reads_after=1 min"]).unwrap_err();
        assert_eq!((error.file.as_str(), error.place.as_ref().unwrap().text.as_str()), ("--set", line), "{error}");
        assert!(error.what.contains(said) && error.hint.contains(advised), "{error}\n{}", error.hint);
    }
    for nonsense in ["", "count", "=5", "a b=5", "x=1\ny=2", "[a]=1"] {
        assert_eq!(set(&[nonsense]).unwrap_err().file, "--set", "{nonsense}");
    }
}

#[test]
fn every_bound_holds_at_its_number_and_one_more_is_refused() {
    let refused = |text: &str, said: &str| {
        let error = read(text).err().unwrap_or_else(|| panic!("let through: {said}"));
        assert!(error.what.contains(said), "{error}");
    };
    let days = |days: u64| with("\"2 d\"", &format!("\"{days} d\"")).replace("total = 40", "total = 1");
    read(&days(DAYS_MAX)).unwrap();
    refused(&days(DAYS_MAX + 1), "lasts 1 ms to 400 d");
    let devices = |count: usize| with("count = 3", &format!("count = {}", count - 4));
    assert_eq!(read(&devices(DEVICES_MAX)).unwrap().devices(), DEVICES_MAX);
    refused(&devices(DEVICES_MAX + 1), "more than 2000 devices");
    let captures = |count: u64| with("total = 40", &format!("total = {count}"));
    read(&captures(CAPTURES_MAX)).unwrap();
    refused(&captures(CAPTURES_MAX + 1), "from 1 to 100000");
    let more = |count: u64| format!("{}\n[captures.more]\ntotal = {count}\n", captures(CAPTURES_MAX - 1));
    read(&more(1)).unwrap();
    refused(&more(2), "more than 100000 captures");
    let regions = |count: u64| {
        FORD.replace("lasts", &format!("regions = {count}\nlasts"))
            .replace("count = 4", "count = 1")
            .replace(", teams = 2", "")
            .replace("count = 3", "count = 1")
    };
    assert_eq!(read(&regions(REGIONS_MAX)).unwrap().devices() as u64, REGIONS_MAX * 2);
    refused(&regions(REGIONS_MAX + 1), "1 to 500 regions");
    let places = |count: usize| {
        let more: String = (2..count).map(|place| format!("p{place} = [\"0 m\", \"0 m\"]\n")).collect();
        with("[groups.post]", &format!("{more}[groups.post]"))
    };
    read(&places(PLACES_MAX)).unwrap();
    refused(&places(PLACES_MAX + 1), "more than 1000 places");
    let groups = |count: usize| {
        let more: String = (2..count).map(|group| format!("[groups.g{group}]\nat = \"ford\"\n")).collect();
        format!(
            "{FORD}
{more}"
        )
    };
    read(&groups(GROUPS_MAX)).unwrap();
    refused(&groups(GROUPS_MAX + 1), "more than 500 groups");
    let listed = |count: usize| {
        with("total = 40", "")
            .replace(
                "by = [\"post\", \"patrol\"]",
                &format!("listed = [{}]", "{at=\"1 h\",by=\"post-1\"},".repeat(count)),
            )
            .replace("hours = [\"06:00-20:00\"]", "")
    };
    let fits = TEXT_BYTES_MAX / "{at=\"1 h\",by=\"post-1\"},".len() - 100;
    assert!(fits > LISTED_MAX);
    assert_eq!(read(&listed(LISTED_MAX)).unwrap().plan(1).captures.len(), LISTED_MAX);
    refused(&listed(LISTED_MAX + 1), "more than 10000 captures in a list");
    let long = |bytes: usize| format!("{FORD}#{}", "x".repeat(bytes - FORD.len() - 1));
    read(&long(TEXT_BYTES_MAX)).unwrap();
    refused(&long(TEXT_BYTES_MAX + 1), "more than 262144 bytes");
    set(&vec!["lasts=2 d"; SETTINGS_MAX]).unwrap();
    assert!(set(&vec!["lasts=2 d"; SETTINGS_MAX + 1]).is_err());
    let walk = |pause: &str| {
        format!(
            "{FORD}\n[groups.walkers]\ncount = 900\nrandom_waypoint = {{ around = \"ford\", within = \"1 km\", pause = \"{pause}\" }}\n"
        )
    };
    read(&walk("30 min")).unwrap();
    refused(&walk("10 s"), "positions");
}

// ---- What follows from a seed ----

fn at(plan: &Plan, name: &str) -> usize {
    plan.devices.iter().position(|device| device.name == name).unwrap()
}

/// Contacts by names.
fn meetings(trace: &Trace) -> BTreeMap<(String, String), Vec<(u64, u64)>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for it in trace.contacts() {
        let [a, b] = [it.a, it.b].map(|node| trace.names()[node as usize].clone());
        all.entry((a, b)).or_default().push((it.from_ms, it.until_ms));
    }
    all
}

fn captures(plan: &Plan) -> Vec<(u64, String, usize)> {
    plan.captures.iter().map(|it| (it.at_ms, plan.devices[it.node as usize].name.clone(), it.bytes)).collect()
}

fn same_plan(one: &Plan, other: &Plan) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_one_another() {
    for it in SHIPPED.iter().filter(|it| it.name != "thousand") {
        let scenario = Scenario::read(it.name, it.text, &[], &no_files).unwrap();
        assert!(same_plan(&scenario.plan(1), &scenario.plan(1)), "{}", it.name);
        assert!(!same_plan(&scenario.plan(1), &scenario.plan(2)), "{}", it.name);
    }
}

#[test]
fn one_device_less_leaves_the_others_where_and_as_they_were() {
    // Patrols in one team, so that it isn't another team that somebody is in.
    let all = plan(&FORD.replace(", teams = 2", ""));
    let fewer = plan(
        &FORD.replace(", teams = 2", "").replace("count = 4", "count = 3").replace("count = 3\nat", "count = 2\nat"),
    );
    let gone = ["post-3", "patrol-4"];
    for (number, device) in fewer.devices.iter().enumerate() {
        assert_eq!(fewer.tracks[number], all.tracks[at(&all, &device.name)], "{}", device.name);
    }
    let mut left = meetings(&all.contacts);
    left.retain(|(a, b), _| !gone.contains(&a.as_str()) && !gone.contains(&b.as_str()));
    assert_eq!(meetings(&fewer.contacts), left);
    // What the others have captured, they capture still; what the two had, others do.
    let (all, fewer) = (captures(&all), captures(&fewer));
    let kept: Vec<_> = all.iter().filter(|it| !gone.contains(&it.1.as_str())).collect();
    assert!(
        !kept.is_empty()
            && kept.len() < all.len()
            && kept.iter().all(|it| fewer.contains(it))
            && all.len() == fewer.len()
    );
}

#[test]
fn one_capture_less_leaves_the_others() {
    let (all, fewer) = (captures(&plan(FORD)), captures(&plan(&with("total = 40", "total = 39"))));
    assert_eq!((all.len(), fewer.len()), (40, 39));
    assert!(fewer.iter().all(|it| all.contains(it)));
}

#[test]
fn one_journey_less_leaves_the_others() {
    let (all, fewer) = (plan(FORD), plan(&with("\"06:00\", \"14:00\"", "\"06:00\"")));
    let mornings = |plan: &Plan| {
        let track = &plan.tracks[at(plan, "patrol-1")].0;
        let early = track.iter().filter(|it| (1..13 * HOUR_MS).contains(&(it.0 % DAY_MS)));
        early.copied().collect::<Vec<_>>()
    };
    assert_eq!(mornings(&all), mornings(&fewer));
    assert_ne!(all.tracks, fewer.tracks);
}

// ---- How devices move ----

/// A plan of one group and one post, at places on a line.
fn moving(group: &str) -> Plan {
    plan(&format!(
        "name = \"m\"\nlasts = \"3 d\"\ncontacts.radio = \"wifi-ap\"\nplaces.a = [\"0 m\", \"0 m\"]\nplaces.b = [\"6 km\", \"0 m\"]\n\
         places.c = [\"6 km\", \"8 km\"]\ngroups.post.at = \"b\"\n{group}\n"
    ))
}

/// Where a device is at a moment.
fn place(plan: &Plan, name: &str, at_ms: u64) -> (f64, f64) {
    let track = &plan.tracks[at(plan, name)].0;
    let next = track.partition_point(|it| it.0 <= at_ms);
    let last = track[next.saturating_sub(1)];
    let Some(next) = track.get(next) else { return (last.1, last.2) };
    let share = (at_ms - last.0) as f64 / (next.0 - last.0) as f64;
    (last.1 + (next.1 - last.1) * share, last.2 + (next.2 - last.2) * share)
}

fn is_near(place: (f64, f64), other: (f64, f64), metres: f64) -> bool {
    (place.0 - other.0).hypot(place.1 - other.1) <= metres
}

#[test]
fn a_courier_keeps_to_its_timetable() {
    let it = moving(
        "groups.c.courier = { base = \"a\", stops = [\"b\", \"c\"], leaves = [\"08:00\"], speed = \"36 km/h\", stay = \"10 min\", order = \"listed\" }",
    );
    // Ten minutes to b, ten there, 13:20 to c, ten there, a hypotenuse of 10 km home.
    let minutes = [
        (8 * 60, (0.0, 0.0)),
        (8 * 60 + 15, (6_000.0, 0.0)),
        (8 * 60 + 40, (6_000.0, 8_000.0)),
        (9 * 60 + 1, (0.0, 0.0)),
    ];
    for (day, (minute, there)) in (0..3).flat_map(|day| minutes.map(|it| (day, it))) {
        assert!(is_near(place(&it, "c", day * DAY_MS + minute * MINUTE_MS), there, 6.0), "day {day} minute {minute}");
    }
    let met = &meetings(&it.contacts)[&("post".to_owned(), "c".to_owned())];
    assert_eq!(met.len(), 3, "once a day");
    // In reach from 80 m before the stop, 8 s of way.
    assert!(met.iter().all(|(from, until)| (600_000..630_000).contains(&(until - from))), "{met:?}");
}

#[test]
fn journeys_on_some_days_only_begin_on_those() {
    let it = moving(
        "groups.s.supply_run = { base = \"a\", stops = [\"b\"], leaves = [\"08:00\"], every_days = 2, first_day = 2 }",
    );
    let met = &meetings(&it.contacts)[&("post".to_owned(), "s".to_owned())];
    assert_eq!(met.iter().map(|(from, _)| from / DAY_MS).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_patrol_walks_together_and_two_teams_apart() {
    let it = moving(
        "groups.p = { count = 4, foot_patrol = { base = \"a\", stops = [\"b\"], leaves = [\"06:00\"], teams = 2 } }",
    );
    let apart = |a: &str, b: &str| {
        let moments = (0..3 * 96).map(|quarter| quarter * 15 * MINUTE_MS);
        moments.filter(|at_ms| !is_near(place(&it, a, *at_ms), place(&it, b, *at_ms), 25.0)).count()
    };
    assert_eq!((apart("p-1", "p-2"), apart("p-3", "p-4")), (0, 0));
    assert!(apart("p-1", "p-3") > 3);
    // It comes back.
    assert!((0..3).all(|day| is_near(place(&it, "p-1", day * DAY_MS + 14 * HOUR_MS), (0.0, 0.0), 6.0)));
}

#[test]
fn a_convoy_keeps_its_gap() {
    let it = moving(
        "groups.v = { count = 3, convoy = { base = \"a\", stops = [\"b\"], leaves = [\"08:00\"], gap = \"200 m\", speed = \"36 km/h\" } }",
    );
    let [first, second, third] = ["v-1", "v-2", "v-3"].map(|name| place(&it, name, 8 * HOUR_MS + 5 * MINUTE_MS).0);
    assert!((first - second - 200.0).abs() < 11.0 && (second - third - 200.0).abs() < 11.0, "{first} {second} {third}");
}

#[test]
fn shifts_hand_over_at_the_post_which_is_never_left() {
    let it = moving(
        "groups.s = { count = 6, shifts = { base = \"a\", post = \"b\", changes = [\"06:00\", \"14:00\", \"22:00\"], handover = \"20 min\" } }",
    );
    let on = |at_ms: u64| {
        (1..=6).filter(|it_is| is_near(place(&it, &format!("s-{it_is}"), at_ms), (6_000.0, 0.0), 6.0)).count()
    };
    for minute in 0..3 * 24 * 60 {
        let there = on(minute * MINUTE_MS);
        let change = [6 * 60, 14 * 60, 22 * 60]
            .iter()
            .any(|change| (1..20).contains(&(minute % (24 * 60) - (*change).min(minute % (24 * 60)))));
        assert_eq!(there, if change { 4 } else { there.clamp(2, 4) }, "minute {minute}");
    }
    // Everybody has been there, and everybody at the base.
    for number in 1..=6 {
        let was =
            |there| (0..3 * 24).any(|hour| is_near(place(&it, &format!("s-{number}"), hour * HOUR_MS + 1), there, 6.0));
        assert!(was((0.0, 0.0)) && was((6_000.0, 0.0)), "{number}");
    }
}

#[test]
fn controls_stay_in_their_circle_and_go_alone() {
    for walk in [
        "random_waypoint = { around = \"c\", within = \"500 m\", pause = \"5 min\" }",
        "levy_walk = { around = \"c\", within = \"500 m\" }",
    ] {
        let it = moving(&format!("groups.w = {{ count = 5, {walk} }}"));
        for device in 1..=5 {
            let track = &it.tracks[at(&it, &format!("w-{device}"))].0;
            assert!(track.len() > 50, "{walk}: {}", track.len());
            assert!(track.iter().all(|knot| is_near((knot.1, knot.2), (6_000.0, 8_000.0), 500.1)), "{walk}");
            assert!(track.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{walk}");
        }
        assert_ne!(it.tracks[1], it.tracks[2]);
        assert!(meetings(&it.contacts).len() > 3, "{walk}: some meet");
    }
    // Most ways of a Lévy walk are short, and few are long.
    let it = moving("groups.w = { levy_walk = { around = \"c\", within = \"5 km\" } }");
    let track = &it.tracks[1].0;
    let mut far: Vec<f64> = track
        .windows(2)
        .map(|pair| (pair[1].1 - pair[0].1).hypot(pair[1].2 - pair[0].2))
        .filter(|far| *far > 0.0)
        .collect();
    far.sort_by(f64::total_cmp);
    assert!(far[far.len() / 2] < 25.0 && *far.last().unwrap() > 200.0, "{} {:?}", far[far.len() / 2], far.last());
}

#[test]
fn devices_on_one_network_are_in_touch_however_far_apart() {
    let near = moving("groups.r = { count = 12, at = \"a\" }");
    let lan = moving("groups.r = { count = 12, at = \"a\", spread = \"2 km\", lan = true }");
    let far = moving("groups.r = { count = 12, at = \"a\", spread = \"2 km\" }");
    let always = |plan: &Plan| {
        plan.contacts.contacts().iter().filter(|it| (it.from_ms, it.until_ms) == (0, plan.ends_ms)).count()
    };
    assert_eq!((always(&near), always(&lan)), (66, 66));
    assert!(always(&far) < 20);
}

#[test]
fn regions_never_meet_and_are_drawn_apart() {
    let text = FORD.replace("lasts", "regions = [\"n\", \"s\"]\nlasts");
    let it = plan(&text);
    assert_eq!(
        (it.devices.len(), it.devices[0].name.as_str(), it.devices[7].name.as_str()),
        (14, "n/post-1", "s/post-1")
    );
    assert!(it.contacts.contacts().iter().all(|contact| (contact.a < 7) == (contact.b < 7)));
    assert_eq!(it.sites, [[0; 7], [1; 7]].concat(), "each is a site of its own");
    assert!(it.tracks[7].0[0].1 > it.tracks[0].0[0].1 + 1_000.0);
    assert_eq!(it.captures.len(), 40, "in all regions together");
    assert_ne!(it.tracks[3], it.tracks[10], "each draws its own");
}

// ---- Ways out, off times, clocks ----

fn windows(plan: &Plan, name: &str) -> Vec<(u64, u64)> {
    match plan.devices[at(plan, name)].way_out.as_ref().map(|way| &way.online) {
        Some(Online::Windows(windows)) => windows.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_way_out_is_there_when_and_where_it_is_said() {
    let h = HOUR_MS;
    let quarter = h / 4;
    let daily = plan(FORD);
    assert_eq!(windows(&daily, "post-2"), [6 * h, 18 * h, 30 * h, 42 * h].map(|from| (from, from + quarter)));
    assert!(daily.devices[3].way_out.is_none());
    let some = plan(&with("profile = \"3g\"", "profile = \"3g\", devices = 1, cap = \"5 MB\""));
    assert_eq!(some.devices.iter().filter(|device| device.way_out.is_some()).count(), 1);
    assert_eq!(some.devices[0].way_out.as_ref().unwrap().cap_bytes, Some(5_000_000));
    let every = plan(&with(
        "windows = [\"06:00-06:15\", \"18:00-18:15\"]",
        "every = \"4 h\", open = \"15 min\", first = \"1 h\"",
    ));
    let online = every.devices[0].way_out.as_ref().unwrap().online.clone();
    assert_eq!(online, Online::Every { period_ms: 4 * h, offset_ms: h, len_ms: quarter });
    // Where there is a signal, and only when there is a way out at all.
    let courier = |uplink: &str| {
        moving(&format!(
            "groups.c = {{ courier = {{ base = \"a\", stops = [\"b\"], leaves = [\"08:00\"], speed = \"36 km/h\", stay = \"10 min\" }}, uplink = {{ profile = \"3g\", signal = [\"b\"], signal_reach = \"600 m\"{uplink} }} }}"
        ))
    };
    let there = windows(&courier(""), "c");
    assert_eq!(there.len(), 3);
    // From 600 m before it on, a minute of way there and back each.
    assert!(
        there.iter().all(|(from, until)| (from % DAY_MS).abs_diff(8 * h + 9 * MINUTE_MS) < 2_000
            && (until - from).abs_diff(12 * MINUTE_MS) < 4_000),
        "{there:?}"
    );
    let both = windows(&courier(", windows = [\"08:15-09:00\"]"), "c");
    assert!(both.iter().all(|(from, _)| from % DAY_MS == 8 * h + quarter), "{both:?}");
}

#[test]
fn a_way_out_that_comes_and_goes_is_there_for_its_share() {
    let it = plan(
        &with("\"2 d\"", "\"300 d\"")
            .replace("windows = [\"06:00-06:15\", \"18:00-18:15\"]", "up = \"2 h\", down = \"4 h\""),
    );
    let shares: Vec<f64> = ["post-1", "post-2", "post-3"]
        .iter()
        .map(|name| windows(&it, name).iter().map(|(from, until)| until - from).sum::<u64>() as f64 / it.ends_ms as f64)
        .collect();
    assert!(shares.iter().all(|share| (share - 1.0 / 3.0).abs() < 0.04), "{shares:?}");
    assert!(windows(&it, "post-1") != windows(&it, "post-2"), "each at its own times");
}

#[test]
fn devices_are_off_when_said_and_capture_when_on() {
    let text = FORD
        .replace("at = \"ford\"", "at = \"ford\"\noff = [\"22:00-07:00\", \"day 2 12:00-18:00\"]")
        .replace("[captures.crossing]\nby = [\"post\", \"patrol\"]", "[captures.crossing]\nby = [\"post\"]");
    let it = plan(&text);
    let h = HOUR_MS;
    assert_eq!(it.devices[0].off, [(0, 7 * h), (22 * h, 31 * h), (36 * h, 42 * h), (46 * h, 48 * h)]);
    assert_eq!(it.captures.len(), 40);
    let off = |at_ms: u64| it.devices[0].off.iter().any(|(from, until)| *from <= at_ms && at_ms < *until);
    assert!(it.captures.iter().all(|capture| !off(capture.at_ms)));
    let never = read(&FORD.replace("at = \"ford\"", "at = \"ford\"\noff = [\"00:00-24:00\"]")).unwrap_err();
    assert!(never.what.contains("never switched on"), "{never}");
}

#[test]
fn clocks_go_wrong_by_up_to_what_is_said_each_differently() {
    let it = plan(&with(
        "count = 4",
        "count = 4\nclock = { skew = \"3 min\", drift = \"50 ppm\", jumps = [{ at = \"day 2 10:00\", by = \"-1 h\" }] }",
    ));
    let clocks: Vec<_> = it.devices[3..].iter().map(|device| device.clock.clone()).collect();
    assert!(clocks.iter().all(|it| it.skew_ms.abs() <= 180_000 && it.drift_ppm.abs() <= 50));
    assert!(clocks.iter().any(|it| it.skew_ms != clocks[0].skew_ms));
    assert_eq!(clocks[0].jumps, [(34 * HOUR_MS, -3_600_000)]);
    assert_eq!(it.devices[0].clock, Default::default());
}

// ---- Captures ----

#[test]
fn captures_come_as_often_and_when_they_are_said_to() {
    let hours = |plan: &Plan| plan.captures.iter().all(|it| (6..20).contains(&(it.at_ms % DAY_MS / HOUR_MS)));
    let total = plan(FORD);
    assert!(total.captures.len() == 40 && hours(&total));
    assert!(total.captures.iter().all(|it| (60_000..=90_000).contains(&it.bytes)));
    let daily = plan(&with("total = 40", "per_day = 25"));
    let on_first = daily.captures.iter().filter(|it| it.at_ms < DAY_MS).count();
    assert!((daily.captures.len(), on_first) == (50, 25) && hours(&daily));
    let seldom = plan(&with("\"2 d\"", "\"200 d\"").replace("total = 40", "per_day = 0.25"));
    assert!((35..65).contains(&seldom.captures.len()), "{}", seldom.captures.len());
    let bursts = plan(&with("total = 40", "total = 40\nburst = { of = 10, within = \"15 min\" }"));
    let times: Vec<u64> = bursts.captures.iter().map(|it| it.at_ms).collect();
    let alone = times.windows(2).filter(|pair| pair[1] - pair[0] > 15 * MINUTE_MS).count();
    assert!(times.len() == 40 && alone <= 3, "{times:?}");
    // All of a burst are at one place, and not all by one device.
    let group = |it: &(u64, String, usize)| it.1.split('-').next().unwrap().to_owned();
    let by_group: BTreeMap<String, usize> = captures(&bursts).iter().fold(BTreeMap::new(), |mut all, it| {
        *all.entry(group(it)).or_default() += 1;
        all
    });
    assert!(by_group.values().all(|count| count % 10 == 0), "{by_group:?}");
    assert!(captures(&bursts).iter().map(|it| it.1.clone()).collect::<std::collections::BTreeSet<_>>().len() > 2);
    let listed = plan(&with("total = 40", "listed = [{ at = \"day 2 06:30\", by = \"post-2\" }, { at = \"90 min\", by = \"patrol-1\", images = \"1 kB\" }]").replace("by = [\"post\", \"patrol\"]", "").replace("hours = [\"06:00-20:00\"]", ""));
    let listed = captures(&listed);
    assert_eq!(listed[0], (90 * MINUTE_MS, "patrol-1".to_owned(), 1_000));
    assert_eq!((listed[1].0, listed[1].1.as_str()), (DAY_MS + 6 * HOUR_MS + 30 * MINUTE_MS, "post-2"));
}

#[test]
fn whoever_may_not_capture_never_does() {
    let it =
        plan(&FORD.replace("by = [\"post\", \"patrol\"]\n", "").replace("count = 3", "count = 3\nrole = \"carrier\""));
    assert!(it.captures.iter().all(|capture| it.devices[capture.node as usize].member == Member::Officer));
}

// ---- Traces ----

fn traced(what: &str, instead: &str) -> Result<Scenario, ScenarioError> {
    assert!(TRACED.contains(what));
    Scenario::read("t.toml", &TRACED.replacen(what, instead, 1), &[], &folder)
}

#[test]
fn a_trace_brings_contacts_windows_and_captures() {
    let it = traced("", "").unwrap().plan(1);
    assert_eq!(it.devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>(), ["7", "8", "9"]);
    let met: Vec<_> = it.contacts.contacts().iter().map(|it| (it.from_ms, it.until_ms, it.a, it.b)).collect();
    // The second goes on beyond the operation's end.
    assert_eq!(met, [(0, 600_000, 0, 1), (300_000, 7_200_000, 1, 2)]);
    assert_eq!(windows(&it, "7"), [(60_000, 180_000)]);
    assert!(it.devices[1].way_out.is_none() && it.devices[2].way_out.is_none());
    assert_eq!(captures(&it), [(30_000, "8".to_owned(), 90_000), (3_000_000, "9".to_owned(), 1_000)]);
    assert!(it.tracks.is_empty());
    let first = |text: &str, extra: &str| {
        traced("trace = \"met.csv\"", &format!("trace = \"{text}\"\n{extra}")).unwrap().plan(1).contacts.contacts()[0]
    };
    assert_eq!(first("met.one", "").until_ms, 600_000);
    assert_eq!(first("met.one", "one_compat = true").until_ms, 300_000);
    // 80 m of Wi-Fi, 50 m of what is set.
    assert_eq!(first("moves.txt", "").from_ms, 504_000);
    assert_eq!(first("moves.txt", "range = \"50 m\"").from_ms, 540_000);
}

#[test]
fn what_does_not_fit_a_trace_is_told() {
    let cases = [
        ("\"9\"]", "\"99\"]", "the trace has no node `99`", "known are `7`"),
        ("nodes = [\"7\", \"9\"]", "at = \"x\"", "`at` isn't for contacts from a trace", "leave `at` out"),
        ("nodes = [\"7\", \"9\"]", "", "which nodes of the trace are `gateways`?", "add `nodes"),
        ("nodes = [\"7\", \"9\"]", "nodes = [\"7\", \"7\"]", "node `7` is in group `gateways` already", "one group"),
        ("windows.csv", "stranger.csv", "it has a node `8`, which isn't one of this group", "`7`"),
        ("windows.csv", "none.csv", "none.csv: it can't be read: there is no such file", "own folder"),
        ("\"captures.csv", "\"late.csv", "late.csv: line 2: this is after the operation's end", "last longer"),
        ("met.csv", "captures.csv", "captures.csv: ", "mend the trace"),
        ("lasts", "regions = 2\nlasts", "contacts from a trace can't be there several times", "leave `regions` out"),
    ];
    for (what, instead, said, advised) in cases {
        let error = traced(what, instead).err().unwrap_or_else(|| panic!("`{instead}` is let through"));
        assert!(error.what.contains(said) && error.line().is_some(), "{instead}: {error}");
        assert!(error.hint.contains(advised), "{instead}: {}", error.hint);
    }
    let all = traced("nodes = [\"7\", \"9\"]", "nodes = \"all\"").unwrap().plan(1);
    assert_eq!(windows(&all, "7"), [(60_000, 180_000)]);
}

// ---- Hostile files ----

#[test]
fn hostile_files_are_a_scenario_or_an_error() {
    let mut samples: Vec<(&str, Vec<u8>)> = SHIPPED.iter().map(|it| (it.name, it.text.into())).collect();
    samples.extend([("ford", FORD.into()), ("traced", TRACED.into())]);
    bears("scenarios", &samples, 150, bodies::scenario);
    let settings = ["contacts.radio=ble", "groups.post.count=5", "lasts=2 d", "groups.post.off=[\"22:00-05:00\"]"];
    bears("settings of scenarios", &settings.map(|it| (it, it.into())), 200, bodies::setting);
    let tables = ["t,node,bytes\n30,8,90000\n3000,9,1000\n", "node,start,end\n7,60,120\n7,120,180\n"];
    bears("tables of scenarios", &tables.map(|it| (it, it.into())), 1_000, bodies::table);
}

// ---- The page ----

const PAGE: &str = include_str!("../../../docs/SCENARIOS.md");

#[test]
fn the_example_on_the_page_is_read_and_planned() {
    let example = PAGE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let it = plan(example);
    assert_eq!((it.devices.len(), it.captures.len()), (14, 7 * 12 + 20));
}

/// Every key of every table, as the reader itself lists them when it is given one that it doesn't know.
#[test]
fn every_key_is_on_the_page() {
    let tables = [
        "",
        "contacts.",
        "groups.post.",
        "groups.patrol.foot_patrol.",
        "groups.post.uplink.",
        "captures.crossing.",
        "captures.crossing.burst.",
        "groups.post.clock.",
        "groups.post.shifts.",
        "groups.post.random_waypoint.",
        "groups.post.levy_walk.",
        "faults.",
        "faults.crash.",
    ];
    for table in tables {
        let error = set(&[&format!("{table}zzzzzzzzzz=true")]).unwrap_err();
        let keys: Vec<&str> = error.hint.split('`').skip(1).step_by(2).collect();
        assert!(keys.len() > 1, "{table}: {error} {}", error.hint);
        for key in keys {
            assert!(
                [format!("`{key}`"), format!("`[{key}"), format!("{key} = ")].iter().any(|told| PAGE.contains(told)),
                "{table}{key}"
            );
        }
    }
}

#[test]
fn every_profile_is_on_the_page_with_its_figures_and_its_source() {
    let row = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let head = ["rate", "round trip", "set-up", "loss", "what it is, and where the figures are from"];
    let mut page = row(&[&["radio", "range"], head.as_slice()].concat()) + &row(&["---"; 7]);
    for it in RADIOS {
        let what = format!("{}: {}", it.what, it.source);
        let name = format!("`{}`", it.name);
        page += &row(&[&name, &it.range(), &it.rate(), &it.round_trip(), &it.setup(), &it.loss(), &what]);
    }
    page += "\n";
    page += &(row(&[&["uplink"], head.as_slice()].concat()) + &row(&["---"; 6]));
    for it in UPLINKS {
        let what = format!("{}: {}", it.what, it.source);
        page += &row(&[&format!("`{}`", it.name), &it.rate(), &it.round_trip(), &it.setup(), &it.loss(), &what]);
    }
    assert!(PAGE.contains(&page), "the page should have\n{page}");
}

/// Every shipped name is found, and none else.
#[test]
fn shipped_scenarios_are_found_by_name() {
    assert!(SHIPPED.iter().all(|it| shipped(it.name) == Some(it)) && shipped("nothing").is_none());
    for it in SHIPPED {
        assert_eq!(Scenario::read(it.name, it.text, &[], &no_files).unwrap().name(), it.name);
    }
}
