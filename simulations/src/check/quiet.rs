//! Devices fall silent once they are equal: what goes over a link is bounded by what the other end lacks.

use super::{Rule, Scene, Verdict};
use crate::world::Deed;

/// How long before the end everything is told, in ms.
pub(crate) const QUIET_MS: u64 = 4 * 60_000;
/// What devices that lack nothing may still say, in bytes each: that they are gateways, and that they are there.
const QUIET_BYTES: u64 = 20_000;

/// See the module.
#[derive(Default)]
pub(super) struct Quiet {
    bytes: u64,
}

impl Rule for Quiet {
    fn name(&self) -> &'static str {
        "no livelock"
    }

    fn deed(&mut self, scene: &Scene, deed: &Deed) -> Verdict {
        if let Deed::Sent { from, frame, .. } = deed
            && scene.facts.is_honest(*from)
            && scene.world.now_ms - scene.zero_ms + QUIET_MS >= scene.facts.ends_ms
        {
            self.bytes += frame.len() as u64;
        }
        Ok(())
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        let allowed = QUIET_BYTES * scene.hubs().end as u64;
        if self.bytes > allowed {
            return Err(format!("{} bytes in the last minutes, when nothing was left to say", self.bytes));
        }
        Ok(())
    }
}
