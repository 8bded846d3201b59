//! What people call devices.

use crdt::ids::DeviceId;
use gateway::driver::Engine;

/// The alias in a device's newest certificate, or the beginning of its id.
pub(crate) fn alias(engine: &Engine, device: &DeviceId) -> String {
    let certificate = engine.replica().certificate(device);
    certificate.map_or_else(|| device.short(), |certificate| certificate.alias.clone())
}
