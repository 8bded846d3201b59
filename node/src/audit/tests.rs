//! Exports of a small site, changed in every way that comes to mind.

use std::io::BufReader;
use std::path::Path;

use crdt::audit::{Act, LineHash, Record, SignedHead};
use crdt::codec::decode;
use crdt::entry::{About, DeviceKey};
use crdt::ids::{CaptureId, SiteId};
use crdt::record::EditOp;
use crdt::replica::{Identity, Membership};
use crdt::seal::{GroupKey, SealingSecret};
use crdt::site::{Authority, Policy, Request, Roles};
use crdt::statement::{CaptureDraft, Image, Shows, Why as Erased};
use crdt::vault::VaultKey;
use gateway::driver::{Driver, now_ms};
use gateway::trail::{Place, Trail};
use tokio::sync::mpsc;

use super::line::{Line, bytes_of};
use super::verify::{ReadError, Why, read};
use super::{AuditError, Filter, Source, Summary, What, write};

fn identity(authority: &Authority, seed: u8, roles: Roles) -> Identity {
    let (key, sealing) = (DeviceKey::from_seed([seed; 32]), SealingSecret::from_seed(&[seed; 32]));
    let request = Request { device: key.id(), sealing_key: sealing.public() };
    let certificate = authority.certify(&request, roles, &format!("device {seed}"), (0, u64::MAX));
    Identity { key, sealing, certificate }
}

fn start(dir: &Path, seed: u8, roles: Roles) -> Source {
    let authority = Authority::from_seed([1; 32]);
    let hub = identity(&authority, 9, Roles::HUB).certificate;
    let manifest = authority.manifest("Post 4", 1, Policy::default());
    let membership = Membership { manifest, group_keys: vec![GroupKey::new([4; 32])], hubs: vec![hub] };
    let own = identity(&authority, seed, roles);
    let (site, device, key) = (authority.site(), own.device(), VaultKey::new([7; 32]));
    let trail = Trail::start(Place { dir: dir.join("trail"), key: key.clone(), site, device });
    Source { driver: Driver::start(&dir.join("store"), &key, own, membership).unwrap(), trail }
}

fn record(operator: &str, act: Act, captures: Vec<CaptureId>) -> Record {
    Record { at_ms: now_ms(), operator: operator.into(), act, captures, why: "exercise".into(), times: 1 }
}

/// A device that has captured twice, edited, read, and erased one of the two.
async fn site(dir: &Path, roles: Roles) -> (Source, [CaptureId; 2]) {
    let source = start(dir, 2, roles);
    let capture = |seed: u8| {
        let image = Image { shows: Shows::Finger(2), bytes: b"MARKERQX print".to_vec().into() };
        let draft = CaptureDraft { purpose: "exercise".into(), images: vec![image], ..CaptureDraft::default() };
        source.driver.call(move |engine, now| {
            let written = engine.write(now, |replica| replica.capture_new(now, [seed; 32], &draft)).unwrap();
            written.about.capture().unwrap()
        })
    };
    let ids = [capture(11).await.unwrap(), capture(12).await.unwrap()];
    let [first, second] = ids;
    let act = source.driver.call(move |engine, now| {
        let note = EditOp::Note { text: "MARKERQX note".to_owned().into() };
        engine.write(now, |replica| replica.edit_new(now, [13; 32], About::Capture(first), &[note])).unwrap();
        engine.write(now, |replica| replica.erase_new(now, second, Erased::Withdrawn)).unwrap();
    });
    act.await.unwrap();
    for (operator, captures) in [("ana", vec![first]), ("ben", vec![second]), ("ana", vec![])] {
        source.trail.note(vec![record(operator, Act::Listed, captures)]).await.unwrap();
    }
    (source, ids)
}

async fn export(source: &Source, what: What, filter: Filter) -> Result<Vec<String>, AuditError> {
    let (pieces, mut taken) = mpsc::channel(1_000);
    write(source, what, filter.read().unwrap(), record("auditor", Act::Exported, vec![]), &pieces).await?;
    drop(pieces);
    let mut text = String::new();
    while let Some(piece) = taken.recv().await {
        text.push_str(&piece);
    }
    Ok(text.lines().map(str::to_owned).collect())
}

