//! Published contact traces and the bounds on them, worked out by others: all must come out exactly.
//!
//! They aren't part of the project. `GREENLINE_TRACES` names their folder, else they are looked for beside the project's own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use serde_json::Value;
use simulations::operation::{self, Plan, PlannedCapture, PlannedDevice, Radio, WayOut};
use simulations::oracle::{Gateway, Online, Oracle};
use simulations::quantile::Delays;
use simulations::scenario::Scenario;
use simulations::trace::{self, Format, Node, Trace};
use simulations::{Clock, Member, Pace};

/// What a hub takes to answer, in the bounds on round trips.
const ANSWER_MS: u64 = 10_000;

#[test]
fn bounds_on_published_traces_come_out_exactly() {
    let Some(bounds) = json("oracle.json") else { return };
    for (name, known) in bounds["traces"].as_object().unwrap() {
        let trace = read(&format!("{name}.csv"));
        let numbers = (known["nodes"].as_u64().unwrap(), known["duration_s"].as_u64().unwrap());
        assert_eq!((trace.nodes() as u64, trace.ends_ms() / 1000), numbers, "{name}");
        let oracle = Oracle::new(&trace, trace.ends_ms());
        for traffic in ["uniform", "active"] {
            let messages = match traffic {
                "uniform" => uniform(name, &trace),
                _ => active(name, &trace),
            };
            let arrivals: Vec<_> = messages.iter().map(|(src, t0_ms)| oracle.arrivals([(*src, *t0_ms)])).collect();
            for (set, expected) in known[traffic]["gateway"].as_object().unwrap() {
                let gateways = gateway_set(set, expected);
                let each = |delay: &dyn Fn(usize, Node, u64) -> Option<u64>| -> Delays {
                    let delays = messages.iter().enumerate();
                    delays
                        .map(|(number, (src, t0_ms))| delay(number, *src, *t0_ms).map(|at_ms| at_ms - t0_ms))
                        .collect()
                };
                let one_way = |number: usize, _: Node, _: u64| oracle.delivered(&arrivals[number], &gateways);
                let back = |number: usize, src: Node, t0_ms: u64| {
                    oracle.answer_from(src, one_way(number, src, t0_ms)? + ANSWER_MS, &gateways)
                };
                let direct = |_: usize, src: Node, t0_ms: u64| oracle.direct_only(src, t0_ms, &gateways);
                same(&each(&one_way), &expected["one_way"], &format!("{name} {traffic} {set} one way"));
                same(&each(&back), &expected["round_trip_10s"], &format!("{name} {traffic} {set} and back"));
                same(&each(&direct), &expected["direct_only"], &format!("{name} {traffic} {set} direct"));
            }
            spread(&messages, &arrivals, &known[traffic]["all_nodes"], &format!("{name} {traffic}"));
            let vectors = known["checks"].as_array().unwrap();
            for vector in vectors.iter().filter(|vector| vector["traffic"] == traffic) {
                let number = vector["i"].as_u64().unwrap() as usize;
                check(vector, messages[number], &arrivals[number]);
            }
        }
    }
}

