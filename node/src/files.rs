//! Files that only their owner may read: written whole or not at all, as text that survives being printed, mailed and pasted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use data_encoding::BASE32_NOPAD_NOCASE as BASE32;
use zeroize::Zeroizing;

use crate::home::HomeError;

/// Longest text of ours, in bytes: a site's export takes most of it.
pub const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How often a text is read that others put new ones in the place of; what is still wiped then is damaged.
const READS_MAX: usize = 100;
/// Bytes overwritten at a time.
const ZEROS: [u8; 4096] = [0; 4096];

/// Random bytes from the operating system.
pub(crate) fn fill_random(bytes: &mut [u8], path: &Path) -> Result<(), HomeError> {
    getrandom::fill(bytes)
        .map_err(|error| HomeError::Io { path: path.to_owned(), error: io::Error::other(error.to_string()) })
}

/// As many random bytes as the caller has room for.
pub(crate) fn dice<const N: usize>(path: &Path) -> Result<Zeroizing<[u8; N]>, HomeError> {
    let mut bytes = Zeroizing::new([0; N]);
    fill_random(&mut *bytes, path)?;
    Ok(bytes)
}

/// A folder that only its owner may enter.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), HomeError> {
    let io = |error| HomeError::Io { path: path.to_owned(), error };
    fs::create_dir_all(path).map_err(io)?;
    restrict(path, 0o700).map_err(io)
}

/// All of a file, unless it is longer than `max`: whoever hands over a file may hand over one that never ends.
pub fn read_at_most(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // As much at once as it has, so that secrets aren't left behind by a buffer that grows; what it says is only believed so far.
    let room = file.metadata()?.len().min(max) + 1;
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {max} bytes")));
    }
    Ok(bytes)
}

/// Bytes under a one-line header, as base32 text. What was there before is overwritten, as well as the disk allows.
pub(crate) fn write_text(path: &Path, header: &str, bytes: &[u8]) -> Result<(), HomeError> {
    let body = Zeroizing::new(BASE32.encode(bytes).to_ascii_lowercase());
    let text = Zeroizing::new(format!("{header}\n{}\n", *body));
    write_private(path, text.as_bytes())
}

/// Reads what [`write_text`] wrote under one of these headers, and says under which.
pub(crate) fn read_text_of(path: &Path, headers: &[&str]) -> Result<(usize, Zeroizing<Vec<u8>>), HomeError> {
    let damaged = |why: &str| HomeError::Damaged { path: path.to_owned(), why: why.to_owned() };
    let text = read_unwiped(|| read_at_most(path, TEXT_BYTES_MAX)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => HomeError::Missing { path: path.to_owned() },
        io::ErrorKind::FileTooLarge => damaged("it is longer than any such file"),
        _ => HomeError::Io { path: path.to_owned(), error },
    })?;
    let text = std::str::from_utf8(&text).map_err(|_| damaged("it isn't text"))?;
    let (first, rest) = text.split_once('\n').ok_or_else(|| damaged("it is cut short"))?;
    let found = headers.iter().position(|header| first.trim_end() == *header);
    let found = found.ok_or_else(|| damaged("it is of another kind or version"))?;
    let bytes = BASE32.decode(rest.trim().as_bytes()).map_err(|_| damaged("it was changed"))?;
    Ok((found, Zeroizing::new(bytes)))
}

/// A text, which has no byte that is 0. What has one was wiped as it was read, by whoever has put another in its place: then that one
/// is read.
fn read_unwiped(mut read: impl FnMut() -> io::Result<Vec<u8>>) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::default();
    for _ in 0..READS_MAX {
        text = Zeroizing::new(read()?);
        if !text.contains(&0) {
            break;
        }
    }
    Ok(text)
}

/// Writes a file that only its owner may read: whole or not at all, also through a power cut.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let io = |error| HomeError::Io { path: path.to_owned(), error };
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary).map_err(io)?;
    restrict(&temporary, 0o600).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    let old = OpenOptions::new().write(true).open(path).ok();
    fs::rename(&temporary, path).map_err(io)?;
    // A bare name lies in the folder where the command runs.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    // Best effort: the new file is in place, and no disk promises that the old bytes are gone.
    let _ = old.map_or(Ok(()), |old| overwrite(&old));
    Ok(())
}

/// Overwrites a file's bytes where they lie.
fn overwrite(mut file: &File) -> io::Result<()> {
    let mut left = file.metadata()?.len();
    while left > 0 {
        let count = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..usize::try_from(count).unwrap_or(ZEROS.len())])?;
        left -= count;
    }
    file.sync_all()
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six commands ran in an authority's folder at one time. One read what is known of the site just when another had put a new
    /// file in its place and was wiping the old one, and said that the file was cut short.
    #[test]
    fn whoever_reads_what_is_just_wiped_reads_what_came_in_its_place() {
        let (mut wiped, whole) = (b"greenline site 3\naaaa\n".to_vec(), b"greenline site 3\nbbbb\n".to_vec());
        wiped[..8].fill(0);
        let mut reads = [wiped.clone(), vec![0; 22], whole.clone()].into_iter();
        assert_eq!(*read_unwiped(|| Ok(reads.next().unwrap())).unwrap(), whole);
        assert_eq!(*read_unwiped(|| Ok(wiped.clone())).unwrap(), wiped, "one that nobody replaces is damaged");
    }
}
