//! The audit trail: who was shown what, when and why, on real devices.

use std::path::Path;

use node::hub_api::NOTE_BYTES_MAX;
use serde_json::{Value, json};
use synth::Person;
use tests::{Check, Process, Ran, Site, contains, files_in, greenline, wait_for};

/// What is planted in everything about a person begins so.
const MARK: &str = "MARKERQX";

/// What came of an operation, and who was shown what of it, is told in files that anybody can check and that tell nothing of
/// the persons.
#[test]
fn an_operation_is_audited_elsewhere_from_what_its_devices_hand_out() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("chief", &["supervisor"]);
    let known = Person::new(1, 1);
    site.fill_gallery("hub", std::slice::from_ref(&known));
    let hub = site.hub("hub").start();
    let ana = site.device("ana").hub(&hub).start();
    let chief = site.device("chief").peer(&ana).start();

    // Three captures: one that is read and so erased, a candidate, and one that is taken back.
    let planted = |check: Check| check.particular("family_name", &format!("{MARK} name"));
    let [clear, candidate, withdrawn] = [Check::of(&Person::new(1, 2)), Check::of(&known), Check::with_picture(3)]
        .map(|check| ana.api().capture(&planted(check)));
    for id in [&clear, &candidate, &withdrawn] {
        wait_for("the verdict", || ana.api().verdict(id));
    }
    assert_eq!(on(&ana, &["list"], &["--operator", "Ben", "--why", "shift begins"]).code, Some(0));
    for _ in 0..3 {
        let shown = on(&ana, &["show"], &[&candidate, "--operator", "Ana Kovač", "--why", "second look"]).ok();
        assert!(shown.contains(MARK), "{shown}");
    }
    let note = format!("{MARK} note");
    let _ = on(&ana, &["edit"], &[&candidate, "--note", &note, "--link", &clear, "--operator", "Ana Kovač"]).ok();
    let _ = on(&ana, &["seen"], &[&clear]).ok();
    let _ = on(&ana, &["withdraw"], &[&withdrawn]).ok();
    assert_eq!(ana.api().with_token("wrong").get("/api/captures").status, 401);
    wait_for("the chief to read the verdict", || chief.api().verdict(&candidate));
    wait_for("all to be equal", || {
        let prints = [&ana, &chief].map(|device| device.api().status()["fingerprint"].clone());
        (prints[0] == prints[1] && hub.api().status()["sites"][0]["erased"] == 2).then_some(())
    });

    // Each hands out its trail, running or not, and each holds where nothing else is known.
    let file = |name: &str| site.path().join(name).to_string_lossy().into_owned();
    let said = on(&ana, &["audit", "export"], &[&file("ana.jsonl"), "--as", "inspector", "--why", "yearly"]).ok();
    assert!(said.contains("Wrote") && said.contains("(officer)"), "{said}");
    let _ = on(&hub, &["audit", "export"], &[&file("hub.jsonl")]).ok();
    let home = chief.home().to_string_lossy().into_owned();
    chief.stop();
    let _ = greenline(["audit", "export", "--home", &home, &file("chief.jsonl")]).ok();
    let _ = greenline(["audit", "proof", "--home", &home, "--out", &file("pack.jsonl")]).ok();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for name in ["ana.jsonl", "hub.jsonl", "chief.jsonl", "pack.jsonl"] {
        let copy = elsewhere.path().join(name);
        std::fs::copy(file(name), &copy).unwrap();
        all.push(verified(&copy));
        let text = std::fs::read(&copy).unwrap();
        assert!(!contains(&text, MARK.as_bytes()), "{name} tells of a person");
        every_line_counts(&copy);
    }
    let [anas, hubs, chiefs, pack] = all.try_into().unwrap();
    let id = anas["site"].as_str().unwrap();
    let other = greenline(["audit", "verify", "--site", &"a".repeat(52), &file("ana.jsonl")]);
    assert!(other.code == Some(1) && other.err.contains(id), "{other:?}");
    assert_eq!(greenline(["audit", "verify", "--site", id, &file("ana.jsonl")]).code, Some(0));

    // Ana's tells who was shown what, and why.
    let shown = lines(&file("ana.jsonl"), "record");
    let by_ana: Vec<&Value> =
        shown.iter().filter(|it| it["by"] == "Ana Kovač" && it["verb"] == "consultation").collect();
    assert!(by_ana.iter().all(|it| it["captures"] == json!([candidate])), "{by_ana:?}");
    let looks = by_ana.iter().filter(|it| it["why"] == "second look");
    assert_eq!(looks.map(|it| it["times"].as_u64().unwrap()).sum::<u64>(), 3, "{by_ana:?}");
    let has = |by: &str, did: &str, captures: &[&String]| {
        let fits = |it: &&Value| {
            let named = captures.iter().all(|id| it["captures"].as_array().unwrap().contains(&json!(id)));
            it["by"] == by && it["did"].as_str().unwrap().contains(did) && named
        };
        assert!(shown.iter().any(|it| fits(&it)), "{by}: {did}: {shown:#?}");
    };
    has("Ben", "verdicts in a list", &[&clear, &candidate, &withdrawn]);
    has("Ana Kovač", "linked", &[&candidate, &clear]);
    has("ana", "verdicts", &[&clear]);
    has("", "no valid token", &[]);
    has("inspector", "exported", &[]);
    assert_eq!(anas["entries"]["left_out"], 6, "the hub's receipts and verdicts: {anas}");

    // The hub's tells that it compared each once, and the chief's what everybody wrote.
    let compared = lines(&file("hub.jsonl"), "record");
    let compared: Vec<&Value> = compared.iter().filter(|it| it["verb"] == "combination").collect();
    let mut captures: Vec<&str> = compared.iter().filter_map(|it| it["captures"][0].as_str()).collect();
    captures.sort_unstable();
    let mut expected = [&clear, &candidate, &withdrawn];
    expected.sort_unstable();
    assert_eq!(captures, expected);
    assert!(compared.iter().all(|it| it["by"] == "hub" && it["why"] == "exercise"), "{compared:?}");
    let done =
        ["collection", "erasure", "disclosure", "combination"].map(|verb| chiefs["verbs"][verb].as_u64().unwrap());
    assert_eq!(done, [3, 2, 4, 3], "three receipts, and this export: {chiefs}");
    assert_eq!(hubs["entries"], chiefs["entries"], "both have all of it");

    // The pack's numbers are what was done.
    let total = &pack["counts"]["total"];
    let numbers =
        ["captured", "delivered", "answered", "seen", "open", "waiting", "erased", "erased_done", "erased_withdrawn"];
    assert_eq!(numbers.map(|name| total[name].as_u64().unwrap()), [3, 3, 3, 1, 0, 0, 2, 1, 1], "{total}");
    assert_eq!(pack["counts"]["devices"][0]["alias"], "ana");
    let page = greenline(["audit", "proof", "--home", &home]).ok();
    assert!(page.contains("ana     3         3") && page.contains("CAPTURE TO HUB"), "{page}");
    let page = greenline(["audit", "proof", "--home", &home, "--markdown", "--from", "2h"]).ok();
    assert!(page.contains("| ana | 3 | 3 | 3 |"), "{page}");
    let nothing = greenline(["audit", "proof", "--home", &home, "--json", "--to", "2h"]).ok();
    assert_eq!(serde_json::from_str::<Value>(&nothing).unwrap()["counts"]["total"]["captured"], 0);
}

