//! What is noted of an operation beside its captures' fates.

use crdt::sync::Sort;
use simulations::operation::{LOOKS_MAX, Outcome, PlannedCapture, run};
use simulations::oracle::Online;
use simulations::trace::Trace;

use crate::plans::{MINUTE_MS, two_ways_out};

fn played() -> Outcome {
    run(&two_ways_out(["officer", "mule", "ridge", "tower"]), 1)
}

fn minute(ms: Option<u64>) -> Option<u64> {
    ms.map(|ms| ms / MINUTE_MS)
}

/// It said "at gateway" only of captures that came to a device which was a gateway already, and of a whole fleet's captures never.
#[test]
fn a_capture_is_at_a_gateway_when_its_holder_becomes_one_or_it_comes_to_one() {
    let outcome = played();
    let at: Vec<_> = outcome.fates.iter().map(|fate| [minute(fate.copied_ms), minute(fate.at_gateway_ms)]).collect();
    // The first waits on the ridge for the window; the second comes to it within one; the third goes by the tower; the last stays.
    assert_eq!(at, [[Some(10), Some(40)], [Some(51), Some(52)], [Some(100), None], [Some(105), None]]);
    for fate in &outcome.fates {
        assert!(fate.at_gateway_ms <= fate.delivered_ms || fate.delivered_ms.is_none(), "{fate:?}");
    }
}

#[test]
fn what_a_gateway_captures_is_at_a_gateway_when_it_is_one() {
    let mut plan = two_ways_out(["officer", "mule", "ridge", "tower"]);
    for (capture, (node, minute)) in plan.captures.iter_mut().zip([(2, 35), (2, 45), (3, 5), (1, 1)]) {
        (capture.node, capture.at_ms) = (node, minute * MINUTE_MS);
    }
    let outcome = run(&plan, 1);
    let at: Vec<_> = outcome.fates.iter().map(|fate| minute(fate.at_gateway_ms)).collect();
    assert_eq!(at, [Some(40), Some(45), Some(5), Some(40)]);
}

#[test]
fn what_each_device_did_adds_up() {
    let outcome = played();
    let (notes, fates) = (&outcome.notes, &outcome.fates);
    let [officer, mule, ridge, tower] = &notes.devices[..] else { panic!("four devices") };
    assert_eq!([officer, mule, ridge, tower].map(|device| device.captures), [4, 0, 0, 0]);
    assert_eq!([officer, mule, ridge, tower].map(|device| device.contacts), [3, 6, 2, 1]);
    assert_eq!(mule.contact_ms, (2 + 3 + 5 + 5 + 10) * MINUTE_MS, "two at once count once");
    assert!(mule.copies == 4 && officer.copies == 0 && officer.gateway.is_none());
    let (sent, received) =
        (notes.devices.iter().map(|it| it.sent_bytes), notes.devices.iter().map(|it| it.received_bytes));
    assert!(sent.sum::<u64>() <= outcome.traffic.sent_bytes && received.sum::<u64>() > 4 * 90_000);
    let [ridge, tower] = [ridge, tower].map(|device| device.gateway.as_ref().expect("it has a way out"));
    assert_eq!((ridge.times, tower.times), (2, 1));
    // That the network is gone is believed only after some seconds.
    assert!((64 * MINUTE_MS..66 * MINUTE_MS).contains(&ridge.gateway_ms), "{ridge:?}");
    assert!(ridge.up_bytes > 2 * 90_000 && ridge.down_bytes > 1_000, "{ridge:?}");
    let delivered = fates.iter().filter(|fate| fate.delivered_ms.is_some()).count() as u64;
    assert_eq!((ridge.delivered, ridge.delivered + tower.delivered), (2, delivered));
}

