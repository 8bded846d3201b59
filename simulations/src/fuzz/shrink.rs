//! Makes a case that fails smaller, as long as it breaks the same rule.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Case, CaseDevice, play};
use crate::trace::Node;
use crate::trouble::{Trouble, What};

/// Plays after which a case is small enough.
const PLAYS_MAX: usize = 3_000;

/// A case that was made smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// It.
    pub case: Case,
    /// How often it was played on the way.
    pub plays: usize,
}

/// Leaves out devices, troubles, captures and contacts, and shortens times, while the same rule breaks. `told` hears of each smaller
/// case, and says whether to go on. None if the case breaks no rule.
#[must_use]
pub fn shrink(case: &Case, mut told: impl FnMut(&Case) -> bool) -> Option<Shrunk> {
    let failure = play(case).failure?;
    let rule = failure.rule;
    let mut shrinking =
        Shrinking { case: Case { breaks: rule.to_owned(), ..case.clone() }, rule, plays: 1, stopped: false };
    // What came after it broke had no part in it, whatever the rules say of the end.
    shrinking.attempt(|case| Some(until(case, failure.at_ms + 1_000)), &mut told);
    loop {
        let before = size(&shrinking.case);
        shrinking.thin(|case| &mut case.trouble, &mut told);
        shrinking.thin_devices(&mut told);
        shrinking.thin(|case| &mut case.captures, &mut told);
        shrinking.thin(|case| &mut case.contacts, &mut told);
        shrinking.thin_windows(&mut told);
        shrinking.shorten(&mut told);
        if size(&shrinking.case) == before || shrinking.is_over() {
            return Some(Shrunk { case: shrinking.case, plays: shrinking.plays });
        }
    }
}

struct Shrinking {
    case: Case,
    rule: &'static str,
    plays: usize,
    stopped: bool,
}

impl Shrinking {
    const fn is_over(&self) -> bool {
        self.stopped || self.plays >= PLAYS_MAX
    }

    /// Takes a smaller case if it breaks the same rule. Says whether it did.
    fn attempt(&mut self, smaller: impl FnOnce(&Case) -> Option<Case>, told: &mut impl FnMut(&Case) -> bool) -> bool {
        let Some(smaller) = smaller(&self.case).filter(|it| *it != self.case && has_way_out(it) && !self.is_over())
        else {
            return false;
        };
        self.plays += 1;
        let breaks = play(&smaller).failure.is_some_and(|failure| failure.rule == self.rule);
        if breaks {
            self.case = smaller;
        }
        self.stopped = !told(&self.case);
        breaks
    }

    /// Leaves out halves of a list, then quarters, and so on down to single ones.
    fn thin<T: Clone>(&mut self, list: fn(&mut Case) -> &mut Vec<T>, told: &mut impl FnMut(&Case) -> bool) {
        let mut piece = list(&mut self.case).len().div_ceil(2);
        while piece > 0 && !self.is_over() {
            let mut from = 0;
            while from < list(&mut self.case).len() {
                let left_out = self.attempt(
                    |case| {
                        let mut smaller = case.clone();
                        let all = list(&mut smaller);
                        let to = (from + piece).min(all.len());
                        all.drain(from..to);
                        Some(smaller)
                    },
                    told,
                );
                if !left_out {
                    from += piece;
                }
            }
            piece /= 2;
        }
    }

    /// The same with devices, and all that is theirs.
    fn thin_devices(&mut self, told: &mut impl FnMut(&Case) -> bool) {
        let mut piece = self.case.devices.len().div_ceil(2);
        while piece > 0 && !self.is_over() {
            // Those behind a device that is gone move up, so from behind.
            let mut to = self.case.devices.len();
            while to > 0 {
                let from = to.saturating_sub(piece);
                self.attempt(|case| without_devices(case, from..to), told);
                to = from;
            }
            piece /= 2;
        }
    }

    fn thin_windows(&mut self, told: &mut impl FnMut(&Case) -> bool) {
        for number in 0..self.case.devices.len() {
            self.attempt(
                |case| {
                    let mut smaller = case.clone();
                    smaller.devices[number].online = None;
                    Some(smaller)
                },
                told,
            );
            self.attempt(
                |case| {
                    let mut smaller = case.clone();
                    smaller.devices[number].online.as_mut()?.clear();
                    Some(smaller)
                },
                told,
            );
            self.attempt(
                |case| {
                    let mut smaller = case.clone();
                    let device = &mut smaller.devices[number];
                    (device.way, device.clock) = (None, None);
                    device.off.clear();
                    Some(smaller)
                },
                told,
            );
        }
    }

    /// Is calm earlier, makes captures smaller, and does away with loss and reading.
    fn shorten(&mut self, told: &mut impl FnMut(&Case) -> bool) {
        let changes: [fn(&Case) -> Case; 6] = [
            |case| until(case, case.calm_ms / 2),
            |case| Case { reads_after_ms: None, ..case.clone() },
            |case| Case { loss_ppm: 0, ..case.clone() },
            |case| {
                let mut smaller = case.clone();
                smaller.captures.iter_mut().for_each(|capture| capture.2 = 300);
                smaller
            },
            // Nothing more than there is before it is calm. What follows stays as long: the rules rely on it.
            |case| {
                let last_ms = last_ms(case);
                let ends_ms = last_ms + (case.ends_ms - case.calm_ms);
                Case { calm_ms: last_ms, ends_ms, ..case.clone() }
            },
            // All of it earlier, so that it begins soon.
            |case| earlier(case, first_ms(case).saturating_sub(1_000)),
        ];
        for change in changes {
            self.attempt(|case| Some(change(case)), told);
        }
    }
}

