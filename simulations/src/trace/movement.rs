//! Movements of nodes, from which contacts follow: two are in contact while they are within a radio's range of each other.

use std::collections::BTreeMap;

use super::source::Lines;
use super::{Gathered, Node, TraceError, ms, number, shown};

/// Longest range that makes sense, in metres: beyond it there is no line of sight between two people.
pub const RANGE_M_MAX: f64 = 100_000.0;
/// Nodes of one file: each pair of them is looked at.
const MOVING_MAX: usize = 2_000;
/// Positions of one file.
const POSITIONS_MAX: usize = 10_000_000;
/// Furthest from the origin, in metres: once around the Earth.
const METRES_MAX: f64 = 5e7;

/// Somewhere at a moment. Between two such, a node moves in a straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Knot {
    pub(crate) at_ms: f64,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// The ways of all nodes, and when the file ends.
#[derive(Default)]
struct Paths {
    of: BTreeMap<Node, Vec<Knot>>,
    count: usize,
    ends_ms: f64,
}

/// ONE's: a line with the bounds of all values, then `time node x y`.
pub(super) fn read_one(mut lines: Lines<'_>, range_m: f64, into: &mut Gathered) -> Result<(), TraceError> {
    let Some((line, bounds)) = lines.next()? else { return Err(TraceError::Empty) };
    if !matches!(bounds.split_whitespace().count(), 6 | 8) {
        let what = "the first line isn't `minTime maxTime minX maxX minY maxY`".to_owned();
        return Err(TraceError::Line { line, what });
    }
    let mut paths = Paths::default();
    lines.each(|_, text| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let ([time, node, x, y] | [time, node, x, y, _]) = words.as_slice() else {
            return Err("it isn't `time node x y`".to_owned());
        };
        let node = into.node(node)?;
        let knot = Knot { at_ms: ms(time)? as f64, x: metres(x)?, y: metres(y)? };
        match paths.of.get(&node).and_then(|path| path.last()) {
            Some(last) if last.at_ms > knot.at_ms => Err("the node was there before where it was already".to_owned()),
            _ => paths.push(node, knot),
        }
    })?;
    paths.meet(range_m, into)
}

/// ns-2's: `$node_(0) set X_ 10.0`, and `$ns_ at 5.0 "$node_(0) setdest 100.0 200.0 1.5"`.
pub(super) fn read_ns2(lines: Lines<'_>, range_m: f64, into: &mut Gathered) -> Result<(), TraceError> {
    let mut ways = BTreeMap::<Node, Way>::new();
    lines.each(|_, text| {
        let plain = text.replace(['"', ';'], " ");
        let words: Vec<&str> = plain.split_whitespace().collect();
        match words.as_slice() {
            [node, "set", axis @ ("X_" | "Y_" | "Z_"), value] => {
                let (node, metres) = (into.node(node_name(node)?)?, metres(value)?);
                let way = ways.entry(node).or_default();
                match *axis {
                    "X_" => way.start.0 = metres,
                    "Y_" => way.start.1 = metres,
                    // Height doesn't carry a radio far; ns-2 itself ignores it.
                    _ => {}
                }
                Ok(())
            }
            [_, "at", time, node, "setdest", x, y, speed] => {
                let node = into.node(node_name(node)?)?;
                let at_ms = ms(time)?;
                if at_ms < 0 {
                    return Err("it is before the beginning".to_owned());
                }
                let speed = number(speed)?;
                if speed < 0.0 {
                    return Err("a speed is less than nothing".to_owned());
                }
                ways.entry(node).or_default().orders.push((at_ms, metres(x)?, metres(y)?, speed));
                Ok(())
            }
            // Who sees whom, as ns-2's own tools worked it out.
            [god, ..] if god.starts_with("$god_") => Ok(()),
            [_, "at", _, god, ..] if god.starts_with("$god_") => Ok(()),
            [word, ..] => Err(format!("`{}` begins neither a position nor a movement", shown(word))),
            [] => Ok(()),
        }
    })?;
    let mut paths = Paths::default();
    for (node, way) in ways {
        for knot in way.knots() {
            paths.push(node, knot).map_err(TraceError::TooMuch)?;
        }
    }
    paths.meet(range_m, into)
}