/// An export of a protected home needs what opens it, and the folder tells nothing of who looked at what.
#[test]
fn a_protected_trail_opens_to_its_owner_alone() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let passphrase = site.path().join("passphrase").to_string_lossy().into_owned();
    std::fs::write(&passphrase, "gate two sticks in winter").unwrap();
    let home = site.home("ana").to_string_lossy().into_owned();
    let _ = greenline(["keystore", "protect", "--home", &home, "--new-passphrase-file", &passphrase]).ok();
    let ana = site.device("ana").arg("--passphrase-file").arg(&passphrase).start();
    let id = ana.api().capture(&Check::with_picture(1).particular("family_name", "Test"));
    let operator = format!("{MARK} operator");
    let _ = on(&ana, &["show"], &[&id, "--operator", &operator]).ok();
    let _ = on(&ana, &["lock"], &[]).ok();
    assert_eq!(ana.api().get(&format!("/api/captures/{id}")).status, 423);
    let locked = on(&ana, &["audit", "export"], &[&format!("{home}.jsonl")]);
    assert!(locked.code == Some(1) && locked.err.contains("locked"), "{locked:?}");
    ana.stop();
    for file in files_in(Path::new(&home)) {
        assert!(!contains(&std::fs::read(&file).unwrap(), MARK.as_bytes()), "{}", file.display());
    }

    let file = site.path().join("ana.jsonl").to_string_lossy().into_owned();
    let export = |args: &[&str]| greenline([&["audit", "export", "--home", &home, &file], args].concat());
    let refused = export(&[]);
    assert!(refused.code == Some(1) && refused.err.contains("passphrase") && !Path::new(&file).exists(), "{refused:?}");
    let _ = export(&["--passphrase-file", &passphrase]).ok();
    assert!(export(&["--passphrase-file", &passphrase]).err.contains("is there already"));
    let did: Vec<String> = lines(&file, "record").iter().map(|it| it["did"].as_str().unwrap().to_owned()).collect();
    let expected = [
        "put the keys under a passphrase",
        "was shown particulars",
        "locked the device",
        "the device was locked",
        "exported",
    ];
    let mut found = did.iter();
    for part in expected {
        assert!(found.any(|did| did.contains(part)), "{part}: {did:?}");
    }
    let table =
        greenline(["audit", "show", "--home", &home, "--passphrase-file", &passphrase, "--verb", "consultation"]).ok();
    assert!(table.contains(&operator) && table.contains("left out") && !table.contains("locked the device"), "{table}");
}

