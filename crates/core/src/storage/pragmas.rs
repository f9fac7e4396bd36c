//! Opening connections and setting their pragmas.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::CoreError;

/// The size of a page in bytes.
pub(crate) const PAGE_BYTES: u32 = 16 * 1024;

/// Opens a connection for writing; creates the file if it does not exist.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, CoreError> {
    // Without URIs, so that every path is taken literally.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

/// Sets the writer's pragmas, once the file is known to be ours.
pub(crate) fn set_up_writer(connection: &Connection) -> Result<(), CoreError> {
    connection.busy_timeout(Duration::from_millis(50))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864; \
         PRAGMA cache_size = -8192; PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; \
         PRAGMA temp_store = MEMORY; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON",
    )?;
    Ok(())
}

/// Opens a connection for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, CoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA foreign_keys = OFF; \
         PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY",
    )?;
    Ok(connection)
}

const STATEMENTS: usize = 64;
