//! Small plans that several tests play.

use simulations::operation::{Plan, PlannedCapture, PlannedDevice, Radio, WayOut};
use simulations::oracle::Online;
use simulations::trace::{Contact, Node, Trace};
use simulations::{Clock, Member, Pace};

pub(crate) const MINUTE_MS: u64 = 60_000;

/// An officer, a mule, and two gateways that never meet the officer: `ridge`, which is online from minute 40 to 60 and again
/// from 75 on, and `tower`, always, which the mule meets at 90.
pub(crate) fn two_ways_out(names: [&str; 4]) -> Plan {
    let pace = Pace { bits_per_s: Some(1_000_000), ..Pace::of(5) };
    let device = |name: &str, online: Option<Online>| PlannedDevice {
        name: name.to_owned(),
        member: Member::Officer,
        way_out: online.map(|online| WayOut { online, setup_ms: 500, pace, cap_bytes: None }),
        off: Vec::new(),
        clock: Clock::default(),
    };
    let minutes = |from: u64, until: u64| (from * MINUTE_MS, until * MINUTE_MS);
    let contact = |(from_ms, until_ms): (u64, u64), a: Node, b: Node| Contact { from_ms, until_ms, a, b };
    let contacts = [
        contact(minutes(10, 12), 0, 1),
        contact(minutes(30, 33), 1, 2),
        contact(minutes(50, 55), 0, 1),
        contact(minutes(52, 54), 1, 2),
        contact(minutes(90, 95), 1, 3),
        contact(minutes(100, 110), 0, 1),
    ];
    let windows = Online::Windows(vec![minutes(40, 60), minutes(75, 120)]);
    let capture = |minute: u64| PlannedCapture { at_ms: minute * MINUTE_MS, node: 0, bytes: 90_000 };
    Plan {
        name: "two ways out".to_owned(),
        devices: vec![
            device(names[0], None),
            device(names[1], None),
            device(names[2], Some(windows)),
            device(names[3], Some(Online::Always)),
        ],
        contacts: Trace::new(names.map(str::to_owned).to_vec(), contacts),
        radio: Radio { setup_ms: 2_000, pace },
        captures: [1, 51, 80, 105].map(capture).to_vec(),
        ends_ms: 120 * MINUTE_MS,
        screening_ms: 1_000,
        reads_after_ms: Some(MINUTE_MS),
        sites: Vec::new(),
        tracks: Vec::new(),
    }
}
