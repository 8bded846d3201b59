//! Replicas become equal, whatever the way.

use crdt::stage::Stage;
use crdt::store::Store;
use simulations::{Member, World};

#[test]
fn a_capture_goes_out_over_a_line_of_devices_and_the_answer_comes_back() {
    let mut world = World::new(1);
    let hub = world.add(Member::Hub);
    let [a, b, c] = [(); 3].map(|()| world.add(Member::Officer));
    let capture = world.capture(a, 2, 50_000);
    world.link(a, b);
    world.link(b, c);
    world.link(c, hub);
    world.settle();
    let view = world.view(a, capture);
    assert!(view.screened().is_some());
    assert!(world.agree());
    let verdicts = world.engine(a).replica().verdicts(capture).unwrap();
    assert!(verdicts[0].content.is_ok(), "the origin reads its verdict");
    assert!(world.engine(b).replica().verdicts(capture).unwrap()[0].content.is_err(), "a carrier doesn't");
    let stages = world.engine(a).stages(world.now_ms, capture, &view).unwrap();
    assert_eq!(stages.now, Stage::Screened);
}

#[test]
fn a_mule_carries_between_two_that_never_meet() {
    let mut world = World::new(2);
    let hub = world.add(Member::Hub);
    let [officer, mule, gateway] = [Member::Officer, Member::Carrier, Member::Officer].map(|m| world.add(m));
    let captures: Vec<_> = (0..20).map(|_| world.capture(officer, 2, 40_000)).collect();
    let meeting = world.link(officer, mule);
    world.settle();
    world.cut(meeting);
    let stage =
        |world: &World, device, id| world.engine(device).stages(world.now_ms, id, &world.view(device, id)).unwrap();
    for id in &captures {
        let stages = stage(&world, officer, *id);
        assert_eq!((stages.now, stages.copies.len()), (Stage::Copied, 1));
    }
    world.restart(mule);
    world.link(mule, gateway);
    world.link(gateway, hub);
    world.settle();
    world.cut_all();
    world.link(mule, officer);
    world.settle();
    for id in &captures {
        assert_eq!(stage(&world, officer, *id).now, Stage::Screened);
    }
    assert!(
        world.engine(mule).replica().store().blob_list().unwrap().is_empty(),
        "a carrier keeps no images of what is accepted"
    );
    assert!(world.agree());
}

#[test]
fn third_parties_tell_who_holds_a_copy() {
    let mut world = World::new(3);
    world.add(Member::Hub);
    let [a, b, c] = [(); 3].map(|()| world.add(Member::Officer));
    let capture = world.capture(a, 1, 30_000);
    world.link(a, b);
    world.link(b, c);
    world.settle();
    let stages = world.engine(a).stages(world.now_ms, capture, &world.view(a, capture)).unwrap();
    assert_eq!(stages.copies.len(), 2, "c's copy is known to a, who never met c");
    world.set_gateway(c, true);
    world.settle();
    let stages = world.engine(a).stages(world.now_ms, capture, &world.view(a, capture)).unwrap();
    assert_eq!(stages.gateways, [world.identity(c).device()]);
}

#[test]
fn what_is_not_durable_is_neither_announced_nor_counted_as_a_copy() {
    let mut world = World::new(4);
    world.add(Member::Hub);
    let [a, b] = [(); 2].map(|()| world.add(Member::Officer));
    world.link(a, b);
    world.settle();
    let capture = world.capture(a, 1, 1_000);
    let own = world.engine(a).replica().own_author().log();
    assert_eq!(world.engine(a).replica().frontier()[&own].height, 1, "only the certificate is on disk yet");
    world.run(3);
    assert!(world.view(b, capture).origin.is_none(), "nothing leaves before the disk has it");
    world.settle();
    assert!(world.view(b, capture).origin.is_some());
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_byte() {
    let run = |seed| {
        let mut world = World::new(seed);
        let hub = world.add(Member::Hub);
        let officers = [(); 4].map(|()| world.add(Member::Officer));
        for officer in officers {
            world.capture(officer, 2, 20_000);
            world.link(officer, hub);
        }
        world.settle();
        world.trace_hash()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
