//! Disks and queues stay within what the captures of an operation can fill.

use super::{Rule, Scene, Verdict};

/// What a device may keep beside the images, for each capture there is, in bytes: its entries and those about it, with all indexes.
const CAPTURE_BYTES: u64 = 40_000;
/// What it may keep beside, in bytes: certificates, keys, what is known of others, what a liar made it keep.
const BESIDE_BYTES: u64 = 3_000_000;
/// Events that may wait at a time, for each device.
const EVENTS: usize = 4_000;

/// See the module.
#[derive(Default)]
pub(super) struct Bounds;

impl Rule for Bounds {
    fn name(&self) -> &'static str {
        "memory, store and queues are bounded"
    }

    fn look(&mut self, scene: &Scene) -> Verdict {
        let captures = scene.facts.made.len() as u64 + 8;
        let allowed = captures * (CAPTURE_BYTES + scene.facts.image_bytes) + BESIDE_BYTES;
        for device in scene.honest() {
            let held = scene.world.engine(device).replica().store().counters().bytes_held;
            if held > allowed {
                return Err(format!("device {device} keeps {held} bytes of at most {allowed} for {captures} captures"));
            }
        }
        let waiting = scene.world.waiting();
        if waiting > EVENTS * scene.hubs().end {
            return Err(format!("{waiting} events wait"));
        }
        Ok(())
    }
}
