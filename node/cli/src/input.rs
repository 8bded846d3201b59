//! Files that are named on the command line, read no further than what belongs there is long.

use std::io::ErrorKind;
use std::path::Path;

use node::files::read_at_most;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Longest text, in bytes: an answer with many hubs and keys, a key file, a passphrase.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// A file's bytes, of which there may be `max`.
pub(crate) fn bytes(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    read_at_most(path, max).map_err(|error| {
        let next = match error.kind() {
            ErrorKind::FileTooLarge => "no file of that sort is so long: name the one that is meant",
            _ => "check that the file is there, and that it is yours to read",
        };
        Failure::new(format!("{}: {error}", path.display())).hint(next)
    })
}

/// A file's text. It may be secret.
pub(crate) fn text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = String::from_utf8(bytes(path, TEXT_BYTES_MAX)?);
    let unfit = || Failure::new(format!("{}: it isn't text", path.display())).hint("name the file that is meant");
    text.map(Zeroizing::new).map_err(|_| unfit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;

    use super::*;

    /// A file of so many bytes.
    fn file(folder: &tempfile::TempDir, bytes: u64) -> std::path::PathBuf {
        let path = folder.path().join(bytes.to_string());
        File::create(&path).unwrap().set_len(bytes).unwrap();
        path
    }

    #[test]
    fn a_file_may_be_so_long_and_a_longer_one_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(text(&file(&folder, TEXT_BYTES_MAX)).unwrap().len() as u64, TEXT_BYTES_MAX);
        let longer = text(&file(&folder, TEXT_BYTES_MAX + 1)).unwrap_err();
        assert_eq!(longer.next(), Some("no file of that sort is so long: name the one that is meant"));
        let none = text(&folder.path().join("none")).unwrap_err();
        assert_eq!(none.next(), Some("check that the file is there, and that it is yours to read"));
    }
}
