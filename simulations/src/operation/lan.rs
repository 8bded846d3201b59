//! Who dials whom when devices meet: the production dialer of each, and the radio between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crdt::sync::{CloseReason, LinkId};
use node::dial::{DeviceKey, Dialer, Input, Output, Source, UNHEARD_MS};

use super::stage::{Agenda, Due};
use super::{Plan, Radio};
use crate::trace::Contact;
use crate::world::{Pace, World};

/// Where everybody listens.
const PORT: u16 = 7400;

/// See the module.
pub(super) struct Lan {
    radio: Radio,
    contacts: Vec<Contact>,
    zero_ms: u64,
    seed: u64,
    dialers: Vec<Dialer>,
    keys: Vec<DeviceKey>,
    /// With whom each device is in contact.
    near: Vec<BTreeSet<usize>>,
    /// Whom each device's multicast discovery believes to be there.
    heard: Vec<BTreeSet<usize>>,
    /// When the two of a contact parted last.
    parted_ms: BTreeMap<(usize, usize), u64>,
    /// Whose program is another one, or none.
    silent: BTreeSet<usize>,
    /// Links, and which of their ends are still on them.
    links: BTreeMap<LinkId, BTreeSet<usize>>,
    /// When each dialer is woken.
    wakes_ms: Vec<Option<u64>>,
}

impl Lan {
    pub(super) fn new(plan: &Plan, seed: u64, world: &World) -> Self {
        let count = plan.devices.len();
        let keys: Vec<DeviceKey> = (0..count).map(|device| world.identity(device).key.id().0).collect();
        let dialer = |(key, number): (&DeviceKey, u64)| Dialer::new(*key, seed ^ number);
        Self {
            radio: plan.radio,
            contacts: plan.contacts.contacts().to_vec(),
            zero_ms: world.now_ms,
            seed,
            dialers: keys.iter().zip(0..).map(dialer).collect(),
            keys,
            near: vec![BTreeSet::new(); count],
            heard: vec![BTreeSet::new(); count],
            parted_ms: BTreeMap::new(),
            silent: BTreeSet::new(),
            links: BTreeMap::new(),
            wakes_ms: vec![None; count],
        }
    }

    /// A device starts anew, and knows of nobody.
    pub(super) fn restarted(&mut self, device: usize, world: &World) {
        self.dialers[device] = Dialer::new(self.keys[device], self.seed ^ device as u64 ^ world.now_ms);
        self.near[device].clear();
        self.heard[device].clear();
        self.wakes_ms[device] = None;
        self.links.retain(|_, ends| {
            ends.remove(&device);
            !ends.is_empty()
        });
    }

    /// A device starts anew where it is, and finds again whom it has around it.
    pub(super) fn rebooted(&mut self, device: usize, world: &mut World, agenda: &mut Agenda) {
        let near = std::mem::take(&mut self.near[device]);
        self.restarted(device, world);
        for other in near {
            self.find(device, other, world);
            self.carry_out(other, world, agenda);
        }
        self.carry_out(device, world, agenda);
    }

    /// New links carry like this.
    pub(super) fn set_pace(&mut self, pace: Pace) {
        self.radio.pace = pace;
    }

    /// A device's own program runs no more.
    pub(super) fn silence(&mut self, device: usize) {
        self.silent.insert(device);
    }

    /// Whom a device has around it.
    pub(super) fn near(&self, device: usize) -> BTreeSet<usize> {
        self.near[device].clone()
    }

    /// Two devices come into each other's reach, and find each other.
    pub(super) fn meet(&mut self, contact: usize, world: &mut World, agenda: &mut Agenda) {
        let Contact { a, b, .. } = self.contacts[contact];
        let [a, b] = [a, b].map(|node| node as usize);
        self.find(a, b, world);
        self.carry_out(a, world, agenda);
        self.carry_out(b, world, agenda);
    }

    fn find(&mut self, a: usize, b: usize, world: &World) {
        for (own, other) in [(a, b), (b, a)] {
            if self.near[own].is_empty() {
                // Whoever was alone has joined a network, and has a new address there.
                self.dialers[own].handle(world.now_ms, Input::AddressesChanged);
            }
            self.near[own].insert(other);
            // Who was away for a moment only is no news.
            if self.heard[own].insert(other) {
                let device = Some(self.keys[other]);
                let found = Input::Found { address: address(other), device, source: Source::Mdns };
                self.dialers[own].handle(world.now_ms, found);
            }
        }
    }

    pub(super) fn part(&mut self, contact: usize, world: &mut World, agenda: &mut Agenda) {
        let Contact { a, b, .. } = self.contacts[contact];
        let [a, b] = [a, b].map(|node| node as usize);
        self.near[a].remove(&b);
        self.near[b].remove(&a);
        self.parted_ms.insert((a, b), world.now_ms);
        agenda.at(world.now_ms - self.zero_ms + UNHEARD_MS, Due::Unheard(contact));
        let between = |ends: &BTreeSet<usize>| ends.contains(&a) && ends.contains(&b);
        let gone: Vec<LinkId> = self.links.iter().filter(|(_, ends)| between(ends)).map(|(link, _)| *link).collect();
        gone.into_iter().for_each(|link| world.cut(link));
        self.carry_out(a, world, agenda);
        self.carry_out(b, world, agenda);
    }

