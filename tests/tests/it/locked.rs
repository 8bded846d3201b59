//! A device that its officer left alone: it locks, goes on carrying, and opens to whoever shows what opens its keys.

use serde_json::{Value, json};
use tests::{Check, Process, Site, greenline, wait_for};

const PASSPHRASE: &str = "gate two sticks in winter";

/// A site with Ana's device under a passphrase, in the file whose path is returned.
fn site() -> (Site, String) {
    let site = Site::found();
    let file = site.path().join("passphrase");
    std::fs::write(&file, PASSPHRASE).unwrap();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    site.enrol("ben", &["officer"]);
    let home = site.home("ana").to_string_lossy().into_owned();
    let file = file.to_string_lossy().into_owned();
    let _ = greenline(["keystore", "protect", "--home", &home, "--new-passphrase-file", &file]).ok();
    (site, file)
}

fn lock(process: &Process) -> Value {
    process.api().status()["lock"].clone()
}

#[test]
fn a_locked_device_answers_nobody_and_goes_on_carrying() {
    let (site, passphrase) = site();
    let home = site.home("ana").to_string_lossy().into_owned();
    let hub = site.hub("hub").start();
    let ana = site.device("ana").arg("--passphrase-file").arg(&passphrase).hub(&hub).start();
    assert_eq!(lock(&ana), json!({"locked": false, "wrong_tries": 0, "lock_after_s": 900}));
    let unlock = |file: &str| greenline(["unlock", "--home", &home, "--passphrase-file", file]);
    assert!(unlock(&passphrase).err.contains("isn't locked"));
    let watching = std::thread::scope(|scope| {
        let watching = scope.spawn(|| greenline(["watch", "--home", &home]));
        wait_for("the lock to end the watch", || {
            // Until the watch has begun, there is nothing to end: lock again and again.
            let _ = greenline(["lock", "--home", &home]).ok();
            let ended = watching.is_finished();
            let _ = (!ended).then(|| unlock(&passphrase));
            ended.then_some(())
        });
        watching.join().unwrap()
    });
    assert!(watching.err.contains("locked"), "{}", watching.err);
    assert_eq!(lock(&ana)["locked"], true);

    for (method, path) in [("get", "/api/captures"), ("get", "/api/peers"), ("post", "/api/site/edits"), ("get", "/")] {
        let answer = if method == "get" { ana.api().get(path) } else { ana.api().post(path, &json!({})) };
        assert_eq!(answer.status, 423, "{path}: {}", answer.text);
        assert!(answer.text.contains("greenline unlock"), "{}", answer.text);
    }
    assert_eq!(ana.api().get("/api/health").status, 200);
    assert!(ana.api().get("/metrics").text.contains("\ngreenline_locked 1\n"));
    let listed = greenline(["list", "--home", &home]);
    assert!(
        listed.code == Some(1) && listed.err.contains("locked") && listed.err.contains("Hint: run `greenline unlock`")
    );
    let status = greenline(["status", "--home", &home]).ok();
    assert!(status.contains("LOCKED"), "{status}");

    // Ben's capture goes out through Ana's locked device, and its answer comes back.
    let ben = site.device("ben").peer(&ana).start();
    let id = ben.api().capture(&Check::with_picture(1));
    wait_for("Ben's verdict", || ben.api().verdict(&id));
    assert_eq!(ana.api().status()["captures"], 1);
    assert_eq!(lock(&ana)["locked"], true);

    let wrong = site.path().join("wrong");
    std::fs::write(&wrong, "other words").unwrap();
    let wrong = unlock(&wrong.to_string_lossy());
    assert!(wrong.err.contains("that isn't the passphrase"), "{}", wrong.err);
    assert_eq!(lock(&ana)["wrong_tries"], 1);
    assert!(ana.api().get("/metrics").text.contains("\ngreenline_unlock_wrong_total 1\n"));
    wait_for("the wait after a wrong try to be over", || (unlock(&passphrase).code == Some(0)).then_some(()));
    assert_eq!(lock(&ana), json!({"locked": false, "wrong_tries": 1, "lock_after_s": 900}));
    let own = ana.api().capture(&Check::with_picture(2));
    let verdict = wait_for("Ana to read her verdict", || ana.api().verdict(&own));
    assert_eq!(verdict["value"], "inconclusive");
}