#[test]
fn bounds_on_synthetic_operations_come_out_exactly() {
    for name in ["syn_slovenia", "syn_trial2019", "syn_wb21"] {
        let Some(known) = json(&format!("{name}.meta.json")) else { return };
        let trace = read(&format!("{name}.csv"));
        let ends_ms = known["duration_s"].as_u64().unwrap() * 1000;
        let oracle = Oracle::new(&trace, ends_ms);
        let gateways: Vec<Gateway> = windows(name);
        let captures = rows(&format!("{name}.captures.csv"));
        let messages: Vec<(Node, u64)> = captures.iter().map(|row| (row[1] as Node, row[0] * 1000)).collect();
        let each = |at: &dyn Fn(Node, u64) -> Option<u64>| -> Delays {
            messages.iter().map(|(src, t0_ms)| at(*src, *t0_ms).map(|at_ms| at_ms - t0_ms)).collect()
        };
        let expected = &known["oracle"];
        same_short(&each(&|src, t0_ms| oracle.one_way(src, t0_ms, &gateways)), &expected["one_way"], name);
        let back = |src, t0_ms| oracle.round_trip(src, t0_ms, &gateways, ANSWER_MS);
        same_short(&each(&back), &expected["round_trip_10s"], name);
        same_short(&each(&|src, t0_ms| oracle.direct_only(src, t0_ms, &gateways)), &expected["direct_only"], name);
        for vector in known["checks"].as_array().unwrap() {
            let number = vector["i"].as_u64().unwrap() as usize;
            let (src, t0_ms) = messages[number];
            assert_eq!(
                (u64::from(src), t0_ms / 1000),
                (vector["src"].as_u64().unwrap(), vector["t0"].as_u64().unwrap())
            );
            let one_way = oracle.one_way(src, t0_ms, &gateways).map(|at_ms| (at_ms - t0_ms) / 1000);
            assert_eq!(one_way, vector["one_way"].as_u64(), "{name} {number}");
            let arrivals = oracle.arrivals([(src, t0_ms)]);
            assert_eq!(reached(&arrivals, t0_ms), numbers(vector, "reached"), "{name} {number}");
        }
    }
}

#[test]
fn the_same_contacts_come_of_the_events_of_one() {
    for name in ["sp_sfhh_conference", "sp_workplace_invs15"] {
        let Some(known) = json(&format!("{name}.meta.json")) else { return };
        let table = read(&format!("{name}.csv"));
        let file = BufReader::new(File::open(folder().unwrap().join(format!("{name}.one.gz"))).unwrap());
        let (events, format, oddities) = trace::read(file, None, None).unwrap();
        assert_eq!(format, Format::One { first_down_ends: false });
        assert_eq!(oddities, trace::Oddities::default(), "{name}");
        assert!(events == table, "{name}: the two differ");
        let (stats, known) = (table.stats(), &known["stats"]);
        let whole = |ms: Option<u64>| ms.map(|ms| ms as f64 / 1000.0);
        assert_eq!(Some(stats.contacts as u64), known["contacts"].as_u64());
        assert_eq!(Some(stats.pairs as u64), known["pairs"].as_u64());
        assert_eq!(whole(stats.contact_p50_ms), known["median_contact_s"].as_f64());
        assert_eq!(whole(stats.contact_p90_ms), known["p90_contact_s"].as_f64());
        assert_eq!(whole(stats.between_p50_ms), known["median_intercontact_s"].as_f64());
        assert_eq!(whole(stats.between_p90_ms), known["p90_intercontact_s"].as_f64());
        let rounded = |value: f64, digits: f64| (value * digits).round() / digits;
        assert_eq!(Some(rounded(stats.mean_degree, 1e3)), known["mean_degree"].as_f64());
        assert_eq!(Some(rounded(stats.contacts_per_node_day, 10.0)), known["contacts_per_node_day"].as_f64());
    }
}

/// The plan of a published operation: its contacts, windows and captures, with radios of 10 Mbit/s that take two seconds to link.
fn plan(name: &str) -> Option<Plan> {
    let known = json(&format!("{name}.meta.json"))?;
    let pace = Pace { latency_ms: 5, bits_per_s: Some(10_000_000), loss_ppm: 0 };
    let contacts = read(&format!("{name}.csv"));
    let mut devices: Vec<PlannedDevice> = contacts
        .names()
        .iter()
        .map(|name| PlannedDevice {
            name: name.clone(),
            member: Member::Officer,
            way_out: None,
            off: vec![],
            clock: Clock::default(),
        })
        .collect();
    for Gateway { node, online } in windows(name) {
        devices[node as usize].way_out = Some(WayOut { online, setup_ms: 200, pace, cap_bytes: None });
    }
    let captures = rows(&format!("{name}.captures.csv"));
    let capture =
        |row: &Vec<u64>| PlannedCapture { at_ms: row[0] * 1000, node: row[1] as Node, bytes: row[2] as usize };
    Some(Plan {
        name: name.to_owned(),
        devices,
        contacts,
        radio: Radio { setup_ms: 2_000, pace },
        captures: captures.iter().map(capture).collect(),
        ends_ms: known["duration_s"].as_u64()? * 1000,
        screening_ms: ANSWER_MS,
        reads_after_ms: Some(60_000),
        sites: Vec::new(),
        tracks: vec![],
    })
}

