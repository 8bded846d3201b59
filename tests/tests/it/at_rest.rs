//! At rest: a copied folder without its passphrase or key file tells nothing but sizes, times and random ids.

use std::path::{Path, PathBuf};

use crdt::codec::encode;
use crdt::store::redb::RedbStore;
use crdt::store::{Direction, Store, Table};
use node::home::{Home, read_key_file};
use node::keystore::{Opener, Passphrase};
use serde_json::json;
use synth::Person;
use tests::{Check, Process, Ran, Site, contains, files_in, greenline, wait_for};

/// What is planted begins so.
const MARK: &str = "MARKERQX";
const PASSPHRASE: &str = "gate two sticks in winter";

/// A site whose authority and devices are protected: by a passphrase, and the hub by a key file.
struct Protected {
    site: Site,
    passphrase: String,
    key_file: String,
}

impl Protected {
    fn found() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let text = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let (passphrase, key_file) = (text("passphrase"), text("hub.key"));
        std::fs::write(&passphrase, format!("{PASSPHRASE}\n")).unwrap();
        let _ = greenline(["keystore", "new-key-file", &key_file]).ok();
        let purpose = format!("{MARK}-purpose");
        let site =
            Site::found_with(&["--passphrase-file", &passphrase, "--purpose", &purpose, "--purpose", "exercise"]);
        Self { site, passphrase, key_file }
    }

    fn opening(&self, name: &str) -> [&str; 2] {
        match name {
            "hub" => ["--key-file", &self.key_file],
            _ => ["--passphrase-file", &self.passphrase],
        }
    }

    fn opener(&self, name: &str) -> Opener {
        match name {
            "hub" => Opener::KeyFile(read_key_file(Path::new(&self.key_file)).unwrap()),
            _ => Opener::Passphrase(Passphrase::typed(PASSPHRASE.to_owned().into())),
        }
    }

    fn home(&self, name: &str) -> String {
        self.site.home(name).to_string_lossy().into_owned()
    }

    fn on(&self, name: &str, command: &[&str], rest: &[&str]) -> Ran {
        let home = self.home(name);
        greenline([command, &["--home", &home], &self.opening(name), rest].concat())
    }

    fn enrol(&self, name: &str, role: &str) {
        let request = self.on(name, &["device", "request"], &[]).ok();
        let site = self.site.authority().to_string_lossy().into_owned();
        let alias = format!("{MARK}-{name}");
        let enrol = ["device", "enrol", "--site", &site, "--passphrase-file", &self.passphrase];
        let answer = greenline([&enrol, ["--role", role, "--alias", &alias, request.trim()].as_slice()].concat()).ok();
        let _ = self.on(name, &["device", "join"], &[answer.trim()]).ok();
    }

    fn start(&self, name: &str, gateway_to: Option<&Process>) -> Process {
        let start = if name == "hub" { self.site.hub(name) } else { self.site.device(name) };
        let start = self.opening(name).iter().fold(start, |start, arg| start.arg(arg));
        gateway_to.map_or(start.clone(), |hub| start.hub(hub)).start()
    }

    /// The bytes that only the protected part of a home may tell: who belongs, and with what key members write.
    fn secrets(&self, name: &str) -> Vec<Vec<u8>> {
        let home = Home::unlock(Path::new(&self.home(name)), &self.opener(name)).unwrap();
        let site = home.site().unwrap();
        let (_, membership) = home.membership(site).unwrap();
        let group_key = encode(&membership.group_keys[0]);
        let devices = ["hub", "ana"].map(|name| {
            let home = Home::unlock(Path::new(&self.home(name)), &self.opener(name)).unwrap();
            home.request().unwrap().device.0.to_vec()
        });
        [vec![site.0.to_vec(), group_key], devices.to_vec()].concat()
    }
}

