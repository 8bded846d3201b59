//! Settings held against each other over the same seeds.

use simulations::operation::run;
use simulations::oracle::Online;
use simulations::report::{Comparison, Measured, Over, Standing, Sweep};

use crate::plans::{MINUTE_MS, two_ways_out};

const SEEDS: [u64; 3] = [1, 2, 3];
const NAMES: [&str; 4] = ["officer", "mule", "ridge", "tower"];

/// What is measured if the ridge goes online at a minute, and devices talk at a rate.
fn measured(minute: u64, bits_per_s: u64) -> Vec<Measured> {
    let mut plan = two_ways_out(NAMES);
    plan.radio.pace.bits_per_s = Some(bits_per_s);
    if let Some(way) = &mut plan.devices[2].way_out {
        way.online = Online::Windows(vec![(minute * MINUTE_MS, 120 * MINUTE_MS)]);
    }
    SEEDS.iter().map(|seed| Measured::of(&run(&plan, *seed))).collect()
}

fn standing(comparison: &Comparison, name: &str) -> Standing {
    comparison.told().find(|row| row.name == name).unwrap_or_else(|| panic!("no {name}")).standing
}

#[test]
fn what_differs_is_told_from_what_does_not() {
    let (early, late) = (measured(40, 1_000_000), measured(60, 1_000_000));
    let comparison = Comparison::new(["early", "<late>"], &SEEDS, [&early, &late]);
    assert_eq!(standing(&comparison, "to the hub: nine of ten within"), Standing::Worse, "twenty minutes later");
    assert_eq!(standing(&comparison, "reached the hub"), Standing::Same);
    assert_eq!(standing(&comparison, "at best: half within"), Standing::Differs);
    let json = comparison.json();
    let later = json["measures"]["delivery_p90_ms"]["difference"]["mean"].as_f64().unwrap();
    assert!((later - 20.0 * 60_000.0).abs() < 2_000.0, "{later}");
    assert_eq!(json["measures"]["delivered"]["standing"], "same");
    let page = comparison.page();
    assert!(page.contains("&lt;late&gt;") && !page.contains("<late>") && !page.contains("http:"));
    assert!(page.contains("the same") && page.contains("It is worse in: "));
}

/// Runs that differ by chance only: their difference has zero within its interval.
#[test]
fn chance_is_not_called_a_difference() {
    let runs: Vec<Measured> = (1..=8).map(|seed| Measured::of(&run(&two_ways_out(NAMES), seed))).collect();
    let comparison = Comparison::new(["some", "others"], &[1, 2, 3, 4], [&runs[..4], &runs[4..]]);
    assert!(runs[0] != runs[4], "seeds do differ");
    assert_eq!(standing(&comparison, "moved in all"), Standing::NotDistinguishable);
}

#[test]
fn of_one_seed_nobody_can_tell() {
    let (early, late) = (measured(40, 1_000_000), measured(60, 1_000_000));
    let comparison = Comparison::new(["early", "late"], &SEEDS[..1], [&early[..1], &late[..1]]);
    assert!(comparison.told().all(|row| row.standing == Standing::Unknown));
}

#[test]
fn a_sweep_has_every_combination_in_its_place() {
    let (minutes, rates) = ([40, 60], [300_000, 1_000_000, 3_000_000]);
    let runs: Vec<Vec<Measured>> =
        minutes.iter().flat_map(|minute| rates.iter().map(|rate| measured(*minute, *rate))).collect();
    let over = |key: &str, values: Vec<String>| Over { key: key.to_owned(), values };
    let first = over("ridge.from", minutes.iter().map(|minute| format!("{minute} min, <local>")).collect());
    let second = over("radio.rate", rates.iter().map(u64::to_string).collect());
    let sweep = Sweep::new("ferry", &SEEDS, first, Some(second), &runs);
    let json = sweep.json();
    assert_eq!(json["points"].as_array().unwrap().len(), 6);
    assert_eq!(json["points"][4]["set"]["radio.rate"], "1000000");
    let mean = runs[4].iter().map(|run| run.get("delivery_p50_ms").unwrap()).sum::<f64>() / 3.0;
    assert_eq!(json["points"][4]["measures"]["delivery_p50_ms"]["mean"].as_f64(), Some(mean));
    let mut csv = Vec::new();
    sweep.write_csv(&mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.starts_with("ridge.from,radio.rate,captures,captures_half_width_95,delivered,"));
    assert_eq!(csv.lines().nth(5).unwrap().split(",1000000,").next(), Some("\"60 min, <local>\""));
    let page = sweep.page();
    assert!(page.contains("60 min, &lt;local&gt;") && !page.contains("<local>") && !page.contains("http:"));
    assert_eq!(page.matches("<td class=\"cell\"").count() % 6, 0);
    assert_eq!(sweep.told(&["delivered"])[5], ["60 min, <local>", "3000000", "50.0 %"]);
}
