//! `events.jsonl`: what happened in a run, a line of JSON each, in order. `docs/REPORT.md` says what they are.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Report;
use super::gather::First;
use crate::operation::Fate;
use crate::trace::Node;

/// The version of what is in it.
const FORMAT: u32 = 1;
/// Contacts of which the beginning and the end are written: the first ones, of more.
pub(super) const CONTACTS_MAX: usize = 250_000;

/// One line: when, in which order at one moment, what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at_ms: u64,
    what: What,
    node: Node,
    other: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    ContactDown,
    ContactUp,
    GatewayOff,
    GatewayOn,
    Captured,
    Copied,
    AtGateway,
    Accepted,
    Told,
    Answered,
    Seen,
}

/// The first run's events.
pub(super) fn write(report: &Report<'_>, mut to: impl Write) -> io::Result<()> {
    let run = report.first;
    let mut line = |value: &Value| writeln!(to, "{value}");
    line(
        &json!({ "event": "begin", "format": FORMAT, "name": report.name, "seed": run.seed, "ends_ms": run.plan.ends_ms }),
    )?;
    for event in gather(run) {
        line(&told(event, run))?;
    }
    let contacts_left_out = run.plan.contacts.contacts().len().saturating_sub(CONTACTS_MAX);
    let notes = &run.outcome.notes;
    line(&json!({
        "event": "end",
        "ms": run.plan.ends_ms,
        "left_out": {
            "contacts": contacts_left_out,
            "copied": notes.copies_left_out,
            "gateway": notes.switches_left_out,
        },
    }))?;
    to.flush()
}

fn gather(run: &First) -> Vec<Event> {
    let mut all = Vec::new();
    for contact in run.plan.contacts.contacts().iter().take(CONTACTS_MAX) {
        for (at_ms, what) in [(contact.from_ms, What::ContactUp), (contact.until_ms, What::ContactDown)] {
            all.push(Event { at_ms, what, node: contact.a, other: contact.b });
        }
    }
    for switch in &run.outcome.notes.switches {
        let what = if switch.on { What::GatewayOn } else { What::GatewayOff };
        all.push(Event { at_ms: switch.at_ms, what, node: switch.node, other: 0 });
    }
    for copied in &run.outcome.notes.copies {
        all.push(Event { at_ms: copied.at_ms, what: What::Copied, node: copied.node, other: copied.capture });
    }
    for (fate, number) in run.outcome.fates.iter().zip(0..) {
        let at = |what, at_ms: Option<u64>| Some(Event { at_ms: at_ms?, what, node: fate.node, other: number });
        all.extend(stages(fate).into_iter().filter_map(|(what, at_ms)| at(what, at_ms)));
    }
    all.sort_unstable();
    all
}

const fn stages(fate: &Fate) -> [(What, Option<u64>); 6] {
    [
        (What::Captured, Some(fate.captured_ms)),
        (What::AtGateway, fate.at_gateway_ms),
        (What::Accepted, fate.delivered_ms),
        (What::Told, fate.told_accepted_ms),
        (What::Answered, fate.answered_ms),
        (What::Seen, fate.seen_ms),
    ]
}

fn told(event: Event, run: &First) -> Value {
    let name = |node: Node| run.plan.devices.get(node as usize).map_or("", |device| device.name.as_str());
    let ms = event.at_ms;
    let of_capture =
        |word: &str| json!({ "ms": ms, "event": word, "capture": event.other, "device": name(event.node) });
    match event.what {
        What::ContactUp => {
            json!({ "ms": ms, "event": "contact_up", "device": name(event.node), "with": name(event.other) })
        }
        What::ContactDown => {
            json!({ "ms": ms, "event": "contact_down", "device": name(event.node), "with": name(event.other) })
        }
        What::GatewayOn => json!({ "ms": ms, "event": "gateway_on", "device": name(event.node) }),
        What::GatewayOff => json!({ "ms": ms, "event": "gateway_off", "device": name(event.node) }),
        What::Captured => of_capture("captured"),
        What::Copied => of_capture("copied"),
        What::AtGateway => of_capture("at_gateway"),
        What::Accepted => of_capture("accepted"),
        What::Told => of_capture("told"),
        What::Answered => of_capture("answered"),
        What::Seen => of_capture("seen"),
    }
}
