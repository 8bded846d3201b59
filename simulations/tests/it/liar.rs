//! A member that lies, in every way there is: nobody panics, nobody else loses anything, and everybody names it.

use std::collections::BTreeSet;

use crdt::ids::{CaptureId, DeviceId};
use crdt::store::memory::{DiskModel, MemoryStore};
use crdt::sync::{CloseReason, Event, Fault, LinkId};
use simulations::{Liar, Lie, Member, World};

/// A hub, three honest devices, and one that is played by hand.
struct Stage {
    world: World,
    hub: usize,
    honest: [usize; 3],
    number: usize,
    liar: Liar,
    links: Vec<LinkId>,
}

impl Stage {
    fn set(lie: Lie, seed: u64) -> Self {
        let mut world = World::new(seed);
        let hub = world.add(Member::Hub);
        let honest = [Member::Officer, Member::Officer, Member::Carrier].map(|member| world.add(member));
        let identity = world.site.enrol(Member::Officer);
        let membership = world.site.membership();
        let liar = Liar::new(world.now_ms, identity.clone(), membership.group_keys[0].clone(), lie);
        let store = MemoryStore::new(DiskModel::WhenSynced);
        let number = world.add_as(Member::Officer, identity, membership, store);
        world.stop(number);
        Self { world, hub, honest, number, liar, links: Vec::new() }
    }

    /// The liar dials a device.
    fn meet(&mut self, device: usize) {
        let link = self.world.link(self.number, device);
        self.links.push(link);
        let greeting = self.liar.greet(self.world.identity(device).device());
        self.say_over(link, device, greeting);
        self.listen(300);
    }

    /// It hears for a while, and answers.
    fn listen(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.world.run(20);
            for (link, frame) in self.world.take_heard(self.number) {
                let answers = self.liar.hear(&frame);
                if let Some(device) = self.world.other_end(link, self.number) {
                    self.say_over(link, device, answers);
                }
            }
        }
    }

    fn pass_on(&mut self) {
        let frames = self.liar.pass_on();
        self.say(&frames);
    }

    fn lie(&mut self) {
        let now_ms = self.world.now_ms;
        for link in self.links.clone() {
            let frames = self.liar.lie(now_ms);
            if let Some(device) = self.world.other_end(link, self.number) {
                self.say_over(link, device, frames);
            }
        }
    }

    fn say(&mut self, frames: &[Vec<u8>]) {
        for link in self.links.clone() {
            if let Some(device) = self.world.other_end(link, self.number) {
                self.say_over(link, device, frames.to_vec());
            }
        }
    }

    fn say_over(&mut self, link: LinkId, device: usize, frames: Vec<Vec<u8>>) {
        for bytes in frames {
            if self.world.other_end(link, self.number).is_none() {
                return;
            }
            self.world.inject(link, device, bytes);
        }
    }

    fn part(&mut self) {
        for link in std::mem::take(&mut self.links) {
            self.world.cut(link);
        }
    }

    /// What a device holds against whom, other than the liar.
    fn blamed_unjustly(&self, device: usize) -> BTreeSet<DeviceId> {
        let blamed = self.world.engine(device).conduct().map(|(device, _)| *device);
        blamed.filter(|device| *device != self.liar.device()).collect()
    }

    fn faults(&self, device: usize, fault: Fault) -> u64 {
        let mut conduct = self.world.engine(device).conduct();
        conduct.find(|(device, _)| **device == self.liar.device()).map_or(0, |(_, faults)| faults.of(fault))
    }
}

/// What a lie is called by those to whom it is told; nothing, if it isn't one that can be told from an honest device's word.
const fn name(lie: Lie) -> Option<Fault> {
    match lie {
        Lie::Signatures => Some(Fault::Signature),
        Lie::Strangers => Some(Fault::Stranger),
        Lie::Dates => Some(Fault::Date),
        Lie::Roles => Some(Fault::Statement),
        Lie::Histories => Some(Fault::Fork),
        Lie::ClaimsAll | Lie::KeepsImages => Some(Fault::Withheld),
        // A device whose disk was replaced says the same.
        Lie::ClaimsNone => None,
        Lie::WrongImages => Some(Fault::Image),
        Lie::Floods => Some(Fault::Request),
        Lie::Overlong | Lie::Garbage => Some(Fault::Frame),
        Lie::Edits => Some(Fault::Edit),
        Lie::Proofs => Some(Fault::Proof),
    }
}

