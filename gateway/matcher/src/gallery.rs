//! The gallery: a folder with one file per person, encrypted. Neither its name nor its content tells who it is.
//!
//! ```text
//! <folder>/<name>.person      version (2) | sealed: postcard of the person
//! <folder>/<name>.person.<process id>.tmp     while it is being written
//! <folder>/<reference>.person      version (1) | check value (8, little-endian) | postcard: as older programs wrote it;
//!                                  encrypted when the gallery is opened
//! ```
//!
//! `name` is what the [`Cover`] makes of the reference, in hexadecimal.
//!
//! A file is written beside its place, synced, and renamed, so a reader sees the old one or the new one. Any process may change
//! the folder at any time: a hub compares [`Gallery::stamp`] with the one it loaded, and loads again.

use std::{
    collections::BTreeMap,
    fs::{self, DirEntry, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::SystemTime,
};

use crate::{
    person::{BadReference, FingerPrint, PRINTS_MAX, Person, Reference},
    template::TEMPLATE_BYTES_MAX,
};

/// Most people of a gallery. A search of ten fingers compares 5 ms a person: this many take a minute, and an operation with more
/// has a central database.
pub const PEOPLE_MAX: usize = 10_000;

/// The largest file: all prints full, and a head.
pub const PERSON_BYTES_MAX: usize = PRINTS_MAX * (TEMPLATE_BYTES_MAX + 8) + 256;

/// In the clear, as older programs wrote it.
const VERSION_OPEN: u8 = 1;
const VERSION: u8 = 2;
const CHECK_BYTES: usize = 8;
const SUFFIX: &str = ".person";
const TEMPORARY: &str = ".tmp";

/// What hides people on disk: the owner of the gallery has the key.
pub trait Cover: Send + Sync {
    /// A name for a reference: always the same, and telling nothing.
    fn name(&self, reference: &str) -> [u8; 16];

    /// Encrypts what belongs under a name. An error in words if the system gives no randomness.
    fn seal(&self, name: &[u8; 16], plain: &[u8]) -> Result<Vec<u8>, String>;

    /// Decrypts it; `None` if it was changed, or belongs under another name or to another key.
    fn open(&self, name: &[u8; 16], sealed: &[u8]) -> Option<Vec<u8>>;
}

/// A gallery's folder.
#[derive(Clone)]
pub struct Gallery {
    folder: PathBuf,
    cover: Arc<dyn Cover>,
}

/// What the folder looked like: equal stamps, equal content. Files are replaced, never written in place, so name, size, time and
/// (where there is one) file number tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stamp(BTreeMap<String, Look>);

/// A file from outside: size, time, number.
type Look = (u64, Option<SystemTime>, u64);

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// Everybody whose file is whole, in the order of their references.
    pub people: Vec<Person>,
    /// The files that aren't.
    pub damaged: Vec<Damaged>,
    /// The folder as it was before reading began.
    pub stamp: Stamp,
}

/// A file of the gallery that was left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} is left out: {fault}; add that person again, or remove the file")]
pub struct Damaged {
    /// The file's name, without its folder.
    pub file: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It isn't a file, or can't be read.
    #[error("it cannot be read")]
    Unreadable,
    /// Longer than any person's.
    #[error("it is too long")]
    TooLong,
    /// Written by a version not known here.
    #[error("its format is not known to this version")]
    Version,
    /// Its content changed since it was written.
    #[error("it is damaged")]
    Damaged,
    /// It holds somebody else, or its name is none of ours.
    #[error("its name is not that of the person in it")]
    Misnamed,
}

/// The gallery couldn't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum GalleryError {
    /// The reference can't be used.
    #[error(transparent)]
    Reference(#[from] BadReference),
    /// A person without prints can't be found.
    #[error("a person needs at least one print that is good enough to search")]
    NoUsablePrint,
    /// More prints than a person has.
    #[error("{0} prints are too many for one person (at most {PRINTS_MAX})")]
    TooManyPrints(usize),
    /// The gallery is full.
    #[error("the gallery has {PEOPLE_MAX} people, which is all that this matcher takes")]
    Full,
    /// The folder can't be used.
    #[error("the gallery's folder cannot be used: {0}")]
    Folder(#[from] io::Error),
}

/// A person who is about to be added.
pub struct Addition<'a> {
    gallery: &'a Gallery,
    person: Person,
    replaces: bool,
}

impl Addition<'_> {
    /// The name of the person's file.
    #[must_use]
    pub fn name(&self) -> [u8; 16] {
        self.gallery.name(&self.person.reference)
    }

    /// Whether somebody with this reference is there already.
    #[must_use]
    pub const fn replaces(&self) -> bool {
        self.replaces
    }

    /// Adds the person, durably.
    pub fn write(&self) -> Result<(), GalleryError> {
        let place = self.gallery.file_of(&self.person.reference);
        Ok(self.gallery.write(&place, &self.gallery.encode(&self.person)?)?)
    }
}

