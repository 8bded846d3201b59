//! The report of a simulation: what is on the page, in the summary and among the events is what came of the runs.

use serde_json::Value;
use simulations::operation::{
    COPIES_MAX, Copied, DeviceNotes, Fate, GatewayNotes, LOOKS_MAX, Notes, Outcome, Plan, PlannedCapture, Storage,
    Switch, Track, run,
};
use simulations::report::{Gathered, MEASURES, Mean, Reduced, Report};
use simulations::trace::{Contact, Trace};

use crate::plans::two_ways_out;

/// Bytes that a page may have, however large the operation is: a browser opens it on a phone.
const PAGE_BYTES_MAX: usize = 5_000_000;
/// What is drawn of every operation that has a gateway.
const PLOTS: [&str; 9] = [
    "From capture to the hub",
    "From capture to the answer",
    "How close to what was possible",
    "Capture by capture",
    "The queue",
    "Who met somebody when",
    "Who was a gateway when",
    "Bytes moved over bytes needed",
    "Storage",
];

fn gathered(plan: &Plan, runs: impl IntoIterator<Item = (u64, Outcome)>) -> Gathered {
    let mut all = Gathered::new();
    let reduced = runs.into_iter().map(|(seed, outcome)| Reduced::of(seed, plan.clone(), outcome));
    reduced.enumerate().for_each(|(place, reduced)| all.add(place, reduced));
    all
}

fn played(names: [&str; 4], seeds: u64) -> Gathered {
    let plan = two_ways_out(names);
    gathered(&plan, outcomes(&plan, seeds))
}

fn outcomes(plan: &Plan, seeds: u64) -> Vec<(u64, Outcome)> {
    (1..=seeds).map(|seed| (seed, run(plan, seed))).collect()
}

fn plain(seeds: u64) -> Gathered {
    played(["officer", "mule", "ridge", "tower"], seeds)
}

fn events(report: &Report<'_>) -> Vec<Value> {
    let mut bytes = Vec::new();
    report.events(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let runs = plain(2);
    let page = Report::new("Two ways out", "An officer, a mule.", "key = 1", &runs).unwrap().page();
    for reference in ["http:", "https:", "src=", "href=", "url(", "@import", "import(", "fetch(", "<link", "<iframe"] {
        assert!(!page.contains(reference), "the page has `{reference}`");
    }
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("key = 1"));
    assert!(page.contains("default-src 'none'"), "and a browser wouldn't fetch anything");
}

#[test]
fn names_are_text_wherever_they_stand() {
    let evil = r#"</script><script>alert("1")</script><b a='"&"#;
    let runs = played([evil, "<i>mule</i>", "]]>ridge", "tower\u{202e}"], 2);
    let report = Report::new(evil, evil, evil, &runs).unwrap();
    let page = report.page();
    for wrong in ["<script>alert", "<i>mule", "<b a="] {
        assert!(!page.contains(wrong), "`{wrong}` stands there as it is");
    }
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
    assert!(page.contains("&lt;i&gt;mule&lt;/i&gt;"));
    assert!(events(&report).iter().any(|event| event["device"] == evil), "for programs it is what it is");
}

#[test]
fn every_plot_has_its_title_axes_and_numbers() {
    let runs = plain(1);
    let page = Report::new("Two ways out", "", "", &runs).unwrap().page();
    for title in PLOTS {
        let figure = page.split("<figure>").find(|figure| figure.contains(&format!("<strong>{title}</strong>")));
        let figure = figure.unwrap_or_else(|| panic!("there is no {title}"));
        let plot = figure.split("</figure>").next().unwrap();
        let texts: Vec<&str> = plot.split("<text").skip(1).map(|text| text.split("</text>").next().unwrap()).collect();
        assert!(plot.contains("<svg role=\"img\" aria-label=\""), "{title} says what it is");
        assert!(texts.len() > 5, "{title} has marks on its axes: {texts:?}");
        let titled = |text: &&&str| ["time", "delay over", "bytes"].iter().any(|unit| text.contains(unit));
        assert!(texts.iter().any(|text| titled(&text)), "{title} has a titled axis: {texts:?}");
        assert!(plot.contains("<polyline") || plot.contains("<rect"), "{title} shows something");
        assert!(!plot.contains("NaN") && !plot.contains("inf"), "{title}");
    }
    assert!(!page.contains("can't be drawn"));
    assert!(page.contains("<table class=\"sorts\"") && page.contains("id=\"replay\""));
}

