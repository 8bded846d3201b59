//! Frames on a byte stream: a length (u32, big-endian) and that many bytes.

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::event::DownReason;

/// The longest frame, 256 KiB: above an entry (64 KiB) with room for batches, small enough that 32 links can each hold
/// a whole one on a tablet. What is longer closes the link.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Bytes of the length before each frame.
const LENGTH_BYTES: usize = 4;

/// Reads one frame of a link, from its stream or from any other.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, DownReason> {
    let length = read_length(stream).await?;
    if length as usize > FRAME_BYTES_MAX {
        return Err(DownReason::FrameTooLong { bytes: length });
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await.map_err(|e| lost(&e))?;
    Ok(bytes)
}

/// The length of the next frame. The end of the stream is in order here, and only here.
async fn read_length(stream: &mut (impl AsyncRead + Unpin)) -> Result<u32, DownReason> {
    let mut length = [0; LENGTH_BYTES];
    let mut filled = 0;
    while filled < LENGTH_BYTES {
        match stream.read(&mut length[filled..]).await {
            Ok(0) if filled == 0 => return Err(DownReason::ClosedByPeer),
            Ok(0) => return Err(DownReason::Lost("the stream ended inside a frame".into())),
            Ok(n) => filled += n,
            Err(e) => return Err(lost(&e)),
        }
    }
    Ok(u32::from_be_bytes(length))
}

/// Writes one frame.
pub(crate) async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), DownReason> {
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|_| bytes.len() <= FRAME_BYTES_MAX)
        .ok_or(DownReason::OwnFrameTooLong { bytes: bytes.len() })?;
    stream.write_all(&length.to_be_bytes()).await.map_err(|e| lost(&e))?;
    stream.write_all(bytes).await.map_err(|e| lost(&e))
}

/// A broken stream, with all that its error knows.
pub(crate) fn lost(error: &(dyn std::error::Error + 'static)) -> DownReason {
    DownReason::Lost(chain(error))
}

/// An error and its sources, as one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let part = error.to_string();
        // Wrappers often print what they wrap.
        if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::{executor::block_on, io::Cursor};

    use super::*;

    fn written(bytes: &[u8]) -> Result<Vec<u8>, DownReason> {
        let mut out = Vec::new();
        block_on(write_frame(&mut out, bytes)).map(|()| out)
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<u8>, DownReason> {
        block_on(read_frame(&mut Cursor::new(bytes)))
    }

    #[test]
    fn frames_of_every_boundary_size_survive() {
        for size in [0, 1, 2, 65_535, 65_536, FRAME_BYTES_MAX] {
            let frame = vec![0x5a; size];
            assert_eq!(read_all(&written(&frame).unwrap()).unwrap(), frame);
        }
    }

    #[test]
    fn one_byte_more_is_refused_by_both_sides() {
        let long = vec![0; FRAME_BYTES_MAX + 1];
        let bytes = long.len();
        assert_eq!(written(&long), Err(DownReason::OwnFrameTooLong { bytes }));
        let announced = u32::try_from(bytes).unwrap();
        assert_eq!(read_all(&announced.to_be_bytes()), Err(DownReason::FrameTooLong { bytes: announced }));
    }

    #[test]
    fn the_end_is_in_order_only_between_frames() {
        assert_eq!(read_all(&[]), Err(DownReason::ClosedByPeer));
        assert!(matches!(read_all(&[0, 0]), Err(DownReason::Lost(_))));
        assert!(matches!(read_all(&[0, 0, 0, 2, 9]), Err(DownReason::Lost(_))));
    }
}