impl Gallery {
    /// The gallery in this folder, which is made if it isn't there. What an older program wrote there in the clear is
    /// encrypted, and the clear bytes are overwritten as well as the disk allows.
    pub fn open(folder: impl Into<PathBuf>, cover: Arc<dyn Cover>) -> Result<Gallery, GalleryError> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        let gallery = Gallery { folder, cover };
        gallery.cover_what_is_open()?;
        Ok(gallery)
    }

    /// Adds a person, durably, in the place of whoever had this reference; says whether somebody had. Poor prints are kept but
    /// never compared; one at least must be good enough.
    pub fn add(&self, reference: &str, prints: Vec<FingerPrint>) -> Result<bool, GalleryError> {
        let addition = self.prepare(reference, prints)?;
        addition.write()?;
        Ok(addition.replaces)
    }

    /// The same up to the point where it is done: for who must say so before.
    pub fn prepare(&self, reference: &str, prints: Vec<FingerPrint>) -> Result<Addition<'_>, GalleryError> {
        let reference = Reference::new(reference)?;
        if prints.len() > PRINTS_MAX {
            return Err(GalleryError::TooManyPrints(prints.len()));
        }
        if !prints.iter().any(|(_, template)| template.quality().is_ok()) {
            return Err(GalleryError::NoUsablePrint);
        }
        let replaces = self.file_of(&reference).try_exists()?;
        if !replaces && self.stamp()?.0.len() >= PEOPLE_MAX {
            return Err(GalleryError::Full);
        }
        Ok(Addition { gallery: self, person: Person { reference, prints }, replaces })
    }

    /// The name that a person's file has, whether or not there is one.
    #[must_use]
    pub fn name(&self, reference: &Reference) -> [u8; 16] {
        self.cover.name(reference.as_str())
    }

    /// Whether there is anything that [`Gallery::remove`] would remove.
    pub fn knows(&self, reference: &Reference) -> Result<bool, GalleryError> {
        Ok(self.file_of(reference).try_exists()? || !self.leftovers(reference)?.is_empty())
    }

    /// Removes a person, durably, with whatever an interrupted [`Gallery::add`] left; says whether there was one.
    pub fn remove(&self, reference: &str) -> Result<bool, GalleryError> {
        let reference = Reference::new(reference)?;
        let place = self.file_of(&reference);
        for leftover in self.leftovers(&reference)? {
            shred_if_there(&leftover)?;
        }
        // Out of the way first: who reads meanwhile sees a whole person or none.
        let away = self.beside(&place);
        let removed = match fs::rename(&place, &away) {
            Ok(()) => shred_if_there(&away)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        };
        sync_folder(&self.folder)?;
        Ok(removed)
    }

    /// Reads everybody. A damaged file is reported and left out; one that is removed meanwhile is simply not there.
    pub fn load_all(&self) -> Result<Contents, GalleryError> {
        let mut contents = Contents { stamp: self.stamp()?, ..Contents::default() };
        for name in contents.stamp.0.keys().take(PEOPLE_MAX) {
            match self.read_settled(name) {
                Ok(Some(person)) => contents.people.push(person),
                Ok(None) => {}
                Err(fault) => contents.damaged.push(Damaged { file: name.clone(), fault }),
            }
        }
        contents.people.sort_by(|a, b| a.reference.cmp(&b.reference));
        Ok(contents)
    }

    /// What the folder looks like now; reads no file.
    pub fn stamp(&self) -> Result<Stamp, GalleryError> {
        let mut files = BTreeMap::new();
        for entry in self.entries()? {
            // A name that isn't UTF-8 isn't ours; a file that is gone by now needs no stamp.
            let Some(name) = entry.file_name().to_str().filter(|name| name.ends_with(SUFFIX)).map(str::to_owned) else {
                continue;
            };
            let Ok(metadata) = entry.metadata() else { continue };
            files.insert(name, look(&metadata));
        }
        Ok(Stamp(files))
    }

    /// What an interrupted [`Gallery::add`] or [`Gallery::remove`] left of a person.
    fn leftovers(&self, reference: &Reference) -> io::Result<Vec<PathBuf>> {
        let beginning = format!("{}.", self.file_name(reference));
        let ours = |entry: &DirEntry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&beginning));
        Ok(self.entries()?.into_iter().filter(ours).map(|entry| entry.path()).collect())
    }

    fn entries(&self) -> io::Result<Vec<DirEntry>> {
        fs::read_dir(&self.folder)?.collect()
    }

    fn file_of(&self, reference: &Reference) -> PathBuf {
        self.folder.join(self.file_name(reference))
    }

    fn file_name(&self, reference: &Reference) -> String {
        let name: String = self.name(reference).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name}{SUFFIX}")
    }

    fn cover_what_is_open(&self) -> Result<(), GalleryError> {
        for name in self.stamp()?.0.keys() {
            let path = self.folder.join(name);
            // What is damaged is reported when everybody is read.
            let Ok(Some(bytes)) = read_file(&path) else { continue };
            let Ok(person) = decode_open(&bytes) else { continue };
            if name.strip_suffix(SUFFIX) == Some(person.reference.as_str()) {
                self.write(&self.file_of(&person.reference), &self.encode(&person)?)?;
                shred_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// One person's file; `None` if it is gone. A file that is removed while it is read is overwritten under the reader.
    fn read_settled(&self, file: &str) -> Result<Option<Person>, Fault> {
        loop {
            let before = self.look(file);
            let read = self.read(file);
            if read.is_ok() || before == self.look(file) {
                return read;
            }
        }
    }

    /// What a file looks like from outside.
    fn look(&self, file: &str) -> Option<Look> {
        fs::symlink_metadata(self.folder.join(file)).ok().as_ref().map(look)
    }

    fn read(&self, file: &str) -> Result<Option<Person>, Fault> {
        let name = name_in(file).ok_or(Fault::Misnamed)?;
        let Some(bytes) = read_file(&self.folder.join(file))? else { return Ok(None) };
        let (version, sealed) = bytes.split_first().ok_or(Fault::Damaged)?;
        if *version != VERSION {
            return Err(Fault::Version);
        }
        let body = self.cover.open(&name, sealed).ok_or(Fault::Damaged)?;
        let person = decode_body(&body)?;
        if self.cover.name(person.reference.as_str()) == name { Ok(Some(person)) } else { Err(Fault::Misnamed) }
    }

    fn encode(&self, person: &Person) -> Result<Vec<u8>, GalleryError> {
        let body = postcard::to_stdvec(person).expect("plain data encodes into memory");
        let sealed = self.cover.seal(&self.cover.name(person.reference.as_str()), &body).map_err(io::Error::other)?;
        Ok([&[VERSION], sealed.as_slice()].concat())
    }

    /// Where a file is on its way in or out.
    fn beside(&self, place: &Path) -> PathBuf {
        let mut beside = place.as_os_str().to_owned();
        beside.push(format!(".{}{TEMPORARY}", process::id()));
        beside.into()
    }

    fn write(&self, place: &Path, bytes: &[u8]) -> io::Result<()> {
        let beside = self.beside(place);
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, place)?;
        sync_folder(&self.folder)
    }
}

fn look(metadata: &fs::Metadata) -> Look {
    (metadata.len(), metadata.modified().ok(), file_number(metadata))
}

#[cfg(unix)]
fn file_number(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn file_number(_: &fs::Metadata) -> u64 {
    0
}

/// A rename is only durable once its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Other systems don't open folders as files; their file systems order renames themselves.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes a file after overwriting its bytes where they lie: as well as the disk allows.
fn shred_if_there(path: &Path) -> io::Result<bool> {
    let _ = File::options().write(true).open(path).and_then(|mut file| {
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(PERSON_BYTES_MAX);
        file.write_all(&vec![0; len])?;
        file.sync_all()
    });
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The name that a file's name spells.
fn name_in(file: &str) -> Option<[u8; 16]> {
    let digits = file.strip_suffix(SUFFIX)?;
    if digits.len() != 32 || digits.bytes().any(|digit| !matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    Some(u128::from_str_radix(digits, 16).ok()?.to_be_bytes())
}

/// A file's bytes; `None` if it is gone.
fn read_file(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A link may lead anywhere, and a pipe may never end.
        _ => return Err(Fault::Unreadable),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err(Fault::Unreadable),
    };
    let mut bytes = Vec::new();
    file.take(PERSON_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|_| Fault::Unreadable)?;
    if bytes.len() > PERSON_BYTES_MAX { Err(Fault::TooLong) } else { Ok(Some(bytes)) }
}

/// A file as older programs wrote it.
fn decode_open(bytes: &[u8]) -> Result<Person, Fault> {
    let (version, rest) = bytes.split_first().ok_or(Fault::Damaged)?;
    if *version != VERSION_OPEN {
        return Err(Fault::Version);
    }
    let (check, body) = rest.split_first_chunk::<CHECK_BYTES>().ok_or(Fault::Damaged)?;
    if u64::from_le_bytes(*check) != check_value(body) {
        return Err(Fault::Damaged);
    }
    decode_body(body)
}

fn decode_body(body: &[u8]) -> Result<Person, Fault> {
    let person: Person = postcard::from_bytes(body).map_err(|_| Fault::Damaged)?;
    if person.prints.len() > PRINTS_MAX { Err(Fault::TooLong) } else { Ok(person) }
}

/// FNV-1a with 64 bits: finds bits that a disk flipped, not those that somebody changed, who could write any file anyway.
fn check_value(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
