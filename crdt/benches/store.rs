//! How fast the store on disk is, beside plain redb in the same run: `cargo bench -p crdt --features redb --bench store`.
//!
//! A capture is three rows: its entry of 700 bytes under an ascending number, its read model under a random key, and its
//! place in the order of time. An argument sets how many captures are written in bulk.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures time, and one of its two processes tells the other by a variable"
)]

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crdt::store::redb::RedbStore;
use crdt::store::{Batch, Store, Table, Ticket};
use crdt::vault::VaultKey;
use redb::{Database, TableDefinition};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const CAPTURES: u64 = 100_000;
const BATCH_CAPTURES: u64 = 256;
const SINGLE: u64 = 300;
const CONCURRENT: usize = 64;
const CONCURRENT_BATCHES: u64 = 20_000;
/// Asks this program to be the process that is killed: the folder to fill.
const VICTIM: &str = "GREENLINE_BENCH_VICTIM";

fn main() -> Result {
    let captures = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(CAPTURES);
    if let Ok(dir) = std::env::var(VICTIM) {
        return die(Path::new(&dir), captures);
    }
    println!("{captures} captures of 3 rows, batches of {BATCH_CAPTURES}");
    let dir = tempfile::tempdir_in(".")?;
    let plain = bulk_plain(&dir.path().join("plain.redb"), captures)?;
    println!(
        "bulk, plain redb      {:>9.0} captures/s durable, {BATCH_CAPTURES} per transaction",
        per_s(captures, plain)
    );
    let (applied, durable) = bulk(&dir.path().join("bulk"), captures)?;
    println!("bulk, apply           {:>9.0} captures/s on the caller's thread", per_s(captures, applied));
    println!("bulk, durable         {:>9.0} captures/s", per_s(captures, durable));
    println!("ratio to plain redb   {:>9.2}", plain.as_secs_f64() / durable.as_secs_f64());
    println!("reads, newest first   {:>9.0} rows/s, scans of 100", scans(&dir.path().join("bulk"), captures)?);
    println!("scrub                 {:>9.1} ms", ms(scrub(&dir.path().join("bulk"))?));
    report("one commit, plain redb", single_plain(&dir.path().join("one.redb"))?);
    report("one apply and flush   ", single(&dir.path().join("single"))?);
    let (took, latencies) = concurrent(&dir.path().join("concurrent"))?;
    println!("{CONCURRENT} in flight          {:>9.0} batches/s durable", per_s(CONCURRENT_BATCHES, took));
    report("  each                ", latencies);
    println!("reopen after a kill   {:>9.1} ms", ms(reopen(&dir.path().join("killed"), captures)?));
    Ok(())
}

/// Applies everything and waits: how long `apply` took the caller, and how long until all was durable.
fn bulk(dir: &Path, captures: u64) -> Result<(Duration, Duration)> {
    fill(&mut RedbStore::open(dir, &VaultKey::new([7; 32]), Box::new(|_| {}))?, captures)
}

/// How long it takes to move all rows into a new file under a new key.
fn scrub(dir: &Path) -> Result<Duration> {
    let mut store = RedbStore::open(dir, &VaultKey::new([7; 32]), Box::new(|_| {}))?;
    let start = Instant::now();
    store.scrub()?;
    store.flush()?;
    assert_eq!(store.unscrubbed(), None);
    Ok(start.elapsed())
}

fn fill(store: &mut RedbStore, captures: u64) -> Result<(Duration, Duration)> {
    let batches: Vec<Batch> = (0..captures / BATCH_CAPTURES).map(batch_of).collect();
    let start = Instant::now();
    for batch in batches {
        store.apply(batch)?;
    }
    let applied = start.elapsed();
    store.flush()?;
    Ok((applied, start.elapsed()))
}

fn bulk_plain(file: &Path, captures: u64) -> Result<Duration> {
    let database = Database::builder().set_cache_size(12 << 20).create(file)?;
    let batches: Vec<Batch> = (0..captures / BATCH_CAPTURES).map(batch_of).collect();
    let start = Instant::now();
    for batch in batches {
        write_plain(&database, &batch)?;
    }
    Ok(start.elapsed())
}

fn write_plain(database: &Database, batch: &Batch) -> Result {
    let transaction = database.begin_write()?;
    for table in [Table::Entries, Table::Captures, Table::Order] {
        let name = format!("{table:?}");
        let mut open = transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(&name))?;
        for (_, key, value) in batch.writes.iter().filter(|(of, ..)| *of == table) {
            open.insert(key.as_slice(), value.as_deref().unwrap_or_default())?;
        }
    }
    Ok(transaction.commit()?)
}

