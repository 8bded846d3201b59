//! The authority of a site: its key under a passphrase, exported into one file, and at work again elsewhere; and its trail.

use std::path::Path;

use serde_json::{Value, json};
use tests::{Ran, Site, contains, files_in, greenline};

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

/// What is done in an authority's folder is noted there before it is done, and handed out in a file that anybody can check.
#[test]
fn what_an_authority_does_is_noted_and_checked_elsewhere() {
    let site = Site::found_with(&["--operator", "Founder", "--why", "the post opens"]);
    let authority = text(&site.authority());
    site.enrol("hub", &["hub"]);
    let by = ["--operator", "Ben", "--why", "second shift"];
    let codes = |args: &[&str]| greenline([&["site", "codes", "--site", &authority, "--json"], args, &by].concat());
    let made: Value = serde_json::from_str(&codes(&["--role", "officer"]).ok()).unwrap();
    let code = made["codes"][0]["id"].as_str().unwrap();
    let _ = codes(&["--withdraw", code]).ok();
    let words = text(&site.path().join("words"));
    std::fs::write(&words, "first passphrase").unwrap();
    let protect = ["keystore", "protect", "--site", &authority, "--new-passphrase-file", &words];
    let _ = greenline([protect.as_slice(), &by].concat()).ok();
    let (export, elsewhere) = (text(&site.path().join("export")), text(&site.path().join("elsewhere")));
    let opened = ["--passphrase-file", &words];
    let exporting = ["site", "export", &authority, &export, "--new-passphrase-file", &words];
    let _ = greenline([exporting.as_slice(), &opened, &by].concat()).ok();
    let _ = greenline([&["site", "import", &export, &elsewhere], opened.as_slice()].concat()).ok();

    let file = text(&site.path().join("authority.jsonl"));
    let asked = ["audit", "export", "--authority", &authority, &file, "--as", "inspector"];
    let said = greenline([asked.as_slice(), &opened].concat()).ok();
    assert!(
        said.contains("audit trail of the authority at Post 4") && said.contains("(the site's authority)"),
        "{said}"
    );
    let lines: Vec<Value> =
        std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let device = lines[3]["did"].as_str().unwrap().split(' ').nth(2).unwrap();
    let hub: Value =
        serde_json::from_str(&greenline([&["site", "roster", &authority, "--json"], opened.as_slice()].concat()).ok())
            .unwrap();
    assert_eq!(hub["devices"][0]["device"], device);
    let done: Vec<[&str; 3]> =
        lines[2..9].iter().map(|line| ["by", "did", "why"].map(|part| line[part].as_str().unwrap())).collect();
    let certified = format!("certified device {device} for 30 days as hub");
    let given = format!("gave out code {code}, for a device that is certified for 365 days as officer");
    let expected = [
        ["Founder", "founded the site", "the post opens"],
        ["authority", &certified, ""],
        ["Ben", &given, "second shift"],
        ["Ben", &format!("withdrew code {code}"), "second shift"],
        ["Ben", "put the keys under a passphrase", "second shift"],
        ["Ben", "exported the authority's key", "second shift"],
        ["inspector", "exported the trail", ""],
    ];
    assert_eq!(done, expected);

    // It holds where nothing else is known, and a changed one doesn't.
    let verified: Value = serde_json::from_str(&greenline(["audit", "verify", "--json", &file]).ok()).unwrap();
    assert_eq!((&verified["by_authority"], &verified["records"]), (&json!(true), &json!({"shown": 7, "left_out": 0})));
    let changed = std::fs::read_to_string(&file).unwrap().replacen("Ben", "Bea", 1);
    std::fs::write(&file, changed).unwrap();
    let refused = greenline(["audit", "verify", &file]);
    assert!(refused.code == Some(1) && refused.err.contains("line 5"), "{refused:?}");

    // The copy's trail begins with it, and a folder tells nobody who isn't its owner.
    let show = |folder: &str, args: &[&str]| greenline([&["audit", "show", "--authority", folder], args].concat());
    let copy = show(&elsewhere, &opened).ok();
    assert!(copy.contains("made this folder of an exported key") && !copy.contains("founded"), "{copy}");
    assert!(show(&authority, &[]).err.contains("under a passphrase"));
    for file in files_in(&site.authority()) {
        assert!(!contains(&std::fs::read(&file).unwrap(), b"second shift"), "{}", file.display());
    }
}

/// Commands in one folder wait for each other: none undoes what another one did, and each is noted.
#[test]
fn commands_at_one_time_in_an_authoritys_folder_wait_for_each_other() {
    let site = Site::found();
    let authority = text(&site.authority());
    let run = |number: usize| match number {
        0..4 => greenline(["site", "codes", "--site", &authority, "--count", "5", "--role", "officer"]),
        4 => greenline(["keystore", "protect", "--site", &authority, "--no-passphrase"]),
        _ => {
            let file = text(&site.path().join("export"));
            let cover = text(&site.path().join("cover"));
            std::fs::write(&cover, "first passphrase").unwrap();
            greenline(["site", "export", &authority, &file, "--new-passphrase-file", &cover])
        }
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|number| scope.spawn(move || run(number))).collect();
        all.into_iter().for_each(|ran| drop(ran.join().unwrap().ok()));
    });
    let listed = greenline(["site", "codes", "--site", &authority, "--list", "--json"]).ok();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let aliases: std::collections::BTreeSet<&str> =
        listed["codes"].as_array().unwrap().iter().map(|code| code["alias"].as_str().unwrap()).collect();
    assert_eq!(aliases.len(), 20, "each has a name of its own");
    let trail = greenline(["audit", "show", "--authority", &authority]).ok();
    let noted =
        ["gave out code", "took the protection", "exported the authority's key"].map(|did| trail.matches(did).count());
    assert_eq!(noted, [20, 1, 1], "{trail}");
}
