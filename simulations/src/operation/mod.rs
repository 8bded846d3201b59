//! An operation in virtual time: devices that meet as a plan says, gateways that are online when it says, captures, a hub.
//!
//! Everything that decides is what devices run: the engines of `crdt`, the dialer of `node`, the uplink and the intake of `gateway`.
//! [`run`] plays the world around them and notes what became of each capture; [`Outcome`] holds it against the [oracle](crate::oracle).

mod fit;
mod lan;
mod notes;
mod outcome;
mod parts;
mod stage;
mod troubled;
mod watch;
mod ways;

use crate::check::{Failure, Rules};
use crate::oracle::{Gateway, Online};
use crate::site::Member;
use crate::trace::{Node, Trace};
use crate::trouble::Trouble;
use crate::world::{Clock, Pace};

pub(crate) use fit::union;
pub use notes::{COPIES_MAX, Copied, DeviceNotes, GatewayNotes, LOOKS_MAX, Notes, SWITCHES_MAX, Storage, Switch};
pub use outcome::{Fate, Outcome, RATIO_FROM_MS, Spread};
pub(crate) use troubled::{Facts, Made};

/// What is to happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is called.
    pub name: String,
    /// The devices: node by node of the contacts.
    pub devices: Vec<PlannedDevice>,
    /// Which site each device belongs to, counted from 0; empty if all belong to one. Sites see nothing of each other, and the hub keeps
    /// a replica of each.
    pub sites: Vec<usize>,
    /// Who meets whom, when.
    pub contacts: Trace,
    /// How devices talk when they meet.
    pub radio: Radio,
    /// What is captured.
    pub captures: Vec<PlannedCapture>,
    /// When it is over.
    pub ends_ms: u64,
    /// How long the hub takes to screen a capture.
    pub screening_ms: u64,
    /// How long after an answer has come its officer reads it; none if nobody does.
    pub reads_after_ms: Option<u64>,
    /// Where devices are over time, if that is known: for drawings only. Empty, or one for each device.
    pub tracks: Vec<Track>,
}

/// A line of places: at so many ms it is so many metres east and north. Straight on between them, still before and after.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track(pub Vec<(u64, f64, f64)>);

/// A device of a plan.
#[derive(Clone, Debug)]
pub struct PlannedDevice {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub member: Member,
    /// Its way out, if it has one.
    pub way_out: Option<WayOut>,
    /// When it is switched off: from a moment on, and until before another. In order, and each apart from the next.
    pub off: Vec<(u64, u64)>,
    /// How its clock goes.
    pub clock: Clock,
}

/// A way to the hub.
#[derive(Clone, Debug)]
pub struct WayOut {
    /// When there is one.
    pub online: Online,
    /// From the network's being there to a connection with the hub, in ms.
    pub setup_ms: u64,
    /// How it carries.
    pub pace: Pace,
    /// Bytes that may go over it, both ways together, in each [`MONTH_MS`] from the beginning; none if that costs nothing.
    pub cap_bytes: Option<u64>,
}

impl WayOut {
    /// When it is there, until an operation ends.
    #[must_use]
    pub fn windows(&self, ends_ms: u64) -> Vec<(u64, u64)> {
        fit::windows(&self.online, ends_ms)
    }
}

/// For how long a cap on a way out is, in ms: thirty days.
pub const MONTH_MS: u64 = 30 * 86_400_000;

/// How devices talk that are in contact.
#[derive(Clone, Copy, Debug)]
pub struct Radio {
    /// From the beginning of a contact to a link, in ms: being found, and connecting.
    pub setup_ms: u64,
    /// How a link carries.
    pub pace: Pace,
}

/// A capture of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedCapture {
    /// When.
    pub at_ms: u64,
    /// Where.
    pub node: Node,
    /// How many bytes its images have together.
    pub bytes: usize,
}

impl Plan {
    /// Which site a device belongs to.
    #[must_use]
    pub fn site(&self, device: usize) -> usize {
        self.sites.get(device).copied().unwrap_or(0)
    }

    /// How many sites there are.
    #[must_use]
    pub fn site_count(&self) -> usize {
        1 + self.sites.iter().max().unwrap_or(&0)
    }

    /// Of each site a device on which it can rely: one that has a way out, if any has.
    #[must_use]
    pub fn spared(&self) -> Vec<usize> {
        let of_site = |site: usize| (0..self.devices.len()).filter(move |device| self.site(*device) == site);
        let has_way = |device: &usize| self.devices[*device].way_out.is_some();
        (0..self.site_count()).filter_map(|site| of_site(site).find(has_way).or_else(|| of_site(site).next())).collect()
    }

    /// The gateways, as the oracle wants them.
    #[must_use]
    pub fn gateways(&self) -> Vec<Gateway> {
        let ways = self.devices.iter().zip(0..).filter_map(|(device, node)| Some((node, device.way_out.as_ref()?)));
        ways.map(|(node, way)| Gateway { node, online: way.online.clone() }).collect()
    }
}

/// Plays a plan. The same plan and seed give the same outcome, to the byte.
#[must_use]
pub fn run(plan: &Plan, seed: u64) -> Outcome {
    parts::play(&plan.fit(), seed)
}

/// From when on trouble is over, and how it is then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calm {
    pub(crate) from_ms: u64,
    /// How links and ways out carry from then on; as before if that isn't said.
    pub(crate) pace: Option<Pace>,
}

/// What was seen of a plan played with trouble.
pub(crate) struct Watched {
    /// What had come of it when it became calm.
    pub(crate) outcome: Outcome,
    /// A hash over everything that went over links, also after that.
    pub(crate) hash: [u8; 32],
    /// Captures that the hub had whole in the end.
    pub(crate) delivered: usize,
    pub(crate) facts: Facts,
    /// The first rule that was broken.
    pub(crate) failure: Option<Failure>,
}

/// Plays a plan with trouble, while somebody watches.
pub(crate) fn run_watched(plan: &Plan, seed: u64, troubles: &[Trouble], calm: Calm, rules: Rules) -> Watched {
    let plan = troubled::Troubled::planned(plan, troubles);
    stage::Play::new(&plan, seed, troubles, Some((rules, calm))).watched()
}