/// What came while the device was locked is read after it was unlocked, and not before.
#[test]
fn a_device_locks_when_its_officer_is_idle_and_its_page_unlocks_it() {
    let (site, passphrase) = site();
    let ana = site.device("ana").arg("--passphrase-file").arg(&passphrase).arg("--lock-after").arg("1s").start();
    wait_for("the idle device to lock", || (lock(&ana)["locked"] == true).then_some(()));
    assert_eq!(ana.api().get("/api/captures").status, 423);
    let refused = ana.api().post("/api/unlock", &json!({"passphrase": "MARKERQX", "key_file": "MARKERQX"}));
    assert!(refused.status == 400 && !refused.text.contains("MARKERQX"), "{refused:?}");
    let page = ana.api().get("/").text;
    assert!(page.contains("<form method=\"post\" action=\"/unlock\">") && !page.contains("ana"), "{page}");
    let sent = ana.api().post_form("/unlock", &[("passphrase", PASSPHRASE)]);
    assert!(sent.status < 400, "{sent:?}");
    assert_eq!(lock(&ana)["wrong_tries"], 0);
}

/// Whoever takes a locked device apart doesn't find the key that opens captures in its memory.
#[cfg(target_os = "linux")]
#[test]
fn a_locked_device_has_forgotten_what_opens_captures() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let secret = sealing_secret(&site.home("ana").join("device.key"));
    let (home, file) = (site.home("ana").to_string_lossy().into_owned(), site.path().join("passphrase"));
    std::fs::write(&file, PASSPHRASE).unwrap();
    let file = file.to_string_lossy().into_owned();
    let _ = greenline(["keystore", "protect", "--home", &home, "--new-passphrase-file", &file]).ok();
    let ana = site.device("ana").arg("--passphrase-file").arg(&file).start();
    let id = ana.api().capture(&Check::with_picture(1));
    assert!(ana.api().show(&id).unwrap()["particulars"].is_object());
    let Some(found) = copies_in(ana.pid(), &secret) else {
        tests::skipped("locked: the memory of a process can't be read here");
        return;
    };
    assert!(found > 0, "the search finds it while the device is open");
    for _ in 0..2 {
        let _ = greenline(["lock", "--home", &home]).ok();
        assert_eq!(copies_in(ana.pid(), &secret), Some(0));
        let _ = greenline(["unlock", "--home", &home, "--passphrase-file", &file]).ok();
        assert!(ana.api().show(&id).unwrap()["particulars"].is_object(), "it reads again");
    }
}

/// The X25519 secret of a device whose keys lie in the clear, worked out from docs/FORMATS.md and RFC 9180, section 7.1.3.
#[cfg(target_os = "linux")]
fn sealing_secret(key_file: &std::path::Path) -> [u8; 32] {
    use ring::hmac::{HMAC_SHA256, Key, sign};
    let text = std::fs::read_to_string(key_file).unwrap();
    let keystore = data_encoding::BASE32_NOPAD.decode(text.lines().nth(1).unwrap().to_uppercase().as_bytes()).unwrap();
    assert_eq!(keystore[..2], [0, 68], "under nothing: seed, store key, check");
    let seed = crdt::seal::derive(keystore[2..34].try_into().unwrap(), "sealing");
    let mac = |key: &[u8], parts: &[&[u8]]| sign(&Key::new(HMAC_SHA256, key), &parts.concat());
    let suite = b"KEM\0\x20".as_slice();
    let extracted = mac(&[0; 32], &[b"HPKE-v1", suite, b"dkp_prk", &seed]);
    let expanded = mac(extracted.as_ref(), &[&[0, 32], b"HPKE-v1", suite, b"sk", &[1]]);
    let mut secret: [u8; 32] = expanded.as_ref().try_into().unwrap();
    (secret[0], secret[31]) = (secret[0] & 248, secret[31] & 127 | 64);
    secret
}

/// How often these bytes are in the memory of a process; nothing if it may not be read.
#[cfg(target_os = "linux")]
fn copies_in(pid: u32, needle: &[u8]) -> Option<usize> {
    use std::io::{Read, Seek, SeekFrom};
    let mut memory = std::fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mut copies = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let mut bytes = vec![0; usize::try_from(to - from).ok()?];
        // A stretch that went away meanwhile holds nothing.
        if memory.seek(SeekFrom::Start(from)).is_ok() && memory.read_exact(&mut bytes).is_ok() {
            let at = bytes.iter().enumerate().filter(|(_, byte)| **byte == needle[0]).map(|(at, _)| at);
            copies += at.filter(|at| bytes[*at..].starts_with(needle)).count();
        }
    }
    Some(copies)
}

#[test]
fn what_nothing_protects_is_not_locked() {
    let site = Site::found();
    site.enrol("hub", &["hub"]);
    site.enrol("ana", &["officer"]);
    let refused = site.device("ana").arg("--lock-after").arg("5").try_start().err().unwrap();
    assert!(refused.err.contains("nothing protects"), "{}", refused.err);
    let ana = site.device("ana").start();
    let home = site.home("ana").to_string_lossy().into_owned();
    let locked = greenline(["lock", "--home", &home]);
    assert!(locked.err.contains("nothing protects") && locked.err.contains("keystore protect"), "{}", locked.err);
    assert_eq!(lock(&ana), json!({"locked": false, "wrong_tries": 0, "lock_after_s": null}));
}
