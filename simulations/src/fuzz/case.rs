//! A small operation and all that goes wrong in it, as it is drawn from a seed and as it is written to a file.

use crdt::seal::derive;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::check::quiet::QUIET_MS;
use crate::operation::{Plan, PlannedCapture, PlannedDevice, Radio, WayOut};
use crate::oracle::Online;
use crate::site::Member;
use crate::trace::{Contact, Node, Trace};
use crate::trouble::{Draws, Trouble, What, draw};
use crate::world::{Clock, Pace};

const MINUTE_MS: u64 = 60_000;
/// For how long everything goes wrong, in ms.
const TROUBLE_MS: u64 = 30 * MINUTE_MS;
/// How long it takes at most from the end of all trouble until all are equal and everything is answered, in ms: whoever was shut out for
/// something is let in again after ten minutes.
const HEALING_MS: u64 = 20 * MINUTE_MS;
/// Bounds of a case in a file: what a person could have meant.
const DEVICES_MAX: usize = 64;
const EVENTS_MAX: usize = 20_000;
const IMAGE_BYTES_MAX: usize = 4_000_000;
const ENDS_MS_MAX: u64 = 90 * 86_400_000;

/// See the module. Times are in ms since the operation began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What keys and images follow from.
    pub seed: u64,
    /// The rule that it broke, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub breaks: String,
    /// When all trouble is over. From then on all devices are in contact, and all ways out are there.
    pub calm_ms: u64,
    /// When it ends.
    pub ends_ms: u64,
    /// How long after an answer has come its officer reads it; none if nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads_after_ms: Option<u64>,
    /// How fast links are, in bits a second.
    pub bits_per_s: u64,
    /// Packets lost on them, of a million.
    #[serde(default)]
    pub loss_ppm: u32,
    /// Contacts before it is calm: from, until, and who.
    #[serde(default)]
    pub contacts: Vec<(u64, u64, Node, Node)>,
    /// Captures: when, where, and bytes of images.
    #[serde(default)]
    pub captures: Vec<(u64, Node, usize)>,
    /// The devices.
    pub devices: Vec<CaseDevice>,
    /// What goes wrong.
    #[serde(default)]
    pub trouble: Vec<Trouble>,
}

/// A device of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseDevice {
    /// What it may do.
    pub member: Member,
    /// When it has a way out before it is calm, from and until; none if it never has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<Vec<(u64, u64)>>,
}

/// Why a file holds no case.
#[derive(Debug, Error)]
pub enum CaseError {
    /// It isn't what it should be.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// Something in it can't be.
    #[error("{0}")]
    Bounds(String),
}

