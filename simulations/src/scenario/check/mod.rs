//! What the keys of a scenario mean together: names, bounds, and what excludes what.

mod captures;
mod contacts;
mod faults;
mod groups;
mod uplinks;

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;

use super::error::{Problem, nearest};
use super::form::{Form, Named, Regions, Text};
use super::moves::Place;
use super::unit::{DAY_MS, Distance, Stretch, Time};
use super::{Files, Scenario};

pub use captures::{CAPTURES_MAX, IMAGES_BYTES_MAX, LISTED_MAX};
pub use faults::TROUBLES_MAX;
pub use groups::{DEVICES_MAX, GROUPS_MAX, POSITIONS_MAX};

/// Longest operation, in days: a year's deployment and a month.
pub const DAYS_MAX: u64 = 400;
/// Most places: more than any map of an operation names.
pub const PLACES_MAX: usize = 1_000;
/// Furthest that a place may be from the origin, east or north, in metres: across a continent.
const PLACE_M_MAX: f64 = 3_000_000.0;
/// Most regions: with a group in each of them, more devices than may be.
pub const REGIONS_MAX: u64 = 500;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 40;
/// Longest screening, and longest wait until an answer is read.
const WAIT_MS_MAX: u64 = 30 * DAY_MS;

type Checked<T> = Result<T, Problem>;

/// Makes a scenario of what a file says, if it can be meant.
pub(super) fn checked(form: Form, files: Files<'_>) -> Checked<Scenario> {
    let name = form.name.get_ref().clone();
    named(&form.name)?;
    let ends_ms = time(&form.lasts, 1..=DAYS_MAX * DAY_MS, "an operation lasts")?;
    let wait = |wait: &Option<Spanned<Time>>, what| wait.as_ref().map(|it| time(it, 0..=WAIT_MS_MAX, what)).transpose();
    let screening_ms = wait(&form.screening, "screening takes")?.unwrap_or(10_000);
    let reads_after_ms = wait(&form.reads_after, "an answer is read after")?;
    let places = places(&form.places)?;
    let radio = contacts::radio(form.contacts.get_ref())?;
    let traced = contacts::trace(&form.contacts, radio.range_m, files)?;
    let regions = regions(form.regions.as_ref(), traced.is_some())?;
    let ground = groups::Ground { places: &places, traced: traced.as_ref(), ends_ms, files, regions: &regions };
    let (groups, devices) = groups::checked(&form.groups, &ground)?;
    let captures = captures::checked(&form.captures, &groups, &devices, ends_ms, files)?;
    let faults = form.faults.as_ref().map(|it| faults::checked(it.get_ref(), ends_ms)).transpose()?;
    let extent = |axis: fn(&Place) -> f64| {
        let of_places = || places.values().map(axis);
        of_places().fold(f64::MIN, f64::max) - of_places().fold(f64::MAX, f64::min)
    };
    Ok(Scenario {
        name,
        purpose: form.purpose.map(|text| text.trim().to_owned()).unwrap_or_default(),
        text: String::new(),
        settings: Vec::new(),
        ends_ms,
        screening_ms,
        reads_after_ms,
        radio: radio.radio,
        range_m: radio.range_m,
        region_m: if places.is_empty() { 0.0 } else { extent(|place| place.0) * 1.3 + 4.0 * radio.range_m },
        regions,
        traced,
        groups,
        devices,
        captures,
        faults,
    })
}

/// A name that can be part of a device's.
fn named(name: &Text) -> Checked<()> {
    let text = name.get_ref();
    let sane = |it: char| !it.is_control() && !matches!(it, '"' | ',' | '/' | '`');
    if text.trim().is_empty() || text.chars().count() > NAME_CHARS_MAX || !text.chars().all(sane) {
        let what = format!("a name has 1 to {NAME_CHARS_MAX} characters, none of them `\"`, `,`, `/` or a backtick");
        return Err(Problem::new(name.span(), what, "choose another name"));
    }
    Ok(())
}

fn places(named_places: &Named<Spanned<(Distance, Distance)>>) -> Checked<BTreeMap<&str, Place>> {
    if let Some((name, _)) = named_places.0.get(PLACES_MAX) {
        let what = format!("more than {PLACES_MAX} places");
        return Err(Problem::new(name.span(), what, "leave out those where nobody is"));
    }
    let place = |(name, at): &'_ (Text, Spanned<(Distance, Distance)>)| {
        named(name)?;
        let (Distance(east), Distance(north)) = *at.get_ref();
        if east.abs().max(north.abs()) > PLACE_M_MAX {
            let what = format!("a place is at most {} km from the origin, east and north", PLACE_M_MAX / 1000.0);
            return Err(Problem::new(at.span(), what, "put the origin into the middle of the operation"));
        }
        Ok((east, north))
    };
    named_places.0.iter().map(|entry| Ok((entry.0.get_ref().as_str(), place(entry)?))).collect()
}

