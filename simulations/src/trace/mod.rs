//! Who met whom, and when.
//!
//! A [`Trace`] is what simulations replay and what the [oracle](crate::oracle) bounds. It is read from what others have published
//! ([`read`]), in whichever of five formats it is written; what can't be meant is refused with the line where it stands, and what
//! only looks odd is counted in [`Oddities`].

mod movement;
mod one;
mod source;
mod stats;
mod table;
mod tij;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use thiserror::Error;

pub use movement::RANGE_M_MAX;
pub(crate) use movement::{Knot, meetings, near};
pub use stats::Stats;
pub use table::HEADER;

use source::Lines;

/// A node of a trace: its place among [`Trace::names`].
pub type Node = u32;

/// Nodes of one trace: more than any published one has, and few enough that a table of all pairs' contacts is sane.
pub const NODES_MAX: usize = 10_000;
/// Contacts of one trace: the longest published one has a twentieth of it.
pub const CONTACTS_MAX: usize = 20_000_000;
/// Furthest from zero that a time may be, in seconds: 3,000 years.
const SECONDS_MAX: f64 = 1e11;

/// Two nodes can talk from a moment on and until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    /// When it begins.
    pub from_ms: u64,
    /// When it has ended.
    pub until_ms: u64,
    /// The lower node of the two.
    pub a: Node,
    /// The higher one.
    pub b: Node,
}

/// Contacts in order of their beginning. Those of one pair neither overlap nor touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    names: Vec<String>,
    contacts: Vec<Contact>,
}

/// The formats that [`read`] knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// Ours: a table `start,end,a,b` in seconds.
    Csv,
    /// Connection events of the ONE simulator: `time CONN a b up`.
    One {
        /// Whether a contact ends at the first `down`, as ONE itself does, or when nobody sees it any more.
        first_down_ends: bool,
    },
    /// SocioPatterns: `t i j` says that two met in the 20 seconds before `t`.
    Tij,
    /// Movements of ONE (`time node x y`), within a radio range in metres.
    OneMovement {
        /// The radio range.
        range_m: f64,
    },
    /// Movements of ns-2 (`$ns_ at 10.0 "$node_(0) setdest 100 200 5"`), within a radio range in metres.
    Ns2 {
        /// The radio range.
        range_m: f64,
    },
}

/// What was odd about a file and could be read all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Contacts that are never closed; they end with the pair's last word, or else with the file.
    pub left_open: u64,
    /// Ends of contacts that never began, or that had ended.
    pub unmatched: u64,
    /// Contacts that last no time at all.
    pub empty: u64,
    /// Events of ONE that are about messages, not contacts.
    pub about_messages: u64,
    /// Line of the first of these.
    pub first_line: Option<u64>,
}

/// Why a trace can't be read.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The file can't be.
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    /// A line isn't what the format says.
    #[error("line {line}: {what}")]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// There is more of something than is sane.
    #[error("it has {0}")]
    TooMuch(String),
    /// No line says what this is.
    #[error("this is no contact trace that is known here")]
    Unknown,
    /// There is nothing in it.
    #[error("there is no contact in it")]
    Empty,
    /// Movements need to be told how far the radios reach.
    #[error("these are movements: how far the radios reach isn't said")]
    NoRange,
}

impl TraceError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Io(_) => "check that the file is there, is whole, and is yours to read",
            Self::Line { .. } => "mend or remove that line; if many are so, name the format with --format",
            Self::TooMuch(_) => "split the file, or leave out what isn't needed",
            Self::Unknown => {
                "known are tables `start,end,a,b`, events `time CONN a b up` of ONE, `t i j` of SocioPatterns, and \
                 movements of ONE and ns-2; name one with --format"
            }
            Self::Empty => "check that the file is whole; for movements, try a longer --range",
            Self::NoRange => "give it with --range, in metres",
        }
    }
}

/// Reads a trace, gzipped or not. Without a format, it is told from the first lines, with this range if they are movements.
pub fn read(
    from: impl BufRead,
    format: Option<Format>,
    range_m: Option<f64>,
) -> Result<(Trace, Format, Oddities), TraceError> {
    let mut lines = Lines::open(from)?;
    let format = match format {
        Some(format) => format,
        None => source::tell(lines.first()?, range_m)?,
    };
    let mut gathered = Gathered::default();
    match format {
        Format::Csv => table::read(lines, &mut gathered)?,
        Format::One { first_down_ends } => one::read(lines, first_down_ends, &mut gathered)?,
        Format::Tij => tij::read(lines, &mut gathered)?,
        Format::OneMovement { range_m } => movement::read_one(lines, range_m, &mut gathered)?,
        Format::Ns2 { range_m } => movement::read_ns2(lines, range_m, &mut gathered)?,
    }
    let (trace, oddities) = gathered.into_trace()?;
    Ok((trace, format, oddities))
}

impl Trace {
    /// A trace of contacts between nodes by number; those of a pair that overlap or touch become one.
    ///
    /// Contacts of a node with itself, of nodes without a name, and such as last no time are left out.
    #[must_use]
    pub fn new(names: Vec<String>, contacts: impl IntoIterator<Item = Contact>) -> Self {
        let nodes = names.len() as u64;
        let sane = |it: &Contact| it.a != it.b && u64::from(it.a.max(it.b)) < nodes && it.from_ms < it.until_ms;
        let ordered = |it: Contact| Contact { a: it.a.min(it.b), b: it.a.max(it.b), ..it };
        let contacts = union(contacts.into_iter().filter(sane).map(ordered).collect());
        Self { names, contacts }
    }