/// `$node_(7)`, as `7`.
fn node_name(text: &str) -> Result<&str, String> {
    let name = text.strip_prefix("$node_(").and_then(|rest| rest.strip_suffix(')')).filter(|name| !name.is_empty());
    name.ok_or_else(|| format!("`{}` is no `$node_(NUMBER)`", shown(text)))
}

fn metres(text: &str) -> Result<f64, String> {
    let metres = number(text)?;
    if metres.abs() > METRES_MAX {
        return Err(format!("`{}` is further than the Earth is round", shown(text)));
    }
    Ok(metres)
}

/// Where a node of ns-2 begins, and where it is sent.
#[derive(Default)]
struct Way {
    start: (f64, f64),
    orders: Vec<(i64, f64, f64, f64)>,
}

impl Way {
    /// A new order ends what an earlier one began, wherever the node is by then.
    fn knots(mut self) -> Vec<Knot> {
        self.orders.sort_by_key(|order| order.0);
        let mut here = Knot { at_ms: 0.0, x: self.start.0, y: self.start.1 };
        let mut knots = vec![here];
        for (number, (at_ms, x, y, speed)) in self.orders.iter().enumerate() {
            here.at_ms = *at_ms as f64;
            knots.push(here);
            let far = (x - here.x).hypot(y - here.y);
            if far == 0.0 || *speed == 0.0 {
                continue;
            }
            let there = Knot { at_ms: here.at_ms + far / speed * 1000.0, x: *x, y: *y };
            let next_ms = self.orders.get(number + 1).map(|next| next.0 as f64);
            here =
                next_ms.filter(|next_ms| *next_ms < there.at_ms).map_or(there, |next_ms| between(here, there, next_ms));
            knots.push(here);
        }
        knots
    }
}

impl Paths {
    fn push(&mut self, node: Node, knot: Knot) -> Result<(), String> {
        if self.count == POSITIONS_MAX {
            return Err(format!("more than {POSITIONS_MAX} positions"));
        }
        self.count += 1;
        self.ends_ms = self.ends_ms.max(knot.at_ms);
        self.of.entry(node).or_default().push(knot);
        Ok(())
    }

    fn meet(self, range_m: f64, into: &mut Gathered) -> Result<(), TraceError> {
        if self.of.len() > MOVING_MAX {
            return Err(TraceError::TooMuch(format!("more than {MOVING_MAX} moving nodes")));
        }
        let ends_ms = self.ends_ms;
        let paths: Vec<(Node, Vec<Knot>)> =
            self.of.into_iter().map(|(node, path)| (node, until(path, ends_ms))).collect();
        let paths: Vec<(Node, &[Knot])> = paths.iter().map(|(node, path)| (*node, path.as_slice())).collect();
        let mut added = Ok(());
        meetings(&paths, range_m, |from_ms, until_ms, a, b| {
            if added.is_ok() {
                added = into.add(0, (from_ms, until_ms), a, b);
            }
        });
        added.map_err(TraceError::TooMuch)
    }
}

/// Tells of each time that two ways are within a range of each other: in whole milliseconds, none of them out of range.
pub(crate) fn meetings(ways: &[(Node, &[Knot])], range_m: f64, mut each: impl FnMut(i64, i64, Node, Node)) {
    let bounds: Vec<Bounds> = ways.iter().map(|(_, way)| Bounds::of(way)).collect();
    for (number, (a, one)) in ways.iter().enumerate() {
        let others = ways.iter().zip(&bounds).skip(number + 1);
        for ((b, other), _) in others.filter(|(_, there)| bounds[number].is_near(there, range_m)) {
            for (from_ms, until_ms) in near(one, other, range_m) {
                let (from_ms, until_ms) = (from_ms.ceil() as i64, until_ms.floor() as i64);
                if from_ms < until_ms {
                    each(from_ms, until_ms, *a, *b);
                }
            }
        }
    }
}

