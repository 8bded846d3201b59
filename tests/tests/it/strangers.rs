//! Who isn't a member, or isn't one any more, or isn't even a program: nothing of it stops a device or a hub, and nothing is
//! learnt from either.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use tests::{Check, Process, Site, wait_for};

#[test]
fn an_expired_device_is_told_so_and_admitted_nowhere() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let answer = site.answer("late", &["officer"], 0);
    let _ = tests::greenline(["device", "join", "--home", &site.home("late").to_string_lossy(), &answer]).ok();
    let ana = site.device("ana").start();
    ana.api().capture(&Check::with_picture(1));

    let late = site.device("late").peer(&ana).start();
    let refused = wait_for("the expired device to hear why", || note(&late, "expired"));
    assert!(refused.contains("renewal"), "{refused}");
    wait_for("Ana to note whom she didn't admit", || note(&ana, "wasn't admitted"));
    assert_eq!(late.api().status()["captures"], 0, "it learnt nothing");
    let answer = late.api().try_capture(&Check::with_picture(1)).unwrap();
    assert_eq!(answer.status, 403);
    assert!(answer.json()["next"].as_str().unwrap().contains("renewal"), "{}", answer.text);
    serves_others(&site, &ana);

    // Renewed, it was still turned away: it was taken for a stranger for ten minutes.
    late.stop();
    let renewed = site.answer("late", &["officer"], 30);
    let _ = tests::greenline(["device", "join", "--home", &site.home("late").to_string_lossy(), &renewed]).ok();
    let late = site.device("late").peer(&ana).start();
    wait_for("the renewed device to catch up", || (late.api().captures() == ana.api().captures()).then_some(()));
}

#[test]
fn a_device_of_another_site_learns_nothing() {
    let (site, other) = (Site::found(), Site::found());
    for site in [&site, &other] {
        site.enrol("hub", &["hub"]);
        site.enrol("ana", &["officer"]);
    }
    let (hub, ana) = (site.hub("hub").start(), site.device("ana").start());
    ana.api().capture(&Check::with_picture(1));
    let stranger = other.device("ana").peer(&ana).hub(&hub).start();
    wait_for("Ana to note the stranger", || note(&ana, "not a device of this site"));
    // The stranger knows no hub of this site, so it doesn't even talk to one.
    wait_for("the stranger to find no hub", || {
        let uplink = stranger.api().status()["uplink"].clone();
        (uplink["state"] != "connecting" && uplink["detail"] != "").then_some(())
    });
    assert_eq!(stranger.api().status()["captures"], 0);
    assert_eq!(stranger.api().status()["gateway"], false);
    for member in ["Post 4", "ana"] {
        assert!(!note(&stranger, "").unwrap_or_default().contains(member), "it isn't told who it met");
    }
    serves_others(&site, &ana);
}

#[test]
fn a_device_with_another_devices_membership_does_not_start() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("thief", &[]);
    std::fs::copy(membership(&site, "ana"), membership(&site, "thief")).unwrap();
    let ran = site.device("thief").try_start().err().expect("it doesn't start");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("is another device's"), "{}", ran.err);
}

#[test]
fn garbage_datagrams_and_requests_stop_nobody() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let mut hub = site.hub("hub").start();
    let mut ana = site.device("ana").hub(&hub).start();
    for address in [ana.listening(), hub.listening()] {
        flood(address);
    }
    for process in [&ana, &hub] {
        shout(process);
    }
    assert!(ana.runs() && hub.runs());
    let id = ana.api().capture(&Check::with_picture(1));
    wait_for("a verdict all the same", || ana.api().verdict(&id));
    for process in [&ana, &hub] {
        assert!(!process.logged().contains("panicked"), "{}", process.logged());
    }
    ana.stop();
    hub.stop();
}

/// Datagrams that mean nothing, and some that begin as QUIC's first packets do.
fn flood(address: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut state = 7_u64;
    for number in 0..1_000_usize {
        let mut bytes: Vec<u8> = (0..number % 1_400).map(|_| random(&mut state)).collect();
        if number % 2 == 0 {
            let first = [0xc0 | random(&mut state) & 0x0f, 0, 0, 0, 1, 8];
            bytes.splice(0..0, first);
        }
        socket.send_to(&bytes, address).unwrap();
    }
}

