//! Nothing personal leaves its readers: markers are planted in everything that is about a person, a whole journey is run with
//! all logs on, and then every byte that anybody wrote or said is searched for them.

use crdt::replica::Replica;
use crdt::statement::{CaptureDraft, Image, Shows};
use crdt::store::Store;
use crdt::store::redb::RedbStore;
use node::home::Home;
use serde_json::json;
use tests::{Api, Check, Site, contains, files_in, picture, wait_for};

/// What is planted begins so.
const MARK: &str = "MARKERQX";

#[test]
fn what_is_planted_in_a_capture_is_found_with_its_readers_and_nowhere_else() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("chief", &["supervisor"]);
    site.enrol("mule", &[]);
    let hub = site.hub("hub").log("trace").start();
    let ana = site.device("ana").log("trace").start();
    let chief = site.device("chief").log("trace").peer(&ana).hub(&hub).start();
    let mule = site.device("mule").log("trace").peer(&chief).start();
    wait_for("all to know each other", || (mule.api().status()["logs"] == 4).then_some(()));

    let ids: Vec<String> = (0..3).map(|number| ana.api().capture(&planted(number))).collect();
    for id in &ids {
        let edits = json!({"ops": [
            {"op": "note", "text": format!("{MARK} note")},
            {"op": "correct", "field": "family_name", "value": format!("{MARK} correction")},
            {"op": "step", "text": format!("{MARK} step")},
        ]});
        let _ = ana.api().post(&format!("/api/captures/{id}/edits"), &edits).ok();
        wait_for("the chief to read the verdict", || chief.api().verdict(id));
        let review = json!({"outcome": "undecided", "note": format!("{MARK} review")});
        let _ = chief.api().post(&format!("/api/captures/{id}/reviews"), &review).ok();
        wait_for("Ana to read the review", || {
            ana.api().show(id).filter(|capture| capture["reviews"][0]["readable"] == true)
        });
        wait_for("the mule to carry all of it", || {
            mule.api()
                .show(id)
                .filter(|capture| capture["reviews"][0]["at_ms"].is_u64() && capture["record"]["edits"] == 1)
        });
    }

    // Its readers read it: the search would find it.
    assert!(contains(ana.api().get(&format!("/api/captures/{}", ids[0])).text.as_bytes(), MARK.as_bytes()));
    // A carrier is a member: it reads what members write together, and nothing of what is sealed.
    let mut carried = mule.api().show(&ids[0]).unwrap();
    assert!(carried["record"].take().to_string().contains(MARK));
    assert!(!carried.to_string().contains(MARK), "{carried}");
    assert!(carried["particulars"].is_null() && carried["verdicts"][0]["value"].is_null());

    let mut said = Vec::new();
    for api in [ana.api(), chief.api(), mule.api(), hub.api()] {
        said.extend(["/api/status", "/api/health", "/metrics"].map(|path| api.get(path).text));
    }
    for api in [ana.api(), chief.api(), mule.api()] {
        said.extend(["/api/captures", "/api/peers"].map(|path| api.get(path).text));
    }
    said.extend(complaints(ana.api(), &ids[0]));
    said.extend(complaints(mule.api(), &ids[0]));
    for text in &said {
        assert!(!text.contains(MARK), "{text}");
    }
    [ana, chief, mule, hub].into_iter().for_each(tests::Process::stop);
    nothing_written(&site);
}

/// A device whose program was changed captures for what the site's policy doesn't allow. Its entries are sound; nobody is compared.
#[test]
fn what_was_captured_for_no_purpose_of_the_site_is_compared_with_nobody() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let hub = site.hub("hub").start();
    let ana = site.device("ana").hub(&hub).start();
    let refused = ana.api().try_capture(&Check { purpose: "curiosity".into(), ..Check::with_picture(1) }).unwrap();
    assert_eq!(refused.status, 422, "{}", refused.text);
    ana.stop();

    let home = Home::open(&site.home("ana")).unwrap();
    let at = home.site().unwrap();
    let (identity, mut membership) = home.membership(at).unwrap();
    membership.manifest.policy.purposes.push("curiosity".into());
    let folder = home.store_dir(at).unwrap();
    let store = RedbStore::open(&folder, &home.store_key(at).unwrap(), Box::new(|_| {})).unwrap();
    let mut replica = Replica::open(store, identity, membership).unwrap();
    let image = Image { shows: Shows::Finger(2), bytes: picture(1, 64).into() };
    let draft = CaptureDraft { purpose: "curiosity".into(), images: vec![image], ..CaptureDraft::default() };
    let written = replica.capture_new(gateway::driver::now_ms(), [5; 32], &draft).unwrap();
    replica.store_mut().flush().unwrap();
    drop(replica);

    let id = written.about.capture().unwrap().to_string();
    let ana = site.device("ana").hub(&hub).start();
    let answer = wait_for("the hub's answer", || ana.api().verdict(&id));
    assert_eq!(answer["value"], "inconclusive");
    assert!(answer["reason"].as_str().unwrap().contains("its purpose isn't one of this site's"), "{answer}");
    let honest = ana.api().capture(&Check::with_picture(2));
    let answer = wait_for("another answer", || ana.api().verdict(&honest));
    assert!(!answer["reason"].to_string().contains("purpose"), "{answer}");
}