#[test]
fn a_copied_folder_without_what_opens_it_tells_nothing() {
    let site = Protected::found();
    site.enrol("hub", "hub");
    site.enrol("ana", "officer");
    let known = Person::new(1, 1);
    let mut add = vec!["--reference".to_owned(), format!("{MARK}-1")];
    for (finger, file) in prints(&site.site, &known) {
        add.extend(["--finger".to_owned(), format!("{finger}={}", file.display())]);
    }
    let _ = site.on("hub", &["hub", "gallery", "add"], &add.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    let hub = site.start("hub", None);
    let ana = site.start("ana", Some(&hub));
    let check = Check::of(&known).particular("family_name", &format!("{MARK} name"));
    let check = Check { purpose: format!("{MARK}-purpose"), ..check };
    let id = ana.api().capture(&check);
    let ops = json!({"ops": [{"op": "note", "text": format!("{MARK} note")}]});
    let _ = ana.api().post(&format!("/api/captures/{id}/edits"), &ops).ok();
    let handover = json!({"ops": [{"op": "handover", "text": format!("{MARK} handover")}]});
    let _ = ana.api().post("/api/site/edits", &handover).ok();
    let verdict = wait_for("the verdict", || ana.api().verdict(&id));
    assert_eq!(verdict["value"], "candidate");
    let shown = ana.api().get(&format!("/api/captures/{id}")).text;
    assert!(shown.contains(&format!("{MARK} name")) && shown.contains(&format!("{MARK} note")), "they are there");

    // Copied while it runs, and after it has stopped.
    let secrets = site.secrets("ana");
    let tells = |when: &str| {
        for folder in [site.site.home("ana"), site.site.home("hub"), site.site.authority()] {
            let told: Vec<String> = secrets.iter().filter_map(|secret| found(&folder, secret)).collect();
            assert_eq!(told, Vec::<String>::new(), "{when}: {}", folder.display());
            assert_eq!(found(&folder, MARK.as_bytes()), None, "{when}: {}", folder.display());
        }
    };
    tells("running");
    ana.stop();
    hub.stop();
    tells("stopped");

    // Who has the passphrase or the key file reads all of it: the search can fail.
    for name in ["ana", "hub"] {
        let opened = opened(Path::new(&site.home(name)), &site.opener(name));
        for secret in secrets.iter().chain([&format!("{MARK}-purpose").into_bytes()]) {
            assert!(contains(&opened, secret), "{name}");
        }
    }
    let listed = site.on("hub", &["hub", "gallery", "list"], &[]).ok();
    assert!(listed.contains(&format!("{MARK}-1")), "{listed}");
}

/// Without protection, whoever copies the folder opens it; that too is what the search finds.
#[test]
fn a_folder_that_nothing_protects_is_the_device() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let home = site.home("ana");
    let opened = opened(&home, &Opener::Nothing);
    let device = Home::open(&home).unwrap().request().unwrap().device.0;
    assert!(contains(&opened, &device));
    let path = home.to_string_lossy().into_owned();
    let status = greenline(["keystore", "status", "--home", &path]).ok();
    assert!(status.contains("Nothing protects the keys"), "{status}");
    let ana = site.device("ana").start();
    assert!(ana.logged().contains("nothing protects this device's keys"), "{}", ana.logged());
}

