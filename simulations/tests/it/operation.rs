//! Small operations, planned and played: what arrives, when, and that it could.

use simulations::operation::{Fate, Outcome, Plan, PlannedCapture, PlannedDevice, Radio, WayOut, run};
use simulations::oracle::Online;
use simulations::trace::{Contact, Node, Trace};
use simulations::{Clock, Member, Pace};

const MINUTE_MS: u64 = 60_000;

/// An officer in the valley, a mule, and a gateway on the ridge that never meets the officer.
fn valley(windows: &[(u64, u64)]) -> Plan {
    let pace = Pace { latency_ms: 5, bits_per_s: Some(1_000_000), loss_ppm: 0 };
    let device = |name: &str, way_out| PlannedDevice {
        name: name.to_owned(),
        member: Member::Officer,
        way_out,
        off: vec![],
        clock: Clock::default(),
    };
    let windows = windows.iter().map(|(from, until)| (from * MINUTE_MS, until * MINUTE_MS)).collect();
    let way_out = WayOut { online: Online::Windows(windows), setup_ms: 500, pace, cap_bytes: None };
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
        sites: Vec::new(),
        tracks: vec![],
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

/// Two walk together past the ridge, twice, where two others are. The devices had tried each other in vain while they were apart, more
/// and more seldom, and didn't try at once when they met again: all had a network all the time, so that nothing told them to.
#[test]
fn who_comes_back_into_reach_is_dialled_at_once() {
    let mut plan = valley(&[(0, 120)]);
    let contact =
        |from: u64, until: u64, a, b| Contact { from_ms: from * MINUTE_MS, until_ms: until * MINUTE_MS, a, b };
    plan.devices.push(PlannedDevice { name: "hut".to_owned(), ..plan.devices[1].clone() });
    let names = plan.devices.iter().map(|device| device.name.clone()).collect();
    let company = [contact(0, 120, 0, 1), contact(0, 120, 2, 3)];
    plan.contacts = Trace::new(names, company.into_iter().chain([contact(1, 3, 0, 2), contact(20, 24, 0, 2)]));
    plan.captures.truncate(1);
    plan.captures[0].at_ms = 10 * MINUTE_MS;
    for seed in 0..10 {
        let outcome = run(&plan, seed);
        let later_ms = outcome.fates[0].delivered_ms.map(|ms| ms - 20 * MINUTE_MS);
        // Two seconds of connecting, or two more out of politeness, and less than two for the images.
        assert!(later_ms.is_some_and(|ms| ms < 6_000), "seed {seed}: {later_ms:?}");
    }
}

/// Whose battery is empty meets nobody, and neither could anybody else have done better.
#[test]
fn a_device_that_is_off_carries_nothing_until_it_is_on_again() {
    let mut plan = valley(&[(28, 60), (65, 90)]);
    plan.devices[1].off = vec![(25 * MINUTE_MS, 35 * MINUTE_MS)];
    let outcome = run(&plan, 1);
    assert_eq!(outcome.impossible, 0);
    let delivered = |outcome: &Outcome| minutes(outcome).iter().map(|fate| fate[1]).collect::<Vec<_>>();
    assert_eq!(delivered(&outcome), [Some(70), Some(70), None], "the mule sleeps through the first meeting");
    assert_eq!(outcome.delivery().oracle.delivered(), 2.0 / 3.0);
    // A way out that sleeps is none, and a capture waits for its device.
    plan.devices[1].off.clear();
    plan.devices[2].off = vec![(31 * MINUTE_MS, 71 * MINUTE_MS)];
    plan.devices[0].off = vec![(0, 5 * MINUTE_MS)];
    let outcome = run(&plan, 1);
    assert_eq!((outcome.impossible, delivered(&outcome)), (0, vec![Some(30), Some(30), None]));
    assert_eq!(outcome.fates[0].captured_ms, 5 * MINUTE_MS);
}

/// A satellite terminal with so many megabytes a month: what is beyond them waits for the next.
#[test]
fn a_cap_on_a_way_out_holds_until_the_next_month() {
    let mut plan = valley(&[]);
    let way = plan.devices[2].way_out.as_mut().unwrap();
    (way.online, way.cap_bytes) = (Online::Always, Some(180_000));
    plan.ends_ms = 31 * 86_400_000;
    let outcome = run(&plan, 1);
    let days = |fate: &Fate| fate.delivered_ms.map(|ms| ms / 86_400_000);
    assert_eq!(outcome.fates.iter().map(days).collect::<Vec<_>>(), [Some(0), Some(30), None]);
    assert_eq!(outcome.impossible, 0);
}

/// Wherever in a journey a clock is set, the journey goes on.
#[test]
fn clocks_that_are_wrong_or_are_set_hold_nothing_up() {
    const DAY_MS: i64 = 86_400_000;
    let plan = valley(&[(40, 60)]);
    let expected = minutes(&run(&plan, 1));
    for ahead_ms in [-3 * DAY_MS, DAY_MS] {
        for device in 0..3 {
            let mut skewed = plan.clone();
            skewed.devices[device].clock = Clock { skew_ms: ahead_ms, drift_ppm: 300, jumps: vec![] };
            assert_eq!(minutes(&run(&skewed, 1)), expected, "device {device} is ahead by {ahead_ms} ms");
            for minute in [5, 10, 31, 41] {
                let mut set = plan.clone();
                set.devices[device].clock.jumps = vec![(minute * MINUTE_MS + 30_000, ahead_ms)];
                assert_eq!(minutes(&run(&set, 1)), expected, "device {device} is set by {ahead_ms} in minute {minute}");
            }
        }
    }
}

#[test]
fn packets_that_are_lost_cost_time_and_nothing_else() {
    let plan = valley(&[(40, 60)]);
    let mut lossy = plan.clone();
    lossy.radio.pace.loss_ppm = 200_000;
    let (clean, lossy, again) = (run(&plan, 1), run(&lossy, 1), run(&lossy, 1));
    assert!(lossy == again, "losses follow from the seed");
    assert_eq!(minutes(&clean), minutes(&lossy));
    let copied = |outcome: &Outcome| outcome.fates[0].copied_ms.unwrap();
    assert!(copied(&lossy) > copied(&clean) + 100, "{} and {}", copied(&clean), copied(&lossy));
}

/// Two sites that meet each other: neither hears anything of the other, and both reach the hub.
#[test]
fn sites_see_nothing_of_each_other_and_the_hub_serves_both() {
    let mut plan = valley(&[(40, 60)]);
    // The officer alone is another site: the mule can't take anything along, until it has a way out of its own.
    plan.sites = vec![1, 0, 0];
    let outcome = run(&plan, 1);
    assert!(outcome.fates.iter().all(|fate| fate.copied_ms.is_none() && fate.delivered_ms.is_none()));
    plan.devices[0].way_out = plan.devices[2].way_out.clone();
    let outcome = run(&plan, 1);
    assert!(
        outcome.fates.iter().all(|fate| fate.copied_ms.is_none() && fate.answered_ms.is_some()),
        "{:?}",
        outcome.fates
    );
    assert_eq!(outcome.impossible, 0);
}

/// Two sites beside each other that never meet: what comes of each, and of both together.
fn two_valleys() -> Plan {
    let mut plan = valley(&[(40, 60)]);
    let mut names: Vec<String> = plan.contacts.names().to_vec();
    names.extend(["officer 2", "mule 2", "ridge 2"].map(str::to_owned));
    let contacts = plan.contacts.contacts().to_vec();
    let others: Vec<Contact> = contacts.iter().map(|it| Contact { a: it.a + 3, b: it.b + 3, ..*it }).collect();
    plan.contacts = Trace::new(names.clone(), contacts.into_iter().chain(others));
    plan.devices.extend(plan.devices.clone());
    plan.devices.iter_mut().zip(names).for_each(|(device, name)| device.name = name);
    let captures: Vec<_> = plan.captures.iter().map(|it| PlannedCapture { node: it.node + 3, ..*it }).collect();
    plan.captures.extend(captures);
    plan.captures.sort_by_key(|capture| capture.at_ms);
    plan.sites = vec![0, 0, 0, 1, 1, 1];
    plan
}

/// Sites that never meet are played one after the other, and nobody sees that: each is as it would be alone.
#[test]
fn sites_that_never_meet_are_as_each_would_be_alone() {
    let (alone, both) = (run(&valley(&[(40, 60)]), 1), run(&two_valleys(), 1));
    let (first, second): (Vec<Fate>, Vec<Fate>) = both.fates.iter().cloned().partition(|fate| fate.node < 3);
    assert_eq!(first, alone.fates);
    let whole = |fates: &[Fate]| -> Vec<_> { fates.iter().map(|it| it.answered_ms.map(|ms| ms / MINUTE_MS)).collect() };
    assert_eq!(whole(&second), whole(&alone.fates));
    assert!(second.iter().all(|fate| fate.node == 3));
    assert_ne!(both.hash, alone.hash);
    assert_eq!(both.notes.devices[..3], alone.notes.devices);
    assert!(both.notes.devices.iter().all(|device| device.received_bytes > 0));
    assert!(both.notes.copies.is_sorted_by_key(|copied| copied.at_ms));
    let captures: Vec<Node> =
        both.notes.copies.iter().map(|it| both.fates[it.capture as usize].node + it.node / 3 * 3).collect();
    assert!(captures.iter().all(|node| [0, 6].contains(node)), "each is copied within its own valley: {captures:?}");
    assert!(both.traffic.sent_bytes > alone.traffic.sent_bytes * 19 / 10);
    for (both, alone) in both.notes.storage.iter().zip(&alone.notes.storage) {
        assert_eq!(both.at_ms, alone.at_ms);
        assert!(both.total_bytes >= alone.total_bytes && both.most_bytes >= alone.most_bytes);
    }
    assert_eq!(both.notes.storage.len(), alone.notes.storage.len());
}

/// What happens at one site doesn't shift what is drawn for another.
#[test]
fn one_site_less_leaves_the_others_as_they_were() {
    let mut plan = two_valleys();
    let before = run(&plan, 1);
    plan.captures.retain(|capture| capture.node >= 3);
    let after = run(&plan, 1);
    let second: Vec<Fate> = before.fates.into_iter().filter(|fate| fate.node == 3).collect();
    assert_eq!(second, after.fates);
}
