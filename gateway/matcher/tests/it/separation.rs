//! The thresholds on a small sample of synthetic people, through a real search. `cargo bench -p matcher --bench scores` has the
//! large one.

use matcher::{Decision, Person, Pool, Reason, Reference, person::FingerPrint};
use synth::{Quality, print_png};

use crate::{print::position, workers::sound};

const PEOPLE: u32 = 12;
const SEED: u64 = 7;
/// Both index fingers.
const FINGERS: [u8; 2] = [2, 7];

fn prints(pool: &Pool, number: u32, taking: u32, quality: Quality) -> Vec<FingerPrint> {
    let print = |code: u8| {
        let picture = synth::Person::new(SEED, number).finger(code).impression(taking, quality);
        (position(code), pool.extract(&print_png(&picture)).unwrap().template)
    };
    FINGERS.map(print).to_vec()
}

fn gallery(pool: &Pool) -> Vec<Person> {
    let person = |number| {
        let reference = Reference::new(&synth::Person::new(SEED, number).reference()).unwrap();
        Person { reference, prints: prints(pool, number, 0, Quality::Good) }
    };
    (0..PEOPLE).map(person).collect()
}

#[test]
fn two_fingers_find_their_person_and_nobody_else() {
    let pool = Pool::start(sound(), 2).unwrap();
    let people = gallery(&pool);
    pool.load(&people).unwrap();
    for (number, person) in (0..).zip(&people) {
        for taking in 1..3 {
            let searched = pool.search(&prints(&pool, number, taking, Quality::Good)).unwrap();
            // Few enough that a search keeps them all.
            assert_eq!(searched.ranked.len(), people.len());
            for ranked in searched.ranked {
                let same = ranked.reference == person.reference;
                assert_eq!(ranked.fused.fingers, 2);
                assert_eq!(
                    ranked.fused.is_candidate(),
                    same,
                    "{number} against {}: {:?}",
                    ranked.reference,
                    ranked.fused
                );
            }
        }
    }
}

#[test]
fn strangers_are_no_match() {
    let pool = Pool::start(sound(), 2).unwrap();
    pool.load(&gallery(&pool)).unwrap();
    for number in PEOPLE..2 * PEOPLE {
        assert_eq!(pool.screen(&prints(&pool, number, 1, Quality::Good)).unwrap(), Decision::NoMatch, "{number}");
    }
}

#[test]
fn smudged_prints_are_inconclusive_and_never_no_match() {
    let pool = Pool::start(sound(), 2).unwrap();
    pool.load(&gallery(&pool)).unwrap();
    for number in 0..2 * PEOPLE {
        let decision = pool.screen(&prints(&pool, number, 1, Quality::Smudged)).unwrap();
        assert!(matches!(decision, Decision::Inconclusive(Reason::AllPoor { .. })), "{number}: {decision:?}");
    }
}
