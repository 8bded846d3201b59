//! Nothing that was erased comes back, on any device, from anybody.

use std::collections::BTreeSet;

use crdt::ids::CaptureId;
use crdt::store::Store;
use crdt::sync::Event;

use super::{Rule, Scene, Verdict};
use crate::operation::Made;

/// See the module.
#[derive(Default)]
pub(super) struct Erased {
    erased: BTreeSet<(usize, CaptureId)>,
    anywhere: BTreeSet<CaptureId>,
}

impl Rule for Erased {
    fn name(&self) -> &'static str {
        "nothing erased returns"
    }

    fn event(&mut self, scene: &Scene, device: usize, event: &Event) -> Verdict {
        match event {
            Event::Erased(id) if scene.world.is_on(device) => {
                self.erased.insert((device, *id));
                self.anywhere.insert(*id);
                Ok(())
            }
            Event::Changed(id) if self.erased.contains(&(device, *id)) => self.still(scene, device, *id),
            Event::Whole(id) if self.erased.contains(&(device, *id)) && !self.may_forget(scene, device) => {
                Err(format!("device {device} fetched images of {id} that it had erased"))
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        for device in scene.honest() {
            let store = scene.world.engine(device).replica().store();
            for id in &self.anywhere {
                let made = scene.facts.made.get(id);
                if made.is_some_and(|made| scene.hub_of(made.device) != scene.hub_of(device)) {
                    continue;
                }
                if scene.world.view(device, *id).erased.is_none() {
                    match made {
                        Some(made) if is_told(scene, made) => {
                            return Err(format!("device {device} still has {id}, which others have erased"));
                        }
                        _ => continue,
                    }
                }
                let images = made.map_or(&[][..], |made| &made.images);
                if images.iter().any(|blob| matches!(store.blob_len(*blob), Ok(Some(_)))) {
                    return Err(format!("device {device} still has images of {id}, which it has erased"));
                }
            }
        }
        Ok(())
    }
}

/// Whether the word that it is erased reaches everybody. A device that went on from an older disk has forgotten that its officer read
/// the answer, and perhaps had told nobody.
fn is_told(scene: &Scene, made: &Made) -> bool {
    scene.facts.must_arrive(made) && !scene.facts.copied.contains(&made.device)
}

impl Erased {
    /// A power cut takes back an erasure that wasn't on the disk, and an older disk one that was.
    fn may_forget(&self, scene: &Scene, device: usize) -> bool {
        let struck = &scene.facts.struck;
        scene.facts.copied.contains(&device) || !struck.is_empty()
    }

    fn still(&self, scene: &Scene, device: usize, id: CaptureId) -> Verdict {
        if !scene.world.is_on(device) || self.may_forget(scene, device) {
            return Ok(());
        }
        match scene.world.view(device, id).erased {
            Some(_) => Ok(()),
            None => Err(format!("device {device} has {id} again, which it had erased")),
        }
    }
}
