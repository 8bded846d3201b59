//! The authority of a site: its key under a passphrase, exported into one file, and at work again elsewhere.

use std::path::Path;

use tests::{Ran, Site, greenline};

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn an_exported_authority_is_protected_and_goes_on_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, words: &str| {
        std::fs::write(folder.path().join(name), words).unwrap();
        text(&folder.path().join(name))
    };
    let (own, cover) = (file("own", "first passphrase"), file("cover", "second passphrase"));
    let site = Site::found_with(&["--passphrase-file", &own]);
    let authority = text(&site.authority());
    let enrol = |authority: &str, opener: &str, name: &str, role: &str| -> Ran {
        let home = text(&site.home(name));
        let request = greenline(["device", "request", "--home", &home]).ok();
        let args =
            ["device", "enrol", "--site", authority, "--passphrase-file", opener, "--role", role, "--alias", name];
        greenline([args.as_slice(), &[request.trim()]].concat())
    };
    let join = |name: &str, answer: &str| {
        let _ = greenline(["device", "join", "--home", &text(&site.home(name)), answer.trim()]).ok();
    };
    join("hub", &enrol(&authority, &own, "hub", "hub").ok());
    let locked = greenline(["site", "roster", &authority]);
    assert!(locked.code == Some(1) && locked.err.contains("under a passphrase"), "{}", locked.err);

    let export = text(&folder.path().join("export"));
    let exporting = |args: &[&str]| greenline([&["site", "export", &authority, &export], args].concat());
    assert!(exporting(&["--passphrase-file", &own]).err.contains("nobody to ask"), "never without protection");
    let _ = exporting(&["--passphrase-file", &own, "--new-passphrase-file", &cover]).ok();
    assert!(exporting(&["--passphrase-file", &own, "--new-passphrase-file", &cover]).err.contains("there already"));

    let elsewhere = text(&folder.path().join("elsewhere"));
    let importing = |opener: &str| greenline(["site", "import", &export, &elsewhere, "--passphrase-file", opener]);
    let wrong = importing(&own);
    assert!(wrong.err.contains("that isn't the passphrase") && !Path::new(&elsewhere).exists(), "{}", wrong.err);
    assert!(importing(&cover).ok().contains("`Post 4`"));
    assert!(importing(&cover).err.contains("keys in"), "an authority isn't overwritten");
    let roster = |folder: &str, opener: &str| greenline(["site", "roster", folder, "--passphrase-file", opener]).ok();
    assert_eq!(roster(&elsewhere, &cover), roster(&authority, &own));

    // Certified by the copy, trusted by whoever was certified before.
    join("ana", &enrol(&elsewhere, &cover, "ana", "officer").ok());
    let hub = site.hub("hub").start();
    let ana = site.device("ana").hub(&hub).start();
    tests::wait_for("the hub to admit Ana", || (ana.api().status()["gateway"] == true).then_some(()));
}

#[test]
fn an_authority_that_nothing_protected_is_put_under_a_passphrase() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    let authority = text(&site.authority());
    let words = text(&site.path().join("words"));
    std::fs::write(&words, "first passphrase").unwrap();
    let status = |json: &str| greenline(["keystore", "status", "--site", &authority, json]).ok();
    assert!(status("--json").contains(r#""protection": "none""#));
    let _ = greenline(["keystore", "protect", "--site", &authority, "--new-passphrase-file", &words]).ok();
    assert!(status("--json").contains(r#""protection": "passphrase""#));
    assert_eq!(greenline(["site", "roster", &authority]).code, Some(1));
    assert!(greenline(["site", "roster", &authority, "--passphrase-file", &words]).ok().contains("hub"));
}
