//! A person who doesn't exist.

use std::collections::BTreeMap;

use image::GrayImage;

use crate::dice::Dice;
use crate::master::{Master, key};
use crate::{face, particulars};

/// One of a seed's people. Costs nothing until something of it is asked for; the same seed and number are the same person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Person {
    seed: u64,
    number: u32,
}

impl Person {
    /// Person `number` of a seed's people.
    #[must_use]
    pub const fn new(seed: u64, number: u32) -> Self {
        Self { seed, number }
    }

    /// How a database would refer to this person: safe as a file name, unique within a seed.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("P-{:04}", self.number)
    }

    /// The finger at an ANSI/NIST position: 1 to 5 the right hand from thumb to little finger, 6 to 10 the left. Other numbers
    /// are fingers too, though nobody has them.
    #[must_use]
    pub fn finger(&self, position: u8) -> Master {
        Master::draw(self.seed, self.number, position)
    }

    /// A picture of the face: a drawing, so that nobody takes it for a photograph.
    #[must_use]
    pub fn face(&self) -> GrayImage {
        face::draw(&mut self.dice("face"))
    }

    /// What a document would say: family name, given names, birth date, nationality, document number.
    #[must_use]
    pub fn particulars(&self) -> BTreeMap<&'static str, String> {
        particulars::draw(&mut self.dice("particulars"))
    }

    fn dice(&self, what: &str) -> Dice {
        Dice::keyed(&[self.seed, u64::from(self.number), key(what)])
    }
}
