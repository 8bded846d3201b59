//! What the reader of photographed codes has to bear, as a plain function: the test calls it with random and with mutated bytes,
//! the fuzz target in `tests/fuzz` with whatever the fuzzer makes up.

use crate::photo::{is_picture, texts};

/// The most that a code holds are so many digits; what it says is longer by what UTF-8 adds.
const TEXT_BYTES_MAX: usize = 4 * 7_089;

/// A picture, and whether it is one.
pub(crate) fn photo(data: &[u8]) {
    let read = texts(data);
    let is_either = [b"\x89PNG".as_slice(), b"\xff\xd8"].iter().any(|begin| data.starts_with(begin));
    assert!(is_either || !is_picture(data), "what begins otherwise is a text");
    assert!(read.iter().flatten().all(|text| text.len() <= TEXT_BYTES_MAX));
}
