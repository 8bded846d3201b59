//! Every capture of an honest device is accepted and answered in the end, and its device knows it.

use super::{Rule, Scene, Verdict};

/// See the module.
#[derive(Default)]
pub(super) struct Answered;

impl Rule for Answered {
    fn name(&self) -> &'static str {
        "verdicts reach their officers"
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        for (id, made) in scene.facts.made.iter().filter(|(_, made)| scene.facts.must_arrive(made)) {
            if !scene.world.is_on(made.device) {
                return Err(format!("device {} is still off", made.device));
            }
            let view = scene.world.view(made.device, *id);
            // A power cut took it before anybody read that it was recorded.
            if view.origin.is_none() && view.erased.is_none() {
                continue;
            }
            if view.erased.is_none() && (view.accepted().is_none() || view.screened().is_none()) {
                let accepted = if view.accepted().is_some() { "accepted and not answered" } else { "not accepted" };
                let lack = |device: &usize| scene.world.engine(*device).missing().0 > 0;
                let lack: Vec<usize> = scene.honest().into_iter().filter(lack).collect();
                return Err(format!("capture {id} of device {} is {accepted}; images lack at {lack:?}", made.device));
            }
        }
        Ok(())
    }
}
