//! Catch-up of an empty device: `cargo bench -p gateway --bench catch_up`, with `-- 10000 100000` for other numbers of captures.
//!
//! Two drivers on stores on disk, as two devices have them, joined by one QUIC link over loopback, both on this machine's
//! cores. The link is of the class that devices at one site use among themselves: an empty device catches up from a neighbour.
//! The clock runs from dialling until all captures are on the receiver's disk. The captures have no images: what is
//! measured is entries, and images are fetched beside them, at the pace of the link.
//!
//! Prints the median of several rounds, and ratios to what can't be saved, measured in the same run: checking the signatures,
//! and bringing as many bytes to the same disk.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crdt::codec::decode;
use crdt::entry::{About, DeviceKey, ENTRY_BYTES_MAX, Entry, bad_signatures};
use crdt::ids::DeviceId;
use crdt::replica::{Identity, Membership, Replica};
use crdt::seal::{ContentKey, GroupKey, Reader, SealingSecret};
use crdt::site::{Authority, Policy, Request, Roles};
use crdt::statement::{Capture, Priority, Statement, capture_id};
use crdt::store::Store;
use crdt::store::redb::RedbStore;
use crdt::sync::{LinkClass, Traffic};
use crdt::vault::VaultKey;
use gateway::driver::{Driver, now_ms};
use gateway::quic::{self, Event};
use tokio::sync::mpsc;
use tokio::time::interval;

/// Captures to catch up with, if the command line doesn't say.
const COUNTS: [usize; 2] = [10_000, 100_000];
/// Times that each number is done.
const ROUNDS: usize = 3;
/// Entries checked together: about what a frame of a catch-up holds.
const BATCH: usize = 180;
/// Signatures checked one by one: enough for a figure.
const SINGLES: usize = 5_000;
/// Bytes that the bare disk is given between two fsyncs: about what the store commits at a time.
const COMMIT_BYTES: usize = 8 << 20;
/// Captures from which on a round takes so long that one is enough.
const MANY: usize = 500_000;
/// The budgets: 100,000 captures within 3 s, a million within 35 s, 1.2 bytes on the wire for one of an entry.
const BUDGET_PER_CAPTURE: Duration = Duration::from_micros(30);
const BUDGET_PER_CAPTURE_OF_MANY: Duration = Duration::from_micros(35);
const BUDGET_WIRE: f64 = 1.2;

/// A site with two devices.
struct Site {
    authority: Authority,
    membership: Membership,
}

/// One catch-up.
struct Round {
    time: Duration,
    traffic: Traffic,
    /// What went to the disk, if the system tells.
    written_bytes: Option<u64>,
}

/// What catching up can't do without.
struct Bases {
    batched: Duration,
    single: Duration,
    disk: Duration,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let site = Site::new();
    for count in if asked.is_empty() { COUNTS.to_vec() } else { asked } {
        measure(&site, count).await;
    }
}

async fn measure(site: &Site, count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    let entries = fill(site, &source, count);
    let bytes: usize = entries.iter().map(Vec::len).sum();
    let (batched, single) = check_signatures(&entries);
    let bases = Bases { batched, single, disk: write_out(folder.path(), &entries) };
    drop(entries);
    let mut rounds = Vec::new();
    for number in 0..if count < MANY { ROUNDS } else { 1 } {
        let empty = folder.path().join(format!("empty-{number}"));
        rounds.push(catch_up(site, &source, &empty, count).await);
    }
    rounds.sort_by_key(|round| round.time);
    println!("{count} captures, {:.0} bytes each", bytes as f64 / count as f64);
    show_times(count, &rounds, &bases);
    show_bytes(bytes, &rounds[rounds.len() / 2]);
}

fn show_times(count: usize, rounds: &[Round], bases: &Bases) {
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    let all: Vec<String> = rounds.iter().map(|round| seconds(round.time)).collect();
    let time = rounds[rounds.len() / 2].time;
    let rate = count as f64 / time.as_secs_f64();
    println!("  caught up, on disk   {:>8}, {rate:.0} a second (rounds: {})", seconds(time), all.join(", "));
    let each = if count < MANY { BUDGET_PER_CAPTURE } else { BUDGET_PER_CAPTURE_OF_MANY };
    let budget = each * u32::try_from(count).unwrap();
    let Bases { batched, single, disk } = *bases;
    for (base, what) in [
        (batched, "checking in batches"),
        (single, "checking one by one"),
        (disk, "writing them, bare"),
        (budget, "the budget"),
    ] {
        println!("  {what:20} {:>8}, catch-up is {:.2} x that", seconds(base), ratio(time, base));
    }
}

fn show_bytes(bytes: usize, round: &Round) {
    let share = |other: u64| other as f64 / bytes as f64;
    let (received, sent) = (share(round.traffic.received_bytes), share(round.traffic.sent_bytes));
    println!("  on the wire          {received:.3} x the entries in, {sent:.3} x out, budget {BUDGET_WIRE} x");
    if let Some(written) = round.written_bytes {
        println!("  to the disk          {:.1} x the entries", share(written));
    }
}

fn ratio(time: Duration, base: Duration) -> f64 {
    time.as_secs_f64() / base.as_secs_f64()
}

/// How long the signatures of all entries take, in batches and one by one.
fn check_signatures(encoded: &[Vec<u8>]) -> (Duration, Duration) {
    let entries: Vec<Entry> = encoded.iter().map(|bytes| decode(bytes, ENTRY_BYTES_MAX).unwrap()).collect();
    let began = Instant::now();
    for piece in entries.chunks(BATCH) {
        let pairs: Vec<_> = piece.iter().map(|entry| (entry.header().hash(), entry)).collect();
        assert!(bad_signatures(&pairs).is_empty());
    }
    let batched = began.elapsed();
    let singles = SINGLES.min(entries.len());
    let began = Instant::now();
    entries.iter().take(singles).for_each(|entry| entry.signed.verify().unwrap());
    (batched, began.elapsed().mul_f64(entries.len() as f64 / singles as f64))
}

