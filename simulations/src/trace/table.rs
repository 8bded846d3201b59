//! Our own format: a table of contacts, in seconds.

use std::io::{self, Write};

use super::source::Lines;
use super::{Gathered, Trace, TraceError, ms};

/// The table's first line.
pub const HEADER: &str = "start,end,a,b";

pub(super) fn read(mut lines: Lines<'_>, into: &mut Gathered) -> Result<(), TraceError> {
    let Some((line, header)) = lines.next()? else { return Err(TraceError::Empty) };
    let columns: Vec<&str> = header.split(',').map(str::trim).collect();
    if columns.join(",") != HEADER {
        return Err(TraceError::Line { line, what: format!("the first line isn't `{HEADER}`") });
    }
    lines.each(|line, text| {
        let cells: Vec<&str> = text.split(',').map(str::trim).collect();
        let [start, end, a, b] = cells.as_slice() else {
            return Err(format!("it has {} columns, not the four of `{HEADER}`", cells.len()));
        };
        if a.is_empty() || b.is_empty() {
            return Err("a node has no name".to_owned());
        }
        let (a, b) = (into.node(a)?, into.node(b)?);
        into.add(line, (ms(start)?, ms(end)?), a, b)
    })
}

pub(super) fn write(trace: &Trace, to: impl Write) -> io::Result<()> {
    let mut to = io::BufWriter::new(to);
    writeln!(to, "{HEADER}")?;
    for it in trace.contacts() {
        let [a, b] = [it.a, it.b].map(|node| &trace.names()[node as usize]);
        writeln!(to, "{},{},{a},{b}", Seconds(it.from_ms), Seconds(it.until_ms))?;
    }
    to.flush()
}

/// Milliseconds as seconds, with as many digits as needed.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 1000, self.0 % 1000) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, ms) => write!(f, "{whole}.{ms:03}"),
        }
    }
}
