//! Bytes and changes that no honest device would write: nobody panics, nobody else loses a word.

use automerge::ObjType;
use automerge::legacy::{self, ElementId, Key, ObjectId, OpType};
use proptest::prelude::*;

use super::*;
use crate::record::preflight;
use crate::record::schema::GENESIS_ACTOR;

/// A real change of the liar's own, made on all that is here.
fn liars_change(copy: &Paper) -> Vec<u8> {
    let ops = [note("lie"), correct("name", "D"), EditOp::Unlink { capture: CaptureId([9; 16]) }];
    let document = copy.document();
    let all = document.change(author(LIAR), &ops);
    all.unwrap_or_else(|_| document.change(author(LIAR), &ops[..2]).unwrap())
}

/// The good record after a lie, the liar's next edit, and an honest one; checks that the honest authors lost nothing.
fn lied_to(good: &Paper, lie: Vec<u8>) -> Paper {
    let mut copy = good.clone();
    copy.put(LIAR, lie);
    copy.put(LIAR, liars_change(good));
    copy.write(ORIGIN, &[note("afterwards")]).unwrap();
    let record = copy.record();
    assert!(record.quarantined.iter().all(|it| it.by.0[0] == LIAR), "{:?}", record.quarantined);
    assert_eq!(record.edits + record.quarantined.len() + record.pending, copy.edits.len());
    for text in ["one", "two", "three", "four", "five", "afterwards"] {
        assert!(texts(&record.notes).iter().any(|(_, said)| *said == text), "{text} is lost");
    }
    copy
}

fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % below
}

fn shuffled(copy: &Paper, mut seed: u64) -> Paper {
    let mut copy = copy.clone();
    (1..copy.edits.len()).rev().for_each(|at| copy.edits.swap(at, draw(&mut seed, at + 1)));
    copy
}

/// A change that Automerge would write, if it were told to: well-formed, and wrong in one to three places.
fn well_formed_lie(good: &Paper, seed: &mut u64) -> Option<Vec<u8>> {
    let mut change = Change::from_bytes(liars_change(good)).unwrap().decode();
    let actors = [ORIGIN, OFFICER, SUPERVISOR, LIAR].map(|who| ActorId::from(author(who).actor(CAPTURE.key())));
    let genesis = ActorId::from(GENESIS_ACTOR);
    for _ in 0..=draw(seed, 3) {
        let somewhere = legacy::OpId(draw(seed, 24) as u64, actors[draw(seed, 4)].clone());
        let object = legacy::OpId(1 + draw(seed, 5) as u64, genesis.clone());
        let index = draw(seed, change.operations.len());
        let op = &mut change.operations[index];
        match draw(seed, 12) {
            0 => change.start_op = change.start_op.checked_add(draw(seed, 3) as u64)?,
            1 => change.start_op = std::num::NonZeroU64::new(1 + draw(seed, 20) as u64)?,
            2 => change.seq = draw(seed, 4) as u64,
            3 => drop(change.deps.pop()),
            4 => change.deps = vec![Genesis::new(Subject::Capture).hash],
            5 => op.obj = ObjectId::Id(object),
            6 => op.obj = ObjectId::Id(somewhere),
            7 => op.key = Key::Seq(ElementId::Id(somewhere)),
            8 => op.pred = [op.pred.iter().cloned().collect(), vec![somewhere]].concat().into(),
            9 => op.pred = Vec::new().into(),
            10 => op.insert = !op.insert,
            _ => op.action = [OpType::Delete, OpType::Make(ObjType::List), OpType::Increment(1)][draw(seed, 3)].clone(),
        }
    }
    quiet::catch(|| Change::from(change).raw_bytes().to_vec())
}

