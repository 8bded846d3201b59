//! The earliest that anything could arrive: what no protocol can beat on given contacts.
//!
//! Contacts carry any amount in no time, and nodes have room for everything. A message at node `v` since `t` is at `w` as soon as
//! the two are in contact at or after `t`; several hops may fall on one moment. A gateway hands on what it has when it is online.
//! A delay below the oracle's means that a simulation has cheated; far above, that the protocol leaves something unused.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::trace::{Node, Trace};

/// When a gateway is online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Online {
    /// Always.
    Always,
    /// For `len_ms` of every `period_ms`, from `offset_ms` on and before it.
    Every {
        /// From the beginning of one window to that of the next.
        period_ms: u64,
        /// Where one begins.
        offset_ms: u64,
        /// How long it is.
        len_ms: u64,
    },
    /// In windows `[from, until)`, in order, apart from each other.
    Windows(Vec<(u64, u64)>),
}

/// A node with a way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Which node it is.
    pub node: Node,
    /// When it is online.
    pub online: Online,
}

impl Online {
    /// The first moment from `t_ms` on at which it is online, before `ends_ms`.
    #[must_use]
    pub fn from(&self, t_ms: u64, ends_ms: u64) -> Option<u64> {
        let at_ms = match self {
            Self::Always => Some(t_ms),
            Self::Every { period_ms, offset_ms, len_ms } => next_of(t_ms, *period_ms, *offset_ms, *len_ms),
            Self::Windows(windows) => {
                let next = windows.partition_point(|(_, until_ms)| *until_ms <= t_ms);
                windows.get(next).map(|(from_ms, _)| t_ms.max(*from_ms))
            }
        };
        at_ms.filter(|at_ms| *at_ms < ends_ms)
    }
}

impl Online {
    /// When it goes offline again that is online at a moment; the end of time if it never does.
    #[must_use]
    pub fn until(&self, t_ms: u64) -> u64 {
        match self {
            Self::Always => u64::MAX,
            Self::Every { period_ms, offset_ms, len_ms } => match period_ms {
                0 => t_ms,
                _ if len_ms >= period_ms => u64::MAX,
                _ => t_ms + len_ms - (t_ms % period_ms + period_ms - offset_ms % period_ms) % period_ms,
            },
            Self::Windows(windows) => {
                let this = windows.partition_point(|(_, until_ms)| *until_ms <= t_ms);
                windows.get(this).map_or(t_ms, |(_, until_ms)| *until_ms)
            }
        }
    }
}

fn next_of(t_ms: u64, period_ms: u64, offset_ms: u64, len_ms: u64) -> Option<u64> {
    if period_ms == 0 || len_ms == 0 {
        return None;
    }
    // `(t - offset) mod period`, whichever of the two is larger.
    let into_ms = (t_ms % period_ms + period_ms - offset_ms % period_ms) % period_ms;
    Some(if into_ms < len_ms { t_ms } else { t_ms + period_ms - into_ms })
}

/// When two nodes are in contact: `[from, until)`, in order, in ms.
type Intervals = Vec<(u64, u64)>;

/// Bounds on one trace.
pub struct Oracle {
    /// For each node, whom it meets, and when.
    meets: Vec<Vec<(Node, Intervals)>>,
    ends_ms: u64,
}

impl Oracle {
    /// Of a trace that ends when its last contact does, or later.
    #[must_use]
    pub fn new(trace: &Trace, ends_ms: u64) -> Self {
        let mut of_pairs: Vec<_> = trace.contacts().iter().map(|it| (it.a, it.b, (it.from_ms, it.until_ms))).collect();
        of_pairs.sort_unstable();
        let mut meets = vec![Vec::new(); trace.nodes()];
        for pair in of_pairs.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
            let intervals: Intervals = pair.iter().map(|it| it.2).collect();
            let (a, b) = (pair[0].0, pair[0].1);
            meets[b as usize].push((a, intervals.clone()));
            meets[a as usize].push((b, intervals));
        }
        Self { meets, ends_ms: ends_ms.max(trace.ends_ms()) }
    }

    /// When what is at these nodes from these times on arrives at each node.
    #[must_use]
    pub fn arrivals(&self, from: impl IntoIterator<Item = (Node, u64)>) -> Vec<Option<u64>> {
        let mut arrivals = vec![None; self.meets.len()];
        let mut heap: BinaryHeap<_> = from.into_iter().map(|(node, at_ms)| Reverse((at_ms, node))).collect();
        while let Some(Reverse((at_ms, node))) = heap.pop() {
            let known = &mut arrivals[node as usize];
            if known.is_some() {
                continue;
            }
            *known = Some(at_ms);
            for (other, intervals) in &self.meets[node as usize] {
                if arrivals[*other as usize].is_none()
                    && let Some(meet_ms) = first_meeting(intervals, at_ms)
                {
                    heap.push(Reverse((meet_ms, *other)));
                }
            }
        }
        arrivals
    }

    /// When the first gateway that a message reaches is online, of these arrivals.
    #[must_use]
    pub fn delivered(&self, arrivals: &[Option<u64>], gateways: &[Gateway]) -> Option<u64> {
        let online = gateways.iter().filter_map(|it| it.online.from(arrivals[it.node as usize]?, self.ends_ms));
        online.min()
    }

    /// When a message that is at `src` from `t0_ms` on is at a gateway that is online.
    #[must_use]
    pub fn one_way(&self, src: Node, t0_ms: u64, gateways: &[Gateway]) -> Option<u64> {
        self.delivered(&self.arrivals([(src, t0_ms)]), gateways)
    }

    /// When the answer is back at `src`, of which every gateway has it that is online `answer_ms` after the message was delivered.
    #[must_use]
    pub fn round_trip(&self, src: Node, t0_ms: u64, gateways: &[Gateway], answer_ms: u64) -> Option<u64> {
        let answered_ms = self.one_way(src, t0_ms, gateways)? + answer_ms;
        self.answer_from(src, answered_ms, gateways)
    }

    /// When an answer that is there since `answered_ms` is at `src`.
    #[must_use]
    pub fn answer_from(&self, src: Node, answered_ms: u64, gateways: &[Gateway]) -> Option<u64> {
        let have = gateways.iter().filter_map(|it| Some((it.node, it.online.from(answered_ms, self.ends_ms)?)));
        self.arrivals(have)[src as usize].filter(|back_ms| *back_ms < self.ends_ms)
    }

    /// When a message is at a gateway if nobody carries for others: at the first own contact with it, or with itself.
    #[must_use]
    pub fn direct_only(&self, src: Node, t0_ms: u64, gateways: &[Gateway]) -> Option<u64> {
        let own = |gateway: &Gateway| {
            let meets = &self.meets[src as usize];
            let met_ms = if gateway.node == src {
                t0_ms
            } else {
                let (_, intervals) = meets.iter().find(|(node, _)| *node == gateway.node)?;
                first_meeting(intervals, t0_ms)?
            };
            gateway.online.from(met_ms, self.ends_ms)
        };
        gateways.iter().filter_map(own).min()
    }
}

/// The first moment from `t_ms` on within one of these intervals.
fn first_meeting(intervals: &[(u64, u64)], t_ms: u64) -> Option<u64> {
    let next = intervals.partition_point(|(_, until_ms)| *until_ms <= t_ms);
    intervals.get(next).map(|(from_ms, _)| t_ms.max(*from_ms))
}
