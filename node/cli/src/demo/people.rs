//! Who plays: the people of the hub's gallery, and those who are captured.

use std::path::Path;

use matcher::Position;
use node::home::Home;
use serde_json::{Value, json};
use synth::{Dice, Quality, png, print_png};

use super::report::Expected;
use super::stage::OFFLINE;
use crate::cmd::gallery::{add_person, open_gallery};
use crate::cmd::hub::pool;
use crate::failure::Failure;
use crate::parallel;

/// Both index fingers.
const FINGERS: [u8; 2] = [2, 7];
/// Of so many captures in a row, half are of people in the gallery.
const ROUND: usize = 6;
/// What dice are thrown for.
const WHO: u64 = 1;
const WHERE_TO_BEGIN: u64 = 2;

/// A person at a capture, and what the hub should say.
pub(super) struct Person {
    /// By the names of the form.
    pub(super) images: Vec<(String, Vec<u8>)>,
    /// What the papers say.
    pub(super) particulars: Value,
    pub(super) expected: Expected,
}

/// All people there are: numbers below `gallery` are in the gallery, the others aren't.
pub(super) struct People {
    seed: u64,
    gallery: u32,
}

/// What kind of person a capture is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lot {
    Known,
    Unknown,
    /// Known, but the finger slid: nobody may call that "no match".
    Smudged,
}

/// Makes people and puts them into the gallery of the hub in `folder/hub`, on all cores.
pub(super) fn fill_gallery(folder: &Path, hub: &str, gallery: u32, seed: u64) -> Result<People, Failure> {
    let on_file = open_gallery(&Home::open(&folder.join(hub))?)?;
    let pool = pool(parallel::cores())?;
    let added = parallel::map(gallery as usize, |number| {
        let person = synth::Person::new(seed, number as u32);
        let image = |number| {
            let position = Position::from_code(number).unwrap_or(Position::UNKNOWN);
            (position, print(&person, number, 0, Quality::Good))
        };
        add_person(&on_file, &pool, &person.reference(), &FINGERS.map(image))
    });
    added.into_iter().collect::<Result<(), String>>().map_err(Failure::new)?;
    Ok(People { seed, gallery })
}

impl People {
    /// The person of a capture. The same seed and number are the same person, in a fresh taking.
    pub(super) fn pick(&self, number: usize) -> Person {
        let lot = lot(self.seed, number);
        let person = synth::Person::new(self.seed, self.number_of(lot, number));
        let quality = if lot == Lot::Smudged { Quality::Smudged } else { Quality::Good };
        let taking = number as u32 + 1;
        let prints = FINGERS.map(|finger| (format!("finger-{finger}"), print(&person, finger, taking, quality)));
        let face = ("face".to_owned(), png(&person.face()));
        Person {
            images: prints.into_iter().chain([face]).collect(),
            particulars: json!(person.particulars()),
            expected: match lot {
                Lot::Known => Expected::Candidate(person.reference()),
                Lot::Unknown => Expected::NoMatch,
                Lot::Smudged => Expected::Inconclusive,
            },
        }
    }

    /// How many of the captures made offline are of people in the gallery.
    pub(super) fn known(&self) -> usize {
        (0..OFFLINE).filter(|number| lot(self.seed, *number) != Lot::Unknown).count()
    }

    /// Known ones follow each other from anywhere in the gallery; unknown ones come after its end.
    fn number_of(&self, lot: Lot, number: usize) -> u32 {
        let gallery = self.gallery as usize;
        let begin = Dice::keyed(&[self.seed, WHERE_TO_BEGIN]).below(gallery);
        let place = if lot == Lot::Unknown { gallery + number } else { (begin + number) % gallery };
        place as u32
    }
}

fn print(person: &synth::Person, finger: u8, taking: u32, quality: Quality) -> Vec<u8> {
    print_png(&person.finger(finger).impression(taking, quality))
}

/// Drawn from a hat for each round: half known, half unknown, and in the first round one smudged.
fn lot(seed: u64, number: usize) -> Lot {
    let round = number / ROUND;
    let first = if round == 0 { Lot::Smudged } else { Lot::Known };
    let mut hat = vec![first, Lot::Known, Lot::Known, Lot::Unknown, Lot::Unknown, Lot::Unknown];
    let mut dice = Dice::keyed(&[seed, WHO, round as u64]);
    let mut drawn = first;
    for _ in 0..=number % ROUND {
        drawn = hat.swap_remove(dice.below(hat.len()));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_demo_has_one_smudged_person_and_as_many_known_as_unknown() {
        for seed in 0..50 {
            let people = People { seed, gallery: 12 };
            assert_eq!(people.known(), OFFLINE / 2);
            let lots: Vec<Lot> = (0..3 * ROUND).map(|number| lot(seed, number)).collect();
            assert_eq!(lots.iter().filter(|lot| **lot == Lot::Smudged).count(), 1);
            assert_eq!(lots.iter().filter(|lot| **lot == Lot::Unknown).count(), 9);
            assert_eq!(lots, (0..3 * ROUND).map(|number| lot(seed, number)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn whom_the_hub_should_find_is_in_the_gallery_and_nobody_else() {
        let people = People { seed: 3, gallery: 12 };
        for number in 0..2 * ROUND {
            let lot = lot(3, number);
            assert_eq!(people.number_of(lot, number) >= 12, lot == Lot::Unknown, "{number}");
        }
    }
}