/// Who had sent the hub the last long frame when a capture's images were all on its disk was credited: of two who send at once, often
/// the other one.
#[test]
fn a_gateway_is_credited_with_what_it_brought_and_not_with_what_another_did_meanwhile() {
    let mut plan = two_ways_out(["officer", "mule", "ridge", "tower"]);
    plan.contacts = Trace::new(plan.contacts.names().to_vec(), []);
    for device in &mut plan.devices[2..] {
        device.way_out.as_mut().expect("it has one").online = Online::Always;
    }
    // They meet nobody: what a gateway has made, nobody else can have brought.
    let capture =
        |(at_s, node, bytes): (u64, u32, usize)| PlannedCapture { at_ms: 600_000 + at_s * 1_000, node, bytes };
    let (many, few) = ((0..14).map(|at_s| (at_s, 2, 30_000)), (0..3).map(|at_s| (at_s, 3, 900_000)));
    plan.captures = many.chain(few).map(capture).collect();
    let outcome = run(&plan, 1);
    let brought = |device: usize| outcome.notes.devices[device].gateway.as_ref().map(|gateway| gateway.delivered);
    assert_eq!([brought(2), brought(3)], [Some(14), Some(3)]);
}

#[test]
fn copies_gateways_and_disks_are_told_in_order() {
    let outcome = played();
    let notes = &outcome.notes;
    assert!(notes.copies.is_sorted_by_key(|copied| copied.at_ms) && notes.switches.is_sorted_by_key(|it| it.at_ms));
    assert_eq!(notes.copies.len() as u64, notes.devices.iter().map(|device| device.copies).sum::<u64>());
    let first = notes.copies.iter().find(|copied| copied.capture == 0).map(|copied| (copied.node, copied.at_ms));
    assert_eq!(first.map(|(node, at_ms)| (node, Some(at_ms))), Some((1, outcome.fates[0].copied_ms)));
    // The tower is online all the time; the ridge comes, goes and comes again.
    assert_eq!(
        notes.switches.iter().map(|it| (it.node, it.on)).collect::<Vec<_>>(),
        [(3, true), (2, true), (2, false), (2, true)]
    );
    assert!(notes.storage.len() as u64 <= LOOKS_MAX + 1 && notes.storage.is_sorted_by_key(|it| it.at_ms));
    let (first, last) = (notes.storage[0], notes.storage[notes.storage.len() - 1]);
    assert_eq!((first.at_ms, last.at_ms), (0, 120 * MINUTE_MS));
    assert!(first.most_bytes < 90_000 && last.most_bytes > 90_000 && last.total_bytes >= last.most_bytes, "{last:?}");
}

/// Moved over needed is at least one, and what was sent twice would show.
#[test]
fn what_is_needed_is_less_than_what_is_moved() {
    let traffic = played().traffic;
    let ratio = |moved: u64, needed: u64| moved as f64 / needed as f64;
    let entries = ratio(traffic.entries_sent_bytes, traffic.entries_needed_bytes);
    let images = ratio(traffic.images_sent_bytes, traffic.images_needed_bytes);
    println!("{traffic:?}: entries {entries:.3}, images {images:.3}");
    assert!((1.0..1.2).contains(&entries) && (1.0..1.1).contains(&images), "{entries} {images}");
}

/// Whatever is sent is of one sort, and whatever is sent of entries is needed or is told for what it wasn't.
#[test]
fn what_was_sent_adds_up_by_what_it_was() {
    let traffic = played().traffic;
    let (sent, surplus) = (traffic.sent, traffic.entries_surplus());
    assert_eq!(Sort::ALL.map(|sort| sent.bytes(sort)).iter().sum::<u64>(), traffic.sent_bytes);
    assert_eq!(sent.bytes(Sort::Entries), traffic.entries_sent_bytes);
    assert_eq!(sent.bytes(Sort::Image), traffic.images_sent_bytes);
    let useless = surplus.twice_bytes + surplus.around_bytes + surplus.lost_bytes;
    assert_eq!(traffic.entries_needed_bytes + useless, traffic.entries_sent_bytes);
    assert_eq!(traffic.links(), 6 + 3, "six contacts, and three times online");
    // Two knocks, two certificates, two admissions for each, and a knock here and there that nobody heard.
    assert!((6 * 9..7 * 9).contains(&sent.frames(Sort::Handshake)), "{}", sent.frames(Sort::Handshake));
    assert_eq!((sent.frames(Sort::Fork), sent.frames(Sort::Erasure)), (0, 0));
}
