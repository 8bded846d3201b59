//! The journey of a capture: from an officer who is cut off, over a mule and a gateway, to the hub; and its answer's way back.
//!
//! ```text
//!   Ana's valley          Ben's valley                  the world
//!   ana ── mule ──────► mule ── ben ── van ── (late) ── hub
//! ```

use serde_json::{Value, json};
use synth::Person;
use tests::{Check, Process, Site, greenline, wait_for};

#[test]
fn a_capture_finds_its_way_out_and_its_answer_finds_its_way_back() {
    // A site is founded, a hub and five devices are enrolled. Only the officers capture; mule and van just carry.
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("ben", &["officer"]);
    site.enrol("chief", &["supervisor"]);
    site.enrol("mule", &[]);
    site.enrol("van", &[]);
    let roster = greenline(["site", "roster", &site.authority().to_string_lossy()]).ok();
    assert!(roster.lines().any(|line| line.starts_with("mule ") && line.contains(" carrier ")), "{roster}");
    // The hub knows one of the two people who will come.
    let (known, unknown) = (Person::new(1, 1), Person::new(1, 2));
    site.fill_gallery("hub", &[known, Person::new(1, 3)]);
    let hub = site.hub("hub").start();

    // The chief opens Ana's post and leaves. From now on Ana's device can tell who examines here, and so will the hub.
    let ana = site.device("ana").start();
    let chief = site.device("chief").peer(&ana).start();
    wait_for("the chief and Ana to meet", || (ana.api().status()["logs"] == 2).then_some(()));
    chief.stop();

    // Ana and Ben capture, each alone in a valley.
    let of_known = ana.api().capture(&Check::of(&known));
    assert_eq!(stage(&ana, &of_known), "recorded");
    let ben = site.device("ben").start();
    let of_unknown = ben.api().capture(&Check::of(&unknown));

    // The mule comes by Ana, and she sees that a second device now holds what she captured.
    let mule = site.device("mule").peer(&ana).start();
    wait_for("the mule to take a copy", || (stage(&ana, &of_known) == "copied").then_some(()));
    let carried = mule.api().show(&of_known).unwrap();
    assert_eq!(carried["particulars"], Value::Null, "who carries can't read");
    mule.stop();

    // In Ben's valley it meets the van, which has no way out yet: all the van can do is hold both captures.
    let van = site.device("van").peer(&ben).start();
    let mule = site.device("mule").peer(&ben).start();
    wait_for("the van to hold both captures whole", || holds_whole(&van, &[&of_known, &of_unknown]).then_some(()));
    assert_eq!(van.api().status()["gateway"], false);
    assert_eq!(hub.api().status()["sites"][0]["captures"], 0);
    van.stop();

    // The van drives to where the hub can be reached, still in sight of Ben: now it is a gateway.
    let van = site.device("van").peer(&ben).hub(&hub).start();
    let verdict = wait_for("Ben's verdict", || ben.api().verdict(&of_unknown));
    assert_eq!((&verdict["value"], &verdict["locked"]), (&json!("no_match"), &json!(false)));
    assert_eq!(van.api().status()["gateway"], true);

    // Ana's answer is on the mule, which can't read it. The mule takes it home.
    let sealed = wait_for("the mule to have Ana's verdict", || first_verdict(&mule, &of_known));
    assert_eq!((&sealed["readable"], &sealed["value"]), (&json!(false), &Value::Null));
    mule.stop();
    let mule = site.device("mule").peer(&ana).start();
    let verdict = wait_for("Ana's verdict", || ana.api().verdict(&of_known));
    assert_eq!((&verdict["value"], &verdict["locked"]), (&json!("candidate"), &json!(true)));
    assert_eq!(verdict["lock"], "do not act: awaiting examiner");
    assert_eq!(verdict["candidates"], Value::Null, "who it may be is for the examiner");
    assert_eq!(stage(&ana, &of_known), "screened");

    // A candidate is not yet an answer. Ana can't confirm it herself; the chief, who looked at both prints, can.
    let review = json!({"outcome": "confirmed", "note": "same whorl, same scar"});
    let path = format!("/api/captures/{of_known}/reviews");
    assert_eq!(ana.api().post(&path, &review).status, 403, "an officer doesn't examine");
    let chief = site.device("chief").peer(&ana).start();
    let verdict = wait_for("the chief to have the verdict", || chief.api().verdict(&of_known));
    assert_eq!(verdict["candidates"], json!([known.reference()]));
    let shown = |name: &str| greenline(["show", "--home", &site.home(name).to_string_lossy(), &of_known]).ok();
    let examiners = format!("for the examiner: {}", known.reference());
    assert!(shown("chief").contains(&examiners) && !shown("ana").contains(known.reference().as_str()));
    let _ = chief.api().post(&path, &review).ok();
    wait_for("Ana's candidate to be unlocked", || {
        ana.api().verdict(&of_known).filter(|verdict| verdict["locked"] == false)
    });
    assert_eq!(stage(&ana, &of_known), "examined");

    // Ana has read it, and says so. Everybody hears of that.
    let seen = format!("/api/captures/{of_known}/seen");
    assert_eq!(ben.api().post(&seen, &json!({})).status, 403, "who can't read it hasn't read it");
    let _ = ana.api().post(&seen, &json!({})).ok();
    for other in [&chief, &mule] {
        wait_for("others to hear that it was seen", || (stage(other, &of_known) == "seen").then_some(()));
    }
    // Every step of the journey is on record, with who took it.
    let stages = ana.api().show(&of_known).unwrap()["stages"].clone();
    let by = ["recorded", "accepted", "screened", "examined", "seen"].map(|step| stages[step]["alias"].clone());
    assert_eq!(by, ["ana", "hub", "hub", "chief", "ana"]);
    [ana, ben, chief, mule, van, hub].into_iter().for_each(Process::stop);
}

