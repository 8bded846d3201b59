//! The worker processes, from outside: a blocking face that survives what kills a worker.
//!
//! A caller takes an idle worker, sends one request, waits for the reply with a deadline, and puts the worker back. A worker
//! that died or hung is replaced, and its request tried once more elsewhere; if that fails too, the fault is the input's, and
//! the error says so. Call from a thread that may block.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    gallery::PEOPLE_MAX,
    image::{IMAGE_BYTES_MAX, ImageError},
    person::{FingerPrint, PRINTS_MAX, Person},
    process::{Lost, Process},
    score::{Decision, Searched, decide, nothing_to_search, sort_out},
    template::{Poor, Template},
    worker::{Refused, Reply, Request},
};

/// Most workers of a pool: more than the cores of any hub.
pub const WORKERS_MAX: usize = 64;

/// How often a request is tried. Twice tells a worker that died of something else from an input that kills workers.
const TRIES: usize = 2;

/// People of one load request: with all prints full, 6 MiB, well inside a frame.
const PEOPLE_PER_LOAD: usize = 256;

/// What a comparison may take on top of the deadline of a request. One takes 0.2 to 0.6 ms.
const COMPARISON_MS_MAX: u64 = 20;

/// Bounds of a pool.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Milliseconds that a request may take, before a worker counts as hung. The default allows a hundred times what the largest
    /// picture takes. A search gets more for each comparison.
    pub request_ms_max: u64,
    /// Callers that may wait for a worker; the next one is turned away. The default keeps a hub's blocking threads for others.
    pub waiting_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { request_ms_max: 30_000, waiting_max: 256 }
    }
}

/// A pool of workers. Dropped, it ends them.
pub struct Pool {
    command: Vec<OsString>,
    limits: Limits,
    idle: Mutex<Idle>,
    returned: Condvar,
    gallery: Mutex<Arc<Loaded>>,
    restarts: AtomicU64,
}

/// Seats without a caller. A seat may be empty: its worker is started when it is needed.
struct Idle {
    seats: VecDeque<Option<Process>>,
    waiting: usize,
}

/// A gallery, encoded once for all workers.
#[derive(Default)]
struct Loaded {
    /// Counts from 1; 0 is the empty gallery that a worker starts with.
    number: u64,
    requests: Vec<Vec<u8>>,
    prints: u64,
}

/// A print's template, and whether it can be searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// The minutiae.
    pub template: Template,
    /// What is wrong with it, if it is too poor to be searched.
    pub poor: Option<Poor>,
}

/// The pool couldn't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No workers, or too many.
    #[error("{0} workers: use 1 to {WORKERS_MAX}")]
    Workers(usize),
    /// The command can't be run, or isn't a worker.
    #[error("cannot start a matcher worker: {0}")]
    Spawn(#[from] io::Error),
}

/// A picture gave no template.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The picture can't be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The extractor gave up on the picture.
    #[error("the extractor finds nothing in this picture that it can follow (code {0}): take the print again")]
    Extractor(i32),
    /// The picture ended every worker that tried it.
    #[error("this picture crashes the extractor (tried {TRIES} times): take the print again")]
    Crashed,
    /// The picture took too long, every time.
    #[error("this picture takes the extractor too long (tried {TRIES} times): take the print again")]
    TimedOut,
    /// No worker in reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A search gave no result.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// More prints than a person has.
    #[error("{0} prints are too many for one search (at most {PRINTS_MAX})")]
    TooManyPrints(usize),
    /// These prints ended every worker that tried them.
    #[error("these prints crash the matcher (tried {TRIES} times): take them again")]
    Crashed,
    /// The search took too long, every time.
    #[error("these prints take the matcher too long (tried {TRIES} times): take them again")]
    TimedOut,
    /// No worker in reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A gallery can't be loaded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Too many people.
    #[error("{0} people are too many for this matcher (at most {PEOPLE_MAX}): use a central database")]
    TooManyPeople(usize),
    /// A person has too many prints.
    #[error("{0} prints are too many for one person (at most {PRINTS_MAX})")]
    TooManyPrints(usize),
}

