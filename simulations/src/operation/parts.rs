//! An operation in parts: sites whose devices never come into each other's reach are played one after the other.
//!
//! Nothing of one site concerns another, so that what comes of it is the same; but of a thousand devices only those of one part are in
//! memory at a time, with their logs, and what is looked up is looked up among them.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::{COPIES_MAX, DeviceNotes, Notes, SWITCHES_MAX, Storage};
use super::outcome::{Fate, Outcome};
use super::stage::Play;
use super::watch::Stock;
use super::{Plan, PlannedCapture};
use crate::trace::{Contact, Node, Trace};
use crate::world::Traffic;

/// Some devices of a plan, and all that concerns them.
struct Part {
    plan: Plan,
    seed: u64,
    /// Their numbers in the whole plan.
    nodes: Vec<Node>,
    /// The places of its captures there.
    captures: Vec<usize>,
}

/// Plays a plan part by part.
pub(super) fn play(plan: &Plan, seed: u64) -> Outcome {
    let parts = parts(plan, seed);
    let mut whole = Whole::new(plan);
    for part in &parts {
        let (outcome, stock) = Play::new(&part.plan, part.seed, &[], None).play();
        whole.add(part, outcome, &stock);
    }
    whole.finish()
}

/// The parts of a plan, by the lowest site of each. The first one plays by the seed itself.
fn parts(plan: &Plan, seed: u64) -> Vec<Part> {
    let mut of_part: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let lowest = lowest_met(plan);
    for site in (0..plan.devices.len()).map(|device| plan.site(device)) {
        of_part.entry(lowest[site]).or_default().insert(site);
    }
    if of_part.len() <= 1 {
        let (nodes, captures) = ((0..plan.devices.len() as Node).collect(), (0..plan.captures.len()).collect());
        return vec![Part { plan: plan.clone(), seed, nodes, captures }];
    }
    of_part.into_iter().map(|(lowest, sites)| Part::new(plan, seed_of(seed, lowest), &sites)).collect()
}

/// Of each site the lowest one that it meets, directly or through others.
fn lowest_met(plan: &Plan) -> Vec<usize> {
    let mut lowest: Vec<usize> = (0..plan.site_count()).collect();
    let meet = |contact: &Contact| [contact.a, contact.b].map(|node| plan.site(node as usize));
    let pairs: BTreeSet<[usize; 2]> = plan.contacts.contacts().iter().map(meet).filter(|[a, b]| a != b).collect();
    for [a, b] in pairs {
        let (low, high) = (lowest[a].min(lowest[b]), lowest[a].max(lowest[b]));
        lowest.iter_mut().filter(|it| **it == high).for_each(|it| *it = low);
    }
    lowest
}

/// What a part is drawn from follows from its lowest site alone: one site less leaves the others as they were.
fn seed_of(seed: u64, lowest: usize) -> u64 {
    if lowest == 0 {
        return seed;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_be_bytes()).update(&(lowest as u64).to_be_bytes());
    let mut drawn = [0; 8];
    hasher.finalize_xof().fill(&mut drawn);
    u64::from_be_bytes(drawn)
}

impl Part {
    fn new(plan: &Plan, seed: u64, sites: &BTreeSet<usize>) -> Self {
        let nodes: Vec<Node> =
            (0..plan.devices.len()).filter(|it| sites.contains(&plan.site(*it))).map(|it| it as Node).collect();
        let number: BTreeMap<Node, Node> = nodes.iter().copied().zip(0..).collect();
        let of = |node: &Node| number.get(node).copied();
        let contacts = plan
            .contacts
            .contacts()
            .iter()
            .filter_map(|contact| Some(Contact { a: of(&contact.a)?, b: of(&contact.b)?, ..*contact }));
        let names = nodes.iter().map(|node| plan.contacts.names()[*node as usize].clone()).collect();
        let (captures, planned) = plan
            .captures
            .iter()
            .enumerate()
            .filter_map(|(place, it)| Some((place, PlannedCapture { node: of(&it.node)?, ..*it })))
            .unzip();
        let sites: Vec<usize> = sites.iter().copied().collect();
        let site_of = |node: &Node| sites.binary_search(&plan.site(*node as usize)).unwrap_or(0);
        let plan = Plan {
            name: plan.name.clone(),
            devices: nodes.iter().map(|node| plan.devices[*node as usize].clone()).collect(),
            sites: nodes.iter().map(site_of).collect(),
            contacts: Trace::new(names, contacts.collect::<Vec<_>>()),
            captures: planned,
            // Nobody draws a part.
            tracks: Vec::new(),
            ..*plan
        };
        Self { plan, seed, nodes, captures }
    }
}

