//! A small operation and all that goes wrong in it, as it is drawn from a seed and as it is written to a file.

use std::collections::{BTreeMap, BTreeSet};

use crdt::seal::derive;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::check::quiet::QUIET_MS;
use crate::operation::{Calm, Plan, PlannedCapture, PlannedDevice, Radio, WayOut};
use crate::oracle::Online;
use crate::site::Member;
use crate::trace::{Contact, Node, Trace};
use crate::trouble::{Draws, Field, Mix, Trouble, What, draw};
use crate::world::desk::SEATS;
use crate::world::{Clock, Pace};

const MINUTE_MS: u64 = 60_000;
/// For how long everything goes wrong, in ms.
const TROUBLE_MS: u64 = 30 * MINUTE_MS;
/// How long it takes at most from the end of all trouble until all are equal and everything is answered, in ms: whoever was shut out for
/// something is let in again after ten minutes.
const HEALING_MS: u64 = 20 * MINUTE_MS;
/// Bounds of a case in a file: what a person could have meant.
const DEVICES_MAX: usize = 4_096;
const EVENTS_MAX: usize = 200_000;
const IMAGE_BYTES_MAX: usize = 4_000_000;
const ENDS_MS_MAX: u64 = 500 * 86_400_000;
/// Longest that anything takes: a screening, or setting up a link.
const WAIT_MS_MAX: u64 = 30 * 86_400_000;
/// Devices of a site that are all in contact with each other once it is calm. Of more, each is with some.
const ALL_MEET_MAX: usize = 16;
/// How fast links are once the trouble of a scenario is over, in bits a second: whatever has piled up is soon moved.
const CALM_BITS_PER_S: u64 = 1_000_000_000;

/// What a small operation has.
const SCREENING_MS: u64 = 1_000;
const SETUP_MS: u64 = 2_000;
const LATENCY_MS: u64 = 5;
const WAY_SETUP_MS: u64 = 500;

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
    /// How fast they are once it is calm, if that is something else. Nothing is lost on them then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calm_bits_per_s: Option<u64>,
    /// How long what is sent is on its way.
    #[serde(default = "latency_ms", skip_serializing_if = "is_latency")]
    pub latency_ms: u64,
    /// From the beginning of a contact to a link.
    #[serde(default = "setup_ms", skip_serializing_if = "is_setup")]
    pub setup_ms: u64,
    /// How long the hub takes to screen a capture.
    #[serde(default = "screening_ms", skip_serializing_if = "is_screening")]
    pub screening_ms: u64,
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
    /// To which site it belongs, from 0 on.
    #[serde(default, skip_serializing_if = "is_first")]
    pub site: usize,
    /// When it is switched off before it is calm, from and until.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub off: Vec<(u64, u64)>,
    /// How its way out carries, if not as links do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<CaseWay>,
    /// How its clock goes, if not right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<CaseClock>,
}

/// A way out of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseWay {
    /// From the network's being there to a connection.
    pub setup_ms: u64,
    /// How long what is sent is on its way.
    pub latency_ms: u64,
    /// How fast it is, in bits a second.
    pub bits_per_s: u64,
    /// Packets lost on it, of a million.
    #[serde(default)]
    pub loss_ppm: u32,
    /// Bytes that may go over it in a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_bytes: Option<u64>,
}

