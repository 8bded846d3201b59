//! Who may write what, tried by members who do it all the same: every kind of entry and every part of a record, under every
//! combination of roles. The tables here are written out a second time, so that a slip in the code's own doesn't pass.

use crdt::codec::encode;
use crdt::entry::{About, Entry};
use crdt::ids::CaptureId;
use crdt::record::{EditOp, Record};
use crdt::replica::Replica;
use crdt::revocation::{Cause, Charge};
use crdt::site::{Authority, Request, Roles};
use crdt::statement::{Fork, Kind, Priority, Statement};
use crdt::store::memory::{DiskModel, MemoryStore};

use crate::site::{Pen, Site, draft, entries_of};

const OFFICER: Roles = Roles::OFFICER;
const SUPERVISOR: Roles = Roles::SUPERVISOR;
const HUB: Roles = Roles::HUB;
const NONE: Roles = Roles(0);
const ROLES: [Roles; 8] = [
    NONE,
    OFFICER,
    SUPERVISOR,
    HUB,
    OFFICER.and(SUPERVISOR),
    OFFICER.and(HUB),
    SUPERVISOR.and(HUB),
    OFFICER.and(SUPERVISOR).and(HUB),
];

fn memory() -> MemoryStore {
    MemoryStore::new(DiskModel::AtOnce)
}

/// Whether one who has these roles may write an entry of this kind, about the site and about a capture.
fn may(kind: Kind, roles: Roles) -> (bool, bool) {
    let (officer, supervisor, hub) = (roles.has(OFFICER), roles.has(SUPERVISOR), roles.has(HUB));
    match kind {
        Kind::Certificate | Kind::Fork | Kind::Revocation => (true, false),
        Kind::Capture => (false, officer),
        Kind::Edit => (officer || supervisor, officer || supervisor),
        Kind::Receipt | Kind::Verdict => (false, hub),
        Kind::Review | Kind::Readmission => (false, supervisor),
        Kind::Seen => (false, officer || supervisor),
        Kind::Vote => (supervisor, false),
        Kind::GroupKey => (officer || supervisor, false),
        Kind::Erasure => (false, officer || supervisor || hub),
    }
}

#[test]
fn every_kind_is_refused_alike_from_whoever_may_not_write_it() {
    let (site, mut refused, mut allowed) = (Site::new(), 0, 0);
    for rule in &Kind::RULES {
        for roles in ROLES {
            let mut pen = Pen::new(site.enrol(5, roles));
            let mut entries = vec![pen.introduce(1_000)];
            let abouts = [About::Site, About::Capture(CaptureId([3; 16]))];
            // The body says nothing: who may write the kind is refused for that, which tells the two apart.
            entries.extend(abouts.map(|about| pen.write(1_000, about, rule.kind as u8, vec![0xff; 3])));
            let (to_site, to_capture) = may(rule.kind, roles);
            let reasons = reasons(&site, &entries);
            for (allows, reason) in [to_site, to_capture].into_iter().zip(&reasons) {
                assert_eq!(!allows, reason.contains("role doesn't allow"), "{:?} by {roles:?}: {reason}", rule.kind);
                *(if allows { &mut allowed } else { &mut refused }) += 1;
            }
        }
    }
    assert_eq!((allowed, refused), (79, 129));
}

