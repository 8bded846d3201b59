//! Quantities as people write them: `"90 s"`, `"10 Mbit/s"`, `"60 kB"`, `"80 m"`, `"06:30"`.
//!
//! A number without a unit is refused wherever one belongs: seconds and minutes, bits and bytes are what planners mix up.

use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

pub(super) const MINUTE_MS: u64 = 60_000;
pub(super) const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;

/// Longest time that can be written, in days: far beyond any operation, and no sum of such times overflows.
const WRITTEN_DAYS_MAX: f64 = 10_000.0;

type Units = &'static [(&'static str, f64)];
const TIMES: Units = &[("ms", 1.0), ("s", 1e3), ("min", MINUTE_MS as f64), ("h", HOUR_MS as f64), ("d", DAY_MS as f64)];
const RATES: Units = &[("bit/s", 1.0), ("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9)];
const SIZES: Units = &[("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9)];
const DISTANCES: Units = &[("m", 1.0), ("km", 1e3)];
const SPEEDS: Units = &[("m/s", 1.0), ("km/h", 1.0 / 3.6)];
const SHARES: Units = &[("ppm", 1.0), ("%", 1e4)];

/// A time, in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Time(pub(super) u64);
/// A time that may be before another, in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ahead(pub(super) i64);
/// A rate, in bits a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate(pub(super) u64);
/// A size, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size(pub(super) u64);
/// Sizes from one to another, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes(pub(super) u64, pub(super) u64);
/// A distance, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Distance(pub(super) f64);
/// A speed, in metres a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Speed(pub(super) f64);
/// A share, in millionths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share(pub(super) u32);
/// A time of day, in ms since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Clock(pub(super) u64);
/// A moment of the operation, in ms since it began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment(pub(super) u64);
/// From one moment to another: of every day, or once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stretch {
    /// From a time of day to the next time that the clock shows another.
    Daily(Clock, Clock),
    /// In ms since the operation began.
    Once(u64, u64),
}

/// A number and its unit.
fn quantity(text: &str, what: &str, units: Units) -> Result<f64, String> {
    let text = text.trim();
    let digits = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| format!("this is no {what}: write it like {}", example(units)))?;
    let unit = unit.trim();
    let known = || units.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if unit.is_empty() {
        return Err(format!("a {what} needs its unit, one of {}", known()));
    }
    let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let factor = factor.ok_or_else(|| format!("`{unit}` is no unit of a {what}: known are {}", known()))?;
    Ok(number * factor)
}

fn example(units: Units) -> String {
    units.last().map_or(String::new(), |(unit, _)| format!("`\"2 {unit}\"`"))
}

/// Several times in a row are added: `"1 d 6 h"`.
fn time(text: &str) -> Result<u64, String> {
    let mut rest = text.trim();
    let mut sum_ms = 0.0;
    while !rest.is_empty() {
        let letters = rest.find(|it: char| !it.is_ascii_digit() && it != '.' && it != ' ').unwrap_or(rest.len());
        let ends = rest[letters..].find(|it: char| it == ' ' || it.is_ascii_digit());
        let (this, next) = rest.split_at(ends.map_or(rest.len(), |ends| letters + ends));
        sum_ms += quantity(this, "time", TIMES)?;
        rest = next.trim_start();
    }
    if text.trim().is_empty() {
        return Err(format!("this is no time: write it like {}", example(TIMES)));
    }
    if sum_ms > WRITTEN_DAYS_MAX * DAY_MS as f64 {
        return Err(format!("a time is at most {WRITTEN_DAYS_MAX} d"));
    }
    Ok(sum_ms.round() as u64)
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        time(text).map(Self)
    }
}

impl FromStr for Ahead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        Ok(match text.strip_prefix('-') {
            Some(behind) => Self(-(time(behind)? as i64)),
            None => Self(time(text.strip_prefix('+').unwrap_or(text))? as i64),
        })
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = quantity(text, "rate", RATES)?;
        if !(1.0..=1e11).contains(&rate) {
            return Err("a rate is from 1 bit/s to 100 Gbit/s".to_owned());
        }
        Ok(Self(rate as u64))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = quantity(text, "size", SIZES)?;
        if size > 1e15 {
            return Err("a size is at most 1,000,000 GB".to_owned());
        }
        Ok(Self(size as u64))
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (low, high) = text.split_once(" to ").unwrap_or((text, text));
        let (Size(low), Size(high)) = (low.parse()?, high.parse()?);
        if low > high {
            return Err("the smaller size goes first".to_owned());
        }
        Ok(Self(low, high))
    }
}

