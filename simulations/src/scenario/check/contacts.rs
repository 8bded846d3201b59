//! How devices talk, and whom they meet if a trace says so.

use toml::Spanned;

use crate::operation::Radio;
use crate::scenario::Files;
use crate::scenario::error::{Problem, nearest};
use crate::scenario::form::{Contacts, FormatName, Text};
use crate::scenario::profile::{self, Profile, RADIOS};
use crate::scenario::unit::{Rate, Share, Time};
use crate::trace::{self, Format, RANGE_M_MAX, Trace};
use crate::world::Pace;

use super::{Checked, file_problem, time, useless};

/// Longest round trip, and longest time until a link is up, in ms.
pub(super) const LINK_MS_MAX: u64 = 600_000;

/// What a radio does.
pub(super) struct Talk {
    pub(super) radio: Radio,
    pub(super) range_m: f64,
}

pub(super) fn radio(contacts: &Contacts) -> Checked<Talk> {
    let profile = profiled(&contacts.radio, RADIOS)?;
    let range_m = match &contacts.range {
        None => profile.range_m,
        Some(range) if range.get_ref().0 > 0.0 && range.get_ref().0 <= RANGE_M_MAX => range.get_ref().0,
        Some(range) => {
            let what = format!("a radio reaches more than 0 m and at most {} km", RANGE_M_MAX / 1000.0);
            return Err(Problem::new(range.span(), what, "give a range in between"));
        }
    };
    let (setup_ms, pace) = link(
        profile,
        contacts.rate.as_ref(),
        contacts.round_trip.as_ref(),
        contacts.setup.as_ref(),
        contacts.loss.as_ref(),
    )?;
    Ok(Talk { radio: Radio { setup_ms, pace }, range_m })
}

/// A profile by its name.
pub(super) fn profiled(name: &Text, of: &'static [Profile]) -> Checked<&'static Profile> {
    profile::find(of, name.get_ref()).ok_or_else(|| {
        let what = format!("there is no profile `{}`", name.get_ref());
        Problem::new(name.span(), what, nearest(name.get_ref(), of.iter().map(|profile| profile.name)))
    })
}

/// How a link carries: as its profile says, unless something else is said.
pub(super) fn link(
    profile: &Profile,
    rate: Option<&Spanned<Rate>>,
    round_trip: Option<&Spanned<Time>>,
    setup: Option<&Spanned<Time>>,
    loss: Option<&Spanned<Share>>,
) -> Checked<(u64, Pace)> {
    /// Most packets lost, of a million: with more, nothing is said to work any more.
    const LOSS_PPM_MAX: u32 = 500_000;
    let ms = |value: Option<&Spanned<Time>>, own_ms, what| {
        value.map_or(Ok(own_ms), |value| time(value, 0..=LINK_MS_MAX, what))
    };
    let round_trip_ms = ms(round_trip, profile.round_trip_ms, "a round trip takes")?;
    let setup_ms = ms(setup, profile.setup_ms, "a link takes")?;
    if let Some(loss) = loss.filter(|loss| loss.get_ref().0 > LOSS_PPM_MAX) {
        return Err(Problem::new(loss.span(), "at most half of all packets are lost", "give at most 50 %"));
    }
    let pace = Pace {
        latency_ms: round_trip_ms.div_ceil(2),
        bits_per_s: Some(rate.map_or(profile.bits_per_s, |rate| rate.get_ref().0)),
        loss_ppm: loss.map_or(profile.loss_ppm, |loss| loss.get_ref().0),
    };
    Ok((setup_ms, pace))
}

/// The trace, if there is one.
pub(super) fn trace(contacts: &Spanned<Contacts>, range_m: f64, files: Files<'_>) -> Checked<Option<Trace>> {
    let contacts = contacts.get_ref();
    let Some(name) = &contacts.trace else {
        let of_traces = "is about a trace, and there is none";
        if let Some(format) = &contacts.format {
            return Err(useless(format.span(), "format", of_traces));
        }
        return match &contacts.one_compat {
            Some(one_compat) => Err(useless(one_compat.span(), "one_compat", of_traces)),
            None => Ok(None),
        };
    };
    let first_down_ends = contacts.one_compat.as_ref().is_some_and(|it| *it.get_ref());
    let format = match contacts.format.as_ref().map(Spanned::get_ref) {
        None if first_down_ends => Some(Format::One { first_down_ends }),
        None => None,
        Some(FormatName::Csv) => Some(Format::Csv),
        Some(FormatName::One) => Some(Format::One { first_down_ends }),
        Some(FormatName::Tij) => Some(Format::Tij),
        Some(FormatName::OneMovement) => Some(Format::OneMovement { range_m }),
        Some(FormatName::Ns2) => Some(Format::Ns2 { range_m }),
    };
    if let (Some(one_compat), Some(Format::Csv | Format::Tij | Format::OneMovement { .. } | Format::Ns2 { .. })) =
        (&contacts.one_compat, format)
    {
        return Err(useless(one_compat.span(), "one_compat", "is for events of ONE"));
    }
    let near = "a name is taken from the scenario's own folder; check that the file is there and yours to read";
    let file =
        files(name.get_ref()).map_err(|error| file_problem(name, &format!("it can't be read: {error}"), near))?;
    let read = trace::read(file, format, Some(range_m));
    let (trace, ..) = read.map_err(|error| {
        let hint = "mend the trace, or name its kind with `format`; `greenline sim import` tells more about it";
        file_problem(name, &error.to_string(), hint)
    })?;
    Ok(Some(trace))
}
