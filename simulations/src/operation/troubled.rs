//! An operation with trouble: strikes it when it is due, and ends it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crdt::entry::About;
use crdt::ids::{BlobId, CaptureId};
use crdt::revocation::Cause;
use crdt::statement::Statement;
use crdt::store::memory::MemoryStore;
use crdt::sync::LinkId;

use super::stage::{Due, Play};
use super::{Plan, Radio};
use crate::liar::Liar;
use crate::trouble::{Class, Trouble, What};
use crate::world::{Deed, Meddling, World};

/// Frames that are remembered to come again.
const OVERHEARD_MAX: usize = 64;
/// After how long without a word a transport gives up, in ms.
const GIVES_UP_MS: u64 = 15_000;
/// After how long trouble that found nothing to strike looks again, in ms.
const AGAIN_MS: u64 = 30_000;
/// How often a liar tells its lie.
const LIES: u32 = 4;
/// How long it waits between, in ms.
const LIE_MS: u64 = 20_000;

/// What is known of an operation that only a simulation can know.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Captures that were made, with their device, when, and their images.
    pub(crate) made: BTreeMap<CaptureId, Made>,
    /// Devices whose program lies.
    pub(crate) liars: BTreeSet<usize>,
    /// Devices that were revoked, and when.
    pub(crate) revoked: BTreeMap<usize, u64>,
    /// Devices that exist twice, or went on from an older disk: their logs may fork.
    pub(crate) copied: BTreeSet<usize>,
    /// Images of which a bit is another on some disk.
    pub(crate) rotted: BTreeSet<BlobId>,
    /// Devices that were gateways at some time.
    pub(crate) gateways: BTreeSet<usize>,
    /// How often which trouble struck.
    pub(crate) struck: BTreeMap<Class, u64>,
    /// The most that the images of one capture take, in bytes.
    pub(crate) image_bytes: u64,
    /// When the operation ends, in ms since it began.
    pub(crate) ends_ms: u64,
}

/// A capture that was made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) device: usize,
    pub(crate) images: Vec<BlobId>,
    /// It stood only on a disk that was replaced by an older one.
    pub(crate) forgotten: bool,
    pub(crate) at_ms: u64,
}

impl Facts {
    /// Whether a device does what its program should, and belongs.
    pub(crate) fn is_honest(&self, device: usize) -> bool {
        !self.liars.contains(&device) && !self.revoked.contains_key(&device)
    }

    /// Whether a capture must reach the hub in the end: its device is honest, and its images are sound.
    pub(crate) fn must_arrive(&self, made: &Made) -> bool {
        self.is_honest(made.device) && !made.forgotten && !made.images.iter().any(|blob| self.rotted.contains(blob))
    }

    /// Whether honest devices may look like liars, since transports do to frames what none does.
    pub(crate) fn is_meddled(&self) -> bool {
        self.struck.keys().any(|class| class.meddles())
    }
}

/// Trouble of a play.
#[derive(Default)]
pub(super) struct Troubled {
    pub(super) troubles: Vec<Trouble>,
    pub(super) facts: Facts,
    overheard: VecDeque<(LinkId, Vec<u8>)>,
    backups: BTreeMap<usize, MemoryStore>,
    liars: BTreeMap<usize, (Liar, u32)>,
    copies: BTreeMap<usize, usize>,
}

impl Troubled {
    pub(super) fn new(troubles: Vec<Trouble>) -> Self {
        Self { troubles, ..Self::default() }
    }

    /// A plan in which what can be planned of some trouble already happens.
    pub(super) fn planned(plan: &Plan, troubles: &[Trouble]) -> Plan {
        let mut plan = plan.clone();
        let mut splits = Vec::new();
        for Trouble { at_ms, what } in troubles {
            match what {
                What::Off { device, for_ms } => {
                    if let Some(device) = plan.devices.get_mut(*device) {
                        device.off.push((*at_ms, at_ms + for_ms));
                    }
                }
                What::Split { group, for_ms } => splits.push((*at_ms, at_ms + for_ms, group.iter().copied().collect())),
                _ => {}
            }
        }
        for device in &mut plan.devices {
            device.off = super::fit::union(std::mem::take(&mut device.off));
        }
        plan.split(&splits);
        plan.fit()
    }

    pub(super) fn overhear(&mut self, deeds: &[Deed]) {
        for deed in deeds {
            match deed {
                Deed::Sent { link, frame, .. } => self.overheard.push_back((*link, frame.clone())),
                Deed::Meddled(how) => {
                    let class = match how {
                        Meddling::Flip(_) => Class::Flip,
                        Meddling::Truncate(_) => Class::Truncate,
                        Meddling::Swap => Class::Swap,
                    };
                    *self.facts.struck.entry(class).or_default() += 1;
                }
                Deed::Synced(_) | Deed::Started(_) => {}
            }
        }
        let much = self.overheard.len().saturating_sub(OVERHEARD_MAX);
        self.overheard.drain(..much);
    }
}

