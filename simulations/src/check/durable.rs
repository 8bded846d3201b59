//! Nothing leaves a device before it is on its disk: what a peer has seen of a log, a power cut must not take back from its author.

use std::collections::BTreeMap;

use crdt::codec::decode;
use crdt::entry::{ENTRY_BYTES_MAX, Entry};
use crdt::ids::LogId;
use crdt::sync::frame::Frame;

use super::{Rule, Scene, Verdict};
use crate::world::{Deed, World};

/// See the module.
#[derive(Default)]
pub(super) struct Durable {
    /// How far each log was on each device's disk.
    heights: BTreeMap<usize, BTreeMap<LogId, u64>>,
}

impl Rule for Durable {
    fn name(&self) -> &'static str {
        "nothing leaves before it is durable"
    }

    fn deed(&mut self, scene: &Scene, deed: &Deed) -> Verdict {
        match deed {
            Deed::Started(device) | Deed::Synced(device) => {
                if scene.world.is_on(*device) {
                    self.heights.insert(*device, heights(scene.world, *device));
                }
                Ok(())
            }
            Deed::Sent { from, frame, .. } => self.sent(scene, *from, frame),
            Deed::Meddled(_) => Ok(()),
        }
    }
}

impl Durable {
    fn sent(&self, scene: &Scene, from: usize, frame: &[u8]) -> Verdict {
        let own = scene.world.identity(from).device();
        let on_disk = |log: &LogId| self.heights.get(&from).and_then(|logs| logs.get(log)).copied().unwrap_or(0);
        match Frame::decode(frame) {
            Ok(Frame::Frontier { items, .. }) => match items.iter().find(|item| item.height > on_disk(&item.log)) {
                Some(item) => Err(format!(
                    "device {from} promises entry {} of {}, and has {} on its disk",
                    item.height,
                    item.log,
                    on_disk(&item.log)
                )),
                None => Ok(()),
            },
            // What a copy of it has written comes to it from others, as theirs does.
            Ok(Frame::Entries(_)) if scene.facts.copied.contains(&from) => Ok(()),
            Ok(Frame::Entries(entries)) => {
                let entries = entries.iter().filter_map(|bytes| decode::<Entry>(bytes, ENTRY_BYTES_MAX).ok());
                let mut own = entries.filter(|entry| entry.header().author.device == own);
                match own.find(|entry| entry.header().seq > on_disk(&entry.header().author.log())) {
                    Some(entry) => {
                        Err(format!("device {from} sends its entry {} before it is on its disk", entry.header().seq))
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

fn heights(world: &World, device: usize) -> BTreeMap<LogId, u64> {
    world.engine(device).replica().logs().map(|(id, log)| (*id, log.head.height)).collect()
}
