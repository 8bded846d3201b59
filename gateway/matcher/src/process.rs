//! One worker process, seen from the pool.

use std::{
    ffi::OsString,
    io::{self, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use crate::frame;

/// How long a worker may take to say that it is one. Generous: a busy small computer starts processes slowly.
const HELLO_MS_MAX: u64 = 20_000;

/// A running worker. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    requests: SyncSender<Vec<u8>>,
    replies: Receiver<io::Result<Vec<u8>>>,
    /// Which gallery it holds, by the pool's count; 0 for none.
    pub(crate) gallery: u64,
}

/// How a request was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The process ended, or broke the protocol.
    Died,
    /// It didn't answer in time.
    TimedOut,
}

impl Process {
    /// Starts `command` and waits until it says that it is a worker.
    pub(crate) fn spawn(command: &[OsString]) -> io::Result<Process> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The C code complains there about every odd picture; what matters comes back as an error.
            .stderr(Stdio::null())
            .spawn()?;
        let (requests, asked) = sync_channel::<Vec<u8>>(1);
        let (answer, replies) = sync_channel(1);
        let pipes = child.stdin.take().zip(child.stdout.take());
        let mut process = Process { child, requests, replies, gallery: 0 };
        let (stdin, stdout) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        // Pipes have no timeouts: this thread blocks on them, and ends when the process is killed.
        thread::Builder::new().name("matcher-pipe".into()).spawn(move || {
            carry(stdin, BufReader::new(stdout), &asked, &answer);
        })?;
        process.receive(HELLO_MS_MAX).map_err(|_| io::Error::other("it isn't a matcher worker"))?;
        Ok(process)
    }

    /// Sends one request and waits for its reply. After an error the process is of no more use: drop it.
    pub(crate) fn exchange(&mut self, request: Vec<u8>, deadline_ms: u64) -> Result<Vec<u8>, Lost> {
        self.requests.send(request).map_err(|_| Lost::Died)?;
        self.receive(deadline_ms)
    }

    fn receive(&mut self, deadline_ms: u64) -> Result<Vec<u8>, Lost> {
        match self.replies.recv_timeout(Duration::from_millis(deadline_ms)) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(Lost::Died),
            Err(RecvTimeoutError::Timeout) => Err(Lost::TimedOut),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has already ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The thread on the pipes: an empty reply for the preamble, then a reply for each request, until something breaks.
fn carry(
    mut stdin: impl Write,
    mut stdout: impl Read,
    asked: &Receiver<Vec<u8>>,
    answer: &SyncSender<io::Result<Vec<u8>>>,
) {
    let mut reply = frame::skip_preamble(&mut stdout).map(|()| Vec::new());
    loop {
        let broken = reply.is_err();
        if answer.send(reply).is_err() || broken {
            return;
        }
        let Ok(request) = asked.recv() else { return };
        reply = round_trip(&mut stdin, &mut stdout, &request);
    }
}

fn round_trip(stdin: &mut impl Write, stdout: &mut impl Read, request: &[u8]) -> io::Result<Vec<u8>> {
    frame::write(stdin, request)?;
    frame::read(stdout)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