/// A node stays where it was last.
fn until(mut path: Vec<Knot>, ends_ms: f64) -> Vec<Knot> {
    if let Some(last) = path.last().copied().filter(|last| last.at_ms < ends_ms) {
        path.push(Knot { at_ms: ends_ms, ..last });
    }
    path
}

/// The rectangle of a way.
struct Bounds {
    x: (f64, f64),
    y: (f64, f64),
}

impl Bounds {
    fn of(path: &[Knot]) -> Self {
        let over = |value: fn(&Knot) -> f64| {
            path.iter().map(value).fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(it), high.max(it)))
        };
        Self { x: over(|knot| knot.x), y: over(|knot| knot.y) }
    }

    fn is_near(&self, other: &Self, range_m: f64) -> bool {
        let apart = |one: (f64, f64), other: (f64, f64)| (other.0 - one.1).max(one.0 - other.1);
        apart(self.x, other.x) <= range_m && apart(self.y, other.y) <= range_m
    }
}

/// When two ways are within a range of each other, in ms.
pub(crate) fn near(one: &[Knot], other: &[Knot], range_m: f64) -> Vec<(f64, f64)> {
    let mut times: Vec<f64> = one.iter().chain(other).map(|knot| knot.at_ms).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let (mut of_one, mut of_other) = (Cursor::new(one), Cursor::new(other));
    let mut near = Vec::<(f64, f64)>::new();
    for window in times.windows(2) {
        let (from_ms, until_ms) = (window[0], window[1]);
        let (Some(a), Some(b)) = (of_one.over(from_ms, until_ms), of_other.over(from_ms, until_ms)) else { continue };
        let Some((from_ms, until_ms)) = within(a, b, range_m) else { continue };
        match near.last_mut() {
            Some(last) if last.1 >= from_ms => last.1 = until_ms,
            _ => near.push((from_ms, until_ms)),
        }
    }
    near
}

/// Walks along a way as time goes by.
struct Cursor<'a> {
    path: &'a [Knot],
    next: usize,
}

impl<'a> Cursor<'a> {
    const fn new(path: &'a [Knot]) -> Self {
        Self { path, next: 0 }
    }

    /// Where it is at both ends of a time in which it doesn't turn; none before it appears.
    fn over(&mut self, from_ms: f64, until_ms: f64) -> Option<(Knot, Knot)> {
        while self.path.get(self.next).is_some_and(|knot| knot.at_ms <= from_ms) {
            self.next += 1;
        }
        let (last, next) = (self.path.get(self.next.checked_sub(1)?)?, self.path.get(self.next)?);
        Some((between(*last, *next, from_ms), between(*last, *next, until_ms)))
    }
}

/// Where something on its way from one place to another is at a moment.
fn between(from: Knot, to: Knot, at_ms: f64) -> Knot {
    let share = if to.at_ms > from.at_ms { (at_ms - from.at_ms) / (to.at_ms - from.at_ms) } else { 1.0 };
    Knot { at_ms, x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share }
}

/// The part of a time in which two that move in straight lines are within range: where a quadratic in time is at most zero.
fn within(a: (Knot, Knot), b: (Knot, Knot), range_m: f64) -> Option<(f64, f64)> {
    let (from_ms, lasts_ms) = (a.0.at_ms, a.1.at_ms - a.0.at_ms);
    let (dx, dy) = (b.0.x - a.0.x, b.0.y - a.0.y);
    // How the distance changes over the whole of that time.
    let (vx, vy) = (b.1.x - a.1.x - dx, b.1.y - a.1.y - dy);
    let square = vx * vx + vy * vy;
    let half = dx * vx + dy * vy;
    let rest = dx * dx + dy * dy - range_m * range_m;
    if square == 0.0 {
        return (rest <= 0.0).then_some((from_ms, from_ms + lasts_ms));
    }
    let under_root = half * half - square * rest;
    if under_root < 0.0 {
        return None;
    }
    let root = under_root.sqrt();
    let (first, last) = (((-half - root) / square).max(0.0), ((-half + root) / square).min(1.0));
    (first < last).then_some((from_ms + first * lasts_ms, from_ms + last * lasts_ms))
}
