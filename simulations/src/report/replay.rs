//! The operation played again. Still without scripts, moving with them.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};
use serde_json::json;

use super::gather::First;
use super::layout::{Layout, MARGIN, Place, SIDE, radius, together};
use super::words;
use crate::operation::Plan;
use crate::trace::Node;

/// Steps of the slider at most.
const STEPS_MAX: u64 = 720;
/// Contacts in the replay: the longest ones, of more.
pub(super) const CONTACTS_MAX: usize = 30_000;
/// Captures in it: the first ones, of more.
pub(super) const CAPTURES_MAX: usize = 20_000;
/// Lines of the still picture: of the pairs that are together most.
const STILL_LINES_MAX: usize = 400;
/// Room for the scale below a map.
const SCALE: f64 = 40.0;
/// Devices up to which each is named in the picture.
const NAMED_MAX: usize = 40;

pub(super) fn replay(run: &First) -> Markup {
    let plan = &run.plan;
    let step_ms = plan.ends_ms.div_ceil(STEPS_MAX).max(1_000);
    let layout = Layout::of(plan, step_ms);
    let (contacts, contacts_left_out) = contacts(plan, step_ms);
    let data = json!({
        "step_ms": step_ms,
        "steps": plan.ends_ms.div_ceil(step_ms),
        "contacts": contacts,
        "online": online(run, step_ms),
        "captures": captures(run, step_ms),
        "tracks": layout.tracks,
    });
    let title = if layout.tracks.is_empty() { "Replay: who is in contact" } else { "Replay: who is where" };
    html! {
        figure #replay {
            figcaption {
                strong { (title) } " "
                span.note { (note(run, contacts_left_out, layout.thinned)) }
                span.keys {
                    span.key { i.dot.waiting {} "has captures that aren't at the hub" }
                    span.key { i.dot.near {} "in contact" }
                    span.key { i.dot.alone {} "alone" }
                    span.key { i.dot.square.online {} "gateway, connected" }
                    span.key { i.dot.square.alone {} "gateway, not connected" }
                }
            }
            (picture(plan, &layout))
            div.controls hidden {
                button type="button" { "Play" }
                input type="range" min="0" max=(plan.ends_ms.div_ceil(step_ms).saturating_sub(1)) value="0" step="1" aria-label="time since the beginning";
                output { }
            }
            script type="application/json" { (PreEscaped(inert(&data.to_string()))) }
        }
    }
}

/// JSON in which nothing ends the element around it.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
}

fn note(run: &First, contacts_left_out: usize, thinned: bool) -> String {
    let mut note =
        "Lines join the pairs that are together most; with scripts, whoever is in contact at the slider's time."
            .to_owned();
    if contacts_left_out > 0 {
        let _ = write!(note, " The {} shortest contacts aren't in it.", words::count(contacts_left_out as u64));
    }
    let captures = run.outcome.fates.len().saturating_sub(CAPTURES_MAX);
    if captures > 0 {
        let _ = write!(note, " The last {} captures aren't in it.", words::count(captures as u64));
    }
    if thinned {
        note.push_str(" Ways are drawn with fewer bends than they have.");
    }
    note
}

fn picture(plan: &Plan, layout: &Layout) -> Markup {
    let radius = radius(plan.devices.len());
    // On a map many are at one place; there their names are told by pointing at them.
    let (named, is_map) = (plan.devices.len() <= NAMED_MAX, layout.scale.is_some());
    let height = if is_map { SIDE + SCALE } else { SIDE };
    html! {
        svg role="img" aria-label="Devices and who meets whom" viewBox=(format!("0 0 {SIDE} {height}")) {
            path.pairs d=(still(plan, &layout.places)) {}
            path.links d="" {}
            @for (device, (x, y)) in plan.devices.iter().zip(&layout.places) {
                g.device.way[device.way_out.is_some()] transform=(format!("translate({x:.1} {y:.1})")) {
                    title { (device.name) }
                    @if device.way_out.is_some() {
                        rect x=(-radius) y=(-radius) width=(2.0 * radius) height=(2.0 * radius) {}
                    } @else { circle r=(radius) {} }
                    @if named && !is_map { text y=(radius + 14.0) { (words::short(&device.name, 12)) } }
                }
            }
            @if let Some((length, name)) = &layout.scale {
                path.scale d=(format!("M{MARGIN} {:.0}h{length:.0}", height - 8.0)) {}
                text.scale x=(MARGIN) y=(height - 16.0) { (name) }
            }
        }
    }
}

/// The pairs that are together most.
fn still(plan: &Plan, places: &[Place]) -> String {
    let mut pairs: Vec<((Node, Node), u64)> = together(plan).into_iter().collect();
    pairs.sort_by_key(|(pair, ms)| (std::cmp::Reverse(*ms), *pair));
    let mut path = String::new();
    for ((a, b), _) in pairs.into_iter().take(STILL_LINES_MAX) {
        let ([ax, ay], [bx, by]) = (places[a as usize].into(), places[b as usize].into()) as ([f64; 2], [f64; 2]);
        let _ = write!(path, "M{ax:.0} {ay:.0}L{bx:.0} {by:.0}");
    }
    path
}

/// Contacts as `[a, b, first step, steps]` one after the other, and how many were left out.
fn contacts(plan: &Plan, step_ms: u64) -> (Vec<u64>, usize) {
    let mut all: Vec<_> = plan.contacts.contacts().iter().collect();
    let left_out = all.len().saturating_sub(CONTACTS_MAX);
    if left_out > 0 {
        all.sort_by_key(|it| std::cmp::Reverse(it.until_ms - it.from_ms));
        all.truncate(CONTACTS_MAX);
        all.sort();
    }
    let flat = all.into_iter().flat_map(|it| {
        let (from, until) = (it.from_ms / step_ms, it.until_ms.min(plan.ends_ms).div_ceil(step_ms));
        [u64::from(it.a), u64::from(it.b), from, until.saturating_sub(from)]
    });
    (flat.collect(), left_out)
}

/// Gateways as `[node, step, 1 or 0]` one after the other.
fn online(run: &First, step_ms: u64) -> Vec<u64> {
    let switches = run.outcome.notes.switches.iter().take(CONTACTS_MAX);
    switches.flat_map(|it| [u64::from(it.node), it.at_ms / step_ms, u64::from(it.on)]).collect()
}

/// Captures as `[node, step made, step at the hub or -1]` one after the other.
fn captures(run: &First, step_ms: u64) -> Vec<i64> {
    let fates = run.outcome.fates.iter().take(CAPTURES_MAX);
    let step = |ms: u64| i64::try_from(ms / step_ms).unwrap_or(-1);
    fates.flat_map(|it| [i64::from(it.node), step(it.captured_ms), it.delivered_ms.map_or(-1, step)]).collect()
}
