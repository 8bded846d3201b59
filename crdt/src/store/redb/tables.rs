//! The redb side: the tables' names, a snapshot to read from, the writing of a layer, and what redb's errors mean.

use std::io;

use ::redb::{
    AccessGuard, Database, Durability, Error, Range, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, WriteTransaction,
};

use super::layer::{Layer, Slot, Source};
use crate::store::{Direction, FORMAT, FORMAT_KEY, StoreError, Table};

type Bytes = &'static [u8];

/// A table's name in the file. Names outlive the order of the enum.
const fn definition(table: Table) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(match table {
        Table::Entries => "entries",
        Table::Runs => "runs",
        Table::Captures => "captures",
        Table::Order => "order",
        Table::About => "about",
        Table::Quarantine => "quarantine",
        Table::Blobs => "blobs",
        Table::Meta => "meta",
    })
}

/// All tables as of one commit.
pub(super) struct Snapshot {
    tables: Vec<ReadOnlyTable<Bytes, Bytes>>,
}

impl Snapshot {
    /// The tables as of now.
    pub(super) fn new(database: &Database) -> Result<Self, StoreError> {
        let transaction = database.begin_read().map_err(from_redb)?;
        let open = |table| transaction.open_table(definition(table)).map_err(from_redb);
        let tables = Table::ALL.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { tables })
    }

    /// The value at a key.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.tables[table as usize].get(key).map_err(from_redb)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    /// Rows with `from <= key < to`.
    pub(super) fn rows(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        direction: Direction,
    ) -> Result<Source<'_>, StoreError> {
        let range: Range<'static, Bytes, Bytes> = self.tables[table as usize].range(from..to).map_err(from_redb)?;
        Ok(match direction {
            Direction::Up => Box::new(range.map(slot)),
            Direction::Down => Box::new(range.rev().map(slot)),
        })
    }
}

type Guards<'a> = (AccessGuard<'a, Bytes>, AccessGuard<'a, Bytes>);

fn slot(row: Result<Guards<'_>, StorageError>) -> Result<Slot, StoreError> {
    let (key, value) = row.map_err(from_redb)?;
    Ok((key.value().to_vec(), Some(value.value().to_vec())))
}

/// Writes a layer in one durable transaction, with one fsync. After a crash redb walks the whole file to find its free pages,
/// which takes 0.15 s with 100,000 captures; to save them here would take a second fsync.
pub(super) fn write(database: &Database, layer: &Layer) -> Result<(), StoreError> {
    let transaction = begin(database)?;
    for (table, rows) in layer.written() {
        let mut table = transaction.open_table(definition(table)).map_err(from_redb)?;
        for (key, value) in rows {
            match value {
                Some(value) => table.insert(key.as_slice(), value.as_slice()).map_err(from_redb)?,
                None => table.remove(key.as_slice()).map_err(from_redb)?,
            };
        }
    }
    transaction.commit().map_err(from_redb)
}

/// Makes the tables of a new file; refuses a file of another format.
pub(super) fn check_format(database: &Database) -> Result<(), StoreError> {
    let transaction = begin(database)?;
    if transaction.list_tables().map_err(from_redb)?.next().is_none() {
        return create(transaction);
    }
    let found = {
        let meta = transaction.open_table(definition(Table::Meta)).map_err(from_redb)?;
        let value = meta.get(FORMAT_KEY).map_err(from_redb)?;
        value.and_then(|value| value.value().try_into().ok()).map(u32::from_be_bytes)
    };
    transaction.abort().map_err(from_redb)?;
    match found {
        Some(FORMAT) => Ok(()),
        Some(found) => Err(StoreError::Version { found, expected: FORMAT }),
        None => Err(StoreError::Damaged("it doesn't say which format it has".to_owned())),
    }
}

fn create(transaction: WriteTransaction) -> Result<(), StoreError> {
    for table in Table::ALL {
        transaction.open_table(definition(table)).map_err(from_redb)?;
    }
    {
        let mut meta = transaction.open_table(definition(Table::Meta)).map_err(from_redb)?;
        meta.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice()).map_err(from_redb)?;
    }
    transaction.commit().map_err(from_redb)
}

fn begin(database: &Database) -> Result<WriteTransaction, StoreError> {
    let mut transaction = database.begin_write().map_err(from_redb)?;
    transaction.set_durability(Durability::Immediate).map_err(from_redb)?;
    Ok(transaction)
}

/// What an error of the operating system means.
pub(super) fn from_io(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => StoreError::Full,
        _ => StoreError::Io(error.to_string()),
    }
}

/// What an error of redb means. Damage is told apart, since trying again doesn't help there.
pub(super) fn from_redb(error: impl Into<Error>) -> StoreError {
    match error.into() {
        Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => StoreError::InUse,
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => StoreError::Damaged(error.to_string()),
        Error::Io(error) => from_io(&error),
        error @ (Error::PreviousIo | Error::Unsupported) => StoreError::Io(error.to_string()),
        error => StoreError::Damaged(error.to_string()),
    }
}
