//! Groups: who there is, and how each moves.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::scenario::error::{Problem, nearest};
use crate::scenario::form::{self, Named, Nodes, OrderName, Role, Text, Wander};
use crate::scenario::moves::{Levy, Moves, Order, Place, Power, Rounds, SPREAD_M, Shifts, Waypoint};
use crate::scenario::unit::{Clock, DAY_MS, Distance, Speed, Time};
use crate::scenario::{ClockTrouble, Device, Files, Group};
use crate::site::Member;
use crate::trace::{NODES_MAX, Trace};

use super::{Checked, about, named, number, place_of, time, times, uplinks, useless};

/// Most devices of a scenario without a trace: each pair of a region is looked at.
pub const DEVICES_MAX: usize = 2_000;
/// Most groups.
pub const GROUPS_MAX: usize = 500;
/// Most positions that all devices take together: 50 MB of them.
pub const POSITIONS_MAX: u64 = 2_000_000;
/// Most steps in which devices of a region are held against each other: seconds, not hours.
const STEPS_MAX: u64 = 2_000_000_000;
/// Most departures a day, and most stops of a journey.
const LEAVES_MAX: usize = 200;
/// Furthest that devices of a group are from each other's middle, in metres.
const SPREAD_M_MAX: f64 = 10_000.0;
/// Longest stay at a stop, and longest pause.
const STAY_MS_MAX: u64 = 7 * DAY_MS;
/// Worst clock: a month off.
const CLOCK_MS_MAX: u64 = 31 * DAY_MS;
/// Worst drift, in millionths: a thousand times that of a bad quartz.
const DRIFT_PPM_MAX: u32 = 100_000;

/// What groups stand on.
pub(super) struct Ground<'a> {
    pub(super) places: &'a BTreeMap<&'a str, Place>,
    pub(super) traced: Option<&'a Trace>,
    pub(super) ends_ms: u64,
    pub(super) files: Files<'a>,
    pub(super) regions: &'a [String],
}

pub(super) fn checked(groups: &Named<Spanned<form::Group>>, on: &Ground<'_>) -> Checked<(Vec<Group>, Vec<Device>)> {
    if let Some((name, _)) = groups.0.get(GROUPS_MAX) {
        return Err(Problem::new(name.span(), format!("more than {GROUPS_MAX} groups"), "join those that are alike"));
    }
    let mut all = Vec::new();
    for (name, group) in &groups.0 {
        named(name)?;
        all.push(checked_group(name, group, on)?);
    }
    let devices = match on.traced {
        Some(trace) => traced_devices(groups, trace)?,
        None => devices(groups, &all, on.regions)?,
    };
    // What needs the devices' names.
    for ((name, form), group) in groups.0.iter().zip(0..) {
        let own: Vec<&str> = devices.iter().filter(|it| it.group == Some(group)).map(|it| it.name.as_str()).collect();
        if let Some(uplink) = &form.get_ref().uplink {
            let uplink = uplinks::checked(uplink, &all[group], &own, on)?;
            all[group].uplink = Some(uplink);
        }
        if own.is_empty() && on.traced.is_some() {
            return Err(Problem::new(name.span(), "no node is in this group", "name some with `nodes`"));
        }
    }
    bounded(groups, &all, on)?;
    Ok((all, devices))
}

