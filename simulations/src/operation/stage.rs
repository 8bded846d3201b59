//! The play: two heaps of events, the world's and the plan's, taken in turn.

use std::collections::BTreeMap;

use crdt::ids::CaptureId;
use crdt::seal::derive;
use crdt::signature::Remembering;
use crdt::store::memory::MemoryStore;
use crdt::sync::{Event, LinkId};

use super::lan::Lan;
use super::outcome::{Fate, Outcome};
use super::troubled::{Made, Troubled};
use super::watch::{Stock, Watch};
use super::ways::Ways;
use super::{Calm, Plan, Watched};
use crate::check::{Failure, Rules, Scene};
use crate::trouble::{Class, Trouble};
use crate::world::{World, draft};

/// How often the rules take a look at everything, in ms.
const LOOK_MS: u64 = 60_000;
/// What the rules may look at in all, in captures of devices: beyond it they look less often.
const LOOKED_AT_MAX: u64 = 2_000_000;
/// How often they look at least.
const LOOKS_MIN: u64 = 12;
/// Images of a capture: two fingers and a face.
const IMAGES: u8 = 3;

/// What the plan, or a machine, has due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A device is switched off.
    Off(usize),
    /// It is switched on.
    On(usize),
    /// A clock is set by so many ms.
    ClockSet(usize, i64),
    /// A month of a cap begins.
    Month(usize),
    /// Something goes wrong.
    Trouble(usize),
    /// It is over.
    Over(usize),
    /// A disk is copied, for something that goes wrong later.
    Backup(usize),
    /// All links of a device are cut.
    CutAll(usize),
    /// A transport gives up.
    GiveUp(LinkId),
    /// A liar tells its lie.
    Lie(usize),
    /// All trouble is over.
    Calm,
    /// The rules take a look at everything.
    Look,
    /// A way out is there.
    Online(usize),
    /// It is gone.
    Offline(usize),
    /// A connection to the hub would be up now.
    Connected(usize),
    /// An uplink wants to be woken.
    UplinkTick(usize),
    /// A contact begins.
    Meet(usize),
    /// It ends.
    Part(usize),
    /// Two devices that parted don't hear each other any more.
    Unheard(usize),
    /// A dial comes to a link, or to nothing.
    Dialled(usize, usize),
    /// A dialer wants to be woken.
    DialTick(usize),
    /// A capture is made.
    Capture(usize),
    /// Its officer reads the answer.
    Read(usize),
}

/// What is due when; of one moment, in the order in which it was put there.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: BTreeMap<(u64, u64), Due>,
    count: u64,
}

impl Agenda {
    pub(super) fn at(&mut self, ms: u64, due: Due) {
        self.count += 1;
        self.due.insert((ms, self.count), due);
    }

    fn next_ms(&self) -> Option<u64> {
        self.due.first_key_value().map(|((ms, _), _)| *ms)
    }
}

/// A plan being played. Devices are numbered as its nodes are; after them come the hub's replicas, site by site.
pub(super) struct Play<'a> {
    pub(super) plan: &'a Plan,
    pub(super) world: World,
    pub(super) hub: usize,
    /// When the plan's time zero is, in the world's.
    pub(super) zero_ms: u64,
    pub(super) agenda: Agenda,
    pub(super) lan: Lan,
    pub(super) ways: Ways,
    numbers: BTreeMap<CaptureId, usize>,
    ids: Vec<Option<CaptureId>>,
    fates: Vec<Fate>,
    /// Disks of devices that are off.
    pub(super) disks: BTreeMap<usize, MemoryStore>,
    pub(super) troubled: Troubled,
    watch: Watch,
    rules: Option<Rules>,
    pub(super) calm: Option<Calm>,
    /// The plan up to when it is calm, if there is more of it.
    troubled_part: Option<Plan>,
    /// What had come of it then.
    outcome: Option<Outcome>,
    /// What one device has checked, the others needn't.
    _remembering: Remembering,
}

