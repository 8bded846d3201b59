//! Captures: how many, when, by whom, and how much they weigh.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::scenario::error::{Problem, nearest};
use crate::scenario::form::{self, Named, Text};
use crate::scenario::unit::{DAY_MS, Sizes};
use crate::scenario::{Captures, Count, Device, Files, Group, What, tables};
use crate::site::Member;
use crate::trace::Node;

use super::{Checked, file_problem, named, number, time, times, useless};

/// Most captures of an operation: what a device is measured with.
pub const CAPTURES_MAX: u64 = 100_000;
/// Most captures that are listed one by one in the file itself.
pub const LISTED_MAX: usize = 10_000;
/// Most that a capture's images weigh together: three of the largest.
pub const IMAGES_BYTES_MAX: u64 = 48_000_000;
/// What they weigh unless a scenario says otherwise: templates of two fingers and a small face.
const IMAGES_BYTES: (u64, u64) = (60_000, 60_000);
/// Most captures at once.
const BURST_MAX: u64 = 1_000;
/// Most sorts of captures.
const SORTS_MAX: usize = 500;

pub(super) fn checked(
    captures: &Named<Spanned<form::Captures>>,
    groups: &[Group],
    devices: &[Device],
    ends_ms: u64,
    files: Files<'_>,
) -> Checked<Vec<Captures>> {
    if let Some((name, _)) = captures.0.get(SORTS_MAX) {
        return Err(Problem::new(name.span(), format!("more than {SORTS_MAX} sorts of captures"), "join some"));
    }
    let on = Ground { groups, devices, ends_ms, files };
    let (mut all, mut count) = (Vec::new(), 0);
    for (name, form) in &captures.0 {
        named(name)?;
        let one = checked_sort(name, form, &on)?;
        count += match &one.what {
            What::Listed(list) => list.len() as u64,
            What::Drawn { count: Count::Total(total), .. } => *total,
            What::Drawn { count: Count::PerDay(rate), .. } => {
                (rate.ceil() as u64).saturating_mul(ends_ms.div_ceil(DAY_MS))
            }
        };
        if count > CAPTURES_MAX {
            let what = format!("with these there are more than {CAPTURES_MAX} captures");
            return Err(Problem::new(name.span(), what, "have fewer, or a shorter operation"));
        }
        all.push(one);
    }
    Ok(all)
}

struct Ground<'a> {
    groups: &'a [Group],
    devices: &'a [Device],
    ends_ms: u64,
    files: Files<'a>,
}

fn checked_sort(name: &Text, spanned: &Spanned<form::Captures>, on: &Ground<'_>) -> Checked<Captures> {
    let form = spanned.get_ref();
    let images = images(form.images.as_ref())?.unwrap_or(IMAGES_BYTES);
    let ways = [
        ("total", form.total.as_ref().map(Spanned::span)),
        ("per_day", form.per_day.as_ref().map(Spanned::span)),
        ("listed", form.listed.as_ref().and_then(|it| it.first()).map(Spanned::span)),
        ("csv", form.csv.as_ref().map(Spanned::span)),
    ];
    let given: Vec<_> = ways.into_iter().filter_map(|(key, span)| span.map(|span| (key, span))).collect();
    match given.as_slice() {
        [(_, _)] => {}
        [] => {
            let what = format!("how many captures `{}` are isn't said", name.get_ref());
            return Err(Problem::new(name.span(), what, "add one of `total`, `per_day`, `listed`, `csv`"));
        }
        [(first, _), (second, span), ..] => {
            let what = format!("`{first}` and `{second}` both say what is captured");
            return Err(Problem::new(span.clone(), what, "make two tables of captures, or leave one of the two out"));
        }
    }
    let list = match (&form.listed, &form.csv) {
        (Some(list), _) => Some(listed(list, on)?),
        (None, Some(csv)) => Some(table(csv, on)?),
        (None, None) => None,
    };
    let what = match list {
        Some(list) => {
            useless_beside_a_list(form)?;
            What::Listed(list)
        }
        None => drawn(name, form, on)?,
    };
    Ok(Captures { name: name.get_ref().clone(), images, what })
}

fn useless_beside_a_list(form: &form::Captures) -> Checked<()> {
    let why = "is for captures that are drawn, and these are listed";
    let keys = [
        ("by", form.by.first().map(Spanned::span)),
        ("hours", form.hours.first().map(Spanned::span)),
        ("burst", form.burst.as_ref().map(Spanned::span)),
    ];
    match keys.into_iter().find_map(|(key, span)| span.map(|span| (key, span))) {
        Some((key, span)) => Err(useless(span, key, why)),
        None => Ok(()),
    }
}

fn images(images: Option<&Spanned<Sizes>>) -> Checked<Option<(u64, u64)>> {
    let Some(spanned) = images else { return Ok(None) };
    let Sizes(low, high) = *spanned.get_ref();
    if high > IMAGES_BYTES_MAX || low < 300 {
        let what = format!("images weigh from 300 B to {} MB together", IMAGES_BYTES_MAX / 1_000_000);
        return Err(Problem::new(spanned.span(), what, "a set of ten prints and a face has about 700 kB"));
    }
    Ok(Some((low, high)))
}