fn spans(online: &Online) -> Vec<(u64, u64)> {
    match online {
        Online::Windows(windows) => windows.iter().copied().filter(|(from_ms, until_ms)| from_ms < until_ms).collect(),
        other => panic!("{other:?}"),
    }
}

/// What planners write over the published files comes to what these say.
#[test]
fn a_scenario_over_published_files_plans_what_they_say() {
    for name in ["syn_slovenia", "syn_trial2019", "syn_wb21"] {
        let Some(plan) = plan(name) else { return };
        let text = format!(
            "name = \"{name}\"\nlasts = \"{} s\"\n[contacts]\nradio = \"wifi-ap\"\ntrace = \"{name}.csv\"\n\
             [groups.all]\nnodes = \"all\"\nuplink = {{ profile = \"4g\", windows_csv = \"{name}.windows.csv\" }}\n\
             [captures.all]\ncsv = \"{name}.captures.csv\"\n",
            plan.ends_ms / 1000
        );
        let open = |file: &str| -> std::io::Result<Box<dyn BufRead>> {
            Ok(Box::new(BufReader::new(File::open(folder().unwrap().join(file))?)))
        };
        let planned = Scenario::read(name, &text, &[], &open).unwrap().plan(1);
        assert!(planned.contacts == plan.contacts && planned.ends_ms == plan.ends_ms, "{name}");
        let captures = |plan: &Plan| {
            let mut all: Vec<_> = plan.captures.iter().map(|it| (it.at_ms, it.node, it.bytes)).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(captures(&planned), captures(&plan), "{name}");
        // Some windows of the files last no time.
        let gateways = |plan: &Plan| {
            let ways = plan.gateways().into_iter();
            ways.map(|it| (it.node, spans(&it.online))).collect::<Vec<_>>()
        };
        assert_eq!(gateways(&planned), gateways(&plan), "{name}");
    }
}

/// Close to what is possible: the same captures arrive, and not much later. WB21 takes a minute, and is for `HEAVY=1`.
#[test]
fn operations_deliver_nearly_as_the_bounds_allow() {
    let heavy = std::env::var_os("HEAVY").is_some();
    let names: &[&str] = if heavy { &["syn_slovenia", "syn_wb21", "syn_trial2019"] } else { &["syn_slovenia"] };
    for name in names {
        let Some(plan) = plan(name) else { return };
        let outcome = operation::run(&plan, 1);
        assert_eq!(outcome.impossible, 0, "{name}: something arrived before it could");
        for (what, spread) in [("delivery", outcome.delivery()), ("answer", outcome.answer())] {
            let (delivered, possible) = (spread.delays.delivered(), spread.oracle.delivered());
            println!(
                "{name} {what}: {:.2} % of {:.2} % possible, ratio {:?}, later by {:?} ms, traffic {:?}",
                delivered * 100.0,
                possible * 100.0,
                spread.ratio,
                spread.later_ms,
                outcome.traffic,
            );
            assert!(delivered >= possible - 0.01, "{name} {what}: {delivered} of {possible}");
            let (half, most) = spread.ratio.expect("some of it takes longer than a minute");
            assert!(half < 1.05 && most < 1.25, "{name} {what}: {half:.3} and {most:.3} times what is possible");
        }
        let entries = outcome.traffic.entries_sent_bytes as f64 / outcome.traffic.entries_needed_bytes as f64;
        assert!(entries < 1.2, "{name}: {entries:.3} bytes of entries moved for each that was needed");
    }
}

fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    let folder = std::env::var_os("GREENLINE_TRACES").map_or_else(beside, PathBuf::from);
    folder.join("oracle.json").is_file().then_some(folder)
}