fn scans(dir: &Path, captures: u64) -> Result<f64> {
    let store = RedbStore::open(dir, &VaultKey::new([7; 32]), Box::new(|_| {}))?;
    let start = Instant::now();
    let mut rows = 0;
    for at in (100..captures).step_by(1_000) {
        let (from, to) = ((at - 100).to_be_bytes(), at.to_be_bytes());
        rows += store.scan(Table::Entries, &from, &to, crdt::store::Direction::Down, 100)?.len();
    }
    Ok(per_s(rows as u64, start.elapsed()))
}

fn single(dir: &Path) -> Result<Vec<Duration>> {
    let mut store = RedbStore::open(dir, &VaultKey::new([7; 32]), Box::new(|_| {}))?;
    let mut latencies = Vec::new();
    for at in 0..SINGLE {
        let start = Instant::now();
        store.apply(capture(at))?;
        store.flush()?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}

fn single_plain(file: &Path) -> Result<Vec<Duration>> {
    let database = Database::builder().set_cache_size(12 << 20).create(file)?;
    let mut latencies = Vec::new();
    for at in 0..SINGLE {
        let start = Instant::now();
        write_plain(&database, &capture(at))?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}

/// A new batch as soon as one of those in flight is durable.
fn concurrent(dir: &Path) -> Result<(Duration, Vec<Duration>)> {
    let (sender, durable) = channel();
    // Nobody listens any more once the last batch is durable.
    let on_durable = move |ticket| sender.send(ticket).unwrap_or_default();
    let mut store = RedbStore::open(dir, &VaultKey::new([7; 32]), Box::new(on_durable))?;
    let start = Instant::now();
    let mut sent = Vec::new();
    let mut latencies = Vec::new();
    while latencies.len() < CONCURRENT_BATCHES as usize {
        while sent.len() < CONCURRENT_BATCHES as usize && sent.len() - latencies.len() < CONCURRENT {
            store.apply(capture(sent.len() as u64))?;
            sent.push(Instant::now());
        }
        let done = newest(&durable)?.0 as usize;
        latencies.extend(sent[latencies.len()..done].iter().map(Instant::elapsed));
    }
    Ok((start.elapsed(), latencies))
}

fn newest(durable: &Receiver<Ticket>) -> Result<Ticket> {
    let first = durable.recv()?;
    Ok(durable.try_iter().last().unwrap_or(first))
}

/// Fills a store in a process that then dies without closing it, and opens what it left.
fn reopen(dir: &Path, captures: u64) -> Result<Duration> {
    let status = Command::new(std::env::current_exe()?).arg(captures.to_string()).env(VICTIM, dir).status()?;
    assert!(!status.success(), "it was to die");
    let start = Instant::now();
    let store = RedbStore::open(dir, &VaultKey::new([7; 32]), Box::new(|_| {}))?;
    let took = start.elapsed();
    let last = captures / BATCH_CAPTURES * BATCH_CAPTURES - 1;
    assert!(store.get(Table::Entries, &last.to_be_bytes())?.is_some(), "what was flushed is there");
    Ok(took)
}

fn die(dir: &Path, captures: u64) -> Result {
    let mut store = RedbStore::open(dir, &VaultKey::new([7; 32]), Box::new(|_| {}))?;
    fill(&mut store, captures)?;
    std::process::abort()
}

fn batch_of(number: u64) -> Batch {
    let captures = number * BATCH_CAPTURES..(number + 1) * BATCH_CAPTURES;
    Batch { writes: captures.flat_map(|at| capture(at).writes).collect() }
}

fn capture(at: u64) -> Batch {
    let hash = blake3::hash(&at.to_be_bytes());
    let id = &hash.as_bytes()[..16];
    let mut batch = Batch::default();
    batch.put(Table::Entries, at.to_be_bytes(), vec![at as u8; 700]);
    batch.put(Table::Captures, id, vec![at as u8; 60]);
    batch.put(Table::Order, [&(at / 4).to_be_bytes(), id].concat(), []);
    batch
}

fn per_s(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn report(name: &str, mut latencies: Vec<Duration>) {
    latencies.sort();
    let at = |percent: usize| ms(latencies[(latencies.len() - 1) * percent / 100]);
    println!("{name}{:>9.2} ms p50, {:.2} ms p99", at(50), at(99));
}
