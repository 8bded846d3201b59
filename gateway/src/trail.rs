//! The trail of a device or hub at one site: records in files of a folder, by one thread, durable before they count.
//!
//! [`Journal`] is the files; [`Trail`] is a handle to a thread that has one. Several records that wait are written and synced
//! together. If they can't be, whoever wanted to show something is told so, and shows nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crdt::audit::segment::{
    self, FILE_BYTES_MAX, GROUP_MAX, RETENTION_MS, SEGMENT_BYTES, SEGMENT_MS, Segment, SegmentError,
};
use crdt::audit::{Act, Chain, Fold, Folded, Point, Record, RecordError, SALT_BYTES, Salted, leaf};
use crdt::ids::{DeviceId, SiteId};
use crdt::vault::{NONCE_BYTES, VaultKey};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::driver::now_ms;

/// Records that wait for the thread; beyond it, who has more is refused.
const WAITING_MAX: usize = 256;
/// How long the thread sleeps when it counts nothing.
const IDLE: Duration = Duration::from_secs(3_600);
const ENDING: &str = "trail";
const LOCK: &str = "lock";

/// Why a trail can't be written or read.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum TrailError {
    /// No room.
    #[error("the audit trail can't be written: the disk is full")]
    Full,
    /// Another process writes it.
    #[error("the audit trail is in use by another process")]
    InUse,
    /// The files aren't what was written.
    #[error("the audit trail's file {} can't be read: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: SegmentError,
    },
    /// A record is out of bounds.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// More is asked for than the disk takes.
    #[error("the audit trail can't be written as fast as things are asked for")]
    Busy,
    /// The thread has ended.
    #[error("the audit trail is closed: the device is stopping")]
    Closed,
    /// Anything else that the operating system says.
    #[error("the audit trail can't be used: {0}")]
    Io(String),
}

impl TrailError {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Full => "free some space, then ask again; nothing personal is shown that can't be noted",
            Self::InUse => "stop the other process first",
            Self::Damaged { .. } => {
                "move the folder of that file elsewhere, keep it for whoever audits, and start again: a new trail begins"
            }
            Self::Record(_) => "shorten the operator's name or the reason",
            Self::Busy => "ask again in a moment",
            Self::Closed => "start the device again",
            Self::Io(_) => "check that the device's folder is yours and its disk is sound, then start again",
        }
    }
}

impl From<io::Error> for TrailError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error.to_string()),
        }
    }
}

/// Where a trail is, and whose.
#[derive(Clone)]
pub struct Place {
    /// Its folder.
    pub dir: PathBuf,
    /// What it is encrypted under.
    pub key: VaultKey,
    /// The site.
    pub site: SiteId,
    /// The device.
    pub device: DeviceId,
}

/// A trail's files, open for writing.
pub struct Journal {
    place: Place,
    chain: Chain,
    file: File,
    bytes: u64,
    begun_ms: u64,
    /// Locked while this is open.
    _lock: File,
}

impl Journal {
    /// Opens a trail, or begins one. What a crash left half written is cut off, and what is past its time goes.
    pub fn open(place: Place, now_ms: u64) -> Result<Self, TrailError> {
        make_private_dir(&place.dir)?;
        let lock = lock(&place.dir)?;
        let Some((path, last)) = last_segment(&place)? else { return Self::begin(place, lock, now_ms) };
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        let torn = file.metadata()?.len().saturating_sub(last.bytes as u64);
        let bytes = file.seek(SeekFrom::Start(last.bytes as u64))?;
        let mut journal = Self { place, chain: last.chain, file, bytes, begun_ms: last.header.at_ms, _lock: lock };
        if torn > 0 {
            journal.file.set_len(bytes)?;
            journal.append(now_ms, vec![own(now_ms, Act::Cut(torn))])?;
        }
        journal.drop_old(now_ms)?;
        Ok(journal)
    }

    fn begin(place: Place, lock: File, now_ms: u64) -> Result<Self, TrailError> {
        let chain = Chain::begin(place.site, place.device, dice()?);
        let (file, bytes) = new_segment(&place, chain, now_ms)?;
        Ok(Self { place, chain, file, bytes, begun_ms: now_ms, _lock: lock })
    }