/// A clock of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseClock {
    /// How far it is ahead from the beginning; behind if it is negative.
    #[serde(default)]
    pub ahead_ms: i64,
    /// How much it gains, in millionths.
    #[serde(default)]
    pub drift_ppm: i32,
    /// When it is set, and by how much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jumps: Vec<(u64, i64)>,
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
            trouble: draw(
                &derive(&key, "trouble"),
                &Field { devices: count as usize, hubs: 1, spared: vec![0], until_ms: TROUBLE_MS },
                &Mix::swarm(),
            ),
            calm_bits_per_s: None,
            latency_ms: LATENCY_MS,
            setup_ms: SETUP_MS,
            screening_ms: SCREENING_MS,
        }
    }

    /// A plan with trouble, that is calm when the plan is over.
    #[must_use]
    pub fn of(plan: &Plan, seed: u64, trouble: Vec<Trouble>) -> Self {
        let calm_ms = plan.ends_ms;
        let contacts = plan.contacts.contacts().iter().map(|it| (it.from_ms, it.until_ms, it.a, it.b));
        let mut devices: Vec<CaseDevice> = plan
            .devices
            .iter()
            .enumerate()
            .map(|(number, it)| CaseDevice::of(it, plan.site(number), calm_ms))
            .collect();
        // A site without any way out gets one in the end, or the rules would have nothing to hold it to.
        for spared in plan.spared() {
            devices[spared].online.get_or_insert_default();
        }
        Self {
            seed,
            breaks: String::new(),
            calm_ms,
            ends_ms: calm_ms + HEALING_MS + backlog_ms(plan) + QUIET_MS,
            reads_after_ms: plan.reads_after_ms,
            bits_per_s: plan.radio.pace.bits_per_s.unwrap_or(CALM_BITS_PER_S),
            loss_ppm: plan.radio.pace.loss_ppm,
            calm_bits_per_s: Some(CALM_BITS_PER_S),
            latency_ms: plan.radio.pace.latency_ms,
            setup_ms: plan.radio.setup_ms,
            screening_ms: plan.screening_ms,
            contacts: contacts.collect(),
            captures: plan.captures.iter().map(|it| (it.at_ms, it.node, it.bytes)).collect(),
            devices,
            trouble,
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
            return Err("`calm_ms` is at most `ends_ms`, and that at most 500 days".to_owned());
        }
        let ways = || self.devices.iter().filter_map(|device| device.way.as_ref());
        let rates = [Some(self.bits_per_s), self.calm_bits_per_s].into_iter().flatten();
        let losses = ways().map(|way| way.loss_ppm).chain([self.loss_ppm]);
        if rates.chain(ways().map(|way| way.bits_per_s)).any(|rate| rate == 0) || losses.max() > Some(900_000) {
            return Err("`bits_per_s` is more than 0, and `loss_ppm` at most 900000".to_owned());
        }
        let waits = [self.latency_ms, self.setup_ms, self.screening_ms, self.reads_after_ms.unwrap_or(0)].into_iter();
        let waits = waits.chain(ways().flat_map(|way| [way.setup_ms, way.latency_ms]));
        if waits.max() > Some(WAIT_MS_MAX) {
            return Err("whatever takes a time takes 30 days at most".to_owned());
        }
        if let Some(it) = self.devices.iter().find(|it| it.site >= devices) {
            return Err(format!("site {} is beyond the {devices} that so many devices can have", it.site));
        }
        let jumps = self.devices.iter().filter_map(|device| device.clock.as_ref()).flat_map(|it| &it.jumps);
        if jumps.count() + self.devices.iter().map(|it| it.off.len()).sum::<usize>() > EVENTS_MAX {
            return Err(format!("clocks are set and devices are off more than {EVENTS_MAX} times"));
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
        let pace = Pace { latency_ms: self.latency_ms, bits_per_s: Some(self.bits_per_s), loss_ppm: self.loss_ppm };
        let device = |(number, device): (usize, &CaseDevice)| PlannedDevice {
            name: format!("device {number}"),
            member: device.member,
            way_out: device.online.as_ref().map(|online| self.way_out(online, device.way.as_ref(), pace)),
            off: self.before_calm(&device.off),
            clock: device.clock.as_ref().map_or_else(Clock::default, CaseClock::clock),
        };
        let before = self.contacts.iter().map(|(from_ms, until_ms, a, b)| Contact {
            from_ms: *from_ms,
            until_ms: *until_ms.min(&self.calm_ms),
            a: *a,
            b: *b,
        });
        let calm =
            self.pairs().into_iter().map(|(a, b)| Contact { from_ms: self.calm_ms, until_ms: self.ends_ms, a, b });
        let devices: Vec<PlannedDevice> = self.devices.iter().enumerate().map(device).collect();
        let names = devices.iter().map(|device| device.name.clone()).collect();
        Plan {
            name: format!("case {}", self.seed),
            sites: self.devices.iter().map(|device| device.site).collect(),
            contacts: Trace::new(names, before.chain(calm)),
            devices,
            radio: Radio { setup_ms: self.setup_ms, pace },
            captures: self
                .captures
                .iter()
                .map(|(at_ms, node, bytes)| PlannedCapture { at_ms: *at_ms, node: *node, bytes: *bytes })
                .collect(),
            ends_ms: self.ends_ms,
            screening_ms: self.screening_ms,
            reads_after_ms: self.reads_after_ms,
            tracks: vec![],
        }
    }

    /// From when on all trouble is over, and how it is then.
    pub(super) fn calm(&self) -> Calm {
        let pace = |bits_per_s| Pace { latency_ms: LATENCY_MS, bits_per_s: Some(bits_per_s), loss_ppm: 0 };
        Calm { from_ms: self.calm_ms, pace: self.calm_bits_per_s.map(pace) }
    }

    fn way_out(&self, online: &[(u64, u64)], way: Option<&CaseWay>, pace: Pace) -> WayOut {
        let calm = (self.calm_ms, self.ends_ms);
        let windows = self.before_calm(online).into_iter().chain([calm]);
        let own = |way: &CaseWay| {
            let pace = Pace { latency_ms: way.latency_ms, bits_per_s: Some(way.bits_per_s), loss_ppm: way.loss_ppm };
            (way.setup_ms, pace, way.cap_bytes)
        };
        let (setup_ms, pace, cap_bytes) = way.map_or((WAY_SETUP_MS, pace, None), own);
        WayOut { online: Online::Windows(windows.collect()), setup_ms, pace, cap_bytes }
    }

    /// What of some times is before it is calm.
    fn before_calm(&self, times: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let cut = times.iter().map(|(from, until)| (*from, *until.min(&self.calm_ms)));
        cut.filter(|(from, until)| from < until).collect()
    }

    /// Who is in contact with whom once it is calm: in a small site all with all, in a large one each with those that are 1, 2, 4, 8 ...
    /// places further, so that whoever lies or is out keeps nobody apart.
    fn pairs(&self) -> Vec<(Node, Node)> {
        let mut sites: BTreeMap<usize, Vec<Node>> = BTreeMap::new();
        for (number, device) in (0..).zip(&self.devices) {
            sites.entry(device.site).or_default().push(number);
        }
        let mut pairs = BTreeSet::new();
        for site in sites.values() {
            for (place, a) in site.iter().enumerate() {
                if site.len() <= ALL_MEET_MAX {
                    pairs.extend(site[place + 1..].iter().map(|b| (*a, *b)));
                    continue;
                }
                let further = (0..usize::BITS).map(|power| 1 << power).take_while(|further| *further < site.len());
                let others = further.map(|further| site[(place + further) % site.len()]);
                pairs.extend(others.map(|b| (*a.min(&b), *a.max(&b))));
            }
        }
        pairs.into_iter().collect()
    }
}

