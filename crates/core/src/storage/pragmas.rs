//! How connections are set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::CoreError;

/// The bytes of a page.
pub(crate) const PAGE_BYTES: u32 = 16 * 1024;

/// For writing; makes the file where there is none.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, CoreError> {
    // Without URIs, so that every path means a file of that name.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

/// What holds for the writer, once it is clear that the file is ours.
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

/// For reading only.
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