/// The fault is the pool's, not the input's: try again later.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Too many callers wait already.
    #[error("all matcher workers are busy: try again later")]
    Busy,
    /// A worker can't be started any more.
    #[error("cannot start a matcher worker: {0}")]
    Spawn(io::Error),
}

impl Pool {
    /// Starts `workers` processes of `command` (program, then arguments), each of which must run [`crate::serve`].
    pub fn start(command: Vec<OsString>, workers: usize) -> Result<Pool, StartError> {
        Pool::start_with(command, workers, Limits::default())
    }

    /// Starts a pool with other limits.
    pub fn start_with(command: Vec<OsString>, workers: usize, limits: Limits) -> Result<Pool, StartError> {
        if !(1..=WORKERS_MAX).contains(&workers) {
            return Err(StartError::Workers(workers));
        }
        let seats = (0..workers).map(|_| Process::spawn(&command).map(Some)).collect::<io::Result<_>>()?;
        Ok(Pool {
            command,
            limits,
            idle: Mutex::new(Idle { seats, waiting: 0 }),
            returned: Condvar::new(),
            gallery: Mutex::default(),
            restarts: AtomicU64::new(0),
        })
    }

    /// The template of a picture file (PNG, PGM or JPEG, one finger).
    pub fn extract(&self, image: &[u8]) -> Result<Extracted, ExtractError> {
        if image.len() > IMAGE_BYTES_MAX {
            return Err(ImageError::TooManyBytes(image.len() as u64).into());
        }
        let request = Request::Extract { image: image.to_vec() }.encode();
        let reply = self.run(|worker| exchange(worker, request.clone(), self.limits.request_ms_max))?;
        match reply {
            Reply::Extracted(Ok(template)) => Ok(Extracted { poor: template.quality().err(), template }),
            Reply::Extracted(Err(Refused::Image(error))) => Err(error.into()),
            Reply::Extracted(Err(Refused::Extractor(code))) => Err(ExtractError::Extractor(code)),
            Reply::Loaded | Reply::Searched(_) => Err(ExtractError::Crashed),
        }
    }

    /// Takes over a gallery: searches from now on are against these people. Workers get it with their next search.
    pub fn load(&self, people: &[Person]) -> Result<(), LoadError> {
        if people.len() > PEOPLE_MAX {
            return Err(LoadError::TooManyPeople(people.len()));
        }
        if let Some(person) = people.iter().find(|person| person.prints.len() > PRINTS_MAX) {
            return Err(LoadError::TooManyPrints(person.prints.len()));
        }
        let loads = people.chunks(PEOPLE_PER_LOAD).map(|part| Request::Load { people: part.to_vec() }.encode());
        let requests = std::iter::once(Request::Clear.encode()).chain(loads).collect();
        let prints = people.iter().map(|person| person.prints.len() as u64).sum();
        let mut gallery = lock(&self.gallery);
        *gallery = Arc::new(Loaded { number: gallery.number + 1, requests, prints });
        Ok(())
    }

    /// Compares a person's prints with the gallery loaded last. Prints too poor to search are left out.
    pub fn search(&self, probe: &[FingerPrint]) -> Result<Searched, SearchError> {
        if probe.len() > PRINTS_MAX {
            return Err(SearchError::TooManyPrints(probe.len()));
        }
        let gallery = lock(&self.gallery).clone();
        let request = Request::Search { probe: probe.to_vec() }.encode();
        let comparisons = gallery.prints.saturating_mul(probe.len() as u64);
        let deadline_ms = self.limits.request_ms_max.saturating_add(comparisons.saturating_mul(COMPARISON_MS_MAX));
        let reply = self.run(|worker| {
            bring(worker, &gallery, self.limits.request_ms_max)?;
            exchange(worker, request.clone(), deadline_ms)
        })?;
        match reply {
            Reply::Searched(searched) => Ok(searched),
            Reply::Extracted(_) | Reply::Loaded => Err(SearchError::Crashed),
        }
    }