    /// Writes records and waits until they are on disk. After an error none of them counts.
    pub fn append(&mut self, now_ms: u64, records: Vec<Record>) -> Result<(), TrailError> {
        records.iter().try_for_each(Record::check)?;
        let salted = |record| Ok(Salted { salt: dice::<SALT_BYTES>()?, record });
        let records = records.into_iter().map(salted).collect::<Result<Vec<_>, TrailError>>()?;
        for group in records.chunks(GROUP_MAX) {
            self.rotate(now_ms)?;
            self.write(group)?;
        }
        Ok(())
    }

    fn write(&mut self, group: &[Salted]) -> Result<(), TrailError> {
        let frame = segment::group_frame(&self.place.key, &self.chain, group, &dice::<NONCE_BYTES>()?);
        // Where the last one that counts ended, whatever one that failed has left behind it.
        self.file.seek(SeekFrom::Start(self.bytes))?;
        let written = self.file.write_all(&frame).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // If that can't be done either, the next frame overwrites it, or the next opening cuts it off.
            let _ = self.file.set_len(self.bytes);
            return Err(error.into());
        }
        self.bytes += frame.len() as u64;
        group.iter().for_each(|record| self.chain.extend(&leaf(record)));
        Ok(())
    }

    /// Begins a new file when it is time.
    fn rotate(&mut self, now_ms: u64) -> Result<(), TrailError> {
        let old = now_ms.saturating_sub(self.begun_ms) >= SEGMENT_MS;
        if self.bytes < SEGMENT_BYTES && !old {
            return Ok(());
        }
        (self.file, self.bytes) = new_segment(&self.place, self.chain, now_ms)?;
        self.begun_ms = now_ms;
        self.drop_old(now_ms)
    }

    /// Removes files of which every record is past its time, and says so in the trail before.
    fn drop_old(&mut self, now_ms: u64) -> Result<(), TrailError> {
        let files = files(&self.place.dir)?;
        let mut gone = 0;
        for (number, next) in files.iter().skip(1).enumerate() {
            if header(&self.place, next)?.at_ms.saturating_add(RETENTION_MS) < now_ms {
                gone = number + 1;
            }
        }
        let Some(first) = files.get(gone).filter(|_| gone > 0) else { return Ok(()) };
        let kept = header(&self.place, first)?.chain.end.number;
        let frame = vec![Salted { salt: dice()?, record: own(now_ms, Act::Dropped(kept)) }];
        self.write(&frame)?;
        for file in &files[..gone] {
            fs::remove_file(file)?;
        }
        sync_dir(&self.place.dir)
    }

    /// Where the chain ends.
    #[must_use]
    pub const fn chain(&self) -> Chain {
        self.chain
    }
}

/// What the program itself notes.
fn own(at_ms: u64, act: Act) -> Record {
    Record { at_ms, operator: String::new(), act, captures: Vec::new(), why: String::new(), times: 1 }
}

/// Reads a trail file by file, also while another thread writes it.
pub struct Reader {
    place: Place,
    files: std::vec::IntoIter<PathBuf>,
    chain: Option<Chain>,
    start: Option<Point>,
}

impl Reader {
    /// Of the files that are there now.
    pub fn open(place: Place) -> Result<Self, TrailError> {
        let files = files(&place.dir)?.into_iter();
        Ok(Self { place, files, chain: None, start: None })
    }

    /// The records of the next file; `None` at the end.
    pub fn next_file(&mut self) -> Result<Option<Segment>, TrailError> {
        let Some(path) = self.files.next() else { return Ok(None) };
        let last = self.files.as_slice().is_empty();
        let found = read_segment(&self.place, &path, self.chain.as_ref(), last)?;
        self.start.get_or_insert(found.header.chain.end);
        self.chain = Some(found.chain);
        Ok(Some(found))
    }

    /// Where the first file begins, once it was read.
    #[must_use]
    pub const fn start(&self) -> Option<Point> {
        self.start
    }
}

enum Command {
    Note { records: Vec<Record>, done: oneshot::Sender<Result<(), TrailError>> },
    Settle { done: oneshot::Sender<Result<Chain, TrailError>> },
    Stop,
}

