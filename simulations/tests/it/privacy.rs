//! Markers are planted in everything that is about a person, and every frame that any device says to any other, and every row
//! and image that any of them stores, is searched for them. What leaves a device is sealed before it is a frame: this holds on
//! a link without any encryption of its own.

use crdt::entry::About;
use crdt::ids::CaptureId;
use crdt::record::EditOp;
use crdt::redacted::Redacted;
use crdt::revocation::Cause;
use crdt::seal::SealError;
use crdt::statement::{CaptureDraft, Image, Outcome, ReviewContent, Shows, VerdictContent, VerdictValue, Why};
use crdt::store::{Direction, Store, Table};
use simulations::{Member, World};

const MARK: &str = "MARKERQX";

fn marked(what: &str) -> Redacted<String> {
    format!("{MARK} {what}").into()
}

#[test]
fn no_frame_and_no_row_of_anybody_has_what_is_about_a_person() {
    let mut world = World::new(71);
    world.hubs_answer = false;
    let hub = world.add(Member::Hub);
    let [ana, chief, other] = [Member::Officer, Member::Supervisor, Member::Supervisor].map(|it| world.add(it));
    let [mule, stolen] = [Member::Carrier, Member::Officer].map(|it| world.add(it));
    world.wire = Some(Vec::new());
    for (a, b) in [(ana, chief), (chief, mule), (mule, hub), (stolen, chief), (other, chief)] {
        world.link(a, b);
    }
    world.settle();

    let ids: Vec<CaptureId> = (0..3).map(|_| capture(&mut world, ana)).collect();
    for id in &ids {
        edit(&mut world, ana, chief, *id);
        answer(&mut world, hub, chief, *id);
    }
    world.settle();
    // Its readers read it: the search would find it.
    let read = |device| world.engine(device).replica().verdicts(ids[0]).unwrap().remove(0);
    assert!(read(ana).content.unwrap().reason.unwrap().contains(MARK));
    assert!(read(chief).references.unwrap()[0].contains(MARK));
    assert_eq!(read(ana).references, Err(SealError::NotForUs), "what the examiner compares with isn't for her");
    let notes = world.record(mule, About::Capture(ids[0])).notes;
    assert!(notes[0].value.reveal().contains(MARK));

    // Revocation renews the group key, and erasure rewrites the stores.
    let device = world.identity(stolen).device();
    for supervisor in [chief, other] {
        world
            .write(supervisor, |replica, now_ms| {
                let charge = replica.charge(device, Cause::Stolen, None).unwrap();
                replica.vote_new(now_ms, charge)
            })
            .unwrap();
        world.settle();
    }
    edit(&mut world, ana, chief, ids[1]);
    world.write(ana, |replica, now_ms| replica.erase_new(now_ms, ids[2], Why::Withdrawn)).unwrap();
    world.restart(mule);
    world.link(mule, chief);
    world.settle();

    let frames = world.wire.take().unwrap();
    assert!(frames.len() > 200, "{} frames", frames.len());
    for frame in &frames {
        assert!(!has_mark(frame), "{:?}", crdt::sync::frame::Frame::decode(frame));
    }
    let mut rows = 0;
    for device in [hub, ana, chief, other, mule, stolen] {
        rows += search_store(&world, device, &ids);
    }
    println!("{} frames and {rows} rows", frames.len());
    assert!(rows > 200);
}

fn capture(world: &mut World, device: usize) -> CaptureId {
    let mut image = vec![7; 40_000];
    image[20_000..20_000 + MARK.len()].copy_from_slice(MARK.as_bytes());
    let images = vec![
        Image { shows: Shows::Finger(2), bytes: image.clone().into() },
        Image { shows: Shows::Face, bytes: image.into() },
    ];
    let names = ["family_name", "given_names", "birth_date", "coordinates", MARK];
    let particulars = names.map(|name| (name.to_owned(), format!("{MARK} {name}").into())).into_iter().collect();
    let draft = CaptureDraft { purpose: "exercise".into(), images, particulars, ..CaptureDraft::default() };
    let seed = [u8::try_from(world.draw(250)).unwrap(); 32];
    let written = world.write(device, |replica, now_ms| replica.capture_new(now_ms, seed, &draft)).unwrap();
    written.about.capture().unwrap()
}

/// One edit of every sort that holds words.
fn edit(world: &mut World, officer: usize, supervisor: usize, id: CaptureId) {
    world.settle();
    let about = About::Capture(id);
    let ops = [
        EditOp::Note { text: marked("note") },
        EditOp::Correct { field: format!("{MARK} field"), value: marked("correction") },
        EditOp::Step { text: marked("step") },
        EditOp::Withdraw { reason: marked("reason") },
    ];
    world.edit(officer, about, &ops).unwrap();
    let ops = [
        EditOp::Roster { post: format!("{MARK} post"), text: marked("roster") },
        EditOp::Handover { text: marked("handover") },
        EditOp::Task { text: marked("task") },
    ];
    world.edit(supervisor, About::Site, &ops).unwrap();
    world.settle();
}

fn answer(world: &mut World, hub: usize, examiner: usize, id: CaptureId) {
    let content = VerdictContent {
        value: VerdictValue::Candidate,
        reason: Some(format!("{MARK} reason")),
        candidates: vec![format!("{MARK} candidate")],
        basis: vec![Shows::Finger(2)],
    };
    world.write(hub, |replica, now_ms| replica.receipt_new(now_ms, id)).unwrap();
    world.write(hub, |replica, now_ms| replica.verdict_new(now_ms, [3; 32], id, &content)).unwrap();
    world.settle();
    let content = ReviewContent { outcome: Outcome::Refuted, note: marked("review") };
    world.write(examiner, |replica, now_ms| replica.review_new(now_ms, [4; 32], id, &content)).unwrap();
}

/// Returns how many rows and images were searched.
fn search_store(world: &World, device: usize, ids: &[CaptureId]) -> usize {
    let store = world.engine(device).replica().store();
    let mut searched = 0;
    for table in Table::ALL {
        for (key, value) in store.scan(table, &[], &[u8::MAX; 64], Direction::Up, usize::MAX).unwrap() {
            assert!(!has_mark(&key) && !has_mark(&value), "{table:?} of device {device}");
            searched += 1;
        }
    }
    for id in ids {
        for blob in world.view(device, *id).origin.into_iter().flat_map(|origin| origin.blobs) {
            let bytes = store.blob_read(blob.id, 0, blob.bytes as usize).unwrap();
            assert!(!has_mark(&bytes), "an image on device {device}");
            searched += usize::from(!bytes.is_empty());
        }
    }
    searched
}

fn has_mark(bytes: &[u8]) -> bool {
    bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}
