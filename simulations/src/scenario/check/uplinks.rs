//! Ways out: of how many devices of a group, when, where, and how they carry.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::oracle::Online;
use crate::scenario::error::{Problem, nearest};
use crate::scenario::form;
use crate::scenario::moves::Moves;
use crate::scenario::profile::UPLINKS;
use crate::scenario::unit::{DAY_MS, Time};
use crate::scenario::{Group, Uplink, When, tables};
use crate::trace::RANGE_M_MAX;

use super::contacts::{link, profiled};
use super::groups::Ground;
use super::{Checked, DAYS_MAX, file_problem, number, place_of, time, times, useless};

/// How far a signal reaches around the places that have one, in metres, unless a scenario says otherwise.
const SIGNAL_M: f64 = 2_000.0;
/// Shortest time that a way out is there, or gone, on average, in ms: with shorter ones, there would be millions.
const TURN_MS_MIN: u64 = 1_000;
/// Windows of one device: one a minute for a year.
const WINDOWS_MAX: u64 = 600_000;

pub(super) fn checked(
    spanned: &Spanned<form::Uplink>,
    group: &Group,
    own: &[&str],
    on: &Ground<'_>,
) -> Checked<Uplink> {
    let form = spanned.get_ref();
    let profile = profiled(&form.profile, UPLINKS)?;
    let (setup_ms, pace) =
        link(profile, form.rate.as_ref(), form.round_trip.as_ref(), form.setup.as_ref(), form.loss.as_ref())?;
    let count = if on.traced.is_some() { own.len() as u64 } else { group.count };
    let devices = form.devices.as_ref().map_or(Ok(count), |it| number(it, 1..=count, "an uplink is on devices"))?;
    let mut signal = Vec::new();
    for place in &form.signal {
        if matches!(group.moves, Moves::Traced) {
            return Err(useless(
                place.span(),
                "signal",
                "isn't for contacts from a trace: nobody knows where devices are",
            ));
        }
        signal.push(place_of(place, on.places)?);
    }
    let signal_m = match &form.signal_reach {
        None => SIGNAL_M,
        Some(reach) if signal.is_empty() => return Err(useless(reach.span(), "signal_reach", "needs `signal`")),
        Some(reach) if reach.get_ref().0 > 0.0 && reach.get_ref().0 <= RANGE_M_MAX => reach.get_ref().0,
        Some(reach) => {
            return Err(Problem::new(
                reach.span(),
                "a signal reaches more than 0 m, at most 100 km",
                "give a distance",
            ));
        }
    };
    Ok(Uplink {
        devices,
        when: when(form, spanned.span(), own, on)?,
        signal,
        signal_m,
        pace,
        setup_ms,
        cap_bytes: form.cap.as_ref().map(|cap| cap.get_ref().0),
    })
}

/// In one of four ways, or always.
fn when(form: &form::Uplink, span: std::ops::Range<usize>, own: &[&str], on: &Ground<'_>) -> Checked<When> {
    let given: Vec<&str> = [
        ("windows", form.windows.is_some()),
        ("windows_csv", form.windows_csv.is_some()),
        ("every", form.every.is_some() || form.open.is_some() || form.first.is_some()),
        ("up", form.up.is_some() || form.down.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, given)| given.then_some(key))
    .collect();
    if let [first, second, ..] = given.as_slice() {
        let what = format!("`{first}` and `{second}` both say when there is a way out");
        return Err(Problem::new(span, what, "leave one of the two out"));
    }
    if let Some(windows) = &form.windows {
        return times(windows, on.ends_ms).map(|times| When::Online(Online::Windows(times)));
    }
    if let Some(name) = &form.windows_csv {
        return table(name, own, on).map(When::Table);
    }
    let lacks = |key: &str, with: &str| {
        Problem::new(span.clone(), format!("`{with}` needs `{key}` beside it"), format!("add `{key} = \"15 min\"`"))
    };
    match (&form.every, &form.open, &form.first) {
        (Some(every), Some(open), first) => return periodic(every, open, first.as_ref(), on),
        (Some(_), None, _) => return Err(lacks("open", "every")),
        (None, Some(_), _) => return Err(lacks("every", "open")),
        (None, None, Some(_)) => return Err(lacks("every", "first")),
        (None, None, None) => {}
    }
    match (&form.up, &form.down) {
        (Some(up), Some(down)) => {
            let turn = |it| time(it, TURN_MS_MIN..=DAYS_MAX * DAY_MS, "on average, a way out is there or gone for");
            let (up_ms, down_ms) = (turn(up)?, turn(down)?);
            if on.ends_ms / (up_ms + down_ms) > WINDOWS_MAX {
                let what = format!("more than {WINDOWS_MAX} windows");
                return Err(Problem::new(up.span(), what, "give longer times"));
            }
            Ok(When::Turns { up_ms, down_ms })
        }
        (Some(_), None) => Err(lacks("down", "up")),
        (None, Some(_)) => Err(lacks("up", "down")),
        (None, None) => Ok(When::Online(Online::Always)),
    }
}

fn periodic(
    every: &Spanned<Time>,
    open: &Spanned<Time>,
    first: Option<&Spanned<Time>>,
    on: &Ground<'_>,
) -> Checked<When> {
    let period_ms = time(every, TURN_MS_MIN..=DAYS_MAX * DAY_MS, "a window comes every")?;
    let len_ms = time(open, 1..=period_ms, "a window is open for")?;
    let offset_ms = first.map_or(Ok(0), |first| time(first, 0..=period_ms, "the first window is after"))?;
    if on.ends_ms / period_ms > WINDOWS_MAX {
        let what = format!("more than {WINDOWS_MAX} windows");
        return Err(Problem::new(every.span(), what, "give a longer time"));
    }
    Ok(When::Online(Online::Every { period_ms, offset_ms: offset_ms % period_ms, len_ms }))
}

/// Windows of a file. Each of its nodes must be one of the group.
fn table(name: &form::Text, own: &[&str], on: &Ground<'_>) -> Checked<BTreeMap<String, Vec<(u64, u64)>>> {
    let file = (on.files)(name.get_ref()).map_err(|error| {
        let hint = "a name is taken from the scenario's own folder; check that the file is there and yours to read";
        file_problem(name, &format!("it can't be read: {error}"), hint)
    })?;
    let hint = "it is a table `node,start,end`, in seconds";
    let mut windows = tables::windows(file).map_err(|what| file_problem(name, &what, hint))?;
    if let Some(node) = windows.keys().find(|node| !own.contains(&node.as_str())) {
        let what = format!("it has a node `{node}`, which isn't one of this group");
        return Err(file_problem(name, &what, &nearest(node, own.iter().copied())));
    }
    for spans in windows.values_mut() {
        spans.retain(|(from_ms, _)| *from_ms < on.ends_ms);
        spans.iter_mut().for_each(|(_, until_ms)| *until_ms = (*until_ms).min(on.ends_ms));
    }
    Ok(windows)
}
