//! What every reader of a device has to bear, as plain functions: the tests call them with random and with mutated bytes, the
//! fuzz targets in `tests/fuzz` with whatever the fuzzer makes up.
//!
//! A body panics if a reader panics, or if what was read doesn't read back the same. Where a checksum or an encryption stands
//! before a reader, the bytes are also put behind it, as somebody would who makes them on purpose.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crdt::audit::{Act, Record};
use crdt::codec::{checksum, decode, encode};
use crdt::site::Request;
use data_encoding::BASE32_NOPAD_NOCASE as BASE32;
use node::audit::verify::read;
use node::audit::{LINE_BYTES_MAX, Verifier};
use node::authority::{self, Acting};
use node::book;
use node::enrol::code::{Code, CodeId, SECRET_BYTES};
use node::enrol::live::{Frame, Host, Input, Joiner, LiveError, Offer, Output, Reveal, Takes};
use node::enrol::wire::{self, FRAME_BYTES_MAX, FRAME_BYTES_MAX_FROM_STRANGERS, WireError};
use node::enrol::{self, SiteFolder, read_request, request_text};
use node::handling::Handling;
use node::home::{Home, parse_key_file, read_key_file};
use node::keystore::{DICE_BYTES, KeyFile, Keystore, Opener, Passphrase, Protection};
use node::orders::{charge_text, order_text, read_charge, read_order};
use serde_json::Value;

/// How the texts of enrolment begin.
pub(crate) const PREFIXES: [&str; 4] =
    ["greenline-request:", "greenline-answer:", "greenline-charge:", "greenline-order:"];
/// The headers of each file, the one in the clear first.
const DEVICE_KEY: [&str; 2] = ["greenline device key 1", "greenline device key 2"];
const MEMBERSHIP: [&str; 2] = ["greenline membership 1", "greenline membership 2"];
const AUTHORITY_KEY: [&str; 2] = ["greenline site authority key 1", "greenline site authority key 2"];
const SITE: [&str; 3] = ["greenline site 1", "greenline site 2", "greenline site 3"];
const EXPORT: [&str; 2] = ["greenline site export 1", "greenline site export 2"];
const KEY_FILE: [&str; 1] = ["greenline key file 1"];
/// What a passphrase may cost here. What costs more is read all the same, and not tried: a test has better things to do.
const MEMORY_KIB_MAX: u32 = 256;

/// Requests, answers, charges and orders.
pub(crate) fn enrolment(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let home = member(folder.path());
    let made = PREFIXES.map(|prefix| text_of(prefix, data));
    for text in [&*String::from_utf8_lossy(data)].into_iter().chain(made.iter().map(String::as_str)) {
        if let Ok(request) = read_request(text) {
            assert_eq!(read_request(&request_text(&request)).unwrap(), request);
        }
        if let Ok(charge) = read_charge(text) {
            assert_eq!(read_charge(&charge_text(&charge)).unwrap(), charge);
        }
        if let Ok(order) = read_order(text) {
            assert_eq!(read_order(&order_text(&order)).unwrap(), order);
        }
        if let Ok((manifest, certificate)) = enrol::join(&home, text) {
            certificate.verify(&manifest).unwrap();
            assert!(home.membership(manifest.site()).is_ok(), "what was joined is there");
        }
    }
}

/// A text whose checksum fits.
pub(crate) fn text_of(prefix: &str, value: &[u8]) -> String {
    format!("{prefix}{}", BASE32.encode(&[value, &checksum(value)].concat()))
}

/// A device's home with keys in the clear, as older programs wrote them: nothing is waited for.
pub(crate) fn member(dir: &Path) -> Home {
    put(dir.join("device.key"), text_under(DEVICE_KEY[0], &[7; 32]));
    Home::open(dir).unwrap()
}

/// Writes a file anew. A file that is cut and written again is waited for by some file systems.
fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    // It may not be there yet.
    let _ = fs::remove_file(&path);
    fs::write(path, bytes).unwrap();
}

fn text_under(header: &str, bytes: &[u8]) -> Vec<u8> {
    format!("{header}\n{}\n", BASE32.encode(bytes)).into_bytes()
}

/// Parts of a text: lines that were read from pictures.
pub(crate) fn parts(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let read: Vec<String> = text.lines().map(str::to_owned).collect();
    let _ = enrol::parts::join(&read);
    let parts = enrol::parts::split(&text);
    // A short text that is a part itself isn't all of them, and no text that is split has spaces.
    if parts.len() > 1 && !text.trim().contains(char::is_whitespace) {
        assert_eq!(enrol::parts::join(&parts).unwrap(), text.trim().to_ascii_lowercase());
    }
}

/// Join codes and their ids, as people type them.
pub(crate) fn codes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(code) = text.parse::<Code>() {
        assert!(code.text().parse() == Ok(code));
    }
    if let Ok(id) = text.parse::<CodeId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