impl Play<'_> {
    /// Puts all trouble on the agenda.
    pub(super) fn expect_trouble(&mut self) {
        let hub = self.hub;
        self.troubled.facts.ends_ms = self.plan.ends_ms;
        // Sealed, they are a little longer.
        self.troubled.facts.image_bytes = self.plan.captures.iter().map(|it| it.bytes as u64 * 2).max().unwrap_or(0);
        for (number, trouble) in self.troubled.troubles.iter().enumerate() {
            self.agenda.at(trouble.at_ms, Due::Trouble(number));
            let over_ms = trouble.at_ms + trouble.what.lasts_ms();
            match &trouble.what {
                What::Restore { age_ms, .. } => {
                    self.agenda.at(trouble.at_ms.saturating_sub(*age_ms), Due::Backup(number));
                }
                What::Flap { device, times, every_ms } if *device < hub => {
                    (1..=u64::from(*times)).for_each(|time| {
                        self.agenda.at(trouble.at_ms + time * every_ms, Due::CutAll(*device));
                    });
                }
                What::FullDisk { .. } | What::Copy { .. } => self.agenda.at(over_ms, Due::Over(number)),
                _ => {}
            }
        }
    }

    pub(super) fn strike(&mut self, number: usize) {
        let what = self.troubled.troubles[number].what.clone();
        if self.befall(number, &what) {
            *self.troubled.facts.struck.entry(what.class()).or_default() += 1;
            return;
        }
        let again_ms = self.world.now_ms - self.zero_ms + AGAIN_MS;
        if what.waits() && self.calm.is_some_and(|calm| again_ms < calm.from_ms) {
            self.agenda.at(again_ms, Due::Trouble(number));
        }
    }

    /// Says whether it struck anything.
    fn befall(&mut self, number: usize, what: &What) -> bool {
        let now_ms = self.world.now_ms;
        match what {
            What::Crash { device, kept } => self.crash(*device, *kept),
            // These two are planned.
            What::Off { device, .. } => *device < self.hub,
            What::Split { group, .. } => !group.is_empty(),
            What::FullDisk { device, .. } => self.fill_disk(*device),
            What::Rot { device, which } => self.rot(*device, *which),
            What::Clock { device, by_ms } => {
                *device < self.members() && {
                    self.world.set_clock_by(*device, *by_ms);
                    *by_ms != 0
                }
            }
            What::Drift { device, ppm } => {
                *device < self.members() && {
                    self.world.set_drift(*device, *ppm);
                    *ppm != 0
                }
            }
            What::Reset { which } => self.link(*which).is_some_and(|link| {
                self.world.cut(link);
                true
            }),
            What::Flap { device, .. } => self.cut_all(*device),
            What::OneWay { which } => self.one_way(*which),
            What::Duplicate { which } => self.duplicate(*which),
            What::Replay { which } => self.replay(*which),
            // These are counted when the next frame is sent.
            What::Swap {} => self.meddle(Meddling::Swap),
            What::Flip { which } => self.meddle(Meddling::Flip(*which)),
            What::Truncate { which } => self.meddle(Meddling::Truncate(*which)),
            What::Portal { device, for_ms } => self.ways.portal(*device, now_ms + for_ms, &mut self.world),
            What::HubFails { for_ms } => later(&mut self.world.hub_trouble.fails_until_ms, now_ms + for_ms),
            What::HubSlow { for_ms } => later(&mut self.world.hub_trouble.slow_until_ms, now_ms + for_ms),
            What::HubTwice { for_ms } => later(&mut self.world.hub_trouble.twice_until_ms, now_ms + for_ms),
            What::Liar { device, lie } => self.corrupt(*device, *lie),
            What::Revoke { device, by } => self.revoke(*device, *by),
            What::Restore { device, .. } => self.restore(number, *device),
            What::Copy { device, meets, .. } => self.copy(number, *device, *meets),
        }
    }

    /// A trouble that lasts is over.
    pub(super) fn relent(&mut self, number: usize) {
        match self.troubled.troubles[number].what.clone() {
            What::FullDisk { device, .. } if device < self.members() => {
                if self.world.is_on(device) {
                    self.world.disk(device).fill(u64::MAX);
                    self.crash(device, 0);
                } else if let Some(disk) = self.disks.get_mut(&device) {
                    disk.fill(u64::MAX);
                }
            }
            What::Copy { .. } => {
                if let Some(copy) = self.troubled.copies.remove(&number)
                    && self.world.is_on(copy)
                {
                    let _ = self.world.crash(copy);
                }
            }
            _ => {}
        }
    }

    pub(super) fn back_up(&mut self, number: usize) {
        if let What::Restore { device, .. } = self.troubled.troubles[number].what
            && device < self.hub
            && self.world.is_on(device)
        {
            let mut disk = self.world.disk(device).clone();
            disk.crash();
            // It is put on a disk with room.
            disk.fill(u64::MAX);
            self.troubled.backups.insert(number, disk);
        }
    }

    // ---- Devices ----

    /// Devices and hubs.
    fn members(&self) -> usize {
        self.hub + self.plan.site_count()
    }

    /// One more device of a device's site, from some number on.
    fn other_of_site(&self, device: usize, from: usize, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let site = self.plan.site(device);
        let of_site = |other: &usize| *other != device && self.plan.site(*other) == site;
        let from = from.min(self.hub);
        (from..self.hub).chain(0..from).find(|other| of_site(other) && is_it(*other))
    }

    fn crash(&mut self, device: usize, kept: u32) -> bool {
        if device >= self.members() || !self.world.is_on(device) {
            return false;
        }
        let disk = self.world.crash_keeping(device, kept);
        self.reboot(device, disk);
        true
    }

    fn reboot(&mut self, device: usize, disk: MemoryStore) {
        self.world.start(device, disk);
        if device < self.hub {
            self.lan.rebooted(device, &mut self.world, &mut self.agenda);
            self.ways.rebooted(device, &mut self.world, &mut self.agenda);
        }
    }

    fn fill_disk(&mut self, device: usize) -> bool {
        if device >= self.members() || !self.world.is_on(device) {
            return false;
        }
        let disk = self.world.disk(device);
        let held = disk.counters().bytes_held;
        disk.fill(held + 500);
        true
    }

    fn rot(&mut self, device: usize, which: u64) -> bool {
        if device >= self.hub || !self.world.is_on(device) {
            return false;
        }
        let rotted = self.world.disk(device).rot(which);
        self.troubled.facts.rotted.extend(rotted);
        rotted.is_some()
    }

    fn restore(&mut self, number: usize, device: usize) -> bool {
        let (Some(disk), true) = (self.troubled.backups.remove(&number), device < self.hub) else { return false };
        if !self.world.is_on(device) || self.troubled.facts.liars.contains(&device) {
            return false;
        }
        let _ = self.world.crash(device);
        self.reboot(device, disk);
        self.troubled.facts.copied.insert(device);
        let age_ms = match self.troubled.troubles[number].what {
            What::Restore { age_ms, .. } => age_ms,
            _ => 0,
        };
        let taken_ms = self.world.now_ms.saturating_sub(age_ms);
        let made = self.troubled.facts.made.values_mut();
        // What was on its way to the disk when the copy was made isn't on it either.
        made.filter(|made| made.device == device && made.at_ms + 1_000 >= taken_ms)
            .for_each(|made| made.forgotten = true);
        true
    }

    fn copy(&mut self, number: usize, device: usize, meets: usize) -> bool {
        let meets = self.other_of_site(device, meets, |other| self.world.is_on(other));
        let Some(meets) = meets.filter(|_| device < self.hub && self.world.is_on(device)) else { return false };
        if !self.troubled.facts.is_honest(device) {
            return false;
        }
        self.troubled.facts.copied.insert(device);
        let mut disk = self.world.disk(device).clone();
        disk.crash();
        let membership = self.world.site_at(self.plan.site(device)).membership();
        let identity = self.world.identity(device).clone();
        let copy = self.world.add_as(self.plan.devices[device].member, identity, membership, disk);
        // A thief tries it out.
        let draft = self.world.draft(1, 100);
        let seed = crdt::seal::derive(self.world.seed(), &format!("copy {number}"));
        let _ = self.world.write(copy, |replica, now_ms| replica.capture_new(now_ms, seed, &draft));
        let Radio { pace, .. } = self.plan.radio;
        self.world.link_at(copy, meets, pace);
        self.troubled.copies.insert(number, copy);
        true
    }

    /// The authority's order, which some honest device brings.
    fn revoke(&mut self, device: usize, by: usize) -> bool {
        if device >= self.hub {
            return false;
        }
        let honest = |by: usize| self.world.is_on(by) && self.troubled.facts.is_honest(by);
        let Some(by) = self.other_of_site(device, by, honest) else { return false };
        let id = self.world.identity(device).device();
        let Ok(charge) = self.world.engine(by).replica().charge(id, Cause::Stolen, None) else { return false };
        let order =
            Statement::Revocation(Box::new(self.world.site_at(self.plan.site(device)).authority().revoke(charge)));
        let written = self.world.state(by, About::Site, &order).is_ok();
        if written {
            let now_ms = self.world.now_ms;
            self.troubled.facts.revoked.entry(device).or_insert(now_ms);
        }
        written
    }

    // ---- Liars ----

    fn corrupt(&mut self, device: usize, lie: usize) -> bool {
        if device >= self.hub || !self.world.is_on(device) {
            return false;
        }
        if self.other_of_site(device, 0, |other| self.troubled.facts.is_honest(other)).is_none() {
            return false;
        }
        let _ = self.world.crash(device);
        self.lan.silence(device);
        self.ways.silence(device);
        let membership = self.world.site_at(self.plan.site(device)).membership();
        let identity = self.world.identity(device).clone();
        let liar = Liar::new(self.world.now_ms, identity, membership.group_keys[0].clone(), What::lie(lie));
        self.troubled.liars.insert(device, (liar, LIES));
        self.troubled.facts.liars.insert(device);
        self.take_turn(device);
        true
    }

    /// A liar meets whoever is near, and lies to them.
    pub(super) fn take_turn(&mut self, device: usize) {
        let Some((mut liar, left)) = self.troubled.liars.remove(&device) else { return };
        let now_ms = self.world.now_ms;
        for near in self.lan.near(device) {
            let link = self.world.link_at(device, near, self.plan.radio.pace);
            let greeting = liar.greet(self.world.identity(near).device());
            inject(&mut self.world, link, near, greeting);
            let lies = if liar.knows() > 0 { liar.lie(now_ms) } else { liar.pass_on() };
            inject(&mut self.world, link, near, lies);
        }
        if left > 1 {
            self.agenda.at(now_ms - self.zero_ms + LIE_MS, Due::Lie(device));
        }
        self.troubled.liars.insert(device, (liar, left.saturating_sub(1)));
    }

    /// Liars answer what they have heard.
    pub(super) fn let_liars_answer(&mut self) {
        for (device, (liar, _)) in &mut self.troubled.liars {
            for (link, frame) in self.world.take_heard(*device) {
                let answers = liar.hear(&frame);
                if let Some(other) = self.world.other_end(link, *device) {
                    inject(&mut self.world, link, other, answers);
                }
            }
        }
    }

    // ---- Links ----

    fn link(&self, which: u64) -> Option<LinkId> {
        let links = self.world.links();
        links.get((which % (links.len() as u64).max(1)) as usize).copied()
    }

    pub(super) fn cut_all(&mut self, device: usize) -> bool {
        let ends = |link: &LinkId| self.world.ends(*link).is_some_and(|ends| ends.contains(&device));
        let links: Vec<LinkId> = self.world.links().into_iter().filter(ends).collect();
        links.iter().for_each(|link| self.world.cut(*link));
        !links.is_empty()
    }

    fn one_way(&mut self, which: u64) -> bool {
        let Some(link) = self.link(which) else { return false };
        let Some(ends) = self.world.ends(link) else { return false };
        self.world.go_dead(link, ends[(which / 64 % 2) as usize]);
        self.agenda.at(self.world.now_ms - self.zero_ms + GIVES_UP_MS, Due::GiveUp(link));
        true
    }

    pub(super) fn give_up(&mut self, link: LinkId) {
        self.world.cut(link);
    }

    fn meddle(&mut self, how: Meddling) -> bool {
        self.world.meddle(how);
        false
    }

    fn duplicate(&mut self, which: u64) -> bool {
        let Some((link, frame)) = self.troubled.overheard.back().cloned() else { return false };
        let Some(ends) = self.world.ends(link) else { return false };
        self.world.inject(link, ends[(which % 2) as usize], frame);
        true
    }

    fn replay(&mut self, which: u64) -> bool {
        let overheard = &self.troubled.overheard;
        let chosen = overheard.get((which / 64 % (overheard.len() as u64).max(1)) as usize);
        let (Some((_, frame)), Some(link)) = (chosen.cloned(), self.link(which)) else { return false };
        let Some(ends) = self.world.ends(link) else { return false };
        self.world.inject(link, ends[(which / 32 % 2) as usize], frame);
        true
    }
}

fn inject(world: &mut World, link: LinkId, to: usize, frames: Vec<Vec<u8>>) {
    for frame in frames {
        if world.other_end(link, to).is_none() {
            return;
        }
        world.inject(link, to, frame);
    }
}

/// Makes a moment a later one, and says that it did.
fn later(moment_ms: &mut u64, to_ms: u64) -> bool {
    *moment_ms = to_ms.max(*moment_ms);
    true
}
