//! Files that only their owner may read: written whole or not at all, as text that survives being printed, mailed and pasted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use data_encoding::BASE32_NOPAD_NOCASE as BASE32;
use zeroize::Zeroizing;

use crate::home::HomeError;

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

/// Bytes under a one-line header, as base32 text. What was there before is overwritten, as well as the disk allows.
pub(crate) fn write_text(path: &Path, header: &str, bytes: &[u8]) -> Result<(), HomeError> {
    let body = Zeroizing::new(BASE32.encode(bytes).to_ascii_lowercase());
    let text = Zeroizing::new(format!("{header}\n{}\n", *body));
    write_private(path, text.as_bytes())
}

/// Reads what [`write_text`] wrote under one of these headers, and says under which.
pub(crate) fn read_text_of(path: &Path, headers: &[&str]) -> Result<(usize, Zeroizing<Vec<u8>>), HomeError> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => HomeError::Missing { path: path.to_owned() },
        io::ErrorKind::InvalidData => HomeError::Damaged { path: path.to_owned(), why: "it isn't text".into() },
        _ => HomeError::Io { path: path.to_owned(), error },
    });
    let text = Zeroizing::new(text?);
    let damaged = |why: &str| HomeError::Damaged { path: path.to_owned(), why: why.to_owned() };
    let (first, rest) = text.split_once('\n').ok_or_else(|| damaged("it is cut short"))?;
    let found = headers.iter().position(|header| first.trim_end() == *header);
    let found = found.ok_or_else(|| damaged("it is of another kind or version"))?;
    let bytes = BASE32.decode(rest.trim().as_bytes()).map_err(|_| damaged("it was changed"))?;
    Ok((found, Zeroizing::new(bytes)))
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
    let folder = path.parent().unwrap_or(Path::new("."));
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
