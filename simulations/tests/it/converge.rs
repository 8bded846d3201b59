//! Replicas become equal, whatever the way.

use crdt::stage::Stage;
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
