//! Moments as people type them: how long ago, a time of today, a date, or all of it.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// A moment on a command line, in ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) u64);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let moment = read(text, &Timestamp::now().to_zoned(TimeZone::system()));
        moment.ok_or_else(|| "write 2h or 30min (ago), 14:30, 2026-11-25 or 2026-11-25T14:30".into())
    }
}

fn read(text: &str, now: &Zoned) -> Option<Moment> {
    let zone = now.time_zone();
    let moment = if let Ok(moment) = text.parse::<Timestamp>() {
        moment
    } else if let Ok(time) = text.parse::<Time>() {
        now.date().to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp()
    } else if let Ok(date) = text.parse::<Date>().map(|date| date.to_datetime(Time::midnight()))
        && !text.contains(['T', ' '])
    {
        date.to_zoned(zone.clone()).ok()?.timestamp()
    } else if let Ok(local) = text.parse::<DateTime>() {
        local.to_zoned(zone.clone()).ok()?.timestamp()
    } else {
        let ago = text.parse::<SignedDuration>().ok().filter(|ago| ago.is_positive())?;
        now.timestamp().checked_sub(ago).ok()?
    };
    u64::try_from(moment.as_millisecond()).ok().map(Moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        let now: Zoned = "2026-11-25T16:00:00+01:00[+01:00]".parse().unwrap();
        let at =
            |text: &str| read(text, &now).map(|moment| (now.timestamp().as_millisecond() as u64 - moment.0) / 60_000);
        assert_eq!(at("2h"), Some(120));
        assert_eq!(at("30min"), Some(30));
        assert_eq!(at("1h 30m"), Some(90));
        assert_eq!(at("14:30"), Some(90));
        assert_eq!(at("2026-11-25"), Some(16 * 60));
        assert_eq!(at("2026-11-25T15:00"), Some(60));
        assert_eq!(at("2026-11-25 15:00"), Some(60));
        assert_eq!(at("2026-11-25T14:00:00Z"), Some(60));
        for wrong in ["", "soon", "25:00", "-2h", "0s", "2026-13-01", "9999999999h"] {
            assert_eq!(read(wrong, &now), None, "{wrong}");
        }
    }
}
