//! A plan as it can happen: a device that is switched off meets nobody, has no way out, and captures when it is on again.

use std::collections::BTreeSet;

use super::{Plan, PlannedCapture};
use crate::oracle::Online;
use crate::trace::{Contact, Node, Trace};

/// A stretch of time: from a moment on, and until before another.
type Span = (u64, u64);

impl Plan {
    /// This plan without what its off times make impossible. What is played and what is held against the bounds is this.
    #[must_use]
    pub fn fit(&self) -> Self {
        let mut plan = self.clone();
        if self.devices.iter().all(|device| device.off.is_empty()) {
            return plan;
        }
        let off = |node: u32| self.devices[node as usize].off.as_slice();
        let contacts = self.contacts.contacts().iter().flat_map(|contact| {
            let both = without(&without(&[(contact.from_ms, contact.until_ms)], off(contact.a)), off(contact.b));
            both.into_iter().map(|(from_ms, until_ms)| Contact { from_ms, until_ms, ..*contact })
        });
        plan.contacts = Trace::new(self.contacts.names().to_vec(), contacts.collect::<Vec<_>>());
        for device in plan.devices.iter_mut().filter(|device| !device.off.is_empty()) {
            if let Some(way) = &mut device.way_out {
                let windows = windows(&way.online, self.ends_ms);
                way.online = Online::Windows(without(&windows, &device.off));
            }
        }
        plan.captures.retain_mut(|capture| match on_again(capture, off(capture.node)) {
            at_ms if at_ms < self.ends_ms => {
                capture.at_ms = at_ms;
                true
            }
            _ => false,
        });
        plan
    }
}

impl Plan {
    /// What of it is before a moment.
    pub(super) fn until(&self, ends_ms: u64) -> Self {
        let contacts = self.contacts.contacts().iter().filter(|contact| contact.from_ms < ends_ms);
        let contacts = contacts.map(|contact| Contact { until_ms: contact.until_ms.min(ends_ms), ..*contact });
        Self {
            contacts: Trace::new(self.contacts.names().to_vec(), contacts.collect::<Vec<_>>()),
            ends_ms: self.ends_ms.min(ends_ms),
            ..self.clone()
        }
    }

    /// Takes away contacts between one side and the other, for some times.
    pub(super) fn split(&mut self, splits: &[(u64, u64, BTreeSet<Node>)]) {
        if splits.is_empty() {
            return;
        }
        let contacts = self.contacts.contacts().iter().flat_map(|contact| {
            let apart = |it: &&(u64, u64, BTreeSet<Node>)| it.2.contains(&contact.a) != it.2.contains(&contact.b);
            let gone = union(splits.iter().filter(apart).map(|it| (it.0, it.1)).collect());
            let left = without(&[(contact.from_ms, contact.until_ms)], &gone);
            left.into_iter().map(|(from_ms, until_ms)| Contact { from_ms, until_ms, ..*contact })
        });
        self.contacts = Trace::new(self.contacts.names().to_vec(), contacts.collect::<Vec<_>>());
    }
}

/// Spans in order, those that overlap or touch as one.
pub(crate) fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    spans.dedup_by(|next, kept| {
        let joins = next.0 <= kept.1;
        if joins {
            kept.1 = kept.1.max(next.1);
        }
        joins
    });
    spans
}

fn on_again(capture: &PlannedCapture, off: &[Span]) -> u64 {
    off.iter().find(|span| span.0 <= capture.at_ms && capture.at_ms < span.1).map_or(capture.at_ms, |span| span.1)
}

/// What is left of some spans without others; both in order, and each apart from the next.
fn without(spans: &[Span], others: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    for (mut from_ms, until_ms) in spans.iter().copied() {
        for (gone_ms, back_ms) in others {
            if *gone_ms >= until_ms || *back_ms <= from_ms {
                continue;
            }
            if *gone_ms > from_ms {
                left.push((from_ms, *gone_ms));
            }
            from_ms = (*back_ms).max(from_ms);
        }
        if from_ms < until_ms {
            left.push((from_ms, until_ms));
        }
    }
    left
}

/// When a way out is there, until an operation ends.
pub(super) fn windows(online: &Online, ends_ms: u64) -> Vec<Span> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_time_without_others() {
        let all = [(10, 20), (30, 40)];
        for (others, left) in [
            (vec![], vec![(10, 20), (30, 40)]),
            (vec![(0, 10), (20, 30), (40, 50)], vec![(10, 20), (30, 40)]),
            (vec![(12, 14), (16, 18)], vec![(10, 12), (14, 16), (18, 20), (30, 40)]),
            (vec![(15, 35)], vec![(10, 15), (35, 40)]),
            (vec![(0, 12), (38, 60)], vec![(12, 20), (30, 38)]),
            (vec![(0, 100)], vec![]),
        ] {
            assert_eq!(without(&all, &others), left, "{others:?}");
        }
    }
}
