//! The address book: where members were met before.

use std::net::SocketAddr;

use crdt::codec::{decode, encode};
use crdt::ids::DeviceId;
use crdt::store::{Batch, Direction, Store, Table};
use gateway::driver::Driver;

const PREFIX: &[u8] = b"book/";
/// The first key after the book's.
const END: &[u8] = b"book0";
/// Devices remembered; a site has dozens.
const DEVICES_MAX: usize = 256;
/// Addresses remembered per device, newest first.
pub const ADDRESSES_MAX: usize = 4;
/// Longest row, in bytes.
pub const ROW_BYTES_MAX: usize = 1_024;

/// A row of the book: where a device was met, newest first.
#[must_use]
pub fn read_row(row: &[u8]) -> Option<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = decode(row, ROW_BYTES_MAX).ok()?;
    addresses.truncate(ADDRESSES_MAX);
    Some(addresses)
}

/// Kept in the device's own store.
pub(crate) struct Book;

impl Book {
    /// All addresses, device by device, newest first.
    pub(crate) async fn read(&self, driver: &Driver) -> Vec<(DeviceId, SocketAddr)> {
        let rows = driver
            .call(|engine, _| engine.replica().store().scan(Table::Meta, PREFIX, END, Direction::Up, DEVICES_MAX))
            .await;
        let mut found = Vec::new();
        // A book that can't be read is an empty one: devices are found again.
        for (key, value) in rows.ok().and_then(Result::ok).unwrap_or_default() {
            let device = key.get(PREFIX.len()..).and_then(|key| key.try_into().ok()).map(DeviceId);
            let addresses = read_row(&value).unwrap_or_default();
            found.extend(device.into_iter().flat_map(|device| addresses.iter().map(move |address| (device, *address))));
        }
        found
    }

    /// Puts an address first.
    pub(crate) async fn remember(&mut self, driver: &Driver, device: DeviceId, address: SocketAddr) {
        let noted = driver
            .call(move |engine, _| {
                let key = [PREFIX, &device.0].concat();
                let store = engine.store_mut();
                let old = store.get(Table::Meta, &key)?;
                let old = old.and_then(|row| read_row(&row));
                let full = store.scan(Table::Meta, PREFIX, END, Direction::Up, DEVICES_MAX)?.len() >= DEVICES_MAX;
                if old.is_none() && full {
                    return Ok(());
                }
                let mut addresses = old.unwrap_or_default();
                addresses.retain(|known| *known != address);
                addresses.insert(0, address);
                addresses.truncate(ADDRESSES_MAX);
                let mut batch = Batch::default();
                batch.put(Table::Meta, key, encode(&addresses));
                store.apply(batch).map(|_| ())
            })
            .await;
        if let Ok(Err(error)) = noted {
            tracing::warn!(%error, "the address book can't be written");
        }
    }
}
