//! Hostile forms, bodies, queries and headers at a device's API. Each is answered, none makes it panic. The test sends random and
//! mutated ones, the fuzz target in `tests/fuzz` whatever the fuzzer makes up.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use crdt::site::{Policy, Roles};
use node::enrol::{self, SiteFolder};
use node::home::{Home, make_key_file, read_key_file};
use node::keystore::Opener;
use node::locker::Locking;
use node::runtime::{Device, DeviceConfig};
use tokio::runtime::Runtime;

const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz234567";
const FORM: &str = "--B\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nexercise\r\n--B\r\ncontent-disposition: \
                    form-data; name=\"particulars\"\r\n\r\n{\"family_name\": \"Test\"}\r\n--B\r\ncontent-disposition: form-data; \
                    name=\"finger-2\"; filename=\"2.pgm\"\r\n\r\nP5 1 1 255 x\r\n--B--\r\n";
const FORM_KIND: &str = "multipart/form-data; boundary=B";

/// A sort of thing that the API reads: its name, where it stands, sound ones.
pub(crate) type Sort = (&'static str, Stands, &'static [&'static str]);

/// Where it stands. In a path, `CAPTURE` and `MEMBER` are for ids.
#[derive(Clone, Copy)]
pub(crate) enum Stands {
    /// In the body of a POST to this path, which says that it is this.
    Body(&'static str, &'static str),
    /// In the address, behind this.
    Address(&'static str),
    /// In the headers that say who asks, and why.
    Headers,
}

use Stands::{Address, Body, Headers};

const JSON: &str = "application/json";
const FIELDS: &str = "application/x-www-form-urlencoded";

/// All of them.
pub(crate) const SORTS: [Sort; 16] = [
    ("forms of captures", Body("/api/captures", FORM_KIND), &[FORM]),
    (
        "edits of captures",
        Body("/api/captures/CAPTURE/edits", JSON),
        &[r#"[{"op":"note","text":"seen"},{"op":"correct","field":"family_name","value":"Test"}]"#],
    ),
    ("edits of the site", Body("/api/site/edits", JSON), &[r#"[{"op":"roster","post":"gate","text":"Ana"}]"#]),
    ("reviews", Body("/api/captures/CAPTURE/reviews", JSON), &[r#"{"outcome":"undecided","note":"blurred"}"#]),
    ("withdrawals", Body("/api/captures/CAPTURE/withdraw", JSON), &[r#"{"reason":"sooner"}"#]),
    ("votes", Body("/api/members/MEMBER/votes", JSON), &[r#"{"cause":"mislaid","before_ms":1}"#]),
    ("orders", Body("/api/orders", JSON), &[r#"{"order":"greenline-order:abcdefgh"}"#]),
    ("addresses of peers", Body("/api/peers", JSON), &[r#"{"address":"[::1]:9"}"#]),
    (
        "openers",
        Body("/api/unlock", JSON),
        &[r#"{"passphrase":"a few words"}"#, r#"{"key_file":"greenline key file 1\n"}"#],
    ),
    ("forms that unlock", Body("/unlock", FIELDS), &["passphrase=a+few+words"]),
    ("forms that sign in", Body("/session", FIELDS), &["token=abcdefgh"]),
    (
        "queries of lists",
        Address("/api/captures?"),
        &["stage=recorded&from_ms=1&to_ms=2&limit=3&brief=true", "after=abcdefgh&device=abcdefgh"],
    ),
    (
        "queries of exports",
        Address("/api/audit/export?"),
        &["from_ms=1&to_ms=2&role=hub&operator=ana", "verb=erasure&capture=abc&device=def"],
    ),
    ("queries of charges", Address("/api/members/MEMBER/charge?"), &["cause=lost&before_ms=1"]),
    ("ids in addresses", Address("/api/captures/"), &["CAPTURE"]),
    ("who asks, and why", Headers, &["Ana Kovac"]),
];

/// A device with one capture, in this process.
pub(crate) struct Post {
    at: SocketAddr,
    capture: String,
    member: String,
    // In this order, so that the device ends before its runtime and its folder do.
    _device: Device,
    _runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl Post {
    pub(crate) fn start() -> Self {
        let (folder, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
        let config = config(folder.path());
        let member = config.identity.device().to_string();
        let device = runtime.block_on(Device::start(config)).unwrap();
        let mut post = Self {
            at: device.api_addr(),
            capture: String::new(),
            member,
            _device: device,
            _runtime: runtime,
            _folder: folder,
        };
        let answer = post.ask("POST", "/api/captures", &format!("content-type: {FORM_KIND}\r\n"), FORM.as_bytes());
        let id = answer.split_once("\"id\":\"").and_then(|(_, rest)| rest.split_once('"'));
        post.capture = id.unwrap_or_else(|| panic!("{answer}")).0.to_owned();
        post
    }

    /// Whether it still shows its capture.
    pub(crate) fn goes_on(&self) -> bool {
        status(&self.ask("GET", &format!("/api/captures/{}", self.capture), "", b"")) == Some(200)
    }

    /// What a sort's samples are here.
    pub(crate) fn samples(&self, (_, _, samples): &Sort) -> Vec<(usize, Vec<u8>)> {
        samples.iter().map(|text| self.named(text).into_bytes()).enumerate().collect()
    }

    fn named(&self, text: &str) -> String {
        text.replace("CAPTURE", &self.capture).replace("MEMBER", &self.member)
    }

    fn ask(&self, method: &str, path: &str, head: &str, body: &[u8]) -> String {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
             content-length: {length}\r\n{head}\r\n"
        );
        let mut stream = TcpStream::connect(self.at).unwrap();
        // It may answer, and hang up, before it has read all.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// An officer's and supervisor's device of a site with a hub, of which nothing is there but the certificate.
fn config(dir: &Path) -> DeviceConfig {
    let mut site = SiteFolder::found(&dir.join("site"), "Post 4", Policy::default()).unwrap();
    let hub = Home::create(&dir.join("hub")).unwrap().request().unwrap();
    let now_ms = gateway::driver::now_ms();
    let _ = site.enrol(&hub, Roles::HUB, "hub", now_ms, 30).unwrap();
    make_key_file(&dir.join("key")).unwrap();
    let opener = Opener::KeyFile(read_key_file(&dir.join("key")).unwrap());
    let home = Home::create_under(&dir.join("ana"), &opener).unwrap();
    let request = home.request().unwrap();
    let (_, answer) = site.enrol(&request, Roles::OFFICER.and(Roles::SUPERVISOR), "ana", now_ms, 30).unwrap();
    let (manifest, _) = enrol::join(&home, &answer).unwrap();
    let site = manifest.site();
    let (identity, membership) = home.membership(site).unwrap();
    DeviceConfig {
        identity,
        membership,
        store_dir: home.store_dir(site).unwrap(),
        store_key: home.store_key(site).unwrap(),
        trail: home.trail(site).unwrap(),
        listen: vec![],
        peers: vec![],
        hubs: vec![],
        mdns: false,
        book: false,
        api: ([127, 0, 0, 1], 0).into(),
        token: TOKEN.to_owned(),
        locking: Some(Locking { home: home.dir().to_owned(), after: None }),
    }
}

/// One request: the first byte says of which sort, the others are what is read. There is an answer, and it doesn't say that the
/// device failed.
pub(crate) fn api(post: &Post, data: &[u8]) {
    let Some((sort, data)) = data.split_first() else { return };
    let answer = match SORTS[usize::from(*sort) % SORTS.len()].1 {
        Body(path, kind) => post.ask("POST", &post.named(path), &format!("content-type: {kind}\r\n"), data),
        Address(path) => post.ask("GET", &(post.named(path) + &escaped(data)), "", b""),
        Headers => {
            let text = escaped(data);
            let head = format!("x-greenline-operator: {text}\r\nx-greenline-why: {text}\r\n");
            post.ask("GET", "/api/captures", &head, b"")
        }
    };
    assert!(status(&answer).is_some_and(|status| status < 500), "{answer}");
}

fn status(answer: &str) -> Option<u16> {
    answer.split_whitespace().nth(1)?.parse().ok()
}

/// As it may stand in an address, so that what reads it gets to see every byte.
fn escaped(data: &[u8]) -> String {
    let mut text = String::new();
    for byte in data {
        let plain = byte.is_ascii_alphanumeric() || b"=&-_.%+".contains(byte);
        let _ = if plain { write!(text, "{}", char::from(*byte)) } else { write!(text, "%{byte:02x}") };
    }
    text
}
