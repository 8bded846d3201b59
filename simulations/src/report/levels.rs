//! What lay on disks, and what was waited for, over time.

use maud::Markup;

use super::canvas::{Axis, BLUE, GREEN, GREY, Key, ORANGE, figure, plot};
use super::gather::First;
use crate::operation::{Fate, Storage};

/// Moments at which waiting captures are counted.
const POINTS: u64 = 240;

pub(super) fn queue(run: &First) -> Markup {
    let fates = &run.outcome.fates;
    let lines: [(Vec<(f64, f64)>, _, u32); 4] = [
        (waiting(run, |fate| fate.oracle_delivered_ms), GREY, 7),
        (waiting(run, |fate| fate.told_accepted_ms), ORANGE, 5),
        (waiting(run, |fate| fate.answered_ms), GREEN, 2),
        (waiting(run, |fate| fate.delivered_ms), BLUE, 3),
    ];
    let most = lines.iter().flat_map(|(line, ..)| line).map(|(_, count)| *count).fold(0.0, f64::max);
    let axes = (Axis::time(run.plan.ends_ms), Axis::numbers("captures", most));
    let plot = plot("Captures waiting over time", 330, 76, axes, |pen| {
        lines.into_iter().try_for_each(|(line, color, width)| pen.line(line, color, width))
    });
    let keys = [
        Key(BLUE, "made, not yet at the hub"),
        Key(GREY, "the fewest possible of these"),
        Key(ORANGE, "made, and its device doesn't know that it is there"),
        Key(GREEN, "made, not yet answered"),
    ];
    let note = if fates.is_empty() { "Nothing was captured." } else { "How many captures wait for what." };
    figure("The queue", note, &keys, &plot)
}

/// How many captures are made and wait for something, over time.
fn waiting(run: &First, until: impl Fn(&Fate) -> Option<u64>) -> Vec<(f64, f64)> {
    let fates = &run.outcome.fates;
    let mut from_ms: Vec<u64> = fates.iter().map(|fate| fate.captured_ms).collect();
    let mut until_ms: Vec<u64> = fates.iter().filter_map(until).collect();
    from_ms.sort_unstable();
    until_ms.sort_unstable();
    let at = |point: u64| run.plan.ends_ms * point / POINTS;
    let count =
        |ms: u64| from_ms.partition_point(|at_ms| *at_ms <= ms) - until_ms.partition_point(|at_ms| *at_ms <= ms);
    (0..=POINTS).map(at).map(|ms| (ms as f64, count(ms) as f64)).collect()
}

pub(super) fn storage(run: &First) -> Markup {
    type Of = fn(&Storage) -> u64;
    let lines: [(Of, _, u32); 4] = [
        (|it| it.hub_bytes, GREY, 7),
        (|it| it.half_bytes, BLUE, 3),
        (|it| it.nine_tenths_bytes, GREEN, 2),
        (|it| it.most_bytes, ORANGE, 2),
    ];
    let looks = &run.outcome.notes.storage;
    let most = looks.iter().map(|look| look.most_bytes.max(look.hub_bytes)).max().unwrap_or(0);
    let axes = (Axis::time(run.plan.ends_ms), Axis::bytes("bytes on disk", most as f64));
    let plot = plot("Bytes on disks over time", 330, 104, axes, |pen| {
        lines.into_iter().try_for_each(|(of, color, width)| {
            pen.line(looks.iter().map(|look| (look.at_ms as f64, of(look) as f64)), color, width)
        })
    });
    let keys = [
        Key(BLUE, "half of the devices hold at most this"),
        Key(GREEN, "nine of ten"),
        Key(ORANGE, "the fullest one"),
        Key(GREY, "the hub"),
    ];
    figure("Storage", "Carriers drop images once they know that the hub has them; entries stay.", &keys, &plot)
}
