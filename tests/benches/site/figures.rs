//! Times, as medians and tails, and the disk's own time to compare them with.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the bare fsync is measured.
const FSYNCS: usize = 200;
/// What is written before each: a page.
const FSYNC_BYTES: usize = 4096;

/// Times of one kind.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The time that this many of a hundred stay below.
    fn at(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
    }

    pub(crate) fn median(&self) -> Duration {
        self.at(50)
    }

    pub(crate) fn show(&self, what: &str) {
        println!("  {what:50} p50 {}, p99 {}, of {}", ms(self.at(50)), ms(self.at(99)), self.0.len());
    }

    /// The same, with the median as a multiple of something.
    pub(crate) fn show_beside(&self, what: &str, base: Duration, name: &str) {
        let (p50, p99, count) = (self.at(50), self.at(99), self.0.len());
        let ratio = p50.as_secs_f64() / base.as_secs_f64();
        println!("  {what:50} p50 {}, p99 {}, of {count}; p50 is {ratio:.2} x {name}", ms(p50), ms(p99));
    }
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// What it takes to write a page in `folder` and have it on disk: the median.
pub(crate) fn bare_fsync(folder: &Path) -> Duration {
    let mut file = File::create(folder.join("fsync")).unwrap();
    let mut times = Times::default();
    for _ in 0..FSYNCS {
        let began = Instant::now();
        file.write_all(&[7; FSYNC_BYTES]).unwrap();
        file.sync_data().unwrap();
        times.add(began.elapsed());
    }
    times.show("a bare fsync of a page");
    times.median()
}
