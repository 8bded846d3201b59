//! The same operation under many seeds, on all cores.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::operation::{self, Outcome, Plan};

/// One run of many.
#[derive(Clone, Debug)]
pub struct Played {
    /// What everything in it followed from.
    pub seed: u64,
    /// What was to happen.
    pub plan: Plan,
    /// What did.
    pub outcome: Outcome,
}

/// How many cores there are; one if nobody knows.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Plays a plan of each seed, on so many threads, and hands each run out as soon as it is over, in whatever order that is.
///
/// Ends early, with the runs that are under way, once `stop` is set or `each` breaks off. What a run comes to depends on its seed
/// alone.
pub fn play(
    seeds: &[u64],
    threads: usize,
    stop: &AtomicBool,
    plan: impl Fn(u64) -> Plan + Sync,
    mut each: impl FnMut(Played) -> ControlFlow<()>,
) {
    let next = AtomicUsize::new(0);
    let one = |seed: u64| {
        let plan = plan(seed);
        let outcome = operation::run(&plan, seed);
        Played { seed, plan, outcome }
    };
    thread::scope(|scope| {
        let (tell, told) = sync_channel(1);
        let threads: Vec<_> = (0..threads.clamp(1, seeds.len().max(1)))
            .map(|_| {
                let tell = tell.clone();
                let (next, one) = (&next, &one);
                scope.spawn(move || share(seeds, next, stop, one, &tell))
            })
            .collect();
        drop(tell);
        while let Ok(played) = told.recv() {
            if each(played).is_break() {
                break;
            }
        }
        // Whoever still plays finds nobody to tell, and ends.
        drop(told);
        for thread in threads {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

/// What one thread does: the next seed, until there is none.
fn share(
    seeds: &[u64],
    next: &AtomicUsize,
    stop: &AtomicBool,
    one: &impl Fn(u64) -> Played,
    tell: &SyncSender<Played>,
) {
    while !stop.load(Ordering::Relaxed) {
        let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
        if tell.send(one(*seed)).is_err() {
            return;
        }
    }
}
