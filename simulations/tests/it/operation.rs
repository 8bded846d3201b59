//! Small operations, planned and played: what arrives, when, and that it could.

use simulations::operation::{Outcome, Plan, PlannedCapture, PlannedDevice, Radio, WayOut, run};
use simulations::oracle::Online;
use simulations::trace::{Contact, Node, Trace};
use simulations::{Member, Pace};

const MINUTE_MS: u64 = 60_000;

/// An officer in the valley, a mule, and a gateway on the ridge that never meets the officer.
fn valley(windows: &[(u64, u64)]) -> Plan {
    let pace = Pace { latency_ms: 5, bits_per_s: Some(1_000_000) };
    let device = |name: &str, way_out| PlannedDevice { name: name.to_owned(), member: Member::Officer, way_out };
    let windows = windows.iter().map(|(from, until)| (from * MINUTE_MS, until * MINUTE_MS)).collect();
    let way_out = WayOut { online: Online::Windows(windows), setup_ms: 500, pace };
    let contact = |from: u64, until: u64, a: Node, b: Node| Contact {
        from_ms: from * MINUTE_MS,
        until_ms: until * MINUTE_MS,
        a,
        b,
    };
    let names = ["officer", "mule", "ridge"];
    let meetings = [contact(10, 12, 0, 1), contact(30, 33, 1, 2), contact(70, 74, 1, 2), contact(100, 110, 0, 1)];
    Plan {
        name: "valley".to_owned(),
        devices: vec![device(names[0], None), device(names[1], None), device(names[2], Some(way_out))],
        contacts: Trace::new(names.map(str::to_owned).to_vec(), meetings),
        radio: Radio { setup_ms: 2_000, pace },
        captures: vec![
            PlannedCapture { at_ms: MINUTE_MS, node: 0, bytes: 90_000 },
            PlannedCapture { at_ms: 11 * MINUTE_MS, node: 0, bytes: 90_000 },
            PlannedCapture { at_ms: 20 * MINUTE_MS, node: 0, bytes: 90_000 },
        ],
        ends_ms: 120 * MINUTE_MS,
        screening_ms: 1_000,
        reads_after_ms: Some(MINUTE_MS),
    }
}

fn minutes(outcome: &Outcome) -> Vec<[Option<u64>; 3]> {
    let whole = |ms: Option<u64>| ms.map(|ms| ms / MINUTE_MS);
    outcome
        .fates
        .iter()
        .map(|fate| [whole(fate.copied_ms), whole(fate.delivered_ms), whole(fate.answered_ms)])
        .collect()
}

#[test]
fn a_mule_carries_captures_to_a_gateway_and_answers_back() {
    let outcome = run(&valley(&[(40, 60)]), 1);
    // The third was made after the mule had left, and meets nobody with a way out in time.
    assert_eq!(
        minutes(&outcome),
        [[Some(10), Some(40), Some(100)], [Some(11), Some(40), Some(100)], [Some(100), None, None]]
    );
    assert_eq!(outcome.impossible, 0);
    let (spread, direct) = (outcome.delivery(), outcome.direct());
    assert_eq!((spread.delays.delivered(), spread.oracle.delivered()), (2.0 / 3.0, 2.0 / 3.0));
    assert_eq!(direct.delivered(), 0.0, "the officer never meets the gateway");
    assert!(spread.ratio.is_some_and(|(half, most)| half < 1.01 && most < 1.01), "{spread:?}");
    assert!(outcome.fates[0].seen_ms.is_some() && outcome.fates[2].seen_ms.is_none());
    assert!(outcome.traffic.images_received_bytes >= 2 * 3 * 90_000, "{:?}", outcome.traffic);
}

#[test]
fn a_way_out_that_is_never_there_delivers_nothing_and_the_bound_says_so() {
    let outcome = run(&valley(&[]), 1);
    assert!(outcome.fates.iter().all(|fate| fate.delivered_ms.is_none() && fate.oracle_delivered_ms.is_none()));
    assert!(outcome.fates.iter().all(|fate| fate.copied_ms.is_some()), "carried all the same");
}

#[test]
fn the_same_seed_plays_the_same_and_another_one_another() {
    let plan = valley(&[(40, 60)]);
    let [one, same, other] = [1, 1, 2].map(|seed| run(&plan, seed));
    assert!(one == same);
    assert!(one.hash != other.hash && minutes(&one) == minutes(&other));
}

/// Removing one capture must not shift what else is drawn: the others' images and keys stay as they were.
#[test]
fn one_capture_less_leaves_the_others_as_they_were() {
    let all = valley(&[(40, 60)]);
    let mut fewer = all.clone();
    let _ = fewer.captures.pop();
    let (all, fewer) = (run(&all, 1), run(&fewer, 1));
    assert_eq!(minutes(&all)[..2], minutes(&fewer)[..]);
}