/// Whether an honest device of each site has a way out: without it nothing could ever arrive, which breaks no rule.
fn has_way_out(case: &Case) -> bool {
    let is_lost = |number: usize| {
        let is_it =
            |what: &What| matches!(what, What::Liar { device, .. } | What::Revoke { device, .. } if *device == number);
        case.trouble.iter().any(|trouble| is_it(&trouble.what))
    };
    let has = |(number, device): &(usize, &CaseDevice)| device.online.is_some() && !is_lost(*number);
    let reach: BTreeSet<usize> = case.devices.iter().enumerate().filter(has).map(|(_, device)| device.site).collect();
    !case.devices.is_empty() && case.devices.iter().all(|device| reach.contains(&device.site))
}

fn size(case: &Case) -> (usize, usize, usize, usize, u64) {
    (case.devices.len(), case.trouble.len(), case.captures.len(), case.contacts.len(), case.ends_ms)
}

/// What of a case begins before a moment, from which on it is calm.
fn until(case: &Case, calm_ms: u64) -> Case {
    let mut smaller = case.clone();
    if calm_ms >= case.calm_ms {
        return smaller;
    }
    smaller.ends_ms = calm_ms + (case.ends_ms - case.calm_ms);
    smaller.calm_ms = calm_ms;
    smaller.trouble.retain(|trouble| trouble.at_ms + trouble.what.lasts_ms() < calm_ms);
    smaller.captures.retain(|capture| capture.0 < calm_ms);
    smaller.contacts.retain(|contact| contact.0 < calm_ms);
    smaller
}

fn last_ms(case: &Case) -> u64 {
    let troubles = case.trouble.iter().map(|trouble| trouble.at_ms + trouble.what.lasts_ms());
    let captures = case.captures.iter().map(|capture| capture.0);
    let contacts = case.contacts.iter().map(|contact| contact.1);
    troubles.chain(captures).chain(contacts).max().map_or(case.calm_ms, |last_ms| (last_ms + 1_000).min(case.calm_ms))
}

fn first_ms(case: &Case) -> u64 {
    let troubles = case.trouble.iter().map(|trouble| trouble.at_ms);
    let captures = case.captures.iter().map(|capture| capture.0);
    let contacts = case.contacts.iter().map(|contact| contact.0);
    let windows = case.devices.iter().flat_map(|device| &device.online).flatten().map(|window| window.0);
    troubles.chain(captures).chain(contacts).chain(windows).min().unwrap_or(0)
}

fn earlier(case: &Case, by_ms: u64) -> Case {
    let mut smaller = case.clone();
    let move_it = |at_ms: &mut u64| *at_ms -= by_ms.min(*at_ms);
    smaller.trouble.iter_mut().for_each(|trouble| move_it(&mut trouble.at_ms));
    smaller.captures.iter_mut().for_each(|capture| move_it(&mut capture.0));
    for contact in &mut smaller.contacts {
        move_it(&mut contact.0);
        move_it(&mut contact.1);
    }
    for device in &mut smaller.devices {
        for window in device.online.iter_mut().flatten().chain(&mut device.off) {
            move_it(&mut window.0);
            move_it(&mut window.1);
        }
        device.clock.iter_mut().flat_map(|clock| &mut clock.jumps).for_each(|jump| move_it(&mut jump.0));
    }
    move_it(&mut smaller.calm_ms);
    move_it(&mut smaller.ends_ms);
    smaller
}

/// A case without some devices, their contacts, captures and troubles; those behind them move up.
fn without_devices(case: &Case, gone: Range<usize>) -> Option<Case> {
    if case.devices.len() <= gone.len() {
        return None;
    }
    let mut smaller = case.clone();
    smaller.devices.drain(gone.clone());
    let sites: BTreeSet<usize> = smaller.devices.iter().map(|device| device.site).collect();
    let sites: BTreeMap<usize, usize> = sites.into_iter().zip(0..).collect();
    smaller.devices.iter_mut().for_each(|device| device.site = sites[&device.site]);
    let node = |it: Node| match it as usize {
        place if place < gone.start => Some(it),
        place if place < gone.end => None,
        _ => Some(it - gone.len() as Node),
    };
    smaller.contacts = case.contacts.iter().filter_map(|it| Some((it.0, it.1, node(it.2)?, node(it.3)?))).collect();
    smaller.captures = case.captures.iter().filter_map(|it| Some((it.0, node(it.1)?, it.2))).collect();
    let place = |it: usize| node(it as Node).map(|it| it as usize);
    smaller.trouble = case.trouble.iter().filter_map(|it| renumbered(it, &place)).collect();
    Some(smaller)
}

fn renumbered(trouble: &Trouble, place: &impl Fn(usize) -> Option<usize>) -> Option<Trouble> {
    let mut it = trouble.clone();
    match &mut it.what {
        What::Crash { device, .. }
        | What::Off { device, .. }
        | What::FullDisk { device, .. }
        | What::Rot { device, .. }
        | What::Clock { device, .. }
        | What::Drift { device, .. }
        | What::Flap { device, .. }
        | What::Portal { device, .. }
        | What::Liar { device, .. }
        | What::Restore { device, .. } => *device = place(*device)?,
        What::Revoke { device, by } => (*device, *by) = (place(*device)?, place(*by)?),
        What::Copy { device, meets, .. } => (*device, *meets) = (place(*device)?, place(*meets)?),
        What::Split { group, .. } => {
            *group = group.iter().filter_map(|node| place(*node as usize)).map(|node| node as u32).collect();
        }
        What::Reset { .. }
        | What::OneWay { .. }
        | What::Duplicate { .. }
        | What::Replay { .. }
        | What::Swap { .. }
        | What::Flip { .. }
        | What::Truncate { .. }
        | What::HubFails { .. }
        | What::HubSlow { .. }
        | What::HubTwice { .. } => {}
    }
    Some(it)
}
