//! Sightings as SocioPatterns publishes them: every 20 seconds, who faced whom.

use super::source::Lines;
use super::{Gathered, TraceError, ms};

/// What one line covers, in ms: the time before the moment that it names.
const STEP_MS: i64 = 20_000;

/// `t i j`, and in some files what the two belong to.
pub(super) fn read(lines: Lines<'_>, into: &mut Gathered) -> Result<(), TraceError> {
    lines.each(|line, text| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let ([time, a, b] | [time, a, b, _, _]) = words.as_slice() else {
            return Err("it isn't `t i j`".to_owned());
        };
        let until_ms = ms(time)?;
        let (a, b) = (into.node(a)?, into.node(b)?);
        into.add(line, (until_ms - STEP_MS, until_ms), a, b)
    })
}
