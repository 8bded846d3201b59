//! Checks an export line by line, with nothing but the export: no keys, no home, no trust in who hands it over.
//!
//! What it rests on is the site's id, which is the hash of the authority's key: whoever reads the result must know from
//! elsewhere that it is the site's. All the rest follows. However long a file is, what is kept of it is bounded.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use crdt::audit::{Act, Chain, Digest, HeadError, LineHash, Point, RecordError, Salted, SignedHead, Verb, leaf};
use crdt::codec::decode;
use crdt::entry::{Entry, EntryError, SignedHeader};
use crdt::ids::{DeviceId, EntryHash, LogId, SiteId};
use crdt::site::{Certificate, CertificateError, Manifest, Roles};
use crdt::statement::{Kind, Statement};
use thiserror::Error;

use super::filter::Filter;
use super::line::{
    BODY_BYTES_MAX, Begin, EndLine, EntryLine, FORMAT, LINE_BYTES_MAX, LeftOutLine, Line, LogLine, RecordLine,
    RecordsLine, What, authority_of, bytes_of,
};
use super::tally::{Counts, Tally};

/// Most devices of a site that an export may tell of.
const DEVICES_MAX: usize = 65_536;

/// Why an export doesn't hold.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum Why {
    /// It isn't one.
    #[error("this isn't a line of an audit export, or of a newer format; update this program if it should be")]
    Line,
    /// Longer than any line.
    #[error("this line is longer than any of an audit export")]
    TooLong,
    /// A line that can't be here.
    #[error("this line can't be here")]
    Order,
    /// The words aren't those that the bytes say.
    #[error("the words of this line aren't what its signed bytes say")]
    Words,
    /// Manifest or certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Another site than was asked for.
    #[error("this is of the site {0}, which isn't the one that was asked for")]
    OtherSite(SiteId),
    /// A log's first entry must show who writes it.
    #[error("the log doesn't begin with its author's certificate")]
    NoCertificate,
    /// An entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// An entry is of another log than its line.
    #[error("the entry is of another log")]
    OtherLog,
    /// Entries aren't in order.
    #[error("the entry isn't behind the one before it")]
    Place,
    /// An entry doesn't follow the one before.
    #[error("the entry doesn't follow the one before it: one was changed, left out or put in")]
    Chain,
    /// A log ends elsewhere.
    #[error("the log before this line doesn't end as it should: entries at its end are missing")]
    LogEnd,
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Records aren't numbered without gaps.
    #[error("the record isn't number {0}: one was left out, put in or moved")]
    Number(u64),
    /// Records at the beginning are gone.
    #[error("{0} records at the beginning are gone, and nothing says that they were past their time")]
    Dropped(u64),
    /// The trail ends elsewhere.
    #[error("the records don't add up to what was signed: one was changed, left out, put in or moved")]
    TrailEnd,
    /// The counts aren't what the headers add up to.
    #[error("the numbers aren't what the signed headers add up to")]
    Counts,
    /// The head.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// It was signed by somebody else.
    #[error("it is signed by another device than it says")]
    OtherDevice,
    /// Something before the end was changed.
    #[error("what was signed isn't what stands here: something was changed, left out or put in")]
    Digest,
    /// It goes on after its end.
    #[error("there is more behind the signed end")]
    Trailing,
    /// It ends too soon.
    #[error("the end is missing: no signature stands there")]
    Cut,
    /// More than is looked at.
    #[error("there are more devices or captures than this program counts")]
    TooMany,
}

/// The first thing that doesn't hold, and where.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("line {line}: {why}")]
pub struct Fault {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong.
    pub why: Why,
}

/// How many are shown, and how many are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// With what they say.
    pub shown: u64,
    /// Only that they are there.
    pub left_out: u64,
}

