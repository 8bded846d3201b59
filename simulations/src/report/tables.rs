//! Devices and gateways, one by one.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::gather::First;
use super::page::table;
use super::words;

/// Rows of a table; of more devices, those with the most.
pub(super) const ROWS_MAX: usize = 300;

pub(super) fn devices(run: &First) -> Markup {
    let mut all: Vec<_> = run.plan.devices.iter().zip(&run.outcome.notes.devices).collect();
    let count = all.len();
    if count > ROWS_MAX {
        all.sort_by_key(|(_, notes)| Reverse(notes.sent_bytes + notes.received_bytes));
        all.truncate(ROWS_MAX);
    }
    let rows = all.iter().map(|(device, notes)| {
        let cells = [
            (notes.captures, words::count(notes.captures)),
            (notes.copies, words::count(notes.copies)),
            (notes.sent_bytes, words::bytes(notes.sent_bytes as f64)),
            (notes.received_bytes, words::bytes(notes.received_bytes as f64)),
            (notes.held_bytes_max, words::bytes(notes.held_bytes_max as f64)),
            (notes.contacts, words::count(notes.contacts)),
            (notes.contact_ms, words::span(notes.contact_ms as f64)),
        ];
        [html! { (device.name) }].into_iter().chain(cells.into_iter().map(sortable)).collect()
    });
    let head = [
        "device",
        "captures made",
        "copies carried",
        "sent",
        "received",
        "most on disk",
        "contacts",
        "time in contact",
    ];
    html! {
        (table("", &head, rows.collect(), &head))
        @if count > ROWS_MAX { p.note { "The " (ROWS_MAX) " that moved most, of " (words::count(count as u64)) "." } }
    }
}

pub(super) fn gateways(run: &First) -> Markup {
    let mut all: Vec<_> = run
        .plan
        .devices
        .iter()
        .zip(&run.outcome.notes.devices)
        .filter_map(|(device, notes)| Some((device, notes.gateway.as_ref()?)))
        .collect();
    let count = all.len();
    if count > ROWS_MAX {
        all.sort_by_key(|(_, gateway)| Reverse(gateway.delivered));
        all.truncate(ROWS_MAX);
    }
    let rows = all.iter().map(|(device, gateway)| {
        let cells = [
            (gateway.delivered, words::count(gateway.delivered)),
            (gateway.times, words::count(gateway.times)),
            (gateway.gateway_ms, words::span(gateway.gateway_ms as f64)),
            (gateway.up_bytes, words::bytes(gateway.up_bytes as f64)),
            (gateway.down_bytes, words::bytes(gateway.down_bytes as f64)),
        ];
        [html! { (device.name) }].into_iter().chain(cells.into_iter().map(sortable)).collect()
    });
    let head = ["gateway", "captures brought to the hub", "times connected", "time connected", "sent up", "received"];
    html! {
        (table("", &head, rows.collect(), &head))
        @if count == 0 { p.note { "No device has a way out." } }
        @if count > ROWS_MAX { p.note { "The " (ROWS_MAX) " that brought most, of " (words::count(count as u64)) "." } }
    }
}

/// A cell that is sorted by its value, whatever its unit says.
fn sortable((value, shown): (u64, String)) -> Markup {
    html! { data value=(value) { (shown) } }
}