    /// Searches with the prints that are good enough, and says what it means.
    pub fn screen(&self, prints: &[FingerPrint]) -> Result<Decision, SearchError> {
        let (usable, poor) = sort_out(prints);
        if usable.is_empty() {
            return Ok(Decision::Inconclusive(nothing_to_search(&poor)));
        }
        Ok(decide(&usable, &self.search(&usable)?))
    }

    /// How many workers died or were killed for hanging, since the start.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Runs `work` on a worker, and once more on another if that one is lost.
    fn run<T>(&self, work: impl Fn(&mut Process) -> Result<T, Lost>) -> Result<T, Failure> {
        let mut result = self.try_once(&work);
        for _ in 1..TRIES {
            if !matches!(result, Err(Failure::Lost(_))) {
                break;
            }
            result = self.try_once(&work);
        }
        result
    }

    fn try_once<T>(&self, work: impl Fn(&mut Process) -> Result<T, Lost>) -> Result<T, Failure> {
        let mut lease = self.lease()?;
        let result = work(lease.process()?);
        if result.is_err() {
            lease.discard();
        }
        result.map_err(Failure::Lost)
    }

    /// Waits for a seat, unless too many wait already.
    fn lease(&self) -> Result<Lease<'_>, Unavailable> {
        let mut idle = lock(&self.idle);
        if idle.seats.is_empty() && idle.waiting >= self.limits.waiting_max {
            return Err(Unavailable::Busy);
        }
        idle.waiting += 1;
        let mut idle =
            self.returned.wait_while(idle, |idle| idle.seats.is_empty()).unwrap_or_else(PoisonError::into_inner);
        idle.waiting -= 1;
        // The oldest first, so that a second try meets another worker if there is one.
        let process = idle.seats.pop_front().flatten();
        Ok(Lease { pool: self, process })
    }
}

/// A worker taken out of the pool; it goes back when this is dropped, whatever happened.
struct Lease<'p> {
    pool: &'p Pool,
    process: Option<Process>,
}

impl Lease<'_> {
    /// The worker, started if the seat is empty.
    fn process(&mut self) -> Result<&mut Process, Unavailable> {
        match &mut self.process {
            Some(process) => Ok(process),
            empty => Ok(empty.insert(Process::spawn(&self.pool.command).map_err(Unavailable::Spawn)?)),
        }
    }

    fn discard(&mut self) {
        self.process = None;
        self.pool.restarts.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        lock(&self.pool.idle).seats.push_back(self.process.take());
        self.pool.returned.notify_one();
    }
}

/// Why a request has no reply.
enum Failure {
    Lost(Lost),
    Unavailable(Unavailable),
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Failure {
        Failure::Unavailable(unavailable)
    }
}

impl From<Failure> for ExtractError {
    fn from(failure: Failure) -> ExtractError {
        match failure {
            Failure::Lost(Lost::Died) => ExtractError::Crashed,
            Failure::Lost(Lost::TimedOut) => ExtractError::TimedOut,
            Failure::Unavailable(unavailable) => ExtractError::Unavailable(unavailable),
        }
    }
}

impl From<Failure> for SearchError {
    fn from(failure: Failure) -> SearchError {
        match failure {
            Failure::Lost(Lost::Died) => SearchError::Crashed,
            Failure::Lost(Lost::TimedOut) => SearchError::TimedOut,
            Failure::Unavailable(unavailable) => SearchError::Unavailable(unavailable),
        }
    }
}

/// Brings a worker to this gallery, if it holds another.
fn bring(worker: &mut Process, gallery: &Loaded, deadline_ms: u64) -> Result<(), Lost> {
    if worker.gallery == gallery.number {
        return Ok(());
    }
    for request in &gallery.requests {
        exchange(worker, request.clone(), deadline_ms)?;
    }
    worker.gallery = gallery.number;
    Ok(())
}

/// A reply that can't be read is as good as a dead worker.
fn exchange(worker: &mut Process, request: Vec<u8>, deadline_ms: u64) -> Result<Reply, Lost> {
    let reply = worker.exchange(request, deadline_ms)?;
    Reply::decode(&reply).map_err(|_| Lost::Died)
}

/// What a panicking caller left is still sound: a seat is put back whole or not at all.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