impl FromStr for Distance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (sign, far) = text.strip_prefix('-').map_or((1.0, text), |far| (-1.0, far));
        Ok(Self(sign * quantity(far, "distance", DISTANCES)?))
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let speed = quantity(text, "speed", SPEEDS)?;
        if !(0.05..=350.0).contains(&speed) {
            return Err("a speed is from 0.05 m/s, slower than anybody walks, to 350 m/s, as fast as sound".to_owned());
        }
        Ok(Self(speed))
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let millionths = quantity(text, "share", SHARES)?;
        if millionths > 1e6 {
            return Err("a share is at most 100 %".to_owned());
        }
        Ok(Self(millionths.round() as u32))
    }
}

impl FromStr for Clock {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "this is no time of day: write it like `\"06:30\"`".to_owned();
        let (hours, minutes) = text.trim().split_once(':').ok_or_else(wrong)?;
        let two = |digits: &str| -> Option<u64> {
            (digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_digit())).then(|| digits.parse().ok())?
        };
        match (two(hours), two(minutes)) {
            (Some(hours), Some(minutes)) if minutes < 60 && hours * 60 + minutes <= 24 * 60 => {
                Ok(Self(hours * HOUR_MS + minutes * MINUTE_MS))
            }
            _ => Err(wrong()),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match on_day(text)? {
            Some((day, Clock(clock_ms))) => Ok(Self(day * DAY_MS + clock_ms)),
            None => time(text).map(Self).map_err(|_| {
                "this is no moment: write `\"day 3 06:30\"` (the first day is 1) or `\"54 h\"`".to_owned()
            }),
        }
    }
}

/// `day 3 06:30`; none if it doesn't begin like that.
fn on_day(text: &str) -> Result<Option<(u64, Clock)>, String> {
    let Some(rest) = text.trim().strip_prefix("day ") else { return Ok(None) };
    let wrong = || "write a day like `day 3 06:30`; the first one is day 1".to_owned();
    let (day, clock) = rest.trim().split_once(' ').ok_or_else(wrong)?;
    let day: u64 = day.parse().ok().filter(|day| (1..=WRITTEN_DAYS_MAX as u64).contains(day)).ok_or_else(wrong)?;
    Ok(Some((day - 1, clock.parse()?)))
}

impl FromStr for Stretch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "write times like `\"06:00-06:15\"` (every day) or `\"day 3 10:00 - day 4 18:00\"` (once)";
        let (from, until) = text.split_once('-').ok_or(wrong)?;
        let Some((day, Clock(from_ms))) = on_day(from)? else {
            let (from, until): (Clock, Clock) = (from.parse()?, until.parse()?);
            return if from == until { Err("this lasts no time".to_owned()) } else { Ok(Self::Daily(from, until)) };
        };
        let (last_day, Clock(until_ms)) = match on_day(until)? {
            Some(until) => until,
            None => (day, until.parse()?),
        };
        let (from_ms, until_ms) = (day * DAY_MS + from_ms, last_day * DAY_MS + until_ms);
        if from_ms < until_ms { Ok(Self::Once(from_ms, until_ms)) } else { Err("it ends before it begins".to_owned()) }
    }
}

impl Stretch {
    /// When that is, before an end.
    pub(super) fn times(self, ends_ms: u64) -> Vec<(u64, u64)> {
        match self {
            Self::Once(from_ms, until_ms) => {
                let times = (from_ms, until_ms.min(ends_ms));
                if times.0 < times.1 { vec![times] } else { Vec::new() }
            }
            Self::Daily(Clock(from_ms), Clock(until_ms)) => {
                let lasts_ms = (until_ms + DAY_MS - from_ms - 1) % DAY_MS + 1;
                // One that goes on past midnight may have begun on the day before the first.
                let early = (from_ms + lasts_ms > DAY_MS).then_some((0, from_ms + lasts_ms - DAY_MS));
                let days = (0..).map(|day| day * DAY_MS + from_ms).take_while(|from_ms| *from_ms < ends_ms);
                let times = early.into_iter().chain(days.map(|from_ms| (from_ms, from_ms + lasts_ms)));
                times.map(|(from_ms, until_ms)| (from_ms, until_ms.min(ends_ms))).filter(|it| it.0 < it.1).collect()
            }
        }
    }
}