/// A handle to a trail that a thread writes. Cloning it is cheap.
#[derive(Clone)]
pub struct Trail(Arc<Inner>);

struct Inner {
    place: Place,
    commands: SyncSender<Command>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Trail {
    /// Opens a trail and starts its thread. One that can't be opened says so whenever it is asked: a device without a trail
    /// carries and syncs, and shows nothing.
    #[must_use]
    pub fn start(place: Place) -> Self {
        let (commands, inbox) = sync_channel(WAITING_MAX);
        let opened = Journal::open(place.clone(), now_ms());
        if let Err(error) = &opened {
            tracing::error!(%error, "nothing personal is shown: what can't be noted isn't done");
        }
        let worker = Worker { place: place.clone(), journal: opened, fold: Fold::default() };
        let thread = std::thread::Builder::new().name("trail".into()).spawn(move || worker.run(&inbox));
        if let Err(error) = &thread {
            tracing::error!(%error, "the audit trail has no thread");
        }
        Self(Arc::new(Inner { place, commands, thread: std::sync::Mutex::new(thread.ok()) }))
    }

    /// Notes something that is about to be done. It may be done once this returns.
    pub async fn note(&self, records: Vec<Record>) -> Result<(), TrailError> {
        self.ask(|done| Command::Note { records, done }).await
    }

    /// Whether things can be noted.
    pub async fn ready(&self) -> Result<(), TrailError> {
        self.note(Vec::new()).await
    }

    /// Writes all that is counted so far. The chain then ends with everything that was done.
    pub async fn settle(&self) -> Result<Chain, TrailError> {
        self.ask(|done| Command::Settle { done }).await
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Writes what is counted and ends the thread.
    pub fn stop(&self) {
        // It may have ended.
        let _ = self.0.commands.send(Command::Stop);
        let thread = self.0.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let _ = thread.map(JoinHandle::join);
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, TrailError>>) -> Command,
    ) -> Result<T, TrailError> {
        let (done, answer) = oneshot::channel();
        self.0.commands.try_send(command(done)).map_err(|error| match error {
            TrySendError::Full(_) => TrailError::Busy,
            TrySendError::Disconnected(_) => TrailError::Closed,
        })?;
        answer.await.unwrap_or(Err(TrailError::Closed))
    }
}

/// What the thread has.
struct Worker {
    place: Place,
    journal: Result<Journal, TrailError>,
    fold: Fold,
}

type Answers = Vec<(oneshot::Sender<Result<(), TrailError>>, Result<(), TrailError>)>;

impl Worker {
    fn run(mut self, inbox: &Receiver<Command>) {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(Command::Note { records, done }) => {
                    if self.burst(inbox, records, done) {
                        break;
                    }
                }
                Ok(Command::Settle { done }) => self.settle(done),
                Err(RecvTimeoutError::Timeout) => self.count(),
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let records = self.fold.finish();
        if let Err(error) = self.write(records) {
            tracing::error!(%error, "repetitions couldn't be noted at the end");
        }
    }

    /// Writes what waits in one go. Says whether it is time to stop.
    fn burst(
        &mut self,
        inbox: &Receiver<Command>,
        records: Vec<Record>,
        done: oneshot::Sender<Result<(), TrailError>>,
    ) -> bool {
        let (mut fresh, mut answers, mut settling, mut stop) = (self.fold.due(now_ms()), Vec::new(), None, false);
        self.take(records, done, &mut fresh, &mut answers);
        while fresh.len() < GROUP_MAX {
            match inbox.try_recv() {
                Ok(Command::Note { records, done }) => self.take(records, done, &mut fresh, &mut answers),
                Ok(Command::Settle { done }) => {
                    settling = Some(done);
                    break;
                }
                Ok(Command::Stop) => {
                    stop = true;
                    break;
                }
                Err(_) => break,
            }
        }
        let written = self.write(fresh);
        for (done, checked) in answers {
            // Who doesn't wait any more has shown nothing.
            let _ = done.send(checked.and_then(|()| written.clone()));
        }
        if let Some(done) = settling {
            self.settle(done);
        }
        stop
    }

