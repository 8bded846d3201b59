//! Draws trouble by swarm.

use crdt::seal::{Seed, derive};

use super::{Class, Trouble, What};
use crate::liar::Lie;

/// Most that one class strikes in one run: above it, nothing but trouble is tried.
const TIMES_MAX: f64 = 24.0;
const MINUTE_MS: u64 = 60_000;
/// The worst that a clock is set by at a time, in ms. All of them together stay within the time for which captures are kept, or a
/// device would rightly erase them.
const CLOCK_MS: u64 = 86_400_000;
/// Half of the worst drift, in millionths: far worse than any quartz.
const DRIFT_PPM: u64 = 500;

/// Draws what goes wrong with so many devices and a hub until `until_ms`. Each trouble follows from the seed, its class and its
/// number alone.
#[must_use]
pub fn draw(seed: &Seed, devices: usize, until_ms: u64) -> Vec<Trouble> {
    let mut all: Vec<Trouble> = Class::ALL.into_iter().flat_map(|class| of(class, seed, devices, until_ms)).collect();
    all.sort_by_key(|trouble| trouble.at_ms);
    all
}

fn of(class: Class, seed: &Seed, devices: usize, until_ms: u64) -> Vec<Trouble> {
    let seed = derive(seed, class.name());
    let mut draws = Draws::new(&seed);
    if draws.below(2) == 0 {
        return Vec::new();
    }
    let times = TIMES_MAX.powf(draws.below(1_000_001) as f64 / 1e6) as u64;
    // Whom nobody can mend, one in a run is enough of.
    let times = if matches!(class, Class::Liar | Class::Revoke | Class::Copy) { 1 } else { times };
    let each = (0..times).map(|number| {
        let mut draws = Draws::new(&derive(&seed, &number.to_string()));
        let what = what(class, &mut draws, devices as u64);
        let latest_ms = until_ms.saturating_sub(what.lasts_ms()).max(1);
        Trouble { at_ms: draws.below(latest_ms), what }
    });
    each.collect()
}

fn what(class: Class, draws: &mut Draws, devices: u64) -> What {
    let device = draws.below(devices) as usize;
    let with_hub = draws.below(devices + 1) as usize;
    let which = draws.below(1 << 40);
    let for_ms = 5_000 + draws.below(8 * MINUTE_MS);
    // The first one has a way out, and must go on having it: with nobody left nothing could arrive.
    let other = 1 + draws.below(devices.saturating_sub(1)) as usize;
    match class {
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
            let group = (0..devices as u32).filter(|_| draws.below(2) == 0).collect();
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
        Class::Liar => What::Liar { device: other, lie: draws.below(Lie::ALL.len() as u64) as usize },
        Class::Revoke => What::Revoke { device: other, by: draws.below(devices) as usize },
        Class::Restore => What::Restore { device, age_ms: draws.below(10 * MINUTE_MS) },
        Class::Copy => What::Copy { device, meets: draws.below(devices) as usize, for_ms },
    }
}

/// Numbers that follow from a seed.
pub(crate) struct Draws(blake3::OutputReader);

impl Draws {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self(blake3::Hasher::new_keyed(seed).finalize_xof())
    }

    /// A number below another one; zero if that is zero.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end.max(1)
    }
}
