//! Synthetic subjects: people whose fingerprints, faces and papers belong to nobody, for tests, exercises and the demo.
//!
//! Prints of real people are personal data even in a test, and the public collections may not be passed on. So fingers are grown
//! here, from a seed:
//!
//! ```text
//!  Person ── finger(2) ──► Master                                        ── impression(0, Good) ──► picture
//!                          pattern ─► flow ─► ridges grow along the flow    turned, stretched, pressed, cracked
//!  a seed and a number     (flow.rs)          (ridges.rs)                   (impression.rs)
//! ```
//!
//! Nobody places the minutiae: ridges that grow towards each other don't always fit, and where they don't, one ends or forks.
//! The pictures are like live scans enough for NIST's mindtct and bozorth3 to work on; `docs/SCREENING.md` has the scores, and
//! what they can't tell about real fingers.
//!
//! What else tests make up is in [`hostile`]: bytes that nobody means well with.
//!
//! All of it is repeatable: the same seed gives the same bytes, on one kind of machine. (The sines of two machines may differ in
//! the last digit.)
//!
//! ```
//! use synth::{Person, Quality, print_png};
//!
//! let person = Person::new(1, 7);
//! let right_index = person.finger(2);
//! let on_file = right_index.impression(0, Quality::Good);
//! let taken_later = right_index.impression(1, Quality::Worn);
//! assert_eq!(on_file.dimensions(), (synth::WIDTH_PX, synth::HEIGHT_PX));
//! assert_ne!(on_file, taken_later);
//! assert!(print_png(&on_file).starts_with(b"\x89PNG"));
//! ```

mod dice;
mod face;
mod flow;
pub mod hostile;
mod impression;
mod master;
mod particulars;
mod person;
mod plane;
mod png;
mod ridges;

pub use dice::Dice;
pub use face::{FACE_HEIGHT_PX, FACE_WIDTH_PX};
pub use flow::Pattern;
pub use impression::{HEIGHT_PX, PPI, Quality, WIDTH_PX};
pub use master::Master;
pub use person::Person;
pub use png::{png, print_png};