/// What became of the parts so far.
struct Whole {
    hashes: Vec<[u8; 32]>,
    fates: BTreeMap<usize, Fate>,
    traffic: Traffic,
    impossible: usize,
    notes: Notes,
    stock: Vec<Stock>,
}

impl Whole {
    fn new(plan: &Plan) -> Self {
        let notes = Notes { devices: vec![DeviceNotes::default(); plan.devices.len()], ..Notes::default() };
        Self {
            hashes: Vec::new(),
            fates: BTreeMap::new(),
            traffic: Traffic::default(),
            impossible: 0,
            notes,
            stock: Vec::new(),
        }
    }

    fn add(&mut self, part: &Part, outcome: Outcome, stock: &[Stock]) {
        let node = |node: Node| part.nodes[node as usize];
        self.hashes.push(outcome.hash);
        for (place, mut fate) in part.captures.iter().zip(outcome.fates) {
            fate.node = node(fate.node);
            self.fates.insert(*place, fate);
        }
        self.traffic = self.traffic.and(outcome.traffic);
        self.impossible += outcome.impossible;
        let (notes, all) = (outcome.notes, &mut self.notes);
        all.period_ms = notes.period_ms;
        for (device, notes) in part.nodes.iter().zip(notes.devices) {
            all.devices[*device as usize] = notes;
        }
        all.copies.extend(notes.copies.into_iter().map(|mut copied| {
            (copied.node, copied.capture) = (node(copied.node), part.captures[copied.capture as usize] as u32);
            copied
        }));
        all.switches.extend(notes.switches.into_iter().map(|mut switch| {
            switch.node = node(switch.node);
            switch
        }));
        all.copies_left_out += notes.copies_left_out;
        all.switches_left_out += notes.switches_left_out;
        self.stock.resize_with(stock.len().max(self.stock.len()), Stock::default);
        self.stock.iter_mut().zip(stock).for_each(|(all, stock)| all.add(stock));
    }

    fn finish(self) -> Outcome {
        let mut notes = self.notes;
        notes.storage = self.stock.iter().map(Storage::of).collect();
        notes.copies.sort_by_key(|copied| copied.at_ms);
        notes.copies_left_out += leave_out(&mut notes.copies, COPIES_MAX);
        notes.switches.sort_by_key(|switch| switch.at_ms);
        notes.switches_left_out += leave_out(&mut notes.switches, SWITCHES_MAX);
        let hash = match self.hashes[..] {
            [one] => one,
            _ => *blake3::hash(self.hashes.as_flattened()).as_bytes(),
        };
        let fates = self.fates.into_values().collect();
        Outcome { hash, fates, traffic: self.traffic, impossible: self.impossible, notes }
    }
}

/// Keeps the first ones, and says how many there were beyond.
fn leave_out<T>(all: &mut Vec<T>, max: usize) -> u64 {
    let beyond = all.len().saturating_sub(max);
    all.truncate(max);
    beyond as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ones_are_kept() {
        let mut all = vec![1, 2, 3];
        assert_eq!((leave_out(&mut all, 3), leave_out(&mut all, 2)), (0, 1));
        assert_eq!(all, [1, 2]);
    }
}
