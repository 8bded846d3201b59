//! The page: everything in one file that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::gather::{First, Gathered};
use super::interval::Mean;
use super::measures::{MEASURES, place};
use super::{Report, curves, levels, raster, ratios, replay, seeds, summary, tables, timelines, volume, words};

/// Characters of the scenario that are shown.
const SOURCE_CHARS_MAX: usize = 200_000;

pub(super) fn page(report: &Report<'_>) -> Markup {
    let (runs, run) = (report.runs, report.first);
    let body = html! {
        header {
            h1 { (report.name) }
            @for part in report.about.split("\n\n").filter(|part| !part.trim().is_empty()) { p { (part) } }
            p.quiet { (size(run)) }
            p.quiet { (seeds_of(runs, run)) }
        }
        @if run.outcome.impossible > 0 {
            p.alert { (words::count(run.outcome.impossible as u64)) " captures arrived before they could have: this simulation is wrong." }
        }
        (figures(runs))
        (verdict(run, runs.len()))
        section {
            h2 { "How soon" }
            (curves::delivery(runs))
            (curves::answer(runs))
            (ratios::histogram(runs))
        }
        section {
            h2 { "Captures" }
            (timelines::lines(run))
            (timelines::stages(run))
            (levels::queue(run))
        }
        section {
            h2 { "Devices" }
            (raster::contacts(run))
            @if let Some(gateways) = raster::gateways(run) { (gateways) }
            (replay::replay(run))
        }
        section {
            h2 { "What it cost" }
            (volume::bars(run))
            (volume::ratios(run))
            (volume::sorts(run))
            (levels::storage(run))
        }
        section { h2 { "Gateways" } (tables::gateways(run)) }
        section { h2 { "Devices one by one" } (tables::devices(run)) }
        section { h2 { (if runs.len() > 1 { "Over all seeds" } else { "In numbers" }) } (seeds::means(runs)) }
        @if !report.source.is_empty() {
            section { h2 { "The scenario" } (source(report.source)) }
        }
        footer { (footer(run)) }
    };
    frame(report.name, &body)
}

/// A page of ours: style and script in it, nothing from elsewhere.
pub(super) fn frame(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body { (body) script { (PreEscaped(include_str!("page.js"))) } }
        }
    }
}

fn size(run: &First) -> String {
    let plan = &run.plan;
    let gateways = plan.devices.iter().filter(|device| device.way_out.is_some()).count();
    format!(
        "{}, {} of them with a way out; {}; {} in {}",
        words::of(plan.devices.len(), "device", "devices"),
        words::count(gateways as u64),
        words::of(plan.contacts.contacts().len(), "contact", "contacts"),
        words::of(plan.captures.len(), "capture", "captures"),
        words::span(plan.ends_ms as f64),
    )
}

fn seeds_of(runs: &Gathered, run: &First) -> String {
    match runs.len() {
        1 => format!("Simulated once, with seed {}", run.seed),
        count => format!("Simulated with {count} seeds; what is drawn of one run is of seed {}", run.seed),
    }
}

/// The row of figures at the top.
fn figures(runs: &Gathered) -> Markup {
    let figure = |key: &str, name: &str, best: &str, of: &str| {
        let measure = &MEASURES[place(key)?];
        let mean = |key: &str| Mean::of(runs.measured(key));
        let value = mean(key)?;
        let best = mean(best).map(|best| format!("{of} {}", measure.words(best.mean).replace(' ', "\u{a0}")));
        Some(html! {
            div.figure {
                strong { (measure.words(value.mean)) }
                span.what { (name) }
                @if let Some(half) = value.half_width { span.name { (measure.margin(half)) } }
                @if let Some(best) = best { span.name { (best) } }
            }
        })
    };
    let all = [
        figure("delivered", "reached the hub", "delivered_at_best", "possible"),
        figure("delivery_p50_ms", "half at the hub within", "delivery_at_best_p50_ms", "at best"),
        figure("delivery_ratio_p50", "the best possible time to the hub, at the median", "", ""),
        figure("answered", "answered", "answered_at_best", "possible"),
        figure("answer_p50_ms", "half answered within", "answer_at_best_p50_ms", "at best"),
        figure("entries_ratio", "entries moved, over needed", "", ""),
    ];
    html! { div.figures { @for one in all.into_iter().flatten() { (one) } } }
}

/// What comes of it, in a sentence or two.
fn verdict(run: &First, runs: usize) -> Markup {
    let outcome = &run.outcome;
    let count = |is: &dyn Fn(&crate::operation::Fate) -> bool| outcome.fates.iter().filter(|fate| is(fate)).count();
    let all = outcome.fates.len();
    let delivered = count(&|fate| fate.delivered_ms.is_some());
    let possible = count(&|fate| fate.oracle_delivered_ms.is_some());
    let direct = count(&|fate| fate.direct_ms.is_some());
    let answered = count(&|fate| fate.answered_ms.is_some());
    let n = |count: usize| words::count(count as u64);
    html! {
        p.verdict {
            "Of " (words::of(all, "capture", "captures")) ", " strong { (n(delivered)) } " reached the hub. Nobody could have brought there more than "
            strong { (n(possible)) } " on these contacts and windows; without anybody carrying for others it would have been "
            strong { (n(direct)) } ". " strong { (n(answered)) } " were answered before the end."
            @if runs > 1 { " (Seed " (run.seed) ".)" }
        }
    }
}

/// A table; columns with a name in `sorted_by` sort it, with scripts.
pub(super) fn table(caption: &str, head: &[&str], rows: Vec<Vec<Markup>>, sorted_by: &[&str]) -> Markup {
    html! {
        div.scroll { table.sorts[!sorted_by.is_empty()] {
            @if !caption.is_empty() { caption { (caption) } }
            thead { tr { @for name in head { th scope="col" { (name) } } } }
            tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
        } }
    }
}

fn source(source: &str) -> Markup {
    let shown: String = source.chars().take(SOURCE_CHARS_MAX).collect();
    html! {
        pre { (shown) }
        @if shown.len() < source.len() { p.note { "The rest is left out: it is longer than a page should be." } }
    }
}

fn footer(run: &First) -> Markup {
    let hash = summary::hash(&run.outcome);
    html! {
        p { "Greenline's simulator: the code that devices run, in virtual time. Run of seed " (run.seed) ": " code { (hash) } "; the same scenario and seed give the same." }
        p { "Delays are of captures that arrived; their quantiles leave out the others. “Possible” is what no protocol can beat: contacts that carry any amount in no time. ± is the 95 % interval of the mean over the seeds, after Student." }
    }
}