/// A capture with a marker in every field that is about a person.
fn planted(number: u64) -> Check {
    let mut image = picture(number, 96);
    let middle = image.len() / 2;
    let mark = format!("{MARK} image");
    image[middle..middle + mark.len()].copy_from_slice(mark.as_bytes());
    let names = ["family_name", "given_names", "birth_date", "nationality", "document_number", "coordinates"];
    let check = Check::bare().image("finger-2", image.clone()).image("face", image);
    names
        .iter()
        .fold(check, |check, name| check.particular(name, &format!("{MARK} {name}")))
        .particular(&format!("{MARK} field"), "x")
}

/// What the API says to requests that are wrong and about somebody.
fn complaints(api: &Api, id: &str) -> Vec<String> {
    let mark = |text: &str| format!("{MARK} {text}");
    // A purpose is a code, not about a person: what isn't one is named.
    let wrong_field = Check::bare().image(&mark("field"), picture(1, 8));
    let no_image = Check::bare().image("finger-2", mark("image").into_bytes());
    let long = Check::bare().particular("note", &MARK.repeat(20_000));
    let mut said: Vec<String> =
        [wrong_field, no_image, long].iter().map(|check| api.try_capture(check).unwrap().text).collect();
    let edits = format!("/api/captures/{id}/edits");
    for ops in [
        json!([{"op": mark("op")}]),
        json!([{"op": "priority", "priority": mark("priority")}]),
        json!([{"op": "note", "text": MARK.repeat(2_000)}]),
        json!([{"op": "link", "capture": mark("link")}]),
        json!(mark("ops")),
    ] {
        let answer = api.post(&edits, &json!({"ops": ops}));
        assert!(answer.status >= 400, "{answer:?}");
        said.push(answer.text);
    }
    let reviews = format!("/api/captures/{id}/reviews");
    for body in [json!({"outcome": mark("outcome")}), json!({"outcome": "confirmed", "note": MARK.repeat(1_000)})] {
        let answer = api.post(&reviews, &body);
        assert!(answer.status >= 400, "{answer:?}");
        said.push(answer.text);
    }
    for path in [
        format!("/api/captures/{MARK}"),
        format!("/api/captures?stage={MARK}"),
        format!("/api/captures?device={MARK}"),
        format!("/api/captures?after={MARK}"),
        format!("/api/captures?limit={MARK}"),
        format!("/api/{MARK}"),
    ] {
        let answer = api.get(&path);
        assert!(answer.status >= 400, "{path}: {answer:?}");
        said.push(answer.text);
    }
    said
}

/// No file of anybody has a marker in it: stores and homes hold ciphertext, logs hold ids. No log has anybody's token.
fn nothing_written(site: &Site) {
    let files = files_in(site.path());
    let tokens: Vec<Vec<u8>> =
        files.iter().filter(|file| file.ends_with("api.token")).map(|file| std::fs::read(file).unwrap()).collect();
    assert_eq!(tokens.len(), 4);
    let mut logged = 0;
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let is_log = file.extension().is_some_and(|ending| ending == "log");
        logged += if is_log { bytes.len() } else { 0 };
        for needle in forms(MARK) {
            assert!(!contains(&bytes, &needle), "{} has {:?}", file.display(), String::from_utf8_lossy(&needle));
        }
        if is_log {
            assert!(!tokens.iter().any(|token| contains(&bytes, token)), "{} has a token", file.display());
        }
    }
    assert!(logged > 100_000, "the logs were on: {logged} bytes");
}

/// How bytes may look in a file: as they are, and as Rust's `{:?}` and hex print them.
fn forms(text: &str) -> [Vec<u8>; 3] {
    let list: Vec<String> = text.bytes().map(|b| b.to_string()).collect();
    let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
    [text.as_bytes().to_vec(), list.join(", ").into_bytes(), hex.into_bytes()]
}
