//! The same work many times, on all cores.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many cores there are; one if nobody knows.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` for 0 to `count` - 1, on all cores. The results are in order.
pub(crate) fn map<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores().min(count)).map(|_| scope.spawn(|| share(&next, count, &work))).collect();
        let shares = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        shares.flatten().collect()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// What one thread gets done.
fn share<T>(next: &AtomicUsize, count: usize, work: &impl Fn(usize) -> T) -> Vec<(usize, T)> {
    let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
    numbers.take_while(|number| *number < count).map(|number| (number, work(number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_done_once_and_comes_back_in_order() {
        assert_eq!(map(1_000, |number| number * 2), (0..1_000).map(|number| number * 2).collect::<Vec<_>>());
        assert_eq!(map(1, |number| number), [0]);
        assert!(map(0, |number| number).is_empty());
    }
}
