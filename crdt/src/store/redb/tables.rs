//! The redb side: the tables' names, a snapshot to read from, the writing of a layer, and what redb's errors mean.

use std::io;
use std::sync::Arc;

use ::redb::{
    AccessGuard, Database, Durability, Error, Range, ReadOnlyTable, ReadableDatabase, StorageError, TableDefinition,
    WriteTransaction,
};

use super::disk::Fault;
use super::layer::{Layer, Slot, Source};
use super::rows::{Rows, Span};
use super::swap::{Opened, Put};
use crate::store::{Direction, FORMAT, FORMAT_KEY, Row, StoreError, Table};

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

/// Which data key the rows are under. Read before there is a key, so it isn't among the tables of the store.
const KEY_NUMBER: TableDefinition<'static, Bytes, Bytes> = TableDefinition::new("data key");
/// The one row of it.
const NUMBER_KEY: &[u8] = b"number";
/// Rows copied between two looks at whether the disk still takes them.
const ROWS_BETWEEN_LOOKS: u64 = 1_024;

/// All tables as of one commit.
pub(super) struct Snapshot {
    tables: Vec<ReadOnlyTable<Bytes, Bytes>>,
    rows: Arc<Rows>,
    // Open and locked as long as anything reads from it: it goes last.
    _database: Arc<Database>,
}

impl Snapshot {
    /// The tables as of now.
    pub(super) fn new(opened: &Opened) -> Result<Self, StoreError> {
        let transaction = opened.database.begin_read().map_err(from_redb)?;
        let open = |table| transaction.open_table(definition(table)).map_err(from_redb);
        let tables = Table::ALL.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { tables, rows: Arc::clone(&opened.rows), _database: Arc::clone(&opened.database) })
    }

    /// The value at a key.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let placed = self.rows.key(table, key);
        let value = self.tables[table as usize].get(&*placed).map_err(from_redb)?;
        value.map(|value| Ok(self.rows.open(table, &placed, value.value())?.1)).transpose()
    }

    /// Rows with `from <= key < to`.
    pub(super) fn rows(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        direction: Direction,
    ) -> Result<Source<'_>, StoreError> {
        match self.rows.span(table, from, to) {
            Span::Sorted(start, end) if start < end => {
                let slots = self.range(table, &start, &end)?.map(move |row| self.slot(table, row));
                Ok(match direction {
                    Direction::Up => Box::new(slots),
                    Direction::Down => Box::new(slots.rev()),
                })
            }
            Span::Mixed(start, end) if start < end => {
                let slots = self.range(table, &start, &end)?.map(|row| self.slot(table, row));
                let within =
                    |slot: &Result<Slot, _>| slot.as_ref().map_or(true, |(key, _)| from <= &**key && &**key < to);
                let mut slots = slots.filter(within).collect::<Result<Vec<_>, _>>()?;
                slots.sort();
                Ok(match direction {
                    Direction::Up => Box::new(slots.into_iter().map(Ok)),
                    Direction::Down => Box::new(slots.into_iter().rev().map(Ok)),
                })
            }
            _ => Ok(Box::new(std::iter::empty())),
        }
    }

    /// All rows of a table, in any order.
    pub(super) fn all(&self, table: Table) -> Result<impl Iterator<Item = Result<Row, StoreError>> + '_, StoreError> {
        let rows: Range<'static, Bytes, Bytes> = self.tables[table as usize].range::<&[u8]>(..).map_err(from_redb)?;
        Ok(rows.map(move |row| self.slot(table, row).map(|(key, value)| (key, value.unwrap_or_default()))))
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Range<'static, Bytes, Bytes>, StoreError> {
        self.tables[table as usize].range(from..to).map_err(from_redb)
    }

    fn slot(&self, table: Table, row: Result<Guards<'_>, StorageError>) -> Result<Slot, StoreError> {
        let (key, value) = row.map_err(from_redb)?;
        let (key, value) = self.rows.open(table, key.value(), value.value())?;
        Ok((key, Some(value)))
    }
}

type Guards<'a> = (AccessGuard<'a, Bytes>, AccessGuard<'a, Bytes>);

