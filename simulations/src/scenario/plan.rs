//! What a scenario comes to under a seed: where everybody is when, whom they meet, and what is captured.

use std::collections::BTreeSet;

use crdt::seal::{Seed, derive};

use super::dice::{Dice, weight};
use super::moves::{Mover, knot};
use super::unit::DAY_MS;
use super::{Captures, Count, Device, Group, Scenario, Uplink, What, When};
use crate::fuzz::Case;
use crate::operation::{Plan, PlannedCapture, PlannedDevice, Track, WayOut, union};
use crate::oracle::Online;
use crate::site::Member;
use crate::trace::{Contact, Knot, Node, Trace, meetings, near};
use crate::trouble::{Field, draw};
use crate::world::Clock;

/// How often another time is drawn for a capture when nobody is there who could make it.
const TRIES_MAX: u64 = 20;

/// The way of one device.
type Way = Vec<Knot>;

impl Scenario {
    /// What happens under a seed.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        let seed = derive(&[0; 32], &format!("scenario {seed}"));
        let ways: Vec<Way> = self.devices.iter().map(|device| self.way(device, &seed)).collect();
        let devices = self.devices.iter().zip(&ways).map(|(device, way)| self.planned(device, way, &seed)).collect();
        let contacts = match &self.traced {
            Some(trace) => self.within(trace),
            None => self.contacts(&ways),
        };
        Plan {
            name: self.name.clone(),
            devices,
            sites: self.devices.iter().map(|device| device.region).collect(),
            contacts,
            radio: self.radio,
            captures: self.planned_captures(&seed),
            ends_ms: self.ends_ms,
            screening_ms: self.screening_ms,
            reads_after_ms: self.reads_after_ms,
            tracks: self.tracks(&ways),
        }
    }

    /// What happens under a seed with what goes wrong, and calm after it; none if nothing is said to go wrong.
    #[must_use]
    pub fn case(&self, seed: u64) -> Option<Case> {
        let mix = self.faults.as_ref()?;
        let plan = self.plan(seed);
        let field = Field {
            devices: plan.devices.len(),
            hubs: plan.site_count(),
            spared: plan.spared(),
            until_ms: plan.ends_ms,
        };
        let trouble = draw(&derive(&[0; 32], &format!("faults {seed}")), &field, mix);
        Some(Case::of(&plan, seed, trouble))
    }

    fn group(&self, device: &Device) -> Option<&Group> {
        device.group.map(|group| &self.groups[group])
    }

    fn way(&self, device: &Device, seed: &Seed) -> Way {
        let Some(group) = self.group(device) else { return Vec::new() };
        let region = &self.regions[device.region];
        group.moves.way(&Mover {
            seed,
            group: &format!("{region}/{}", group.name),
            name: &device.name,
            number: device.number,
            count: group.count,
            spread_m: group.spread_m,
            ends_ms: self.ends_ms,
        })
    }

    fn planned(&self, device: &Device, way: &Way, seed: &Seed) -> PlannedDevice {
        let name = device.name.clone();
        let Some(group) = self.group(device) else {
            let (off, clock) = (Vec::new(), Clock::default());
            return PlannedDevice { name, member: Member::Officer, way_out: None, off, clock };
        };
        let uplink = group.uplink.as_ref().filter(|uplink| device.number < uplink.devices);
        PlannedDevice {
            member: group.member,
            way_out: uplink.and_then(|uplink| self.way_out(uplink, &name, way, seed)),
            off: group.off.clone(),
            clock: clock(group, &name, seed),
            name,
        }
    }

    fn way_out(&self, uplink: &Uplink, name: &str, way: &Way, seed: &Seed) -> Option<WayOut> {
        let mut online = match &uplink.when {
            When::Online(online) => online.clone(),
            When::Turns { up_ms, down_ms } => Online::Windows(self.turns(name, *up_ms, *down_ms, seed)),
            When::Table(table) => Online::Windows(table.get(name)?.clone()),
        };
        if !uplink.signal.is_empty() {
            online = Online::Windows(common(&online, &self.in_signal(uplink, way), self.ends_ms));
        }
        Some(WayOut { online, setup_ms: uplink.setup_ms, pace: uplink.pace, cap_bytes: uplink.cap_bytes })
    }

    /// A way out that comes and goes, each time for as long as is drawn.
    fn turns(&self, name: &str, up_ms: u64, down_ms: u64, seed: &Seed) -> Vec<(u64, u64)> {
        let mut dice = Dice::new(seed, &format!("way out of {name}"));
        let mut windows = Vec::new();
        // As likely up in the beginning as at any time.
        let mut up = dice.unit() * ((up_ms + down_ms) as f64) < up_ms as f64;
        let mut at_ms = 0;
        while at_ms < self.ends_ms {
            let until_ms = at_ms + dice.lasts_ms(if up { up_ms } else { down_ms });
            if up {
                windows.push((at_ms, until_ms.min(self.ends_ms)));
            }
            (at_ms, up) = (until_ms, !up);
        }
        windows
    }

    /// When a device is where there is a signal.
    fn in_signal(&self, uplink: &Uplink, way: &Way) -> Vec<(u64, u64)> {
        let mut spans = Vec::new();
        for place in &uplink.signal {
            let still = [knot(0, *place), knot(self.ends_ms, *place)];
            let times = near(way, &still, uplink.signal_m).into_iter();
            let whole =
                times.map(|(from_ms, until_ms)| (from_ms.ceil() as u64, (until_ms.floor() as u64).min(self.ends_ms)));
            spans.extend(whole.filter(|(from_ms, until_ms)| from_ms < until_ms));
        }
        union(spans)
    }

    /// A trace's contacts, as far as the operation lasts.
    fn within(&self, trace: &Trace) -> Trace {
        let cut = trace.contacts().iter().map(|it| Contact { until_ms: it.until_ms.min(self.ends_ms), ..*it });
        Trace::new(trace.names().to_vec(), cut)
    }

    /// Who is within reach of whom when, region by region.
    fn contacts(&self, ways: &[Way]) -> Trace {
        let mut contacts = Vec::new();
        let ends_ms = self.ends_ms;
        let all: Vec<(Node, &Device)> = (0..).zip(&self.devices).collect();
        for region in all.chunk_by(|one, other| one.1.region == other.1.region) {
            let own: Vec<(Node, &[Knot])> =
                region.iter().map(|(node, _)| (*node, ways[*node as usize].as_slice())).collect();
            meetings(&own, self.range_m, |from_ms, until_ms, a, b| {
                // Ways begin at zero.
                let [from_ms, until_ms] = [from_ms, until_ms].map(|ms| ms.unsigned_abs().min(ends_ms));
                contacts.push(Contact { from_ms, until_ms, a, b });
            });
            for one in region.chunk_by(|one, other| one.1.group == other.1.group) {
                if self.group(one[0].1).is_some_and(|group| group.lan) {
                    let pairs =
                        one.iter().enumerate().flat_map(|(place, a)| one[place + 1..].iter().map(move |b| (a.0, b.0)));
                    contacts.extend(pairs.map(|(a, b)| Contact { from_ms: 0, until_ms: ends_ms, a, b }));
                }
            }
        }
        Trace::new(self.devices.iter().map(|device| device.name.clone()).collect(), contacts)
    }

    /// Ways for drawing: regions beside each other.
    fn tracks(&self, ways: &[Way]) -> Vec<Track> {
        if self.traced.is_some() {
            return Vec::new();
        }
        let track = |(device, way): (&Device, &Way)| {
            let east = device.region as f64 * self.region_m;
            let knots = way.iter().take_while(|it| it.at_ms <= self.ends_ms as f64);
            // The one after the end says where it is heading.
            let more = way.iter().find(|it| it.at_ms > self.ends_ms as f64);
            Track(knots.chain(more).map(|it| (it.at_ms as u64, it.x + east, it.y)).collect())
        };
        self.devices.iter().zip(ways).map(track).collect()
    }

    fn planned_captures(&self, seed: &Seed) -> Vec<PlannedCapture> {
        let mut all: Vec<PlannedCapture> = self.captures.iter().flat_map(|sort| self.of_sort(sort, seed)).collect();
        // Of one moment, in the order of the file.
        all.sort_by_key(|capture| capture.at_ms);
        all
    }

    fn of_sort(&self, sort: &Captures, seed: &Seed) -> Vec<PlannedCapture> {
        let bytes = |label: &str| {
            let (low, high) = sort.images;
            let mut dice = Dice::new(seed, &format!("images of {label}"));
            (low + dice.below(high - low + 1)) as usize
        };
        match &sort.what {
            What::Listed(list) => {
                let one = |(number, (at_ms, node, weight)): (usize, &(u64, Node, Option<u64>))| {
                    let label = format!("{} {number}", sort.name);
                    let bytes = weight.map_or_else(|| bytes(&label), |weight| weight as usize);
                    PlannedCapture { at_ms: *at_ms, node: *node, bytes }
                };
                list.iter().enumerate().map(one).collect()
            }
            What::Drawn { devices, count, hours, burst } => {
                let made = self.moments(sort, *count, hours, *burst, seed).into_iter();
                let one = |moment: Moment| {
                    let (at_ms, node) = self.somebody(devices, &moment, hours, seed);
                    PlannedCapture { at_ms, node, bytes: bytes(&moment.label) }
                };
                made.map(one).collect()
            }
        }
    }

    /// When captures of a sort are made.
    fn moments(
        &self,
        sort: &Captures,
        count: Count,
        hours: &[(u64, u64)],
        (of, within_ms): (u64, u64),
        seed: &Seed,
    ) -> Vec<Moment> {
        let mut all = Vec::new();
        let mut burst = |burst: String, span: (u64, u64), size: u64| {
            let at_ms = moment(hours, span, &mut Dice::new(seed, &format!("time of {burst}")));
            let Some(at_ms) = at_ms else { return };
            for number in 0..size {
                let label = format!("{burst} {number}");
                let later_ms = Dice::new(seed, &format!("wait of {label}")).below(within_ms + 1);
                // One that would be after the end is made at its very end.
                let at_ms = (at_ms + later_ms).min(self.ends_ms - 1);
                all.push(Moment { at_ms, span, label, burst: (of > 1).then(|| burst.clone()) });
            }
        };
        let mut spread = |label: &str, span: (u64, u64), total: u64| {
            for number in 0..total.div_ceil(of) {
                burst(format!("{label} burst {number}"), span, of.min(total - number * of));
            }
        };
        match count {
            Count::Total(total) => spread(&sort.name, (0, self.ends_ms), total),
            Count::PerDay(rate) => {
                for day in 0..self.ends_ms.div_ceil(DAY_MS) {
                    let span = (day * DAY_MS, ((day + 1) * DAY_MS).min(self.ends_ms));
                    let label = format!("{} day {day}", sort.name);
                    // Of half a capture a day, one comes every other day.
                    let more = Dice::new(seed, &format!("one more of {label}")).unit() < rate.fract();
                    spread(&label, span, rate as u64 + u64::from(more));
                }
            }
        }
        all
    }

    /// Who makes a capture: of those whose device is on. If nobody's is, it is made at another time.
    fn somebody(&self, devices: &[Node], planned: &Moment, hours: &[(u64, u64)], seed: &Seed) -> (u64, Node) {
        let mut at_ms = planned.at_ms;
        for again in 0..TRIES_MAX {
            let mut on: Vec<Node> = devices.iter().copied().filter(|node| self.is_on(*node, at_ms)).collect();
            if let Some(burst) = &planned.burst {
                self.leave_one_place(&mut on, burst, seed);
            }
            let named = |node: Node| format!("{} by {}", planned.label, self.devices[node as usize].name);
            let weighed = on.into_iter().map(|node| (weight(seed, &named(node)), node));
            if let Some((_, node)) = weighed.max() {
                return (at_ms, node);
            }
            let mut dice = Dice::new(seed, &format!("time {again} of {}", planned.label));
            at_ms = moment(hours, planned.span, &mut dice).unwrap_or(at_ms);
        }
        // Nobody is ever there: it waits for the first device, until that is on.
        (at_ms, devices.first().copied().unwrap_or(0))
    }

    /// A burst comes to one group of one region.
    fn leave_one_place(&self, devices: &mut Vec<Node>, burst: &str, seed: &Seed) {
        let place = |node: &Node| {
            let device = &self.devices[*node as usize];
            (device.region, device.group)
        };
        let places: BTreeSet<(usize, Option<usize>)> = devices.iter().map(place).collect();
        let named = |(region, group): &(usize, Option<usize>)| {
            let group = group.map_or("", |group| self.groups[group].name.as_str());
            format!("{burst} at {}/{group}", self.regions[*region])
        };
        let chosen = places.into_iter().max_by_key(|place| weight(seed, &named(place)));
        devices.retain(|node| Some(place(node)) == chosen);
    }

    fn is_on(&self, node: Node, at_ms: u64) -> bool {
        let group = self.group(&self.devices[node as usize]);
        group.is_none_or(|group| !group.off.iter().any(|(from_ms, until_ms)| *from_ms <= at_ms && at_ms < *until_ms))
    }
}

