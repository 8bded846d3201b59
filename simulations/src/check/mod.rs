//! What must hold, whatever goes wrong: each rule in a file of its own, looked at while an operation is played.

mod answered;
mod authors;
mod blame;
mod bounds;
mod durable;
mod equal;
mod erased;
mod kept;
mod once;
mod order;
pub(crate) mod quiet;
mod revoked;
mod sealed;
mod stages;

use std::ops::Range;

use crdt::sync::Event;

use crate::operation::Facts;
use crate::world::{Deed, World};

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub rule: &'static str,
    /// How.
    pub what: String,
    /// When, in ms since the operation began.
    pub at_ms: u64,
}

/// How things are at a moment.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a World,
    pub(crate) facts: &'a Facts,
    /// The first hub's number; devices are those below it.
    pub(crate) hub: usize,
    /// Which site each device belongs to, if there are several. Each has a hub, in their order. Beyond the hubs are copies of devices.
    pub(crate) sites: &'a [usize],
    pub(crate) zero_ms: u64,
}

impl Scene<'_> {
    /// Devices that are on and do what they should, and the hubs.
    pub(crate) fn honest(&self) -> Vec<usize> {
        let members = 0..self.hubs().end;
        members.filter(|device| self.facts.is_honest(*device) && self.world.is_on(*device)).collect()
    }

    /// Of [`Self::honest`] those that belong to the site of a hub.
    pub(crate) fn honest_with(&self, hub: usize) -> Vec<usize> {
        self.honest().into_iter().filter(|device| self.hub_of(*device) == hub).collect()
    }

    pub(crate) fn hubs(&self) -> Range<usize> {
        self.hub..self.hub + 1 + self.sites.iter().max().unwrap_or(&0)
    }

    pub(crate) fn is_hub(&self, device: usize) -> bool {
        self.hubs().contains(&device)
    }

    /// The hub of a device's site; a hub itself, if it is one.
    pub(crate) fn hub_of(&self, device: usize) -> usize {
        if self.is_hub(device) { device } else { self.hub + self.sites.get(device).unwrap_or(&0) }
    }
}

/// What a rule says of what it sees.
pub(crate) type Verdict = Result<(), String>;

/// A rule. It sees what devices do and report, looks at everything once a minute, and once more when all is over: trouble has
/// ended long ago by then, and everybody has met everybody.
pub(crate) trait Rule {
    fn name(&self) -> &'static str;

    fn deed(&mut self, _scene: &Scene, _deed: &Deed) -> Verdict {
        Ok(())
    }

    fn event(&mut self, _scene: &Scene, _device: usize, _event: &Event) -> Verdict {
        Ok(())
    }

    fn look(&mut self, _scene: &Scene) -> Verdict {
        Ok(())
    }

    fn end(&mut self, _scene: &Scene) -> Verdict {
        Ok(())
    }
}

/// All rules, and the first that was broken.
pub(crate) struct Rules {
    rules: Vec<Box<dyn Rule>>,
    pub(crate) failure: Option<Failure>,
}

impl Rules {
    /// Looks at all rules.
    pub(crate) fn all() -> Self {
        let rules: Vec<Box<dyn Rule>> = vec![
            Box::<durable::Durable>::default(),
            Box::<kept::Kept>::default(),
            Box::<once::Once>::default(),
            Box::<sealed::Sealed>::default(),
            Box::<stages::Honest>::default(),
            Box::<erased::Erased>::default(),
            Box::<authors::Authors>::default(),
            Box::<blame::Blame>::default(),
            Box::<bounds::Bounds>::default(),
            Box::<quiet::Quiet>::default(),
            Box::<equal::Equal>::default(),
            Box::<answered::Answered>::default(),
            Box::<order::Order>::default(),
            Box::<revoked::Revoked>::default(),
        ];
        Self { rules, failure: None }
    }

    pub(crate) fn deeds(&mut self, scene: &Scene, deeds: &[Deed]) {
        for deed in deeds {
            self.ask(scene, |rule| rule.deed(scene, deed));
        }
    }

    pub(crate) fn event(&mut self, scene: &Scene, device: usize, event: &Event) {
        self.ask(scene, |rule| rule.event(scene, device, event));
    }

    pub(crate) fn look(&mut self, scene: &Scene) {
        self.ask(scene, |rule| rule.look(scene));
    }

    pub(crate) fn end(&mut self, scene: &Scene) {
        self.ask(scene, |rule| rule.look(scene));
        self.ask(scene, |rule| rule.end(scene));
    }

    fn ask(&mut self, scene: &Scene, ask: impl Fn(&mut dyn Rule) -> Verdict) {
        if self.failure.is_some() {
            return;
        }
        let at_ms = scene.world.now_ms - scene.zero_ms;
        let broken = |rule: &mut Box<dyn Rule>| {
            let what = ask(rule.as_mut()).err()?;
            Some(Failure { rule: rule.name(), what, at_ms })
        };
        self.failure = self.rules.iter_mut().find_map(broken);
    }
}
