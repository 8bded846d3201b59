//! Watches an operation for its [`Notes`].

use std::collections::{BTreeMap, BTreeSet};

use super::Plan;
use super::notes::{COPIES_MAX, Copied, DeviceNotes, GatewayNotes, LOOKS_MAX, Notes, SWITCHES_MAX, Storage, Switch};
use super::outcome::Fate;
use crate::trace::{Node, Trace};
use crate::world::World;

/// Spans between two looks, in seconds: such as people read off an axis. Beyond the last one, days.
const PERIODS_S: [u64; 14] = [1, 5, 10, 30, 60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200];
const DAY_S: u64 = 86_400;

/// What was on the disks at one look at them, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stock {
    /// When, in ms since the operation began.
    pub(super) at_ms: u64,
    /// On that of each device.
    pub(super) devices_bytes: Vec<u64>,
    /// On those of the hub's replicas.
    pub(super) hub_bytes: u64,
}

impl Stock {
    /// What another part of the operation had at that moment.
    pub(super) fn add(&mut self, other: &Self) {
        self.at_ms = other.at_ms;
        self.devices_bytes.extend(&other.devices_bytes);
        self.hub_bytes += other.hub_bytes;
    }
}

/// See the module. Times in ms since the operation began.
#[derive(Clone)]
pub(super) struct Watch {
    notes: Notes,
    stock: Vec<Stock>,
    /// The first of the hub's replicas.
    hub: usize,
    ends_ms: u64,
    next_look_ms: u64,
    /// What was on each disk when it was last looked at; those of the hub's replicas come last.
    held_bytes: Vec<u64>,
    /// Since when each gateway is one.
    gateways: BTreeMap<usize, u64>,
    /// Captures that were whole at no gateway yet, and where they are whole.
    waiting: BTreeMap<usize, BTreeSet<usize>>,
}

