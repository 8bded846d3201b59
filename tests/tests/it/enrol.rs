//! Enrolment as people do it: by pictures of codes, again when a certificate ends, and with a clock that is wrong.

use tests::{Check, Site, greenline, wait_for};

fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn a_device_is_enrolled_by_two_pictures() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    let (home, authority) = (text(&site.home("ana")), text(&site.authority()));
    let [request, answer] = ["request.png", "answer.png"].map(|name| text(&site.path().join(name)));
    let shown = greenline(["device", "request", "--home", &home, "--no-passphrase", "--qr", "--png", &request]);
    assert!(shown.err.contains('\u{2580}'), "drawn for the terminal: {}", shown.err);
    let asked = shown.ok();
    let enrol = ["device", "enrol", "--site", &authority, "--role", "officer", "--alias", "ana", "--png", &answer];
    let by_picture = greenline(enrol.iter().copied().chain([request.as_str()])).ok();
    assert!(by_picture.starts_with("greenline-answer:"));
    // The other way round: a picture of the terminal would say the same as the text.
    let by_text = greenline(enrol.iter().copied().chain([asked.trim()])).ok();
    assert!(by_text.starts_with("greenline-answer:"));
    let joined = greenline(["device", "join", "--home", &home, &answer]).ok();
    assert!(joined.contains("Joined `Post 4` as `ana` (officer)"), "{joined}");
    let wrong = greenline(["device", "join", "--home", &home, &request]);
    assert!(wrong.err.contains("this isn't an answer"), "{}", wrong.err);
    let (hub, ana) = (site.hub("hub").start(), site.device("ana"));
    let ana = ana.hub(&hub).start();
    let id = ana.api().capture(&Check::with_picture(1));
    wait_for("an answer", || ana.api().verdict(&id));
}

/// The device says so itself, the others see it, and after the renewal its log goes on where it was.
#[test]
fn a_certificate_that_ends_is_told_and_its_renewal_keeps_the_log() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("chief", &["supervisor"]);
    site.enrol("ana", &["officer"]);
    let (home, authority) = (text(&site.home("ana")), text(&site.authority()));
    let request = greenline(["device", "request", "--home", &home]).ok();
    // A certificate begins a day early, so that of a day in two less than a tenth is never left; one of none has ended.
    let renew = |days: &str| {
        let answer = greenline(["device", "enrol", "--site", &authority, "--days", days, request.trim()]).ok();
        let joined = greenline(["device", "join", "--home", &home, answer.trim()]).ok();
        assert!(joined.contains("as `ana` (officer)"), "alias and roles are kept: {joined}");
    };
    let chief = site.device("chief").start();
    let ana = site.device("ana").peer(&chief).start();
    let first = ana.api().capture(&Check::with_picture(1));
    let status = greenline(["status", "--home", &home]).ok();
    assert!(!status.contains("ENDS"), "{status}");
    ana.stop();

    renew("0");
    let roster = greenline(["site", "roster", &authority]).ok();
    assert!(roster.lines().any(|line| line.starts_with("ana") && line.contains("ENDED")), "{roster}");
    let ana = site.device("ana").start();
    let status = greenline(["status", "--home", &home]).ok();
    assert!(status.contains("ENDS       its certificate"), "{status}");
    assert_eq!(ana.api().try_capture(&Check::with_picture(2)).unwrap().status, 403);
    ana.stop();

    renew("60");
    let ana = site.device("ana").peer(&chief).start();
    let second = ana.api().capture(&Check::with_picture(2));
    for id in [&first, &second] {
        wait_for("the chief to have both", || chief.api().show(id));
    }
    let members = chief.api().get("/api/members").ok();
    let of_ana = members["members"].as_array().unwrap().iter().find(|it| it["alias"] == "ana").unwrap();
    assert_eq!(of_ana["logs"].as_array().map(Vec::len), Some(1), "{of_ana}");
    assert_eq!(of_ana["renewal_due"], false);
    let status = greenline(["status", "--home", &home]).ok();
    assert!(!status.contains("ENDS"), "{status}");
}