/// A file of the folder. If there is no folder, says so past what captures a test's output.
fn json(name: &str) -> Option<Value> {
    use std::io::Write as _;
    let Some(folder) = folder() else {
        let why = "SKIPPED published traces: GREENLINE_TRACES names no folder of them";
        writeln!(std::io::stderr(), "{why}").expect("a place to say it");
        return None;
    };
    Some(serde_json::from_reader(BufReader::new(File::open(folder.join(name)).unwrap())).unwrap())
}

fn read(name: &str) -> Trace {
    let file = BufReader::new(File::open(folder().unwrap().join(name)).unwrap());
    let (trace, _, oddities) = trace::read(file, None, None).unwrap();
    assert_eq!(oddities, trace::Oddities::default(), "{name}");
    // Every node of these meets somebody, and they are numbered without gaps.
    assert!(trace.names().iter().enumerate().all(|(number, name)| *name == number.to_string()), "{name}");
    trace
}

/// Rows of whole numbers, without the header.
fn rows(name: &str) -> Vec<Vec<u64>> {
    let text = std::fs::read_to_string(folder().unwrap().join(name)).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(|cell| cell.trim().parse().unwrap()).collect()).collect()
}

fn windows(name: &str) -> Vec<Gateway> {
    let mut gateways = std::collections::BTreeMap::<Node, Vec<(u64, u64)>>::new();
    for row in rows(&format!("{name}.windows.csv")) {
        gateways.entry(row[0] as Node).or_default().push((row[1] * 1000, row[2] * 1000));
    }
    let gateways = gateways.into_iter();
    gateways.map(|(node, windows)| Gateway { node, online: Online::Windows(windows) }).collect()
}

/// The dice of the published bounds.
struct Dice(u64);

impl Dice {
    /// FNV-1a of a label.
    fn new(label: &str) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(label.bytes().fold(0xcbf2_9ce4_8422_2325, step))
    }

    /// SplitMix64.
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    const fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn uniform(name: &str, trace: &Trace) -> Vec<(Node, u64)> {
    let mut dice = Dice::new(&format!("oracle-v1:uniform:{name}"));
    let latest_s = trace.ends_ms() / 1000 * 3 / 4;
    (0..2_000).map(|_| (dice.below(trace.nodes() as u64) as Node, dice.below(latest_s) * 1000)).collect()
}

fn active(name: &str, trace: &Trace) -> Vec<(Node, u64)> {
    let mut dice = Dice::new(&format!("oracle-v1:active:{name}"));
    let contacts = rows(&format!("{name}.csv"));
    assert_eq!(contacts.len(), trace.contacts().len());
    let message = |_| {
        let row = &contacts[dice.below(contacts.len() as u64) as usize];
        let src = if dice.next() & 1 == 0 { row[2] } else { row[3] };
        (src as Node, row[0].saturating_sub(dice.below(1_800)) * 1000)
    };
    (0..2_000).map(message).collect()
}

fn gateway_set(set: &str, expected: &Value) -> Vec<Gateway> {
    let nodes: Vec<Node> =
        expected["nodes"].as_array().unwrap().iter().map(|node| node.as_u64().unwrap() as Node).collect();
    let count = nodes.len() as u64;
    let every = |number: u64| match set {
        "five_pct_30min_per_6h" => {
            Online::Every { period_ms: 21_600_000, offset_ms: number * 21_600 / count * 1000, len_ms: 1_800_000 }
        }
        "hub_sat_15min_per_4h" => Online::Every { period_ms: 14_400_000, offset_ms: 0, len_ms: 900_000 },
        _ => Online::Always,
    };
    nodes.into_iter().zip(0..).map(|(node, number)| Gateway { node, online: every(number) }).collect()
}