fn check(text: &[u8]) -> Result<Summary, ReadError> {
    read(text, None, |_| Ok(()))
}

fn joined(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into_bytes()
}

fn why(lines: &[String]) -> Why {
    match check(&joined(lines)) {
        Err(ReadError::Fault(fault)) => fault.why,
        other => panic!("{other:?}"),
    }
}

/// Exports of format 1 are read for ever. `BLESS=1` writes them anew, before a release, when the change is meant.
#[tokio::test]
async fn exports_of_format_1_are_read() {
    let kept = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    for (what, name) in [(What::Trail, "audit-1-trail.jsonl"), (What::Pack, "audit-1-pack.jsonl")] {
        if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
            let folder = tempfile::tempdir().unwrap();
            let (source, [first, _]) = site(folder.path(), BOTH).await;
            let capture = (what == What::Trail).then(|| first.to_string());
            let lines = export(&source, what, Filter { capture, ..Filter::default() }).await.unwrap();
            std::fs::create_dir_all(kept("")).unwrap();
            std::fs::write(kept(name), joined(&lines)).unwrap();
        }
        let summary = check(&std::fs::read(kept(name)).unwrap()).unwrap();
        assert_eq!((summary.what, summary.site), (what, Authority::from_seed([1; 32]).site()));
        let numbers =
            (summary.entries.shown, summary.entries.left_out, summary.records.shown, summary.records.left_out);
        match what {
            What::Trail => assert_eq!(numbers, (3, 2, 1, 3)),
            What::Pack => assert_eq!((numbers, summary.counts.unwrap().total.erased), ((4, 1, 0, 0), 1)),
        }
    }
}

const BOTH: Roles = Roles::OFFICER.and(Roles::SUPERVISOR);

#[tokio::test]
async fn an_export_holds_and_says_what_was_done_and_nothing_about_the_person() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = site(folder.path(), BOTH).await;
    for what in [What::Trail, What::Pack] {
        let lines = export(&source, what, Filter::default()).await.unwrap();
        assert!(!lines.concat().contains("MARKERQX"));
        let summary = check(&joined(&lines)).unwrap();
        assert_eq!((summary.name.as_str(), summary.alias.as_str(), summary.devices), ("Post 4", "device 2", 1));
        assert!(read(&*joined(&lines), Some(summary.site), |_| Ok(())).is_ok());
        assert!(read(&*joined(&lines), Some(SiteId([9; 32])), |_| Ok(())).is_err());
        match what {
            What::Trail => {
                assert_eq!((summary.entries.left_out, summary.records.left_out), (0, 0));
                assert_eq!(summary.records.shown, 4, "three readings, and this export itself");
                let did: Vec<u64> = summary.verbs.values().copied().collect();
                assert_eq!(
                    did[..4],
                    [2, 1, 3, 1],
                    "collection, alteration, consultation, disclosure: {:?}",
                    summary.verbs
                );
            }
            What::Pack => {
                let total = summary.counts.unwrap().total;
                assert_eq!((total.captured, total.open, total.erased, total.erased_withdrawn), (2, 1, 1, 1));
            }
        }
    }
}

#[tokio::test]
async fn any_change_of_an_export_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (source, [first, _]) = site(folder.path(), BOTH).await;
    let filter = Filter { capture: Some(first.to_string()), ..Filter::default() };
    for (what, filter) in [(What::Trail, Filter::default()), (What::Trail, filter), (What::Pack, Filter::default())] {
        let lines = export(&source, what, filter).await.unwrap();
        let text = joined(&lines);
        assert!(check(&text).is_ok());
        // A prime, so that it falls on all sorts of bytes; and every byte of the end, which nothing else signs.
        let last = text.len() - lines.last().unwrap().len() - 1;
        for at in (0..last).step_by(7).chain(last..text.len()) {
            for bit in [1, 0x20] {
                let mut changed = text.clone();
                changed[at] ^= bit;
                assert!(check(&changed).is_err(), "byte {at} of {what:?}");
            }
            assert!(check(&text[..at]).is_err(), "{at} bytes of {what:?}");
        }
        for at in 0..lines.len() {
            let mut removed = lines.clone();
            removed.remove(at);
            let mut repeated = lines.clone();
            repeated.insert(at, lines[at].clone());
            let mut moved = lines.clone();
            moved.swap(at, (at + 1) % lines.len());
            for (how, changed) in [("removed", removed), ("repeated", repeated), ("moved", moved)] {
                assert!(check(&joined(&changed)).is_err(), "line {at} {how} of {what:?}");
            }
        }
        assert!(matches!(why(&[lines.as_slice(), &lines[..1]].concat()), Why::Trailing));
    }
}

