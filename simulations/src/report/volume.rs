//! Bytes that were moved, over those that were needed.

use crdt::sync::Sort;
use maud::{Markup, html};
use plotters::style::RGBColor;

use super::canvas::{Axis, BLUE, GREY, Key, figure, plot};
use super::gather::First;
use super::page::table;
use super::words;

pub(super) fn bars(run: &First) -> Markup {
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

pub(super) fn ratios(run: &First) -> Markup {
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
    lines.push(vec![html! { "all else, below" }, html! {}, bytes(traffic.besides_bytes()), html! {}]);
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

/// All that was sent, by what it was, and what each sort is of all.
pub(super) fn sorts(run: &First) -> Markup {
    let (sent, surplus) = (run.outcome.traffic.sent, run.outcome.traffic.entries_surplus());
    let line = |what: &str, frames: Option<u64>, bytes: u64| {
        let of_all = if sent.all_bytes() > 0 { bytes as f64 / sent.all_bytes() as f64 } else { 0.0 };
        vec![
            html! { (what) },
            html! { (frames.map_or_else(String::new, words::count)) },
            html! { (words::bytes(bytes as f64)) },
            html! { (words::share(of_all)) },
        ]
    };
    let mut lines = Vec::new();
    for sort in Sort::ALL {
        lines.push(line(name(sort), Some(sent.frames(sort)), sent.bytes(sort)));
        if sort == Sort::Entries {
            lines.push(line("of these: came again", None, surplus.twice_bytes));
            lines.push(line("of these: frames around them", None, surplus.around_bytes));
            lines.push(line("of these: lost in cuts", None, surplus.lost_bytes));
        }
    }
    let links = run.outcome.traffic.links();
    let each = (sent.bytes(Sort::Handshake) + sent.bytes(Sort::Opening)) as f64 / links.max(1) as f64;
    let note = format!(
        "{} came up. Each costs {} whatever goes over it: the handshake, and how far each side has each log.",
        words::of(links as usize, "link", "links"),
        words::bytes(each)
    );
    html! {
        (table("All that was sent", &["what", "frames", "bytes", "of all"], lines, &[]))
        p.note { (note) }
    }
}

const fn name(sort: Sort) -> &'static str {
    match sort {
        Sort::Handshake => "handshakes",
        Sort::Opening => "how far each has each log, for each link",
        Sort::Frontier => "how far each has each log now",
        Sort::Request => "requests for entries",
        Sort::Entries => "entries",
        Sort::Knowledge => "who holds which capture, and who is a gateway",
        Sort::ImageRequest => "requests for images",
        Sort::Image => "images",
        Sort::Fork => "where two histories of a log part",
        Sort::Erasure => "proofs of what is erased",
    }
}

struct Row {
    name: &'static str,
    needed: u64,
    moved: u64,
}

fn rows(run: &First) -> [Row; 2] {
    let traffic = run.outcome.traffic;
    [
        Row { name: "entries", needed: traffic.entries_needed_bytes, moved: traffic.entries_sent_bytes },
        Row { name: "images", needed: traffic.images_needed_bytes, moved: traffic.images_sent_bytes },
    ]
}
