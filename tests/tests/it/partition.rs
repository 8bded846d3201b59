//! Devices that can't reach each other write apart, then meet: nobody's word is lost, and all hold the same.

use std::path::Path;

use serde_json::{Value, json};
use tests::{Check, Process, Site, wait_for};

#[test]
fn what_was_written_apart_is_together_after_a_meeting() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("ben", &["officer"]);

    // They are together when the case begins.
    let (ana, ben) = meet(&site);
    let case = ana.api().capture(&Check::with_picture(1));
    wait_for("Ben to have the case", || ben.api().show(&case));
    edit(&ana, &case, &json!({"op": "note", "text": "waits at the gate"}));
    wait_for("Ben to read the first note", || (notes(&ben, &case).len() == 1).then_some(()));
    ana.stop();
    ben.stop();

    // Apart, both go on with it: notes, and a name that they read differently. Each also captures.
    let (ana, ben) = (site.device("ana").start(), site.device("ben").start());
    let mut mine = Vec::new();
    for (device, number) in [(&ana, 10), (&ben, 20)] {
        for n in 0..3 {
            edit(device, &case, &json!({"op": "note", "text": format!("{} saw {n}", device.name())}));
            mine.push(device.api().capture(&Check::with_picture(number + n)));
        }
        edit(
            device,
            &case,
            &json!({"op": "correct", "field": "family_name", "value": format!("by {}", device.name())}),
        );
    }
    assert_ne!(fingerprint(&ana), fingerprint(&ben));
    assert_eq!((notes(&ana, &case).len(), notes(&ben, &case).len()), (4, 4));
    ana.stop();
    ben.stop();

    // They meet.
    let (ana, ben) = meet(&site);
    wait_for("both to hold the same", || (fingerprint(&ana) == fingerprint(&ben)).then_some(()));
    let record = |device: &Process| device.api().show(&case).unwrap()["record"].clone();
    assert_eq!(record(&ana), record(&ben));
    let mut read = notes(&ana, &case);
    read.sort();
    let all = ["ana saw 0", "ana saw 1", "ana saw 2", "ben saw 0", "ben saw 1", "ben saw 2", "waits at the gate"];
    assert_eq!(read, all);
    // What they disagree on is kept side by side, with who said it.
    let names = record(&ana)["corrections"]["family_name"].clone();
    let mut said: Vec<&str> = names.as_array().unwrap().iter().filter_map(|said| said["value"].as_str()).collect();
    said.sort_unstable();
    assert_eq!(said, ["by ana", "by ben"]);
    for device in [&ana, &ben] {
        assert!(mine.iter().all(|id| device.api().show(id).is_some()));
        assert_eq!(device.api().status()["captures"], 7);
    }
}

/// A tablet was set up from the image of another one's disk, and both were taken to the field.
#[test]
fn a_copied_device_is_named_and_no_capture_of_either_is_lost() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("ben", &["officer"]);
    let hub = site.hub("hub").start();
    let before = {
        let ana = site.device("ana").start();
        let before = ana.api().capture(&Check::with_picture(1));
        ana.stop();
        before
    };
    copy_folder(&site.home("ana"), &site.home("copy"));

    let ben = site.device("ben").hub(&hub).start();
    let mut all = vec![before];
    // They pass by one after the other, and once more.
    for (name, number) in [("ana", 10), ("copy", 20), ("ana", 30), ("copy", 40)] {
        let device = site.device(name).start();
        let mine: Vec<String> = (0..3).map(|n| device.api().capture(&Check::with_picture(number + n))).collect();
        device.stop();
        let device = site.device(name).peer(&ben).start();
        for id in &mine {
            wait_for("every capture to be answered", || ben.api().show(id).filter(|capture| answers(capture) > 0));
        }
        all.extend(mine);
        wait_for("both to hold the same", || (fingerprint(&device) == fingerprint(&ben)).then_some(()));
        device.stop();
    }
    assert_eq!(ben.api().status()["captures"], all.len());
    for id in &all {
        assert_eq!(answers(&ben.api().show(id).unwrap()), 1, "each was screened once");
    }
    let frozen = ben.api().status()["frozen"].clone();
    assert_eq!(frozen.as_array().map(Vec::len), Some(1), "{frozen}");
    assert_eq!(frozen[0]["alias"], "ana");
    let said = tests::greenline(["status", "--home", &site.home("ben").to_string_lossy()]).ok();
    assert!(said.contains("FROZEN"), "{said}");
}

fn answers(capture: &Value) -> usize {
    capture["verdicts"].as_array().map_or(0, Vec::len)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &there);
        } else {
            std::fs::copy(entry.path(), there).unwrap();
        }
    }
}

#[test]
fn a_device_that_was_away_for_all_of_it_catches_up() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    for name in ["ana", "ben", "cleo"] {
        site.enrol(name, &["officer"]);
    }
    let (ana, ben) = meet(&site);
    let ids: Vec<String> =
        (0..20).map(|n| [&ana, &ben][n as usize % 2].api().capture(&Check::with_picture(n))).collect();
    for id in &ids {
        edit(
            &ben,
            &wait_for("Ben to have it", || ben.api().show(id).map(|_| id.clone())),
            &json!({"op": "note", "text": "n"}),
        );
    }
    let cleo = site.device("cleo").peer(&ana).start();
    wait_for("all three to hold the same", || {
        let prints = [&ana, &ben, &cleo].map(fingerprint);
        (prints[0] == prints[1] && prints[1] == prints[2]).then_some(())
    });
    wait_for("Cleo to have the pictures", || (cleo.api().status()["missing"]["captures"] == 0).then_some(()));
    assert!(ids.iter().all(|id| notes(&cleo, id) == ["n"]));
}

fn meet(site: &Site) -> (Process, Process) {
    let ana = site.device("ana").start();
    let ben = site.device("ben").peer(&ana).start();
    wait_for("them to meet", || (ana.api().status()["peers"] == 1).then_some(()));
    (ana, ben)
}

fn edit(device: &Process, id: &str, op: &Value) {
    let _ = device.api().post(&format!("/api/captures/{id}/edits"), &json!({"ops": [op]})).ok();
}

fn notes(device: &Process, id: &str) -> Vec<String> {
    let record = device.api().show(id).unwrap_or_default()["record"].clone();
    let notes = record["notes"].as_array().into_iter().flatten();
    notes.filter_map(|note| note["text"].as_str()).map(str::to_owned).collect()
}

fn fingerprint(device: &Process) -> String {
    device.api().status()["fingerprint"].as_str().unwrap().to_owned()
}
