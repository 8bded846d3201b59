//! What the command prints is a contract: whole pages of it are kept in `snapshots/` and compared.
//!
//! After a change that is meant, `UPDATE=1 cargo test` writes them anew, and their difference is reviewed like any other.

use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use synth::Person;
use tests::{Check, Process, Ran, Site, command, greenline, picture, wait_for};

#[test]
fn every_command_explains_itself() {
    let mut page = String::new();
    for path in commands(&[]) {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let ran = greenline(&words);
        assert!(ran.code == Some(0) && ran.err.is_empty(), "{words:?}: {}", ran.err);
        let _ = write!(page, "$ greenline {}\n{}\n", words.join(" "), ran.out);
    }
    assert!(page.matches("$ greenline").count() > 20, "all commands were found");
    compare("help.txt", &page);
}

/// A command and all those below it, from what `--help` lists.
fn commands(path: &[String]) -> Vec<Vec<String>> {
    let help = greenline(path.iter().map(String::as_str).chain(["--help"])).ok();
    let listed = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    let listed = listed.lines().take_while(|line| line.starts_with("  "));
    let names = listed.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let mut all = vec![path.to_vec()];
    for name in names {
        all.extend(commands(&[path, &[name.to_owned()]].concat()));
    }
    all
}

#[test]
fn errors_say_what_happened_and_what_to_do() {
    let site = Site::found();
    let other = Site::found();
    for site in [&site, &other] {
        site.enrol("hub", &["hub"]);
        site.enrol("ana", &["officer"]);
    }
    let path = |name: &str| site.path().join(name).to_string_lossy().into_owned();
    let (ana, hub, fresh, authority) = (path("ana"), path("hub"), path("fresh"), path("authority"));
    let print = path("print.pgm");
    std::fs::write(&print, picture(1, 16)).unwrap();
    std::fs::write(path("text.png"), "no image").unwrap();
    let mut page = Page::new(&site);

    page.title("a folder that is none, belongs nowhere, or has nothing running");
    page.fails(1, &["list", "--home", &path("nowhere")]);
    page.fails(1, &["run", "--home", &path("nowhere")]);
    let request = greenline(["device", "request", "--home", &fresh]).ok().trim().to_owned();
    page.fails(1, &["run", "--home", &fresh]);
    page.fails(1, &["hub", "run", "--home", &fresh]);
    page.fails(1, &["list", "--home", &ana]);
    page.fails(1, &["hub", "status", "--home", &hub]);

    page.title("requests and answers");
    let answer = site.answer("ana", &["officer"], 30);
    let enrol = |request: &str| {
        ["device", "enrol", "--site", &authority, "--role", "officer", "--alias", "x", request].map(str::to_owned)
    };
    page.fails(1, &enrol("hello"));
    page.fails(1, &enrol(&answer));
    page.fails(1, &enrol(&request[..request.len() - 2]));
    page.fails(1, &["device", "join", "--home", &ana, &request]);
    page.fails(1, &["device", "join", "--home", &ana, &damaged(&answer)]);
    page.fails(1, &["device", "join", "--home", &fresh, &answer]);
    page.fails(1, &["device", "enrol", "--site", &path("nowhere"), "--role", "hub", "--alias", "x", &request]);
    page.fails(1, &["device", "enrol", "--site", &authority, "--role", "hub", "--alias", "", &request]);
    page.fails(1, &["site", "new", &authority, "--name", "Post 5"]);
    page.fails(1, &["site", "roster", &ana]);

    page.title("a capture that can't be");
    let running = site.device("ana").start();
    let capture = |purpose: &str, finger: &str| {
        ["capture", "--home", &ana, "--purpose", purpose, "--finger", finger].map(str::to_owned)
    };
    page.fails(1, &capture("tourism", &format!("2={print}")));
    page.fails(1, &capture("exercise", &format!("2={}", path("missing.png"))));
    page.fails(1, &capture("exercise", &format!("2={}", path("text.png"))));
    page.fails(1, &["capture", "--home", &ana, "--purpose", "exercise"]);
    page.fails(2, &capture("exercise", &format!("11={print}")));
    page.fails(2, &capture("exercise", "index.png"));
    page.fails(2, &["capture", "--home", &ana]);

    page.title("a capture that isn't there, or isn't ready");
    let id = running.api().capture(&Check::with_picture(1));
    let unknown = "a".repeat(26);
    page.fails(1, &["show", "--home", &ana, &unknown]);
    page.fails(1, &["show", "--home", &ana, "zz"]);
    page.fails(1, &["show", "--home", &ana, &"9".repeat(26)]);
    page.fails(1, &["seen", "--home", &ana, &id]);
    page.fails(1, &["withdraw", "--home", &ana, &id, "--reason", "ordered"]);
    page.fails(1, &["withdraw", "--home", &ana, &unknown]);
    page.fails(2, &["withdraw", "--home", &ana, &id, "--reason", "because"]);
    page.fails(1, &["review", "--home", &ana, &id, "--outcome", "confirmed"]);
    page.fails(1, &["edit", "--home", &ana, &id, "--priority", "soon"]);
    page.fails(2, &["edit", "--home", &ana, &id]);
    page.fails(1, &["list", "--home", &ana, "--stage", "lost"]);
    page.fails(2, &["list", "--home", &ana, "--since", "soon"]);
    page.fails(1, &["shift", "--home", &ana, "--done", "zz"]);
    page.fails(1, &["shift", "--home", &ana, "--task", "for a supervisor to say"]);
    page.fails(2, &["shift", "--home", &ana, "--post", "gate 1"]);
    page.fails(1, &["peers", "--home", &ana, "--dial", "somewhere"]);

    page.title("what can't run");
    page.fails(1, &["run", "--home", &ana]);
    page.fails(1, &["run", "--home", &fresh, "--log", "every=thing=possible"]);
    page.fails(1, &["hub", "gallery", "add", "--home", &hub, "--reference", "P-1", "--finger", &format!("2={print}")]);
    page.fails(1, &["hub", "gallery", "remove", "--home", &hub, "P-1"]);
    page.fails(2, &["fly"]);
    page.fails(2, &["list", "--limit", "many"]);
    assert!(page.unhelpful.is_empty(), "no hint:\n{}", page.unhelpful.concat());
    compare("errors.txt", &page.text);
}

