//! Draws trouble by swarm.

use std::collections::BTreeMap;

use crdt::seal::{Seed, derive};

use super::{Class, Trouble, What};
use crate::liar::Lie;

/// Most that one class strikes in one run of a small operation: above it, nothing but trouble is tried.
const TIMES_MAX: f64 = 24.0;
/// The same of the largest operation. Between the two, once for each device and day.
const LARGE_TIMES_MAX: f64 = 1_000.0;
const DAY_MS: f64 = 86_400_000.0;
const MINUTE_MS: u64 = 60_000;
/// The worst that a clock is set by at a time, in ms. All of them together stay within the time for which captures are kept, or a
/// device would rightly erase them.
const CLOCK_MS: u64 = 86_400_000;
/// Half of the worst drift, in millionths: far worse than any quartz.
const DRIFT_PPM: u64 = 500;

/// Whom trouble is drawn for.
#[derive(Clone, Debug)]
pub struct Field {
    /// How many devices there are.
    pub devices: usize,
    /// How many hubs, numbered after them.
    pub hubs: usize,
    /// Devices that don't lie and aren't revoked or copied: of each site one that has a way out. With nobody left that is honest and has
    /// one, nothing could arrive.
    pub spared: Vec<usize>,
    /// When all trouble is over, in ms.
    pub until_ms: u64,
}

/// How often one sort of trouble strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Often {
    /// Never.
    Never,
    /// In one seed of two, as often as is drawn.
    Swarm,
    /// In every seed, as often as is drawn.
    Drawn,
    /// So often; a fraction is the odds of once more.
    Times(f64),
}

/// How much there is of one sort of trouble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dose {
    /// How often it strikes.
    pub often: Often,
    /// How long it lasts on average, of what lasts; none for seconds to minutes.
    pub lasts_ms: Option<u64>,
}

/// How much there is of each sort of trouble.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// Of what isn't named.
    pub others: Often,
    /// Of these.
    pub named: BTreeMap<Class, Dose>,
}

impl Mix {
    /// Each sort in one seed of two, as often as is drawn.
    #[must_use]
    pub const fn swarm() -> Self {
        Self { others: Often::Swarm, named: BTreeMap::new() }
    }

    fn dose(&self, class: Class) -> Dose {
        self.named.get(&class).copied().unwrap_or(Dose { often: self.others, lasts_ms: None })
    }
}

/// Draws what goes wrong. Each trouble follows from the seed, its class and its number alone.
#[must_use]
pub fn draw(seed: &Seed, field: &Field, mix: &Mix) -> Vec<Trouble> {
    let of = |class: Class| of(class, seed, field, mix.dose(class));
    let mut all: Vec<Trouble> = Class::ALL.into_iter().flat_map(of).collect();
    all.sort_by_key(|trouble| trouble.at_ms);
    all
}

fn of(class: Class, seed: &Seed, field: &Field, dose: Dose) -> Vec<Trouble> {
    let seed = derive(seed, class.name());
    let mut draws = Draws::new(&seed);
    let is_on = draws.below(2) == 1;
    let drawn = draws.share();
    let times = match dose.often {
        Often::Never => 0,
        Often::Swarm if !is_on => 0,
        Often::Swarm | Often::Drawn => libm::pow(times_max(class, field), drawn) as u64,
        Often::Times(times) => times as u64 + u64::from(drawn < times.fract()),
    };
    let each = (0..times).filter_map(|number| {
        let mut draws = Draws::new(&derive(&seed, &number.to_string()));
        let what = what(class, &mut draws, field, dose.lasts_ms)?;
        let latest_ms = field.until_ms.saturating_sub(what.lasts_ms()).max(1);
        Some(Trouble { at_ms: draws.below(latest_ms), what })
    });
    each.collect()
}

fn times_max(class: Class, field: &Field) -> f64 {
    let device_days = field.devices as f64 * field.until_ms as f64 / DAY_MS;
    match class {
        // Whom nobody can mend, one in a run is enough of.
        Class::Liar | Class::Revoke | Class::Copy => 1.0,
        // See CLOCK_MS.
        Class::Clock => TIMES_MAX,
        _ => device_days.clamp(TIMES_MAX, LARGE_TIMES_MAX),
    }
}

fn what(class: Class, draws: &mut Draws, field: &Field, lasts_ms: Option<u64>) -> Option<What> {
    let devices = field.devices as u64;
    let device = draws.below(devices) as usize;
    let with_hub = draws.below(devices + field.hubs as u64) as usize;
    let which = draws.below(1 << 40);
    let (shortest_ms, more_ms) = lasts_ms.map_or((5_000, 8 * MINUTE_MS), |mean_ms| (mean_ms / 2, mean_ms + 1));
    let for_ms = (shortest_ms + draws.below(more_ms)).min(field.until_ms);
    let others = field.devices.saturating_sub(field.spared.len());
    let other = draws.below(others as u64) as usize;
    let other = (0..field.devices).filter(|device| !field.spared.contains(device)).nth(other);
    Some(match class {
        Class::Crash => What::Crash { device: with_hub, kept: draws.below(1_001) as u32 },
        Class::Off => What::Off { device, for_ms },
        Class::FullDisk => What::FullDisk { device: with_hub, for_ms },
        Class::Rot => What::Rot { device, which },
        Class::Clock => {
            let by_ms = draws.below(2 * CLOCK_MS) as i64 - CLOCK_MS as i64;
            // Mostly by seconds or minutes.
            What::Clock { device: with_hub, by_ms: by_ms / [1, 1_000, 100_000][draws.below(3) as usize] }
        }
        Class::Drift => What::Drift { device, ppm: draws.below(2 * DRIFT_PPM) as i32 - DRIFT_PPM as i32 },
        Class::Reset => What::Reset { which },
        Class::Flap => What::Flap { device, times: 1 + draws.below(12) as u32, every_ms: 100 + draws.below(5_000) },
        Class::OneWay => What::OneWay { which },
        Class::Split => {
            let group = (0..field.devices as u32).filter(|_| draws.below(2) == 0).collect();
            What::Split { group, for_ms }
        }
        Class::Duplicate => What::Duplicate { which },
        Class::Replay => What::Replay { which },
        Class::Swap => What::Swap {},
        Class::Flip => What::Flip { which },
        Class::Truncate => What::Truncate { which },
        Class::Portal => What::Portal { device, for_ms },
        Class::HubFails => What::HubFails { for_ms },
        Class::HubSlow => What::HubSlow { for_ms },
        Class::HubTwice => What::HubTwice { for_ms },
        Class::Liar => What::Liar { device: other?, lie: draws.below(Lie::ALL.len() as u64) as usize },
        Class::Revoke => What::Revoke { device: other?, by: draws.below(devices) as usize },
        Class::Restore => What::Restore { device, age_ms: draws.below(10 * MINUTE_MS) },
        Class::Copy => What::Copy { device, meets: draws.below(devices) as usize, for_ms },
    })
}

/// Numbers that follow from a seed.
pub(crate) struct Draws(blake3::OutputReader);

impl Draws {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self(blake3::Hasher::new_keyed(seed).finalize_xof())
    }

    /// From 0 up to 1.
    fn share(&mut self) -> f64 {
        self.below(1_000_001) as f64 / 1e6
    }

    /// A number below another one; zero if that is zero.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end.max(1)
    }
}
