//! One link: a task that reads frames from its stream and writes frames to it, until either end is over.

use std::{net::SocketAddr, panic::AssertUnwindSafe, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt, io::BufWriter};
use tokio::sync::{mpsc, oneshot};

use crate::{
    config::FRAMES_QUEUED_MAX,
    event::{DeviceKey, DownReason, Event},
    frame,
};

/// How long a link that this side closes may take for the frames still queued, and for the other side to see the end.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// A frame up to here goes to the transport together with its length, in one piece.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// What a link is, as told in its [`Event::Up`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) number: u64,
    pub(crate) device: DeviceKey,
    pub(crate) initiator: bool,
    pub(crate) remote: SocketAddr,
}

/// Runs a link from its `Up` to its `Down`. `close` asks for an orderly end; when its sender is dropped, the link ends at once.
pub(crate) async fn run(
    link: Link,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    events: mpsc::Sender<Event>,
    close: oneshot::Receiver<()>,
) {
    let (frames, queue) = mpsc::channel(FRAMES_QUEUED_MAX);
    let Link { number, device, initiator, remote } = link;
    let up = Event::Up { link: number, device, initiator, remote, frames };
    if events.send(up).await.is_err() {
        return;
    }
    // The stream belongs to a dependency: its panic is the end of this link, not of the promise of a `Down`.
    let carried = AssertUnwindSafe(carry(number, stream, queue, &events, close)).catch_unwind().await;
    let reason = carried.unwrap_or_else(|_| DownReason::Lost("the transport panicked".into()));
    tracing::debug!(link = number, %reason, "link down");
    // Without a reader of events nobody is left to tell.
    let _ = events.send(Event::Down { link: number, reason }).await;
}

async fn carry(
    number: u64,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    queue: mpsc::Receiver<Vec<u8>>,
    events: &mpsc::Sender<Event>,
    close: oneshot::Receiver<()>,
) -> DownReason {
    let (input, output) = stream.split();
    let (finish, finishing) = oneshot::channel();
    let reader = read_frames(number, input, events);
    let writer = write_frames(number, output, queue, events, finishing);
    tokio::pin!(reader, writer);
    tokio::select! {
        reason = &mut reader => reason,
        written = &mut writer => match written {
            Err(reason) => reason,
            Ok(()) => linger(reader).await,
        },
        reason = close_in_time(close, finish) => reason,
    }
}

/// Hands every frame to the reader of events. Waiting there is what slows the sender at the other end.
async fn read_frames(link: u64, mut input: impl AsyncRead + Unpin, events: &mpsc::Sender<Event>) -> DownReason {
    loop {
        let bytes = match frame::read_frame(&mut input).await {
            Ok(bytes) => bytes,
            Err(reason) => return reason,
        };
        if events.send(Event::Frame { link, bytes }).await.is_err() {
            return DownReason::ClosedHere;
        }
    }
}

/// Writes frames until their sender is gone or `finish` fires, then what is still queued, then the end of the stream.
async fn write_frames(
    link: u64,
    output: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Vec<u8>>,
    events: &mpsc::Sender<Event>,
    finish: oneshot::Receiver<()>,
) -> Result<(), DownReason> {
    let mut output = BufWriter::with_capacity(WRITE_BUFFER_BYTES, output);
    let mut finish = finish.fuse();
    loop {
        let next = tokio::select! {
            biased;
            _ = &mut finish => { queue.close(); continue; }
            next = queue.recv() => next,
        };
        let Some(bytes) = next else { break };
        frame::write_frame(&mut output, &bytes).await?;
        output.flush().await.map_err(|e| frame::lost(&e))?;
        // An `Err` means that nobody reads events; the reading half notices.
        let _ = events.send(Event::Drained { link }).await;
    }
    output.close().await.map_err(|e| frame::lost(&e))
}

/// Gives the other side time to read what was written last: it answers by closing the connection.
async fn linger(reader: impl Future<Output = DownReason>) -> DownReason {
    let _ = tokio::time::timeout(LINGER, reader).await;
    DownReason::ClosedHere
}

/// Passes a request to close on to the writer, and ends the link if it takes too long over it.
async fn close_in_time(close: oneshot::Receiver<()>, finish: oneshot::Sender<()>) -> DownReason {
    if close.await.is_err() {
        return DownReason::NetworkStopped;
    }
    let _ = finish.send(());
    tokio::time::sleep(LINGER).await;
    DownReason::ClosedHere
}