#[test]
fn the_summary_says_what_came_of_the_runs() {
    let (plan, runs) = (two_ways_out(["officer", "mule", "ridge", "tower"]), plain(3));
    let all = outcomes(&plan, 3);
    let summary = Report::new("Two ways out", "", "", &runs).unwrap().summary();
    assert_eq!(summary["measures"].as_object().unwrap().len(), MEASURES.len());
    let mean = |key: &str| summary["measures"][key]["mean"].as_f64().unwrap();
    let delivered = |outcome: &Outcome| outcome.fates.iter().filter(|fate| fate.delivered_ms.is_some()).count();
    assert_eq!((mean("captures"), mean("delivered")), (4.0, 0.5));
    assert!(all.iter().all(|(_, outcome)| delivered(outcome) == 2));
    let sent = Mean::of(all.iter().map(|(_, outcome)| outcome.traffic.sent_bytes as f64)).unwrap();
    assert_eq!(mean("moved_bytes"), sent.mean);
    assert_eq!(summary["measures"]["moved_bytes"]["half_width_95"].as_f64(), sent.half_width);
    assert_eq!(summary["measures"]["moved_bytes"]["by_run"].as_array().unwrap().len(), 3);
    let late = all.iter().map(|(_, outcome)| outcome.delivery().delays.quantile_ms(0.9).unwrap() as f64);
    assert_eq!(mean("delivery_p90_ms"), Mean::of(late).unwrap().mean);
    let devices = &summary["of_first_run"]["devices"];
    assert_eq!((&devices[0]["captures"], &devices[2]["gateway"]["delivered"]), (&4.into(), &2.into()));
    assert_eq!(summary["runs"][2]["seed"], 3);
}

#[test]
fn events_tell_every_stage_in_order() {
    let runs = plain(1);
    let events = events(&Report::new("Two ways out", "", "", &runs).unwrap());
    assert_eq!((&events[0]["event"], &events[events.len() - 1]["event"]), (&"begin".into(), &"end".into()));
    let inner = &events[1..events.len() - 1];
    assert!(inner.is_sorted_by_key(|event| event["ms"].as_u64().unwrap()));
    let of = |word: &str| inner.iter().filter(|event| event["event"] == word).count();
    assert_eq!((of("contact_up"), of("contact_down"), of("captured"), of("copied")), (6, 6, 4, 6));
    assert_eq!((of("accepted"), of("answered"), of("seen"), of("gateway_on")), (2, 2, 2, 3));
    let journey: Vec<&str> =
        inner.iter().filter(|it| it["capture"] == 0).map(|it| it["event"].as_str().unwrap()).collect();
    let kinds = ["captured", "copied", "copied", "at_gateway", "accepted", "told", "answered", "seen"];
    assert_eq!(journey, kinds);
    let first = inner.iter().find(|event| event["event"] == "accepted").unwrap();
    let plan = two_ways_out(["officer", "mule", "ridge", "tower"]);
    assert_eq!(first["ms"].as_u64(), run(&plan, 1).fates[0].delivered_ms);
}

#[test]
fn the_same_runs_give_the_same_bytes() {
    let write = || {
        let runs = plain(2);
        let report = Report::new("Two ways out", "", "", &runs).unwrap();
        (report.page(), report.summary().to_string(), events(&report))
    };
    assert!(write() == write());
}

#[test]
fn nothing_played_is_no_report_and_nothing_captured_is_one() {
    assert!(Report::new("", "", "", &Gathered::new()).is_none());
    let mut plan = two_ways_out(["a", "b", "c", "d"]);
    plan.captures.clear();
    let runs = gathered(&plan, outcomes(&plan, 1));
    let page = Report::new("Quiet", "", "", &runs).unwrap().page();
    assert!(page.contains("0 captures") && !page.contains("NaN"));
}

/// Plots were empty, and said nothing.
#[test]
fn that_nothing_arrived_is_said_where_it_would_be_drawn() {
    let mut plan = two_ways_out(["a", "b", "c", "d"]);
    let page = |plan: &Plan| Report::new("Cut off", "", "", &gathered(plan, outcomes(plan, 2))).unwrap().page();
    let said = ["No capture reached the hub.", "No capture was answered.", "No capture reached the hub whose"];
    let arrived = page(&plan);
    assert!(said.iter().all(|words| !arrived.contains(words)));
    plan.devices.iter_mut().for_each(|device| device.way_out = None);
    let page = page(&plan);
    assert!(said.iter().all(|words| page.contains(words)) && !page.contains("NaN"));
}

#[test]
fn where_devices_are_is_drawn_as_a_map_if_it_is_known() {
    let mut plan = two_ways_out(["officer", "mule", "ridge", "tower"]);
    plan.tracks =
        [0.0, 1_000.0, 5_000.0, 5_000.0].map(|east| Track(vec![(0, east, 0.0), (60_000, east, 2_500.0)])).to_vec();
    let page = |plan: &Plan| {
        let runs = gathered(plan, outcomes(plan, 1));
        Report::new("Map", "", "", &runs).unwrap().page()
    };
    let map = page(&plan);
    // 5 km are as wide as the picture is within its margins, and north is up. The first device stands exactly where it is.
    let points = "[0.0,75.0,487.5,6.0,75.0,212.5]";
    for expected in ["Replay: who is where", "translate(75.0 487.5)", points, ">1 km<"] {
        assert!(map.contains(expected), "{expected}");
    }
    plan.tracks[1].0[0].1 = f64::NAN;
    assert!(!page(&plan).contains("NaN"));
    plan.tracks.truncate(3);
    assert!(page(&plan).contains("Replay: who is in contact"), "a map of some only is none");
}