/// What an export says, all of it checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Which of the two.
    pub what: What,
    /// The site.
    pub site: SiteId,
    /// Its name.
    pub name: String,
    /// The device that wrote it; the authority's key, if it did.
    pub device: DeviceId,
    /// Whether the authority did, of its folder's trail.
    pub by_authority: bool,
    /// What people call the device.
    pub alias: String,
    /// Its roles; an authority has none.
    pub roles: Roles,
    /// When it did, in ms.
    pub at_ms: u64,
    /// What it was to show.
    pub filter: Filter,
    /// Logs, and devices that write them.
    pub logs: u64,
    /// Devices that write them.
    pub devices: u64,
    /// Entries.
    pub entries: Shown,
    /// Of those shown, such as their author wasn't allowed to write, or not at that time.
    pub without_effect: u64,
    /// Records.
    pub records: Shown,
    /// Records that were past their time and are gone.
    pub dropped: u64,
    /// Bytes that the device once cut off its trail because they didn't read.
    pub cut_bytes: u64,
    /// What was done, how often; entries and records together.
    pub verbs: BTreeMap<Verb, u64>,
    /// The first and the last time of what is shown, in ms.
    pub span_ms: Option<(u64, u64)>,
    /// What became of captures; of a proof pack.
    pub counts: Option<Counts>,
}

/// A log, as far as it was read.
struct OpenLog {
    id: LogId,
    entries: u64,
    last: EntryHash,
    certificate: Option<Certificate>,
    shown: u64,
    seq: u64,
    hash: EntryHash,
}

/// The device's trail, as far as it was read.
struct OpenTrail {
    chain: Chain,
    start: Point,
    /// Whether a record says, or may say, that the records before the start are gone.
    explained: bool,
}

/// The machine: [`Verifier::line`] for each line, [`Verifier::finish`] at the end.
pub struct Verifier {
    expected: Option<SiteId>,
    line: u64,
    hasher: LineHash,
    begun: Option<Begun>,
    log: Option<OpenLog>,
    last_log: Option<LogId>,
    trail: Option<OpenTrail>,
    members: BTreeMap<DeviceId, String>,
    tally: Tally,
    ended: bool,
}

/// What the first line says, and what was counted since.
struct Begun {
    manifest: Manifest,
    summary: Summary,
}

impl Verifier {
    /// Of an export that is of any site, or of this one only.
    #[must_use]
    pub fn new(site: Option<SiteId>) -> Self {
        Self {
            expected: site,
            line: 0,
            hasher: LineHash::default(),
            begun: None,
            log: None,
            last_log: None,
            trail: None,
            members: BTreeMap::new(),
            tally: Tally::default(),
            ended: false,
        }
    }

    /// The next line, without its end. Returns what it says.
    pub fn line(&mut self, text: &str) -> Result<Line, Fault> {
        self.line += 1;
        self.take(text).map_err(|why| Fault { line: self.line, why })
    }

    /// The end of the file.
    pub fn finish(self) -> Result<Summary, Fault> {
        let line = self.line + 1;
        let begun = self.begun.filter(|_| self.ended).ok_or(Fault { line, why: Why::Cut })?;
        Ok(begun.summary)
    }

    fn take(&mut self, text: &str) -> Result<Line, Why> {
        if text.len() > LINE_BYTES_MAX {
            return Err(Why::TooLong);
        }
        if self.ended {
            return Err(Why::Trailing);
        }
        let line: Line = serde_json::from_str(text).map_err(|_| Why::Line)?;
        let made_anew = match &line {
            Line::Begin(it) => self.begin(it)?,
            Line::Log(it) => self.log(it)?,
            Line::Entry(it) => self.entry(it)?,
            Line::Records(it) => self.records(it)?,
            Line::Record(it) => self.record(it)?,
            Line::LeftOut(it) => self.left_out(it)?,
            Line::Counts(it) => self.counts(it)?,
            Line::End(it) => self.end(it)?,
        };
        if made_anew.text() != text {
            return Err(Why::Words);
        }
        self.hasher.add(text);
        Ok(line)
    }