fn stage(device: &Process, id: &str) -> String {
    let capture = device.api().show(id);
    capture.and_then(|capture| capture["stage"].as_str().map(str::to_owned)).unwrap_or_default()
}

fn first_verdict(device: &Process, id: &str) -> Option<Value> {
    device.api().show(id)?["verdicts"].get(0).cloned()
}

fn holds_whole(device: &Process, ids: &[&str]) -> bool {
    let known = ids.iter().all(|id| device.api().show(id).is_some());
    known && device.api().status()["missing"]["captures"] == 0
}

/// A site whose policy asks for two examiners.
#[test]
fn a_candidate_stays_locked_until_two_examiners_agree() {
    let site = Site::found_with(&["--examiners", "2"]);
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer", "supervisor"]);
    site.enrol("chief", &["supervisor"]);
    site.enrol("deputy", &["supervisor"]);
    let known = Person::new(1, 1);
    site.fill_gallery("hub", &[known]);
    let hub = site.hub("hub").start();
    let ana = site.device("ana").hub(&hub).start();
    let [chief, deputy] = ["chief", "deputy"].map(|name| site.device(name).peer(&ana).start());
    wait_for("all to know each other", || (ana.api().status()["logs"] == 4).then_some(()));
    wait_for("the hub to know them too", || {
        let links = hub.api().status()["sites"][0]["links"].clone();
        (links.as_array().map(Vec::len) == Some(1) && chief.api().status()["logs"] == 4).then_some(())
    });
    let id = ana.api().capture(&Check::of(&known));
    let path = format!("/api/captures/{id}/reviews");
    let say = |process: &Process, outcome: &str| {
        wait_for("the verdict to arrive", || process.api().verdict(&id));
        process.api().post(&path, &json!({"outcome": outcome})).status
    };
    let standing = |expected: &str| {
        wait_for("the examiners' words to arrive", || {
            ana.api().verdict(&id).filter(|verdict| verdict["standing"] == expected)
        })
    };
    standing("awaiting");
    assert_eq!(say(&ana, "confirmed"), 403, "nobody examines their own capture");
    let candidates = |process: &Process| process.api().verdict(&id).unwrap()["candidates"].clone();
    assert_eq!(candidates(&ana), Value::Null, "and so nobody reads who it may be, though a supervisor");
    assert_eq!(say(&chief, "confirmed"), 201);
    assert_eq!(candidates(&chief), json!([known.reference()]));
    wait_for("Ana to read it", || {
        ana.api().show(&id).filter(|capture| capture["reviews"][0]["outcome"] == "confirmed")
    });
    assert_eq!(standing("awaiting")["locked"], true, "one of two");
    let shown = greenline(["show", "--home", &site.home("ana").to_string_lossy(), &id]).ok();
    assert!(shown.contains("DO NOT ACT: AWAITING EXAMINER (2 examiners must agree)"), "{shown}");
    let asked = greenline(["status", "--home", &site.home("hub").to_string_lossy()]);
    assert!(asked.code == Some(1) && asked.err.contains("greenline hub status"), "{asked:?}");
    let asked = greenline(["list", "--home", &site.home("hub").to_string_lossy()]);
    assert!(asked.code == Some(1) && asked.err.contains("a hub runs here, no device"), "{asked:?}");
    assert_eq!(say(&deputy, "refuted"), 201);
    assert_eq!(standing("disputed")["lock"], "do not act: examiners disagree");
    assert_eq!(say(&deputy, "confirmed"), 201);
    assert_eq!(standing("confirmed")["locked"], false);
    [ana, chief, deputy, hub].into_iter().for_each(Process::stop);
}