/// Writes a layer in one durable transaction, with one fsync. After a crash redb walks the whole file to find its free pages,
/// which takes 0.15 s with 100,000 captures; to save them here would take a second fsync.
pub(super) fn write(opened: &Opened, layer: &Layer) -> Result<(), StoreError> {
    let (transaction, mut sealed) = (begin(&opened.database)?, Vec::new());
    for (table, written) in layer.written() {
        let mut open = transaction.open_table(definition(table)).map_err(from_redb)?;
        for (key, value) in written {
            let placed = opened.rows.key(table, key);
            match value {
                Some(value) => {
                    opened.rows.seal(table, key, &placed, value, &mut sealed);
                    open.insert(&*placed, sealed.as_slice()).map_err(from_redb)?
                }
                None => open.remove(&*placed).map_err(from_redb)?,
            };
        }
    }
    transaction.commit().map_err(from_redb)
}

/// Makes the tables of a new file and fills them, in one durable transaction.
pub(super) fn fill(
    database: &Database,
    rows: &Rows,
    number: &[u8],
    fault: &Fault,
    fill: impl FnOnce(&mut Put<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let transaction = begin(database)?;
    {
        let open = |table| transaction.open_table(definition(table)).map_err(from_redb);
        let mut tables = Table::ALL.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let (mut sealed, mut count) = (Vec::new(), 0_u64);
        fill(&mut |table, key, value| {
            let placed = rows.key(table, key);
            rows.seal(table, key, &placed, value, &mut sealed);
            tables[table as usize].insert(&*placed, sealed.as_slice()).map_err(from_redb)?;
            count += 1;
            // A disk that takes no more diverts what is written to memory.
            if count.is_multiple_of(ROWS_BETWEEN_LOOKS) { fault.failure().map_or(Ok(()), Err) } else { Ok(()) }
        })?;
        let format = FORMAT.to_be_bytes();
        tables[Table::Meta as usize].insert(FORMAT_KEY, format.as_slice()).map_err(from_redb)?;
        let mut numbers = transaction.open_table(KEY_NUMBER).map_err(from_redb)?;
        numbers.insert(NUMBER_KEY, number).map_err(from_redb)?;
    }
    transaction.commit().map_err(from_redb)
}

/// Hands over all rows of a file in the clear, as older programs wrote it.
pub(super) fn for_each_in_the_clear(database: &Database, put: &mut Put<'_>) -> Result<(), StoreError> {
    let transaction = database.begin_read().map_err(from_redb)?;
    for table in Table::ALL {
        let open = transaction.open_table(definition(table)).map_err(from_redb)?;
        for row in open.range::<&[u8]>(..).map_err(from_redb)? {
            let (key, value) = row.map_err(from_redb)?;
            // Read models have grown since: nothing was erased then.
            let grown: &[u8] = if table == Table::Captures { &[0] } else { &[] };
            put(table, key.value(), &[value.value(), grown].concat())?;
        }
    }
    Ok(())
}

/// Which format a file has.
pub(super) fn format(database: &Database) -> Result<u32, StoreError> {
    let unknown = || StoreError::Damaged("it doesn't say which format it has".to_owned());
    let transaction = database.begin_read().map_err(from_redb)?;
    let meta = transaction.open_table(definition(Table::Meta)).map_err(from_redb)?;
    let value = meta.get(FORMAT_KEY).map_err(from_redb)?.ok_or_else(unknown)?;
    value.value().try_into().map(u32::from_be_bytes).map_err(|_| unknown())
}

/// Which data key the rows of a file are under.
pub(super) fn key_number<const N: usize>(database: &Database) -> Result<[u8; N], StoreError> {
    let unknown = || StoreError::Damaged("it doesn't say under which key it is".to_owned());
    let transaction = database.begin_read().map_err(from_redb)?;
    let numbers = transaction.open_table(KEY_NUMBER).map_err(from_redb)?;
    let value = numbers.get(NUMBER_KEY).map_err(from_redb)?.ok_or_else(unknown)?;
    value.value().try_into().map_err(|_| unknown())
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
        Error::Io(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            StoreError::Damaged(error.to_string())
        }
        Error::Io(error) => from_io(&error),
        error @ (Error::PreviousIo | Error::Unsupported) => StoreError::Io(error.to_string()),
        error => StoreError::Damaged(error.to_string()),
    }
}