    fn begin(&mut self, it: &Begin) -> Result<Line, Why> {
        if self.begun.is_some() {
            return Err(Why::Order);
        }
        if it.format != FORMAT {
            return Err(Why::Line);
        }
        let manifest: Manifest = value(&it.manifest)?;
        manifest.verify()?;
        let site = manifest.site();
        if self.expected.is_some_and(|expected| expected != site) {
            return Err(Why::OtherSite(site));
        }
        // What doesn't read as a filter was never one.
        it.filter.read().map_err(|_| Why::Line)?;
        let certificate = certificate_in(it, &manifest)?;
        let (line, device, roles) = match &certificate {
            Some(by) => (Line::begin(it.what, it.at_ms, it.filter.clone(), &manifest, by), by.device, by.roles),
            None => {
                let line = Line::begin_authority(it.at_ms, it.filter.clone(), &manifest);
                (line, authority_of(&manifest), Roles::default())
            }
        };
        let summary = Summary {
            what: it.what,
            site,
            name: manifest.name.clone(),
            device,
            by_authority: certificate.is_none(),
            alias: it.alias.clone(),
            roles,
            at_ms: it.at_ms,
            filter: it.filter.clone(),
            logs: 0,
            devices: 0,
            entries: Shown::default(),
            without_effect: 0,
            records: Shown::default(),
            dropped: 0,
            cut_bytes: 0,
            verbs: BTreeMap::new(),
            span_ms: None,
            counts: None,
        };
        self.begun = Some(Begun { manifest, summary });
        Ok(line)
    }

    fn begun(&mut self) -> Result<&mut Begun, Why> {
        self.begun.as_mut().ok_or(Why::Order)
    }

    fn log(&mut self, it: &LogLine) -> Result<Line, Why> {
        self.close_log()?;
        let here = |summary: &Summary| summary.counts.is_none() && !summary.by_authority;
        let begun = self.begun.as_mut().filter(|begun| self.trail.is_none() && here(&begun.summary));
        begun.ok_or(Why::Order)?.summary.logs += 1;
        let id: LogId = it.log.parse().map_err(|_| Why::Line)?;
        // In order, so that none is there twice.
        if self.last_log.is_some_and(|last| last >= id) {
            return Err(Why::Order);
        }
        let last: EntryHash = it.last.parse().map_err(|_| Why::Line)?;
        self.last_log = Some(id);
        self.log =
            Some(OpenLog { id, entries: it.entries, last, certificate: None, shown: 0, seq: 0, hash: EntryHash::NONE });
        Ok(Line::log(id, it.entries, last))
    }

    fn entry(&mut self, it: &EntryLine) -> Result<Line, Why> {
        let (Some(begun), Some(log)) = (self.begun.as_mut(), self.log.as_mut()) else { return Err(Why::Order) };
        let signed: SignedHeader = value(&it.header)?;
        let body = it.body.as_ref().map(|text| bytes_of(text).filter(|body| body.len() <= BODY_BYTES_MAX));
        let body = body.map(|body| body.ok_or(Why::Line)).transpose()?;
        log.follow(&begun.manifest, &signed, body.as_deref())?;
        let certificate = log.certificate.as_ref().ok_or(Why::NoCertificate)?;
        let (header, summary) = (&signed.header, &mut begun.summary);
        let line = Line::entry(&signed, body.as_deref(), &certificate.alias);
        summary.note(Verb::of_entry(header.kind).0, 1, header.time.ms());
        summary.entries.shown += 1;
        summary.without_effect += u64::from(!may_write(&signed, certificate));
        if self.members.len() >= DEVICES_MAX && !self.members.contains_key(&certificate.device) {
            return Err(Why::TooMany);
        }
        self.members.insert(certificate.device, certificate.alias.clone());
        if summary.what == What::Pack && !self.tally.add(header, body.as_deref()) {
            return Err(Why::TooMany);
        }
        Ok(line)
    }

    /// A log is over: were all its entries shown, they had to end with the one that was named.
    fn close_log(&mut self) -> Result<(), Why> {
        let Some(log) = self.log.take() else { return Ok(()) };
        if log.entries > 0 && log.certificate.is_none() {
            return Err(Why::NoCertificate);
        }
        if log.seq > log.entries || (log.seq == log.entries && log.hash != log.last) {
            return Err(Why::LogEnd);
        }
        let left_out = &mut self.begun()?.summary.entries.left_out;
        *left_out = left_out.saturating_add(log.entries - log.shown);
        Ok(())
    }

