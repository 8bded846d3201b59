//! The journey of a capture, from an officer who is cut off to the verdict on her screen.

use tests::{Check, Site, wait_for};

#[test]
fn smoke() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let hub = site.hub("hub").start();
    let ana = site.device("ana").hub(&hub).start();
    let id = ana.api().capture(&Check::with_picture(1));
    let verdict = wait_for("a verdict", || ana.api().verdict(&id));
    assert_eq!(verdict["value"], "inconclusive");
    ana.stop();
    hub.stop();
}