fn checked_group(name: &Text, spanned: &Spanned<form::Group>, on: &Ground<'_>) -> Checked<Group> {
    let form = spanned.get_ref();
    let count = match &form.count {
        Some(count) if on.traced.is_some() => {
            return Err(useless(
                count.span(),
                "count",
                "isn't for contacts from a trace, where `nodes` says who is in a group",
            ));
        }
        Some(count) => number(count, 1..=DEVICES_MAX as u64, "a group has")?,
        None => 1,
    };
    let moves = match on.traced {
        Some(_) => traced(name, spanned)?,
        None => moves(name, spanned, count, on)?,
    };
    let spread_m = match &form.spread {
        None => SPREAD_M,
        Some(spread) if (0.0..=SPREAD_M_MAX).contains(&spread.get_ref().0) => spread.get_ref().0,
        Some(spread) => {
            let what = format!("devices of a group are at most {} km apart", SPREAD_M_MAX / 1000.0);
            return Err(Problem::new(spread.span(), what, "make two groups of them"));
        }
    };
    let lan = form.lan.as_ref().is_some_and(|lan| *lan.get_ref());
    if let Some(lan) = form.lan.as_ref().filter(|_| !matches!(moves, Moves::Fixed(_))) {
        return Err(useless(lan.span(), "lan", "is for groups that stay `at` a place"));
    }
    let off = times(&form.off, on.ends_ms)?;
    if off.first() == Some(&(0, on.ends_ms)) {
        return Err(Problem::new(form.off[0].span(), "the group is never switched on", "leave the group out instead"));
    }
    Ok(Group {
        name: name.get_ref().clone(),
        count,
        member: form.role.map_or(Member::Officer, Role::member),
        moves,
        spread_m,
        lan,
        uplink: None,
        off,
        clock: clock(form.clock.as_ref(), on.ends_ms)?,
    })
}

/// In a trace, a group is some nodes, and nothing says where they are.
fn traced(name: &Text, spanned: &Spanned<form::Group>) -> Checked<Moves> {
    let form = spanned.get_ref();
    let moves = ways(form);
    if let Some((key, span)) = moves.first() {
        return Err(useless(span.clone(), key, "isn't for contacts from a trace: it says already who meets whom"));
    }
    if form.nodes.is_none() {
        let what = format!("which nodes of the trace are `{}`?", name.get_ref());
        return Err(Problem::new(name.span(), what, "add `nodes = [\"...\"]` with their names, or `nodes = \"all\"`"));
    }
    Ok(Moves::Traced)
}

/// The keys that say how a group moves, and where they stand.
fn ways(form: &form::Group) -> Vec<(&'static str, std::ops::Range<usize>)> {
    fn of<T>(key: &'static str, value: Option<&Spanned<T>>) -> Option<(&'static str, std::ops::Range<usize>)> {
        value.map(|value| (key, value.span()))
    }
    let all = [
        of("at", form.at.as_ref()),
        of("foot_patrol", form.foot_patrol.as_ref()),
        of("vehicle_patrol", form.vehicle_patrol.as_ref()),
        of("convoy", form.convoy.as_ref()),
        of("supply_run", form.supply_run.as_ref()),
        of("courier", form.courier.as_ref()),
        of("shifts", form.shifts.as_ref()),
        of("random_waypoint", form.random_waypoint.as_ref()),
        of("levy_walk", form.levy_walk.as_ref()),
    ];
    all.into_iter().flatten().collect()
}

fn moves(name: &Text, spanned: &Spanned<form::Group>, count: u64, on: &Ground<'_>) -> Checked<Moves> {
    let form = spanned.get_ref();
    if let Some(nodes) = &form.nodes {
        return Err(useless(nodes.span(), "nodes", "is for contacts from a trace"));
    }
    let known = "`at`, `foot_patrol`, `vehicle_patrol`, `convoy`, `supply_run`, `courier`, `shifts`, `random_waypoint`, `levy_walk`";
    match ways(form).as_slice() {
        [] => {
            let what = format!("where `{}` is isn't said", name.get_ref());
            return Err(Problem::new(name.span(), what, format!("add one of {known}")));
        }
        [_] => {}
        [(first, _), (second, span), ..] => {
            let what = format!("a group moves in one way, and `{first}` is there already");
            return Err(Problem::new(span.clone(), what, format!("make two groups, or leave `{second}` out")));
        }
    }
    if let Some(place) = &form.at {
        return place_of(place, on.places).map(Moves::Fixed);
    }
    if let Some(shifts) = &form.shifts {
        return shift_work(shifts, count, on).map(Moves::Shifts);
    }
    if let Some(wander) = &form.random_waypoint {
        return waypoint(wander.get_ref(), on).map(Moves::Waypoint);
    }
    if let Some(walk) = &form.levy_walk {
        return levy(walk.get_ref(), on).map(Moves::Levy);
    }
    let kinds = [
        (&form.foot_patrol, Kind::FOOT_PATROL),
        (&form.vehicle_patrol, Kind::VEHICLE_PATROL),
        (&form.convoy, Kind::CONVOY),
        (&form.supply_run, Kind::SUPPLY_RUN),
        (&form.courier, Kind::COURIER),
    ];
    let chosen = kinds.iter().find_map(|(form, kind)| form.as_ref().map(|form| (form, kind)));
    match chosen {
        Some((form, kind)) => rounds(form, kind, count, on).map(Moves::Rounds),
        None => {
            Err(Problem::new(name.span(), "this group doesn't move in any known way", format!("add one of {known}")))
        }
    }
}