impl<'a> Play<'a> {
    pub(super) fn new(plan: &'a Plan, seed: u64, troubles: &[Trouble], watched: Option<(Rules, Calm)>) -> Self {
        let (rules, calm) = watched.unzip();
        let mut world = World::new(seed);
        world.screening_ms = plan.screening_ms;
        let hub = plan.devices.len();
        let devices: Vec<_> = plan.devices.iter().zip(0..).map(|(it, device)| (it.member, plan.site(device))).collect();
        world.found_sites(&devices);
        world.tell_all();
        let mut agenda = Agenda::default();
        // Before the contacts that begin then.
        calm.iter().for_each(|calm| agenda.at(calm.from_ms, Due::Calm));
        for (number, device) in plan.devices.iter().enumerate() {
            world.set_clock(number, device.clock.skew_ms, device.clock.drift_ppm);
            device.clock.jumps.iter().for_each(|(at_ms, by_ms)| agenda.at(*at_ms, Due::ClockSet(number, *by_ms)));
            for (off_ms, on_ms) in &device.off {
                agenda.at(*off_ms, Due::Off(number));
                agenda.at(*on_ms, Due::On(number));
            }
        }
        for (number, contact) in plan.contacts.contacts().iter().enumerate() {
            agenda.at(contact.from_ms, Due::Meet(number));
            agenda.at(contact.until_ms, Due::Part(number));
        }
        for (number, capture) in plan.captures.iter().enumerate() {
            agenda.at(capture.at_ms, Due::Capture(number));
        }
        let ways = Ways::new(plan, seed, world.now_ms, &mut agenda);
        let lan = Lan::new(plan, seed, &world);
        let fates = plan.captures.iter().map(|capture| Fate::of(*capture)).collect();
        let (zero_ms, ids) = (world.now_ms, vec![None; plan.captures.len()]);
        if rules.is_some() || !troubles.is_empty() {
            world.watch();
        }
        if rules.is_some() {
            let period_ms = look_ms(plan);
            (1..plan.ends_ms / period_ms).for_each(|look| agenda.at(look * period_ms, Due::Look));
        }
        let troubled_part = calm.filter(|calm| calm.from_ms < plan.ends_ms).map(|calm| plan.until(calm.from_ms));
        let mut play = Self {
            plan,
            world,
            hub,
            zero_ms,
            agenda,
            lan,
            ways,
            numbers: BTreeMap::new(),
            ids,
            fates,
            disks: BTreeMap::new(),
            watch: Watch::new(troubled_part.as_ref().unwrap_or(plan)),
            troubled: Troubled::new(troubles.to_vec()),
            rules,
            calm,
            troubled_part,
            outcome: None,
            _remembering: Remembering::begin(),
        };
        play.expect_trouble();
        play
    }

    /// What comes of it, and what is on the disks meanwhile.
    pub(super) fn play(mut self) -> (Outcome, Vec<Stock>) {
        self.run();
        self.so_far()
    }

    pub(super) fn watched(mut self) -> Watched {
        self.run();
        self.show(|rules, scene| rules.end(scene));
        let outcome = self.outcome.take().unwrap_or_else(|| self.so_far().0);
        let delivered = self.fates.iter().filter(|fate| fate.delivered_ms.is_some()).count();
        let mut failure = self.rules.and_then(|rules| rules.failure);
        // A copy carries to where its device isn't.
        if outcome.impossible > 0 && !self.troubled.facts.struck.contains_key(&Class::Copy) {
            let what = format!("{} captures were faster than any protocol could be", outcome.impossible);
            failure = failure.or(Some(Failure { rule: "nothing beats the bound", what, at_ms: self.plan.ends_ms }));
        }
        Watched { outcome, hash: self.world.trace_hash(), delivered, facts: self.troubled.facts, failure }
    }

    fn run(&mut self) {
        self.listen();
        let calm_ms = self.troubled_part.as_ref().map_or(u64::MAX, |part| part.ends_ms);
        while !self.has_failed() {
            let (world_ms, own_ms) = (self.world.next_ms().map(|ms| ms - self.zero_ms), self.agenda.next_ms());
            let Some(next_ms) = world_ms.into_iter().chain(own_ms).min().filter(|ms| *ms < self.plan.ends_ms) else {
                break;
            };
            if next_ms >= calm_ms && self.outcome.is_none() {
                self.outcome = Some(self.so_far().0);
            }
            self.watch.look(next_ms, &self.world);
            if world_ms == Some(next_ms) {
                self.world.step();
            } else if let Some(((ms, _), due)) = self.agenda.due.pop_first() {
                self.world.now_ms = self.zero_ms + ms;
                self.happen(due);
            }
            self.listen();
        }
    }

