//! What goes wrong: which sorts of trouble, and how much of each.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::scenario::error::{Problem, nearest};
use crate::scenario::form::{Fault, Much, Named, Text};
use crate::scenario::unit::DAY_MS;
use crate::trouble::{Class, Dose, Mix, Often};

use super::{Checked, time, useless};

/// Most troubles of one sort: some on every day of a large operation.
pub const TROUBLES_MAX: u64 = 10_000;
/// Shortest time that trouble lasts, in ms.
const LASTS_MS_MIN: u64 = 1_000;
/// What isn't a sort of trouble: whether all that aren't named are drawn.
const SWARM: &str = "swarm";

pub(super) fn checked(faults: &Named<Spanned<Fault>>, ends_ms: u64) -> Checked<Mix> {
    let mut mix = Mix { others: Often::Never, named: BTreeMap::new() };
    for (name, fault) in &faults.0 {
        if name.get_ref() == SWARM {
            mix.others = swarm(fault)?;
            continue;
        }
        let class = class(name)?;
        let dose = match fault.get_ref() {
            Fault::Is(false) => Dose { often: Often::Never, lasts_ms: None },
            Fault::Is(true) => Dose { often: Often::Drawn, lasts_ms: None },
            Fault::Much(much) => dose(class, much, fault, ends_ms)?,
        };
        mix.named.insert(class, dose);
    }
    Ok(mix)
}

fn swarm(fault: &Spanned<Fault>) -> Checked<Often> {
    match fault.get_ref() {
        Fault::Is(false) => Ok(Often::Never),
        Fault::Is(true) => Ok(Often::Swarm),
        Fault::Much(_) => {
            let what = "`swarm` is true or false: it says whether each sort that isn't named here is drawn";
            Err(Problem::new(fault.span(), what, "write `swarm = true`, and rates at the sorts that they are for"))
        }
    }
}

fn class(name: &Text) -> Checked<Class> {
    Class::named(name.get_ref()).ok_or_else(|| {
        let known = Class::ALL.into_iter().map(Class::name).chain([SWARM]);
        let what = format!("`{}` is no sort of trouble", name.get_ref());
        Problem::new(name.span(), what, nearest(name.get_ref(), known))
    })
}

fn dose(class: Class, much: &Much, fault: &Spanned<Fault>, ends_ms: u64) -> Checked<Dose> {
    let lasts_ms = match &much.lasts {
        Some(lasts) if !class.lasts() => {
            return Err(useless(lasts.span(), "lasts", "isn't for trouble that is over at once"));
        }
        Some(lasts) => Some(time(lasts, LASTS_MS_MIN..=ends_ms.max(LASTS_MS_MIN), "trouble lasts")?),
        None => None,
    };
    let often = match (&much.total, &much.per_day) {
        (Some(_), Some(rate)) => {
            let what = "`total` and `per_day` both say how often";
            return Err(Problem::new(rate.span(), what, "leave one of the two out"));
        }
        (Some(total), None) => times(total, *total.get_ref() as f64)?,
        (None, Some(rate)) => times(rate, rate.get_ref() * ends_ms as f64 / DAY_MS as f64)?,
        (None, None) if lasts_ms.is_some() => Often::Drawn,
        (None, None) => {
            let hint = "write `{ per_day = 2 }`, `{ total = 3 }`, or `true` for as often as is drawn";
            return Err(Problem::new(fault.span(), "this doesn't say how often", hint));
        }
    };
    Ok(Dose { often, lasts_ms })
}

fn times<T>(said: &Spanned<T>, times: f64) -> Checked<Often> {
    if times.is_finite() && times >= 0.0 && times <= TROUBLES_MAX as f64 {
        return Ok(Often::Times(times));
    }
    let what = format!("one sort of trouble strikes 0 to {TROUBLES_MAX} times in an operation");
    Err(Problem::new(said.span(), what, "give a smaller number, and not a negative one"))
}