/// What a kind of journey is like unless something else is said.
struct Kind {
    speed: f64,
    stay_ms: u64,
    order: Order,
    late_ms: u64,
    steady: bool,
    gap_m: f64,
}

impl Kind {
    const FOOT_PATROL: Self = Self {
        speed: 4.0 / 3.6,
        stay_ms: 1_200_000,
        order: Order::Either,
        late_ms: 1_200_000,
        steady: false,
        gap_m: 0.0,
    };
    const VEHICLE_PATROL: Self = Self { speed: 30.0 / 3.6, ..Self::FOOT_PATROL };
    const CONVOY: Self =
        Self { speed: 40.0 / 3.6, stay_ms: 1_800_000, order: Order::Listed, late_ms: 0, steady: true, gap_m: 50.0 };
    const SUPPLY_RUN: Self = Self { stay_ms: 2_700_000, gap_m: 0.0, ..Self::CONVOY };
    const COURIER: Self = Self { speed: 50.0 / 3.6, stay_ms: 900_000, ..Self::SUPPLY_RUN };
}

fn rounds(spanned: &Spanned<form::Rounds>, kind: &Kind, count: u64, on: &Ground<'_>) -> Checked<Rounds> {
    let form = spanned.get_ref();
    let base = place_of(&form.base, on.places)?;
    let mut stops = Vec::new();
    for stop in &form.stops {
        stops.push(place_of(stop, on.places)?);
    }
    if stops.is_empty() || stops.len() > LEAVES_MAX {
        let what = format!("a journey has 1 to {LEAVES_MAX} `stops`");
        return Err(Problem::new(form.base.span(), what, "name the places it goes to, in their order"));
    }
    let leaves_ms = clocks(&form.leaves, "leaves", &form.base)?;
    let days = on.ends_ms.div_ceil(DAY_MS).max(1);
    let every_days = form
        .every_days
        .as_ref()
        .map_or(Ok(1), |it| number(it, 1..=super::DAYS_MAX, "a journey is every so many days,"))?;
    let first_day = form.first_day.as_ref().map_or(Ok(1), |it| number(it, 1..=days, "the operation has days"))?;
    let stay_ms = form.stay.as_ref().map_or(Ok(kind.stay_ms), |it| time(it, 0..=STAY_MS_MAX, "a stay lasts"))?;
    let late_ms =
        form.late_by.as_ref().map_or(Ok(kind.late_ms), |it| time(it, 0..=DAY_MS, "a journey begins late by"))?;
    let teams = form.teams.as_ref().map_or(Ok(1), |it| number(it, 1..=count, "with so few devices there are teams"))?;
    let gap_m = match &form.gap {
        None => kind.gap_m,
        Some(gap) if (0.0..=SPREAD_M_MAX).contains(&gap.get_ref().0) => gap.get_ref().0,
        Some(gap) => return Err(Problem::new(gap.span(), "a gap is from 0 m to 10 km", "give a distance in between")),
    };
    let order = match form.order.as_ref().map(Spanned::get_ref) {
        None => kind.order,
        Some(OrderName::Listed) => Order::Listed,
        Some(OrderName::Either) => Order::Either,
        Some(OrderName::Drawn) => Order::Drawn,
    };
    let rounds = Rounds {
        base,
        stops,
        leaves_ms,
        every_days,
        first_day: first_day - 1,
        speed: speed(form.speed.as_ref(), kind.speed),
        stay_ms,
        order,
        late_ms,
        steady: kind.steady,
        teams,
        gap_m,
    };
    apart(&rounds, form)?;
    Ok(rounds)
}

