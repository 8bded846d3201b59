//! A device is stolen: two supervisors, or the authority's order, put it out of the site, as people would do it.

use serde_json::{Value, json};
use tests::{Check, Process, Ran, Site, greenline, wait_for};

fn site() -> Site {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("thief", &["officer"]);
    site.enrol("chief", &["supervisor"]);
    site.enrol("deputy", &["supervisor"]);
    site
}

fn command(process: &Process, args: &[&str]) -> Ran {
    let home = process.home().to_string_lossy().into_owned();
    greenline(args.iter().copied().chain(["--home", &home]))
}

fn member(process: &Process, alias: &str) -> Value {
    let answer = process.api().get("/api/members").ok();
    answer["members"].as_array().unwrap().iter().find(|member| member["alias"] == alias).cloned().unwrap_or_default()
}

fn revoked_at(process: &Process) -> Option<()> {
    (member(process, "thief")["revoked"] == true).then_some(())
}

fn in_touch(process: &Process, alias: &str) -> bool {
    let answer = process.api().get("/api/peers").ok();
    answer["connected"].as_array().unwrap().iter().any(|peer| peer["alias"] == alias && peer["admitted"] == true)
}

#[test]
fn two_supervisors_put_a_stolen_device_out_and_one_capture_of_it_is_readmitted() {
    let site = site();
    let hub = site.hub("hub").start();
    let ana = site.device("ana").hub(&hub).start();
    let chief = site.device("chief").peer(&ana).start();
    let deputy = site.device("deputy").peer(&ana).start();
    let thief = site.device("thief").peer(&ana).hub(&hub).start();
    let before = thief.api().capture(&Check::with_picture(1));
    wait_for("all to know all, and the answer", || {
        [&ana, &chief, &deputy].iter().all(|it| it.api().status()["logs"] == 5).then_some(())?;
        thief.api().verdict(&before)
    });

    // One supervisor alone changes nothing.
    let said = command(&chief, &["revoke", "thief", "--cause", "stolen"]).ok();
    assert!(said.contains("1 of 2 votes to revoke it: chief"), "{said}");
    let refused = command(&ana, &["revoke", "thief", "--cause", "stolen"]);
    assert!(refused.err.contains("role (officer) doesn't allow that"), "{}", refused.err);
    wait_for("the deputy to hear of the vote", || {
        (member(&deputy, "thief")["votes"][0]["alias"] == "chief").then_some(())
    });
    wait_for("the thief to be in touch all the same", || in_touch(&ana, "thief").then_some(()));

    // Two do: everywhere, at once.
    let said = command(&deputy, &["revoke", "thief", "--cause", "stolen"]).ok();
    assert!(said.contains("REVOKED by chief, deputy") || said.contains("REVOKED by deputy, chief"), "{said}");
    for process in [&ana, &chief, &deputy] {
        wait_for("the revocation to arrive", || revoked_at(process));
    }
    wait_for("Ana's device to part with it", || (!in_touch(&ana, "thief")).then_some(()));
    let told = command(&ana, &["status"]).ok();
    assert!(told.contains("  REVOKED    thief; ") && told.contains(": thief was revoked: what it writes"), "{told}");
    wait_for("the thief to be told why", || {
        thief.api().status()["notes"].to_string().contains("was revoked at this site").then_some(())
    });
    wait_for("the hub to part with it too", || {
        let links = hub.api().status()["sites"][0]["links"].clone();
        let thief = thief.api().status()["device"]["id"].clone();
        links.as_array()?.iter().all(|link| link["device"] != thief || link["admitted"] != true).then_some(())
    });
    assert!(ana.api().show(&before).is_some(), "what it wrote before counts");

    // What it writes now is carried by somebody who hasn't heard, and counts nowhere.
    let after = thief.api().capture(&Check::with_picture(2));
    let note = json!({"ops": [{"op": "note", "text": "written after the theft"}]});
    let _ = ana.api().post(&format!("/api/captures/{before}/edits"), &note).ok();
    thief.stop();
    site.enrol("mule", &[]);
    let mule = site.device("mule").start();
    let thief = site.device("thief").peer(&mule).start();
    wait_for("the mule to take it in", || mule.api().show(&after));
    thief.stop();
    mule.stop();
    let mule = site.device("mule").peer(&ana).start();
    wait_for("the mule to hear of it", || revoked_at(&mule));
    assert!(mule.api().show(&after).is_none(), "taken back");
    let listed = || command(&chief, &["set-aside"]).ok();
    let listed =
        wait_for("the chief to see what is set aside", || Some(listed()).filter(|it| it.contains(&after[..8])));
    assert!(listed.contains("the author is revoked"), "{listed}");
    assert!(ana.api().show(&after).is_none());

    // A supervisor looks into it and lets it count; the images are on the mule.
    let refused = command(&ana, &["readmit", &after[..8]]);
    assert!(refused.err.contains("doesn't allow that"), "{}", refused.err);
    let _ = command(&chief, &["readmit", &after[..8]]).ok();
    wait_for("the readmitted capture to be answered", || {
        ana.api().show(&after).filter(|capture| capture["verdicts"][0]["at_ms"].is_u64())
    });

    // The members write under a new key, which all of them have.
    let record = |process: &Process| process.api().show(&before).map(|it| it["record"].clone()).unwrap_or_default();
    wait_for("the chief to read the note", || {
        (record(&chief)["notes"][0]["text"] == "written after the theft").then_some(())
    });
    [mule, deputy, chief, ana, hub].into_iter().for_each(Process::stop);
}