/// A whole conversation: the first byte says with which side, then come frames with their lengths before them. People agree to
/// everything.
pub(crate) fn conversation(data: &[u8]) {
    let Some((side, script)) = data.split_first() else { return };
    let host = |takes| Host::new(Offer { nonce: [2; 32], authority: [3; 32], takes });
    match side % 4 {
        0 => follow(script, |input, joiner| joiner.handle(input), Joiner::new(reveal()).0),
        1 => follow(script, |input, joiner| joiner.handle(input), Joiner::with_code(reveal(), &code()).0),
        2 => follow(script, |input, host| host.handle(input), host(Takes::Words)),
        _ => follow(script, |input, host| host.handle(input), host(Takes::Codes)),
    }
}

fn follow<S>(mut script: &[u8], step: impl Fn(Input, &mut S) -> Result<Vec<Output>, LiveError>, mut side: S) {
    while let Some((length, rest)) = script.split_first_chunk::<2>() {
        let (frame, after) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        script = after;
        let Ok(frame) = decode::<Frame>(frame, FRAME_BYTES_MAX) else { return };
        assert_eq!(decode::<Frame>(&encode(&frame), usize::MAX).as_ref(), Ok(&frame));
        let mut inputs = vec![Input::Frame(frame)];
        while let Some(input) = inputs.pop() {
            let Ok(outputs) = step(input, &mut side) else { return };
            inputs.extend(outputs.into_iter().filter_map(answer));
        }
    }
}

/// All that somebody says at a port where devices are enrolled, or to a device that joins.
pub(crate) fn enrolment_wire(data: &[u8]) {
    for max in [FRAME_BYTES_MAX_FROM_STRANGERS, FRAME_BYTES_MAX] {
        let mut stream = data;
        let why = loop {
            match wire::read_frame(&mut stream, max) {
                Ok(frame) => assert_eq!(decode::<Frame>(&encode(&frame), usize::MAX).as_ref(), Ok(&frame)),
                Err(why) => break why,
            }
        };
        let unfit = matches!(why, WireError::TooLong { .. } | WireError::Live(LiveError::Unfit));
        assert!(unfit || (matches!(why, WireError::Gone) && stream.is_empty()), "{why:?}");
    }
}

/// What the shell and the people would say to that.
pub(crate) fn answer(output: Output) -> Option<Input> {
    match output {
        Output::Compare(_) => Some(Input::Compared(true)),
        Output::Certify(_) => Some(Input::Certified("an answer".into())),
        Output::Redeem(claim) => {
            let _ = (claim.holds(&code().key()), claim.wish(), claim.request());
            Some(Input::Redeemed("an answer".into(), code().key()))
        }
        Output::Join(_) => Some(Input::Joined),
        Output::Send(_) | Output::Over => None,
    }
}

/// The device's part of a conversation.
pub(crate) fn reveal() -> Reveal {
    static REQUEST: OnceLock<Request> = OnceLock::new();
    let request = REQUEST.get_or_init(|| member(tempfile::tempdir().unwrap().path()).request().unwrap());
    Reveal { nonce: [1; 32], request: request.clone(), wish: "ana".into(), code: None }
}

/// The code that the device has.
pub(crate) fn code() -> Code {
    Code::new([1; SECRET_BYTES])
}

/// A keystore's bytes.
pub(crate) fn keystore(data: &[u8]) {
    let Ok(keystore) = Keystore::decode(data) else { return };
    assert_eq!(*Keystore::decode(&keystore.encode()).unwrap().encode(), *keystore.encode());
    let _ = keystore.open("device", &Opener::Nothing);
    let _ = keystore.open("device", &Opener::KeyFile(KeyFile::new([1; 32])));
    let dear = |memory, passes| memory > MEMORY_KIB_MAX && memory <= 4 * 64 * 1024 && passes <= 16;
    if matches!(keystore.protection(), Protection::Passphrase(cost) if !dear(cost.memory_kib, cost.passes)) {
        let _ = keystore.open("device", &Opener::Passphrase(Passphrase::typed("correct horse".to_owned().into())));
    }
}

/// Every file of a device's home, and key files.
pub(crate) fn home(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let key = dir.join("device.key");
    for text in texts(data, &DEVICE_KEY, "greenline device") {
        put(&key, text);
        let home = Home::open(dir).unwrap();
        let _ = (home.protection(), home.request(), home.sites());
    }
    for text in texts(data, &KEY_FILE, "") {
        put(&key, &text);
        let _ = (read_key_file(&key), parse_key_file(&String::from_utf8_lossy(&text)));
    }
    let home = member(dir);
    for text in texts(data, &MEMBERSHIP, "") {
        membership(&home, &text);
    }
    for name in ["api.token", "api.json"] {
        put(dir.join(name), data);
    }
    let _ = (home.token(), home.announced());
}

fn membership(home: &Home, text: &[u8]) {
    let sites = home.dir().join("sites");
    let join = |name: &str| {
        fs::create_dir_all(sites.join(name)).unwrap();
        put(sites.join(name).join("membership"), text);
    };
    join("somewhere");
    if let Ok(site) = home.site() {
        // A site is found in its own folder.
        join(&site.to_string());
        let _ = home.membership(site);
    }
    fs::remove_dir_all(sites).unwrap();
}