/// How long the disk takes for as many bytes in one file.
fn write_out(folder: &Path, encoded: &[Vec<u8>]) -> Duration {
    let mut file = File::create(folder.join("bare")).unwrap();
    let (mut buffer, began) = (Vec::with_capacity(2 * COMMIT_BYTES), Instant::now());
    for entry in encoded {
        buffer.extend_from_slice(entry);
        if buffer.len() >= COMMIT_BYTES {
            file.write_all(&buffer).unwrap();
            file.sync_data().unwrap();
            buffer.clear();
        }
    }
    file.write_all(&buffer).unwrap();
    file.sync_data().unwrap();
    began.elapsed()
}

/// Bytes that this process has had written to disks.
fn written_bytes() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/io").ok()?;
    told.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}

async fn catch_up(site: &Site, source: &Path, empty: &Path, count: usize) -> Round {
    let [full, new] = [(source, 1), (empty, 2)].map(|(folder, seed)| site.start(folder, seed));
    let (listener, events) = quic::listen(&[1; 32], loopback()).unwrap();
    tokio::spawn(carry(full.clone(), events));
    let (dialler, events) = quic::client(&[2; 32], loopback()).unwrap();
    tokio::spawn(carry(new.clone(), events));
    let (began, written_before) = (Instant::now(), written_bytes());
    dialler.connect(listener.local_addr().to_string(), vec![site.identity(1).device().0]);
    until_durable(&new, count as u64).await;
    let time = began.elapsed();
    let written_bytes = written_bytes().zip(written_before).map(|(after, before)| after - before);
    let traffic = new.call(|engine, _| engine.traffic()).await.unwrap();
    dialler.shut_down().await;
    listener.shut_down().await;
    new.shut_down().await;
    full.shut_down().await;
    Round { time, traffic, written_bytes }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn until_durable(driver: &Driver, count: u64) {
    let mut look = interval(Duration::from_millis(5));
    loop {
        look.tick().await;
        let (captures, ticket) =
            driver.call(|engine, _| (engine.replica().captures(), engine.replica().last_ticket())).await.unwrap();
        if captures == count {
            return driver.durable(ticket).await.unwrap();
        }
    }
}

/// Carries between an endpoint with one link and a driver.
async fn carry(driver: Driver, mut events: mpsc::Receiver<Event>) {
    let mut inner = 0;
    while let Some(event) = events.recv().await {
        match event {
            Event::Up { device, initiator, frames, .. } => {
                let close = Box::new(|_: &crdt::sync::CloseReason| {});
                inner = driver.link_up(DeviceId(device), initiator, LinkClass::Lan, frames, close).await;
            }
            Event::Frame { bytes, .. } => driver.frame(inner, bytes).await,
            Event::Drained { .. } => driver.drained(inner).await,
            Event::Overlong { .. } => driver.overlong(inner).await,
            Event::Down { .. } => driver.link_down(inner).await,
            Event::Failed { reason, .. } => panic!("no link: {reason}"),
        }
    }
}

/// Writes captures into a new store; returns their entries as they will travel.
fn fill(site: &Site, folder: &Path, count: usize) -> Vec<Vec<u8>> {
    let identity = site.identity(1);
    let reader = Reader { device: identity.device(), sealing_key: identity.sealing.public() };
    // Key wraps of the right size, the same for all: sealing isn't what is measured here.
    let keys = ContentKey::new([1; 32]).wrap(&[reader, reader], b"", [2; 32]).unwrap();
    let store = RedbStore::open(folder, &VaultKey::new([7; 32]), Box::new(|_| {})).unwrap();
    let mut replica = Replica::open(store, identity, site.membership.clone()).unwrap();
    let (log, now_ms) = (replica.own_author().log(), now_ms());
    for number in 0..count as u128 {
        let nonce = number.to_be_bytes();
        let capture = Capture {
            nonce: nonce.into(),
            purpose: "exercise".into(),
            priority: Priority::Routine,
            delete_after_ms: u64::MAX,
            keys: keys.clone(),
            inside: vec![7; 120].into(),
            blobs: Vec::new(),
        };
        let about = About::Capture(capture_id(replica.identity().device(), &nonce));
        replica.append(now_ms, about, &Statement::Capture(Box::new(capture))).unwrap();
        replica.take_news();
    }
    let entries = replica.entries_from(log, 1, u64::MAX, usize::MAX).unwrap();
    replica.store_mut().flush().unwrap();
    entries
}

impl Site {
    fn new() -> Self {
        let authority = Authority::from_seed([1; 32]);
        let manifest = authority.manifest("Bench", 1, Policy::default());
        Self { authority, membership: Membership { manifest, group_keys: vec![GroupKey::new([4; 32])], hubs: vec![] } }
    }

    fn identity(&self, seed: u8) -> Identity {
        let key = DeviceKey::from_seed([seed; 32]);
        let sealing = SealingSecret::from_seed(&[seed; 32]);
        let request = Request { device: key.id(), sealing_key: sealing.public() };
        let certificate = self.authority.certify(&request, Roles::OFFICER, "bench", (0, u64::MAX));
        Identity { key, sealing, certificate }
    }

    fn start(&self, folder: &Path, seed: u8) -> Driver {
        Driver::start(folder, &VaultKey::new([7; 32]), self.identity(seed), self.membership.clone()).unwrap()
    }
}
