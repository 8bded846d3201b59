//! A trace in numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Node, Trace};
use crate::quantile::quantile;

const DAY_MS: f64 = 86_400_000.0;

/// What can be said of a trace in numbers. Times in ms.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Nodes.
    pub nodes: usize,
    /// Contacts.
    pub contacts: usize,
    /// Pairs that meet at all.
    pub pairs: usize,
    /// From zero to the end of the last contact.
    pub duration_ms: u64,
    /// How long a contact lasts: half of them less.
    pub contact_p50_ms: Option<u64>,
    /// Nine of ten less.
    pub contact_p90_ms: Option<u64>,
    /// From one contact of a pair to its next: half of them less.
    pub between_p50_ms: Option<u64>,
    /// Nine of ten less.
    pub between_p90_ms: Option<u64>,
    /// In touch with how many others a node is, on average over nodes and time.
    pub mean_degree: f64,
    /// Contacts a node has in a day.
    pub contacts_per_node_day: f64,
    /// The largest set of nodes that are joined by contacts at any time: what is apart can never hear of each other.
    pub largest_component: usize,
}

impl Stats {
    pub(super) fn of(trace: &Trace) -> Self {
        let contacts = trace.contacts();
        let mut lasts: Vec<u64> = contacts.iter().map(|it| it.until_ms - it.from_ms).collect();
        let mut between = between(trace);
        lasts.sort_unstable();
        between.sort_unstable();
        let (nodes, duration_ms) = (trace.nodes(), trace.ends_ms());
        let ends = 2.0 * contacts.len() as f64;
        let in_touch_ms = 2.0 * lasts.iter().sum::<u64>() as f64;
        let per = |total: f64, time: f64| if nodes == 0 || time == 0.0 { 0.0 } else { total / nodes as f64 / time };
        let pairs: BTreeSet<(Node, Node)> = contacts.iter().map(|it| (it.a, it.b)).collect();
        Self {
            nodes,
            contacts: contacts.len(),
            duration_ms,
            contact_p50_ms: quantile(&lasts, 0.5),
            contact_p90_ms: quantile(&lasts, 0.9),
            between_p50_ms: quantile(&between, 0.5),
            between_p90_ms: quantile(&between, 0.9),
            mean_degree: per(in_touch_ms, duration_ms as f64),
            contacts_per_node_day: per(ends, duration_ms as f64 / DAY_MS),
            largest_component: largest_component(nodes, &pairs),
            pairs: pairs.len(),
        }
    }
}

/// The pauses between contacts of each pair.
fn between(trace: &Trace) -> Vec<u64> {
    let mut last = BTreeMap::new();
    let pause = |it: &super::Contact| last.insert((it.a, it.b), it.until_ms).map(|ended_ms| it.from_ms - ended_ms);
    trace.contacts().iter().filter_map(pause).collect()
}

fn largest_component(nodes: usize, pairs: &BTreeSet<(Node, Node)>) -> usize {
    let mut leads: Vec<usize> = (0..nodes).collect();
    for (a, b) in pairs {
        let [a, b] = [*a, *b].map(|node| root(&mut leads, node as usize));
        leads[a] = b;
    }
    let mut sizes = vec![0; nodes];
    for node in 0..nodes {
        sizes[root(&mut leads, node)] += 1;
    }
    sizes.into_iter().max().unwrap_or(0)
}

fn root(leads: &mut [usize], mut node: usize) -> usize {
    while leads[node] != node {
        leads[node] = leads[leads[node]];
        node = leads[node];
    }
    node
}
