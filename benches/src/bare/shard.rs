use std::path::Path;

use bytes::Bytes;
use rusqlite::Connection;

use super::checkpoint::Checkpointer;
use super::piece;
use crate::BenchError;

/// One side's file, open for writing.
pub struct BareShard {
    connection: Connection,
    checkpointer: Checkpointer,
}

/// The same file, open for reading.
pub(super) struct BareReader(Connection);

impl BareShard {
    /// Makes the file.
    ///
    /// # Errors
    /// Where it exists, or cannot be made.
    pub fn open(path: &Path) -> Result<Self, BenchError> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA page_size = 16384;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA cache_size = -8192;
             CREATE TABLE row (n INTEGER PRIMARY KEY, id TEXT NOT NULL, vector BLOB NOT NULL);
             CREATE TABLE barrier (count INTEGER NOT NULL);
             INSERT INTO barrier VALUES (0);",
        )?;
        Ok(Self { connection, checkpointer: Checkpointer::start(path)? })
    }

    /// Writes rows in one transaction.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn insert<'r>(&mut self, rows: impl Iterator<Item = (&'r str, &'r [u8])>) -> Result<(), BenchError> {
        let transaction = self.connection.transaction()?;
        let mut bytes = 0;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO row (id, vector) VALUES (?1, ?2)")?;
            for (id, vector) in rows {
                insert.execute((id, vector))?;
                bytes += id.len() + vector.len();
            }
        }
        transaction.commit()?;
        self.checkpointer.note_written(bytes.max(PAGE));
        Ok(())
    }

    /// Writes rows that nobody asked for, until the log is as long as it ever gets, and has it start over: commits then
    /// overwrite it, which is quicker than to lengthen it.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn warm_up(&mut self) -> Result<(), BenchError> {
        for _ in 0..LOG_PAGES {
            self.insert(std::iter::once(("warm-up", [0; 64].as_slice())))?;
        }
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", (), |_| Ok(()))?)
    }

    /// Writes one row in a transaction that survives a power cut once this returns.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn insert_durably(&mut self, id: &str, vector: &[u8]) -> Result<(), BenchError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let inserted = self.insert(std::iter::once((id, vector)));
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        inserted
    }

    /// Writes what [`piece::encode`] made, in one transaction.
    pub(super) fn insert_piece(&mut self, piece: &Bytes) -> Result<(), BenchError> {
        self.insert(piece::rows(piece))
    }

    /// Everything committed survives a power cut afterwards.
    pub(super) fn barrier(&self) -> Result<(), BenchError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        self.connection.prepare_cached("UPDATE barrier SET count = count + 1")?.execute(())?;
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(())
    }
}

impl BareReader {
    pub(super) fn open(path: &Path) -> Result<Self, BenchError> {
        let connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA cache_size = -4096; PRAGMA query_only = ON;")?;
        Ok(Self(connection))
    }

    pub(super) fn count(&self) -> Result<i64, BenchError> {
        Ok(self.0.query_row("SELECT count(*) FROM row", (), |row| row.get(0))?)
    }

    /// About 256 KiB of rows after row `after`, in one read transaction, with the number of the last; `None` where
    /// there are none.
    pub(super) fn piece(&self, after: i64) -> Result<Option<(i64, Bytes)>, BenchError> {
        let mut select = self.0.prepare_cached("SELECT n, id, vector FROM row WHERE n > ?1 ORDER BY n")?;
        let mut rows = select.query((after,))?;
        let (mut last, mut buffer) = (after, piece::buffer());
        while buffer.len() < piece::SIZE
            && let Some(row) = rows.next()?
        {
            last = row.get(0)?;
            piece::encode(&mut buffer, row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_blob()?);
        }
        Ok((last > after).then(|| (last, piece::seal(buffer))))
    }
}

const PAGE: usize = 16 * 1024;
/// Twice the pages at which a checkpoint is due.
const LOG_PAGES: usize = 2_000;
