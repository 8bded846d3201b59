//! Lines of a file, gzipped or not, and what kind of file they make.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::{Format, TraceError, number};

/// Longest line. One of a trace has a tenth of it.
const LINE_BYTES_MAX: u64 = 1_024;
/// What a gzipped file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Lines that say something, with their numbers: no blank ones, no comments.
pub(super) struct Lines<'a> {
    from: Box<dyn BufRead + 'a>,
    number: u64,
    held: Option<(u64, String)>,
}

impl<'a> Lines<'a> {
    /// Unpacks what is packed.
    pub(super) fn open(mut from: impl BufRead + 'a) -> Result<Self, TraceError> {
        let packed = from.fill_buf()?.starts_with(&GZIP);
        let from: Box<dyn BufRead + 'a> =
            if packed { Box::new(BufReader::new(MultiGzDecoder::new(from))) } else { Box::new(from) };
        Ok(Self { from, number: 0, held: None })
    }

    /// The next line, which stays.
    pub(super) fn first(&mut self) -> Result<&str, TraceError> {
        if self.held.is_none() {
            self.held = self.next()?;
        }
        self.held.as_ref().map(|(_, line)| line.as_str()).ok_or(TraceError::Empty)
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Result<Option<(u64, String)>, TraceError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        loop {
            let mut bytes = Vec::new();
            self.number += 1;
            let read = (&mut self.from).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 > LINE_BYTES_MAX {
                return Err(self.wrong(format!("it has more than {LINE_BYTES_MAX} bytes")));
            }
            let Ok(line) = str::from_utf8(&bytes) else { return Err(self.wrong("it isn't text".to_owned())) };
            // Some files begin with a mark of their byte order.
            let line = line.trim_start_matches('\u{feff}').trim();
            if !line.is_empty() && !line.starts_with('#') {
                return Ok(Some((self.number, line.to_owned())));
            }
        }
    }

    /// Does something with every line. What it complains about is told with the line's number.
    pub(super) fn each(mut self, mut with: impl FnMut(u64, &str) -> Result<(), String>) -> Result<(), TraceError> {
        while let Some((line, text)) = self.next()? {
            with(line, &text).map_err(|what| TraceError::Line { line, what })?;
        }
        Ok(())
    }

    fn wrong(&self, what: String) -> TraceError {
        TraceError::Line { line: self.number, what }
    }
}

/// What kind of file has this first line.
pub(super) fn tell(line: &str, range_m: Option<f64>) -> Result<Format, TraceError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let numbers = words.iter().all(|word| number(word).is_ok());
    match words.as_slice() {
        [first, ..] if first.starts_with('$') => {
            range_m.map(|range_m| Format::Ns2 { range_m }).ok_or(TraceError::NoRange)
        }
        [_, kind, ..] if is_event(kind) => Ok(Format::One { first_down_ends: false }),
        [only] if only.starts_with("start,") => Ok(Format::Csv),
        [time, _, _] | [time, _, _, _, _] if number(time).is_ok() => Ok(Format::Tij),
        [_, _, _, _, _, _] | [_, _, _, _, _, _, _, _] if numbers => {
            range_m.map(|range_m| Format::OneMovement { range_m }).ok_or(TraceError::NoRange)
        }
        _ => Err(TraceError::Unknown),
    }
}

/// Kinds of events in ONE's files: connections, and what happens to messages.
pub(super) fn is_event(kind: &str) -> bool {
    kind == "CONN" || is_about_messages(kind)
}

/// Created, sent, delivered, aborted, dropped, removed.
pub(super) fn is_about_messages(kind: &str) -> bool {
    matches!(kind, "C" | "S" | "DE" | "A" | "DR" | "R")
}