/// 1,000 devices, 100,000 contacts, 10,000 captures: as if it had been played, since that would take minutes.
fn huge() -> (Plan, Outcome) {
    const HOUR_MS: u64 = 3_600_000;
    let mut plan = two_ways_out(["officer", "mule", "ridge", "tower"]);
    let (ends_ms, device) = (14 * 24 * HOUR_MS, plan.devices[3].clone());
    let names: Vec<String> = (0..1_000).map(|number| format!("device {number} of a long name & <odd>")).collect();
    let contact = |number: u64| {
        let (a, b) = ((number * 7 % 1_000) as u32, (number * 13 % 999) as u32);
        let from_ms = number * (ends_ms / 100_000);
        Contact { from_ms, until_ms: from_ms + 60_000 + number % 97 * 60_000, a, b }
    };
    plan.contacts = Trace::new(names.clone(), (0..100_000).map(contact));
    plan.devices =
        names.into_iter().map(|name| simulations::operation::PlannedDevice { name, ..device.clone() }).collect();
    let capture =
        |number: u64| PlannedCapture { at_ms: number * 110_000, node: (number % 1_000) as u32, bytes: 90_000 };
    plan.captures = (0..10_000).map(capture).collect();
    plan.ends_ms = ends_ms;
    let fate = |(capture, number): (&PlannedCapture, u64)| {
        let after = |ms: u64| Some(capture.at_ms + number % 313 * ms).filter(|_| number % 11 > 0);
        Fate {
            captured_ms: capture.at_ms,
            node: capture.node,
            bytes: capture.bytes,
            copied_ms: after(1_000),
            at_gateway_ms: after(100_000),
            delivered_ms: after(110_000),
            told_accepted_ms: after(150_000),
            answered_ms: after(160_000),
            seen_ms: after(170_000),
            oracle_delivered_ms: after(90_000),
            oracle_answered_ms: after(120_000),
            direct_ms: after(900_000),
        }
    };
    let gateway = GatewayNotes { times: 9, gateway_ms: HOUR_MS, up_bytes: 1, down_bytes: 2, delivered: 10 };
    let notes = Notes {
        period_ms: 2 * HOUR_MS,
        storage: (0..LOOKS_MAX)
            .map(|look| Storage { at_ms: look * HOUR_MS, most_bytes: look * 100_000, ..Storage::default() })
            .collect(),
        devices: vec![DeviceNotes { gateway: Some(gateway), ..DeviceNotes::default() }; 1_000],
        copies: (0..COPIES_MAX as u64)
            .map(|it| Copied { at_ms: it * 1_000, capture: (it % 10_000) as u32, node: (it % 1_000) as u32 })
            .collect(),
        copies_left_out: 900_000,
        switches: (0..60_000)
            .map(|it| Switch { at_ms: it * 20_000, node: (it % 1_000) as u32, on: it / 1_000 % 2 == 0 })
            .collect(),
        switches_left_out: 7,
    };
    let fates = plan.captures.iter().zip(0..).map(fate).collect();
    let outcome = Outcome { hash: [7; 32], fates, traffic: Default::default(), impossible: 0, notes };
    (plan, outcome)
}

#[test]
fn a_large_operation_makes_a_page_that_a_browser_opens_and_that_says_what_it_leaves_out() {
    let (plan, outcome) = huge();
    let (runs, source) = (gathered(&plan, [(1, outcome)]), "key = 1\n".repeat(100_000));
    let report = Report::new("Huge", "", &source, &runs).unwrap();
    let (page, events) = (report.page(), events(&report));
    println!("{} bytes, {} events", page.len(), events.len());
    assert!(page.len() < PAGE_BYTES_MAX, "{} bytes", page.len());
    let contacts = plan.contacts.contacts().len();
    let left_out = [
        "120 of 10,000 captures".to_owned(),
        "Each row stands for 12 devices".to_owned(),
        format!("The {},{:03} shortest contacts", (contacts - 30_000) / 1_000, (contacts - 30_000) % 1_000),
        "The 300 that moved most, of 1,000".to_owned(),
        "The 300 that brought most, of 1,000".to_owned(),
        "The rest is left out".to_owned(),
    ];
    for said in left_out {
        assert!(page.contains(&said), "it doesn't say: {said}");
    }
    assert_eq!(events[events.len() - 1]["left_out"]["copied"], 900_000);
    assert!(report.summary().to_string().len() < PAGE_BYTES_MAX);
}

/// Every seed's whole outcome was kept until the end. What is kept of each now must tell the same, whichever is over first.
#[test]
fn runs_tell_the_same_in_whatever_order_they_are_over() {
    let plan = two_ways_out(["officer", "mule", "ridge", "tower"]);
    let told = |order: [u64; 4]| {
        let mut runs = Gathered::new();
        for seed in order {
            runs.add(seed as usize, Reduced::of(seed, plan.clone(), run(&plan, seed)));
        }
        let report = Report::new("Two ways out", "", "", &runs).unwrap();
        (report.page(), report.summary().to_string(), events(&report))
    };
    assert!(told([1, 2, 3, 4]) == told([3, 1, 4, 2]));
    assert!(told([1, 2, 3, 4]).0.contains("band from the least of them to the most"));
}