/// One journey must be over when the next begins.
fn apart(rounds: &Rounds, form: &form::Rounds) -> Checked<()> {
    let takes_ms = rounds.takes_ms_max();
    let first_again = rounds.leaves_ms.first().map(|first_ms| first_ms + rounds.every_days * DAY_MS);
    let next = rounds.leaves_ms.iter().copied().skip(1).chain(first_again);
    for ((leaves_ms, next_ms), leaves) in rounds.leaves_ms.iter().zip(next).zip(&form.leaves) {
        if next_ms - leaves_ms < takes_ms {
            let what = format!(
                "this journey may take {} with its stays and delays, and the next one begins {} after it",
                about(takes_ms),
                about(next_ms - leaves_ms)
            );
            let hint = "leave less often, go faster, stay shorter, be late by less, or let another group go";
            return Err(Problem::new(leaves.span(), what, hint));
        }
    }
    Ok(())
}

/// Times of a day, in order.
fn clocks(clocks: &[Spanned<Clock>], key: &str, beside: &Text) -> Checked<Vec<u64>> {
    if clocks.is_empty() || clocks.len() > LEAVES_MAX {
        let what = format!("`{key}` has 1 to {LEAVES_MAX} times of day");
        return Err(Problem::new(beside.span(), what, format!("write `{key} = [\"06:00\", \"14:00\"]`")));
    }
    for pair in clocks.windows(2) {
        if pair[1].get_ref() <= pair[0].get_ref() {
            return Err(Problem::new(pair[1].span(), "it is before the one before it", "put them in order of the day"));
        }
    }
    Ok(clocks.iter().map(|clock| clock.get_ref().0).collect())
}

fn speed(speed: Option<&Spanned<Speed>>, own: f64) -> f64 {
    speed.map_or(own, |speed| speed.get_ref().0)
}

fn shift_work(spanned: &Spanned<form::Shifts>, count: u64, on: &Ground<'_>) -> Checked<Shifts> {
    /// Longest time for which two crews are there.
    const HANDOVER_MS_MAX: u64 = 4 * 3_600_000;
    let form = spanned.get_ref();
    let changes_ms = clocks(&form.changes, "changes", &form.base)?;
    if count < 2 {
        return Err(Problem::new(
            form.base.span(),
            "one device can't take turns",
            "add `count = 2` or more to the group",
        ));
    }
    let crews = match &form.crews {
        Some(crews) => number(crews, 2..=count, "with so many devices there are crews")?,
        None => (changes_ms.len() as u64).clamp(2, count),
    };
    let handover = form.handover.as_ref();
    let shifts = Shifts {
        base: place_of(&form.base, on.places)?,
        post: place_of(&form.post, on.places)?,
        changes_ms,
        crews,
        handover_ms: handover.map_or(Ok(900_000), |it| time(it, 0..=HANDOVER_MS_MAX, "a hand-over takes"))?,
        speed: speed(form.speed.as_ref(), 40.0 / 3.6),
    };
    if shifts.away_ms_max() > shifts.turns_ms_min() {
        let what = format!(
            "a crew is away for up to {} with its ways, and is on again {} after its shift begins",
            about(shifts.away_ms_max()),
            about(shifts.turns_ms_min())
        );
        return Err(Problem::new(form.changes[0].span(), what, "have more `crews`, or a base that is nearer"));
    }
    Ok(shifts)
}

/// A circle to wander in.
fn circle(around: &Text, within: &Spanned<Distance>, on: &Ground<'_>) -> Checked<(Place, f64)> {
    let within_m = within.get_ref().0;
    if !(1.0..=1_000_000.0).contains(&within_m) {
        return Err(Problem::new(within.span(), "a circle has a radius of 1 m to 1,000 km", "give one in between"));
    }
    Ok((place_of(around, on.places)?, within_m))
}

fn waypoint(form: &Wander, on: &Ground<'_>) -> Checked<Waypoint> {
    let (around, within_m) = circle(&form.around, &form.within, on)?;
    let pause_ms = form.pause.as_ref().map_or(Ok(600_000), |it| time(it, 0..=STAY_MS_MAX, "a pause lasts"))?;
    Ok(Waypoint { around, within_m, speed: speed(form.speed.as_ref(), 4.0 / 3.6), pause_ms })
}

