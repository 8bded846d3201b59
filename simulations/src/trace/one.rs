//! Connection events of the ONE simulator.
//!
//! Published files merge what both ends have seen, so that a contact may begin and end twice. It lasts until nobody sees it any
//! more; ONE itself ends it at the first `down`, which loses up to a quarter of the time in contact. Events needn't be in order.

use std::collections::BTreeMap;

use super::source::{Lines, is_about_messages};
use super::{Gathered, Node, TraceError, ms, shown};

struct Event {
    at_ms: i64,
    line: u64,
    pair: (Node, Node),
    up: bool,
}

/// How a pair is, as the events go by.
#[derive(Default)]
struct Pair {
    /// How often it was seen to begin and not to end.
    seen: u32,
    since_ms: i64,
    since_line: u64,
    last_down_ms: Option<i64>,
}

pub(super) fn read(lines: Lines<'_>, first_down_ends: bool, into: &mut Gathered) -> Result<(), TraceError> {
    let mut events = Vec::new();
    lines.each(|line, text| {
        match event(line, text, into)? {
            Some(event) => events.push(event),
            None => {
                into.oddities.about_messages += 1;
                into.odd(line);
            }
        }
        Ok(())
    })?;
    // Of one moment, as they stand in the file.
    events.sort_by_key(|event| event.at_ms);
    let ends_ms = events.last().map_or(0, |event| event.at_ms);
    let mut pairs = BTreeMap::<(Node, Node), Pair>::new();
    for event in &events {
        let pair = pairs.entry(event.pair).or_default();
        if event.up {
            pair.up(event, first_down_ends);
        } else {
            pair.down(event, into).map_err(|what| TraceError::Line { line: event.line, what })?;
        }
    }
    for (nodes, pair) in pairs.iter().filter(|(_, pair)| pair.seen > 0) {
        into.oddities.left_open += 1;
        into.odd(pair.since_line);
        let until_ms = pair.last_down_ms.unwrap_or(ends_ms);
        let added = into.add(pair.since_line, (pair.since_ms, until_ms), nodes.0, nodes.1);
        added.map_err(|what| TraceError::Line { line: pair.since_line, what })?;
    }
    Ok(())
}

/// `time CONN a b up`; none if it is about a message.
fn event(line: u64, text: &str, into: &mut Gathered) -> Result<Option<Event>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [time, "CONN", a, b, state] => {
            let up = match *state {
                "up" => true,
                "down" => false,
                other => return Err(format!("`{}` is neither up nor down", shown(other))),
            };
            let (a, b) = (into.node(a)?, into.node(b)?);
            if a == b {
                return Err("a node can't meet itself".to_owned());
            }
            Ok(Some(Event { at_ms: ms(time)?, line, pair: (a.min(b), a.max(b)), up }))
        }
        [time, kind, ..] if is_about_messages(kind) => ms(time).map(|_| None),
        _ => Err("it isn't `time CONN a b up` or `... down`".to_owned()),
    }
}

impl Pair {
    fn up(&mut self, event: &Event, once: bool) {
        if self.seen == 0 {
            *self = Self { seen: 1, since_ms: event.at_ms, since_line: event.line, last_down_ms: None };
        } else if !once {
            self.seen += 1;
        }
    }

    fn down(&mut self, event: &Event, into: &mut Gathered) -> Result<(), String> {
        self.last_down_ms = Some(event.at_ms);
        match self.seen {
            0 => {
                into.oddities.unmatched += 1;
                into.odd(event.line);
            }
            1 => {
                self.seen = 0;
                into.add(event.line, (self.since_ms, event.at_ms), event.pair.0, event.pair.1)?;
            }
            _ => self.seen -= 1,
        }
        Ok(())
    }
}
