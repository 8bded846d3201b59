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

/// Plays a plan of each seed: see [`each`]. What a run comes to depends on its seed alone.
pub fn play(
    seeds: &[u64],
    threads: usize,
    stop: &AtomicBool,
    plan: impl Fn(u64) -> Plan + Sync,
    take: impl FnMut(Played) -> ControlFlow<()>,
) {
    let one = |seed: &u64| {
        let plan = plan(*seed);
        let outcome = operation::run(&plan, *seed);
        Played { seed: *seed, plan, outcome }
    };
    each(seeds, threads, stop, one, take);
}

/// Does the work of each job, on so many threads, and hands over what comes of it as soon as it is done, in whatever order that is.
///
/// Ends early, with the jobs that are under way, once `stop` is set or `take` breaks off.
pub fn each<J: Sync, T: Send>(
    jobs: &[J],
    threads: usize,
    stop: &AtomicBool,
    work: impl Fn(&J) -> T + Sync,
    mut take: impl FnMut(T) -> ControlFlow<()>,
) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (tell, told) = sync_channel(1);
        let threads: Vec<_> = (0..threads.clamp(1, jobs.len().max(1)))
            .map(|_| {
                let tell = tell.clone();
                let (next, work) = (&next, &work);
                scope.spawn(move || share(jobs, next, stop, work, &tell))
            })
            .collect();
        drop(tell);
        while let Ok(done) = told.recv() {
            if take(done).is_break() {
                break;
            }
        }
        // Whoever still works finds nobody to tell, and ends.
        drop(told);
        for thread in threads {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

/// What one thread does: the next job, until there is none.
fn share<J, T>(jobs: &[J], next: &AtomicUsize, stop: &AtomicBool, work: &impl Fn(&J) -> T, tell: &SyncSender<T>) {
    while !stop.load(Ordering::Relaxed) {
        let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
        if tell.send(work(job)).is_err() {
            return;
        }
    }
}