/// How far and how fast messages reach others than gateways.
fn spread(messages: &[(Node, u64)], arrivals: &[Vec<Option<u64>>], expected: &Value, what: &str) {
    let nodes = arrivals[0].len();
    let ordered: Vec<Vec<u64>> = arrivals
        .iter()
        .zip(messages)
        .map(|(arrivals, (_, t0_ms))| {
            let mut delays: Vec<u64> = arrivals.iter().flatten().map(|at_ms| at_ms - t0_ms).collect();
            delays.sort_unstable();
            delays
        })
        .collect();
    let pairs = ordered.iter().flat_map(|delays| {
        // The first is the message's own node.
        let missing = std::iter::repeat_n(None, nodes - delays.len());
        delays.iter().skip(1).map(|delay| Some(*delay)).chain(missing)
    });
    same(&pairs.collect(), &expected["pairs"], &format!("{what} pairs"));
    let (half, most) = (usize::midpoint(nodes, 1), (9 * nodes).div_ceil(10));
    let sets =
        [("copies2", 2), ("copies3", 3), ("half_of_nodes", half), ("ninety_pct_of_nodes", most), ("every_node", nodes)];
    for (name, count) in sets {
        let delays = ordered.iter().map(|delays| delays.get(count - 1).copied());
        same(&delays.collect(), &expected[name], &format!("{what} {name}"));
    }
}

/// One message of which the bounds tell more.
fn check(vector: &Value, (src, t0_ms): (Node, u64), arrivals: &[Option<u64>]) {
    assert_eq!((u64::from(src), t0_ms / 1000), (vector["src"].as_u64().unwrap(), vector["t0"].as_u64().unwrap()));
    assert_eq!(reached(arrivals, t0_ms), numbers(vector, "reached_incl_src"), "{vector}");
}

/// How many nodes a message reaches, and the sum of its delays in seconds.
fn reached(arrivals: &[Option<u64>], t0_ms: u64) -> (u64, u64) {
    let delays = arrivals.iter().flatten().map(|at_ms| (at_ms - t0_ms) / 1000);
    (delays.clone().count() as u64, delays.sum())
}

fn numbers(vector: &Value, reached: &str) -> (u64, u64) {
    (vector[reached].as_u64().unwrap(), vector["sum_delay"].as_u64().unwrap())
}

fn same(delays: &Delays, expected: &Value, what: &str) {
    let seconds = |ms: Option<u64>| ms.map(|ms| ms / 1000);
    let share = (delays.delivered() * 1e4).round() / 1e4;
    assert_eq!(Some(share), expected["delivered"].as_f64(), "{what}");
    for (name, p) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        assert_eq!(seconds(delays.quantile_ms(p)), expected[name].as_u64(), "{what} {name}");
    }
    for (name, p) in [("p50_all", 0.5), ("p90_all", 0.9)] {
        assert_eq!(seconds(delays.quantile_of_all_ms(p)), expected[name].as_u64(), "{what} {name}");
    }
    let mean = delays.mean_ms().unwrap() / 1000.0;
    assert!((mean - expected["mean"].as_f64().unwrap()).abs() <= 0.05 + 1e-6, "{what}: {mean}");
}

fn same_short(delays: &Delays, expected: &Value, what: &str) {
    let share = (delays.delivered() * 1e4).round() / 1e4;
    assert_eq!(Some(share), expected["delivered"].as_f64(), "{what}");
    for (name, p) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        assert_eq!(delays.quantile_ms(p).map(|ms| ms / 1000), expected[name].as_u64(), "{what} {name}");
    }
}