impl Case {
    /// The case of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let key = derive(&[7; 32], &format!("case {seed}"));
        let mut draws = Draws::new(&derive(&key, "devices"));
        let count = 3 + draws.below(4);
        let devices: Vec<CaseDevice> = (0..count).map(|number| device(number, &mut draws)).collect();
        let each =
            |what: &str, count: u64| (0..count).map(|n| Draws::new(&derive(&key, &format!("{what} {n}")))).collect();
        let contacts: Vec<Draws> = each("contact", 4 + draws.below(20));
        let captures: Vec<Draws> = each("capture", 2 + draws.below(7));
        Self {
            seed,
            breaks: String::new(),
            calm_ms: TROUBLE_MS,
            ends_ms: TROUBLE_MS + HEALING_MS + QUIET_MS,
            reads_after_ms: (draws.below(2) == 0).then(|| draws.below(10 * MINUTE_MS)),
            bits_per_s: 100_000 << draws.below(8),
            loss_ppm: if draws.below(2) == 0 { 0 } else { draws.below(100_000) as u32 },
            contacts: contacts.into_iter().filter_map(|draws| contact(draws, count)).collect(),
            captures: captures.into_iter().map(|draws| capture(draws, count)).collect(),
            devices,
            trouble: draw(&derive(&key, "trouble"), count as usize, TROUBLE_MS),
        }
    }

    /// Reads one that was written by [`Self::to_toml`], or by hand.
    pub fn from_toml(text: &str) -> Result<Self, CaseError> {
        let case: Self = toml::from_str(text)?;
        case.check().map_err(CaseError::Bounds)?;
        Ok(case)
    }

    /// As a file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // There is nothing in it that TOML hasn't.
        toml::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        let devices = self.devices.len();
        if devices == 0 || devices > DEVICES_MAX {
            return Err(format!("it has {devices} devices; let it be 1 to {DEVICES_MAX}"));
        }
        let events = self.contacts.len() + self.captures.len() + self.trouble.len();
        if events > EVENTS_MAX {
            return Err(format!("it has {events} contacts, captures and troubles; let it be {EVENTS_MAX} at most"));
        }
        if self.ends_ms > ENDS_MS_MAX || self.calm_ms > self.ends_ms {
            return Err("`calm_ms` is at most `ends_ms`, and that at most 90 days".to_owned());
        }
        if self.bits_per_s == 0 || self.loss_ppm > 900_000 {
            return Err("`bits_per_s` is more than 0, and `loss_ppm` at most 900000".to_owned());
        }
        if let Some(it) = self.captures.iter().find(|it| it.1 as usize >= devices || it.2 > IMAGE_BYTES_MAX) {
            return Err(format!(
                "the capture at {} ms is of no device, or has more than {IMAGE_BYTES_MAX} bytes",
                it.0
            ));
        }
        let often = |it: &Trouble| matches!(it.what, What::Flap { times, .. } if times as usize > EVENTS_MAX);
        let late = |it: &Trouble| it.at_ms > self.ends_ms || it.what.lasts_ms() > self.ends_ms;
        if let Some(it) = self.trouble.iter().find(|it| late(it) || often(it)) {
            return Err(format!("the trouble at {} ms goes beyond the end, or strikes too often", it.at_ms));
        }
        Ok(())
    }

    /// As a plan: from when it is calm on everybody is in contact with everybody.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let pace = Pace { latency_ms: 5, bits_per_s: Some(self.bits_per_s), loss_ppm: self.loss_ppm };
        let device = |(number, device): (usize, &CaseDevice)| PlannedDevice {
            name: format!("device {number}"),
            member: device.member,
            way_out: device.online.as_ref().map(|online| {
                let windows = online.iter().map(|(from, until)| (*from, *until.min(&self.calm_ms)));
                let windows = windows.filter(|(from, until)| from < until).chain([(self.calm_ms, self.ends_ms)]);
                WayOut { online: Online::Windows(windows.collect()), setup_ms: 500, pace, cap_bytes: None }
            }),
            off: vec![],
            clock: Clock::default(),
        };
        let nodes = self.devices.len() as Node;
        let before = self.contacts.iter().map(|(from_ms, until_ms, a, b)| Contact {
            from_ms: *from_ms,
            until_ms: *until_ms.min(&self.calm_ms),
            a: *a,
            b: *b,
        });
        let pairs = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b)));
        let calm = pairs.map(|(a, b)| Contact { from_ms: self.calm_ms, until_ms: self.ends_ms, a, b });
        let devices: Vec<PlannedDevice> = self.devices.iter().enumerate().map(device).collect();
        let names = devices.iter().map(|device| device.name.clone()).collect();
        Plan {
            name: format!("case {}", self.seed),
            sites: vec![],
            contacts: Trace::new(names, before.chain(calm)),
            devices,
            radio: Radio { setup_ms: 2_000, pace },
            captures: self
                .captures
                .iter()
                .map(|(at_ms, node, bytes)| PlannedCapture { at_ms: *at_ms, node: *node, bytes: *bytes })
                .collect(),
            ends_ms: self.ends_ms,
            screening_ms: 1_000,
            reads_after_ms: self.reads_after_ms,
            tracks: vec![],
        }
    }
}

/// The first has a way out, and so have some others.
fn device(number: u64, draws: &mut Draws) -> CaseDevice {
    let member = match draws.below(4) {
        0 => Member::Supervisor,
        _ => Member::Officer,
    };
    let windows = draws.below(4);
    let mut online = Vec::new();
    let mut at_ms = 0;
    for _ in 0..windows {
        at_ms += draws.below(12 * MINUTE_MS);
        let lasts_ms = 5_000 + draws.below(6 * MINUTE_MS);
        online.push((at_ms, at_ms + lasts_ms));
        at_ms += lasts_ms + 1;
    }
    CaseDevice { member, online: (number == 0 || draws.below(3) == 0).then_some(online) }
}

fn contact(mut draws: Draws, devices: u64) -> Option<(u64, u64, Node, Node)> {
    let (a, b) = (draws.below(devices) as Node, draws.below(devices) as Node);
    let from_ms = draws.below(TROUBLE_MS);
    (a != b).then(|| (from_ms, from_ms + 3_000 + draws.below(6 * MINUTE_MS), a.min(b), a.max(b)))
}

fn capture(mut draws: Draws, devices: u64) -> (u64, Node, usize) {
    (draws.below(TROUBLE_MS), draws.below(devices) as Node, 300 << draws.below(9))
}