fn levy(form: &form::Levy, on: &Ground<'_>) -> Checked<Levy> {
    let (around, within_m) = circle(&form.around, &form.within, on)?;
    let metres = |value: &Option<Spanned<Distance>>, own: f64| value.as_ref().map_or(own, |it| it.get_ref().0);
    let pause = |value: &Option<Spanned<Time>>, own_ms| {
        value.as_ref().map_or(Ok(own_ms), |it| time(it, 1_000..=STAY_MS_MAX, "a pause lasts"))
    };
    let legs = Power {
        exponent: exponent(form.exponent.as_ref(), 1.6)?,
        low: metres(&form.shortest, 10.0),
        high: metres(&form.longest, within_m),
    };
    let pauses_ms = Power {
        exponent: exponent(form.pause_exponent.as_ref(), 0.8)?,
        low: pause(&form.pause, 30_000)? as f64,
        high: pause(&form.longest_pause, 28_800_000)? as f64,
    };
    if !(0.1..=1e6).contains(&legs.low) || legs.high <= legs.low || legs.high > 2e6 {
        let span = form.longest.as_ref().or(form.shortest.as_ref()).map_or(form.within.span(), Spanned::span);
        return Err(Problem::new(span, "`shortest` is at least 0.1 m and less than `longest`", "give longer ways"));
    }
    if pauses_ms.high <= pauses_ms.low {
        let span = form.longest_pause.as_ref().or(form.pause.as_ref()).map_or(form.within.span(), Spanned::span);
        return Err(Problem::new(span, "`pause` is less than `longest_pause`", "give a longer `longest_pause`"));
    }
    Ok(Levy { around, within_m, speed: speed(form.speed.as_ref(), 4.0 / 3.6), legs, pauses_ms })
}

fn exponent(value: Option<&Spanned<f64>>, own: f64) -> Checked<f64> {
    match value {
        None => Ok(own),
        Some(value) if (0.1..=5.0).contains(value.get_ref()) => Ok(*value.get_ref()),
        Some(value) => {
            Err(Problem::new(value.span(), "an exponent is from 0.1 to 5.0", "people's are from 0.5 to 2.0"))
        }
    }
}

fn clock(clock: Option<&Spanned<form::ClockTrouble>>, ends_ms: u64) -> Checked<ClockTrouble> {
    let Some(form) = clock.map(Spanned::get_ref) else { return Ok(ClockTrouble::default()) };
    let skew_ms = form.skew.as_ref().map_or(Ok(0), |it| time(it, 0..=CLOCK_MS_MAX, "a clock is wrong by"))?;
    if let Some(drift) = form.drift.as_ref().filter(|drift| drift.get_ref().0 > DRIFT_PPM_MAX) {
        let what = format!("a clock drifts by at most {DRIFT_PPM_MAX} ppm");
        return Err(Problem::new(drift.span(), what, "a bad quartz has 100 ppm, nine seconds a day"));
    }
    let mut jumps = Vec::new();
    for jump in &form.jumps {
        let (at, by_ms) = (&jump.get_ref().at, jump.get_ref().by.0);
        if at.get_ref().0 >= ends_ms || by_ms.unsigned_abs() > CLOCK_MS_MAX {
            let what = "a clock jumps before the operation's end, by at most 31 d";
            return Err(Problem::new(jump.span(), what, "give another moment, or another jump"));
        }
        jumps.push((at.get_ref().0, by_ms));
    }
    jumps.sort_unstable();
    Ok(ClockTrouble { skew_ms, drift_ppm: form.drift.as_ref().map_or(0, |drift| drift.get_ref().0), jumps })
}