    /// What the nodes are called.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.names.len()
    }

    /// All contacts, the earliest first.
    #[must_use]
    pub fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    /// When the last contact has ended.
    #[must_use]
    pub fn ends_ms(&self) -> u64 {
        self.contacts.iter().map(|it| it.until_ms).max().unwrap_or(0)
    }

    /// The same contacts, the first of which begins at zero.
    #[must_use]
    pub fn from_zero(mut self) -> Self {
        let begins_ms = self.contacts.first().map_or(0, |it| it.from_ms);
        for contact in &mut self.contacts {
            contact.from_ms -= begins_ms;
            contact.until_ms -= begins_ms;
        }
        self
    }

    /// What can be said of it in numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(self)
    }

    /// Writes it as a table, `start,end,a,b` in seconds.
    pub fn write_csv(&self, to: impl Write) -> io::Result<()> {
        table::write(self, to)
    }
}

/// Joins contacts of one pair that overlap or touch, and sorts.
fn union(mut contacts: Vec<Contact>) -> Vec<Contact> {
    contacts.sort_unstable_by_key(|it| (it.a, it.b, it.from_ms));
    contacts.dedup_by(|next, kept| {
        let joins = (next.a, next.b) == (kept.a, kept.b) && next.from_ms <= kept.until_ms;
        if joins {
            kept.until_ms = kept.until_ms.max(next.until_ms);
        }
        joins
    });
    contacts.sort_unstable();
    contacts
}

/// Contacts as a file tells them: by name, in any order, from any year on.
#[derive(Debug, Default)]
struct Gathered {
    names: BTreeMap<String, Node>,
    contacts: Vec<(i64, i64, Node, Node)>,
    oddities: Oddities,
}

impl Gathered {
    /// The number of a name, by when it was first heard.
    fn node(&mut self, name: &str) -> Result<Node, String> {
        if let Some(node) = self.names.get(name) {
            return Ok(*node);
        }
        if name.contains([',', '"']) || name.chars().any(char::is_control) {
            return Err(format!("`{}` can't be a node's name", shown(name)));
        }
        if self.names.len() == NODES_MAX {
            return Err(format!("more than {NODES_MAX} nodes"));
        }
        let node = self.names.len() as Node;
        self.names.insert(name.to_owned(), node);
        Ok(node)
    }

    /// One contact. One that lasts no time is odd, nothing worse.
    fn add(&mut self, line: u64, (from_ms, until_ms): (i64, i64), a: Node, b: Node) -> Result<(), String> {
        if a == b {
            return Err("a node can't meet itself".to_owned());
        }
        if until_ms < from_ms {
            return Err("it ends before it begins".to_owned());
        }
        if until_ms == from_ms {
            self.oddities.empty += 1;
            self.odd(line);
            return Ok(());
        }
        if self.contacts.len() == CONTACTS_MAX {
            return Err(format!("more than {CONTACTS_MAX} contacts"));
        }
        self.contacts.push((from_ms, until_ms, a, b));
        Ok(())
    }

    fn odd(&mut self, line: u64) {
        self.oddities.first_line = Some(self.oddities.first_line.map_or(line, |first| first.min(line)));
    }

    /// Names in order, as numbers if all are. Times before zero are moved there, all by the same.
    fn into_trace(self) -> Result<(Trace, Oddities), TraceError> {
        let earliest_ms = self.contacts.iter().map(|it| it.0).min().ok_or(TraceError::Empty)?.min(0);
        let mut names: Vec<(String, Node)> = self.names.into_iter().collect();
        if names.iter().all(|(name, _)| name.parse::<u64>().is_ok()) {
            names.sort_by_key(|(name, _)| name.parse::<u64>().unwrap_or(0));
        }
        let mut numbers = vec![0; names.len()];
        for (number, (_, heard)) in names.iter().enumerate() {
            numbers[*heard as usize] = number as Node;
        }
        let contacts = self.contacts.into_iter().map(|(from_ms, until_ms, a, b)| Contact {
            from_ms: from_ms.abs_diff(earliest_ms),
            until_ms: until_ms.abs_diff(earliest_ms),
            a: numbers[a as usize],
            b: numbers[b as usize],
        });
        let names = names.into_iter().map(|(name, _)| name).collect();
        Ok((Trace::new(names, contacts), self.oddities))
    }
}

/// A time in seconds, as milliseconds.
fn ms(text: &str) -> Result<i64, String> {
    let seconds: f64 = number(text)?;
    if seconds.abs() > SECONDS_MAX {
        return Err(format!("`{}` is no time in seconds", shown(text)));
    }
    Ok((seconds * 1000.0).round() as i64)
}

/// A number that is one.
fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| format!("`{}` is no number", shown(text)))
}

/// What stood there, for people: without what moves a cursor, and not too much.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let clean = text.chars().map(|it| if it.is_control() { '?' } else { it });
    let mut short: String = clean.clone().take(CHARS_MAX).collect();
    if clean.count() > CHARS_MAX {
        short.push('…');
    }
    short
}
