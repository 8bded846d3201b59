//! The bound on small traces, held against working it out step by step.

use proptest::prelude::*;
use simulations::oracle::{Gateway, Online, Oracle};
use simulations::trace::{Contact, Node, Trace};

const NODES: u32 = 6;
const ENDS_MS: u64 = 60;

#[test]
fn what_is_carried_arrives_though_the_ends_never_meet() {
    // A mule: 0 meets 1, later 1 meets 2. Not the other way round.
    let oracle = oracle(&[(10, 20, 0, 1), (30, 40, 1, 2)]);
    assert_eq!(oracle.arrivals([(0, 0)])[2], Some(30));
    assert_eq!(oracle.arrivals([(2, 0)])[0], None);
    // Several hops in one moment.
    assert_eq!(self::oracle(&[(5, 9, 0, 1), (7, 9, 1, 2), (7, 8, 2, 3)]).arrivals([(0, 0)])[3], Some(7));
    // A contact that has just ended is of no use.
    assert_eq!(self::oracle(&[(5, 9, 0, 1)]).arrivals([(0, 9)])[1], None);
}

#[test]
fn a_gateway_counts_while_it_is_online() {
    let gateway = |online| [Gateway { node: 1, online }];
    let oracle = oracle(&[(10, 20, 0, 1), (50, 60, 0, 1)]);
    assert_eq!(oracle.one_way(0, 0, &gateway(Online::Always)), Some(10));
    assert_eq!(oracle.one_way(0, 0, &gateway(Online::Windows(vec![(0, 5), (25, 30)]))), Some(25));
    assert_eq!(
        oracle.one_way(0, 0, &gateway(Online::Windows(vec![(0, 5), (60, 70)]))),
        None,
        "the trace is over by then"
    );
    let every = Online::Every { period_ms: 20, offset_ms: 15, len_ms: 2 };
    assert_eq!(oracle.one_way(0, 0, &gateway(every.clone())), Some(15));
    assert_eq!(every.from(0, 100), Some(15), "windows come before the first offset, too");
    assert_eq!(every.from(36, 100), Some(36));
    assert_eq!(Online::Every { period_ms: 0, offset_ms: 0, len_ms: 1 }.from(0, 100), None);
    assert_eq!(
        oracle.round_trip(0, 0, &gateway(Online::Always), 5),
        Some(15),
        "the answer finds the two still in touch"
    );
    assert_eq!(oracle.round_trip(0, 0, &gateway(Online::Always), 12), Some(50));
}

fn oracle(contacts: &[(u64, u64, Node, Node)]) -> Oracle {
    let contacts = contacts.iter().map(|(from_ms, until_ms, a, b)| Contact {
        from_ms: *from_ms,
        until_ms: *until_ms,
        a: *a,
        b: *b,
    });
    let names = (0..NODES).map(|node| node.to_string()).collect();
    Oracle::new(&Trace::new(names, contacts), ENDS_MS)
}

/// Moment by moment, everything goes wherever it can, until nothing new happens.
fn step_by_step(contacts: &[(u64, u64, Node, Node)], src: Node, t0_ms: u64) -> Vec<Option<u64>> {
    let mut arrivals = vec![None; NODES as usize];
    for now_ms in t0_ms..ENDS_MS {
        arrivals[src as usize] = arrivals[src as usize].or(Some(t0_ms));
        for _hop in 0..NODES {
            for (_, _, a, b) in contacts.iter().filter(|it| it.0 <= now_ms && now_ms < it.1) {
                for (from, to) in [(*a, *b), (*b, *a)] {
                    if arrivals[from as usize].is_some() && arrivals[to as usize].is_none() {
                        arrivals[to as usize] = Some(now_ms);
                    }
                }
            }
        }
    }
    arrivals
}

proptest! {
    #[test]
    fn the_bound_is_what_flooding_reaches(
        contacts in prop::collection::vec((0..50u64, 1..10u64, 0..NODES, 0..NODES), 0..25),
        src in 0..NODES,
        t0_ms in 0..50u64,
        gateway in 0..NODES,
        windows in (0..30u64, 1..10u64, 1..15u64),
    ) {
        let contacts: Vec<_> = contacts
            .into_iter()
            .filter(|it| it.2 != it.3)
            .map(|(from, lasts, a, b)| (from, from + lasts, a, b))
            .collect();
        let (oracle, expected) = (oracle(&contacts), step_by_step(&contacts, src, t0_ms));
        prop_assert_eq!(&oracle.arrivals([(src, t0_ms)]), &expected);
        let (first, lasts, pause) = windows;
        let online = Online::Windows(vec![(first, first + lasts), (first + lasts + pause, first + 2 * lasts + pause)]);
        let is_online = |at: u64| (first..first + lasts).contains(&at) || (first + lasts + pause..first + 2 * lasts + pause).contains(&at);
        let delivered = expected[gateway as usize].and_then(|at| (at..ENDS_MS).find(|at| is_online(*at)));
        let gateways = [Gateway { node: gateway, online }];
        prop_assert_eq!(oracle.one_way(src, t0_ms, &gateways), delivered);
        if let (Some(direct), Some(best)) = (oracle.direct_only(src, t0_ms, &gateways), delivered) {
            prop_assert!(direct >= best, "carrying by others is never slower");
        }
    }
}