    fn take(
        &mut self,
        records: Vec<Record>,
        done: oneshot::Sender<Result<(), TrailError>>,
        fresh: &mut Vec<Record>,
        answers: &mut Answers,
    ) {
        let checked = records.iter().try_for_each(Record::check).map_err(TrailError::from);
        if checked.is_ok() {
            let folded = records.into_iter().map(|record| self.fold.note(record));
            fresh.extend(folded.filter_map(|folded| match folded {
                Folded::New(record) => Some(record),
                Folded::Again => None,
            }));
        }
        answers.push((done, checked));
    }

    fn settle(&mut self, done: oneshot::Sender<Result<Chain, TrailError>>) {
        let records = self.fold.finish();
        let settled = self.write(records).and_then(|()| self.journal().map(|journal| journal.chain()));
        let _ = done.send(settled);
    }

    fn count(&mut self) {
        let records = self.fold.due(now_ms());
        if let Err(error) = self.write(records) {
            tracing::error!(%error, "repetitions couldn't be noted");
        }
    }

    /// After a failure nothing is a repetition any more: what wasn't noted isn't noted by its like.
    fn write(&mut self, records: Vec<Record>) -> Result<(), TrailError> {
        let written = self.journal().and_then(|journal| journal.append(now_ms(), records));
        if written.is_err() {
            self.fold = Fold::default();
        }
        written
    }

    /// The files. Another process that had them, for a record of its own, may have done with them by now.
    fn journal(&mut self) -> Result<&mut Journal, TrailError> {
        if matches!(self.journal, Err(TrailError::InUse)) {
            self.journal = Journal::open(self.place.clone(), now_ms());
        }
        self.journal.as_mut().map_err(|error| error.clone())
    }

    fn patience(&self) -> Duration {
        self.fold.wake_at().map_or(IDLE, |at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms()).max(1)))
    }
}

fn lock(dir: &Path) -> Result<File, TrailError> {
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(TrailError::InUse),
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// A trail's files, in order.
fn files(dir: &Path) -> Result<Vec<PathBuf>, TrailError> {
    let found = match fs::read_dir(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let paths = found.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == ENDING)).collect();
    files.sort();
    Ok(files)
}

/// The last file that was begun whole. One in which not even a header was made durable is removed: nothing was promised of it.
fn last_segment(place: &Place) -> Result<Option<(PathBuf, Segment)>, TrailError> {
    let mut files = files(&place.dir)?;
    while let Some(path) = files.pop() {
        match read_segment(place, &path, None, true) {
            Err(TrailError::Damaged { why: SegmentError::Sealed, .. }) if is_unborn(place, &path)? => {
                fs::remove_file(&path)?;
            }
            found => return Ok(Some((path, found?))),
        }
    }
    Ok(None)
}

/// Whether a file is no longer than its header, which doesn't open: a crash came while it was begun.
fn is_unborn(place: &Place, path: &Path) -> Result<bool, TrailError> {
    let header = segment::Header::new(Chain::begin(place.site, place.device, [0; 16]), u64::MAX);
    let longest = header.frame(&place.key, &[0; NONCE_BYTES]).len() + size_of::<u64>();
    Ok(fs::metadata(path)?.len() <= longest as u64)
}

fn read_segment(place: &Place, path: &Path, before: Option<&Chain>, last: bool) -> Result<Segment, TrailError> {
    let mut bytes = Vec::new();
    // Of a file that somebody made longer, no more is looked at than is enough to say so.
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(TrailError::Damaged { path: path.to_owned(), why: SegmentError::TooLong });
    }
    let found = segment::read(&place.key, &bytes, (place.site, place.device), before, last);
    found.map_err(|why| TrailError::Damaged { path: path.to_owned(), why })
}

fn header(place: &Place, path: &Path) -> Result<segment::Header, TrailError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(HEADER_READ).read_to_end(&mut bytes)?;
    let found = segment::read_header(&place.key, &bytes, (place.site, place.device));
    found.map_err(|why| TrailError::Damaged { path: path.to_owned(), why })
}

/// As much of a file as its header surely lies in, in bytes.
const HEADER_READ: u64 = 1_024;

