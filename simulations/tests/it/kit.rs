//! What several stories need.

use crdt::codec::decode;
use crdt::entry::{ENTRY_BYTES_MAX, Entry};
use crdt::replica::Replica;
use crdt::store::memory::MemoryStore;
use simulations::World;

/// All entries that a device holds, log by log.
pub(crate) fn entries_of(world: &World, device: usize) -> Vec<Entry> {
    entries_in(world.engine(device).replica())
}

/// All entries that a replica holds, log by log.
pub(crate) fn entries_in(replica: &Replica<MemoryStore>) -> Vec<Entry> {
    let logs: Vec<_> = replica.logs().map(|(id, log)| (*id, log.head.height)).collect();
    let encoded = logs.iter().flat_map(|(log, height)| replica.entries_from(*log, 1, *height, usize::MAX).unwrap());
    encoded.map(|bytes| decode(&bytes, ENTRY_BYTES_MAX).unwrap()).collect()
}
