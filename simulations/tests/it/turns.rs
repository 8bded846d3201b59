//! Who copies a capture's images, and when: few where a gateway is beside them, all where none is.

use crdt::ids::CaptureId;
use simulations::{Member, World};

/// A hub, and devices that are all linked to each other.
fn all_linked(count: usize) -> (World, usize, Vec<usize>) {
    let mut world = World::new(31);
    let hub = world.add(Member::Hub);
    let devices: Vec<usize> = (0..count).map(|_| world.add(Member::Officer)).collect();
    for (place, a) in devices.iter().enumerate() {
        devices[..place].iter().for_each(|b| _ = world.link(*a, *b));
    }
    world.settle();
    (world, hub, devices)
}

/// Six of them, of which the first says that it is a gateway and hands nothing on; and the second has just captured.
fn beside_a_gateway(prepare: impl FnOnce(&mut World, &[usize])) -> (World, Vec<usize>) {
    let (mut world, _, devices) = all_linked(6);
    world.set_gateway(devices[0], true);
    world.settle();
    prepare(&mut world, &devices);
    world.capture(devices[1], 2, 50_000);
    world.run(1_000);
    (world, devices)
}

/// How many of the devices have fetched an image.
fn copies(world: &World, devices: &[usize]) -> usize {
    devices.iter().filter(|device| world.engine(**device).traffic().blobs_fresh_bytes > 0).count()
}

fn is_accepted(world: &World, device: usize, capture: CaptureId) -> bool {
    world.view(device, capture).accepted().is_some()
}

/// Where eight devices shared a network with a gateway, each capture's images went to all of them, to be dropped seconds later.
#[test]
fn beside_a_gateway_it_and_two_others_copy() {
    let (mut world, hub, devices) = all_linked(8);
    world.link(devices[0], hub);
    world.set_gateway(devices[0], true);
    world.settle();
    for number in 0..3 {
        let id = world.capture(devices[1 + number], 2, 50_000);
        world.settle();
        assert!(is_accepted(&world, devices[1 + number], id));
    }
    world.run(120_000);
    let moved: u64 = devices.iter().map(|device| world.engine(*device).traffic().blobs_fresh_bytes).sum();
    // Sealed, they are a little longer.
    assert_eq!(moved / 100_000, 3 * 3, "each goes to three devices");
    assert!(copies(&world, &devices) > 3, "not always to the same two");
}

#[test]
fn where_no_gateway_is_all_copy_at_once() {
    let (mut world, _, devices) = all_linked(6);
    world.capture(devices[1], 2, 50_000);
    world.run(1_000);
    assert_eq!(copies(&world, &devices), 5);
}

/// A gateway may be slow, or lie: after a while everybody copies what no hub has accepted.
#[test]
fn what_a_gateway_does_not_hand_on_is_copied_all_the_same() {
    let (mut world, devices) = beside_a_gateway(|_, _| {});
    world.run(10_000);
    assert_eq!(copies(&world, &devices), 3, "it has the capture, and may be handing it on");
    world.run(60_000);
    assert_eq!(copies(&world, &devices), 5);
}

/// The gateway can be linked to those who wait and not to the one that captured.
#[test]
fn a_gateway_that_does_not_get_a_capture_is_not_waited_for_long() {
    // It takes in no image.
    let (mut world, devices) = beside_a_gateway(|world, devices| world.disk(devices[0]).fill(0));
    assert_eq!(copies(&world, &devices), 2);
    world.run(10_000);
    assert_eq!(copies(&world, &devices), 4);
}

#[test]
fn when_the_gateway_goes_everybody_copies_at_once() {
    for stops in [true, false] {
        let (mut world, devices) = beside_a_gateway(|_, _| {});
        assert_eq!(copies(&world, &devices), 3);
        match stops {
            true => world.set_gateway(devices[0], false),
            false => _ = world.crash(devices[0]),
        }
        world.run(1_000);
        let left: Vec<usize> = devices[1..].to_vec();
        assert_eq!(copies(&world, &left), 4, "no gateway any more: {stops}");
    }
}

/// Whoever waits for a gateway looks at the clock: one that is set back must not make it wait for days.
#[test]
fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
    let (mut world, devices) = beside_a_gateway(|_, _| {});
    devices.iter().for_each(|device| world.set_clock_by(*device, -3 * 86_400_000));
    world.run(70_000);
    assert_eq!(copies(&world, &devices), 5);
}
