//! Many captures: all of them get everywhere, and hardly anything travels twice.
//!
//! `HEAVY=1` runs it with ten thousand.

use std::time::{Duration, Instant};

use tests::{Check, Process, Site, picture, wait_longer};

const LIMIT: Duration = Duration::from_secs(60);
const LIMIT_HEAVY: Duration = Duration::from_secs(900);

#[test]
fn three_hundred_captures_of_three_devices_reach_all_and_the_hub() {
    let heavy = std::env::var_os("HEAVY").is_some();
    let (each, limit) = if heavy { (3_334, LIMIT_HEAVY) } else { (100, LIMIT) };
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    for name in ["ana", "ben", "cleo"] {
        site.enrol(name, &["officer"]);
    }
    let hub = site.hub("hub").start();
    let ana = site.device("ana").start();
    let ben = site.device("ben").peer(&ana).start();
    // Who captures at the far end is two hops from the hub.
    let cleo = site.device("cleo").peer(&ben).hub(&hub).start();
    let devices = [&ana, &ben, &cleo];

    let began = Instant::now();
    std::thread::scope(|scope| {
        for device in devices {
            scope.spawn(move || (0..each).for_each(|n| drop(device.api().capture(&small(n)))));
        }
    });
    let captured = began.elapsed();
    let all = 3 * each;
    wait_longer("all to be everywhere", limit, || {
        let everywhere = devices.iter().all(|device| device.api().status()["captures"] == all);
        let answered = hub.api().status()["sites"][0]["answered"] == all;
        (everywhere && answered).then_some(())
    });
    wait_longer("all devices to hold the same", limit, || {
        let prints: Vec<_> = devices.iter().map(|device| device.api().status()["fingerprint"].clone()).collect();
        (prints[0] == prints[1] && prints[1] == prints[2]).then_some(())
    });
    eprintln!("{all} captures: recorded in {captured:.1?}, everywhere and answered after {:.1?}", began.elapsed());
    for device in devices {
        assert_eq!(device.api().status()["open"], 0, "each knows that the hub has them");
        let twice = duplicates(device);
        // A capture, a receipt and a verdict each.
        let entries = 3 * all;
        assert!(twice * 10 < entries, "{} received {twice} entries twice, of {entries}", device.name());
    }
}

/// With the smallest image that the API takes.
fn small(number: u64) -> Check {
    Check::bare().image("face", picture(number, 4))
}

fn duplicates(device: &Process) -> u64 {
    device.api().status()["traffic"]["duplicates"].as_u64().unwrap()
}
