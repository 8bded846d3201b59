//! What a device writes after it was revoked counts nowhere, whichever way and however late it comes.

use super::{Rule, Scene, Verdict};

/// How long after the order a capture was certainly made after it, in ms.
const AFTER_MS: u64 = 1_000;

/// See the module.
#[derive(Default)]
pub(super) struct Revoked;

impl Rule for Revoked {
    fn name(&self) -> &'static str {
        "what a revoked device writes counts nowhere"
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        for (id, made) in &scene.facts.made {
            let Some(revoked_ms) = scene.facts.revoked.get(&made.device) else { continue };
            // A power cut may have taken the order before it was on a disk.
            let id_of = scene.world.identity(made.device).device();
            let is_out = scene.world.engine(scene.hub_of(made.device)).replica().revoked().is_out(&id_of);
            if !is_out || made.at_ms < revoked_ms + AFTER_MS {
                continue;
            }
            let counts = |device: &usize| scene.world.view(*device, *id).origin.is_some();
            if let Some(device) = scene.honest_with(scene.hub_of(made.device)).into_iter().find(counts) {
                return Err(format!(
                    "device {device} takes {id}, which device {} made after it was revoked",
                    made.device
                ));
            }
        }
        Ok(())
    }
}
