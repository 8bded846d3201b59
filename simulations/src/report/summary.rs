//! `summary.json`: what was measured, for other programs. Its keys stay what they are; `docs/REPORT.md` says what each means.

use serde_json::{Map, Value, json};

use super::Report;
use super::gather::{First, Gathered};
use super::interval::Mean;
use super::measures::{MEASURES, Unit};
use crate::operation::{DeviceNotes, GatewayNotes, Outcome};

/// The version of what is in it.
const FORMAT: u32 = 1;

pub(super) fn summary(report: &Report<'_>) -> Value {
    let (runs, run) = (report.runs, report.first);
    let plan = &run.plan;
    json!({
        "format": FORMAT,
        "name": report.name,
        "about": report.about,
        "devices": plan.devices.len(),
        "contacts": plan.contacts.contacts().len(),
        "ends_ms": plan.ends_ms,
        "screening_ms": plan.screening_ms,
        "measures": measures(runs),
        "runs": runs.all().map(|run| json!({ "seed": run.seed, "hash": run.hash })).collect::<Vec<_>>(),
        "of_first_run": first(run),
    })
}

fn measures(runs: &Gathered) -> Map<String, Value> {
    let of = |key: &str| runs.all().map(|run| run.measured.get(key)).collect::<Vec<_>>();
    let all = MEASURES.iter().map(|measure| {
        let values = of(measure.key);
        let mean = Mean::of(values.iter().flatten().copied());
        let value = json!({
            "name": measure.name,
            "unit": unit(measure.unit),
            "mean": mean.map(|it| it.mean),
            "half_width_95": mean.and_then(|it| it.half_width),
            "least": mean.map(|it| it.least),
            "most": mean.map(|it| it.most),
            "by_run": values,
        });
        (measure.key.to_owned(), value)
    });
    all.collect()
}

pub(super) const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Share => "share",
        Unit::Ms => "ms",
        Unit::Bytes => "bytes",
        Unit::Factor => "factor",
        Unit::Count => "count",
    }
}

/// In hexadecimal digits.
pub(super) fn hash(outcome: &Outcome) -> String {
    outcome.hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is told of one run only.
fn first(run: &First) -> Value {
    let devices = run.plan.devices.iter().zip(&run.outcome.notes.devices);
    let devices = devices.map(|(device, notes)| self::device(&device.name, notes)).collect::<Vec<_>>();
    let storage = run.outcome.notes.storage.iter().map(|it| {
        json!({
            "ms": it.at_ms,
            "half_bytes": it.half_bytes,
            "nine_tenths_bytes": it.nine_tenths_bytes,
            "most_bytes": it.most_bytes,
            "total_bytes": it.total_bytes,
            "hub_bytes": it.hub_bytes,
        })
    });
    json!({ "seed": run.seed, "devices": devices, "storage": storage.collect::<Vec<_>>() })
}

fn device(name: &str, notes: &DeviceNotes) -> Value {
    json!({
        "name": name,
        "captures": notes.captures,
        "copies": notes.copies,
        "sent_bytes": notes.sent_bytes,
        "received_bytes": notes.received_bytes,
        "held_bytes_max": notes.held_bytes_max,
        "contacts": notes.contacts,
        "contact_ms": notes.contact_ms,
        "gateway": notes.gateway.as_ref().map(gateway),
    })
}

fn gateway(notes: &GatewayNotes) -> Value {
    json!({
        "delivered": notes.delivered,
        "times": notes.times,
        "gateway_ms": notes.gateway_ms,
        "up_bytes": notes.up_bytes,
        "down_bytes": notes.down_bytes,
    })
}
