//! Files that are named on the command line, read no further than what belongs there is long.

use std::path::Path;

use node::files::read_at_most;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Longest text, in bytes: an answer with many hubs and keys, a key file, a passphrase.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// A file's bytes, of which there may be `max`.
pub(crate) fn bytes(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    read_at_most(path, max).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// A file's text. It may be secret.
pub(crate) fn text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = String::from_utf8(bytes(path, TEXT_BYTES_MAX)?);
    text.map(Zeroizing::new).map_err(|_| Failure::new(format!("{}: it isn't text", path.display())))
}
