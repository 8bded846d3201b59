//! The file of tables and the data key that goes with it: opened together, made together, replaced together.
//!
//! ```text
//! store.redb          rows under a data key, whose number stands in the file
//! data.key            that number, and the data key wrapped under the store's key
//! store.redb.new, data.key.new      their successors, while they are being made
//! store.redb.old      rows in the clear, as older programs wrote them, until they are overwritten
//! ```
//!
//! To replace them: write and sync `data.key.new`; fill, commit and sync `store.redb.new`; rename it over `store.redb`, which
//! is the moment at which everything changes; overwrite `data.key` where it lies and remove it; rename `data.key.new`. Whenever
//! the power goes, the number in `store.redb` tells which of the two keys goes with it, and the other one is destroyed.

use std::sync::Arc;

use ::redb::Database;

use super::disk::{Disk, Fault};
use super::files::Files;
use super::rows::Rows;
use super::tables::{self, Snapshot};
use super::{CACHE_BYTES, contained};
use crate::seal::Seed;
use crate::store::{FORMAT, StoreError, Table};
use crate::vault::{NONCE_BYTES, Nonce, OVERHEAD_BYTES, VaultKey};

/// The file of the tables.
pub(super) const FILE: &str = "store.redb";
const NEW_FILE: &str = "store.redb.new";
const OLD_FILE: &str = "store.redb.old";
const KEY_FILE: &str = "data.key";
const NEW_KEY_FILE: &str = "data.key.new";

/// The last format with rows in the clear.
const FORMAT_IN_THE_CLEAR: u32 = 1;
const KEY_VERSION: u8 = 1;
const NUMBER_BYTES: usize = 16;
const KEY_BYTES: usize = 1 + NUMBER_BYTES + size_of::<Seed>() + OVERHEAD_BYTES;

/// Tells a data key from others; random.
type Number = [u8; NUMBER_BYTES];

/// A file of tables that is open, and how its rows are read and written.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) database: Arc<Database>,
    pub(super) rows: Arc<Rows>,
    pub(super) fault: Arc<Fault>,
}

/// Opens the tables, making them if there are none, and finishes what a power cut interrupted. What an older program wrote in
/// the clear is encrypted.
pub(super) fn open(files: &dyn Files, key: &VaultKey) -> Result<Opened, StoreError> {
    match files.len(FILE).map_err(|error| tables::from_io(&error))? {
        None => {
            let made = prepare(files, key, |_| Ok(()))?;
            switch(files)?;
            return Ok(made);
        }
        // redb would make an empty store of it, and what was in it would be lost without a word.
        Some(0) => return Err(StoreError::Damaged("its file is empty".to_owned())),
        Some(_) => {}
    }
    let (database, fault) = database(files, FILE, false)?;
    match contained(|| tables::format(&database))? {
        FORMAT => {
            let number = contained(|| tables::key_number(&database))?;
            let data_key = data_key(files, key, &number)?;
            Ok(Opened { database: Arc::new(database), rows: rows(&data_key)?, fault })
        }
        FORMAT_IN_THE_CLEAR => encrypt(files, key, database),
        found => Err(StoreError::Version { found, expected: FORMAT }),
    }
}

/// Copies all rows into a new file under a new data key, and destroys the old key. An error in `Ok` left everything as it
/// was; one in `Err` is the end of writing.
pub(super) fn scrub(
    files: &dyn Files,
    key: &VaultKey,
    snapshot: &Snapshot,
) -> Result<Result<Opened, StoreError>, StoreError> {
    let copied = prepare(files, key, |put| {
        for table in Table::ALL {
            for row in snapshot.all(table)? {
                let (key, value) = row?;
                put(table, &key, &value)?;
            }
        }
        Ok(())
    });
    match copied {
        Ok(opened) => switch(files).map(|()| Ok(opened)),
        Err(error) => {
            discard(files);
            Ok(Err(error))
        }
    }
}

/// Encrypts a store of the format before, and overwrites what it was.
fn encrypt(files: &dyn Files, key: &VaultKey, database: Database) -> Result<Opened, StoreError> {
    let opened = prepare(files, key, |put| tables::for_each_in_the_clear(&database, put));
    let opened = opened.inspect_err(|_| discard(files))?;
    // Without a second name the old file's bytes can't be overwritten any more; the rows are encrypted all the same.
    let _ = files.link(FILE, OLD_FILE);
    switch(files)?;
    // redb writes once more when it closes a file.
    drop(database);
    let _ = files.shred(OLD_FILE);
    Ok(opened)
}