impl Watch {
    pub(super) fn new(plan: &Plan) -> Self {
        let count = plan.devices.len();
        let device = |way_out: bool| DeviceNotes { gateway: way_out.then(GatewayNotes::default), ..Default::default() };
        let mut devices: Vec<_> = plan.devices.iter().map(|it| device(it.way_out.is_some())).collect();
        for (device, contacts) in devices.iter_mut().zip(contacts_of(&plan.contacts, count)) {
            (device.contacts, device.contact_ms) = contacts;
        }
        Self {
            notes: Notes { period_ms: period_ms(plan.ends_ms), devices, ..Notes::default() },
            stock: Vec::new(),
            hub: count,
            ends_ms: plan.ends_ms,
            next_look_ms: 0,
            held_bytes: vec![0; count + 1 + plan.sites.iter().max().unwrap_or(&0)],
            gateways: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Before anything happens at `now_ms`: looks at the disks if it is time, once for each time that it was.
    pub(super) fn look(&mut self, now_ms: u64, world: &World) {
        while self.next_look_ms <= now_ms.min(self.ends_ms) {
            self.take_stock(self.next_look_ms, world);
            self.next_look_ms += self.notes.period_ms;
        }
    }

    /// A device has made a capture, and so holds all of it.
    pub(super) fn captured(&mut self, now_ms: u64, device: usize, capture: usize, fate: &mut Fate) {
        self.notes.devices[device].captures += 1;
        self.held(now_ms, device, capture, fate);
    }

    /// A capture came to be whole at the hub, through somebody.
    pub(super) fn delivered(&mut self, capture: usize, through: Option<usize>, fate: &Fate) {
        self.waiting.remove(&capture);
        let through = through.filter(|_| fate.delivered_ms.is_none());
        let through = through.and_then(|from| self.notes.devices.get_mut(from)?.gateway.as_mut());
        through.into_iter().for_each(|gateway| gateway.delivered += 1);
    }

    /// A capture came to be whole on a device.
    pub(super) fn whole(&mut self, now_ms: u64, device: usize, capture: usize, fate: &mut Fate) {
        if device != fate.node as usize {
            self.copied(Copied { at_ms: now_ms, capture: capture as u32, node: device as Node });
        }
        self.held(now_ms, device, capture, fate);
    }

    /// A device has no images of a capture any more.
    pub(super) fn erased(&mut self, device: usize, capture: usize) {
        if let Some(holders) = self.waiting.get_mut(&capture) {
            holders.remove(&device);
        }
    }

    /// A device becomes a gateway, or ceases to be one.
    pub(super) fn switched(&mut self, now_ms: u64, device: usize, on: bool, fates: &mut [Fate]) {
        let was_on = self.gateways.contains_key(&device);
        if on == was_on {
            return;
        }
        if on {
            self.gateways.insert(device, now_ms);
            self.at_gateway(now_ms, device, fates);
        } else {
            self.end_of_gateway(now_ms, device);
        }
        match self.notes.switches.len() < SWITCHES_MAX {
            true => self.notes.switches.push(Switch { at_ms: now_ms, node: device as Node, on }),
            false => self.notes.switches_left_out += 1,
        }
    }

    /// What was noted, and what was on the disks at each look.
    pub(super) fn into_notes(mut self, world: &World) -> (Notes, Vec<Stock>) {
        self.look(self.ends_ms, world);
        while let Some((device, _)) = self.gateways.first_key_value() {
            self.end_of_gateway(self.ends_ms, *device);
        }
        for ((from, to), carried) in world.carried() {
            if let Some(device) = self.notes.devices.get_mut(*from) {
                device.sent_bytes += carried.bytes;
                if let Some(gateway) = device.gateway.as_mut().filter(|_| *to >= self.hub) {
                    gateway.up_bytes += carried.bytes;
                }
            }
            if let Some(device) = self.notes.devices.get_mut(*to) {
                device.received_bytes += carried.bytes;
                if let Some(gateway) = device.gateway.as_mut().filter(|_| *from >= self.hub) {
                    gateway.down_bytes += carried.bytes;
                }
            }
        }
        self.notes.storage = self.stock.iter().map(Storage::of).collect();
        (self.notes, self.stock)
    }

    fn take_stock(&mut self, at_ms: u64, world: &World) {
        // Of one that is off, what it held when it was on: that lies on its disk.
        for (number, held) in self.held_bytes.iter_mut().enumerate() {
            *held = world.held_bytes(number).unwrap_or(*held);
        }
        let (devices, hubs) = self.held_bytes.split_at(self.hub);
        for (device, held) in self.notes.devices.iter_mut().zip(devices) {
            device.held_bytes_max = device.held_bytes_max.max(*held);
        }
        self.stock.push(Stock { at_ms, devices_bytes: devices.to_vec(), hub_bytes: hubs.iter().sum() });
    }

    fn copied(&mut self, copied: Copied) {
        self.notes.devices[copied.node as usize].copies += 1;
        match self.notes.copies.len() < COPIES_MAX {
            true => self.notes.copies.push(copied),
            false => self.notes.copies_left_out += 1,
        }
    }

    fn held(&mut self, now_ms: u64, device: usize, capture: usize, fate: &mut Fate) {
        if self.gateways.contains_key(&device) {
            self.waiting.remove(&capture);
            fate.at_gateway_ms.get_or_insert(now_ms);
        } else if fate.at_gateway_ms.is_none() {
            self.waiting.entry(capture).or_default().insert(device);
        }
    }

    /// What a device holds that is a gateway now.
    fn at_gateway(&mut self, now_ms: u64, device: usize, fates: &mut [Fate]) {
        self.waiting.retain(|capture, holders| {
            let here = holders.contains(&device);
            if here {
                fates[*capture].at_gateway_ms.get_or_insert(now_ms);
            }
            !here
        });
    }

    fn end_of_gateway(&mut self, now_ms: u64, device: usize) {
        let since_ms = self.gateways.remove(&device);
        if let (Some(since_ms), Some(gateway)) = (since_ms, self.notes.devices[device].gateway.as_mut()) {
            gateway.times += 1;
            gateway.gateway_ms += now_ms - since_ms;
        }
    }
}

/// How far apart looks are, so that there are few enough.
fn period_ms(ends_ms: u64) -> u64 {
    let least_s = ends_ms.div_ceil(1_000 * LOOKS_MAX);
    let fits = PERIODS_S.into_iter().find(|period_s| *period_s >= least_s);
    fits.unwrap_or_else(|| least_s.div_ceil(DAY_S) * DAY_S) * 1_000
}

/// Of each node: how many contacts it has, and how long it is in contact with anybody.
fn contacts_of(contacts: &Trace, nodes: usize) -> Vec<(u64, u64)> {
    let mut of = vec![(0, 0); nodes];
    let mut until_ms = vec![0; nodes];
    for contact in contacts.contacts() {
        for node in [contact.a, contact.b].map(|node| node as usize) {
            let new_from_ms = contact.from_ms.max(until_ms[node]);
            of[node].0 += 1;
            of[node].1 += contact.until_ms.saturating_sub(new_from_ms);
            until_ms[node] = until_ms[node].max(contact.until_ms);
        }
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Contact;

    #[test]
    fn looks_are_few_however_long_an_operation_is() {
        for ends_ms in [1, 1_000, 240_000, 240_001, 14 * 86_400_000, 400 * 86_400_000] {
            let period_ms = period_ms(ends_ms);
            assert!(ends_ms.div_ceil(period_ms) <= LOOKS_MAX, "{ends_ms}: every {period_ms} ms");
            assert!(period_ms == 1_000 || ends_ms.div_ceil(period_ms) > LOOKS_MAX / 6, "{ends_ms}: only {period_ms}");
        }
        assert_eq!(period_ms(14 * 86_400_000), 7_200_000);
    }

    #[test]
    fn time_in_contact_with_two_at_once_counts_once() {
        let contact = |from_ms, until_ms, a, b| Contact { from_ms, until_ms, a, b };
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let trace = Trace::new(names, [contact(0, 10, 0, 1), contact(5, 20, 0, 2), contact(30, 40, 0, 1)]);
        assert_eq!(contacts_of(&trace, 3), [(3, 30), (2, 20), (1, 15)]);
    }
}