fn new_segment(place: &Place, chain: Chain, now_ms: u64) -> Result<(File, u64), TrailError> {
    let header = segment::Header::new(chain, now_ms);
    let frame = header.frame(&place.key, &dice::<NONCE_BYTES>()?);
    let path = place.dir.join(format!("{}.{ENDING}", header.name()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    file.write_all(&frame)?;
    file.sync_all()?;
    sync_dir(&place.dir)?;
    Ok((file, frame.len() as u64))
}

fn make_private_dir(dir: &Path) -> Result<(), TrailError> {
    fs::create_dir_all(dir)?;
    #[cfg(unix)]
    fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

fn sync_dir(dir: &Path) -> Result<(), TrailError> {
    Ok(File::open(dir)?.sync_all()?)
}

fn dice<const N: usize>() -> Result<[u8; N], TrailError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| TrailError::Io(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path) -> Place {
        Place { dir: dir.join("trail"), key: VaultKey::new([7; 32]), site: SiteId([1; 32]), device: DeviceId([2; 32]) }
    }

    fn shown(at_ms: u64, operator: &str) -> Record {
        Record { operator: operator.into(), ..own(at_ms, Act::Listed) }
    }

    fn all(place: &Place) -> Vec<Record> {
        let (mut reader, mut all) = (Reader::open(place.clone()).unwrap(), Vec::new());
        while let Some(segment) = reader.next_file().unwrap() {
            all.extend(segment.records.into_iter().map(|salted| salted.record));
        }
        all
    }

    #[test]
    fn what_was_written_is_there_after_any_number_of_openings() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        for n in 0..3 {
            let mut journal = Journal::open(place.clone(), n).unwrap();
            journal.append(n, vec![shown(n, "ana"), shown(n, "ben")]).unwrap();
            assert_eq!(journal.chain().end.number, 2 * (n + 1));
            assert_eq!(Journal::open(place.clone(), n).err(), Some(TrailError::InUse));
        }
        assert_eq!(all(&place).len(), 6);
    }

    #[test]
    fn what_a_crash_tore_is_cut_off_and_the_trail_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        Journal::open(place.clone(), 1).unwrap().append(1, vec![shown(1, "ana")]).unwrap();
        let file = files(&place.dir).unwrap().remove(0);
        let mut torn = fs::read(&file).unwrap();
        torn.extend([0, 0, 1, 0, 9, 9]);
        fs::write(&file, &torn).unwrap();
        let mut journal = Journal::open(place.clone(), 2).unwrap();
        journal.append(3, vec![shown(3, "ana")]).unwrap();
        let acts: Vec<Act> = all(&place).iter().map(|record| record.act).collect();
        assert_eq!(acts, [Act::Listed, Act::Cut(6), Act::Listed]);
    }

    #[test]
    fn a_file_that_was_begun_when_the_power_went_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        Journal::open(place.clone(), 1).unwrap().append(1, vec![shown(1, "ana")]).unwrap();
        fs::write(place.dir.join("0000000000000002.trail"), [0; 40]).unwrap();
        Journal::open(place.clone(), 2).unwrap().append(2, vec![shown(2, "ben")]).unwrap();
        assert_eq!(all(&place), [shown(1, "ana"), shown(2, "ben")]);
    }

    #[test]
    fn whole_files_go_when_they_are_past_their_time_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let mut journal = Journal::open(place.clone(), 0).unwrap();
        journal.append(0, vec![shown(0, "ana")]).unwrap();
        journal.append(SEGMENT_MS, vec![shown(SEGMENT_MS, "ben")]).unwrap();
        assert_eq!(files(&place.dir).unwrap().len(), 2);
        let end = SEGMENT_MS + RETENTION_MS;
        journal.append(end, vec![shown(end, "ana")]).unwrap();
        assert_eq!(files(&place.dir).unwrap().len(), 3, "to the millisecond");
        let later = end + SEGMENT_MS;
        journal.append(later, vec![shown(later, "ben")]).unwrap();
        let left = all(&place);
        let expected = [shown(SEGMENT_MS, "ben"), shown(end, "ana"), own(later, Act::Dropped(1)), shown(later, "ben")];
        assert_eq!(left, expected, "the second file could have a record that is no older than the third");
        let mut reader = Reader::open(place.clone()).unwrap();
        reader.next_file().unwrap();
        assert_eq!(reader.start().unwrap().number, 1);
        drop(journal);
        assert_eq!(Journal::open(place, later).unwrap().chain().end.number, 5);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_what_comes_after_it_stands_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let mut journal = Journal::open(place.clone(), 1).unwrap();
        journal.append(1, vec![shown(1, "ana")]).unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let file = std::mem::replace(&mut journal.file, full);
        assert_eq!(journal.append(2, vec![shown(2, "ben")]), Err(TrailError::Full));
        assert_eq!(journal.chain().end.number, 1, "it doesn't count");
        // Some of it had reached the disk, and couldn't be taken away again.
        journal.file = file;
        journal.file.write_all(&[9; 40]).unwrap();
        journal.append(3, vec![shown(3, "ana")]).unwrap();
        drop(journal);
        Journal::open(place.clone(), 4).unwrap().append(4, vec![shown(4, "ben")]).unwrap();
        assert_eq!(all(&place).iter().map(|record| record.at_ms).collect::<Vec<_>>(), [1, 3, 4]);
    }

    #[test]
    fn a_file_may_be_so_long_and_a_longer_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        Journal::open(place.clone(), 1).unwrap().append(1, vec![shown(1, "ana")]).unwrap();
        let file = files(&place.dir).unwrap().remove(0);
        let read_at = |bytes| {
            OpenOptions::new().write(true).open(&file).unwrap().set_len(bytes).unwrap();
            Journal::open(place.clone(), 2).err()
        };
        let damaged = |why| Some(TrailError::Damaged { path: file.clone(), why });
        assert_eq!(
            read_at(FILE_BYTES_MAX),
            damaged(SegmentError::Changed(1)),
            "it is read, and what comes is no record"
        );
        assert_eq!(read_at(FILE_BYTES_MAX + 1), damaged(SegmentError::TooLong));
    }

    #[test]
    fn a_file_that_was_removed_or_changed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let mut journal = Journal::open(place.clone(), 0).unwrap();
        for n in 0..3 {
            journal.append(n * SEGMENT_MS, vec![shown(n, "ana")]).unwrap();
        }
        drop(journal);
        fs::remove_file(&files(&place.dir).unwrap()[1]).unwrap();
        let mut reader = Reader::open(place).unwrap();
        reader.next_file().unwrap();
        assert!(matches!(reader.next_file(), Err(TrailError::Damaged { why: SegmentError::Place, .. })));
    }

    #[tokio::test]
    async fn what_is_noted_is_on_disk_and_repetitions_are_counted_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let trail = Trail::start(place.clone());
        let now = now_ms();
        for _ in 0..5 {
            trail.note(vec![shown(now, "ana")]).await.unwrap();
            assert_eq!(all(&place), [shown(now, "ana")]);
        }
        let long = shown(now, &"o".repeat(65));
        assert_eq!(trail.note(vec![long]).await, Err(TrailError::Record(RecordError::Operator)));
        assert_eq!(trail.settle().await.unwrap().end.number, 2);
        trail.note(vec![shown(now, "ana")]).await.unwrap();
        trail.stop();
        assert_eq!(all(&place).iter().map(|record| record.times).collect::<Vec<_>>(), [1, 4, 1]);
        assert_eq!(trail.note(vec![shown(now, "ana")]).await, Err(TrailError::Closed));
    }

    #[tokio::test]
    async fn a_trail_that_can_not_be_written_notes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let journal = Journal::open(place.clone(), 0).unwrap();
        let trail = Trail::start(place.clone());
        assert_eq!(trail.note(vec![shown(0, "ana")]).await, Err(TrailError::InUse));
        assert_eq!(trail.note(vec![shown(0, "ana")]).await, Err(TrailError::InUse), "nor by its like");
        assert_eq!(all(&place), []);
        drop(journal);
        assert_eq!(trail.note(vec![shown(1, "ana")]).await, Ok(()), "the other process has done with it");
        assert_eq!(all(&place), [shown(1, "ana")]);
    }
}