/// A capture to come, and what it is drawn by.
struct Moment {
    at_ms: u64,
    /// When else it may be.
    span: (u64, u64),
    label: String,
    /// With others that are made at one place.
    burst: Option<String>,
}

/// Any moment within hours and a span; none if the two have nothing in common.
fn moment(hours: &[(u64, u64)], span: (u64, u64), dice: &mut Dice) -> Option<u64> {
    let clipped = hours.iter().map(|(from_ms, until_ms)| ((*from_ms).max(span.0), (*until_ms).min(span.1)));
    let open: Vec<(u64, u64)> = clipped.filter(|(from_ms, until_ms)| from_ms < until_ms).collect();
    let total: u64 = open.iter().map(|(from_ms, until_ms)| until_ms - from_ms).sum();
    let mut left_ms = dice.below(total);
    for (from_ms, until_ms) in open {
        if left_ms < until_ms - from_ms {
            return Some(from_ms + left_ms);
        }
        left_ms -= until_ms - from_ms;
    }
    None
}

fn clock(group: &Group, name: &str, seed: &Seed) -> Clock {
    let trouble = &group.clock;
    let mut dice = Dice::new(seed, &format!("clock of {name}"));
    let (skew, drift) = (dice.between(-1.0, 1.0), dice.between(-1.0, 1.0));
    Clock {
        skew_ms: (skew * trouble.skew_ms as f64) as i64,
        drift_ppm: (drift * f64::from(trouble.drift_ppm)) as i32,
        jumps: trouble.jumps.clone(),
    }
}

/// When a way out is there within some spans.
fn common(online: &Online, spans: &[(u64, u64)], ends_ms: u64) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    for (from_ms, until_ms) in spans {
        let mut at_ms = online.from(*from_ms, ends_ms);
        while let Some(begins_ms) = at_ms.filter(|at_ms| at_ms < until_ms) {
            let ends = online.until(begins_ms).min(*until_ms);
            all.push((begins_ms, ends));
            at_ms = online.from(ends, ends_ms).filter(|_| ends < *until_ms);
        }
    }
    all
}
