//! Once trouble is over and all have met, honest devices hold the same, to the byte.

use super::{Rule, Scene, Verdict};

/// See the module.
#[derive(Default)]
pub(super) struct Equal;

impl Rule for Equal {
    fn name(&self) -> &'static str {
        "healed replicas are equal"
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        let print = |device: usize| scene.world.engine(device).replica().fingerprint().ok();
        for hub in scene.hubs() {
            let honest = scene.honest_with(hub);
            let expected = honest.first().map(|device| print(*device));
            if let Some(device) = honest.iter().find(|device| Some(print(**device)) != expected) {
                return Err(format!("device {device} differs from device {}", honest[0]));
            }
        }
        Ok(())
    }
}
