//! Whatever stands in a log was signed by its author, and no device that exists once ever has two histories.

use std::collections::BTreeSet;

use crdt::codec::decode;
use crdt::entry::{ENTRY_BYTES_MAX, Entry};
use crdt::sync::Event;

use super::{Rule, Scene, Verdict};

/// See the module.
#[derive(Default)]
pub(super) struct Authors;

impl Rule for Authors {
    fn name(&self) -> &'static str {
        "authorship and forks"
    }

    fn event(&mut self, scene: &Scene, device: usize, event: &Event) -> Verdict {
        let Event::Frozen(log) = event else { return Ok(()) };
        if !scene.world.is_on(device) || !scene.facts.is_honest(device) {
            return Ok(());
        }
        let author = scene.world.engine(device).replica().log(log).map(|log| log.author.device);
        let sound = |other: &usize| scene.facts.is_honest(*other) && !scene.facts.copied.contains(other);
        let mut sound = (0..scene.hubs().end).filter(sound);
        match sound.find(|other| Some(scene.world.identity(*other).device()) == author) {
            Some(other) => Err(format!("device {device} froze the log of device {other}, which has one history")),
            None => Ok(()),
        }
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        // Devices that are equal hold the same bytes: what was looked at once needn't be again.
        let mut sound = BTreeSet::new();
        for device in scene.honest() {
            let replica = scene.world.engine(device).replica();
            for (id, log) in replica.logs() {
                let entries = replica.entries_from(*id, 1, log.head.height, usize::MAX).unwrap_or_default();
                for bytes in entries {
                    if !sound.insert((*id, *blake3::hash(&bytes).as_bytes())) {
                        continue;
                    }
                    let Ok(entry) = decode::<Entry>(&bytes, ENTRY_BYTES_MAX) else {
                        return Err(format!("device {device} keeps what is no entry in {id}"));
                    };
                    let written_by = entry.header().author;
                    if written_by.device != log.author.device || entry.signed.verify().is_err() {
                        return Err(format!(
                            "entry {} of {id} at device {device} isn't its author's",
                            entry.header().seq
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
