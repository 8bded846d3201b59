//! One link: frames out of a channel onto a stream, frames from the stream into events.

use std::io;

use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::{DeviceKey, Event, FRAME_BYTES_MAX, FRAMES_QUEUED_MAX, plain};

/// Runs a link until either side ends it.
pub(super) async fn run(
    link: u64,
    device: DeviceKey,
    initiator: bool,
    connection: Connection,
    (send, receive): (SendStream, RecvStream),
    events: mpsc::Sender<Event>,
) {
    let (frames, queue) = mpsc::channel(FRAMES_QUEUED_MAX);
    let remote = connection.remote_address();
    if events.send(Event::Up { link, device, initiator, remote, frames }).await.is_err() {
        return;
    }
    let reason = tokio::select! {
        reason = write(link, send, queue, &events) => reason,
        reason = read(link, receive, &events) => reason,
    };
    let reason = reason.unwrap_or_else(|| {
        let why = connection.close_reason().map_or_else(|| "the stream was given up".to_owned(), |why| plain(&why));
        format!("lost: {why}")
    });
    connection.close(VarInt::from_u32(0), b"");
    // Whoever listened has stopped.
    let _ = events.send(Event::Down { link, reason }).await;
}

/// Returns why it ended, if not for the connection.
async fn write(
    link: u64,
    mut stream: SendStream,
    mut queue: mpsc::Receiver<Vec<u8>>,
    events: &mpsc::Sender<Event>,
) -> Option<String> {
    while let Some(frame) = queue.recv().await {
        if frame.len() > FRAME_BYTES_MAX {
            return Some(format!("this device was asked to send a frame of {} bytes", frame.len()));
        }
        let length = (frame.len() as u32).to_be_bytes();
        let written = async {
            stream.write_all(&length).await?;
            stream.write_all(&frame).await
        };
        let written: Result<(), quinn::WriteError> = written.await;
        if written.is_err() {
            return None;
        }
        if events.send(Event::Drained { link }).await.is_err() {
            break;
        }
    }
    // What was written before arrives before the link closes.
    if stream.finish().is_ok() {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), stream.stopped()).await;
    }
    Some("closed by this device".into())
}

/// Returns why it ended, if not for the connection.
async fn read(link: u64, mut stream: RecvStream, events: &mpsc::Sender<Event>) -> Option<String> {
    loop {
        let bytes = match read_frame(&mut stream).await {
            Ok(bytes) => bytes,
            Err(Ended::Overlong(length)) => {
                let _ = events.send(Event::Overlong { link }).await;
                return Some(format!("the other device announced a frame of {length} bytes"));
            }
            Err(Ended::Closed) => return Some("closed by the other device".into()),
            Err(Ended::Lost) => return None,
        };
        if events.send(Event::Frame { link, bytes }).await.is_err() {
            return Some("this device is shutting down".into());
        }
    }
}

/// Why no frame comes any more.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The next one would be longer than any may be.
    Overlong(usize),
    /// The other side has said all.
    Closed,
    /// The connection knows why.
    Lost,
}

/// The next frame of a link, from its stream or from any other: its length, then so many bytes.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Ended> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.map_err(|error| ended(&error))?;
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(Ended::Overlong(length));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.map_err(|error| ended(&error))?;
    Ok(bytes)
}

fn ended(error: &io::Error) -> Ended {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ended::Closed } else { Ended::Lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    #[tokio::test]
    async fn a_frame_may_be_so_long_and_no_longer() {
        let longest = framed(&vec![7; FRAME_BYTES_MAX]);
        assert_eq!(read_frame(&mut longest.as_slice()).await.map(|bytes| bytes.len()), Ok(FRAME_BYTES_MAX));
        let longer = framed(&vec![7; FRAME_BYTES_MAX + 1]);
        assert_eq!(read_frame(&mut longer.as_slice()).await, Err(Ended::Overlong(FRAME_BYTES_MAX + 1)));
    }
}
