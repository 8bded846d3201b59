//! A person's check, as an officer fills it in.

use std::collections::BTreeMap;

use synth::{Person, Quality, print_png};

/// The fingers that are taken: both index fingers.
const FINGERS: [u8; 2] = [2, 7];

/// What goes into a capture.
#[derive(Clone, Debug, Default)]
pub struct Check {
    /// The purpose's code.
    pub purpose: String,
    /// Whether it goes first.
    pub urgent: bool,
    /// What is written about the person.
    pub particulars: BTreeMap<String, String>,
    /// Images by the name of their field.
    pub images: Vec<(String, Vec<u8>)>,
}

impl Check {
    /// With nothing but a purpose.
    #[must_use]
    pub fn bare() -> Self {
        Self { purpose: "exercise".into(), ..Self::default() }
    }

    /// With one small picture in which no matcher finds a print: the hub answers it `inconclusive`, and quickly.
    #[must_use]
    pub fn with_picture(number: u64) -> Self {
        Self::bare().image("finger-2", picture(number, 64))
    }

    /// Of a synthetic person: two fingers, taken anew, and what the papers say.
    #[must_use]
    pub fn of(person: &Person) -> Self {
        let fingers = FINGERS.map(|finger| (format!("finger-{finger}"), print(person, finger, 1)));
        let particulars = person.particulars().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { images: fingers.to_vec(), particulars, ..Self::bare() }
    }

    /// With one image more.
    #[must_use]
    pub fn image(mut self, field: &str, bytes: Vec<u8>) -> Self {
        self.images.push((field.to_owned(), bytes));
        self
    }

    /// With one thing more about the person.
    #[must_use]
    pub fn particular(mut self, name: &str, value: &str) -> Self {
        self.particulars.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// The prints that a database has of a person, by finger.
#[must_use]
pub fn on_file(person: &Person) -> [(u8, Vec<u8>); 2] {
    FINGERS.map(|finger| (finger, print(person, finger, 0)))
}

fn print(person: &Person, finger: u8, impression: u32) -> Vec<u8> {
    print_png(&person.finger(finger).impression(impression, Quality::Good))
}

/// A square gray picture that shows nothing, as a PGM file; another for each number.
#[must_use]
pub fn picture(number: u64, side_px: usize) -> Vec<u8> {
    let mut bytes = format!("P5\n{side_px} {side_px}\n255\n").into_bytes();
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    bytes.extend((0..side_px * side_px).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        200 + (state % 50) as u8
    }));
    bytes
}
