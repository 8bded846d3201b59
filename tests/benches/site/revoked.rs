//! From a revocation on one device to the last reachable device that refuses the revoked one.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::json;
use tests::{PATIENCE, Process, Site, greenline, wait_for};

use crate::figures::{Times, bare_fsync};
use crate::heavy;
use crate::stream::watch;

/// Devices that stay.
const DEVICES: usize = 16;

pub(crate) fn measure() {
    let rounds = if heavy() { 24 } else { 8 };
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    let mut devices: Vec<Process> = Vec::new();
    for number in 0..DEVICES {
        let name = format!("tablet-{number}");
        site.enrol(&name, &["officer"]);
        // Each dials the three before it: the news takes several hops.
        let start = devices.iter().rev().take(3).fold(site.device(&name), |start, peer| start.peer(peer));
        devices.push(start.log("warn").start());
    }
    let fsync = bare_fsync(site.path());
    let news = watch(&devices.iter().collect::<Vec<_>>());
    let mut times = Times::default();
    for round in 0..rounds {
        let thief = join(&site, &devices, &format!("thief-{round}"));
        let id = thief.api().status()["device"]["id"].as_str().unwrap().to_owned();
        let order = order(&site, &devices[0], &id);
        let began = Instant::now();
        let _ = devices[0].api().post("/api/orders", &json!({"order": order})).ok();
        let mut refusing = BTreeSet::new();
        let mut last = began;
        while refusing.len() < DEVICES {
            let news = news.recv_timeout(PATIENCE).expect("all devices tell of it");
            if news.about == id && refusing.insert(news.device) {
                last = news.at;
            }
        }
        times.add(last - began);
        thief.kill();
    }
    times.show_beside(&format!("{DEVICES} devices: the last one refuses a revoked one"), fsync, "a bare fsync");
}

/// A device that all know and that three are connected to.
fn join(site: &Site, devices: &[Process], name: &str) -> Process {
    site.enrol(name, &["officer"]);
    let start = devices.iter().rev().take(3).fold(site.device(name), |start, peer| start.peer(peer));
    let thief = start.log("warn").start();
    let id = thief.api().status()["device"]["id"].as_str().unwrap().to_owned();
    for device in devices {
        let knows = || {
            let members = device.api().get("/api/members").ok();
            members["members"].as_array()?.iter().any(|member| member["device"] == id.as_str()).then_some(())
        };
        wait_for("all to know the one that is to be revoked", knows);
    }
    thief
}

/// The authority's order, from the draft of a device's charge.
fn order(site: &Site, device: &Process, id: &str) -> String {
    let home = device.home().to_string_lossy().into_owned();
    let draft = greenline(["revoke", id, "--home", &home, "--cause", "stolen", "--draft"]).ok();
    greenline(["site", "revoke", &site.authority().to_string_lossy(), draft.trim()]).ok().trim().to_owned()
}
