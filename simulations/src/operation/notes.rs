//! What is noted while an operation is played, beside what became of each capture: enough for a report, and bounded.

use super::watch::Stock;
use crate::quantile::quantile;
use crate::trace::Node;

/// What devices held and carried, and when gateways were there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// From one look at the disks to the next, in ms: the longer the operation, the longer.
    pub period_ms: u64,
    /// What was found then.
    pub storage: Vec<Storage>,
    /// Of each device of the plan, in its order.
    pub devices: Vec<DeviceNotes>,
    /// When a device that hadn't made it held all of a capture: the first [`COPIES_MAX`] times.
    pub copies: Vec<Copied>,
    /// Times beyond these.
    pub copies_left_out: u64,
    /// When devices became gateways and ceased to be: the first [`SWITCHES_MAX`] times.
    pub switches: Vec<Switch>,
    /// Times beyond these.
    pub switches_left_out: u64,
}

/// Copies that are noted one by one: every one of an operation like WB21, 2.4 MB of the largest.
pub const COPIES_MAX: usize = 100_000;
/// Changes of gateways that are noted one by one: a thousand gateways on four weeks of windows twice a day.
pub const SWITCHES_MAX: usize = 100_000;
/// Looks at the disks: about as many as a drawing can show.
pub const LOOKS_MAX: u64 = 240;

/// Bytes on the disks of all devices at a moment. The hub's is apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// When, in ms since the operation began.
    pub at_ms: u64,
    /// The least that a device holds.
    pub least_bytes: u64,
    /// Half of the devices hold at most this.
    pub half_bytes: u64,
    /// Nine of ten hold at most this.
    pub nine_tenths_bytes: u64,
    /// The most that a device holds.
    pub most_bytes: u64,
    /// All of them together.
    pub total_bytes: u64,
    /// The hub.
    pub hub_bytes: u64,
}

impl Storage {
    pub(super) fn of(stock: &Stock) -> Self {
        let mut sorted = stock.devices_bytes.clone();
        sorted.sort_unstable();
        let of = |p: f64| quantile(&sorted, p).unwrap_or(0);
        Self {
            at_ms: stock.at_ms,
            least_bytes: of(0.0),
            half_bytes: of(0.5),
            nine_tenths_bytes: of(0.9),
            most_bytes: of(1.0),
            total_bytes: sorted.iter().sum(),
            hub_bytes: stock.hub_bytes,
        }
    }
}

/// What a device did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceNotes {
    /// Captures that it made.
    pub captures: u64,
    /// Captures of others that it held whole at some time.
    pub copies: u64,
    /// What it sent that arrived, at the hub too.
    pub sent_bytes: u64,
    /// What arrived at it, from the hub too.
    pub received_bytes: u64,
    /// The most that was on its disk, of all looks at it.
    pub held_bytes_max: u64,
    /// Contacts it had.
    pub contacts: u64,
    /// How long it was in contact with somebody, in ms.
    pub contact_ms: u64,
    /// What it did as a gateway, if it has a way out.
    pub gateway: Option<GatewayNotes>,
}

/// What a gateway did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayNotes {
    /// How often it became one.
    pub times: u64,
    /// How long it was one, in ms.
    pub gateway_ms: u64,
    /// What it sent that arrived at the hub, in bytes.
    pub up_bytes: u64,
    /// What arrived from there.
    pub down_bytes: u64,
    /// Captures of which it brought the last piece that the hub lacked: of two who brought the same, the first.
    pub delivered: u64,
}

/// A capture came to be whole on a device that hadn't made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// When, in ms since the operation began.
    pub at_ms: u64,
    /// The capture's place in the plan.
    pub capture: u32,
    /// On which device.
    pub node: Node,
}

/// A device became a gateway, or ceased to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// When, in ms since the operation began.
    pub at_ms: u64,
    /// Which device.
    pub node: Node,
    /// Whether it is one from then on.
    pub on: bool,
}