/// Reads a value from text. What has no unit can't be text, and is told so.
struct Written<T>(PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a quantity with its unit, in quotes, like \"90 s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::from_str(&number.to_string()).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::from_str(&number.to_string()).map_err(E::custom)
    }
}

macro_rules! written {
    ($($name:ident)*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_any(Written(PhantomData))
            }
        }
    )*};
}

written! { Time Ahead Rate Size Sizes Distance Speed Share Clock Moment Stretch }

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong<T: FromStr<Err = String>>(text: &str) -> String {
        text.parse::<T>().err().unwrap_or_default()
    }

    #[test]
    fn what_people_write_is_read() {
        assert_eq!("90 s".parse(), Ok(Time(90_000)));
        assert_eq!("90s".parse(), Ok(Time(90_000)));
        assert_eq!("1 d 6.5 h".parse(), Ok(Time(DAY_MS + 6 * HOUR_MS + 30 * MINUTE_MS)));
        assert_eq!("1d6h".parse(), Ok(Time(DAY_MS + 6 * HOUR_MS)));
        assert_eq!(("-3 min".parse(), "+1 s".parse()), (Ok(Ahead(-180_000)), Ok(Ahead(1_000))));
        assert_eq!(("10 Mbit/s".parse(), "256 kbit/s".parse()), (Ok(Rate(10_000_000)), Ok(Rate(256_000))));
        assert_eq!("60 kB to 0.3 MB".parse(), Ok(Sizes(60_000, 300_000)));
        assert_eq!(("80 m".parse(), "-12 km".parse()), (Ok(Distance(80.0)), Ok(Distance(-12_000.0))));
        assert_eq!(("1.5 %".parse(), "40 ppm".parse()), (Ok(Share(15_000)), Ok(Share(40))));
        assert_eq!("18 km/h".parse(), Ok(Speed(5.0)));
        assert_eq!(("06:30".parse(), "24:00".parse()), (Ok(Clock(23_400_000)), Ok(Clock(DAY_MS))));
        assert_eq!(("day 2 01:00".parse(), "25 h".parse()), (Ok(Moment(25 * HOUR_MS)), Ok(Moment(25 * HOUR_MS))));
    }

    #[test]
    fn what_can_t_be_meant_says_what_could() {
        assert_eq!(wrong::<Time>("90"), "a time needs its unit, one of `ms`, `s`, `min`, `h`, `d`");
        assert_eq!(wrong::<Time>("90 sec"), "`sec` is no unit of a time: known are `ms`, `s`, `min`, `h`, `d`");
        assert_eq!(
            wrong::<Rate>("10 MB"),
            "`MB` is no unit of a rate: known are `bit/s`, `kbit/s`, `Mbit/s`, `Gbit/s`"
        );
        assert_eq!(wrong::<Distance>("far"), "this is no distance: write it like `\"2 km\"`");
        for nonsense in ["", " ", "s", "1 s s", "1..2 s", "1 s 2", "-1 s", "99999 d"] {
            assert_ne!(wrong::<Time>(nonsense), "", "{nonsense}");
        }
        for nonsense in ["24:01", "6:30", "06:60", "0630", "+6:30", "06:3x", "é6:30"] {
            assert_ne!(wrong::<Clock>(nonsense), "", "{nonsense}");
        }
        for nonsense in ["06:00", "06:00-06:00", "day 2 06:00-day 1 07:00", "day 0 06:00-07:00", "day 1-2"] {
            assert_ne!(wrong::<Stretch>(nonsense), "", "{nonsense}");
        }
    }

    #[test]
    fn a_daily_stretch_may_go_on_past_midnight() {
        let night: Stretch = "22:00-05:00".parse().unwrap();
        let h = HOUR_MS;
        assert_eq!(night.times(30 * h), [(0, 5 * h), (22 * h, 29 * h)]);
        assert_eq!("00:00-24:00".parse::<Stretch>().unwrap().times(30 * h), [(0, 24 * h), (24 * h, 30 * h)]);
        assert_eq!("day 2 01:00-03:00".parse::<Stretch>().unwrap().times(26 * h), [(25 * h, 26 * h)]);
    }
}
