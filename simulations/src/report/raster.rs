//! Who was in contact when, and when there were gateways: a row for each device, darker where it is more.

use maud::Markup;
use plotters::style::RGBColor;

use super::canvas::{Axis, figure, plot};
use super::gather::First;
use super::words;
use crate::trace::Trace;

/// Rows that are drawn; of more devices, several share one.
const ROWS_MAX: usize = 90;
/// Columns.
const COLUMNS: usize = 240;
/// Shades besides white.
const SHADES: usize = 5;
/// Characters of a name beside its row.
const NAME_CHARS: usize = 14;

/// When something is: `[from, until)`, in ms. Where some overlap, they add up.
type Spans = Vec<(u64, u64)>;

pub(super) fn contacts(run: &First) -> Markup {
    let spans = contact_spans(&run.plan.contacts, run.plan.devices.len());
    let names: Vec<String> = run.plan.devices.iter().map(|device| device.name.clone()).collect();
    let Raster { most, note, plot } = raster(&names, &spans, run.plan.ends_ms, (0, 84, 140), "devices");
    let note = format!(
        "The darker, the more others the device was in contact with; darkest where it was {most:.1} at a time. {note}"
    );
    figure("Who met somebody when", &note, &[], &plot)
}

pub(super) fn gateways(run: &First) -> Option<Markup> {
    let mut spans = vec![Spans::new(); run.plan.devices.len()];
    let mut since = vec![None; run.plan.devices.len()];
    let ends = run.plan.ends_ms;
    for switch in &run.outcome.notes.switches {
        let (spans, since) = (&mut spans[switch.node as usize], &mut since[switch.node as usize]);
        match switch.on {
            true => *since = Some(switch.at_ms),
            false => spans.extend(since.take().map(|from_ms| (from_ms, switch.at_ms))),
        }
    }
    for (spans, since) in spans.iter_mut().zip(since) {
        spans.extend(since.map(|from_ms| (from_ms, ends)));
    }
    let ways = run.plan.devices.iter().zip(spans).filter(|(device, _)| device.way_out.is_some());
    let (names, spans): (Vec<String>, Vec<Spans>) = ways.map(|(device, spans)| (device.name.clone(), spans)).unzip();
    if names.is_empty() {
        return None;
    }
    let Raster { note, plot, .. } = raster(&names, &spans, ends, (0, 120, 85), "gateways");
    let note = format!("The darker, the more of that time the device had a connection with the hub. {note}");
    Some(figure("Who was a gateway when", &note, &[], &plot))
}

/// The contacts of each node.
fn contact_spans(contacts: &Trace, nodes: usize) -> Vec<Spans> {
    let mut of = vec![Spans::new(); nodes];
    for contact in contacts.contacts() {
        for node in [contact.a, contact.b] {
            of[node as usize].push((contact.from_ms, contact.until_ms));
        }
    }
    of
}

/// What is drawn, what its darkest cell stands for, and what else is to be said of it.
struct Raster {
    most: f64,
    note: String,
    plot: Markup,
}

fn raster(names: &[String], spans: &[Spans], ends_ms: u64, dark: (u8, u8, u8), what: &str) -> Raster {
    let each = names.len().div_ceil(ROWS_MAX).max(1);
    let rows: Vec<Vec<f64>> = spans.chunks(each).map(|chunk| shares(chunk, ends_ms)).collect();
    let most = rows.iter().flatten().copied().fold(0.0, f64::max);
    let labels: Vec<String> = names.chunks(each).map(|chunk| words::short(&chunk[0], NAME_CHARS)).collect();
    let height = 80 + (rows.len() as u32 * if rows.len() > 30 { 8 } else { 21 }).clamp(42, 700);
    let named_max = ((height - 70) / 20).max(1) as usize;
    let width_ms = ends_ms.max(1) as f64 / COLUMNS as f64;
    let axes = (Axis::time(ends_ms), Axis::rows("", &labels, named_max));
    let plot = plot(&format!("{what} over time"), height, 136, axes, |pen| {
        for (row, shares) in rows.iter().enumerate() {
            let shares: Vec<f64> = shares.iter().map(|share| share / most.max(f64::MIN_POSITIVE)).collect();
            for (shade, columns) in runs_of(&shares) {
                let (from, to) = (columns.start as f64 * width_ms, columns.end as f64 * width_ms);
                pen.fill((from, row as f64 + 0.04), (to, row as f64 + 0.96), color(dark, shade))?;
            }
        }
        Ok(())
    });
    let note = match each {
        1 => String::new(),
        _ => format!("Each row stands for {each} {what}, named by the first."),
    };
    Raster { most, note, plot }
}

/// How many spans there are at a time in each column, on average over its time and over rows.
fn shares(rows: &[Spans], ends_ms: u64) -> Vec<f64> {
    let width = ends_ms.max(1) as f64 / COLUMNS as f64;
    let mut shares = vec![0.0; COLUMNS];
    for (from_ms, until_ms) in rows.iter().flatten() {
        let (from, until) = (*from_ms as f64 / width, (*until_ms).min(ends_ms) as f64 / width);
        let columns = shares.iter_mut().enumerate().take(until.ceil() as usize).skip(from as usize);
        for (column, share) in columns {
            let within = until.min(column as f64 + 1.0) - from.max(column as f64);
            *share += within.max(0.0) / rows.len() as f64;
        }
    }
    shares
}

/// Stretches of columns of one shade; white ones are left out.
fn runs_of(shares: &[f64]) -> Vec<(usize, std::ops::Range<usize>)> {
    let shades: Vec<usize> = shares.iter().map(|share| shade(*share)).collect();
    let mut at = 0;
    let mut runs = Vec::new();
    for stretch in shades.chunk_by(|one, other| one == other) {
        if stretch[0] > 0 {
            runs.push((stretch[0], at..at + stretch.len()));
        }
        at += stretch.len();
    }
    runs
}

/// What is there at all is to be seen.
fn shade(share: f64) -> usize {
    (share * SHADES as f64).ceil().clamp(0.0, SHADES as f64) as usize
}

fn color((r, g, b): (u8, u8, u8), shade: usize) -> RGBColor {
    let mix = |dark: u8| 255 - (255 - usize::from(dark)) * (shade + 1) / (SHADES + 1);
    RGBColor(mix(r) as u8, mix(g) as u8, mix(b) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_a_column_is_a_share_of_it() {
        let ends_ms = COLUMNS as u64 * 100;
        let half_and_whole = shares(&[vec![(50, 200)], vec![]], ends_ms);
        assert_eq!(half_and_whole[..3], [0.25, 0.5, 0.0]);
        let beyond = shares(&[vec![(ends_ms - 100, ends_ms + 900)]], ends_ms);
        assert_eq!(beyond[COLUMNS - 2..], [0.0, 1.0]);
    }

    #[test]
    fn stretches_of_a_shade_are_one() {
        assert_eq!(runs_of(&[0.0, 1.0, 1.0, 0.001, 0.0]), [(SHADES, 1..3), (1, 3..4)]);
    }
}