#[test]
fn protection_is_put_on_changed_and_needed_from_then_on() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let ana = site.device("ana").start();
    let id = ana.api().capture(&Check::with_picture(1));
    let home = site.home("ana").to_string_lossy().into_owned();
    let file = |name: &str, text: &str| {
        let path = site.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let (first, second, short) = (file("first", PASSPHRASE), file("second", "other words\n"), file("short", "seven77"));
    let protect = |args: &[&str]| greenline([&["keystore", "protect", "--home", &home], args].concat());

    let running = protect(&["--new-passphrase-file", &first]);
    assert_eq!(running.code, Some(1), "a device runs on it");
    assert!(running.err.contains("in use"), "{}", running.err);
    ana.stop();
    let seed = std::fs::read_to_string(site.home("ana").join("device.key")).unwrap();
    let _ = protect(&["--new-passphrase-file", &first]).ok();
    assert!(protect(&["--new-passphrase-file", &second]).err.contains("under a passphrase"), "it needs the old one");
    let wrong = protect(&["--passphrase-file", &second, "--new-passphrase-file", &second]);
    assert!(wrong.err.contains("that isn't the passphrase") && wrong.err.contains("nothing is lost"), "{}", wrong.err);
    let weak = protect(&["--passphrase-file", &first, "--new-passphrase-file", &short]);
    assert!(weak.err.contains("8 characters"), "{}", weak.err);
    let refused = site.device("ana").try_start().err().unwrap();
    assert!(refused.err.contains("under a passphrase") && refused.err.contains("Hint:"), "{}", refused.err);
    let kept = std::fs::read_to_string(site.home("ana").join("device.key")).unwrap();
    assert!(kept != seed && !kept.contains(seed.lines().nth(1).unwrap()));

    let _ = protect(&["--passphrase-file", &first, "--new-passphrase-file", &second]).ok();
    let status = greenline(["keystore", "status", "--json", "--home", &home]).ok();
    assert!(status.contains(r#""protection": "passphrase""#) && status.contains("65536"), "{status}");
    assert!(site.device("ana").arg("--passphrase-file").arg(&first).try_start().is_err());
    let ana = site.device("ana").arg("--passphrase-file").arg(&second).start();
    assert_eq!(ana.api().show(&id).unwrap()["stage"], "recorded");
    // Who only talks to the running device needs no passphrase.
    assert!(greenline(["list", "--home", &home]).ok().contains(&id[..8]));
    ana.stop();

    let key_file = site.path().join("ana.key").to_string_lossy().into_owned();
    let _ = greenline(["keystore", "new-key-file", &key_file]).ok();
    assert_eq!(greenline(["keystore", "new-key-file", &key_file]).code, Some(1), "keys aren't overwritten");
    let _ = protect(&["--passphrase-file", &second, "--new-key-file", &key_file]).ok();
    site.device("ana").arg("--key-file").arg(&key_file).start().stop();
    let _ = protect(&["--key-file", &key_file, "--no-passphrase"]).ok();
    let ana = site.device("ana").start();
    assert_eq!(ana.api().show(&id).unwrap()["stage"], "recorded", "it is still the same device");
}

/// The file was there, and the command said that it failed.
#[test]
fn a_file_may_be_named_without_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run =
        tests::command().args(["keystore", "new-key-file", "hub.key"]).current_dir(folder.path()).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    assert!(read_key_file(&folder.path().join("hub.key")).is_ok());
}

#[test]
fn new_keys_without_anybody_to_ask_need_a_word() {
    let site = Site::found();
    let ask = |args: &[&str]| {
        let home = site.home("fresh").to_string_lossy().into_owned();
        let run =
            tests::command().args([args, &["--home", &home]].concat()).env_remove("GREENLINE_NO_PASSPHRASE").output();
        Ran::from(run.unwrap())
    };
    let refused = ask(&["device", "request"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("need a passphrase") && refused.err.contains("--no-passphrase"), "{}", refused.err);
    assert!(!site.home("fresh").exists(), "nothing was made");
    assert!(ask(&["device", "request", "--no-passphrase"]).ok().starts_with("greenline-request:"));
}

/// Everything that a folder's keys open: membership and rows.
fn opened(dir: &Path, opener: &Opener) -> Vec<u8> {
    let home = Home::unlock(dir, opener).unwrap();
    let site = home.site().unwrap();
    let (identity, membership) = home.membership(site).unwrap();
    let mut all =
        [encode(&membership.manifest), encode(&membership.group_keys), encode(&identity.certificate)].concat();
    let folder = home.store_dir(site).unwrap();
    if folder.is_dir() {
        let store = RedbStore::open(&folder, &home.store_key(site).unwrap(), Box::new(|_| {})).unwrap();
        for table in Table::ALL {
            for (key, value) in store.scan(table, &[], &[u8::MAX; 40], Direction::Up, usize::MAX).unwrap() {
                all.extend([key, value].concat());
            }
        }
    }
    all
}

/// Where a folder tells a secret: in a file's name or bytes, as they are, as text of any usual form, or inside such a text.
fn found(folder: &Path, secret: &[u8]) -> Option<String> {
    let base32 = data_encoding::BASE32_NOPAD.encode(secret);
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let forms = [secret.to_vec(), base32.clone().into_bytes(), base32.to_lowercase().into_bytes(), hex.into_bytes()];
    files_in(folder).into_iter().find_map(|file| {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.to_string_lossy().into_owned().into_bytes();
        let inside: Vec<Vec<u8>> = String::from_utf8_lossy(&bytes)
            .split_whitespace()
            .filter_map(|word| data_encoding::BASE32_NOPAD.decode(word.to_uppercase().as_bytes()).ok())
            .collect();
        let mut texts = [bytes, name].into_iter().chain(inside);
        let told = texts.any(|text| forms.iter().any(|form| contains(&text, form)));
        told.then(|| file.display().to_string())
    })
}

fn prints(site: &Site, person: &Person) -> Vec<(u8, PathBuf)> {
    let on_file = tests::on_file(person);
    let mut files = Vec::new();
    for (finger, png) in on_file {
        let file = site.path().join(format!("{finger}.png"));
        std::fs::write(&file, png).unwrap();
        files.push((finger, file));
    }
    files
}