/// Anybody may carry a certificate, evidence or an order into a log: each must prove itself, or does nothing to anybody.
#[test]
fn what_has_to_prove_itself_is_refused_alike_if_it_does_not() {
    let site = Site::new();
    let mut victim = Pen::new(site.enrol(4, OFFICER));
    let mut liar = Pen::new(site.enrol(5, OFFICER.and(SUPERVISOR).and(HUB)));
    let (introduced, mut entries) = (victim.introduce(1_000), vec![liar.introduce(1_000)]);
    // A second beginning of the victim's log, which the victim never signed; and one entry, twice.
    let mut framing = Pen { author: victim.author, ..Pen::new(liar.identity.clone()) };
    let framed = Fork::of(&introduced.signed, &framing.introduce(1_001).signed).unwrap();
    let twice = Fork { a: introduced.signed.clone(), b: introduced.signed.clone() };
    // An authority's order, but another authority's; a certificate of it, and one of the victim's.
    let (stranger, author) = (Authority::from_seed([9; 32]), victim.author.device);
    let charge = Charge { device: author, cause: Cause::Stolen, trusted: vec![] };
    let own = &liar.identity.certificate;
    let request = Request { device: own.device, sealing_key: own.sealing_key };
    let stronger = stranger.certify(&request, SUPERVISOR, "me", (0, u64::MAX));
    let statements = [
        Statement::Fork(Box::new(framed)),
        Statement::Fork(Box::new(twice)),
        Statement::Revocation(Box::new(stranger.revoke(charge))),
        Statement::Certificate(Box::new(stronger)),
        Statement::Certificate(Box::new(victim.identity.certificate.clone())),
    ];
    entries.extend(statements.map(|it| liar.write(1_000, About::Site, it.kind() as u8, it.encode())));
    let mut words = reasons(&site, &entries);
    words.dedup();
    let proves_nothing = ["fork evidence proves nothing", "isn't the site authority's", "certificate isn't signed"];
    assert!(words.len() == 3 && words.iter().zip(proves_nothing).all(|(told, word)| told.contains(word)), "{words:?}");
    let mut observer = site.observer();
    observer.ingest(2_000, [vec![introduced], entries].concat()).unwrap();
    assert_eq!(observer.frozen_at(&victim.author.log()), None);
    assert!(!observer.revoked().is_out(&author));
    assert_eq!(encode(observer.certificate(&author).unwrap()), encode(&victim.identity.certificate));
}

/// Why two replicas set all entries but the first aside; the same words, whatever the order.
fn reasons(site: &Site, entries: &[Entry]) -> Vec<String> {
    let [mut one, mut other] = [site.observer(), site.observer()];
    one.ingest(2_000, entries.to_vec()).unwrap();
    entries.iter().rev().for_each(|entry| drop(other.ingest(2_000, vec![entry.clone()]).unwrap()));
    let told = |replica: &Replica<MemoryStore>| {
        let mut all: Vec<(u64, String)> =
            replica.set_aside(0).unwrap().into_iter().map(|it| (it.header.seq, it.reason)).collect();
        all.sort();
        all
    };
    assert_eq!(told(&one), told(&other));
    assert_eq!(one.fingerprint(), other.fingerprint());
    let told = told(&one);
    assert_eq!(told.len(), entries.len() - 1, "{told:?}");
    told.into_iter().map(|(_, reason)| reason).collect()
}

/// Who may write a part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Editors,
    /// The device that captured, and supervisors.
    OriginAndSupervisors,
    Supervisors,
}

fn text(text: &str) -> crdt::redacted::Redacted<String> {
    text.to_owned().into()
}

/// Every part, with who may write it. `task` is one that exists.
fn parts(task: &str) -> Vec<(bool, Vec<EditOp>, Who)> {
    let linked = CaptureId([9; 16]);
    let one = |(of_capture, op, who)| (of_capture, vec![op], who);
    let unlinked = vec![EditOp::Link { capture: linked }, EditOp::Unlink { capture: linked }];
    let mut parts = vec![(true, unlinked, Who::Editors)];
    parts.extend(
        [
            (true, EditOp::Priority { priority: Priority::Urgent }, Who::Editors),
            (true, EditOp::Note { text: text("a note") }, Who::Editors),
            (true, EditOp::Correct { field: "name".into(), value: text("B") }, Who::Editors),
            (true, EditOp::Link { capture: linked }, Who::Editors),
            (true, EditOp::Step { text: text("a step") }, Who::Editors),
            (true, EditOp::Withdraw { reason: text("a reason") }, Who::OriginAndSupervisors),
            (false, EditOp::Roster { post: "gate".into(), text: text("Ana") }, Who::Supervisors),
            (false, EditOp::Handover { text: text("all quiet") }, Who::Editors),
            (false, EditOp::Task { text: text("a task") }, Who::Supervisors),
            (false, EditOp::TaskDone { task: task.to_owned() }, Who::Editors),
        ]
        .map(one),
    );
    parts
}