fn on(device: &Process, command: &[&str], rest: &[&str]) -> Ran {
    let home = device.home().to_string_lossy().into_owned();
    greenline([command, &["--home", &home], rest].concat())
}

/// What `audit verify` says of a file that holds.
fn verified(file: &Path) -> Value {
    let file = file.to_string_lossy().into_owned();
    let text = greenline(["audit", "verify", &file]).ok();
    assert!(text.starts_with(&format!("{file} holds\n")) && !text.contains(MARK), "{text}");
    serde_json::from_str(&greenline(["audit", "verify", "--json", &file]).ok()).unwrap()
}

/// The command finds a line that is left out or changed, wherever it is, and names a line.
fn every_line_counts(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let changed = file.with_extension("changed");
    for at in [0, 1, lines.len() / 2, lines.len() - 1] {
        let mut without = lines.clone();
        without.remove(at);
        let other = lines[at].replacen(|c: char| c.is_ascii_digit(), "x", 1);
        let mut with_other = lines.clone();
        with_other[at] = &other;
        for lines in [without, with_other] {
            std::fs::write(&changed, lines.join("\n") + "\n").unwrap();
            let ran = greenline(["audit", "verify", &changed.to_string_lossy()]);
            assert!(ran.code == Some(1) && ran.err.contains("line ") && ran.err.contains("Hint:"), "{ran:?}");
        }
    }
    std::fs::write(&changed, &text[..text.len() - lines[lines.len() - 1].len() - 1]).unwrap();
    let cut = greenline(["audit", "verify", &changed.to_string_lossy()]);
    assert!(cut.code == Some(1) && cut.err.contains("no signature stands there"), "{cut:?}");
}

/// The lines of a kind in an export.
fn lines(file: &str, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line["line"] == kind).collect()
}

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