/// All devices, region by region, each under its name.
fn devices(groups: &Named<Spanned<form::Group>>, checked: &[Group], regions: &[String]) -> Checked<Vec<Device>> {
    let (mut all, mut names) = (Vec::new(), BTreeSet::new());
    for (region, region_name) in regions.iter().enumerate() {
        for (group, (name, _)) in groups.0.iter().enumerate() {
            let count = checked[group].count;
            for number in 0..count {
                let own =
                    if count == 1 { name.get_ref().clone() } else { format!("{}-{}", name.get_ref(), number + 1) };
                let full = if region_name.is_empty() { own } else { format!("{region_name}/{own}") };
                if all.len() == DEVICES_MAX {
                    let what = format!("more than {DEVICES_MAX} devices, in all regions together");
                    return Err(Problem::new(name.span(), what, "have fewer in this group, or fewer regions"));
                }
                if !names.insert(full.clone()) {
                    let what = format!("two devices would be called `{full}`");
                    return Err(Problem::new(name.span(), what, "choose another name for this group"));
                }
                all.push(Device { name: full, group: Some(group), region, number });
            }
        }
    }
    if all.is_empty() {
        let span = groups.0.first().map_or(0..0, |(name, _)| name.span());
        return Err(Problem::new(span, "there is no device", "add a group: `[groups.post]` with `at = \"...\"`"));
    }
    Ok(all)
}

/// The nodes of a trace, each in the group that names it.
fn traced_devices(groups: &Named<Spanned<form::Group>>, trace: &Trace) -> Checked<Vec<Device>> {
    if trace.nodes() > NODES_MAX {
        let what = format!("more than {NODES_MAX} nodes");
        return Err(Problem::new(0..0, what, "use a smaller trace"));
    }
    let device = |name: &String| Device { name: name.clone(), group: None, region: 0, number: 0 };
    let mut all: Vec<Device> = trace.names().iter().map(device).collect();
    let by_name: BTreeMap<&str, usize> = trace.names().iter().map(String::as_str).zip(0..).collect();
    for (group, (_, form)) in groups.0.iter().enumerate() {
        let mut join = |node: usize, number: u64, span: std::ops::Range<usize>| match all[node].group {
            Some(other) => {
                let what = format!("node `{}` is in group `{}` already", all[node].name, groups.0[other].0.get_ref());
                Err(Problem::new(span, what, "name each node in one group"))
            }
            None => {
                (all[node].group, all[node].number) = (Some(group), number);
                Ok(())
            }
        };
        match form.get_ref().nodes.as_ref().map(|nodes| (nodes.get_ref(), nodes.span())) {
            None => {}
            Some((Nodes::All, span)) => {
                for node in 0..trace.nodes() {
                    join(node, node as u64, span.clone())?;
                }
            }
            Some((Nodes::These(names), _)) => {
                for (number, name) in names.iter().enumerate() {
                    let node = by_name.get(name.get_ref().as_str()).ok_or_else(|| {
                        let what = format!("the trace has no node `{}`", name.get_ref());
                        Problem::new(name.span(), what, nearest(name.get_ref(), by_name.keys().copied()))
                    })?;
                    join(*node, number as u64, name.span())?;
                }
            }
        }
    }
    Ok(all)
}

/// What it takes to work out who meets whom.
fn bounded(groups: &Named<Spanned<form::Group>>, checked: &[Group], on: &Ground<'_>) -> Checked<()> {
    let days = on.ends_ms.div_ceil(DAY_MS);
    let regions = on.regions.len() as u64;
    let each_region: u64 = checked.iter().map(|group| group.count).sum();
    let (mut positions, mut steps) = (0_u64, 0_u64);
    for (group, (name, _)) in checked.iter().zip(&groups.0) {
        let own = group.moves.knots_max(days, on.ends_ms).saturating_mul(group.count);
        positions = positions.saturating_add(own.saturating_mul(regions));
        steps = steps.saturating_add(own.saturating_mul(each_region).saturating_mul(regions));
        if positions > POSITIONS_MAX || steps > STEPS_MAX {
            let what = format!("with this group there are {positions} positions and {steps} steps to look at");
            let hint = format!(
                "have at most {POSITIONS_MAX} and {STEPS_MAX}: fewer devices, a shorter time, or longer pauses and ways"
            );
            return Err(Problem::new(name.span(), what, hint));
        }
    }
    Ok(())
}
