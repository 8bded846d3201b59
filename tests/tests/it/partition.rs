//! Two devices that can't reach each other write apart, then meet: nobody's word is lost, and both hold the same.

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