#[test]
fn well_formed_lies_never_panic_never_split_replicas_and_never_touch_what_others_wrote() {
    quiet::install_panic_hook();
    let (good, mut seed) = (honest(), 5);
    let genesis = Genesis::new(Subject::Capture);
    let whole = good.automerge(&genesis);
    let (mut panics, mut tally) = (0, BTreeMap::<String, usize>::new());
    for _ in 0..600 {
        let Some(lie) = well_formed_lie(&good, &mut seed) else { continue };
        let alone = quiet::catch(|| {
            let change = Change::from_bytes(lie.clone()).unwrap();
            whole.clone().apply_changes([change])
        });
        panics += usize::from(alone.is_none());
        let copy = lied_to(&good, lie);
        let record = copy.record();
        assert_eq!(shuffled(&copy, seed).record(), record);
        let lie = record.quarantined.iter().find(|it| it.seq == FIRST_PLACE);
        let lie = lie.map_or("taken or pending".into(), |it| format!("{:?}", it.reason));
        *tally.entry(lie).or_default() += 1;
    }
    println!("{panics} would have panicked; {tally:?}");
    // Without these the test would prove nothing.
    assert!(panics > 10, "{panics}");
    for reason in ["Content", "Past", "Turn", "taken or pending"] {
        assert!(tally.get(reason).is_some_and(|count| *count > 5), "{tally:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn mutated_changes_never_panic_never_split_replicas_and_never_touch_what_others_wrote(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        order in any::<u64>(),
    ) {
        let good = honest();
        let mut chunk = liars_change(&good);
        for (at, byte) in &flips {
            // The checksum is mended afterwards, so flips go where they mean something.
            let at = 9 + at.index(chunk.len() - 9);
            chunk[at] = *byte;
        }
        let copy = lied_to(&good, with_checksum(&chunk));
        prop_assert_eq!(shuffled(&copy, order).record(), copy.record());
    }

    #[test]
    fn random_bytes_never_get_past_preflight(bytes in prop::collection::vec(any::<u8>(), 0..5_000), honest_head in any::<bool>()) {
        let head = [&[0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1][..], &[(bytes.len() % 128) as u8]].concat();
        let chunk = if honest_head { [head, bytes].concat() } else { bytes };
        let mut copy = Paper::new(CAPTURE);
        copy.put(LIAR, chunk);
        prop_assert_eq!(copy.record().quarantined.len(), 1);
    }

    #[test]
    fn any_order_of_arrival_gives_the_same_record(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle(), apart in prop::collection::vec((0..3usize, 0..3usize), 8)) {
        let mut copies = [(); 3].map(|()| Paper::new(CAPTURE));
        for (round, (writer, teller)) in apart.into_iter().enumerate() {
            copies[writer].write([ORIGIN, OFFICER, SUPERVISOR][writer], &[note(&round.to_string()), correct("name", &round.to_string())]).unwrap();
            let told = copies[teller].clone();
            copies[writer].merge(&told);
        }
        let [mut all, b, c] = copies;
        all.merge(&b);
        all.merge(&c);
        let places: Vec<usize> = order.into_iter().filter(|at| *at < all.edits.len()).collect();
        let shuffled = Paper { about: CAPTURE, edits: places.iter().map(|at| all.edits[*at].clone()).collect() };
        prop_assert_eq!(shuffled.record(), all.record());
        prop_assert_eq!(all.record().notes.len(), 8);
    }
}

/// A plain change with these columns: specification and content.
fn chunk_of(columns: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = vec![0, 16];
    body.extend([LIAR; 16]);
    body.extend([1, 6, 0, 0, 0, columns.len() as u8]);
    for (column, content) in columns {
        body.extend([*column, content.len() as u8]);
    }
    columns.iter().for_each(|(_, content)| body.extend_from_slice(content));
    [&[0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1, body.len() as u8][..], &body].concat()
}

/// With Automerge 0.12 a change of 69 bytes whose columns said "ten million times the same" took six seconds and 3.8 GB.
#[test]
fn inflated_columns_and_deflated_chunks_are_refused() {
    // Ten million as a LEB128 run length.
    let run = [0x80, 0xad, 0xe2, 0x04, 1];
    let mut deflated = chunk_of(&[]);
    deflated[8] = 2;
    let cases = [
        (chunk_of(&[(0x42, &run)]), ChunkError::TooManyOperations),
        (chunk_of(&[(0x34, &run[..4])]), ChunkError::TooManyOperations),
        (chunk_of(&[(0x01, &[0, 0x80, 0xad, 0xe2, 0x04])]), ChunkError::TooManyOperations),
        (chunk_of(&[(0x70, &[1, 0x80, 0xad, 0xe2, 0x04])]), ChunkError::TooManyReplaced),
        (chunk_of(&[(0x73, &run)]), ChunkError::TooManyReplaced),
        (chunk_of(&[(0x4a, &[1, 1])]), ChunkError::Column),
        (deflated, ChunkError::NotAChange),
    ];
    for (chunk, error) in &cases {
        assert_eq!(preflight::check(chunk), Err(*error));
    }
}