    fn records(&mut self, it: &RecordsLine) -> Result<Line, Why> {
        self.close_log()?;
        if self.trail.is_some() || self.begun()?.summary.what == What::Pack {
            return Err(Why::Order);
        }
        let (trail, link) = (array(&it.trail)?, array(&it.link)?);
        let begun = self.begun()?;
        let begin = Chain::begin(begun.summary.site, begun.summary.device, trail);
        let start = Point { number: it.dropped, link };
        if start.number == 0 && start != begin.end {
            return Err(Why::TrailEnd);
        }
        begun.summary.dropped = start.number;
        self.trail = Some(OpenTrail { chain: begin.at(start), start, explained: start.number == 0 });
        Ok(Line::records(trail, start))
    }

    fn record(&mut self, it: &RecordLine) -> Result<Line, Why> {
        let (Some(begun), Some(trail)) = (self.begun.as_mut(), self.trail.as_mut()) else { return Err(Why::Order) };
        let salted = Salted::decode(&bytes_of(&it.record).ok_or(Why::Line)?)?;
        trail.extend(it.number, &leaf(&salted))?;
        let record = &salted.record;
        match record.act {
            Act::Dropped(to) => trail.explained |= to == trail.start.number,
            Act::Cut(bytes) => begun.summary.cut_bytes = begun.summary.cut_bytes.saturating_add(bytes),
            _ => {}
        }
        begun.summary.records.shown += 1;
        begun.summary.note(record.act.verb(), u64::from(record.times), record.at_ms);
        Ok(Line::record(it.number, &salted))
    }

    fn left_out(&mut self, it: &LeftOutLine) -> Result<Line, Why> {
        let (Some(begun), Some(trail)) = (self.begun.as_mut(), self.trail.as_mut()) else { return Err(Why::Order) };
        let leaf: Digest = array(&it.leaf)?;
        trail.extend(it.number, &leaf)?;
        // It may be the one that says so.
        trail.explained = true;
        begun.summary.records.left_out += 1;
        Ok(Line::left_out_as(it.number, &leaf))
    }

    fn counts(&mut self, it: &Counts) -> Result<Line, Why> {
        self.close_log()?;
        let members = std::mem::take(&mut self.members);
        let (tally, begun) = (std::mem::take(&mut self.tally), self.begun()?);
        if begun.summary.what != What::Pack || begun.summary.counts.is_some() {
            return Err(Why::Order);
        }
        let alias = |device: DeviceId| members.get(&device).cloned().unwrap_or_else(|| device.short());
        let counts = tally.sum(begun.summary.at_ms, begun.manifest.policy.retention_days, alias);
        if counts != *it {
            return Err(Why::Counts);
        }
        begun.summary.counts = Some(counts.clone());
        begun.summary.devices = members.len() as u64;
        Ok(Line::Counts(Box::new(counts)))
    }

    fn end(&mut self, it: &EndLine) -> Result<Line, Why> {
        self.close_log()?;
        let signed: SignedHead = value(&it.head)?;
        signed.verify()?;
        let digest = self.hasher.digest();
        let members = self.members.len() as u64;
        let trail = self.trail.take();
        let begun = self.begun()?;
        let (head, summary) = (&signed.head, &mut begun.summary);
        if (head.chain.site, head.chain.device, head.at_ms) != (summary.site, summary.device, summary.at_ms) {
            return Err(Why::OtherDevice);
        }
        match &trail {
            Some(trail) if trail.chain != head.chain || trail.start != head.start => return Err(Why::TrailEnd),
            Some(trail) if !trail.explained => return Err(Why::Dropped(trail.start.number)),
            None if summary.counts.is_none() => return Err(Why::Order),
            _ => {}
        }
        if *head.digest != digest {
            return Err(Why::Digest);
        }
        if summary.what == What::Trail {
            summary.devices = members;
        }
        self.ended = true;
        Ok(Line::end(&signed))
    }
}

impl OpenLog {
    /// Checks that an entry is of this log and behind the last one.
    fn follow(&mut self, manifest: &Manifest, signed: &SignedHeader, body: Option<&[u8]>) -> Result<(), Why> {
        let header = &signed.header;
        let body = body.map(|body| body.to_vec().into());
        let entry = Entry { signed: signed.clone(), body };
        entry.check_shape(manifest.site())?;
        if header.author.log() != self.id {
            return Err(Why::OtherLog);
        }
        if header.seq <= self.seq || header.seq > self.entries {
            return Err(Why::Place);
        }
        if header.seq == self.seq + 1 && header.prev != self.hash {
            return Err(Why::Chain);
        }
        signed.verify()?;
        self.learn(manifest, signed, entry.body.as_ref().map(|body| body.as_slice()))?;
        (self.seq, self.hash) = (header.seq, header.hash());
        self.shown += 1;
        Ok(())
    }