fn drawn(name: &Text, form: &form::Captures, on: &Ground<'_>) -> Checked<What> {
    let count = match (&form.total, &form.per_day) {
        (Some(total), _) => Count::Total(number(total, 1..=CAPTURES_MAX, "there are captures")?),
        (None, Some(rate)) if (0.0..=CAPTURES_MAX as f64).contains(rate.get_ref()) => Count::PerDay(*rate.get_ref()),
        (None, rate) => {
            let span = rate.as_ref().map_or(name.span(), Spanned::span);
            return Err(Problem::new(span, format!("there are 0 to {CAPTURES_MAX} captures a day"), "give a number"));
        }
    };
    let devices = authors(name, &form.by, on)?;
    let hours = if form.hours.is_empty() { vec![(0, on.ends_ms)] } else { times(&form.hours, on.ends_ms)? };
    let burst = match form.burst.as_ref().map(Spanned::get_ref) {
        None => (1, 0),
        Some(burst) => (
            number(&burst.of, 1..=BURST_MAX, "at once there are captures")?,
            time(&burst.within, 0..=DAY_MS, "captures of one burst are made within")?,
        ),
    };
    Ok(What::Drawn { devices, count, hours, burst })
}

/// Devices of groups. Without any, all that may capture.
fn authors(name: &Text, by: &[Text], on: &Ground<'_>) -> Checked<Vec<Node>> {
    for group in by {
        let known = on.groups.iter().find(|it| it.name == *group.get_ref()).ok_or_else(|| {
            let what = format!("there is no group `{}`", group.get_ref());
            Problem::new(group.span(), what, nearest(group.get_ref(), on.groups.iter().map(|it| it.name.as_str())))
        })?;
        if known.member == Member::Carrier {
            let what = format!("`{}` only carries: carriers don't capture", group.get_ref());
            return Err(Problem::new(group.span(), what, "name another group, or make it `role = \"officer\"`"));
        }
    }
    let may = |device: &&(Node, &Device)| match device.1.group.map(|group| &on.groups[group]) {
        None => by.is_empty(),
        Some(group) if by.is_empty() => group.member != Member::Carrier,
        Some(group) => by.iter().any(|name| *name.get_ref() == group.name),
    };
    let all: Vec<(Node, &Device)> = (0..).zip(on.devices).collect();
    let devices: Vec<Node> = all.iter().filter(may).map(|(node, _)| *node).collect();
    if devices.is_empty() {
        let what = format!("nobody can make the captures `{}`", name.get_ref());
        return Err(Problem::new(name.span(), what, "add a group of officers"));
    }
    Ok(devices)
}

fn by_name<'a>(on: &Ground<'a>) -> BTreeMap<&'a str, Node> {
    on.devices.iter().map(|device| device.name.as_str()).zip(0..).collect()
}

fn captures_at(node: Node, on: &Ground<'_>) -> bool {
    on.devices[node as usize].group.is_none_or(|group| on.groups[group].member != Member::Carrier)
}

fn listed(list: &[Spanned<form::Listed>], on: &Ground<'_>) -> Checked<Vec<(u64, Node, Option<u64>)>> {
    if let Some(one) = list.get(LISTED_MAX) {
        let what = format!("more than {LISTED_MAX} captures in a list");
        return Err(Problem::new(one.span(), what, "put them into a file, and name it with `csv`"));
    }
    let names = by_name(on);
    let one = |spanned: &Spanned<form::Listed>| {
        let form = spanned.get_ref();
        let at_ms = form.at.get_ref().0;
        if at_ms >= on.ends_ms {
            let what = "this is after the operation's end";
            return Err(Problem::new(form.at.span(), what, "let the operation last longer, or leave it out"));
        }
        let name = form.by.get_ref();
        let node = *names.get(name.as_str()).ok_or_else(|| {
            let hint = nearest(name, names.keys().copied());
            Problem::new(form.by.span(), format!("there is no device `{name}`"), hint)
        })?;
        if !captures_at(node, on) {
            return Err(Problem::new(form.by.span(), "carriers don't capture", "name an officer's device"));
        }
        Ok((at_ms, node, images(form.images.as_ref())?.map(|(low, _)| low)))
    };
    list.iter().map(one).collect()
}

fn table(name: &Text, on: &Ground<'_>) -> Checked<Vec<(u64, Node, Option<u64>)>> {
    let hint = "a name is taken from the scenario's own folder; check that the file is there and yours to read";
    let file =
        (on.files)(name.get_ref()).map_err(|error| file_problem(name, &format!("it can't be read: {error}"), hint))?;
    let hint = "it is a table `t,node,bytes`, in seconds and bytes; `bytes` may be missing";
    let rows = tables::captures(file).map_err(|what| file_problem(name, &what, hint))?;
    let names = by_name(on);
    let one = |row: &tables::CaptureRow| {
        let line = |what: String, hint: &str| file_problem(name, &format!("line {}: {what}", row.line), hint);
        if row.at_ms >= on.ends_ms {
            return Err(line("this is after the operation's end".to_owned(), "let the operation last longer"));
        }
        let node = names.get(row.node.as_str()).copied();
        let node = node.ok_or_else(|| {
            line(format!("there is no device `{}`", row.node), &nearest(&row.node, names.keys().copied()))
        })?;
        if !captures_at(node, on) {
            return Err(line(format!("`{}` only carries", row.node), "name an officer's device"));
        }
        if row.bytes.is_some_and(|bytes| !(300..=IMAGES_BYTES_MAX).contains(&bytes)) {
            return Err(line(format!("images weigh from 300 B to {IMAGES_BYTES_MAX} B"), "give another weight"));
        }
        Ok((row.at_ms, node, row.bytes))
    };
    rows.iter().map(one).collect()
}
