//! What is erased is gone from every device's folder and from the hub's, and only the trail of it stays.

use std::path::PathBuf;

use serde_json::{Value, json};
use synth::Person;
use tests::{Check, Process, Site, files_in, greenline, wait_for};

#[test]
fn a_read_no_match_leaves_nothing_but_its_trail_on_any_device() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("chief", &["supervisor"]);
    site.enrol("mule", &[]);
    site.fill_gallery("hub", &[Person::new(1, 3)]);
    let hub = site.hub("hub").start();
    let ana = site.device("ana").start();
    let mule = site.device("mule").peer(&ana).start();
    wait_for("the two to meet", || (mule.api().status()["logs"] == 2).then_some(()));
    let id = ana.api().capture(&Check::of(&Person::new(1, 2)).particular("family_name", "Test"));
    wait_for("the mule to take a copy", || (stage(&ana, &id) == "copied").then_some(()));
    assert!(images(&ana).len() == 2 && images(&mule).len() == 2);
    mule.stop();

    let chief = site.device("chief").peer(&ana).hub(&hub).start();
    wait_for("Ana's verdict", || ana.api().verdict(&id));
    let before = ana.api().show(&id).unwrap();
    assert_eq!((&before["particulars"]["family_name"], &before["purpose"]), (&json!("Test"), &json!("exercise")));
    let note = json!({"ops": [{"op": "note", "text": "waits at the gate"}]});
    let _ = ana.api().post(&format!("/api/captures/{id}/edits"), &note).ok();

    // Ana reads it. The command says what it was, for the last time.
    let home = ana.home().to_string_lossy().into_owned();
    let said = greenline(["seen", "--home", &home, &id]).ok();
    assert!(said.contains("was read: no match") && said.contains("it is erased"), "{said}");
    wait_for("the chief to hear of it", || (stage(&chief, &id) == "erased").then_some(()));
    nothing_is_left(&[&ana, &chief, &hub]);
    // The mule was away with its copy, and comes back.
    let mule = site.device("mule").peer(&chief).start();
    wait_for("the mule to hear of it", || (stage(&mule, &id) == "erased").then_some(()));
    nothing_is_left(&[&mule]);
    for device in [&ana, &chief, &mule] {
        let shown = device.api().show(&id).unwrap();
        assert_eq!(
            (&shown["purpose"], &shown["particulars"], &shown["record"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        assert_eq!((&shown["verdicts"], &shown["images"]), (&json!([]), &json!([])));
        let stages = &shown["stages"];
        let by = ["recorded", "accepted", "screened", "seen", "erased"].map(|step| stages[step]["alias"].clone());
        assert_eq!(by, ["ana", "hub", "hub", "ana", "ana"], "the trail stays");
        assert_eq!(stages["erased"]["reason"], "done");
    }
    let shown = greenline(["show", "--home", &home, &id]).ok();
    assert!(shown.contains("erased: its purpose is served") && !shown.contains("Test"), "{shown}");
    assert_eq!(ana.api().post(&format!("/api/captures/{id}/edits"), &note).status, 410);

    // It is so after a start, and for a device that comes new.
    chief.kill();
    let chief = site.device("chief").peer(&mule).hub(&hub).start();
    assert_eq!(stage(&chief, &id), "erased");
    site.enrol("new", &["officer"]);
    let new = site.device("new").peer(&chief).start();
    wait_for("the new device to catch up", || (stage(&new, &id) == "erased").then_some(()));
    let equal = || new.api().status()["fingerprint"] == chief.api().status()["fingerprint"];
    wait_for("the two to be equal", || equal().then_some(()));
    assert_eq!(new.api().status()["refused"], json!([]));
    nothing_is_left(&[&ana, &chief, &mule, &new, &hub]);
    [ana, chief, mule, new, hub].into_iter().for_each(Process::stop);
}

#[test]
fn what_is_withdrawn_before_the_hub_has_it_is_never_screened() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("ben", &["officer"]);
    let ana = site.device("ana").start();
    let ben = site.device("ben").peer(&ana).start();
    let [withdrawn, kept] = [1, 2].map(|number| ana.api().capture(&Check::with_picture(number)));
    wait_for("Ben to hold both", || [&withdrawn, &kept].iter().all(|id| stage(&ana, id) == "copied").then_some(()));

    // Ben can't take back what isn't his; Ana can.
    let (anas, bens) = (ana.home().to_string_lossy().into_owned(), ben.home().to_string_lossy().into_owned());
    let refused = greenline(["withdraw", "--home", &bens, &withdrawn]);
    assert!(refused.code == Some(1) && refused.err.contains("supervisor"), "{refused:?}");
    let said = greenline(["withdraw", "--home", &anas, &withdrawn]).ok();
    assert!(said.contains("Erased"), "{said}");
    wait_for("Ben to hear of it", || (stage(&ben, &withdrawn) == "withdrawn").then_some(()));
    wait_for("Ben to have one image", || (images(&ben).len() == 1).then_some(()));
    ana.stop();

    let hub = site.hub("hub").start();
    ben.stop();
    let ben = site.device("ben").hub(&hub).start();
    wait_for("the other to be answered", || {
        ben.api().show(&kept).filter(|capture| capture["stages"]["screened"]["at_ms"].is_u64())
    });
    let state = hub.api().status();
    let site = &state["sites"][0];
    assert_eq!(
        (&state["screened"], &site["accepted"], &site["answered"]),
        (&json!(1), &json!(1), &json!(1)),
        "{state}"
    );
    assert_eq!((&site["captures"], &site["erased"]), (&json!(2), &json!(1)), "the hub knows that there was another");
    assert_eq!(ben.api().show(&withdrawn).unwrap()["stages"]["accepted"], Value::Null);
    assert_eq!(stage(&ben, &withdrawn), "withdrawn");
    [ben, hub].into_iter().for_each(Process::stop);
}

fn stage(device: &Process, id: &str) -> String {
    let capture = device.api().show(id);
    capture.and_then(|capture| capture["stage"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// No image is left in these folders.
fn nothing_is_left(devices: &[&Process]) {
    for device in devices {
        // Images go when the disk has the erasure, a moment after others read of it.
        wait_for(&format!("{} to have no image", device.name()), || images(device).is_empty().then_some(()));
    }
}

/// The files of images in a device's folder, whole or in part.
fn images(device: &Process) -> Vec<PathBuf> {
    let files = files_in(device.home());
    files.into_iter().filter(|file| file.components().any(|part| part.as_os_str() == "blobs")).collect()
}
