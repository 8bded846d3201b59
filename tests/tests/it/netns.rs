//! Devices on networks of their own: several interfaces, multicast, pulled plugs, addresses that change.

use std::net::SocketAddr;

use serde_json::Value;
use tests::{Check, Machine, PORT, Process, Site, Switch, picture, wait_for};

#[test]
fn a_capture_crosses_three_networks_of_which_no_two_devices_share_more_than_one() {
    let Some(switch) = Switch::new() else { return };
    let [hill, bridge, farm] = valleys(&switch);
    switch.network("road");
    let farm = farm.plugged("road", "10.3.0.3/24");
    let capital = switch.machine().plugged("road", "10.3.0.4/24");
    let site = site(&["ana", "ben", "cem"]);

    let _hub = site.hub("hub").on(&capital).start();
    let ben = site.device("ben").on(&bridge).start();
    let ana = site.device("ana").on(&hill).peer_at(at("10.1.0.2")).start();
    let cem = site.device("cem").on(&farm).peer_at(at("10.2.0.2")).hub_at(at("10.3.0.4")).start();
    wait_for("all to know each other", || all(&[&ana, &ben, &cem], |status| status["logs"] == 4));

    let id = ana.api().capture(&Check::with_picture(1));
    wait_for("the verdict to come back", || ana.api().verdict(&id));
    let neighbours = |device: &Process| neighbours(device).into_iter().map(|peer| alias(&peer)).collect::<Vec<_>>();
    assert_eq!(neighbours(&ana), ["ben"]);
    assert_eq!(neighbours(&ben), ["ana", "cem"]);
    assert_eq!(neighbours(&cem), ["ben", "hub"]);
}

#[test]
fn devices_on_two_networks_find_each_other_by_themselves_and_again_from_memory() {
    let Some(switch) = Switch::new() else { return };
    let [hill, bridge, farm] = valleys(&switch);
    let site = site(&["ana", "ben", "cem"]);

    let start = |name: &str, machine: &Machine| site.device_at_large(name).on(machine).start();
    let (ana, ben, cem) = (start("ana", &hill), start("ben", &bridge), start("cem", &farm));
    wait_for("multicast to do its work", || all(&[&ana, &ben, &cem], |status| status["logs"] == 3));
    let id = ana.api().capture(&Check::with_picture(1));
    wait_for("the farm to hear of it", || cem.api().show(&id));

    // Multicast is off now, as on networks that filter it. They dial whom they met.
    [ana, ben, cem].into_iter().for_each(Process::stop);
    let start = |name: &str, machine: &Machine| site.device_at_large(name).arg("--no-mdns").on(machine).start();
    let (ana, _ben, cem) = (start("ana", &hill), start("ben", &bridge), start("cem", &farm));
    let id = cem.api().capture(&Check::with_picture(2));
    wait_for("the hill to hear of it", || ana.api().show(&id));
}

#[test]
fn a_plug_that_is_pulled_within_an_image_costs_no_more_than_was_under_way() {
    /// At the speed of the link, three seconds of images.
    const IMAGES: u64 = 8;
    const SIDE_PX: usize = 1_000;
    let Some(switch) = Switch::new() else { return };
    switch.network("wood");
    let [hill, bridge] = [(); 2].map(|()| switch.machine());
    let hill = hill.plugged("wood", "10.1.0.1/24");
    let bridge = bridge.plugged("wood", "10.1.0.2/24");
    hill.slow_down("wood", 20);
    let site = site(&["ana", "ben"]);
    let ana = site.device("ana").on(&hill).start();
    let check = (1..=IMAGES)
        .fold(Check::bare(), |check, number| check.image(&format!("finger-{number}"), picture(number, SIDE_PX)));
    let id = ana.api().capture(&check);
    let bytes = IMAGES * (SIDE_PX * SIDE_PX) as u64;

    let ben = site.device("ben").on(&bridge).peer_at(at("10.1.0.1")).start();
    let received = || ben.api().status()["traffic"]["blobs_received_bytes"].as_u64().unwrap();
    wait_for("a part of the images", || (received() > bytes / 4).then_some(()));
    hill.set_plugged("wood", false);
    assert!(received() < bytes, "the plug was pulled too late");
    wait_for("both to give the link up", || all(&[&ana, &ben], |status| status["peers"] == 0));
    assert!(notes(&ben).iter().any(|note| note.starts_with("lost touch with")), "{:?}", notes(&ben));

    hill.set_plugged("wood", true);
    wait_for("the origin to know of a whole copy", || ana.api().show(&id).filter(|capture| capture["copies"] == 1));
    assert!(received() < bytes * 5 / 4, "{} bytes for {bytes}", received());
}