/// A text of enrolment with one wrong character, as copying by hand makes.
fn damaged(text: &str) -> String {
    let at = text.len() - 30;
    let other = if text.as_bytes()[at] == b'a' { 'b' } else { 'a' };
    [&text[..at], &other.to_string(), &text[at + 1..]].concat()
}

/// Commands and what came of them, with what differs between runs taken out.
struct Page {
    text: String,
    taken_out: Vec<(String, &'static str)>,
    /// Those that don't say what to do.
    unhelpful: Vec<String>,
}

impl Page {
    fn new(site: &Site) -> Self {
        let taken_out = vec![(site.path().to_string_lossy().into_owned(), "FOLDER")];
        Self { text: String::new(), taken_out, unhelpful: Vec::new() }
    }

    fn title(&mut self, title: &str) {
        let _ = writeln!(self.text, "# {title}\n");
    }

    /// A command that must fail with this code, and say why on stderr only.
    fn fails<S: AsRef<str>>(&mut self, code: i32, args: &[S]) {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let ran = greenline(&args);
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{args:?}: {}", ran.err);
        assert!(!ran.err.contains("panicked"), "{args:?}: {}", ran.err);
        let shown = self.normal(&format!("$ greenline {}\n{}[exit {code}]\n\n", args.join(" "), ran.err));
        if code == 1 && !(ran.err.contains("Error: ") && ran.err.contains("\nHint: ")) {
            self.unhelpful.push(shown.clone());
        }
        self.text.push_str(&shown);
    }

