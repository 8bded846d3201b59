//! Power cuts at any moment: nothing acknowledged is lost, and all copies become equal again.

use std::collections::BTreeMap;

use crdt::ids::CaptureId;
use simulations::{Member, World};

#[test]
fn nothing_acknowledged_is_lost_whenever_power_fails() {
    for seed in 0..40 {
        storm(seed);
    }
}

fn storm(seed: u64) {
    let mut world = World::new(seed);
    let hub = world.add(Member::Hub);
    let officers: Vec<usize> = (0..4).map(|_| world.add(Member::Officer)).collect();
    let all: Vec<usize> = [vec![hub], officers.clone()].concat();
    let mut acknowledged: BTreeMap<CaptureId, usize> = BTreeMap::new();
    for _ in 0..60 {
        match world.draw(5) {
            0 | 1 => {
                let officer = officers[world.draw(4) as usize];
                let (images, bytes) = (1 + world.draw(2) as u8, 1 + world.draw(60_000) as usize);
                let id = world.capture(officer, images, bytes);
                let pause = world.draw(20);
                world.run(pause);
                let at = world.view(officer, id).origin.unwrap().at;
                let durable = world.engine(officer).replica().frontier().get(&at.log).map_or(0, |head| head.height);
                if durable >= at.seq {
                    acknowledged.insert(id, officer);
                }
            }
            2 => {
                let (a, b) = (world.draw(5) as usize, world.draw(5) as usize);
                if a != b {
                    world.link(all[a], all[b]);
                }
            }
            3 => world.cut_all(),
            _ => {
                let device = all[world.draw(5) as usize];
                world.restart(device);
            }
        }
        let pause = world.draw(300);
        world.run(pause);
    }
    world.cut_all();
    for officer in &officers {
        world.link(*officer, hub);
    }
    world.settle();
    assert!(world.agree(), "seed {seed}: healed replicas are equal");
    for (id, officer) in acknowledged {
        let view = world.view(officer, id);
        assert!(view.origin.is_some(), "seed {seed}: an acknowledged capture is gone");
        assert_eq!(view.verdicts.len(), 1, "seed {seed}: answered exactly once");
    }
    assert_eq!(world.engine(hub).replica().frozen().count(), 0, "seed {seed}: no crash makes a device fork its log");
}