#[test]
fn devices_that_change_their_addresses_go_on_with_each_other_and_with_the_hub() {
    let Some(switch) = Switch::new() else { return };
    ["wood", "road"].into_iter().for_each(|network| switch.network(network));
    let [hill, van, capital] = [(); 3].map(|()| switch.machine());
    let hill = hill.plugged("wood", "10.1.0.1/24");
    let van = van.plugged("wood", "10.1.0.2/24").plugged("road", "10.3.0.2/24");
    let capital = capital.plugged("road", "10.3.0.4/24");
    let site = site(&["ana", "ben"]);
    let _hub = site.hub("hub").on(&capital).start();
    let ana = site.device_at_large("ana").on(&hill).start();
    let ben = site.device_at_large("ben").on(&van).hub_at(at("10.3.0.4")).start();
    let mut number = 0;
    let mut round_trip = |what: &str| {
        number += 1;
        let id = ana.api().capture(&Check::with_picture(number));
        wait_for(&format!("a verdict {what}"), || ana.api().verdict(&id));
    };
    wait_for("the van to be a gateway", || all(&[&ben], |status| status["gateway"] == true));
    round_trip("before anything changes");

    let renumber = |machine: &Machine, network: &str, from: &str, to: &str| {
        machine.lose(network, from);
        machine.gain(network, to);
    };
    renumber(&van, "road", "10.3.0.2/24", "10.3.0.22/24");
    round_trip("after the van's address on the road has changed");
    renumber(&hill, "wood", "10.1.0.1/24", "10.1.0.11/24");
    round_trip("after Ana's address has changed");
    renumber(&van, "wood", "10.1.0.2/24", "10.1.0.22/24");
    round_trip("after the van's address in the wood has changed");

    // Of each other they have one link, not those of before too.
    wait_for("one link each", || {
        let links = |device: &Process| neighbours(device).len();
        (links(&ana) == 1 && links(&ben) == 2).then_some(())
    });
}

/// A hill and a farm on networks of their own, and a bridge on both.
fn valleys(switch: &Switch) -> [Machine; 3] {
    ["wood", "river"].into_iter().for_each(|network| switch.network(network));
    let hill = switch.machine().plugged("wood", "10.1.0.1/24");
    let bridge = switch.machine().plugged("wood", "10.1.0.2/24").plugged("river", "10.2.0.2/24");
    [hill, bridge, switch.machine().plugged("river", "10.2.0.3/24")]
}

/// A site with a hub and officers.
fn site(officers: &[&str]) -> Site {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    officers.iter().for_each(|name| site.enrol(name, &["officer"]));
    site
}

/// Where a process on a machine with this address listens.
fn at(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), PORT)
}

fn all(devices: &[&Process], holds: impl Fn(&Value) -> bool) -> Option<()> {
    devices.iter().all(|device| holds(&device.api().status())).then_some(())
}

/// Whom a device is connected to, by name.
fn neighbours(device: &Process) -> Vec<Value> {
    let peers = device.api().get("/api/peers").ok();
    let mut connected = peers["connected"].as_array().unwrap().clone();
    connected.sort_by_key(alias);
    connected
}

fn alias(peer: &Value) -> String {
    peer["alias"].as_str().unwrap().to_owned()
}

/// What a device says about lately.
fn notes(device: &Process) -> Vec<String> {
    let status = device.api().status();
    let notes = status["notes"].as_array().unwrap().iter();
    notes.map(|note| note["what"].as_str().unwrap().to_owned()).collect()
}
