//! The audit trail: who was shown what, when and why, on real devices.

use serde_json::json;
use tests::{Check, Process, Site, files_in, greenline, wait_for};

#[test]
fn what_can_not_be_noted_is_not_shown_and_nothing_else_stops() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("ben", &["officer"]);
    let ana = site.device("ana").start();
    let first = ana.api().capture(&Check::with_picture(1).particular("family_name", "MARKERQX"));
    assert_eq!(ana.api().show(&first).unwrap()["particulars"]["family_name"], "MARKERQX");
    let home = ana.home().to_owned();
    ana.stop();

    // Somebody changes the trail.
    let trail: Vec<_> =
        files_in(&home).into_iter().filter(|file| file.extension().is_some_and(|it| it == "trail")).collect();
    assert_eq!(trail.len(), 1, "{trail:?}");
    let mut bytes = std::fs::read(&trail[0]).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&trail[0], &bytes).unwrap();

    let hub = site.hub("hub").start();
    let ana = site.device("ana").hub(&hub).start();
    let ben = site.device("ben").peer(&ana).start();
    let answer = ana.api().get(&format!("/api/captures/{first}"));
    assert!(answer.status == 503 && !answer.text.contains("MARKERQX"), "{answer:?}");
    assert!(answer.json()["next"].as_str().unwrap().contains("a new trail begins"), "{answer:?}");
    let shown = greenline(["show", "--home", &home.to_string_lossy(), &first]);
    assert!(shown.code == Some(1) && shown.err.contains("audit trail") && shown.err.contains("Hint:"), "{shown:?}");
    let note = json!({"ops": [{"op": "note", "text": "waits at the gate"}]});
    assert_eq!(ana.api().post(&format!("/api/captures/{first}/edits"), &note).status, 503);
    assert_eq!(ana.api().get("/api/site/record").status, 503);
    assert!(ana.api().status()["notes"].to_string().contains("nothing personal is shown"), "it says so by itself");

    // It captures and carries all the same; who can note is shown.
    let second = ben.api().capture(&Check::with_picture(2));
    let third = ana.api().capture(&Check::with_picture(3));
    wait_for("the verdict at Ben's", || ben.api().verdict(&second));
    wait_for("Ana's capture to be screened", || (stages(&ana).get(&third)? == "screened").then_some(()));
    assert_eq!(ana.api().get("/api/captures").status, 503, "a list with verdicts");
    assert_eq!(ana.api().post(&format!("/api/captures/{third}/seen"), &json!({})).status, 503);
    assert_eq!(stages(&ana)[&third], "screened", "nothing was written");

    // The way out that the answer names.
    ana.stop();
    std::fs::rename(trail[0].parent().unwrap(), site.path().join("kept-for-audit")).unwrap();
    let ana = site.device("ana").hub(&hub).start();
    assert_eq!(ana.api().show(&first).unwrap()["particulars"]["family_name"], "MARKERQX");
}

/// How far each capture has come, from a list in which nothing personal is.
fn stages(device: &Process) -> std::collections::BTreeMap<String, String> {
    let page = device.api().get("/api/captures?brief=true").ok();
    let lines = page["captures"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    assert!(lines.iter().all(|line| line.get("verdict").is_none()));
    lines.iter().map(|line| (text(&line["id"]), text(&line["stage"]))).collect()
}

#[test]
fn who_and_why_are_bounded_and_said_in_any_script() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let ana = site.device("ana").start();
    let id = ana.api().capture(&Check::with_picture(1).particular("family_name", "Test"));
    let home = ana.home().to_string_lossy().into_owned();
    let show =
        |operator: &str, why: &str| greenline(["show", "--home", &home, &id, "--operator", operator, "--why", why]);
    assert!(show("Ana Kovač", "Αίτηση του προσώπου").ok().contains("family_name: Test"));
    let long = show(&"o".repeat(65), "x");
    assert!(long.code == Some(1) && long.err.contains("64 bytes") && !long.out.contains("Test"), "{long:?}");
    let lines = show("Ana", "one\ntwo");
    assert!(lines.code == Some(1) && lines.err.contains("one line of text"), "{lines:?}");
}