/// Whether everybody learns of it, since it stands in the liar's log.
const fn is_written(lie: Lie) -> bool {
    matches!(lie, Lie::Dates | Lie::Roles | Lie::Histories | Lie::Edits)
}

/// One officer's captures are known to the liar alone when it meets the others, and it lies to them before and after they
/// meet each other.
#[test]
fn whatever_a_member_lies_nobody_panics_nothing_is_lost_and_the_liar_is_named() {
    for lie in Lie::ALL {
        let mut stage = Stage::set(lie, 40 + lie as u64);
        let [ana, ben, cart] = stage.honest;
        let captures: Vec<CaptureId> = (0..3).map(|_| stage.world.capture(ana, 2, 40_000)).collect();
        stage.meet(ana);
        stage.listen(2_000);
        stage.part();

        stage.meet(ben);
        stage.meet(cart);
        stage.pass_on();
        stage.lie();
        stage.listen(15_000);
        stage.part();

        let (hub, world) = (stage.hub, &mut stage.world);
        world.link(ana, ben);
        world.link(ben, cart);
        world.link(cart, hub);
        for device in [ben, cart] {
            stage.meet(device);
        }
        stage.lie();
        stage.listen(15_000);
        stage.world.settle();

        let everybody = [ana, ben, cart, hub];
        assert!(stage.world.agree_among(&everybody), "{lie:?}: honest devices are equal");
        for device in everybody {
            for capture in &captures {
                let view = stage.world.view(device, *capture);
                assert!(view.accepted().is_some() && view.screened().is_some(), "{lie:?}: captures are answered");
            }
            assert!(stage.blamed_unjustly(device).is_empty(), "{lie:?}: nobody else is blamed by {device}");
        }
        let Some(fault) = name(lie) else { continue };
        let told = if is_written(lie) { &everybody[..] } else { &everybody[1..3] };
        for device in told {
            assert!(stage.faults(*device, fault) > 0, "{lie:?}: {device} names the liar");
        }
        println!("{lie:?}: {} times {fault:?} at one device", stage.faults(ben, fault));
    }
}

/// It lies until it is hung up on, and begins again, a hundred times: what is kept of it doesn't grow.
#[test]
fn who_is_hung_up_on_and_comes_back_makes_nobody_keep_more() {
    let mut stage = Stage::set(Lie::Floods, 5);
    let [ana, ben, _] = stage.honest;
    stage.world.link(ana, ben);
    for round in 0..100 {
        stage.meet(ben);
        stage.lie();
        stage.listen(200);
        let ended = stage.world.device(ben).events.iter().rev().find_map(|event| match event {
            Event::Ended { reason, .. } => reason.clone(),
            _ => None,
        });
        assert_eq!(ended, Some(CloseReason::Misbehaved), "round {round}");
        assert!(stage.links.iter().all(|link| stage.world.other_end(*link, stage.number).is_none()));
        stage.part();
    }
    assert_eq!(stage.world.engine(ben).conduct().count(), 1);
    let capture = stage.world.capture(ana, 1, 1_000);
    stage.world.settle();
    assert!(stage.world.view(ben, capture).origin.is_some(), "others are served as ever");
}

/// Frames that an honest device once sent mean nothing from another's mouth.
#[test]
fn a_session_that_is_played_again_opens_nothing() {
    let mut stage = Stage::set(Lie::Garbage, 6);
    let [ana, ben, cart] = stage.honest;
    stage.world.capture(ana, 1, 1_000);
    stage.world.wire = Some(Vec::new());
    let link = stage.world.link(ana, ben);
    stage.world.settle();
    stage.world.cut(link);
    let overheard = stage.world.wire.take().unwrap();
    assert!(overheard.len() > 10);
    for _ in 0..3 {
        let link = stage.world.link(stage.number, cart);
        stage.say_over(link, cart, overheard.clone());
        stage.world.run(1_000);
        assert!(stage.world.other_end(link, stage.number).is_none(), "hung up on");
    }
    let admitted = stage.world.device(cart).events.iter().any(|event| matches!(event, Event::Admitted { .. }));
    assert!(!admitted && stage.world.engine(cart).replica().captures() == 0);
}