/// What takes in a row.
pub(super) type Put<'a> = dyn FnMut(Table, &[u8], &[u8]) -> Result<(), StoreError> + 'a;

/// Makes the successors of both files, synced.
fn prepare(
    files: &dyn Files,
    key: &VaultKey,
    fill: impl FnOnce(&mut Put<'_>) -> Result<(), StoreError>,
) -> Result<Opened, StoreError> {
    let io = |error| tables::from_io(&error);
    let (number, data_key): (Number, _) = (random()?, VaultKey::new(random()?));
    files.write(NEW_KEY_FILE, &wrap(key, &number, &data_key, &random()?)).map_err(io)?;
    let (database, fault) = database(files, NEW_FILE, true)?;
    let rows = rows(&data_key)?;
    contained(|| tables::fill(&database, &rows, &number, &fault, fill))?;
    fault.failure().map_or(Ok(()), Err)?;
    files.sync().map_err(io)?;
    Ok(Opened { database: Arc::new(database), rows, fault })
}

/// Puts the successors in place and destroys the key before them.
fn switch(files: &dyn Files) -> Result<(), StoreError> {
    let switched = files.rename(NEW_FILE, FILE).and_then(|()| files.sync()).and_then(|()| take_over(files));
    switched.map_err(|error| tables::from_io(&error))
}

fn take_over(files: &dyn Files) -> std::io::Result<()> {
    files.shred(KEY_FILE)?;
    files.rename(NEW_KEY_FILE, KEY_FILE)?;
    files.sync()
}

/// Removes successors that never came to be. What is left by it is removed at the next opening.
fn discard(files: &dyn Files) {
    let _ = files.shred(NEW_KEY_FILE);
    let _ = files.remove(NEW_FILE);
}

/// The key that goes with a file; what a power cut interrupted is finished.
fn data_key(files: &dyn Files, key: &VaultKey, number: &Number) -> Result<VaultKey, StoreError> {
    let read = |name| files.read(name).map_err(|error| tables::from_io(&error));
    let (current, new) = (read(KEY_FILE)?, read(NEW_KEY_FILE)?);
    let is_of =
        |bytes: &Option<Vec<u8>>| bytes.as_ref().is_some_and(|bytes| bytes.get(1..=NUMBER_BYTES) == Some(number));
    let found = if is_of(&current) {
        discard(files);
        current
    } else if is_of(&new) {
        take_over(files).map_err(|error| tables::from_io(&error))?;
        new
    } else {
        None
    };
    // Of a store that was in the clear: the encrypted one is in place.
    let _ = files.shred(OLD_FILE);
    unwrap(key, &found.ok_or(StoreError::Key)?).ok_or(StoreError::Key)
}

fn wrap(key: &VaultKey, number: &Number, data_key: &VaultKey, nonce: &Nonce) -> Vec<u8> {
    let head = [&[KEY_VERSION], number.as_slice()].concat();
    let sealed = key.seal(&head, data_key.reveal(), nonce);
    [head, sealed].concat()
}

fn unwrap(key: &VaultKey, bytes: &[u8]) -> Option<VaultKey> {
    let (head, sealed) = bytes.split_at_checked(1 + NUMBER_BYTES)?;
    if bytes.len() != KEY_BYTES || head[0] != KEY_VERSION {
        return None;
    }
    let plain = key.open(head, sealed).ok()?;
    Some(VaultKey::new(plain.as_slice().try_into().ok()?))
}

fn database(files: &dyn Files, name: &str, fresh: bool) -> Result<(Database, Arc<Fault>), StoreError> {
    let fault = Arc::new(Fault::default());
    let disk = Disk::new(files.tables(name, fresh)?, Arc::clone(&fault));
    let database = contained(|| {
        Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(disk).map_err(tables::from_redb)
    })?;
    Ok((database, fault))
}

fn rows(data_key: &VaultKey) -> Result<Arc<Rows>, StoreError> {
    Ok(Arc::new(Rows::new(data_key, random()?)))
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Io(error.to_string()))?;
    Ok(bytes)
}

const _: () = assert!(KEY_BYTES == 89 && NONCE_BYTES == 24, "as docs/FORMATS.md says");