    /// Multicast discovery loses two devices that parted and haven't met again.
    pub(super) fn unheard(&mut self, contact: usize, world: &mut World, agenda: &mut Agenda) {
        let Contact { a, b, .. } = self.contacts[contact];
        let [a, b] = [a, b].map(|node| node as usize);
        let last = self.parted_ms.get(&(a, b)).is_some_and(|parted_ms| parted_ms + UNHEARD_MS == world.now_ms);
        for (own, other) in [(a, b), (b, a)] {
            if last && !self.near[own].contains(&other) && self.heard[own].remove(&other) {
                self.dialers[own].handle(world.now_ms, Input::Lost { address: address(other) });
                self.carry_out(own, world, agenda);
            }
        }
    }

    /// A dial ends: in a link, if the two are still in reach.
    pub(super) fn dialled(&mut self, from: usize, to: usize, world: &mut World, agenda: &mut Agenda) {
        if self.near[from].contains(&to) {
            let link = world.link_at(from, to, self.radio.pace);
            self.links.insert(link, BTreeSet::from([from, to]));
            for (own, other, initiator) in [(from, to, true), (to, from, false)] {
                let up = Input::Up { link, device: self.keys[other], initiator, address: address(other) };
                self.dialers[own].handle(world.now_ms, up);
            }
            self.carry_out(to, world, agenda);
        } else {
            self.dialers[from].handle(world.now_ms, Input::Failed { address: address(to) });
        }
        self.carry_out(from, world, agenda);
    }

    pub(super) fn tick(&mut self, device: usize, world: &mut World, agenda: &mut Agenda) {
        if self.wakes_ms[device] == Some(world.now_ms) {
            self.wakes_ms[device] = None;
            self.dialers[device].handle(world.now_ms, Input::Tick);
            self.carry_out(device, world, agenda);
        }
    }

    pub(super) fn admitted(&mut self, device: usize, link: LinkId, world: &mut World, agenda: &mut Agenda) {
        if self.links.contains_key(&link) {
            self.dialers[device].handle(world.now_ms, Input::Admitted { link });
            self.carry_out(device, world, agenda);
        }
    }

    /// A session of a device is over, and its link with it. `not_admitted` says who wasn't let in, and why.
    pub(super) fn ended(
        &mut self,
        device: usize,
        link: LinkId,
        not_admitted: Option<(DeviceKey, CloseReason)>,
        world: &mut World,
        agenda: &mut Agenda,
    ) {
        let Some(ends) = self.links.get_mut(&link).filter(|ends| ends.contains(&device)) else { return };
        ends.remove(&device);
        if ends.is_empty() {
            self.links.remove(&link);
        }
        if let Some((other, reason)) = not_admitted {
            self.dialers[device].handle(world.now_ms, Input::NotAdmitted { device: other, reason });
        }
        self.dialers[device].handle(world.now_ms, Input::Down { link });
        self.carry_out(device, world, agenda);
    }

    fn carry_out(&mut self, device: usize, world: &mut World, agenda: &mut Agenda) {
        while let Some(output) = self.dialers[device].poll() {
            match output {
                Output::Dial { .. } if self.silent.contains(&device) => {}
                Output::Dial { address, .. } => {
                    let due = Due::Dialled(device, number(address));
                    agenda.at(world.now_ms - self.zero_ms + self.radio.setup_ms, due);
                }
                Output::Close { link } => world.hang_up(device, link),
                // Only what is in reach is dialled here, and that is found anew whenever it comes.
                Output::Remember { .. } => {}
            }
        }
        self.watch(device, world, agenda);
    }

    /// Wakes a dialer when it wants to be woken. While nobody is in reach a dial could only fail, so that it isn't.
    fn watch(&mut self, device: usize, world: &World, agenda: &mut Agenda) {
        if self.near[device].is_empty() {
            return;
        }
        let Some(at_ms) = self.dialers[device].wake_at().map(|at_ms| at_ms.max(world.now_ms + 1)) else { return };
        if self.wakes_ms[device].is_none_or(|wakes_ms| at_ms < wakes_ms || wakes_ms < world.now_ms) {
            self.wakes_ms[device] = Some(at_ms);
            agenda.at(at_ms - self.zero_ms, Due::DialTick(device));
        }
    }
}

/// Every device keeps the address that its number gives it.
fn address(device: usize) -> SocketAddr {
    let [_, b, c, d] = (device as u32).to_be_bytes();
    SocketAddr::from(([10, b, c, d], PORT))
}

fn number(address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(address) => {
            let [_, b, c, d] = address.ip().octets();
            u32::from_be_bytes([0, b, c, d]) as usize
        }
        SocketAddr::V6(_) => usize::MAX,
    }
}
