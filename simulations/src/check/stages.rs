//! A device never shows a stage that isn't true: a copy that nobody holds, a gateway that isn't one, an answer that no hub gave.

use std::collections::BTreeSet;

use crdt::ids::{CaptureId, DeviceId};
use crdt::sync::Event;

use super::{Rule, Scene, Verdict};
use crate::operation::Made;
use crate::world::World;

/// See the module.
#[derive(Default)]
pub(super) struct Honest {
    /// Who held what whole at some moment.
    held: BTreeSet<(DeviceId, CaptureId)>,
    accepted: BTreeSet<CaptureId>,
    screened: BTreeSet<CaptureId>,
}

impl Rule for Honest {
    fn name(&self) -> &'static str {
        "stages are true"
    }

    fn event(&mut self, scene: &Scene, device: usize, event: &Event) -> Verdict {
        let (Event::Whole(id) | Event::Changed(id)) = event else { return Ok(()) };
        if !scene.world.is_on(device) {
            return Ok(());
        }
        if matches!(event, Event::Whole(_)) {
            self.held.insert((scene.world.identity(device).device(), *id));
        }
        if scene.is_hub(device) {
            self.hub_says(scene.world, device, *id);
        }
        if scene.facts.is_honest(device) { self.look_at(scene, device, *id) } else { Ok(()) }
    }

    fn look(&mut self, scene: &Scene) -> Verdict {
        for device in scene.honest().into_iter().filter(|device| !scene.is_hub(*device)) {
            let own = |made: &Made| scene.hub_of(made.device) == scene.hub_of(device);
            for (id, _) in scene.facts.made.iter().filter(|(_, made)| own(made)) {
                self.look_at(scene, device, *id)?;
            }
        }
        Ok(())
    }
}

impl Honest {
    fn hub_says(&mut self, world: &World, hub: usize, id: CaptureId) {
        let view = world.view(hub, id);
        if view.accepted().is_some() {
            self.accepted.insert(id);
        }
        if view.screened().is_some() {
            self.screened.insert(id);
        }
    }

    fn look_at(&self, scene: &Scene, device: usize, id: CaptureId) -> Verdict {
        let engine = scene.world.engine(device);
        let view = scene.world.view(device, id);
        let Some(stages) = engine.stages(scene.world.says(device), id, &view) else { return Ok(()) };
        let hub = scene.world.identity(scene.hub_of(device)).device();
        // What liars say of themselves nobody can know better.
        let liars = scene.facts.liars.iter().map(|liar| scene.world.identity(*liar).device());
        let liars: BTreeSet<DeviceId> = liars.collect();
        // A bit that flips on its way makes one device another one.
        let is_meddled = scene.facts.is_meddled();
        let holds = |holder: &DeviceId| {
            let own = *holder == scene.world.identity(device).device();
            own || is_meddled || *holder == hub || liars.contains(holder) || self.held.contains(&(*holder, id))
        };
        if let Some(holder) = stages.copies.iter().find(|holder| !holds(holder)) {
            return Err(format!("device {device} says that {holder} holds {id}, which never held it whole"));
        }
        let gateways = scene.facts.gateways.iter().map(|gateway| scene.world.identity(*gateway).device());
        let gateways: BTreeSet<DeviceId> = gateways.chain(liars).collect();
        if let Some(other) = stages.gateways.iter().find(|other| !is_meddled && !gateways.contains(*other)) {
            return Err(format!("device {device} says that {id} is at gateway {other}, which never was one"));
        }
        if stages.accepted.is_some() && !self.accepted.contains(&id) {
            return Err(format!("device {device} says that {id} is accepted, and the hub doesn't"));
        }
        if stages.screened.is_some() && !self.screened.contains(&id) {
            return Err(format!("device {device} says that {id} is screened, and the hub doesn't"));
        }
        Ok(())
    }
}
