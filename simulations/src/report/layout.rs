//! Where devices stand in the replay's picture: on a map if it is known where they are, else on a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::{Plan, Track};
use crate::trace::Node;

/// Side of the picture, in its own units.
pub(super) const SIDE: f64 = 700.0;
/// What is kept free around it.
pub(super) const MARGIN: f64 = 75.0;
/// Points of all tracks together; of more, some of each track at even distances.
const TRACK_POINTS_MAX: usize = 40_000;

/// Across and down, in the picture's units.
pub(super) type Place = (f64, f64);

/// From the middle of a device to its edge.
pub(super) fn radius(devices: usize) -> f64 {
    (160.0 / (devices.max(1) as f64).sqrt()).clamp(3.0, 11.0)
}

/// See the module.
pub(super) struct Layout {
    /// Where each device stands at first.
    pub(super) places: Vec<Place>,
    /// Where each goes: step, across, down, one after the other. Empty if nobody knows.
    pub(super) tracks: Vec<Vec<f64>>,
    /// A line of so many units is how far.
    pub(super) scale: Option<(f64, String)>,
    /// Whether points of tracks were left out.
    pub(super) thinned: bool,
}

impl Layout {
    pub(super) fn of(plan: &Plan, step_ms: u64) -> Self {
        let known = !plan.tracks.is_empty() && plan.tracks.len() == plan.devices.len();
        match Bounds::of(&plan.tracks).filter(|_| known) {
            Some(bounds) => map(&plan.tracks, &bounds, step_ms),
            None => Self { places: circle(plan), tracks: Vec::new(), scale: None, thinned: false },
        }
    }
}

/// How metres become units of the picture, in whose middle the map is.
struct Bounds {
    middle_m: (f64, f64),
    units_per_m: f64,
}

impl Bounds {
    /// None if nothing is anywhere.
    fn of(tracks: &[Track]) -> Option<Self> {
        let points = || tracks.iter().flat_map(|track| &track.0).filter(|(_, east, north)| (east + north).is_finite());
        let (west_m, east_m) = ends(points().map(|(_, east, _)| *east))?;
        let (south_m, north_m) = ends(points().map(|(.., north)| *north))?;
        let units_per_m = (SIDE - 2.0 * MARGIN) / (east_m - west_m).max(north_m - south_m).max(1.0);
        let middle_m = (f64::midpoint(west_m, east_m), f64::midpoint(south_m, north_m));
        Some(Self { middle_m, units_per_m })
    }

    fn place(&self, east_m: f64, north_m: f64) -> Place {
        let (east_m, north_m) = (east_m - self.middle_m.0, north_m - self.middle_m.1);
        (SIDE / 2.0 + east_m * self.units_per_m, SIDE / 2.0 - north_m * self.units_per_m)
    }

    /// A line that is a round number of metres long, and a fair part of the picture.
    fn scale(&self) -> (f64, String) {
        let most_m = SIDE / 4.0 / self.units_per_m;
        let power = 10_f64.powf(most_m.log10().floor());
        let length_m = [5.0, 2.0].into_iter().map(|times| times * power).find(|m| *m <= most_m).unwrap_or(power);
        let name = if length_m < 1_000.0 { format!("{length_m} m") } else { format!("{} km", length_m / 1_000.0) };
        (length_m * self.units_per_m, name)
    }
}

fn ends(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    Some((values.clone().reduce(f64::min)?, values.reduce(f64::max)?))
}

fn map(tracks: &[Track], bounds: &Bounds, step_ms: u64) -> Layout {
    let each_max = (TRACK_POINTS_MAX / tracks.len().max(1)).max(2);
    let thinned = tracks.iter().any(|track| track.0.len() > each_max);
    // However many there are, none leaves the picture.
    let edge = MARGIN - 2.0 * radius(tracks.len());
    let room = (2.0 * radius(tracks.len())).min(edge / (tracks.len() as f64).sqrt());
    let tracks: Vec<Vec<f64>> = tracks
        .iter()
        .enumerate()
        .map(|(number, track)| {
            let (aside, below) = beside(number, room);
            let points = evenly(&track.0, each_max).filter(|(_, east, north)| (east + north).is_finite());
            let point = |(ms, east, north): &(u64, f64, f64)| {
                let (across, down) = bounds.place(*east, *north);
                [(*ms as f64 / step_ms as f64 * 100.0).round() / 100.0, tenth(across + aside), tenth(down + below)]
            };
            points.flat_map(point).collect()
        })
        .collect();
    // Whoever is nowhere stands in the middle.
    let middle = (SIDE / 2.0, SIDE / 2.0);
    let first = |track: &Vec<f64>| track.get(1).zip(track.get(2)).map_or(middle, |(across, down)| (*across, *down));
    Layout { places: tracks.iter().map(first).collect(), tracks, scale: Some(bounds.scale()), thinned }
}

/// How far a device stands from where it is, so that those at one place are all to be seen: on a spiral, each with the same room.
fn beside(number: usize, room: f64) -> Place {
    let (turn, far) = (number as f64 * 2.4, room * (number as f64).sqrt());
    (far * turn.cos(), far * turn.sin())
}

fn tenth(units: f64) -> f64 {
    (units * 10.0).round() / 10.0
}

/// The first, the last, and some between them.
fn evenly<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    let count = all.len().min(most);
    (0..count).map(move |number| &all[number * (all.len() - 1) / (count - 1).max(1)])
}

/// On a circle, those beside each other that are together most.
fn circle(plan: &Plan) -> Vec<Place> {
    let order = order(plan);
    let (middle, radius) = (SIDE / 2.0, SIDE / 2.0 - 30.0);
    let mut places = vec![(middle, middle); plan.devices.len()];
    for (place, node) in order.iter().enumerate() {
        let angle = std::f64::consts::TAU * place as f64 / order.len() as f64;
        places[*node as usize] = (middle + radius * angle.sin(), middle - radius * angle.cos());
    }
    places
}

/// From the first device on, always to the one that is together longest with one of those before.
fn order(plan: &Plan) -> Vec<Node> {
    let count = plan.devices.len() as Node;
    let mut beside: BTreeMap<Node, Vec<(u64, Node)>> = BTreeMap::new();
    for ((a, b), ms) in together(plan) {
        beside.entry(a).or_default().push((ms, b));
        beside.entry(b).or_default().push((ms, a));
    }
    let (mut order, mut placed, mut next) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for first in 0..count {
        let mut node = Some(first).filter(|first| !placed.contains(first));
        while let Some(new) = node {
            placed.insert(new);
            order.push(new);
            let known = beside.get(&new).into_iter().flatten();
            next.extend(known.filter(|(_, other)| !placed.contains(other)).copied());
            node = std::iter::from_fn(|| next.pop_last()).map(|(_, other)| other).find(|other| !placed.contains(other));
        }
    }
    order
}

/// How long each pair is together.
pub(super) fn together(plan: &Plan) -> BTreeMap<(Node, Node), u64> {
    let mut of = BTreeMap::new();
    for contact in plan.contacts.contacts() {
        *of.entry((contact.a, contact.b)).or_default() += contact.until_ms - contact.from_ms;
    }
    of
}