    /// Without folders, ids, texts of enrolment, ports and times of the log.
    fn normal(&self, text: &str) -> String {
        let text = self.taken_out.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let mut normal = String::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let inside = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ':' || c == '-';
            let len = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            if len == 0 {
                let other = rest.chars().next().map_or(0, char::len_utf8);
                normal.push_str(&rest[..other]);
                rest = &rest[other..];
                continue;
            }
            normal.push_str(&plain_word(&rest[..len]));
            rest = &rest[len..];
        }
        normal
    }
}

#[test]
fn scenarios_are_listed_played_and_refused_in_words() {
    let site = Site::found();
    let path = |name: &str| site.path().join(name).to_string_lossy().into_owned();
    let mut page = Page::new(&site);
    for words in [["sim", "scenarios"].as_slice(), &["sim", "scenarios", "--profiles"]] {
        let _ = write!(page.text, "$ greenline {}\n{}\n", words.join(" "), greenline(words).ok());
    }
    page.title("what is wrong with a scenario");
    let copy = greenline(["sim", "scenarios", "--show", "stonebrood"]).ok();
    std::fs::write(path("wrong.toml"), copy.replace("count = 2", "cuont = 2")).unwrap();
    std::fs::write(path("copy.toml"), &copy).unwrap();
    page.fails(1, &["sim", "run", "stonebrod"]);
    page.fails(1, &["sim", "run", &path("nowhere.toml")]);
    page.fails(1, &["sim", "run", &path("wrong.toml")]);
    page.fails(1, &["sim", "run", "stonebrood", "--set", "contacts.radio=bel"]);
    page.fails(1, &["sim", "run", "stonebrood", "--set", "contacts.radio"]);
    page.fails(1, &["sim", "scenarios", "--show", "nothing"]);
    page.fails(2, &["sim", "run", "stonebrood", "--seeds", "0"]);
    assert!(page.unhelpful.is_empty(), "{}", page.unhelpful.join("\n"));
    compare("scenarios.txt", &page.text);

    // What is copied plays as the original does, on any number of cores, and what is set makes it another.
    let day = ["--set", "lasts=2 d", "--set", "captures.at-the-post.total=9", "--seeds", "2", "--json"];
    let played = |scenario: &str, more: &[&str]| {
        let told = greenline([["sim", "run", scenario].as_slice(), &day, more].concat()).ok();
        serde_json::from_str::<Value>(&told).unwrap()
    };
    let (original, copied) = (played("stonebrood", &[]), played(&path("copy.toml"), &[]));
    assert_eq!(original, copied);
    assert_ne!(original["runs"], played("stonebrood", &["--set", "contacts.radio=ble"])["runs"]);
    let runs = original["runs"].as_array().unwrap();
    assert_eq!(runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    let by_run = |key: &str| original["measures"][key]["by_run"].clone();
    assert_eq!([by_run("impossible"), by_run("captures")], [json!([0.0, 0.0]), json!([23.0, 23.0])]);
    assert!(original["measures"]["delivered"]["half_width_95"].is_number());
    let told = greenline(["sim", "run", "stonebrood", "--set", "lasts=2 d"]).ok();
    assert!(told.contains("13 devices") && told.contains("AT BEST"), "{told}");
}

/// A word, or what kind of thing it is if it differs between runs.
fn plain_word(word: &str) -> String {
    let base32 = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b));
    let is_time = word.starts_with("20") && word.contains('T') && word.ends_with('Z');
    let one_letter = word.bytes().all(|b| Some(&b) == word.as_bytes().first());
    match word.split_once(':') {
        Some((kind @ ("greenline-request" | "greenline-answer"), rest)) if !rest.is_empty() => format!("{kind}:..."),
        Some(("127.0.0.1", port)) if port.parse::<u16>().is_ok() => "127.0.0.1:PORT".into(),
        _ if is_time => "TIME".into(),
        _ if word.len() == 26 && base32(word) && !one_letter => "CAPTURE".into(),
        _ if word.len() == 52 && base32(word) => "DEVICE".into(),
        _ => word.to_owned(),
    }
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let (kept_lines, lines): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), text.lines().collect());
    let differs = (0..kept_lines.len().max(lines.len())).find(|at| kept_lines.get(*at) != lines.get(*at));
    if let Some(at) = differs {
        let (was, is) = (kept_lines.get(at).unwrap_or(&"(end)"), lines.get(at).unwrap_or(&"(end)"));
        panic!("snapshots/{name}:{}\n  was: {was}\n  is:  {is}\nUPDATE=1 keeps what is", at + 1);
    }
}

