//! Frames on a worker's pipes: a length of four bytes, little-endian, then that many bytes. A worker's output starts with
//! [`PREAMBLE`].

use std::io::{self, Read, Write};

use crate::image::IMAGE_BYTES_MAX;

/// The largest frame: a picture and a little. Galleries are sent in parts that fit.
pub const FRAME_BYTES_MAX: usize = IMAGE_BYTES_MAX + (64 << 10);

/// What a worker writes first: it is a matcher's worker, and of this version of the protocol.
pub const PREAMBLE: &[u8] = b"\0greenline-matcher-worker/1\n";

/// What a launcher may print before the preamble.
const CHATTER_BYTES_MAX: usize = 4096;

/// Writes one frame and flushes.
pub fn write(out: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= FRAME_BYTES_MAX).ok_or_else(too_long)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(body)?;
    out.flush()
}

/// Reads one frame; `None` at the end of the input, an error if it ends inside a frame.
pub fn read(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if input.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    input.read_exact(&mut length[1..])?;
    let length = u32::from_le_bytes(length);
    if length as usize > FRAME_BYTES_MAX {
        return Err(too_long());
    }
    // Grows with what arrives, not with what was promised.
    let mut body = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut body)?;
    if body.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(body))
}

/// Reads up to and including the preamble.
pub fn skip_preamble(input: &mut impl Read) -> io::Result<()> {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(PREAMBLE) {
        if seen.len() == CHATTER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a matcher worker"));
        }
        input.read_exact(&mut byte)?;
        seen.push(byte[0]);
    }
    Ok(())
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame is too long")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn frames_come_back_and_then_end() {
        let mut pipe = Vec::new();
        write(&mut pipe, b"one").unwrap();
        write(&mut pipe, b"").unwrap();
        let mut input = pipe.as_slice();
        assert_eq!(read(&mut input).unwrap(), Some(b"one".to_vec()));
        assert_eq!(read(&mut input).unwrap(), Some(Vec::new()));
        assert_eq!(read(&mut input).unwrap(), None);
    }

    #[test]
    fn the_bound_holds_on_both_ends() {
        let full = vec![0; FRAME_BYTES_MAX];
        let mut pipe = Vec::new();
        write(&mut pipe, &full).unwrap();
        assert_eq!(read(&mut pipe.as_slice()).unwrap().map(|body| body.len()), Some(FRAME_BYTES_MAX));
        assert!(write(&mut pipe, &vec![0; FRAME_BYTES_MAX + 1]).is_err());
        let over = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes();
        assert_eq!(read(&mut over.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn an_end_inside_a_frame_is_an_error() {
        assert!(read(&mut [3, 0].as_slice()).is_err());
        assert!(read(&mut [3, 0, 0, 0, 1, 2].as_slice()).is_err());
    }

    #[test]
    fn chatter_before_the_preamble_is_skipped_up_to_a_bound() {
        let with = |chatter: usize| [vec![b'x'; chatter - PREAMBLE.len()], PREAMBLE.to_vec()].concat();
        assert!(skip_preamble(&mut with(CHATTER_BYTES_MAX).as_slice()).is_ok());
        assert!(skip_preamble(&mut with(CHATTER_BYTES_MAX + 1).as_slice()).is_err());
        assert!(skip_preamble(&mut b"no worker".as_slice()).is_err());
    }
}