/// Requests that no browser would send.
fn shout(process: &Process) {
    let host = "Host: 127.0.0.1\r\n";
    let cases: [(String, &str); 8] = [
        ("\0\u{1}\u{2}garbage\r\n\r\n".into(), "400"),
        (format!("GET /api/status HTTP/1.1\r\n{host}\r\n"), "401"),
        (format!("GET /api/status HTTP/1.1\r\n{host}Authorization: Bearer wrong\r\n\r\n"), "401"),
        ("GET /api/health HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(), "403"),
        ("GET /api/health HTTP/1.1\r\n\r\n".into(), "403"),
        (format!("GET /nothing HTTP/1.1\r\n{host}\r\n"), "404"),
        (format!("DELETE /api/health HTTP/1.1\r\n{host}\r\n"), "405"),
        (format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "x".repeat(1 << 20)), "431"),
    ];
    for (request, status) in cases {
        let answer = raw(process, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{} to {:.60}: {answer}", process.name(), request);
        assert!(!answer.contains("Post 4"), "{answer}");
    }
    assert_eq!(process.api().with_token("").get("/api/status").status, 401);
    assert_eq!(process.api().get("/api/health").status, 200);
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let ana = site.device("ana").start();
    let mut image = b"P5\n".to_vec();
    image.resize(16 * 1024 * 1024 - 16, 0);
    assert_eq!(
        ana.api().try_capture(&Check::bare().image("face", image.clone())).unwrap().status,
        201,
        "16 MiB sealed"
    );
    image.push(0);
    let answer = ana.api().try_capture(&Check::bare().image("face", image.clone())).unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text);
    let all = (0..5).fold(Check::bare(), |check, finger| {
        check.image(&format!("finger-{}", finger + 1), image[..14 * 1024 * 1024].to_vec())
    });
    // It may hang up before all was sent.
    if let Ok(answer) = ana.api().try_capture(&all) {
        assert_eq!(answer.status, 413, "{}", answer.text);
    }
    assert_eq!(ana.api().status()["captures"], 1);
}

/// Whatever became of a file, a device starts or says what is wrong and what to do; it never panics, and never loses its key.
#[test]
fn damage_in_any_file_of_a_home_is_named() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let ana = site.device("ana").start();
    ana.api().capture(&Check::with_picture(1));
    ana.stop();
    let store = membership(&site, "ana").with_file_name("store");
    let files = [
        (site.home("ana").join("device.key"), true),
        (membership(&site, "ana"), true),
        (site.home("ana").join("api.token"), false),
        (store.join("store.redb"), true),
        (store.join("data.key"), true),
        (a_file_in(&store.join("blobs")), false),
    ];
    for (file, fatal) in files {
        let whole = std::fs::read(&file).unwrap();
        for (how, damaged) in damages(&whole) {
            std::fs::write(&file, &damaged).unwrap();
            let what = format!("{} {how}", file.file_name().unwrap().to_string_lossy());
            match site.device("ana").try_start() {
                Ok(process) => {
                    assert!(!fatal || how == "with one bit changed", "{what}: it runs as if nothing had happened");
                    process.kill();
                }
                Err(ran) => {
                    assert_eq!(ran.code, Some(1), "{what}: {}", ran.err);
                    let last: Vec<&str> = ran.err.lines().rev().take(2).collect();
                    assert!(last[1].starts_with("Error: ") && last[0].starts_with("Hint: "), "{what}: {}", ran.err);
                    // Of a token that wasn't text it was said that the folder isn't there.
                    let remedy = last[1].contains("remove it and a new one is made");
                    assert!(remedy || !what.starts_with("api.token"), "{what}: {}", last[1]);
                }
            }
            let log = std::fs::read(site.home("ana").with_extension("log")).unwrap();
            assert!(!String::from_utf8_lossy(&log).contains("panicked"), "{what}: {}", String::from_utf8_lossy(&log));
            std::fs::write(&file, &whole).unwrap();
        }
    }
    let ana = site.device("ana").start();
    assert_eq!(ana.api().status()["captures"], 1, "with its files back, it is as it was");
}

fn damages(whole: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let mut state = whole.len() as u64;
    let garbage = whole.iter().map(|_| random(&mut state)).collect();
    let mut changed = whole.to_vec();
    changed[whole.len() / 2] ^= 4;
    [
        ("empty", Vec::new()),
        ("full of garbage", garbage),
        ("cut in half", whole[..whole.len() / 2].to_vec()),
        ("with one bit changed", changed),
    ]
}

fn membership(site: &Site, name: &str) -> PathBuf {
    let sites = std::fs::read_dir(site.home(name).join("sites")).unwrap();
    sites.map(|entry| entry.unwrap().path()).next().unwrap().join("membership")
}

fn a_file_in(folder: &std::path::Path) -> PathBuf {
    let shelf = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::read_dir(shelf).unwrap().next().unwrap().unwrap().path()
}

/// A member is admitted and served as if nobody else were there.
fn serves_others(site: &Site, ana: &Process) {
    site.enrol("cleo", &["officer"]);
    let cleo = site.device("cleo").peer(ana).start();
    wait_for("a member to be served", || (cleo.api().status()["captures"] == 1).then_some(()));
}

/// A note on the status page that has these words.
fn note(process: &Process, words: &str) -> Option<String> {
    let notes = process.api().status()["notes"].clone();
    let notes = notes.as_array().into_iter().flatten().filter_map(|note| note["what"].as_str());
    notes.filter(|what| what.contains(words)).map(str::to_owned).next()
}

fn raw(process: &Process, request: &[u8]) -> String {
    let address = process.api().url().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // It may hang up before all was sent.
    let _ = stream.write_all(request);
    let mut answer = vec![0; 4_096];
    let len = stream.read(&mut answer).unwrap_or(0);
    String::from_utf8_lossy(&answer[..len]).into_owned()
}

fn random(state: &mut u64) -> u8 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 24) as u8
}
