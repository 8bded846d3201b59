//! The order in which entries come doesn't matter, revocations and evidence of forks included: whoever hears all of it afterwards, in any
//! order, comes to the same.

use crdt::codec::decode;
use crdt::entry::{ENTRY_BYTES_MAX, Entry};
use crdt::replica::Replica;
use crdt::seal::derive;
use crdt::store::memory::{DiskModel, MemoryStore};

use super::{Rule, Scene, Verdict};
use crate::trouble::Draws;

/// See the module.
#[derive(Default)]
pub(super) struct Order;

impl Rule for Order {
    fn name(&self) -> &'static str {
        "the order of arrival doesn't matter"
    }

    fn end(&mut self, scene: &Scene) -> Verdict {
        scene.hubs().filter(|hub| scene.world.is_on(*hub)).try_for_each(|hub| heard_anew(scene, hub))
    }
}

fn heard_anew(scene: &Scene, hub: usize) -> Verdict {
    let hub = scene.world.engine(hub).replica();
    // What is erased can't be heard from its entries alone.
    if hub.erased() > 0 || hub.frozen().count() > 0 {
        return Ok(());
    }
    let mut entries: Vec<Entry> = Vec::new();
    for (id, log) in hub.logs() {
        let bytes = hub.entries_from(*id, 1, log.head.height, usize::MAX).unwrap_or_default();
        entries.extend(bytes.iter().filter_map(|bytes| decode(bytes, ENTRY_BYTES_MAX).ok()));
    }
    let mut draws = Draws::new(&derive(scene.world.seed(), "order"));
    for last in (1..entries.len()).rev() {
        entries.swap(last, draws.below(last as u64 + 1) as usize);
    }
    let (identity, membership) = (hub.identity().clone(), hub.membership().clone());
    let heard = Replica::open(MemoryStore::new(DiskModel::AtOnce), identity, membership).and_then(|mut replica| {
        for piece in entries.chunks(7) {
            replica.ingest(scene.world.now_ms, piece.to_vec())?;
        }
        replica.fingerprint()
    });
    match (heard.ok(), hub.fingerprint().ok()) {
        (Some(heard), Some(there)) if heard == there => Ok(()),
        _ => Err("who hears all that the hub has, in another order, comes to something else".to_owned()),
    }
}
