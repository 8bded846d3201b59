//! How close to what is possible: delays over the earliest possible ones.

use maud::Markup;

use super::canvas::{Axis, BLUE, GREEN, Key, figure, plot};
use super::gather::{Columns, Gathered, RATIO_ENDS};
use super::words;
use crate::operation::RATIO_FROM_MS;

pub(super) fn histogram(runs: &Gathered) -> Markup {
    let [delivery, answer] = runs.ratios().each_ref().map(shares);
    let most = delivery.iter().chain(&answer).copied().fold(0.0, f64::max);
    let step = if most > 0.5 { 0.2 } else { 0.1 };
    let ticks = (0..=5).map(|number| f64::from(number) * step).map(|share| (share, format!("{:.0} %", share * 100.0)));
    let y = Axis::new("share of captures", 0.0..step * 5.0, ticks.collect());
    let plot = plot(
        "Delays over the earliest possible ones",
        330,
        78,
        (Axis::columns("delay over the earliest possible one", &names()), y),
        |pen| {
            for (column, (delivery, answer)) in delivery.iter().zip(&answer).enumerate() {
                let from = column as f64;
                pen.fill((from + 0.12, 0.0), (from + 0.48, *delivery), BLUE)?;
                pen.fill((from + 0.52, 0.0), (from + 0.88, *answer), GREEN)?;
            }
            Ok(())
        },
    );
    let none = match runs.ratios()[0].iter().sum::<u64>() {
        0 => "No capture reached the hub whose earliest possible delay is that long. ",
        _ => "",
    };
    let note = format!(
        "{none}1 would be perfect. Of captures whose earliest possible delay is at least {}: below that a handshake is many times the best.",
        words::span(RATIO_FROM_MS as f64)
    );
    figure("How close to what was possible", &note, &[Key(BLUE, "to the hub"), Key(GREEN, "to the answer")], &plot)
}

fn names() -> Vec<String> {
    let number = |hundredths: u64| match hundredths % 100 {
        0 => format!("{}", hundredths / 100),
        _ => format!("{}", hundredths as f64 / 100.0),
    };
    let most = RATIO_ENDS.iter().map(|end| format!("≤ {}", number(*end)));
    most.chain([format!("> {}", number(RATIO_ENDS[RATIO_ENDS.len() - 1]))]).collect()
}

/// Which share of the ratios of all runs falls into each column.
fn shares(counts: &Columns) -> Vec<f64> {
    let all = counts.iter().sum::<u64>().max(1) as f64;
    counts.iter().map(|count| *count as f64 / all).collect()
}
