//! Sound bytes for each reader, made as a device makes them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crdt::codec::{decode, encode};
use crdt::ids::LogId;
use crdt::revocation::{Cause, Charge};
use crdt::site::{Policy, Roles};
use crdt::view::EntryRef;
use data_encoding::BASE32_NOPAD_NOCASE as BASE32;
use node::authority::{self, Acting};
use node::enrol::codes::Batch;
use node::enrol::live::{Frame, Host, Input, Joiner, Offer, Output, Takes};
use node::enrol::{self, SiteFolder, parts::split, request_text};
use node::handling::Handling;
use node::home::{Home, make_key_file};
use node::keystore::{DICE_BYTES, KeyFile, Keystore, Opener};
use node::orders::{charge_text, order_text};

use super::bodies::{EXPORTS, PREFIXES, answer, code, member, places, reveal};

pub(crate) type Sample = (String, Vec<u8>);

const NOW_MS: u64 = 1_800_000_000_000;

fn sample(name: &str, bytes: impl Into<Vec<u8>>) -> Sample {
    (name.to_owned(), bytes.into())
}

/// A site with a hub and a code, the answer to the device of [`member`], and that device, which hasn't joined yet.
struct Post {
    folder: tempfile::TempDir,
    site: SiteFolder,
    home: Home,
    answer: String,
}

fn post() -> Post {
    let folder = tempfile::tempdir().unwrap();
    let [site, hub, home] = ["site", "hub", "home"].map(|name| folder.path().join(name));
    let mut site = SiteFolder::found(&site, "Post 4", Policy::default()).unwrap();
    let hub = Home::create(&hub).unwrap().request().unwrap();
    let _ = site.enrol(&hub, Roles::HUB, "hub", NOW_MS, 30).unwrap();
    fs::create_dir(&home).unwrap();
    let home = member(&home);
    let (_, answer) = site.enrol(&home.request().unwrap(), Roles::OFFICER, "ana", NOW_MS, 30).unwrap();
    let batch = Batch {
        count: 2,
        roles: Roles::OFFICER,
        alias_prefix: "tablet".into(),
        days: 30,
        valid: Duration::from_secs(3_600),
    };
    let _ = site.make_codes(&batch, NOW_MS).unwrap();
    Post { folder, site, home, answer }
}

