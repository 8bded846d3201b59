//! One screening of a capture takes effect, however many gateways, restarts and late answers there are.

use crdt::sync::Event;

use super::{Rule, Scene, Verdict};

/// See the module.
#[derive(Default)]
pub(super) struct Once;

impl Rule for Once {
    fn name(&self) -> &'static str {
        "one effective screening for a capture"
    }

    fn event(&mut self, scene: &Scene, device: usize, event: &Event) -> Verdict {
        let Event::Changed(id) = event else { return Ok(()) };
        if !scene.is_hub(device) || !scene.world.is_on(device) {
            return Ok(());
        }
        let view = scene.world.view(device, *id);
        let counts = (view.receipts.len(), view.verdicts.len());
        if counts.0 > 1 || counts.1 > 1 {
            return Err(format!("capture {id} has {} receipts and {} verdicts", counts.0, counts.1));
        }
        Ok(())
    }
}