/// What may stand in a file: the bytes as they are, and as text under each of its headers; also as the secrets of a keystore that
/// nothing protects, if the last header is one of keystores.
fn texts(data: &[u8], headers: &[&str], context: &str) -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = headers.iter().map(|header| text_under(header, data)).collect();
    if let Some(last) = headers.last().filter(|_| !context.is_empty()) {
        let keystore = Keystore::seal(context, data, &Opener::Nothing, &[5; DICE_BYTES]).unwrap();
        texts.push(text_under(last, &keystore.encode()));
    }
    texts.push(data.to_vec());
    texts
}

/// Both files of an authority's folder, and what it exports.
pub(crate) fn authority(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let (dir, file) = (folder.path().join("site"), folder.path().join("export"));
    fs::create_dir(&dir).unwrap();
    for text in texts(data, &AUTHORITY_KEY, "greenline site authority") {
        put(dir.join("authority.key"), text);
        let _ = (authority::protection(&dir), SiteFolder::open(&dir).err());
    }
    put(dir.join("authority.key"), text_under(AUTHORITY_KEY[0], &[1; 32]));
    for text in texts(data, &SITE, "") {
        put(dir.join("site"), text);
        if let Ok(site) = SiteFolder::open(&dir) {
            let _ = (site.manifest().site(), site.has_hub(), site.roster().len(), site.codes().len());
        }
    }
    for (number, text) in texts(data, &EXPORT, "greenline site export").into_iter().enumerate() {
        let to = folder.path().join(number.to_string());
        put(&file, text);
        let _ = authority::export_protection(&file);
        if authority::import(&file, &Opener::Nothing, &to, &Acting::default()).is_ok() {
            let _ = SiteFolder::open(&to).err();
        }
    }
}

/// A row of the address book.
pub(crate) fn book_row(data: &[u8]) {
    if let Some(addresses) = book::read_row(data) {
        assert!(data.len() <= book::ROW_BYTES_MAX && addresses.len() <= book::ADDRESSES_MAX);
        assert_eq!(book::read_row(&encode(&addresses)), Some(addresses));
    }
}

/// What a hub that runs is told to note of its gallery.
pub(crate) fn gallery_note(data: &[u8]) {
    let Ok(handling) = serde_json::from_slice::<Handling>(data) else { return };
    assert_eq!(serde_json::from_value::<Handling>(serde_json::to_value(&handling).unwrap()).unwrap(), handling);
    match handling.act() {
        Ok(act) => assert!(record(act).check().is_ok(), "what is noted may be noted"),
        Err(error) => assert!(error.to_string().len() < 200, "what was sent isn't repeated"),
    }
}

fn record(act: Act) -> Record {
    Record { at_ms: 1, operator: "ana".into(), act, captures: vec![], why: String::new(), times: 1 }
}

/// An audit export.
pub(crate) fn export(data: &[u8]) {
    let _ = read(data, None, |_| Ok(()));
}

/// Where bytes stand in the lines of an export.
const IN_LINES: [&str; 8] = ["manifest", "certificate", "header", "body", "trail", "link", "record", "head"];

/// A line of an export with bytes in it, and those before it.
pub(crate) struct Place {
    before: Vec<&'static str>,
    line: Value,
    field: &'static str,
}

/// Exports of every sort, as they were once written.
pub(crate) const EXPORTS: [&str; 3] = [
    include_str!("../../fixtures/audit-1-trail.jsonl"),
    include_str!("../../fixtures/audit-1-pack.jsonl"),
    include_str!("../../fixtures/audit-1-authority.jsonl"),
];

/// All such places in [`EXPORTS`].
pub(crate) fn places() -> &'static [Place] {
    static PLACES: OnceLock<Vec<Place>> = OnceLock::new();
    PLACES.get_or_init(|| EXPORTS.iter().flat_map(|export| places_in(export)).collect())
}

fn places_in(export: &'static str) -> Vec<Place> {
    let (mut before, mut places) = (Vec::new(), Vec::new());
    for text in export.lines() {
        let line: Value = serde_json::from_str(text).unwrap();
        let fields = IN_LINES.into_iter().filter(|field| line[field].is_string());
        places.extend(fields.map(|field| Place { before: before.clone(), line: line.clone(), field }));
        before.push(text);
    }
    places
}

impl Place {
    /// The bytes that stand there.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        BASE32.decode(self.line[self.field].as_str().unwrap().as_bytes()).unwrap()
    }
}

/// Bytes in a line of an export, after lines that hold: the first byte says in which.
pub(crate) fn line(data: &[u8]) {
    let Some((place, bytes)) = data.split_first() else { return };
    let place = &places()[usize::from(*place) % places().len()];
    let mut verifier = Verifier::new(None);
    place.before.iter().for_each(|line| drop(verifier.line(line).unwrap()));
    let mut line = place.line.clone();
    line[place.field] = BASE32.encode(bytes).to_ascii_lowercase().into();
    let text = line.to_string();
    let read = verifier.line(&text);
    assert!(read.is_err() || text.len() <= LINE_BYTES_MAX);
    let _ = verifier.finish();
}
