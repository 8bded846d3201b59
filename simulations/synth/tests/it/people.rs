//! People as others use them: repeatable, different from each other, and of the stated sizes.

use std::collections::BTreeSet;

use image::GrayImage;
use synth::{FACE_HEIGHT_PX, FACE_WIDTH_PX, HEIGHT_PX, Person, Quality, WIDTH_PX, print_png};

const QUALITIES: [Quality; 3] = [Quality::Good, Quality::Worn, Quality::Smudged];

/// The share of pixels that are dark.
fn ink(picture: &GrayImage) -> f32 {
    picture.iter().filter(|gray| **gray < 160).count() as f32 / picture.len() as f32
}

/// How much two pictures vary together: 1 for the same, around 0 for two that have nothing to do with each other.
fn alike(a: &GrayImage, b: &GrayImage) -> f32 {
    let centred = |picture: &GrayImage| {
        let mean = picture.iter().map(|gray| f32::from(*gray)).sum::<f32>() / picture.len() as f32;
        picture.iter().map(|gray| f32::from(*gray) - mean).collect::<Vec<f32>>()
    };
    let (a, b) = (centred(a), centred(b));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

#[test]
fn the_same_seed_and_number_are_the_same_person() {
    let (one, again) = (Person::new(1, 7), Person::new(1, 7));
    for quality in QUALITIES {
        let taking = |person: Person| print_png(&person.finger(2).impression(3, quality));
        assert!(taking(one) == taking(again), "{quality:?}");
    }
    assert!(one.face() == again.face());
    assert_eq!(one.particulars(), again.particulars());
    assert_eq!(one.reference(), "P-0007");
}

#[test]
fn seeds_numbers_fingers_and_takings_all_differ() {
    let print = |seed, number, position, index, quality| {
        Person::new(seed, number).finger(position).impression(index, quality).into_raw()
    };
    let prints = [
        print(1, 7, 2, 0, Quality::Good),
        print(2, 7, 2, 0, Quality::Good),
        print(1, 8, 2, 0, Quality::Good),
        print(1, 7, 7, 0, Quality::Good),
        print(1, 7, 2, 1, Quality::Good),
        print(1, 7, 2, 0, Quality::Worn),
    ];
    assert_eq!(prints.iter().collect::<BTreeSet<_>>().len(), prints.len());
    let people = (0..50).map(|number| Person::new(1, number));
    let faces: BTreeSet<_> = people.clone().map(|person| person.face().into_raw()).collect();
    let papers: BTreeSet<_> = people.map(|person| person.particulars()["document_number"].clone()).collect();
    assert_eq!((faces.len(), papers.len()), (50, 50));
}

#[test]
fn a_fresh_taking_lies_elsewhere() {
    // Were the ridges in the same places, a matcher would be tested on copies.
    let finger = Person::new(1, 3).finger(2);
    let [first, second] = [0, 1].map(|index| finger.impression(index, Quality::Good));
    assert!((alike(&first, &first) - 1.0).abs() < 1e-3);
    assert!(alike(&first, &second) < 0.7, "{}", alike(&first, &second));
}

#[test]
fn prints_have_their_size_ridges_in_the_middle_and_white_around() {
    for quality in QUALITIES {
        let picture = Person::new(4, 1).finger(8).impression(0, quality);
        assert_eq!(picture.dimensions(), (WIDTH_PX, HEIGHT_PX));
        assert!((0.03..0.45).contains(&ink(&picture)), "{quality:?} {}", ink(&picture));
        let corner = image::imageops::crop_imm(&picture, 0, 0, 20, 20).to_image();
        assert!(ink(&corner) == 0.0, "{quality:?}");
    }
}

#[test]
fn a_face_is_a_drawing_of_the_size_of_a_photograph() {
    let face = Person::new(1, 1).face();
    assert_eq!(face.dimensions(), (FACE_WIDTH_PX, FACE_HEIGHT_PX));
    let grays: BTreeSet<u8> = face.iter().copied().collect();
    assert!((4..10).contains(&grays.len()), "a photograph has more grays than {}", grays.len());
}

#[test]
fn papers_have_plausible_fields() {
    for number in 0..200 {
        let papers = Person::new(9, number).particulars();
        assert_eq!(
            papers.keys().copied().collect::<Vec<_>>(),
            ["birth_date", "document_number", "family_name", "given_names", "nationality"]
        );
        assert!(papers["family_name"].chars().all(char::is_alphabetic));
        assert!(papers["family_name"].starts_with(char::is_uppercase));
        assert_eq!((papers["birth_date"].len(), papers["document_number"].len()), (10, 9));
        assert_eq!(papers["nationality"], "UTO");
    }
}