#[test]
fn every_part_of_a_record_is_refused_alike_from_whoever_may_not_write_it() {
    let site = Site::new();
    // A capture of another device's, and a task.
    let mut chief = site.open(site.enrol(4, OFFICER.and(SUPERVISOR)), memory());
    let about = chief.capture_new(1_000, [1; 32], &draft(10)).unwrap().about;
    chief.edit_new(1_000, [2; 32], About::Site, &[EditOp::Task { text: text("the first") }]).unwrap();
    let task = chief.record(About::Site).unwrap().unwrap().tasks[0].id.clone();
    let before = entries_of(&chief);
    let mut tried = 0;
    for (of_capture, ops, who) in parts(&task) {
        let about = if of_capture { about } else { About::Site };
        for roles in ROLES {
            for origin in [false, true] {
                let Some((entries, about)) = forced(&site, &before, about, &ops, roles, origin) else { continue };
                let editor = roles.any(OFFICER.and(SUPERVISOR));
                let allowed = match who {
                    Who::Editors => editor,
                    Who::OriginAndSupervisors => roles.has(SUPERVISOR) || editor && origin,
                    Who::Supervisors => roles.has(SUPERVISOR),
                };
                let what = format!("{ops:?} by {roles:?}, origin: {origin}");
                assert_eq!(counts(&site, &before, &entries, about), allowed, "{what}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 8 * 11 + 4 * 7);
}

/// A log whose author has these roles and writes an edit that a supervisor's program made for it. With `origin`, it is about
/// a capture of its own, which only officers can have.
fn forced(
    site: &Site,
    before: &[Entry],
    about: About,
    ops: &[EditOp],
    roles: Roles,
    origin: bool,
) -> Option<(Vec<Entry>, About)> {
    let mut strong = site.open(site.enrol(5, OFFICER.and(SUPERVISOR)), memory());
    strong.ingest(2_000, before.to_vec()).unwrap();
    let mut pen = Pen::new(site.enrol(5, roles));
    let mut entries = vec![pen.introduce(2_000)];
    let about = match (origin, about) {
        (false, about) => about,
        (true, About::Capture(_)) if roles.has(OFFICER) => {
            let own = strong.capture_new(2_000, [7; 32], &draft(10)).unwrap().about;
            let capture = entries_of(&strong).into_iter().find(|entry| entry.header().about == own).unwrap();
            entries.push(pen.write(2_000, own, Kind::Capture as u8, capture.body.unwrap().into_vec()));
            own
        }
        _ => return None,
    };
    strong.edit_new(2_000, [8; 32], about, ops).unwrap();
    let own = strong.own_author();
    let edit = entries_of(&strong)
        .into_iter()
        .rfind(|entry| entry.header().author == own && entry.header().kind == Kind::Edit as u8);
    entries.push(pen.write(2_000, about, Kind::Edit as u8, edit.unwrap().body.unwrap().into_vec()));
    Some((entries, about))
}

/// Whether the last of `entries` counts, on replicas that hear of it in different orders.
fn counts(site: &Site, before: &[Entry], entries: &[Entry], about: About) -> bool {
    let [mut one, mut other] = [site.observer(), site.observer()];
    let all = [before, entries].concat();
    one.ingest(3_000, all.clone()).unwrap();
    all.iter().rev().for_each(|entry| drop(other.ingest(3_000, vec![entry.clone()]).unwrap()));
    let edits = |record: &Option<Record>| record.as_ref().map_or(0, |record| record.edits);
    let [of_one, of_other] = [&mut one, &mut other].map(|replica| replica.record(about).unwrap());
    assert_eq!(of_one, of_other);
    assert_eq!(one.fingerprint(), other.fingerprint());
    let mut without = site.observer();
    without.ingest(3_000, before.to_vec()).unwrap();
    edits(&of_one) > edits(&without.record(about).unwrap())
}