impl CaseDevice {
    fn of(device: &PlannedDevice, site: usize, ends_ms: u64) -> Self {
        let clock = &device.clock;
        let way = |way: &WayOut| CaseWay {
            setup_ms: way.setup_ms,
            latency_ms: way.pace.latency_ms,
            bits_per_s: way.pace.bits_per_s.unwrap_or(CALM_BITS_PER_S),
            loss_ppm: way.pace.loss_ppm,
            cap_bytes: way.cap_bytes,
        };
        Self {
            member: device.member,
            online: device.way_out.as_ref().map(|way| way.windows(ends_ms)),
            site,
            way: device.way_out.as_ref().map(way),
            off: device.off.clone(),
            clock: (*clock != Clock::default()).then(|| CaseClock {
                ahead_ms: clock.skew_ms,
                drift_ppm: clock.drift_ppm,
                jumps: clock.jumps.clone(),
            }),
        }
    }
}

impl CaseClock {
    fn clock(&self) -> Clock {
        Clock { skew_ms: self.ahead_ms, drift_ppm: self.drift_ppm, jumps: self.jumps.clone() }
    }
}

// What a file says only where it is something else than in a small operation.

/// How long it takes at most to screen and read all that may come to the hubs when trouble is over: it can be every capture of a plan,
/// all of one site.
fn backlog_ms(plan: &Plan) -> u64 {
    let screening_ms = (plan.captures.len().div_ceil(SEATS) as u64).saturating_mul(plan.screening_ms);
    screening_ms.saturating_add(plan.reads_after_ms.unwrap_or(0))
}

const fn latency_ms() -> u64 {
    LATENCY_MS
}

const fn setup_ms() -> u64 {
    SETUP_MS
}

const fn screening_ms() -> u64 {
    SCREENING_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_latency(ms: &u64) -> bool {
    *ms == LATENCY_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_setup(ms: &u64) -> bool {
    *ms == SETUP_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_screening(ms: &u64) -> bool {
    *ms == SCREENING_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_first(site: &usize) -> bool {
    *site == 0
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
    let online = (number == 0 || draws.below(3) == 0).then_some(online);
    CaseDevice { member, online, site: 0, way: None, off: vec![], clock: None }
}

fn contact(mut draws: Draws, devices: u64) -> Option<(u64, u64, Node, Node)> {
    let (a, b) = (draws.below(devices) as Node, draws.below(devices) as Node);
    let from_ms = draws.below(TROUBLE_MS);
    (a != b).then(|| (from_ms, from_ms + 3_000 + draws.below(6 * MINUTE_MS), a.min(b), a.max(b)))
}

fn capture(mut draws: Draws, devices: u64) -> (u64, Node, usize) {
    (draws.below(TROUBLE_MS), draws.below(devices) as Node, 300 << draws.below(9))
}
