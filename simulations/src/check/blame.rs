//! No honest device is taken for a liar, and none is out that nobody revoked.

use crdt::sync::Fault;

use super::{Rule, Scene, Verdict};

/// See the module.
#[derive(Default)]
pub(super) struct Blame;

impl Rule for Blame {
    fn name(&self) -> &'static str {
        "nobody is blamed who does what they should"
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        for device in scene.honest() {
            let engine = scene.world.engine(device);
            for other in scene.honest_with(scene.hub_of(device)) {
                let id = scene.world.identity(other).device();
                if engine.replica().revoked().is_out(&id) {
                    return Err(format!("device {other} is out at device {device}, and nobody revoked it"));
                }
                // Where transports change frames nobody can tell, and what looks kept back may be a slow link's.
                let quiet =
                    scene.facts.is_meddled() || !scene.facts.copied.is_empty() || !scene.facts.rotted.is_empty();
                if let Some((_, faults)) = engine
                    .conduct()
                    .find(|(blamed, _)| **blamed == id)
                    .filter(|(_, faults)| !quiet && faults.total() > faults.of(Fault::Withheld))
                {
                    return Err(format!("device {device} blames device {other}: {faults:?}"));
                }
            }
        }
        Ok(())
    }
}