#[test]
fn the_authority_alone_suffices_and_its_order_travels_as_text() {
    let site = site();
    let hub = site.hub("hub").start();
    let ana = site.device("ana").hub(&hub).start();
    let thief = site.device("thief").peer(&ana).start();
    let kept = thief.api().capture(&Check::with_picture(3));
    wait_for("Ana to have it", || ana.api().show(&kept));
    let draft = command(&ana, &["revoke", "thief", "--cause", "lost", "--draft"]).ok();
    let authority = site.authority().to_string_lossy().into_owned();
    let order = greenline(["site", "revoke", &authority, draft.trim()]).ok();
    let wrong = command(&ana, &["revoke", "--order", draft.trim()]);
    assert!(wrong.err.contains("this isn't an order"), "{}", wrong.err);
    let said = command(&ana, &["revoke", "--order", order.trim()]).ok();
    assert!(said.contains("REVOKED by the authority"), "{said}");
    wait_for("the thief to be out", || (!in_touch(&ana, "thief")).then_some(()));
    let lost = thief.api().capture(&Check::with_picture(4));
    assert!(ana.api().show(&kept).is_some() && ana.api().show(&lost).is_none());
    let table = command(&ana, &["members"]).ok();
    assert!(
        table.lines().any(|line| line.starts_with("thief") && line.contains("REVOKED by the authority")),
        "{table}"
    );
    // Another site's authority says nothing here.
    let other = Site::found();
    let forged = greenline(["site", "revoke", &other.authority().to_string_lossy(), draft.trim()]).ok();
    let refused = command(&ana, &["revoke", "--order", forged.trim()]);
    assert!(refused.err.contains("isn't signed by the site's authority"), "{}", refused.err);
    [thief, ana, hub].into_iter().for_each(Process::stop);
}

/// A hub in the wrong hands: nobody brings it anything any more, what it answered before stays, and another hub goes on.
#[test]
fn a_revoked_hub_is_left_and_another_one_answers() {
    let site = Site::found();
    for hub in ["hub", "spare"] {
        site.enrol(hub, &["hub"]);
    }
    site.enrol("ana", &["officer"]);
    let (hub, spare) = (site.hub("hub").start(), site.hub("spare").start());
    let ana = site.device("ana").hub(&hub).start();
    let before = ana.api().capture(&Check::with_picture(5));
    let answered = wait_for("the hub's answer", || ana.api().verdict(&before));
    assert_eq!(answered["alias"], "hub");

    let draft = command(&ana, &["revoke", "hub", "--cause", "stolen", "--draft"]).ok();
    let order = greenline(["site", "revoke", &site.authority().to_string_lossy(), draft.trim()]).ok();
    let _ = command(&ana, &["revoke", "--order", order.trim()]).ok();
    wait_for("Ana's device to leave the hub", || (!in_touch(&ana, "hub")).then_some(()));
    wait_for("the hub to have nobody", || {
        let links = hub.api().status()["sites"][0]["links"].clone();
        links.as_array()?.iter().all(|link| link["admitted"] != true).then_some(())
    });
    let kept = ana.api().capture(&Check::with_picture(6));
    assert_eq!(ana.api().verdict(&before).unwrap()["alias"], "hub", "what it said before counts");

    // It stays on the list of addresses; the other one is tried, too.
    ana.stop();
    let ana = site.device("ana").hub(&hub).hub(&spare).start();
    let answered = wait_for("the other hub's answer", || ana.api().verdict(&kept));
    assert_eq!(answered["alias"], "spare");
    let known = hub.api().status()["sites"][0]["captures"].clone();
    assert_eq!(known, 1, "the revoked hub heard of nothing since");
    let answers = ana.api().show(&kept).unwrap()["verdicts"].clone();
    assert_eq!(answers.as_array().map(Vec::len), Some(1));
    [ana, spare, hub].into_iter().for_each(Process::stop);
}
