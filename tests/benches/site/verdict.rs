//! From the officer's finger on the button to the verdict on the same device, while a neighbour has an uplink.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use synth::{Person, Quality, print_png};
use tests::{Check, PATIENCE, Process, Site, greenline, wait_for};

use crate::figures::{Times, bare_fsync};
use crate::heavy;
use crate::stream::watch;

/// The seed of all people here.
const SEED: u64 = 7;
/// Right and left index finger, as border posts take them.
const FINGERS: [u8; 2] = [2, 7];
/// Captures that don't count.
const WARM_UP: u32 = 3;
/// The way of a capture, and of its answer.
const LEGS: [&str; 4] =
    ["recording on the tablet", "over the van to the hub's receipt", "screening", "the verdict's way back"];
/// The budget of the design.
const BUDGET: Duration = Duration::from_secs(1);

pub(crate) fn measure() {
    let (people, captures) = if heavy() { (500, 500) } else { (60, 60) };
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("van", &["officer"]);
    site.enrol("tablet", &["officer"]);
    fill_gallery(&site, people);
    let hub = site.hub("hub").log("warn").start();
    let van = site.device("van").hub(&hub).log("warn").start();
    let tablet = site.device("tablet").peer(&van).log("warn").start();
    wait_for("the van to be a gateway", || (van.api().status()["gateway"] == true).then_some(()));
    wait_for("the tablet to know all", || (tablet.api().status()["logs"] == 3).then_some(()));
    bare_fsync(site.path());
    let mut legs: [Times; LEGS.len()] = Default::default();
    let (mut known, mut unknown) = (Times::default(), Times::default());
    for number in 0..WARM_UP + captures {
        // Every other person isn't in the gallery.
        let (times, person) = match number % 2 {
            0 => (&mut known, number / 2 % people),
            _ => (&mut unknown, people + number),
        };
        let way = ask(&tablet, &taken(person));
        if number >= WARM_UP {
            times.add(way[LEGS.len()] - way[0]);
            legs.iter_mut().zip(way.windows(2)).for_each(|(leg, ends)| leg.add(ends[1].saturating_sub(ends[0])));
        }
    }
    known.show_beside(&format!("capture to verdict, one of {people} in the gallery"), BUDGET, "the budget");
    unknown.show_beside(&format!("capture to verdict, not among {people}"), BUDGET, "the budget");
    LEGS.iter().zip(&legs).for_each(|(name, times)| times.show(&format!("of which {name}")));
}

/// Two fingers of a person, as an officer takes them.
fn taken(person: u32) -> Check {
    FINGERS.iter().fold(Check::bare(), |check, finger| {
        let print = Person::new(SEED, person).finger(*finger).impression(1, Quality::Good);
        check.image(&format!("finger-{finger}"), print_png(&print))
    })
}

fn fill_gallery(site: &Site, people: u32) {
    let folder = site.path().join("people");
    for number in 0..people {
        let person = Person::new(SEED, number);
        let own = folder.join(person.reference());
        std::fs::create_dir_all(&own).unwrap();
        for finger in FINGERS {
            let print = print_png(&person.finger(finger).impression(0, Quality::Good));
            std::fs::write(own.join(format!("finger-{finger}.png")), print).unwrap();
        }
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let _ = greenline(["hub", "gallery", "add", "--home", &text(&site.home("hub")), "--from", &text(&folder)]).ok();
}

/// Sends a check and waits for a readable verdict on it. Returns when each leg of the way began and when the last ended, by the
/// machine's clock: the hub's entries say when it wrote them, in whole ms.
fn ask(device: &Process, check: &Check) -> [Duration; LEGS.len() + 1] {
    let news = watch(&[device]);
    let asked = now();
    let capture = device.api().capture(check);
    let recorded = now();
    loop {
        if device.api().verdict(&capture).is_some() {
            let read = now();
            let shown = device.api().show(&capture).unwrap();
            let at = |step: &str| Duration::from_millis(shown["stages"][step]["at_ms"].as_u64().unwrap());
            return [asked, recorded, at("accepted"), at("screened"), read];
        }
        let _ = news.recv_timeout(PATIENCE).expect("a verdict");
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
