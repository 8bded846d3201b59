//! Clocks that are set while devices talk.

use crdt::sync::Event;
use simulations::{Member, World};

const DAY_MS: i64 = 86_400_000;

/// Whom a device dials may never answer, and then it gives up after ten seconds. When its clock was set back by three days in these
/// ten seconds, as when it first hears of the right time, it waited for three days.
#[test]
fn a_handshake_ends_in_time_though_the_clock_is_set_back_meanwhile() {
    for ahead_ms in [-3 * DAY_MS, 3 * DAY_MS] {
        let mut world = World::new(1);
        world.add(Member::Hub);
        let [officer, dead] = [(); 2].map(|()| world.add(Member::Officer));
        world.stop(dead);
        world.link(officer, dead);
        world.run(1_000);
        world.set_clock_by(officer, ahead_ms);
        let ended = |world: &World| world.device(officer).events.iter().any(|it| matches!(it, Event::Ended { .. }));
        world.run(4_000);
        assert!(!ended(&world), "set by {ahead_ms} ms: too early");
        world.run(7_000);
        assert!(ended(&world), "set by {ahead_ms} ms: too late");
    }
}

/// A device that asks for something and whose clock leaps ahead took the other for one that keeps back what it has.
#[test]
fn nobody_is_blamed_for_time_that_did_not_pass() {
    let mut world = World::new(2);
    let hub = world.add(Member::Hub);
    let officer = world.add(Member::Officer);
    world.link(officer, hub);
    world.settle();
    world.capture(officer, 2, 400_000);
    // Images are on their way.
    world.run(12);
    assert!(world.engine(hub).missing().1 > 0);
    world.set_clock_by(hub, DAY_MS);
    world.settle();
    let stalled = world.device(hub).events.iter().any(|event| matches!(event, Event::Stalled { .. }));
    assert!(!stalled && world.engine(hub).conduct().count() == 0, "blamed for a leap of the clock");
    assert_eq!(world.engine(hub).missing().1, 0);
}
