//! Extraction and search through worker processes: right answers, right reasons, and a pool that outlives its workers.

use std::{ffi::OsString, io::Cursor, thread};

use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use matcher::{
    Decision, ExtractError, ImageError, Limits, LoadError, Person, Pool, Poor, Reason, Reference, SearchError,
    gallery::PEOPLE_MAX, person::PRINTS_MAX, pool::StartError, pool::Unavailable, template::MINUTIAE_MIN,
};

use crate::{
    print::{ASKEW, Finger, HEIGHT, STRAIGHT, WIDTH, position, template},
    workers::{Fault, HANGS, faulty, sound},
};

fn pool(workers: usize) -> Pool {
    Pool::start(sound(), workers).unwrap()
}

fn person(pool: &Pool, reference: &str, fingers: &[(u8, u64)]) -> Person {
    let prints = fingers.iter().map(|(code, finger)| (position(*code), template(pool, *finger, STRAIGHT))).collect();
    Person { reference: Reference::new(reference).unwrap(), prints }
}

fn names(decision: Decision) -> Vec<String> {
    match decision {
        Decision::Candidate(references) => references.iter().map(Reference::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

fn png(width: u32, height: u32, level: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(GrayImage::from_pixel(width, height, Luma([level])))
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[test]
fn a_person_is_found_among_others_by_any_of_the_fingers() {
    let pool = pool(1);
    let people: Vec<Person> =
        (0..6).map(|n| person(&pool, &format!("p{n}"), &[(2, 10 * n), (7, 10 * n + 1)])).collect();
    pool.load(&people).unwrap();
    let right = (position(2), template(&pool, 30, ASKEW));
    let left = (position(7), template(&pool, 31, ASKEW));
    assert_eq!(names(pool.screen(std::slice::from_ref(&right)).unwrap()), ["p3"]);
    assert_eq!(names(pool.screen(&[right.clone(), left]).unwrap()), ["p3"]);

    let searched = pool.search(std::slice::from_ref(&right)).unwrap();
    assert_eq!((searched.compared, searched.not_compared), (6, 0));
    assert!(searched.ranked[0].fused.score > 2 * searched.ranked[1].fused.score, "{:?}", searched.ranked);

    // Another finger of the same person isn't compared with it, an unknown one is.
    let swapped = [(position(7), right.1.clone())];
    assert_eq!(pool.screen(&swapped).unwrap(), Decision::NoMatch);
    assert_eq!(names(pool.screen(&[(position(0), right.1)]).unwrap()), ["p3"]);
}

#[test]
fn a_stranger_is_no_match_and_an_empty_gallery_says_nothing() {
    let pool = pool(1);
    let stranger = [(position(2), template(&pool, 99, ASKEW))];
    assert_eq!(pool.screen(&stranger).unwrap(), Decision::Inconclusive(Reason::EmptyGallery));
    pool.load(&[person(&pool, "a", &[(2, 1)]), person(&pool, "b", &[(2, 2)])]).unwrap();
    assert_eq!(pool.screen(&stranger).unwrap(), Decision::NoMatch);
    pool.load(&[person(&pool, "a", &[(2, 1)]), person(&pool, "b", &[(3, 2)])]).unwrap();
    assert_eq!(pool.screen(&stranger).unwrap(), Decision::Inconclusive(Reason::NotCompared { people: 1 }));
}

#[test]
fn poor_prints_are_inconclusive_beside_which_a_good_one_still_finds() {
    let pool = pool(1);
    pool.load(&[person(&pool, "a", &[(2, 1)])]).unwrap();
    let white = pool.extract(&png(300, 400, 255)).unwrap();
    assert_eq!(white.poor, Some(Poor::TooFewMinutiae { found: 0 }));
    let poor = (position(3), white.template);
    let reason = Reason::AllPoor { position: position(3), poor: Poor::TooFewMinutiae { found: 0 } };
    assert_eq!(pool.screen(std::slice::from_ref(&poor)).unwrap(), Decision::Inconclusive(reason));
    assert_eq!(pool.screen(&[]).unwrap(), Decision::Inconclusive(Reason::NoPrints));
    let good = (position(2), template(&pool, 1, ASKEW));
    assert_eq!(names(pool.screen(&[poor, good]).unwrap()), ["a"]);
}

#[test]
fn bad_pictures_get_their_reason_and_the_worker_lives() {
    let pool = pool(1);
    let image_error = |bytes: &[u8]| match pool.extract(bytes) {
        Err(ExtractError::Image(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(image_error(b"these bytes are no picture"), ImageError::UnknownFormat);
    assert_eq!(image_error(&[]), ImageError::UnknownFormat);
    let whole = png(300, 400, 90);
    assert_eq!(image_error(&whole[..whole.len() / 2]), ImageError::Damaged);
    assert_eq!(image_error(&png(8, 8, 90)), ImageError::Size { width: 8, height: 8 });
    assert_eq!(image_error(b"P5\n50000 50000\n255\n"), ImageError::Size { width: 50_000, height: 50_000 });
    assert!(matches!(image_error(&vec![0; (16 << 20) + 1]), ImageError::TooManyBytes(_)));
    for flat in [0, 128, 255] {
        let extracted = pool.extract(&png(64, 64, flat)).unwrap();
        assert_eq!(extracted.poor, Some(Poor::TooSmall { width: 64, height: 64 }));
    }
    assert!(template(&pool, 1, STRAIGHT).minutiae().len() >= MINUTIAE_MIN);
    assert_eq!(pool.restarts(), 0);
}

#[test]
fn pictures_of_noise_and_of_every_small_size_leave_the_pool_working() {
    let pool = pool(2);
    let finger = Finger::new(5).impression(STRAIGHT);
    let pixels = &finger[finger.len() - (WIDTH * HEIGHT) as usize..];
    for (width, height) in [(64, 64), (65, 71), (64, 400), (320, 64), (79, 80), (101, 397)] {
        let cut: Vec<u8> = (0..height).flat_map(|row| &pixels[row * WIDTH as usize..][..width]).copied().collect();
        let bytes = [format!("P5\n{width} {height}\n255\n").as_bytes(), &cut].concat();
        assert!(pool.extract(&bytes).unwrap().poor.is_some(), "{width} x {height}");
    }
    let noise: Vec<u8> = (0..300u32 * 400).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let _ = pool.extract(&[b"P5\n300 400\n255\n".as_slice(), &noise].concat());
    assert!(pool.extract(&finger).is_ok());
}

#[test]
fn a_worker_that_dies_in_a_request_is_replaced_and_the_request_done() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::start(faulty(folder.path(), Fault::Dies, 1), 1).unwrap();
    assert_eq!(pool.restarts(), 0);
    assert!(template(&pool, 1, STRAIGHT).minutiae().len() >= MINUTIAE_MIN);
    assert_eq!(pool.restarts(), 1);
}

#[test]
fn an_input_that_kills_twice_gets_the_blame_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::start(faulty(folder.path(), Fault::Dies, 2), 1).unwrap();
    let picture = Finger::new(1).impression(STRAIGHT);
    assert!(matches!(pool.extract(&picture), Err(ExtractError::Crashed)));
    assert_eq!(pool.restarts(), 2);
    assert!(pool.extract(&picture).is_ok());
    assert_eq!(pool.restarts(), 2);
}

#[test]
fn a_hung_worker_is_killed_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { request_ms_max: 2_000, ..Limits::default() };
    let pool = Pool::start_with(faulty(folder.path(), Fault::Hangs, 1), 1, limits).unwrap();
    assert!(pool.extract(&Finger::new(1).impression(STRAIGHT)).is_ok());
    assert_eq!(pool.restarts(), 1);
}

#[test]
fn a_new_worker_gets_the_gallery_again() {
    let folder = tempfile::tempdir().unwrap();
    let helper = pool(1);
    let people = [person(&helper, "a", &[(2, 1)]), person(&helper, "b", &[(2, 2)])];
    // It fails while it reads its gallery.
    let pool = Pool::start(faulty(folder.path(), Fault::Dies, 1), 1).unwrap();
    pool.load(&people).unwrap();
    let probe = [(position(2), template(&helper, 2, ASKEW))];
    assert_eq!(names(pool.screen(&probe).unwrap()), ["b"]);
    assert_eq!(pool.restarts(), 1);
}

#[test]
fn two_workers_at_once_score_as_one() {
    let one = pool(1);
    let people: Vec<Person> = (0..5).map(|n| person(&one, &format!("p{n}"), &[(2, n)])).collect();
    let probes: Vec<_> = (0..5).map(|n| [(position(2), template(&one, n, ASKEW))]).collect();
    one.load(&people).unwrap();
    let alone: Vec<_> = probes.iter().map(|probe| one.search(probe).unwrap()).collect();

    let two = pool(2);
    two.load(&people).unwrap();
    thread::scope(|scope| {
        let both: Vec<_> = (0..4)
            .map(|turn| {
                let (two, probes, alone) = (&two, &probes, &alone);
                scope.spawn(move || {
                    for n in 0..20 {
                        let which = (n * (turn + 1) + turn) % probes.len();
                        assert_eq!(two.search(&probes[which]).unwrap(), alone[which]);
                    }
                })
            })
            .collect();
        both.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let again = two.extract(&Finger::new(3).impression(ASKEW)).unwrap().template;
    assert_eq!(again, probes[3][0].1);
}

#[test]
fn too_many_callers_are_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { request_ms_max: 3_000, waiting_max: 0 };
    let pool = Pool::start_with(faulty(folder.path(), Fault::Hangs, 2), 1, limits).unwrap();
    let picture = Finger::new(1).impression(STRAIGHT);
    thread::scope(|scope| {
        let slow = scope.spawn(|| pool.extract(&picture));
        // It once waited for the worker's start only, sometimes came first itself, and then asked for ever.
        while !folder.path().join(HANGS).exists() {
            thread::yield_now();
        }
        // The hung worker is busy for seconds; whoever comes meanwhile doesn't wait.
        let turned_away = pool.extract(b"no picture");
        assert!(matches!(turned_away, Err(ExtractError::Unavailable(Unavailable::Busy))), "{turned_away:?}");
        assert!(matches!(slow.join().unwrap(), Err(ExtractError::TimedOut) | Ok(_)));
    });
}

#[test]
fn a_command_that_is_no_worker_is_refused_at_the_start() {
    let refused = |command: &[&str], workers| Pool::start(command.iter().map(OsString::from).collect(), workers).err();
    assert!(matches!(refused(&["true"], 1), Some(StartError::Spawn(_))));
    assert!(matches!(refused(&["/no/such/program"], 1), Some(StartError::Spawn(_))));
    assert!(matches!(refused(&[], 1), Some(StartError::Spawn(_))));
    assert!(matches!(refused(&["true"], 0), Some(StartError::Workers(0))));
    assert!(matches!(refused(&["true"], 65), Some(StartError::Workers(65))));
}

#[test]
fn galleries_and_probes_have_bounds() {
    let pool = pool(1);
    let print = (position(2), template(&pool, 1, STRAIGHT));
    let nobody = |n: usize| Person { reference: Reference::new(&format!("p{n}")).unwrap(), prints: vec![] };
    let crowd: Vec<Person> = (0..=PEOPLE_MAX).map(nobody).collect();
    assert_eq!(pool.load(&crowd), Err(LoadError::TooManyPeople(PEOPLE_MAX + 1)));
    assert_eq!(pool.load(&crowd[..PEOPLE_MAX]), Ok(()));
    let many = |n| vec![print.clone(); n];
    let hydra = |n| [Person { prints: many(n), ..nobody(0) }];
    assert_eq!(pool.load(&hydra(PRINTS_MAX)), Ok(()));
    assert_eq!(pool.load(&hydra(PRINTS_MAX + 1)), Err(LoadError::TooManyPrints(PRINTS_MAX + 1)));
    assert!(pool.search(&many(PRINTS_MAX)).is_ok());
    assert!(matches!(pool.search(&many(PRINTS_MAX + 1)), Err(SearchError::TooManyPrints(_))));
}