    /// What has come of it by now.
    fn so_far(&self) -> (Outcome, Vec<Stock>) {
        let plan = self.troubled_part.as_ref().unwrap_or(self.plan);
        let (notes, stock) = self.watch.clone().into_notes(&self.world);
        (Outcome::new(plan, &self.world, self.fates.clone(), notes), stock)
    }

    fn has_failed(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.failure.is_some())
    }

    fn look(&mut self) {
        self.show(|rules, scene| rules.look(scene));
    }

    /// Shows the rules how things are.
    fn show(&mut self, what: impl FnOnce(&mut Rules, &Scene)) {
        if let Some(rules) = &mut self.rules {
            let scene = Scene {
                world: &self.world,
                facts: &self.troubled.facts,
                hub: self.hub,
                sites: &self.plan.sites,
                zero_ms: self.zero_ms,
            };
            what(rules, &scene);
        }
    }

    fn happen(&mut self, due: Due) {
        let (world, agenda) = (&mut self.world, &mut self.agenda);
        match due {
            Due::Off(device) => self.switch_off(device),
            Due::On(device) => self.switch_on(device),
            Due::ClockSet(device, ms) => world.set_clock_by(device, ms),
            Due::Month(device) => self.ways.month(device, world, agenda),
            Due::Trouble(number) => self.strike(number),
            Due::Over(number) => self.relent(number),
            Due::Backup(number) => self.back_up(number),
            Due::CutAll(device) => _ = self.cut_all(device),
            Due::GiveUp(link) => self.give_up(link),
            Due::Lie(device) => self.take_turn(device),
            Due::Calm => self.calm_down(),
            Due::Look => self.look(),
            Due::Meet(contact) => self.lan.meet(contact, world, agenda),
            Due::Part(contact) => self.lan.part(contact, world, agenda),
            Due::Unheard(contact) => self.lan.unheard(contact, world, agenda),
            Due::Dialled(from, to) => self.lan.dialled(from, to, world, agenda),
            Due::DialTick(device) => self.lan.tick(device, world, agenda),
            Due::Online(device) => self.ways.online(device, world, agenda),
            Due::Offline(device) => self.ways.offline(device, world),
            Due::Connected(device) => self.ways.connected(device, self.hub + self.plan.site(device), world, agenda),
            Due::UplinkTick(device) => self.ways.tick(device, world, agenda),
            Due::Capture(number) => self.capture(number),
            Due::Read(number) => self.read(number),
        }
    }

    /// From now on links carry as it is said.
    fn calm_down(&mut self) {
        if let Some(pace) = self.calm.and_then(|calm| calm.pace) {
            self.lan.set_pace(pace);
            self.ways.set_pace(pace, &mut self.world);
            self.world.cut_all();
        }
    }

    /// Its battery is empty: what isn't durable is lost.
    fn switch_off(&mut self, device: usize) {
        if self.world.is_on(device) {
            let disk = self.world.crash(device);
            self.disks.insert(device, disk);
            self.lan.restarted(device, &self.world);
            self.ways.restarted(device, self.world.now_ms);
        }
    }

    fn switch_on(&mut self, device: usize) {
        if let Some(disk) = self.disks.remove(&device) {
            self.world.start(device, disk);
        }
    }

    fn capture(&mut self, number: usize) {
        let planned = self.plan.captures[number];
        if !self.world.is_on(planned.node as usize) {
            return;
        }
        let key = derive(self.world.seed(), &format!("capture {number}"));
        let draft = draft(&key, IMAGES, planned.bytes / usize::from(IMAGES));
        let seed = derive(&key, "seal");
        let written =
            self.world.write(planned.node as usize, |replica, now_ms| replica.capture_new(now_ms, seed, &draft));
        if let Some(id) = written.ok().and_then(|written| written.about.capture()) {
            self.numbers.insert(id, number);
            self.ids[number] = Some(id);
            let now_ms = self.world.now_ms - self.zero_ms;
            self.watch.captured(now_ms, planned.node as usize, number, &mut self.fates[number]);
            self.note_made(planned.node as usize, id);
        }
    }

    fn note_made(&mut self, device: usize, id: CaptureId) {
        if self.rules.is_some() {
            let origin = self.world.view(device, id).origin;
            let images = origin.map_or_else(Vec::new, |origin| origin.blobs.iter().map(|blob| blob.id).collect());
            let made = Made { device, images, forgotten: false, at_ms: self.world.now_ms };
            self.troubled.facts.made.insert(id, made);
        }
    }

    fn read(&mut self, number: usize) {
        let Some(id) = self.ids[number] else { return };
        let node = self.plan.captures[number].node as usize;
        // Whoever was to read it reads it when the device is on again.
        if let Some((_, on_ms)) = self.plan.devices[node].off.iter().find(|off| self.is_within(**off)) {
            return self.agenda.at(*on_ms, Due::Read(number));
        }
        // A device may be out of order by then.
        if !self.world.is_on(node) {
            return;
        }
        if self.world.write(node, |replica, now_ms| replica.seen_new(now_ms, id)).is_ok() {
            self.fates[number].seen_ms = Some(self.world.now_ms - self.zero_ms);
        }
    }

    fn is_within(&self, (from_ms, until_ms): (u64, u64)) -> bool {
        let now_ms = self.world.now_ms - self.zero_ms;
        from_ms <= now_ms && now_ms < until_ms
    }

    /// What the engines have reported since the last time, and what follows from it.
    fn listen(&mut self) {
        loop {
            for (at_ms, device, on) in self.ways.take_switches() {
                self.watch.switched(at_ms, device, on, &mut self.fates);
                self.troubled.facts.gateways.insert(device);
            }
            let (deeds, news) = (self.world.take_deeds(), self.world.take_news());
            if deeds.is_empty() && news.is_empty() {
                return;
            }
            self.troubled.overhear(&deeds);
            self.show(|rules, scene| rules.deeds(scene, &deeds));
            for (device, event) in news {
                self.show(|rules, scene| rules.event(scene, device, &event));
                self.hear(device, &event);
            }
            self.let_liars_answer();
        }
    }

    fn hear(&mut self, device: usize, event: &Event) {
        match event {
            Event::Admitted { link, .. } => self.admitted(device, *link),
            Event::Ended { link, device: other, admitted, reason } => {
                self.ways.ended(device, *link, &mut self.world, &mut self.agenda);
                let stranger = reason.as_ref().filter(|_| !admitted).map(|reason| (other.0, reason.clone()));
                self.lan.ended(device, *link, stranger, &mut self.world, &mut self.agenda);
            }
            Event::Whole(capture) => self.whole(device, *capture),
            Event::Erased(capture) => {
                self.numbers.get(capture).into_iter().for_each(|number| self.watch.erased(device, *number));
            }
            Event::Changed(capture) => self.changed(device, *capture),
            _ => {}
        }
    }

    fn admitted(&mut self, device: usize, link: LinkId) {
        self.ways.admitted(device, link, &mut self.world, &mut self.agenda);
        self.lan.admitted(device, link, &mut self.world, &mut self.agenda);
    }

    fn whole(&mut self, device: usize, capture: CaptureId) {
        let now_ms = self.world.now_ms - self.zero_ms;
        let Some(number) = self.numbers.get(&capture).copied() else { return };
        let (fate, origin) = (&mut self.fates[number], self.plan.captures[number].node as usize);
        if device >= self.hub {
            self.watch.delivered(number, self.world.take_bringer(device, capture), fate);
            fate.delivered_ms.get_or_insert(now_ms);
            return;
        }
        self.watch.whole(now_ms, device, number, fate);
        if device != origin {
            fate.copied_ms.get_or_insert(now_ms);
        }
    }

    fn changed(&mut self, device: usize, capture: CaptureId) {
        let Some(number) = self.numbers.get(&capture).copied() else { return };
        let fate = &self.fates[number];
        if device != fate.node as usize || fate.answered_ms.is_some() || !self.world.is_on(device) {
            return;
        }
        let view = self.world.view(device, capture);
        let now_ms = self.world.now_ms - self.zero_ms;
        let fate = &mut self.fates[number];
        if view.accepted().is_some() {
            fate.told_accepted_ms.get_or_insert(now_ms);
        }
        if view.screened().is_some() {
            fate.answered_ms = Some(now_ms);
            if let Some(after_ms) = self.plan.reads_after_ms {
                self.agenda.at(now_ms + after_ms, Due::Read(number));
            }
        }
    }
}

/// How often the rules take a look at everything in a plan, in ms.
fn look_ms(plan: &Plan) -> u64 {
    let captures_of_devices = (plan.devices.len() * plan.captures.len()).max(1) as u64;
    let looks = (LOOKED_AT_MAX / captures_of_devices).max(LOOKS_MIN);
    (plan.ends_ms / looks).max(LOOK_MS)
}
