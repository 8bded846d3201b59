//! What the reader of links has to bear, as a plain function: the test calls it with random and with mutated bytes, the fuzz target
//! in `tests/fuzz` with whatever the fuzzer makes up.

use futures::executor::block_on;
use futures::io::Cursor;
use mesh::{DownReason, FRAME_BYTES_MAX, read_frame};

/// All that somebody says on a link. It ends the link, and nothing else.
pub(crate) fn link(data: &[u8]) {
    let mut stream = Cursor::new(data);
    let ended = loop {
        match block_on(read_frame(&mut stream)) {
            Ok(frame) => assert!(frame.len() <= FRAME_BYTES_MAX),
            Err(why) => break why,
        }
    };
    let in_order = stream.position() == data.len() as u64;
    assert!(matches!(ended, DownReason::FrameTooLong { .. } | DownReason::Lost(_)) || in_order, "{ended:?}");
}
