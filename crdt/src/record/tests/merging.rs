//! Honest hands, apart from each other.

use super::*;

#[test]
fn first_edits_in_two_valleys_merge_without_losing_a_word() {
    let [mut a, mut b] = [(); 2].map(|()| Paper::new(CAPTURE));
    a.write(ORIGIN, &[note("scar on the left hand"), correct("family_name", "Doe")]).unwrap();
    a.write(ORIGIN, &[EditOp::Priority { priority: Priority::Urgent }]).unwrap();
    b.write(OFFICER, &[note("speaks French"), correct("family_name", "Dough")]).unwrap();
    b.write(
        OFFICER,
        &[EditOp::Priority { priority: Priority::Routine }, EditOp::Step { text: "fed".to_owned().into() }],
    )
    .unwrap();
    a.merge(&b);
    let record = a.record();
    assert_eq!(a.reversed().record(), record);
    let mut notes = texts(&record.notes);
    notes.sort_unstable();
    assert_eq!(notes, [(ORIGIN, "scar on the left hand"), (OFFICER, "speaks French")]);
    let mut names = texts(&record.corrections["family_name"]);
    names.sort_unstable();
    assert_eq!(names, [(ORIGIN, "Doe"), (OFFICER, "Dough")], "both stand until somebody decides");
    assert_eq!((record.priority, record.priorities.len()), (Some(Priority::Urgent), 2));
    assert_eq!((record.edits, record.pending, record.quarantined.len()), (4, 0, 0));

    a.write(SUPERVISOR, &[correct("family_name", "Doe"), EditOp::Priority { priority: Priority::Routine }]).unwrap();
    let record = a.record();
    assert_eq!(texts(&record.corrections["family_name"]), [(ORIGIN, "Doe")], "settled, and still his who wrote it");
    assert_eq!((record.priority, record.priorities.len()), (Some(Priority::Routine), 1));
}

#[test]
fn a_link_made_again_elsewhere_survives_being_taken_back() {
    let other = CaptureId([9; 16]);
    let mut a = Paper::new(CAPTURE);
    a.write(ORIGIN, &[EditOp::Link { capture: other }]).unwrap();
    let mut b = a.clone();
    a.write(ORIGIN, &[EditOp::Unlink { capture: other }]).unwrap();
    assert!(a.record().links.is_empty());
    assert_eq!(a.write(ORIGIN, &[EditOp::Unlink { capture: other }]), Err(EditError::NothingThere));
    assert_eq!(b.write(OFFICER, &[EditOp::Link { capture: other }]), Err(EditError::NothingNew));
    b.write(OFFICER, &[EditOp::Unlink { capture: other }, EditOp::Link { capture: other }]).unwrap();
    a.merge(&b);
    assert_eq!(a.record().links.len(), 1);
    assert_eq!(a.record().links[0].by, DeviceId([OFFICER; 32]));
}

#[test]
fn the_site_has_a_roster_a_handover_and_tasks() {
    let mut site = Paper::new(About::Site);
    let task = EditOp::Task { text: "charge the batteries".to_owned().into() };
    let roster = EditOp::Roster { post: "gate".into(), text: "team 2".to_owned().into() };
    site.write(SUPERVISOR, &[task.clone(), roster, task]).unwrap();
    site.write(OFFICER, &[EditOp::Handover { text: "quiet night".to_owned().into() }]).unwrap();
    let first = site.record().tasks[0].id.clone();
    site.write(OFFICER, &[EditOp::TaskDone { task: first }]).unwrap();
    let record = site.record();
    assert_eq!(texts(&record.handover), [(OFFICER, "quiet night")]);
    assert_eq!(texts(&record.roster["gate"]), [(SUPERVISOR, "team 2")]);
    let done: Vec<usize> = record.tasks.iter().map(|task| task.done.len()).collect();
    assert_eq!(done, [1, 0]);
    assert_eq!(site.write(OFFICER, &[EditOp::TaskDone { task: "no".into() }]), Err(EditError::NothingThere));
    assert_eq!(site.write(OFFICER, &[note("here?")]), Err(EditError::OtherRecord));
}

#[test]
fn what_is_not_here_yet_is_waited_for_and_what_cannot_be_read_is_no_offence() {
    let mut whole = Paper::new(CAPTURE);
    for (who, text) in [(ORIGIN, "one"), (OFFICER, "two"), (ORIGIN, "three")] {
        whole.write(who, &[note(text)]).unwrap();
    }
    let without = |gone: usize| {
        let mut part = whole.clone();
        part.edits.remove(gone);
        part
    };
    assert_eq!((without(1).record().edits, without(1).record().pending), (1, 1));
    let mut keyless = whole.clone();
    keyless.edits[0].body = Body::Unreadable;
    let record = keyless.record();
    assert_eq!((record.edits, record.pending, record.unreadable, record.quarantined.len()), (0, 2, 1, 0));
    assert_eq!(keyless.write(ORIGIN, &[note("four")]), Err(EditError::Stuck));
    let mut broken = whole.clone();
    broken.edits[2].body = Body::Broken;
    assert_eq!(reasons(&broken.record()), [Reason::Sealed]);
}

#[test]
fn operations_and_records_as_json() {
    let ops = r#"[{"op":"priority","priority":"urgent"},{"op":"note","text":"n"},{"op":"correct","field":"f","value":"v"},
        {"op":"link","capture":"e6bqoayeqcdqobyhbydqobyhb4"},{"op":"unlink","capture":"a4dqobyhbydqobyhbydqobyhby"},
        {"op":"step","text":"s"},{"op":"withdraw","reason":"r"},{"op":"roster","post":"p","text":"t"},
        {"op":"handover","text":"h"},{"op":"task","text":"t"},{"op":"task_done","task":"1@00"}]"#;
    let id = CaptureId([7; 16]).to_string();
    let ops = ops.replace("e6bqoayeqcdqobyhbydqobyhb4", &id).replace("a4dqobyhbydqobyhbydqobyhby", &id);
    let read: Vec<EditOp> = serde_json::from_str(&ops).unwrap();
    assert_eq!(read.len(), 11);
    assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::from_str::<serde_json::Value>(&ops).unwrap());
    assert!(serde_json::from_str::<EditOp>(r#"{"op":"note","text":"n","more":1}"#).is_err());
    assert!(!format!("{read:?}").contains("\"n\""), "texts aren't printed");

    let mut copy = Paper::new(CAPTURE);
    copy.write(ORIGIN, &[note("n"), EditOp::Link { capture: CaptureId([7; 16]) }]).unwrap();
    copy.put(LIAR, vec![1]);
    let json = serde_json::to_value(copy.record()).unwrap();
    assert_eq!(json["notes"][0]["value"], "n");
    assert_eq!(json["notes"][0]["by"], DeviceId([ORIGIN; 32]).to_string());
    assert_eq!(json["links"][0]["value"], id);
    assert_eq!(json["quarantined"][0]["reason"], "the bytes aren't one plain change");
}
