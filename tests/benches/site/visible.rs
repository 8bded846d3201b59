//! From recorded on one device to visible on the others, on one LAN.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tests::{Api, Check, PATIENCE, Process, Site, wait_for};

use crate::figures::{Times, bare_fsync};
use crate::heavy;
use crate::stream::{News, watch};

/// Captures that don't count: links settle and caches fill.
const WARM_UP: u64 = 10;

/// Devices in a line.
const LINE: usize = 5;

/// When the next capture is made.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// When all hold the one before with its images, as at a post where officers take turns.
    AtRest,
    /// As soon as all have seen the one before, while its images are still on their way.
    BackToBack,
}

pub(crate) fn measure() {
    let captures = if heavy() { 1_000 } else { 200 };
    for devices in [2, 16] {
        on(devices, captures);
    }
    along_a_line(captures);
}

fn on(count: usize, captures: u64) {
    let site = Site::found();
    let devices = start(&site, count, count);
    let fsync = bare_fsync(site.path());
    let news = watch(&devices.iter().collect::<Vec<_>>());
    // Until the origin knows that all hold it takes a second.
    at_pace(Pace::AtRest, &devices, captures / 4, &news, fsync);
    at_pace(Pace::BackToBack, &devices, captures, &news, fsync);
}

fn at_pace(pace: Pace, devices: &[Process], captures: u64, news: &Receiver<News>, fsync: Duration) {
    let count = devices.len();
    let (mut each, mut last, mut recorded) = (Times::default(), Times::default(), Times::default());
    for number in 0..WARM_UP + captures {
        let origin = number as usize % count;
        let api = devices[origin].api();
        let began = Instant::now();
        let capture = api.capture(&Check::with_picture(number));
        let answered = Instant::now();
        let seen = seen_by_all(news, &capture, count);
        if pace == Pace::AtRest {
            wait_for("all to hold it", || (copies(api, &capture) == count - 1).then_some(()));
        }
        if number < WARM_UP {
            continue;
        }
        recorded.add(answered - began);
        // It may be visible elsewhere before its own officer's program has read the answer.
        let delays = seen.into_iter().filter(|(device, _)| *device != origin).map(|(_, at)| at - answered.min(at));
        let delays: Vec<Duration> = delays.collect();
        delays.iter().for_each(|delay| each.add(*delay));
        last.add(delays.into_iter().max().unwrap());
    }
    let pace = if pace == Pace::AtRest { "at rest" } else { "back to back" };
    for (times, what) in [(&recorded, "recorded after"), (&each, "visible on another"), (&last, "visible on all")] {
        times.show_beside(&format!("{count} devices, {pace}: {what}"), fsync, "a bare fsync");
    }
}

/// Devices that each know the one before and the one after, and captures at one end.
fn along_a_line(captures: u64) {
    let site = Site::found();
    let devices = start(&site, LINE, 1);
    let fsync = bare_fsync(site.path());
    let news = watch(&devices.iter().collect::<Vec<_>>());
    let mut hops: [Times; LINE - 1] = Default::default();
    for number in 0..WARM_UP + captures {
        let capture = devices[0].api().capture(&Check::with_picture(number));
        let answered = Instant::now();
        let seen = seen_by_all(&news, &capture, LINE);
        for (hop, times) in hops.iter_mut().enumerate().filter(|_| number >= WARM_UP) {
            times.add(seen[&(hop + 1)] - answered.min(seen[&(hop + 1)]));
        }
    }
    for (hop, times) in hops.iter().enumerate() {
        times.show_beside(&format!("a line of {LINE}: visible {} hops away", hop + 1), fsync, "a bare fsync");
    }
}

/// How many others are known to hold all of a capture.
fn copies(api: &Api, capture: &str) -> usize {
    api.show(capture).unwrap()["stages"]["copies"].as_array().map_or(0, Vec::len)
}

/// Devices that have all heard of each other; each dials so many of those before it.
fn start(site: &Site, count: usize, dialled: usize) -> Vec<Process> {
    site.enrol("hub", &["hub"]);
    let mut devices: Vec<Process> = Vec::new();
    for number in 0..count {
        let name = format!("tablet-{number}");
        site.enrol(&name, &["officer"]);
        let start = devices.iter().rev().take(dialled).fold(site.device(&name), |start, peer| start.peer(peer));
        devices.push(start.log("warn").start());
    }
    for device in &devices {
        wait_for("all to know all", || (device.api().status()["logs"] == count).then_some(()));
    }
    devices
}

/// When each device first told of a capture.
fn seen_by_all(news: &Receiver<News>, capture: &str, count: usize) -> BTreeMap<usize, Instant> {
    let mut seen = BTreeMap::new();
    while seen.len() < count {
        let news = news.recv_timeout(PATIENCE).expect("all devices tell of it");
        if news.about == capture {
            seen.entry(news.device).or_insert(news.at);
        }
    }
    seen
}
