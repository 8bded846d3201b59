//! How soon captures arrive: the share of them within each delay, beside what was possible.

use maud::Markup;

use super::canvas::{Axis, BLUE, GREY, Key, ORANGE, figure, plot};
use super::gather::{Delay, Gathered};

pub(super) fn delivery(runs: &Gathered) -> Markup {
    let curves = [(Delay::Possible, 9), (Delay::Delivered, 3), (Delay::NobodyCarries, 2)];
    let keys = [
        Key(BLUE, "reached the hub"),
        Key(GREY, "the earliest possible on these contacts"),
        Key(ORANGE, "if nobody carried for others"),
    ];
    let note =
        "What share of all captures was at the hub within which time. The blue line can't be above the grey one.";
    let plot = draw(runs, "share of captures at the hub", &curves);
    let none = runs.most_ms(&[Delay::Delivered]).is_none().then_some("No capture reached the hub.");
    figure("From capture to the hub", &with_band(note, none, runs), &keys, &plot)
}

pub(super) fn answer(runs: &Gathered) -> Markup {
    let plot = draw(runs, "share of captures answered", &[(Delay::AnswerPossible, 9), (Delay::Answered, 3)]);
    let keys = [Key(BLUE, "answered at the officer's device"), Key(GREY, "the earliest possible on these contacts")];
    let note = "What share of all captures had its answer back on the device that made it within which time.";
    let none = runs.most_ms(&[Delay::Answered]).is_none().then_some("No capture was answered.");
    figure("From capture to the answer", &with_band(note, none, runs), &keys, &plot)
}

fn with_band(note: &str, none: Option<&str>, runs: &Gathered) -> String {
    let note = [none.unwrap_or_default(), note].join(" ").trim_start().to_owned();
    match runs.len() {
        1 => note,
        count => format!("{note} The line is the mean of {count} seeds, the band from the least of them to the most."),
    }
}

fn draw(runs: &Gathered, title: &str, curves: &[(Delay, u32)]) -> Markup {
    let most_ms = runs.most_ms(&curves.iter().map(|(delay, _)| *delay).collect::<Vec<_>>()).unwrap_or(0);
    let (x, y) = (Axis::delays("time since the capture (logarithmic)", most_ms), Axis::shares(title));
    let end = x.end();
    plot(title, 400, 78, (x, y), |pen| {
        for ((delay, width), color) in curves.iter().zip([GREY, BLUE, ORANGE]) {
            let mut points = thinned(&runs.curve(*delay, most_ms));
            // Whatever hasn't come by then never does.
            points.extend(points.last().copied().map(|(_, shares)| (end, shares)));
            if runs.len() > 1 {
                pen.band(&points.iter().map(|(at, [_, least, most])| (*at, *least, *most)).collect::<Vec<_>>(), color)?;
            }
            pen.line(points.iter().map(|(at, [mean, ..])| (*at, *mean)), color, *width)?;
        }
        Ok(())
    })
}

/// Without points between two that are as high: a line is drawn through them anyway.
fn thinned(points: &[(f64, [f64; 3])]) -> Vec<(f64, [f64; 3])> {
    let is_needed = |place: usize| {
        let (before, after) = (place.checked_sub(1).and_then(|it| points.get(it)), points.get(place + 1));
        before.is_none_or(|it| it.1 != points[place].1) || after.is_none_or(|it| it.1 != points[place].1)
    };
    (0..points.len()).filter(|place| is_needed(*place)).map(|place| points[place]).collect()
}
