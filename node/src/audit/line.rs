//! The lines of an export: words for people, and the bytes that they say it about.
//!
//! A line is a function of the bytes in it and of what stands in the lines before: [`Line::text`] of what was read must be
//! what was read.

use crdt::audit::{Digest, Point, Salted, SignedHead, TrailId, Verb, leaf};
use crdt::codec::encode;
use crdt::entry::{About, Header, SignedHeader};
use crdt::ids::{DeviceId, EntryHash, LogId};
use crdt::site::{Certificate, Manifest};
use data_encoding::BASE32_NOPAD_NOCASE as BASE32;
use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::tally::Counts;

/// The format that this program writes and reads.
pub const FORMAT: u8 = 1;
/// Longest line, in bytes: the longest record is half of it.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Longest body that goes into an export, in bytes. Those that go at all are far shorter.
pub const BODY_BYTES_MAX: usize = 8 * 1024;

/// What an authority is called in its own trail.
pub(super) const AUTHORITY: &str = "authority";

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An export of the trail.
    Trail,
    /// A proof pack: what became of captures, and what shows it.
    Pack,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The first: what follows, of which site and by which device.
    Begin(Box<Begin>),
    /// A log: its entries follow, those of them that are shown.
    Log(LogLine),
    /// An entry: its signed header.
    Entry(EntryLine),
    /// The device's own trail: its records follow.
    Records(RecordsLine),
    /// A record.
    Record(RecordLine),
    /// A record that is left out.
    LeftOut(LeftOutLine),
    /// What became of captures.
    Counts(Box<Counts>),
    /// The last: signed.
    End(EndLine),
}

/// See [`Line::Begin`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// [`FORMAT`].
    pub format: u8,
    /// Which of the two.
    pub what: What,
    /// The site's id.
    pub site: String,
    /// Its name.
    pub name: String,
    /// The device that wrote this; the public key of the authority.
    pub device: String,
    /// What people call it.
    pub alias: String,
    /// When, in ms.
    pub at_ms: u64,
    /// What is shown; the rest is left out.
    pub filter: Filter,
    /// The site's manifest.
    pub manifest: String,
    /// The device's certificate; an authority has none.
    pub certificate: String,
}

/// See [`Line::Log`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its id.
    pub log: String,
    /// How many entries it has.
    pub entries: u64,
    /// The name of the last one.
    pub last: String,
}

/// See [`Line::Entry`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLine {
    /// Its place in the log.
    pub seq: u64,
    /// When, by its author's clock, in ms.
    pub at_ms: u64,
    /// What people call the device that wrote it.
    pub by: String,
    /// What sort of thing was done.
    pub verb: String,
    /// What was done.
    pub did: String,
    /// The capture that it is about.
    pub capture: Option<String>,
    /// The signed header.
    pub header: String,
    /// The body, of kinds in which there is nothing about a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// See [`Line::Records`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsLine {
    /// Which trail of the device's.
    pub trail: String,
    /// How many records were past their time and are gone.
    pub dropped: u64,
    /// The link after those.
    pub link: String,
}

/// See [`Line::Record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLine {
    /// Its number.
    pub number: u64,
    /// When, in ms.
    pub at_ms: u64,
    /// Who, in their own words.
    pub by: String,
    /// What sort of thing was done.
    pub verb: String,
    /// What was done.
    pub did: String,
    /// The captures that it is about.
    pub captures: Vec<String>,
    /// Why.
    pub why: String,
    /// How often.
    pub times: u32,
    /// The record with its salt.
    pub record: String,
}

/// See [`Line::LeftOut`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutLine {
    /// Its number.
    pub number: u64,
    /// Its leaf.
    pub leaf: String,
}

/// See [`Line::End`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndLine {
    /// The signed head.
    pub head: String,
}

