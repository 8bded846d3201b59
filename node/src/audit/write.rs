//! Writes an export: asks the engine and the trail for pages, and hands lines to whoever sends or keeps them.

use crdt::audit::{Act, Chain, Head, LineHash, Point, Record, Salted};
use crdt::entry::Entry;
use crdt::ids::{CaptureId, DeviceId, LogId};
use crdt::replica::{Head as LogHead, Replica};
use crdt::site::{Certificate, Manifest, Roles};
use crdt::statement::{Kind, Statement};
use crdt::store::{Store, StoreError};
use gateway::driver::{Driver, DriverError, now_ms};
use gateway::trail::{Reader, Trail, TrailError};
use thiserror::Error;
use tokio::sync::mpsc;

use super::filter::Wanted;
use super::line::{BODY_BYTES_MAX, Line, What, name};
use super::tally::Tally;

/// Entries read at a time: the engine has other things to do in between.
const PAGE: usize = 512;
/// Text that is handed on at a time, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Where an export comes from.
#[derive(Clone)]
pub struct Source {
    /// Whose replica.
    pub driver: Driver,
    /// Whose trail.
    pub trail: Trail,
}

/// Why there is no export.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The engine.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The trail.
    #[error(transparent)]
    Trail(#[from] TrailError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What others did is for supervisors and hubs.
    #[error("what other devices did is shown to supervisors and hubs only")]
    NotAllowed,
    /// There are more captures than are counted.
    #[error("there are more captures than a proof pack counts")]
    TooMany,
    /// Nobody takes it any more.
    #[error("nobody takes the export any more")]
    Gone,
}

impl AuditError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Trail(error) => error.hint(),
            Self::NotAllowed => "export on a supervisor's device or on the hub, or leave --device out",
            Self::TooMany => "choose a shorter time with --from and --to",
            Self::Driver(_) | Self::Store(_) => {
                "check that the disk is sound and has room, and that nothing else runs on this folder"
            }
            Self::Gone => "ask again",
        }
    }
}

/// Notes that it is done, then writes it. `record` says who asks, and why.
///
/// A device that neither supervises nor answers shows what it did itself: looking at others isn't its task. Numbers about
/// captures are nobody's in particular, so any member makes a proof pack.
pub async fn write(
    source: &Source,
    what: What,
    wanted: Wanted,
    record: Record,
    lines: &mpsc::Sender<String>,
) -> Result<(), AuditError> {
    let subject = source.driver.call(|engine, _| Subject::of(engine.replica())).await?;
    let wanted = subject.may_see(what, wanted)?;
    let act = if what == What::Pack { Act::Packed } else { Act::Exported };
    source.trail.note(vec![Record { act, ..record }]).await?;
    let chain = source.trail.settle().await?;
    let mut out = Out { lines, hasher: LineHash::default(), piece: String::new() };
    let at_ms = now_ms();
    out.line(&Line::begin(what, at_ms, wanted.filter().clone(), &subject.manifest, &subject.certificate)).await?;
    let mut tally = Tally::default();
    for (log, head) in &subject.logs {
        write_log(source, what, &wanted, (*log, *head), &mut tally, &mut out).await?;
    }
    let start = match what {
        What::Trail => write_records(source, &wanted, &subject, chain, &mut out).await?,
        What::Pack => {
            let alias = |device| name(device, subject.aliases.iter().find(|known| known.device == device));
            let counts = tally.sum(at_ms, subject.manifest.policy.retention_days, alias);
            out.line(&Line::Counts(Box::new(counts))).await?;
            chain.end
        }
    };
    let head = Head::new(chain, start, at_ms, out.digest());
    let signed = source.driver.call(move |engine, _| head.sign(&engine.replica().identity().key)).await?;
    out.line(&Line::end(&signed)).await?;
    out.hand_on().await
}

/// What a replica is of, at one moment.
struct Subject {
    manifest: Manifest,
    certificate: Certificate,
    logs: Vec<(LogId, LogHead)>,
    /// The certificate by which each device is called what it is.
    aliases: Vec<Certificate>,
}

impl Subject {
    fn of<S: Store>(replica: &Replica<S>) -> Self {
        Self {
            manifest: replica.membership().manifest.clone(),
            certificate: replica.identity().certificate.clone(),
            logs: replica.logs().map(|(id, log)| (*id, log.head)).collect(),
            aliases: replica.logs().map(|(_, log)| log.certificate.clone()).collect(),
        }
    }

    fn may_see(&self, what: What, wanted: Wanted) -> Result<Wanted, AuditError> {
        let own = self.certificate.device;
        if what == What::Pack || self.certificate.roles.any(Roles::SUPERVISOR.and(Roles::HUB)) {
            return Ok(wanted);
        }
        if wanted.device().is_some_and(|device| device != own) {
            return Err(AuditError::NotAllowed);
        }
        Ok(wanted.only(own))
    }
}