#[test]
fn a_shift_leaves_word_for_the_next() {
    let site = Site::found();
    let path = |name: &str| site.path().join(name).to_string_lossy().into_owned();
    for (name, role) in [("hub", "hub"), ("ana", "officer"), ("chief", "supervisor")] {
        site.enrol(name, &[role]);
    }
    let ana = site.device("ana").start();
    let _chief = site.device("chief").peer(&ana).start();
    let shift = |name: &str, args: &[&str]| greenline(["shift", "--home", &path(name)].iter().chain(args)).ok();
    assert_eq!(shift("ana", &[]), "Nothing is written yet.\n");
    shift("chief", &["--post", "gate 1=Ana, Ben", "--task", "fetch batteries"]);
    let task = wait_for("Ana to read the task", || {
        let read: Value = serde_json::from_str(&shift("ana", &["--json"])).unwrap();
        read["tasks"][0]["id"].as_str().map(str::to_owned)
    });
    let said = shift("ana", &["--done", &task[..8], "--handover", "gate 2 sticks"]);
    for line in ["gate 1: Ana, Ben  (chief", "gate 2 sticks  (ana", "fetch batteries  (chief", "done by ana"] {
        assert!(said.contains(line), "no `{line}` in\n{said}");
    }
}

#[test]
fn every_command_that_answers_answers_in_json_too() {
    let site = Site::found();
    let path = |name: &str| site.path().join(name).to_string_lossy().into_owned();
    let (hub, ana, chief) = (path("hub"), path("ana"), path("chief"));
    let new = path("new");
    has(&["site", "new", &new, "--name", "Post 5"], &["site", "name", "folder"]);
    has(&["site", "roster", &new], &["site", "devices"]);
    let request = has(&["device", "request", "--home", &path("tablet")], &["device", "request"]);
    let request = request["request"].as_str().unwrap().to_owned();
    let enrolled = has(
        &["device", "enrol", "--site", &new, "--role", "officer", "--alias", "tablet", &request],
        &["device", "alias", "roles", "not_after_ms", "answer"],
    );
    let answer = enrolled["answer"].as_str().unwrap();
    has(&["device", "join", "--home", &path("tablet"), answer], &["site", "name", "alias", "roles", "not_after_ms"]);

    let known = Person::new(1, 1);
    for (name, role) in [("hub", "hub"), ("ana", "officer"), ("chief", "supervisor")] {
        site.enrol(name, &[role]);
    }
    site.fill_gallery("hub", &[known]);
    let people = path("people");
    has(&["synth", "people", "--count", "1", "--out", &people], &["people"]);
    has(&["hub", "gallery", "add", "--home", &hub, "--from", &people], &["added", "failed"]);
    has(&["hub", "gallery", "list", "--home", &hub], &["people", "damaged"]);
    has(&["hub", "gallery", "remove", "--home", &hub, "P-0000"], &["removed"]);

    let at_hub = site.hub("hub").start();
    let at_ana = site.device("ana").hub(&at_hub).start();
    let at_chief = site.device("chief").peer(&at_ana).start();
    wait_for("the hub to know the chief", || (at_ana.api().status()["logs"] == 3).then_some(()));
    has(&["peers", "--home", &ana], &["connected", "known"]);
    has(
        &["status", "--home", &ana],
        &["device", "site", "gateway", "uplink", "captures", "open", "missing", "peers", "frozen", "refused", "notes"],
    );
    has(&["hub", "status", "--home", &hub], &["device", "listening", "screener", "screened", "strangers", "sites"]);
    let print = site.path().join("print-2.png");
    let recorded = has(
        &["capture", "--home", &ana, "--purpose", "exercise", "--finger", &format!("2={}", print.display())],
        &["id", "stage", "at_ms"],
    );
    let id = recorded["id"].as_str().unwrap();
    has(&["list", "--home", &ana], &["captures", "next"]);
    assert_eq!(has(&["list", "--home", &ana, "--until", "1h"], &["captures"])["captures"], json!([]));
    assert_ne!(has(&["list", "--home", &ana, "--since", "1h"], &["captures"])["captures"], json!([]));
    has(&["shift", "--home", &ana, "--handover", "the gate sticks"], &["roster", "handover", "tasks"]);
    has(&["edit", "--home", &ana, id, "--note", "waits"], &["edits", "notes", "steps", "links", "withdrawn"]);
    wait_for("the chief's verdict", || at_chief.api().verdict(id));
    has(&["review", "--home", &chief, id, "--outcome", "confirmed"], &["id", "outcome"]);
    wait_for("Ana's verdict", || at_ana.api().verdict(id));
    assert_eq!(has(&["seen", "--home", &ana, id], &["id", "verdicts"])["erased"], false);
    let whole = has(
        &["show", "--home", &ana, id],
        &[
            "id",
            "device",
            "purpose",
            "priority",
            "stage",
            "stages",
            "images",
            "particulars",
            "verdicts",
            "reviews",
            "record",
        ],
    );
    assert_eq!(whole["verdicts"][0]["value"], "candidate");
    has(&["withdraw", "--home", &chief, id, "--reason", "ordered"], &["id", "reason"]);
    wait_for("Ana to hear of it", || at_ana.api().show(id).filter(|it| it["stage"] == "erased"));
    let erased = has(&["list", "--home", &ana, "--stage", "erased"], &["captures"]);
    assert_eq!(erased["captures"][0]["id"], json!(id));
    events(&site, &at_ana);
}

