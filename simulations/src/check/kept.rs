//! Nothing that an officer read as recorded is lost: it stands on the device's disk after any power cut, and at the hub in the end.

use std::collections::BTreeSet;

use crdt::ids::CaptureId;

use super::{Rule, Scene, Verdict};
use crate::world::Deed;

/// See the module.
#[derive(Default)]
pub(super) struct Kept {
    /// What was on the disk of its device at some moment.
    recorded: BTreeSet<CaptureId>,
}

impl Rule for Kept {
    fn name(&self) -> &'static str {
        "nothing acknowledged is lost"
    }

    fn deed(&mut self, scene: &Scene, deed: &Deed) -> Verdict {
        match deed {
            Deed::Synced(device) if scene.world.is_on(*device) => {
                let own = scene.facts.made.iter().filter(|(_, made)| made.device == *device);
                let own = own.filter(|(id, _)| !self.recorded.contains(*id));
                let here = own.filter(|(id, _)| scene.world.view(*device, **id).origin.is_some());
                let here: Vec<CaptureId> = here.map(|(id, _)| *id).collect();
                self.recorded.extend(here);
                Ok(())
            }
            Deed::Started(device) if scene.facts.is_honest(*device) && scene.world.is_on(*device) => {
                self.all_at(scene, *device, |made| made == *device)
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        scene.hubs().try_for_each(|hub| self.all_at(scene, hub, |made| scene.hub_of(made) == hub))
    }
}

impl Kept {
    fn all_at(&self, scene: &Scene, device: usize, of: impl Fn(usize) -> bool) -> Verdict {
        for (id, made) in scene.facts.made.iter().filter(|(id, made)| of(made.device) && self.recorded.contains(*id)) {
            // Of a device that exists twice, what was cut is said again.
            let may_lack =
                !scene.facts.must_arrive(made) || (!scene.is_hub(device) && scene.facts.copied.contains(&device));
            let view = scene.world.view(device, *id);
            if !may_lack && view.origin.is_none() && view.erased.is_none() {
                return Err(format!("capture {id} of device {} is not at device {device} any more", made.device));
            }
        }
        Ok(())
    }
}