/// Names of the regions; one without a name if there are none.
fn regions(regions: Option<&Spanned<Regions>>, traced: bool) -> Checked<Vec<String>> {
    let Some(spanned) = regions else { return Ok(vec![String::new()]) };
    let wrong = |what: String, hint: &str| Err(Problem::new(spanned.span(), what, hint));
    if traced {
        return wrong("contacts from a trace can't be there several times".to_owned(), "leave `regions` out");
    }
    let names: Vec<String> = match spanned.get_ref() {
        Regions::Count(count) if (1..=REGIONS_MAX).contains(count) => (1..=*count).map(|it| format!("r{it}")).collect(),
        Regions::Names(names) if (1..=REGIONS_MAX).contains(&(names.len() as u64)) => {
            for name in names {
                named(name)?;
            }
            names.iter().map(|name| name.get_ref().clone()).collect()
        }
        _ => return wrong(format!("there are 1 to {REGIONS_MAX} regions"), "give a number in between, or names"),
    };
    let twice = names.iter().enumerate().find(|(number, name)| names[..*number].contains(name));
    match twice {
        Some((_, name)) => wrong(format!("there are two regions `{name}`"), "give each its own name"),
        None => Ok(names),
    }
}

/// Where something that is named is.
fn place_of(name: &Text, places: &BTreeMap<&str, Place>) -> Checked<Place> {
    places.get(name.get_ref().as_str()).copied().ok_or_else(|| {
        let what = format!("there is no place `{}`", name.get_ref());
        Problem::new(name.span(), what, nearest(name.get_ref(), places.keys().copied()))
    })
}

fn time(value: &Spanned<Time>, within_ms: RangeInclusive<u64>, what: &str) -> Checked<u64> {
    let ms = value.get_ref().0;
    if within_ms.contains(&ms) {
        return Ok(ms);
    }
    let (low, high) = (shown_time(*within_ms.start()), shown_time(*within_ms.end()));
    Err(Problem::new(value.span(), format!("{what} {low} to {high}"), format!("give a time from {low} to {high}")))
}

/// A time in its largest whole unit.
fn shown_time(ms: u64) -> String {
    let units = [(DAY_MS, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let unit = units.iter().find(|(unit_ms, _)| ms >= *unit_ms && ms.is_multiple_of(*unit_ms));
    unit.map_or(format!("{ms} ms"), |(unit_ms, unit)| format!("{} {unit}", ms / unit_ms))
}

/// A time for people, to the minute.
fn about(ms: u64) -> String {
    let minutes = ms.div_ceil(60_000);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn number(value: &Spanned<u64>, within: RangeInclusive<u64>, what: &str) -> Checked<u64> {
    let number = *value.get_ref();
    if within.contains(&number) {
        return Ok(number);
    }
    let (low, high) = (within.start(), within.end());
    Err(Problem::new(
        value.span(),
        format!("{what} from {low} to {high}"),
        format!("give a number from {low} to {high}"),
    ))
}

/// When all of some stretches are. None of them may overlap another.
fn times(stretches: &[Spanned<Stretch>], ends_ms: u64) -> Checked<Vec<(u64, u64)>> {
    let mut all: Vec<(u64, u64, usize)> = Vec::new();
    for (number, stretch) in stretches.iter().enumerate() {
        let times = stretch.get_ref().times(ends_ms);
        if times.is_empty() {
            let what = "this is after the operation's end";
            return Err(Problem::new(stretch.span(), what, "let the operation last longer, or leave it out"));
        }
        all.extend(times.into_iter().map(|(from_ms, until_ms)| (from_ms, until_ms, number)));
    }
    all.sort_unstable();
    if let Some(pair) = all.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        let later = stretches[pair[0].2.max(pair[1].2)].span();
        let what = if pair[0].2 == pair[1].2 { "it overlaps itself" } else { "it overlaps another one before it" };
        return Err(Problem::new(later, what, "give each its own time, or write the two as one"));
    }
    let mut joined = Vec::<(u64, u64)>::new();
    for (from_ms, until_ms, _) in all {
        match joined.last_mut().filter(|last| last.1 == from_ms) {
            Some(last) => last.1 = until_ms,
            None => joined.push((from_ms, until_ms)),
        }
    }
    Ok(joined)
}

/// A key that is of no use here.
fn useless(span: Range<usize>, key: &str, why: &str) -> Problem {
    Problem::new(span, format!("`{key}` {why}"), format!("leave `{key}` out"))
}

/// What is wrong with a file that a scenario names.
fn file_problem(name: &Text, what: &str, hint: &str) -> Problem {
    Problem::new(name.span(), format!("{}: {what}", name.get_ref()), hint)
}
