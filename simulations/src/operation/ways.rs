//! Ways out: the production uplink of each gateway, and the networks that come and go under it.

use std::collections::BTreeMap;

use crdt::sync::LinkId;
use gateway::uplink::{Output, Uplink};

use super::fit::windows;
use super::stage::{Agenda, Due};
use super::{MONTH_MS, Plan, WayOut};
use crate::world::{Pace, World};

/// See the module.
pub(super) struct Ways {
    zero_ms: u64,
    seed: u64,
    of: BTreeMap<usize, Way>,
    /// Who became a gateway or ceased to be one, and when in the plan's time, since somebody asked.
    switches: Vec<(u64, usize, bool)>,
}

struct Way {
    planned: WayOut,
    uplink: Uplink,
    /// Whether there is a network.
    online: bool,
    link: Option<LinkId>,
    gateway: bool,
    wakes_ms: Option<u64>,
    portal_until_ms: u64,
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
            if planned.cap_bytes.is_some() {
                (0..=plan.ends_ms / MONTH_MS).for_each(|month| agenda.at(month * MONTH_MS, Due::Month(device)));
            }
            of.insert(device, Way::new(planned, Uplink::new(zero_ms, 1, seed ^ device as u64)));
        }
        Self { zero_ms, seed, of, switches: Vec::new() }
    }

    /// A device starts anew. There is no network until one is announced.
    pub(super) fn restarted(&mut self, device: usize, now_ms: u64) {
        if let Some(way) = self.of.get_mut(&device) {
            way.uplink = Uplink::new(now_ms, 1, self.seed ^ device as u64 ^ now_ms);
            self.switches.push((now_ms - self.zero_ms, device, false));
            (way.online, way.link, way.gateway, way.wakes_ms) = (false, None, false, None);
        }
    }

    /// A device starts anew where it is, with whatever network is there.
    pub(super) fn rebooted(&mut self, device: usize, world: &mut World, agenda: &mut Agenda) {
        let online = self.of.get(&device).is_some_and(|way| way.online);
        self.restarted(device, world.now_ms);
        if online {
            self.online(device, world, agenda);
        }
    }

    /// New connections carry like this, and nobody counts their bytes.
    pub(super) fn set_pace(&mut self, pace: Pace, world: &mut World) {
        for (device, way) in &mut self.of {
            (way.planned.pace, way.planned.cap_bytes) = (pace, None);
            world.set_meter(*device, u64::MAX);
        }
    }

    /// A device's own program runs no more.
    pub(super) fn silence(&mut self, device: usize) {
        self.of.remove(&device);
    }

    /// From now on until a moment, its network lets nobody through. Says whether it has any.
    pub(super) fn portal(&mut self, device: usize, until_ms: u64, world: &mut World) -> bool {
        let Some(way) = self.of.get_mut(&device) else { return false };
        way.portal_until_ms = until_ms.max(way.portal_until_ms);
        if let Some(link) = way.link {
            world.cut(link);
        }
        true
    }

    /// A month of a cap begins.
    pub(super) fn month(&mut self, device: usize, world: &mut World, agenda: &mut Agenda) {
        if let Some(way) = self.of.get_mut(&device) {
            if let Some(cap_bytes) = way.planned.cap_bytes {
                world.set_meter(device, cap_bytes);
            }
            if way.online {
                way.uplink.addresses_changed(world.now_ms);
                self.carry_out(device, world, agenda);
            }
        }
    }

    pub(super) fn take_switches(&mut self) -> Vec<(u64, usize, bool)> {
        std::mem::take(&mut self.switches)
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
        let passes = world.now_ms >= way.portal_until_ms && way.carries(device, world);
        if passes && way.link.is_none() {
            way.link = Some(world.link_at(device, hub, way.planned.pace));
            if way.planned.cap_bytes.is_some() {
                way.link.iter().for_each(|link| world.meter(*link, device));
            }
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
                Output::Connect(_) if way.carries(device, world) => {
                    agenda.at(now_ms - self.zero_ms + way.planned.setup_ms, Due::Connected(device));
                }
                Output::Connect(_) => way.uplink.lost(now_ms, "there is no network, or nothing is left of it"),
                Output::Disconnect => {
                    if let Some(link) = way.link.take() {
                        world.hang_up(device, link);
                    }
                }
                Output::Gateway(on) => {
                    way.gateway = on;
                    self.switches.push((now_ms - self.zero_ms, device, on));
                    world.set_gateway(device, on);
                }
            }
        }
        // Without a network a try could only fail; what is left is to stop being a gateway.
        let wants_ms = way
            .uplink
            .wake_at()
            .filter(|_| way.carries(device, world) || way.gateway)
            .map(|at_ms| at_ms.max(now_ms + 1));
        if let Some(at_ms) = wants_ms
            && way.wakes_ms.is_none_or(|wakes_ms| at_ms < wakes_ms || wakes_ms < now_ms)
        {
            way.wakes_ms = Some(at_ms);
            agenda.at(at_ms - self.zero_ms, Due::UplinkTick(device));
        }
    }
}

impl Way {
    const fn new(planned: WayOut, uplink: Uplink) -> Self {
        Self { planned, uplink, online: false, link: None, gateway: false, wakes_ms: None, portal_until_ms: 0 }
    }

    /// Whether there is a network, and something left of its cap.
    fn carries(&self, device: usize, world: &World) -> bool {
        self.online && world.left_on_meter(device) > 0
    }
}
