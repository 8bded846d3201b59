//! Every bound: what works at n, and what happens at n + 1.

use super::*;
use crate::record::preflight;

#[test]
fn an_edit_is_as_long_as_a_chunk_and_not_one_byte_longer() {
    let copy = Paper::new(CAPTURE);
    let write = |bytes: usize| {
        let ops = [note(&"x".repeat(TEXT_BYTES_MAX)), note(&"y".repeat(bytes))];
        copy.document().change(author(ORIGIN), &ops)
    };
    let fits = (1..=TEXT_BYTES_MAX).rev().find(|bytes| write(*bytes).is_ok()).unwrap();
    let longest = write(fits).unwrap();
    assert_eq!(longest.len(), CHUNK_BYTES_MAX);
    assert_eq!(preflight::check(&longest), Ok(()));
    assert_eq!(write(fits + 1), Err(EditError::TooLong));
    assert_eq!(preflight::check(&[longest, vec![0]].concat()), Err(ChunkError::TooLong));
}

#[test]
fn an_edit_does_as_much_as_allowed_and_not_more() {
    let mut copy = Paper::new(CAPTURE);
    assert_eq!(copy.write(ORIGIN, &[]), Err(EditError::Count));
    assert_eq!(copy.write(ORIGIN, &vec![note("x"); EDIT_OPS_MAX + 1]), Err(EditError::Count));
    copy.write(ORIGIN, &vec![note("x"); EDIT_OPS_MAX]).unwrap();
    let many = |count: u64| {
        copy.forge(ORIGIN, |record, genesis| {
            (0..count).for_each(|_| record.insert(genesis.object(Part::Steps), 0, "x").unwrap());
        })
    };
    assert_eq!(preflight::check(&many(OPERATIONS_MAX)), Ok(()));
    assert_eq!(preflight::check(&many(OPERATIONS_MAX + 1)), Err(ChunkError::TooManyOperations));
    let text = |bytes| copy.document().change(author(ORIGIN), &[note(&"x".repeat(bytes))]).map(|_| ());
    assert_eq!(
        (text(TEXT_BYTES_MAX), text(TEXT_BYTES_MAX + 1), text(0)),
        (Ok(()), Err(EditError::Text), Err(EditError::Text))
    );
}

#[test]
fn more_heads_than_a_change_can_name_stay_concurrent_and_lose_nothing() {
    let mut all = Paper::new(CAPTURE);
    let authors = DEPENDENCIES_MAX as u8 + 1;
    let edits = (100..100 + authors).map(|who| {
        let mut alone = Paper::new(CAPTURE);
        alone.write(who, &[note("x")]).unwrap();
        alone
    });
    edits.for_each(|alone| all.merge(&alone));
    let over = all.forge(OFFICER, |record, genesis| record.insert(genesis.object(Part::Notes), 0, "y").unwrap());
    assert_eq!(preflight::check(&over), Err(ChunkError::TooManyDependencies));
    for who in [OFFICER, 100 + authors - 1] {
        all.write(who, &[note("y")]).unwrap();
        let Body::Chunk(chunk) = &all.edits.last().unwrap().body else { unreachable!() };
        assert!(Change::from_bytes(chunk.clone()).unwrap().deps().len() <= DEPENDENCIES_MAX as usize);
    }
    let record = all.record();
    assert_eq!((record.notes.len(), record.quarantined.len()), (usize::from(authors) + 2, 0));
}

#[test]
fn an_author_makes_as_many_edits_as_allowed_and_not_one_more() {
    let mut copy = Paper::new(CAPTURE);
    let genesis = Genesis::new(Subject::Capture);
    let mut document = genesis.document.clone();
    document.set_actor(ActorId::from(author(ORIGIN).actor(CAPTURE.key())));
    for _ in 0..=EDITS_PER_AUTHOR_MAX {
        let mut transaction = document.transaction();
        transaction.insert(genesis.object(Part::Notes), 0, "x").unwrap();
        transaction.commit_with(CommitOptions::default().with_time(0));
        copy.put(ORIGIN, document.get_last_local_change().unwrap().raw_bytes().to_vec());
    }
    let record = copy.record();
    assert_eq!((record.edits as u64, reasons(&record)), (EDITS_PER_AUTHOR_MAX, vec![Reason::TooMany]));
    copy.edits.pop();
    assert_eq!(copy.write(ORIGIN, &[note("x")]), Err(EditError::TooMany));
    copy.write(OFFICER, &[note("y")]).unwrap();
    assert_eq!(copy.record().edits as u64, EDITS_PER_AUTHOR_MAX + 1);
}
