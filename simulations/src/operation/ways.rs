//! Ways out: the production uplink of each gateway, and the networks that come and go under it.

use std::collections::BTreeMap;

use crdt::sync::LinkId;
use gateway::uplink::{Output, Uplink};

use super::stage::{Agenda, Due};
use super::{Plan, WayOut};
use crate::oracle::Online;
use crate::world::World;

/// See the module.
pub(super) struct Ways {
    zero_ms: u64,
    of: BTreeMap<usize, Way>,
}

struct Way {
    planned: WayOut,
    uplink: Uplink,
    /// Whether there is a network.
    online: bool,
    link: Option<LinkId>,
    gateway: bool,
    wakes_ms: Option<u64>,
}

impl Ways {
    pub(super) fn new(plan: &Plan, seed: u64, zero_ms: u64, agenda: &mut Agenda) -> Self {
        let mut of = BTreeMap::new();
        for (device, planned) in plan.devices.iter().enumerate() {
            let Some(planned) = planned.way_out.clone() else { continue };
            for (from_ms, until_ms) in windows(&planned.online, plan.ends_ms) {
                agenda.at(from_ms, Due::Online(device));
                agenda.at(until_ms, Due::Offline(device));
            }
            let uplink = Uplink::new(zero_ms, 1, seed ^ device as u64);
            of.insert(device, Way { planned, uplink, online: false, link: None, gateway: false, wakes_ms: None });
        }
        Self { zero_ms, of }
    }

    pub(super) fn is_gateway(&self, device: usize) -> bool {
        self.of.get(&device).is_some_and(|way| way.gateway)
    }

    pub(super) fn online(&mut self, device: usize, world: &mut World, agenda: &mut Agenda) {
        if let Some(way) = self.of.get_mut(&device) {
            way.online = true;
            way.uplink.addresses_changed(world.now_ms);
            self.carry_out(device, world, agenda);
        }
    }

    /// The network goes: what was under way over it is lost. The engine tells, and the uplink hears it in [`Self::ended`].
    pub(super) fn offline(&mut self, device: usize, world: &mut World) {
        if let Some(way) = self.of.get_mut(&device) {
            way.online = false;
            if let Some(link) = way.link {
                world.cut(link);
            }
        }
    }

    pub(super) fn connected(&mut self, device: usize, hub: usize, world: &mut World, agenda: &mut Agenda) {
        let Some(way) = self.of.get_mut(&device) else { return };
        if way.online && way.link.is_none() {
            way.link = Some(world.link_at(device, hub, way.planned.pace));
            way.uplink.connected(world.now_ms);
        } else {
            way.uplink.lost(world.now_ms, "the network went away");
        }
        self.carry_out(device, world, agenda);
    }

    pub(super) fn tick(&mut self, device: usize, world: &mut World, agenda: &mut Agenda) {
        let Some(way) = self.of.get_mut(&device) else { return };
        if way.wakes_ms == Some(world.now_ms) {
            way.wakes_ms = None;
            way.uplink.tick(world.now_ms);
            self.carry_out(device, world, agenda);
        }
    }

    pub(super) fn admitted(&mut self, device: usize, link: LinkId, world: &mut World, agenda: &mut Agenda) {
        if let Some(way) = self.of.get_mut(&device).filter(|way| way.link == Some(link)) {
            way.uplink.admitted(world.now_ms);
            self.carry_out(device, world, agenda);
        }
    }

    pub(super) fn ended(&mut self, device: usize, link: LinkId, world: &mut World, agenda: &mut Agenda) {
        if let Some(way) = self.of.get_mut(&device).filter(|way| way.link == Some(link)) {
            way.link = None;
            way.uplink.lost(world.now_ms, "the link is gone");
            self.carry_out(device, world, agenda);
        }
    }

    fn carry_out(&mut self, device: usize, world: &mut World, agenda: &mut Agenda) {
        let Some(way) = self.of.get_mut(&device) else { return };
        let now_ms = world.now_ms;
        while let Some(output) = way.uplink.poll() {
            match output {
                Output::Connect(_) if way.online => {
                    agenda.at(now_ms - self.zero_ms + way.planned.setup_ms, Due::Connected(device));
                }
                Output::Connect(_) => way.uplink.lost(now_ms, "there is no network"),
                Output::Disconnect => {
                    if let Some(link) = way.link.take() {
                        world.hang_up(device, link);
                    }
                }
                Output::Gateway(on) => {
                    way.gateway = on;
                    world.set_gateway(device, on);
                }
            }
        }
        // Without a network a try could only fail; what is left is to stop being a gateway.
        let wants_ms = way.uplink.wake_at().filter(|_| way.online || way.gateway).map(|at_ms| at_ms.max(now_ms + 1));
        if let Some(at_ms) = wants_ms
            && way.wakes_ms.is_none_or(|wakes_ms| at_ms < wakes_ms || wakes_ms < now_ms)
        {
            way.wakes_ms = Some(at_ms);
            agenda.at(at_ms - self.zero_ms, Due::UplinkTick(device));
        }
    }
}

/// When a way out is there, until an operation ends.
fn windows(online: &Online, ends_ms: u64) -> Vec<(u64, u64)> {
    match online {
        Online::Always => vec![(0, ends_ms)],
        Online::Windows(windows) => windows.clone(),
        Online::Every { period_ms, len_ms, .. } if len_ms >= period_ms => vec![(0, ends_ms)],
        Online::Every { .. } => {
            let mut windows = Vec::new();
            let mut from_ms = online.from(0, ends_ms);
            while let Some(begins_ms) = from_ms {
                let until_ms = online.until(begins_ms);
                windows.push((begins_ms, until_ms));
                from_ms = online.from(until_ms, ends_ms);
            }
            windows
        }
    }
}