/// Runs a command with `--json`; what it prints must be one object with these members.
fn has(args: &[&str], members: &[&str]) -> Value {
    let printed = greenline(args.iter().copied().chain(["--json"])).ok();
    let value: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{args:?}: {error} in {printed}"));
    for member in members {
        assert!(value.get(member).is_some(), "{args:?} has no `{member}`: {printed}");
    }
    value
}

/// `watch` prints one object a line, as things happen.
fn events(site: &Site, device: &Process) {
    let out = site.path().join("watch.out");
    let mut watch = command();
    watch.args(["watch", "--json", "--home"]).arg(device.home());
    let mut watch = watch.stdin(Stdio::null()).stdout(std::fs::File::create(&out).unwrap()).spawn().unwrap();
    let line = wait_for("an event", || {
        let _ = device.api().capture(&Check::with_picture(9));
        std::fs::read_to_string(&out).unwrap().lines().next().map(str::to_owned)
    });
    let _ = watch.kill();
    let _ = watch.wait();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["event"], json!("capture"));
    assert!(event["data"]["id"].is_string(), "{line}");
}

#[test]
fn shells_can_complete() {
    for shell in ["bash", "zsh", "fish"] {
        let script = greenline(["completions", shell]).ok();
        assert!(script.contains("greenline") && script.contains("capture"), "{shell}");
        assert!(!script.contains("\u{1b}["), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    let roster: Vec<String> = ["site", "roster", &site.authority().to_string_lossy()].map(str::to_owned).to_vec();
    let many: [Vec<String>; 3] = [words("--help"), words("completions zsh"), roster];
    for args in many {
        let mut child = command();
        let child = child.args(&args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{args:?}");
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