/// What is done to a hub's gallery by hand is noted before it is done, whether or not the hub runs, and tells nobody's reference.
#[test]
fn what_is_done_to_a_gallery_by_hand_is_noted_and_what_can_not_be_is_not_done() {
    let site = Site::found();
    let home = site.home("hub").to_string_lossy().into_owned();
    let gallery = |command: &str, rest: &[&str]| {
        let by = ["--operator", "Ben", "--why", "list of November"];
        greenline([&["hub", "gallery", command, "--home", &home], rest, &by].concat())
    };
    let person = Person::new(1, 1);
    let (reference, print) = (person.reference(), site.path().join("print.png"));
    std::fs::write(&print, &tests::on_file(&person)[0].1).unwrap();
    let finger = format!("{}={}", tests::on_file(&person)[0].0, print.display());
    let add = || gallery("add", &["--reference", &reference, "--finger", &finger]);
    let _ = greenline(["device", "request", "--home", &home]).ok();
    let homeless = add();
    assert!(homeless.code == Some(1) && homeless.err.contains("belongs to no site"), "{homeless:?}");
    site.enrol("hub", &["hub"]);

    // By the command itself, and by the hub while it runs.
    assert!(add().ok().contains("Added 1 of 1"));
    let hub = site.hub("hub").start();
    assert!(add().ok().contains("Added 1 of 1"));
    assert!(gallery("list", &[]).ok().contains(&reference));
    assert!(gallery("remove", &[&reference]).ok().contains("Removed"));
    assert!(gallery("remove", &[&reference]).err.contains("there is no"));
    let noted = |person: &str| hub.api().post("/api/gallery/notes", &json!({"did": "added", "person": person}));
    assert_eq!(noted(&reference).status, 400);
    // The client sends it as people would write it.
    let around = serde_json::to_string_pretty(&json!({"did": "added", "person": ""})).unwrap();
    let longest = NOTE_BYTES_MAX - around.len();
    assert_eq!(noted(&"a".repeat(longest)).status, 400, "it is read, and no name");
    let longer = noted(&"a".repeat(longest + 1));
    assert!(longer.status == 413 && longer.text.contains("POST /api/gallery/notes"), "{}", longer.text);
    hub.stop();
    // The layout that the program itself makes.
    let people = site.path().join("people").join(&reference);
    std::fs::create_dir_all(&people).unwrap();
    std::fs::copy(&print, people.join(format!("finger-{}.png", tests::on_file(&person)[0].0))).unwrap();
    let people = people.parent().unwrap().to_string_lossy().into_owned();
    assert!(gallery("add", &["--from", &people]).ok().contains("Added 1 of 1"));

    let name = greenline(["hub", "gallery", "name", "--home", &home, &reference]).ok().trim().to_owned();
    let file = site.path().join("hub.jsonl").to_string_lossy().into_owned();
    let _ = greenline(["audit", "export", "--home", &home, &file]).ok();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&reference) && text.contains(&name), "{text}");
    let noted = lines(&file, "record");
    let by_ben = noted.iter().filter(|it| it["by"] == "Ben" && it["why"] == "list of November");
    let noted: Vec<[&str; 2]> = by_ben.map(|it| ["verb", "did"].map(|part| it[part].as_str().unwrap())).collect();
    let expected = [
        ["collection", &format!("added person {name} to the gallery")],
        ["alteration", &format!("replaced the prints of person {name} in the gallery")],
        ["consultation", "was shown the gallery (1 in it)"],
        ["erasure", &format!("removed person {name} from the gallery")],
        ["collection", &format!("added person {name} to the gallery")],
    ];
    assert_eq!(noted, expected);
    assert!(verified(Path::new(&file))["verbs"]["erasure"] == 1);

    // What can't be noted isn't done.
    let trail =
        files_in(Path::new(&home)).into_iter().find(|file| file.extension().is_some_and(|it| it == "trail")).unwrap();
    let mut bytes = std::fs::read(&trail).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&trail, &bytes).unwrap();
    let people = || files_in(&Path::new(&home).join("gallery")).len();
    for refused in [gallery("list", &[]), gallery("remove", &[&reference]), add()] {
        assert!(refused.code == Some(1) && refused.err.contains("audit trail"), "{refused:?}");
        assert!(refused.err.contains("a new trail begins") && refused.out.is_empty(), "{refused:?}");
    }
    assert_eq!(people(), 1, "still there");
    let hub = site.hub("hub").start();
    assert!(gallery("remove", &[&reference]).err.contains("a new trail begins"), "nor by the hub");
    assert_eq!(people(), 1);
    drop(hub);
}

/// Who locks a device, and who unlocks it, is noted as they say.
#[test]
fn who_locks_a_device_and_who_unlocks_it_is_noted() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let passphrase = site.path().join("passphrase").to_string_lossy().into_owned();
    std::fs::write(&passphrase, "gate two sticks in winter").unwrap();
    let home = site.home("ana").to_string_lossy().into_owned();
    let _ = greenline(["keystore", "protect", "--home", &home, "--new-passphrase-file", &passphrase]).ok();
    let ana = site.device("ana").arg("--passphrase-file").arg(&passphrase).start();
    let _ = on(&ana, &["lock"], &["--operator", "Ben", "--why", "end of shift"]).ok();
    let _ = on(&ana, &["unlock"], &["--operator", "Ana Kovač", "--passphrase-file", &passphrase]).ok();
    let file = site.path().join("ana.jsonl").to_string_lossy().into_owned();
    let _ = on(&ana, &["audit", "export"], &[&file]).ok();
    let done: Vec<Value> = lines(&file, "record").into_iter().filter(|it| it["verb"] == "access").collect();
    let words: Vec<[&str; 3]> =
        done.iter().map(|it| ["by", "did", "why"].map(|part| it[part].as_str().unwrap())).collect();
    assert_eq!(words, [["Ben", "locked the device", "end of shift"], ["Ana Kovač", "unlocked the device", ""]]);
}
