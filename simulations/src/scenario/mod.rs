//! Scenarios: operations as planners write them down, in TOML.
//!
//! A [`Scenario`] is read from a file ([`Scenario::read`]) or is one of those that come with the program ([`SHIPPED`]). Whatever is
//! wrong in it is told with its line and what to do. [`Scenario::plan`] makes a [`Plan`] of it: the same seed the same one, and what is
//! drawn for one device, journey or capture doesn't shift what is drawn for another. `docs/SCENARIOS.md` tells the format.
//!
//! ```
//! use simulations::scenario::{Scenario, no_files};
//!
//! let text = r#"
//!     name = "two at a ford"
//!     lasts = "1 d"
//!     contacts.radio = "wifi-ap"
//!     places.ford = ["0 m", "0 m"]
//!     groups.post = { count = 2, at = "ford", uplink.profile = "3g" }
//!     captures.crossing = { by = ["post"], per_day = 3, images = "60 kB" }
//! "#;
//! let scenario = Scenario::read("ford.toml", text, &[], &no_files).expect("it is right");
//! assert_eq!(scenario.plan(1).captures.len(), 3);
//!
//! let wrong = Scenario::read("ford.toml", &text.replace("wifi-ap", "wifi"), &[], &no_files);
//! assert!(wrong.is_err_and(|error| error.line() == Some(4) && error.hint.contains("did you mean `wifi-ap`?")));
//! ```

mod check;
mod dice;
mod error;
mod form;
mod moves;
mod plan;
mod profile;
mod shipped;
mod source;
mod tables;
mod unit;

use std::io;

#[cfg(doc)]
use crate::operation::Plan;
use crate::operation::Radio;
use crate::oracle::Online;
use crate::site::Member;
use crate::trace::{Node, Trace};
use crate::trouble::Mix;
use crate::world::Pace;

use moves::Moves;
use source::Source;

pub use check::{
    CAPTURES_MAX, DAYS_MAX, DEVICES_MAX, GROUPS_MAX, IMAGES_BYTES_MAX, LISTED_MAX, PLACES_MAX, POSITIONS_MAX,
    REGIONS_MAX, TROUBLES_MAX,
};
pub use error::{Place, ScenarioError};
pub use profile::{Profile, RADIOS, UPLINKS};
pub use shipped::{SHIPPED, Shipped, shipped};
pub use source::{SETTINGS_MAX, TEXT_BYTES_MAX};

/// How a scenario's own files are opened: traces and tables, by the names that it gives them.
pub type Files<'a> = &'a dyn Fn(&str) -> io::Result<Box<dyn io::BufRead>>;

/// Files of a scenario that has none.
pub fn no_files(_: &str) -> io::Result<Box<dyn io::BufRead>> {
    Err(io::Error::new(io::ErrorKind::NotFound, "this scenario has no files beside it"))
}

/// An operation as somebody has written it down, checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    name: String,
    purpose: String,
    text: String,
    settings: Vec<String>,
    ends_ms: u64,
    screening_ms: u64,
    reads_after_ms: Option<u64>,
    radio: Radio,
    range_m: f64,
    /// How far apart regions are drawn.
    region_m: f64,
    regions: Vec<String>,
    traced: Option<Trace>,
    groups: Vec<Group>,
    /// In the order of a plan.
    devices: Vec<Device>,
    captures: Vec<Captures>,
    /// What goes wrong, if anything does.
    faults: Option<Mix>,
}

/// Devices that are alike.
#[derive(Clone, Debug)]
struct Group {
    name: String,
    count: u64,
    member: Member,
    moves: Moves,
    spread_m: f64,
    /// Whether they are on one network, however far apart.
    lan: bool,
    uplink: Option<Uplink>,
    off: Vec<(u64, u64)>,
    clock: ClockTrouble,
}

/// One of a group.
#[derive(Clone, Debug)]
struct Device {
    name: String,
    /// Its place among the groups; none if it is only in a trace.
    group: Option<usize>,
    region: usize,
    /// Which of its group it is there.
    number: u64,
}

/// The way out of some devices of a group.
#[derive(Clone, Debug)]
struct Uplink {
    /// How many of each region's have it.
    devices: u64,
    when: When,
    /// Where there is a signal, and how far it reaches; everywhere if nowhere is named.
    signal: Vec<moves::Place>,
    signal_m: f64,
    pace: Pace,
    setup_ms: u64,
    cap_bytes: Option<u64>,
}

/// When there is a way out.
#[derive(Clone, Debug)]
enum When {
    Online(Online),
    /// Of each device at its own times, of so long on average.
    Turns {
        up_ms: u64,
        down_ms: u64,
    },
    /// As a table says, node by node; where it says nothing, there is none.
    Table(std::collections::BTreeMap<String, Vec<(u64, u64)>>),
}

/// How the clocks of a group go wrong: by up to so much, each differently.
#[derive(Clone, Debug, Default)]
struct ClockTrouble {
    skew_ms: u64,
    drift_ppm: u32,
    jumps: Vec<(u64, i64)>,
}

/// Captures of one sort.
#[derive(Clone, Debug)]
struct Captures {
    name: String,
    images: (u64, u64),
    what: What,
}

/// How many, when and by whom.
#[derive(Clone, Debug)]
enum What {
    /// By these devices.
    Drawn {
        devices: Vec<Node>,
        count: Count,
        /// In ms since the operation began.
        hours: Vec<(u64, u64)>,
        /// How many come at once, and within how long.
        burst: (u64, u64),
    },
    /// One by one.
    Listed(Vec<(u64, Node, Option<u64>)>),
}

#[derive(Clone, Copy, Debug)]
enum Count {
    Total(u64),
    PerDay(f64),
}

impl Scenario {
    /// Reads a scenario. `file` is what messages call it; `settings` are `key=value`, and go before what the text says.
    pub fn read(file: &str, text: &str, settings: &[String], files: Files<'_>) -> Result<Self, ScenarioError> {
        let source = Source::new(file, text, settings)?;
        let form = source.form()?;
        let mut scenario = check::checked(form, files).map_err(|problem| source.told(problem))?;
        text.clone_into(&mut scenario.text);
        scenario.settings = settings.to_vec();
        Ok(scenario)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in words.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The file, as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was set beside the file.
    #[must_use]
    pub fn settings(&self) -> &[String] {
        &self.settings
    }

    /// How long the operation lasts, in ms.
    #[must_use]
    pub const fn lasts_ms(&self) -> u64 {
        self.ends_ms
    }

    /// Whether it says what goes wrong.
    #[must_use]
    pub const fn has_faults(&self) -> bool {
        self.faults.is_some()
    }

    /// How many devices there are, without the hub.
    #[must_use]
    pub const fn devices(&self) -> usize {
        self.devices.len()
    }
}