impl Post {
    fn texts(&self) -> [(&'static str, String); 4] {
        let trusted = vec![EntryRef { log: LogId([3; 16]), seq: 7 }];
        let charge = Charge { device: self.home.key().unwrap().id(), cause: Cause::Stolen, trusted };
        let order = self.site.revoke(charge.clone(), NOW_MS).unwrap();
        let request = self.home.request().unwrap();
        [
            ("request", request_text(&request)),
            ("answer", self.answer.clone()),
            ("charge", charge_text(&charge)),
            ("order", order_text(&order)),
        ]
    }
}

/// Texts, and the values in them.
pub(crate) fn enrolment() -> Vec<Sample> {
    let mut samples = Vec::new();
    for (name, text) in post().texts() {
        let body = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap();
        let checked = BASE32.decode(body.as_bytes()).unwrap();
        samples.push(sample(&format!("value of a {name}"), &checked[..checked.len() - 4]));
        samples.push(sample(name, text));
    }
    samples
}

pub(crate) fn parts() -> Vec<Sample> {
    let long = split(&format!("greenline-answer:{}", "abcdefgh2345".repeat(150)));
    vec![
        sample("all parts", long.join("\n")),
        sample("two parts", long[..2].join("\n")),
        sample("text", "greenline-request:abc"),
    ]
}

pub(crate) fn codes() -> Vec<Sample> {
    let code = code();
    vec![sample("code", code.text().as_bytes()), sample("id", code.id().to_string())]
}

/// What each side hears in a conversation that ends well.
pub(crate) fn conversations() -> Vec<Sample> {
    let post = post();
    let mut samples = Vec::new();
    for (side, takes) in [(0, Takes::Words), (1, Takes::Codes)] {
        let [by_host, by_joiner] = overheard(&post, takes);
        samples.push((format!("what a device hears, {takes:?}"), script(side, &by_host)));
        samples.push((format!("what an authority hears, {takes:?}"), script(side + 2, &by_joiner)));
    }
    samples
}

/// What host and joiner say to each other.
fn overheard(post: &Post, takes: Takes) -> [Vec<Frame>; 2] {
    let mut host = Host::new(Offer { nonce: [2; 32], authority: post.site.manifest().authority(), takes });
    let (mut joiner, hello) = match takes {
        Takes::Words => Joiner::new(reveal()),
        Takes::Codes => Joiner::with_code(reveal(), &code()),
    };
    let (mut by_host, mut by_joiner) = (Vec::new(), Vec::new());
    let mut inputs = vec![(true, Input::Frame(hello))];
    while let Some((to_host, input)) = inputs.pop() {
        if let Input::Frame(frame) = &input {
            if to_host { by_joiner.push(frame.clone()) } else { by_host.push(frame.clone()) }
        }
        let outputs = if to_host { host.handle(input) } else { joiner.handle(input) };
        for output in outputs.unwrap().into_iter().rev() {
            let next = match output {
                Output::Send(frame) => Some((!to_host, Input::Frame(frame))),
                Output::Certify(_) => Some((to_host, Input::Certified(post.answer.clone()))),
                Output::Redeem(_) => Some((to_host, Input::Redeemed(post.answer.clone(), code().key()))),
                other => answer(other).map(|input| (to_host, input)),
            };
            inputs.extend(next);
        }
    }
    assert!(by_joiner.ends_with(&[Frame::Joined]), "{takes:?}: {by_host:?} {by_joiner:?}");
    [by_host, by_joiner]
}

fn script(side: u8, frames: &[Frame]) -> Vec<u8> {
    let mut script = vec![side];
    for frame in frames {
        let bytes = encode(frame);
        script.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        script.extend(bytes);
    }
    script
}

pub(crate) fn keystores() -> Vec<Sample> {
    let seal =
        |opener: &Opener| Keystore::seal("device", &[9; 64], opener, &[5; DICE_BYTES]).unwrap().encode().to_vec();
    // Which lock (1), a salt (16), memory (2), passes and lanes, as a passphrase that costs little would have it.
    let cheap = [[1].as_slice(), &[5; 16], &[0xc0, 1, 1, 2], &[60], &[6; 60]].concat();
    assert!(Keystore::decode(&cheap).is_ok());
    vec![
        sample("in the clear", seal(&Opener::Nothing)),
        sample("under a key file", seal(&Opener::KeyFile(KeyFile::new([1; 32])))),
        sample("under a passphrase", cheap),
    ]
}

/// Files, and the values in them.
pub(crate) fn home() -> Vec<Sample> {
    let post = post();
    let _ = enrol::join(&post.home, &post.answer).unwrap();
    let site = post.home.site().unwrap();
    let (identity, membership) = post.home.membership(site).unwrap();
    let value = encode(&(membership.manifest, identity.certificate, membership.hubs, membership.group_keys));
    let _ = post.home.token().unwrap();
    post.home.announce("http://127.0.0.1:7411").unwrap();
    let fresh = Home::create(&post.folder.path().join("fresh")).unwrap();
    let key_file = post.folder.path().join("key");
    make_key_file(&key_file).unwrap();
    vec![
        file("device.key in the clear", &post.home.dir().join("device.key")),
        file("device.key", &fresh.dir().join("device.key")),
        sample("keys", [8; 64]),
        file("key file", &key_file),
        file("membership", &only_file_below(&post.home.dir().join("sites"))),
        sample("value of a membership", value),
        file("api.token", &post.home.dir().join("api.token")),
        file("api.json", &post.home.dir().join("api.json")),
    ]
}

fn file(name: &str, path: &Path) -> Sample {
    sample(name, fs::read(path).unwrap())
}

fn only_file_below(folder: &Path) -> std::path::PathBuf {
    let path = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if path.is_dir() { only_file_below(&path) } else { path }
}

/// Files, and the values in them.
pub(crate) fn authority() -> Vec<Sample> {
    let post = post();
    let (dir, export) = (post.folder.path().join("site"), post.folder.path().join("export"));
    authority::export(&dir, &Opener::Nothing, &export, &Opener::Nothing, &Acting::default()).unwrap();
    // In a keystore that nothing protects: which lock, then the secrets and their checksum.
    let text = fs::read_to_string(&export).unwrap();
    let bytes = BASE32.decode(text.lines().nth(1).unwrap().as_bytes()).unwrap();
    let (_, checked): (u8, Vec<u8>) = decode(&bytes, usize::MAX).unwrap();
    let held = &checked[..checked.len() - 4];
    let (_, site): ([u8; 32], Vec<u8>) = decode(held, usize::MAX).unwrap();
    vec![
        file("authority.key", &dir.join("authority.key")),
        file("site", &dir.join("site")),
        file("export", &export),
        sample("value of an export", held),
        sample("value of a site", site),
        sample("seed", [1; 32]),
    ]
}

pub(crate) fn exports() -> Vec<Sample> {
    EXPORTS.into_iter().zip(["trail", "pack", "authority"]).map(|(export, name)| sample(name, export)).collect()
}

/// The bytes in each place of [`EXPORTS`], after its number.
pub(crate) fn lines() -> Vec<Sample> {
    let numbered = (0..).zip(places());
    numbered
        .map(|(number, place)| (format!("place {number}"), [&[number], place.bytes().as_slice()].concat()))
        .collect()
}

pub(crate) fn book_rows() -> Vec<Sample> {
    let addresses: Vec<SocketAddr> =
        ["10.1.2.3:4567", "[2001:db8::1]:9", "[fe80::1]:1"].map(|it| it.parse().unwrap()).to_vec();
    let many = addresses.repeat(10);
    let samples = [("addresses", &addresses[..]), ("no address", &[]), ("more than are kept", &many)];
    samples.map(|(name, addresses)| sample(name, encode(&addresses.to_vec()))).to_vec()
}

pub(crate) fn gallery_notes() -> Vec<Sample> {
    let person = || "a7".repeat(16);
    let told = [
        ("added", Handling::Added { person: person() }),
        ("replaced", Handling::Replaced { person: person() }),
        ("removed", Handling::Removed { person: person() }),
        ("listed", Handling::Listed { people: 60 }),
        ("a reference", Handling::Added { person: "P-0001".into() }),
    ];
    told.into_iter().map(|(name, handling)| sample(name, serde_json::to_vec(&handling).unwrap())).collect()
}