/// Signs changed lines anew: what somebody can do who has the device's key.
fn signed_anew(lines: &[String], key: u8, change: impl FnOnce(&mut SignedHead)) -> Vec<String> {
    let (last, rest) = lines.split_last().unwrap();
    let Ok(Line::End(end)) = serde_json::from_str(last) else { panic!("{last}") };
    let bytes = bytes_of(&end.head).unwrap();
    let mut signed: SignedHead = decode(&bytes, bytes.len()).unwrap();
    let mut hash = LineHash::default();
    rest.iter().for_each(|line| hash.add(line));
    signed.head.digest = hash.digest().into();
    change(&mut signed);
    let signed = signed.head.sign(&DeviceKey::from_seed([key; 32]));
    [rest, &[Line::end(&signed).text()]].concat()
}

#[tokio::test]
async fn who_has_the_devices_key_can_not_lie_about_others_nor_hide_that_something_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = site(folder.path(), BOTH).await;
    let lines = export(&source, What::Trail, Filter::default()).await.unwrap();
    assert!(check(&joined(&signed_anew(&lines, 2, |_| {}))).is_ok());
    // Another member signs.
    let other = |head: &mut SignedHead| head.head.chain.device = DeviceKey::from_seed([3; 32]).id();
    assert_eq!(why(&signed_anew(&lines, 3, other)), Why::OtherDevice);
    assert!(matches!(why(&signed_anew(&lines, 3, |_| {})), Why::Head(_)));
    // Words that the signed bytes don't say.
    let place = |kind: &str| lines.iter().position(|line| line.starts_with(&format!("{{\"line\":\"{kind}\""))).unwrap();
    for (kind, was, is) in [
        ("entry", "administration", "collection"),
        ("record", "\"by\":\"ana\"", "\"by\":\"ann\""),
        ("begin", "Post 4", "Post 5"),
    ] {
        let mut changed = lines.clone();
        let at = place(kind);
        assert!(changed[at].contains(was), "{}", changed[at]);
        changed[at] = changed[at].replace(was, is);
        assert_eq!(why(&signed_anew(&changed, 2, |_| {})), Why::Words);
    }
    // An entry in the middle of a log is left out: it shows that one is.
    let capture = lines.iter().position(|line| line.contains("\"did\":\"captured\"")).unwrap();
    let mut hidden = lines.clone();
    hidden.remove(capture);
    assert_eq!(check(&joined(&signed_anew(&hidden, 2, |_| {}))).unwrap().entries.left_out, 1);
    // The first record is left out, as if it were past its time.
    let first = place("record");
    let Ok(Line::Record(record)) = serde_json::from_str(&lines[first]) else { panic!() };
    let salted = crdt::audit::Salted::decode(&bytes_of(&record.record).unwrap()).unwrap();
    let mut dropped = lines.clone();
    let mut start = None;
    dropped.remove(first);
    let forged = signed_anew(&dropped, 2, |signed| {
        let mut chain = signed.head.chain.at(signed.head.start);
        chain.extend(&crdt::audit::leaf(&salted));
        start = Some((chain.trail, chain.end));
        signed.head.start = chain.end;
    });
    assert_eq!(why(&forged), Why::Number(1), "the line before still says where they begin");
    let (trail, start) = start.unwrap();
    dropped[place("records")] = Line::records(trail, start).text();
    let forged = signed_anew(&[&dropped[..dropped.len() - 1], &forged[forged.len() - 1..]].concat(), 2, |_| {});
    assert_eq!(why(&forged), Why::Dropped(1));
    // One is left out at the end, or two change places.
    let mut short = lines.clone();
    short.remove(lines.len() - 2);
    assert_eq!(why(&signed_anew(&short, 2, |_| {})), Why::TrailEnd);
    let mut moved = lines.clone();
    moved.swap(first, first + 1);
    assert_eq!(why(&signed_anew(&moved, 2, |_| {})), Why::Number(1));
}

