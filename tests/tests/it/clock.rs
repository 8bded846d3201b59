//! A device whose clock is wrong says so, and works all the same.

use serde_json::Value;
use tests::{Check, Process, Site, greenline, wait_for};

/// Set three days back, as a tablet whose battery was empty: it is before its certificate begins.
#[test]
fn a_device_whose_clock_is_days_behind_says_so_and_its_captures_are_answered() {
    let Some(site) = site() else { return };
    let hub = site.hub("hub").start();
    let ben = site.device("ben").hub(&hub).start();
    let ana = site.device("ana").clock_off("-3d").peer(&ben).start();
    let doubt = wait_for("Ana's device to doubt its clock", || doubt(&ana));
    assert_eq!(doubt["ahead"], false, "{doubt}");
    assert!(two_to_four_days(&doubt), "{doubt}");
    let words = greenline(["status", "--home", &ana.home().to_string_lossy()]).ok();
    assert!(words.contains("clock") && words.contains("behind") && words.contains("set it"), "{words}");

    let id = ana.api().capture(&Check::with_picture(1));
    wait_for("the answer", || ana.api().verdict(&id));
    assert!(ben.api().show(&id).is_some());
    assert_eq!(ben.api().status()["clock"], Value::Null, "whose clock is right has no doubt");
    assert_eq!(ben.api().status()["refused"].as_array().map(Vec::len), Some(0), "a wrong clock is no lie");

    // Set right, it has nothing to say any more.
    ana.stop();
    let ana = site.device("ana").peer(&ben).start();
    assert_eq!(ana.api().status()["clock"], Value::Null);
    let next = ana.api().capture(&Check::with_picture(2));
    wait_for("the next answer", || ana.api().verdict(&next));
    [ana, ben, hub].into_iter().for_each(Process::stop);
}

/// Set two days ahead: nothing that others write can look late, but an answer comes before its question.
#[test]
fn a_device_whose_clock_is_days_ahead_says_so_and_its_captures_are_answered() {
    let Some(site) = site() else { return };
    let hub = site.hub("hub").start();
    let ben = site.device("ben").hub(&hub).start();
    let ana = site.device("ana").clock_off("+2d").peer(&ben).start();
    let id = ana.api().capture(&Check::with_picture(1));
    wait_for("the answer", || ana.api().verdict(&id));
    let doubt = wait_for("Ana's device to doubt its clock", || doubt(&ana));
    assert_eq!(doubt["ahead"], true, "{doubt}");
    assert!(doubt["words"].as_str().is_some_and(|words| words.contains("captures are kept all the same")), "{doubt}");

    // Who follows real time isn't led astray.
    let bens = ben.api().capture(&Check::with_picture(2));
    wait_for("Ben's answer", || ben.api().verdict(&bens));
    let at = |id: &str| ben.api().show(id).unwrap()["stages"]["recorded"]["at_ms"].as_u64().unwrap();
    assert!(at(&id) - at(&bens) > 24 * 60 * 60 * 1000, "Ben's device keeps its own time");
    [ana, ben, hub].into_iter().for_each(Process::stop);
}

fn site() -> Option<Site> {
    if !tests::can_fake_time() {
        return None;
    }
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("ben", &["officer"]);
    Some(site)
}

fn doubt(device: &Process) -> Option<Value> {
    Some(device.api().status()["clock"].clone()).filter(Value::is_object)
}

fn two_to_four_days(doubt: &Value) -> bool {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    doubt["by_ms"].as_u64().is_some_and(|by_ms| (2 * DAY_MS - 1_000..4 * DAY_MS).contains(&by_ms))
}
