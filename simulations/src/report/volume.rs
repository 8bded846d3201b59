//! Bytes that were moved, over those that were needed.

use maud::{Markup, html};
use plotters::style::RGBColor;

use super::canvas::{Axis, BLUE, GREY, Key, figure, plot};
use super::page::{First, table};
use super::words;

pub(super) fn bars(run: &First<'_>) -> Markup {
    let rows = rows(run);
    let most = rows.iter().flat_map(|row| [row.needed, row.moved]).max().unwrap_or(0);
    let names: Vec<String> = rows.iter().map(|row| row.name.to_owned()).collect();
    let axes = (Axis::bytes("bytes", most as f64), Axis::rows("", &names, rows.len()));
    let plot = plot("Bytes needed and moved", 220, 84, axes, |pen| {
        for (row, volume) in rows.iter().enumerate() {
            let top = row as f64;
            let mut bar = |from: f64, bytes: u64, color: RGBColor| {
                pen.fill((0.0, top + from), (bytes as f64, top + from + 0.36), color)
            };
            bar(0.12, volume.needed, GREY)?;
            bar(0.52, volume.moved, BLUE)?;
        }
        Ok(())
    });
    let note = "Needed: each entry, and each image, once to each device that it came to. Moved: all that was sent of them, with the frames around it, what came twice and what was lost in cuts.";
    figure("Bytes moved over bytes needed", note, &[Key(GREY, "needed"), Key(BLUE, "moved")], &plot)
}

pub(super) fn ratios(run: &First<'_>) -> Markup {
    let traffic = run.outcome.traffic;
    let images: u64 =
        run.outcome.fates.iter().filter(|fate| fate.delivered_ms.is_some()).map(|fate| fate.bytes as u64).sum();
    let bytes = |count: u64| html! { (words::bytes(count as f64)) };
    let mut lines: Vec<Vec<Markup>> = rows(run)
        .iter()
        .map(|row| {
            let ratio =
                if row.needed > 0 { words::factor(row.moved as f64 / row.needed as f64) } else { "–".to_owned() };
            vec![html! { (row.name) }, bytes(row.needed), bytes(row.moved), html! { (ratio) }]
        })
        .collect();
    let both = traffic.entries_sent_bytes + traffic.images_sent_bytes;
    lines.push(vec![
        html! { "all else: handshakes, signs of life, what each side has and wants" },
        html! {},
        bytes(traffic.sent_bytes.saturating_sub(both)),
        html! {},
    ]);
    let note = format!(
        "Images of the captures that reached the hub weigh {} together. That {} of images were needed is what carrying them costs: each carrier needs them once.",
        words::bytes(images as f64),
        words::bytes(traffic.images_needed_bytes as f64),
    );
    html! {
        (table("", &["what", "needed", "moved", "moved over needed"], lines, &[]))
        p.note { (note) }
    }
}

struct Row {
    name: &'static str,
    needed: u64,
    moved: u64,
}

fn rows(run: &First<'_>) -> [Row; 2] {
    let traffic = run.outcome.traffic;
    [
        Row { name: "entries", needed: traffic.entries_needed_bytes, moved: traffic.entries_sent_bytes },
        Row { name: "images", needed: traffic.images_needed_bytes, moved: traffic.images_sent_bytes },
    ]
}