#[tokio::test]
async fn no_file_makes_the_check_panic_or_keep_more_than_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = site(folder.path(), BOTH).await;
    let lines = export(&source, What::Trail, Filter::default()).await.unwrap();
    // A line that doesn't end is read no further than the longest may be.
    let endless = read(BufReader::new(std::io::repeat(b'x')), None, |_| Ok(()));
    assert!(matches!(endless, Err(ReadError::Fault(fault)) if fault.why == Why::TooLong));
    assert!(matches!(check(b""), Err(ReadError::Fault(fault)) if fault.why == Why::Cut));
    let deep = "[".repeat(60_000);
    let huge = format!(r#"{{"line":"record","number":{},"at_ms":1,"by":""}}"#, u64::MAX);
    for hostile in [deep.as_str(), &huge, "{}", "null", "\u{0}", r#"{"line":"end","head":""}"#, "\"é\""] {
        for at in 0..=lines.len() {
            let mut with = lines.clone();
            with.insert(at, hostile.to_owned());
            assert!(check(&joined(&with)).is_err(), "line {at}");
        }
    }
    // Numbers as large as they get, words and bytes exchanged between lines.
    for (at, line) in lines.iter().enumerate() {
        let number = |c: char| c.is_ascii_digit();
        let digits: Vec<usize> = line.match_indices(number).map(|(place, _)| place).collect();
        for place in digits.into_iter().step_by(5) {
            let mut with = lines.clone();
            with[at] = format!("{}{}{}", &line[..place], u64::MAX, &line[place + 1..]);
            assert!(check(&joined(&with)).is_err(), "line {at}");
        }
    }
}

#[tokio::test]
async fn what_a_filter_leaves_out_is_counted_and_the_rest_still_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (source, [first, _]) = site(folder.path(), BOTH).await;
    let of = |filter| export(&source, What::Trail, filter);
    let by_ana =
        check(&joined(&of(Filter { operator: Some("ana".into()), ..Filter::default() }).await.unwrap())).unwrap();
    assert_eq!((by_ana.records.shown, by_ana.records.left_out), (2, 2));
    let one = Filter { capture: Some(first.to_string()), ..Filter::default() };
    let text = joined(&of(one).await.unwrap());
    let about_one = check(&text).unwrap();
    assert_eq!((about_one.entries.shown, about_one.entries.left_out), (3, 2), "with the certificate");
    assert_eq!((about_one.records.shown, about_one.records.left_out), (1, 4));
    assert!(!String::from_utf8(text).unwrap().contains("\"by\":\"ben\""));
    let erased =
        check(&joined(&of(Filter { verb: Some("erasure".into()), ..Filter::default() }).await.unwrap())).unwrap();
    assert_eq!((erased.entries.shown, erased.records.shown), (2, 0));
    let later = check(&joined(&of(Filter { from_ms: Some(u64::MAX), ..Filter::default() }).await.unwrap())).unwrap();
    assert_eq!((later.entries.shown, later.records.shown), (1, 0));
    let hubs = check(&joined(&of(Filter { role: Some("hub".into()), ..Filter::default() }).await.unwrap())).unwrap();
    assert_eq!((hubs.entries.shown, hubs.records.shown), (1, 0));
}

#[tokio::test]
async fn an_officers_device_shows_what_it_did_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = site(folder.path(), Roles::OFFICER).await;
    let other = Filter { device: Some(DeviceKey::from_seed([3; 32]).id().to_string()), ..Filter::default() };
    let refused = export(&source, What::Trail, other.clone()).await;
    assert!(matches!(refused, Err(AuditError::NotAllowed)));
    let summary = check(&joined(&export(&source, What::Trail, Filter::default()).await.unwrap())).unwrap();
    assert_eq!(summary.filter.device, Some(summary.device.to_string()));
    assert!(export(&source, What::Pack, other).await.is_ok(), "numbers are nobody's");
}
