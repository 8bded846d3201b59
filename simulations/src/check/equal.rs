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
        let honest = scene.honest();
        let expected = honest.first().map(|device| print(*device));
        match honest.iter().find(|device| Some(print(**device)) != expected) {
            Some(device) => Err(format!("device {device} differs from device {}", honest[0])),
            None => Ok(()),
        }
    }
}
