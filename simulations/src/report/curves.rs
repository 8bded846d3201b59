//! How soon captures arrive: the share of them within each delay, beside what was possible.

use maud::Markup;

use super::canvas::{Axis, BLUE, GREY, Key, ORANGE, figure, log_s, plot};
use super::page::Runs;
use crate::operation::{Fate, Outcome};

/// Delays at which curves are drawn.
const POINTS: u32 = 180;

/// A place, and the least and the most there.
type Band = Vec<(f64, f64, f64)>;
/// A curve of delays of one run.
type Delay = fn(&Fate) -> Option<u64>;

pub(super) fn delivery(runs: &Runs<'_>) -> Markup {
    let most_ms = most_ms(runs, &[delivered, possible, direct]);
    let curves = draw(runs, most_ms, "share of captures at the hub", &[(possible, 9), (delivered, 3), (direct, 2)]);
    let keys = [
        Key(BLUE, "reached the hub"),
        Key(GREY, "the earliest possible on these contacts"),
        Key(ORANGE, "if nobody carried for others"),
    ];
    let note =
        "What share of all captures was at the hub within which time. The blue line can't be above the grey one.";
    figure("From capture to the hub", &with_band(note, runs), &keys, &curves)
}

pub(super) fn answer(runs: &Runs<'_>) -> Markup {
    let most_ms = most_ms(runs, &[answered, answer_possible]);
    let curves = draw(runs, most_ms, "share of captures answered", &[(answer_possible, 9), (answered, 3)]);
    let keys = [Key(BLUE, "answered at the officer's device"), Key(GREY, "the earliest possible on these contacts")];
    let note = "What share of all captures had its answer back on the device that made it within which time.";
    figure("From capture to the answer", &with_band(note, runs), &keys, &curves)
}

fn with_band(note: &str, runs: &Runs<'_>) -> String {
    match runs.all.len() {
        1 => note.to_owned(),
        count => format!("{note} The line is the mean of {count} seeds, the band from the least of them to the most."),
    }
}

fn since(fate: &Fate, at_ms: Option<u64>) -> Option<u64> {
    Some(at_ms?.saturating_sub(fate.captured_ms))
}

fn delivered(fate: &Fate) -> Option<u64> {
    since(fate, fate.delivered_ms)
}

fn possible(fate: &Fate) -> Option<u64> {
    since(fate, fate.oracle_delivered_ms)
}

fn direct(fate: &Fate) -> Option<u64> {
    since(fate, fate.direct_ms)
}

fn answered(fate: &Fate) -> Option<u64> {
    since(fate, fate.answered_ms)
}

fn answer_possible(fate: &Fate) -> Option<u64> {
    since(fate, fate.oracle_answered_ms)
}

fn most_ms(runs: &Runs<'_>, of: &[Delay]) -> u64 {
    let fates = runs.all.iter().flat_map(|run| &run.outcome.fates);
    fates.flat_map(|fate| of.iter().filter_map(move |delay| delay(fate))).max().unwrap_or(0)
}

fn draw(runs: &Runs<'_>, most_ms: u64, title: &str, curves: &[(Delay, u32)]) -> Markup {
    let (x, y) = (Axis::delays("time since the capture (logarithmic)", most_ms), Axis::shares(title));
    plot(title, 400, 78, (x, y), |pen| {
        for ((delay, width), color) in curves.iter().zip([GREY, BLUE, ORANGE]) {
            let of_runs: Vec<Vec<(f64, f64)>> =
                runs.all.iter().map(|run| curve(run.outcome, *delay, most_ms)).collect();
            let (mean, band) = together(&of_runs);
            if of_runs.len() > 1 {
                pen.band(&band, color)?;
            }
            pen.line(mean, color, *width)?;
        }
        Ok(())
    })
}

/// The share of captures within each delay, from a second to the longest.
fn curve(outcome: &Outcome, delay: Delay, most_ms: u64) -> Vec<(f64, f64)> {
    let mut sorted: Vec<u64> = outcome.fates.iter().filter_map(delay).collect();
    sorted.sort_unstable();
    let (count, last) = (outcome.fates.len().max(1) as f64, log_s(most_ms));
    let place = |point: u32| last * f64::from(point) / f64::from(POINTS);
    let within = |at: f64| {
        // The last point holds all, whatever rounding says.
        let ms = (10_f64.powf(at) * 1_000.0).round() as u64;
        sorted.partition_point(|delay| *delay <= if at >= last { u64::MAX } else { ms }) as f64 / count
    };
    (0..=POINTS).map(place).map(|at| (at, within(at))).collect()
}

/// The mean of curves over the same places, and from the least to the most.
fn together(curves: &[Vec<(f64, f64)>]) -> (Vec<(f64, f64)>, Band) {
    let points = curves.first().map_or(0, Vec::len);
    let at = |point: usize| curves.iter().map(move |curve| curve[point].1);
    let place = |point: usize| curves[0][point].0;
    let mean = |point: usize| at(point).sum::<f64>() / curves.len() as f64;
    let band = |point: usize| {
        (place(point), at(point).fold(f64::INFINITY, f64::min), at(point).fold(f64::NEG_INFINITY, f64::max))
    };
    ((0..points).map(|point| (place(point), mean(point))).collect(), (0..points).map(band).collect())
}