    /// The first entry, and each renewal, says who writes.
    fn learn(&mut self, manifest: &Manifest, signed: &SignedHeader, body: Option<&[u8]>) -> Result<(), Why> {
        let header = &signed.header;
        if header.kind == Kind::Certificate as u8 {
            let read = Statement::decode(Kind::Certificate, body.ok_or(Why::NoCertificate)?);
            let sound = match read {
                Ok(Statement::Certificate(it)) => (it.device == header.author.device).then_some(it),
                _ => None,
            };
            let sound = sound.filter(|it| it.verify(manifest).is_ok());
            // One that doesn't hold has no effect. The first must.
            self.certificate = sound.map(|it| *it).or_else(|| self.certificate.take());
        }
        if self.certificate.is_some() { Ok(()) } else { Err(Why::NoCertificate) }
    }
}

impl OpenTrail {
    fn extend(&mut self, number: u64, leaf: &Digest) -> Result<(), Why> {
        let next = self.chain.end.number.saturating_add(1);
        if number != next {
            return Err(Why::Number(next));
        }
        self.chain.extend(leaf);
        Ok(())
    }
}

impl Summary {
    fn note(&mut self, verb: Verb, times: u64, at_ms: u64) {
        let count = self.verbs.entry(verb).or_default();
        *count = count.saturating_add(times);
        let (first, last) = self.span_ms.unwrap_or((at_ms, at_ms));
        self.span_ms = Some((first.min(at_ms), last.max(at_ms)));
    }
}

/// The certificate of whoever writes an export; an authority needs none.
fn certificate_in(it: &Begin, manifest: &Manifest) -> Result<Option<Certificate>, Why> {
    if it.certificate.is_empty() && it.what == What::Trail {
        return Ok(None);
    }
    let certificate: Certificate = value(&it.certificate)?;
    certificate.verify(manifest)?;
    Ok(Some(certificate))
}

/// Whether the holder of a certificate may write this, at that time. What may not keeps its place and has no effect.
fn may_write(signed: &SignedHeader, certificate: &Certificate) -> bool {
    let header = &signed.header;
    let allowed = Kind::rule(header.kind).is_none_or(|rule| rule.allows(certificate.roles, &header.about));
    allowed && certificate.valid_at(header.time.ms()).is_ok()
}

fn value<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Why> {
    let bytes = bytes_of(text).ok_or(Why::Line)?;
    decode(&bytes, LINE_BYTES_MAX).map_err(|_| Why::Line)
}

fn array<const N: usize>(text: &str) -> Result<[u8; N], Why> {
    bytes_of(text).and_then(|bytes| bytes.try_into().ok()).ok_or(Why::Line)
}

/// Why a file couldn't be checked, or doesn't hold.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The operating system.
    #[error("the file can't be read: {0}")]
    Io(#[from] io::Error),
    /// It doesn't hold.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Checks a whole file, and shows each line that holds so far to `each`.
pub fn read(
    mut input: impl BufRead,
    site: Option<SiteId>,
    mut each: impl FnMut(&Line) -> io::Result<()>,
) -> Result<Summary, ReadError> {
    let mut verifier = Verifier::new(site);
    loop {
        let mut bytes = Vec::new();
        // One byte more than fits, so that what is too long shows.
        input.by_ref().take(LINE_BYTES_MAX as u64 + 2).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(verifier.finish()?);
        }
        let here = |why| Fault { line: verifier.line + 1, why };
        if bytes.pop() != Some(b'\n') {
            return Err(here(if bytes.len() > LINE_BYTES_MAX { Why::TooLong } else { Why::Cut }).into());
        }
        let text = String::from_utf8(bytes).map_err(|_| here(Why::Line))?;
        each(&verifier.line(&text)?)?;
    }
}
