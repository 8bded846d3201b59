//! Captures one by one, and how soon they reach each stage.

use maud::{Markup, html};

use super::canvas::{Axis, BLUE, GREEN, GREY, Key, ORANGE, PINK, SKY, YELLOW, figure, log_s, plot};
use super::gather::First;
use super::page::table;
use super::words;
use crate::operation::Fate;
use crate::quantile::Delays;

/// Captures that are drawn.
pub(super) const LINES_MAX: usize = 120;

/// A stage after the capture: its colour, its name, and when it was reached.
type Stage = (plotters::style::RGBColor, &'static str, fn(&Fate) -> Option<u64>);

const STAGES: [Stage; 6] = [
    (YELLOW, "second copy", |fate| fate.copied_ms),
    (ORANGE, "at a gateway", |fate| fate.at_gateway_ms),
    (BLUE, "at the hub, accepted", |fate| fate.delivered_ms),
    (SKY, "its device knows that", |fate| fate.told_accepted_ms),
    (GREEN, "answered", |fate| fate.answered_ms),
    (PINK, "seen by its officer", |fate| fate.seen_ms),
];

pub(super) fn lines(run: &First) -> Markup {
    let shown = shown(&run.outcome.fates);
    let delays = |fate: &Fate| STAGES.map(|(.., at)| at(fate).map(|at_ms| at_ms.saturating_sub(fate.captured_ms)));
    let most_ms = shown.iter().flat_map(|fate| delays(fate)).flatten().max().unwrap_or(0);
    let height = 90 + (shown.len() as u32 * 6).clamp(120, 640);
    let axes = (
        Axis::delays("time since the capture (logarithmic)", most_ms),
        Axis::numbered("captures, the soonest at the hub first", shown.len()),
    );
    let plot = plot("Stages of single captures", height, 64, axes, |pen| {
        for (row, fate) in shown.iter().enumerate() {
            let (y, delays) = (row as f64 + 0.5, delays(fate));
            let last = delays.iter().flatten().max().copied().unwrap_or(0);
            pen.line([(0.0, y), (log_s(last), y)], GREY, 1)?;
            for (delay, (color, ..)) in delays.iter().zip(STAGES) {
                if let Some(ms) = delay {
                    pen.dot((log_s(*ms), y), 4, color)?;
                }
            }
        }
        Ok(())
    });
    let all = run.outcome.fates.len();
    let note = match shown.len() {
        count if count == all => {
            "Each line is a capture; what comes within a second of it stands at the left edge.".to_owned()
        }
        count => format!(
            "{count} of {} captures, evenly chosen from the soonest at the hub to those that never were; what comes within a second stands at the left edge.",
            words::count(all as u64)
        ),
    };
    figure("Capture by capture", &note, &STAGES.map(|(color, name, _)| Key(color, name)), &plot)
}

/// Captures in the order in which they reached the hub; of many, some at even distances.
fn shown(fates: &[Fate]) -> Vec<&Fate> {
    let mut ordered: Vec<&Fate> = fates.iter().collect();
    let delay = |fate: &Fate| fate.delivered_ms.map_or(u64::MAX, |at_ms| at_ms.saturating_sub(fate.captured_ms));
    ordered.sort_by_key(|fate| (delay(fate), fate.captured_ms));
    let count = ordered.len().min(LINES_MAX);
    let last = ordered.len().saturating_sub(1);
    (0..count).map(|number| ordered[number * last / (count - 1).max(1)]).collect()
}

pub(super) fn stages(run: &First) -> Markup {
    let rows = STAGES.iter().map(|(_, name, at)| {
        let delays: Delays =
            run.outcome.fates.iter().map(|fate| Some(at(fate)?.saturating_sub(fate.captured_ms))).collect();
        let span = |p| delays.quantile_ms(p).map_or("–".to_owned(), |ms| words::span(ms as f64));
        let reached = words::count(delays.sorted_ms().len() as u64);
        [
            html! { (name) },
            html! { (reached) },
            html! { (words::share(delays.delivered())) },
            html! { (span(0.5)) },
            html! { (span(0.9)) },
            html! { (span(1.0)) },
        ]
    });
    let head = ["stage", "captures", "share", "half within", "nine of ten within", "all within"];
    table("How soon captures reached each stage, of those that did", &head, rows.map(Vec::from).collect(), &[])
}