impl Line {
    /// Its text, without the end of the line.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The first line.
    #[must_use]
    pub fn begin(what: What, at_ms: u64, filter: Filter, manifest: &Manifest, certificate: &Certificate) -> Self {
        Self::Begin(Box::new(Begin {
            format: FORMAT,
            what,
            site: manifest.site().to_string(),
            name: manifest.name.clone(),
            device: certificate.device.to_string(),
            alias: certificate.alias.clone(),
            at_ms,
            filter,
            manifest: text_of(&encode(manifest)),
            certificate: text_of(&encode(certificate)),
        }))
    }

    /// The first line of an authority's.
    #[must_use]
    pub fn begin_authority(at_ms: u64, filter: Filter, manifest: &Manifest) -> Self {
        Self::Begin(Box::new(Begin {
            format: FORMAT,
            what: What::Trail,
            site: manifest.site().to_string(),
            name: manifest.name.clone(),
            device: authority_of(manifest).to_string(),
            alias: AUTHORITY.into(),
            at_ms,
            filter,
            manifest: text_of(&encode(manifest)),
            certificate: String::new(),
        }))
    }

    /// A log.
    #[must_use]
    pub fn log(log: LogId, entries: u64, last: EntryHash) -> Self {
        Self::Log(LogLine { log: log.to_string(), entries, last: last.to_string() })
    }

    /// An entry.
    #[must_use]
    pub fn entry(signed: &SignedHeader, body: Option<&[u8]>, by: &str) -> Self {
        let Header { seq, time, about, kind, .. } = &signed.header;
        let (verb, did) = Verb::of_entry(*kind);
        Self::Entry(EntryLine {
            seq: *seq,
            at_ms: time.ms(),
            by: by.to_owned(),
            verb: verb.word().to_owned(),
            did: did.to_owned(),
            capture: About::capture(about).map(|id| id.to_string()),
            header: text_of(&encode(signed)),
            body: body.map(text_of),
        })
    }

    /// The beginning of the device's own trail.
    #[must_use]
    pub fn records(trail: TrailId, start: Point) -> Self {
        Self::Records(RecordsLine { trail: text_of(&trail), dropped: start.number, link: text_of(&start.link) })
    }

    /// A record.
    #[must_use]
    pub fn record(number: u64, salted: &Salted) -> Self {
        let record = &salted.record;
        Self::Record(RecordLine {
            number,
            at_ms: record.at_ms,
            by: record.operator.clone(),
            verb: record.act.verb().word().to_owned(),
            did: record.act.words(),
            captures: record.captures.iter().map(ToString::to_string).collect(),
            why: record.why.clone(),
            times: record.times,
            record: text_of(&salted.encode()),
        })
    }

    /// A record that is left out.
    #[must_use]
    pub fn left_out(number: u64, salted: &Salted) -> Self {
        Self::left_out_as(number, &leaf(salted))
    }

    pub(super) fn left_out_as(number: u64, leaf: &Digest) -> Self {
        Self::LeftOut(LeftOutLine { number, leaf: text_of(leaf) })
    }

    /// The last line.
    #[must_use]
    pub fn end(head: &SignedHead) -> Self {
        Self::End(EndLine { head: text_of(&encode(head)) })
    }
}

/// The authority of a site, as what writes a trail.
#[must_use]
pub fn authority_of(manifest: &Manifest) -> DeviceId {
    DeviceId(manifest.authority())
}

/// What people call a device in a line: its alias, or the beginning of its id.
#[must_use]
pub fn name(device: DeviceId, certificate: Option<&Certificate>) -> String {
    certificate.map_or_else(|| device.short(), |certificate| certificate.alias.clone())
}

/// Bytes as text.
#[must_use]
pub fn text_of(bytes: &[u8]) -> String {
    BASE32.encode(bytes).to_ascii_lowercase()
}

/// Bytes from text.
#[must_use]
pub fn bytes_of(text: &str) -> Option<Vec<u8>> {
    BASE32.decode(text.as_bytes()).ok()
}
