//! From recorded on one device to visible on the others, on one LAN.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tests::{Check, PATIENCE, Process, Site, wait_for};

use crate::figures::{Times, bare_fsync};
use crate::heavy;
use crate::stream::{News, watch};

/// Captures that don't count: links settle and caches fill.
const WARM_UP: u64 = 10;

pub(crate) fn measure() {
    let captures = if heavy() { 1_000 } else { 200 };
    for devices in [2, 16] {
        on(devices, captures);
    }
}

fn on(count: usize, captures: u64) {
    let site = Site::found();
    let devices = start(&site, count);
    let fsync = bare_fsync(site.path());
    let news = watch(&devices.iter().collect::<Vec<_>>());
    let (mut each, mut last, mut recorded) = (Times::default(), Times::default(), Times::default());
    for number in 0..WARM_UP + captures {
        let origin = number as usize % count;
        let began = Instant::now();
        let capture = devices[origin].api().capture(&Check::with_picture(number));
        let answered = Instant::now();
        let seen = seen_by_all(&news, &capture, count);
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
    recorded.show_beside(&format!("{count} devices: asked to recorded"), fsync, "a bare fsync");
    each.show_beside(&format!("{count} devices: recorded to visible on another"), fsync, "a bare fsync");
    last.show_beside(&format!("{count} devices: recorded to visible on all"), fsync, "a bare fsync");
}

/// Devices that have all found each other.
fn start(site: &Site, count: usize) -> Vec<Process> {
    site.enrol("hub", &["hub"]);
    let mut devices: Vec<Process> = Vec::new();
    for number in 0..count {
        let name = format!("tablet-{number}");
        site.enrol(&name, &["officer"]);
        let start = devices.iter().fold(site.device(&name), |start, peer| start.peer(peer));
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
        if news.capture == capture {
            seen.entry(news.device).or_insert(news.at);
        }
    }
    seen
}
