//! Memory of an idle device that holds many captures: of the one that made them, and of one that caught up with it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tests::{Process, Site, wait_for, wait_longer};

use crate::fill::fill;

/// Captures, and what a device may take with so many, in MiB.
const COUNTS: [(usize, f64); 2] = [(10_000, 64.0), (100_000, 128.0)];
/// How long a catch-up may take before it counts as stuck.
const CATCH_UP: Duration = Duration::from_secs(300);

pub(crate) fn measure() {
    for (count, budget_mib) in COUNTS {
        with(count, 0, budget_mib);
        // The most that a device can have to remember: each capture lacks its images.
        println!("  and with two images to fetch for each");
        with(count, 2, budget_mib);
    }
}

fn with(count: usize, images: u8, budget_mib: f64) {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("full", &["officer"]);
    site.enrol("empty", &["officer"]);
    let empty = site.device("empty").log("warn").start();
    show("empty", &empty, budget_mib);
    empty.stop();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    fill(&site.home("full"), count, images, now_ms as u64);
    let full = site.device("full").log("warn").start();
    holds(&full, count);
    show(&format!("{count} captures, restarted"), &full, budget_mib);
    let empty = site.device("empty").peer(&full).log("warn").start();
    let began = Instant::now();
    holds(&empty, count);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "  {:50} {seconds:.2} s over QUIC on loopback, asked every 20 ms; {:.3} x the bytes of frames of entries on the wire",
        format!("{count} captures, caught up"),
        overhead(&empty)
    );
    show(&format!("{count} captures, just caught up"), &empty, budget_mib);
    empty.stop();
    let empty = site.device("empty").log("warn").start();
    holds(&empty, count);
    show(&format!("{count} captures of others, restarted"), &empty, budget_mib);
}

/// All bytes of frames, both ways, over those that carried entries.
fn overhead(device: &Process) -> f64 {
    let status = device.api().status();
    let bytes = |name: &str| status["traffic"][name].as_f64().unwrap();
    (bytes("sent_bytes") + bytes("received_bytes")) / bytes("entries_received_bytes")
}

fn holds(device: &Process, count: usize) {
    wait_longer("all captures", CATCH_UP, || (device.api().status()["captures"] == count).then_some(()));
}

/// Shows what it takes once that has stopped changing.
fn show(what: &str, device: &Process, budget_mib: f64) {
    let mut before = 0.0;
    let settled = wait_for("the memory to settle", || {
        let now = device.memory_mib("VmRSS");
        let same = now == before;
        before = now;
        same.then_some(now)
    });
    let ratio = settled / budget_mib;
    let peak = device.memory_mib("VmHWM");
    println!("  {what:50} {settled:.1} MiB, {ratio:.2} x the budget of {budget_mib:.0}; at most {peak:.1} so far");
}
