//! Fingerprint screening for exercises, tests and small operations: NIST's mindtct finds the minutiae of a print, NIST's
//! bozorth3 compares two sets of them, and this crate keeps both where they can do no harm.
//!
//! The two are C code that isn't thread safe and ends its process on some inputs. So they only run in worker processes: the
//! caller's own program, started again with another command. A worker that dies or hangs is replaced, and the error names the
//! input.
//!
//! ```text
//!   hub process                                        worker processes, one per core
//!  ┌──────────────────────────────────────┐           ┌────────────────────────────────────┐
//!  │ Gallery ── people ──► Pool ── load ──┼── pipe ──►│ serve ── Print ── mindtct           │
//!  │ picture ────────────► extract ───────┼── pipe ──►│            │                        │
//!  │          Template ◄──────────────────┼───────────│         Template                    │
//!  │ prints ─────────────► screen ────────┼── pipe ──►│ search ── bozorth3 ── Fused, Ranked │
//!  │          Decision ◄── score::decide ◄┼───────────│                                     │
//!  └──────────────────────────────────────┘           └────────────────────────────────────┘
//! ```
//!
//! A decision has three values. A print too poor to search makes it inconclusive, never "no match".
//!
//! ```no_run
//! use matcher::{Cover, Decision, Gallery, Pool, Position};
//!
//! # fn search(cover: std::sync::Arc<dyn Cover>) -> Result<(), Box<dyn std::error::Error>> {
//! // `greenline matcher-worker` calls `matcher::serve(stdin, stdout)`.
//! let pool = Pool::start(vec!["greenline".into(), "matcher-worker".into()], 2)?;
//! let gallery = Gallery::open("gallery", cover)?;
//! let contents = gallery.load_all()?;
//! pool.load(&contents.people)?;
//!
//! let right_index = Position::from_code(2).ok_or("no such finger")?;
//! let print = pool.extract(&std::fs::read("print.png")?)?;
//! match pool.screen(&[(right_index, print.template)])? {
//!     Decision::NoMatch => println!("not in the gallery"),
//!     Decision::Candidate(references) => println!("for an examiner: {references:?}"),
//!     Decision::Inconclusive(reason) => println!("cannot tell: {reason}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Start reading at [`pool`] for how it runs, at [`score`] for what a score means and where the thresholds come from.

pub mod compare;
pub mod extract;
pub mod ffi;
pub mod frame;
pub mod gallery;
pub mod image;
pub mod person;
pub mod pool;
pub mod position;
mod process;
pub mod score;
pub mod search;
pub mod template;
pub mod worker;

pub use ffi::Matcher;
pub use gallery::{Contents, Cover, Gallery, GalleryError};
pub use image::{ImageError, Print};
pub use person::{FingerPrint, Person, Reference};
pub use pool::{ExtractError, Extracted, Limits, LoadError, Pool, SearchError};
pub use position::Position;
pub use score::{Decision, Fused, Ranked, Reason, Searched};
pub use template::{Poor, Template};
pub use worker::serve;