async fn write_log(
    source: &Source,
    what: What,
    wanted: &Wanted,
    (log, head): (LogId, LogHead),
    tally: &mut Tally,
    out: &mut Out<'_>,
) -> Result<(), AuditError> {
    out.line(&Line::log(log, head.height, head.hash)).await?;
    let (mut certificate, mut next) = (None, 1);
    while next <= head.height {
        let wanted_here = wanted.clone();
        let read = move |replica: &Replica<_>| page(replica, what, &wanted_here, log, (next, head.height));
        let page = source.driver.call(move |engine, _| read(engine.replica())).await??;
        if page.is_empty() {
            break;
        }
        for Read { entry, in_time } in page {
            next += 1;
            renew(&mut certificate, &entry);
            let Some(certificate) = &certificate else { continue };
            if !in_time || !is_shown(what, wanted, &entry, certificate) {
                continue;
            }
            let body = shown_body(&entry);
            if what == What::Pack && !tally.add(entry.header(), body) {
                return Err(AuditError::TooMany);
            }
            out.line(&Line::entry(&entry.signed, body, &certificate.alias)).await?;
        }
    }
    Ok(())
}

/// An entry, and whether a pack of this time has it.
struct Read {
    entry: Entry,
    in_time: bool,
}

fn page<S: Store>(
    replica: &Replica<S>,
    what: What,
    wanted: &Wanted,
    log: LogId,
    (seq, to): (u64, u64),
) -> Result<Vec<Read>, StoreError> {
    let read = |(entry, aside): (Entry, bool)| {
        let is_certificate = entry.header().kind == Kind::Certificate as u8;
        let in_time = match (what, entry.header().about.capture()) {
            _ if is_certificate => true,
            (What::Trail, _) => true,
            // What has no effect isn't counted.
            (What::Pack, _) if aside => false,
            (What::Pack, None) => false,
            (What::Pack, Some(capture)) => captured_in(replica, wanted, capture)?,
        };
        Ok(Read { entry, in_time })
    };
    replica.standing_from(log, seq, to, PAGE)?.into_iter().map(read).collect()
}

/// Whether a capture was recorded in the time that a pack is of.
fn captured_in<S: Store>(replica: &Replica<S>, wanted: &Wanted, capture: CaptureId) -> Result<bool, StoreError> {
    if wanted.is_of_all_times() {
        return Ok(true);
    }
    let origin = replica.capture(capture)?.and_then(|view| view.origin);
    Ok(origin.is_some_and(|origin| wanted.at(origin.time.ms())))
}

/// Certificates are always shown: they say who wrote the rest.
fn is_shown(what: What, wanted: &Wanted, entry: &Entry, certificate: &Certificate) -> bool {
    let header = entry.header();
    let counted = || if what == What::Pack { Tally::counts(header.kind) } else { wanted.entry(header, certificate) };
    header.kind == Kind::Certificate as u8 || counted()
}

fn renew(certificate: &mut Option<Certificate>, entry: &Entry) {
    let body = entry.body.as_ref().filter(|_| entry.header().kind == Kind::Certificate as u8);
    if let Some(Ok(Statement::Certificate(read))) = body.map(|body| Statement::decode(Kind::Certificate, body)) {
        *certificate = Some(*read);
    }
}

/// The body, of kinds in which there is nothing about a person and nothing sealed.
fn shown_body(entry: &Entry) -> Option<&[u8]> {
    let kind = Kind::rule(entry.header().kind)?.kind;
    let shown = !kind.is_erasable() && kind != Kind::GroupKey;
    entry.body.as_ref().filter(|body| shown && body.len() <= BODY_BYTES_MAX).map(|body| body.as_slice())
}

/// Writes the records up to the end of `chain`; says where they begin.
async fn write_records(
    source: &Source,
    wanted: &Wanted,
    subject: &Subject,
    chain: Chain,
    out: &mut Out<'_>,
) -> Result<Point, AuditError> {
    let mut reader = Reader::open(source.trail.place().clone())?;
    let (mut number, mut start) = (0, None);
    loop {
        // Reading and decrypting a file takes a while; nobody else waits for it.
        let (returned, found) = tokio::task::spawn_blocking(move || {
            let found = reader.next_file();
            (reader, found)
        })
        .await
        .map_err(|_| TrailError::Closed)?;
        reader = returned;
        let Some(segment) = found? else { break };
        if start.is_none() {
            let point = segment.header.chain.end;
            (number, start) = (point.number, Some(point));
            out.line(&Line::records(chain.trail, point)).await?;
        }
        for salted in &segment.records {
            // What came meanwhile is for the next export.
            if number == chain.end.number {
                break;
            }
            number += 1;
            let Certificate { device, roles, .. } = subject.certificate;
            out.line(&record_line(number, salted, wanted, device, Some(roles))).await?;
        }
    }
    Ok(start.unwrap_or(chain.end))
}

/// A record, or that it is left out.
pub(super) fn record_line(
    number: u64,
    salted: &Salted,
    wanted: &Wanted,
    device: DeviceId,
    roles: Option<Roles>,
) -> Line {
    if wanted.record(&salted.record, device, roles) {
        Line::record(number, salted)
    } else {
        Line::left_out(number, salted)
    }
}

/// Lines on their way.
struct Out<'a> {
    lines: &'a mpsc::Sender<String>,
    hasher: LineHash,
    piece: String,
}

impl Out<'_> {
    async fn line(&mut self, line: &Line) -> Result<(), AuditError> {
        let text = line.text();
        self.hasher.add(&text);
        self.piece.push_str(&text);
        self.piece.push('\n');
        if self.piece.len() >= PIECE_BYTES { self.hand_on().await } else { Ok(()) }
    }

    async fn hand_on(&mut self) -> Result<(), AuditError> {
        self.lines.send(std::mem::take(&mut self.piece)).await.map_err(|_| AuditError::Gone)
    }

    fn digest(&self) -> [u8; 32] {
        self.hasher.digest()
    }
}
