//! Opening connections and setting their pragmas.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::CoreError;

/// The size of a page in bytes.
pub(crate) const PAGE_BYTES: u32 = 16 * 1024;

/// Opens a connection for writing; creates the file if it does not exist.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, CoreError> {
    // Without URIs, so that every path is taken literally.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // SQLite's own checkpoint on closing would empty a log whose pages may not be in the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Sets the writer's pragmas, once the file is known to be ours.
pub(crate) fn set_up_writer(connection: &Connection) -> Result<(), CoreError> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // The triggers note what other programs alter. While they run for this one, SQLite keeps a journal of each statement:
    // a page is copied for each row, and applying 10,000 rows takes 2.4 times as long.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864; \
         PRAGMA cache_size = -8192; PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; \
         PRAGMA temp_store = MEMORY; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON",
    )?;
    Ok(())
}

/// Opens a connection for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, CoreError> {
    set_up_reader(Connection::open_with_flags(path, READING)?)
}

/// Opens a connection for reading a file that nobody writes meanwhile, as it is without its log: takes no locks and
/// creates nothing.
pub(crate) fn open_immutable(path: &Path) -> Result<Connection, CoreError> {
    let uri = format!("file:{}?immutable=1", encoded(path));
    set_up_reader(Connection::open_with_flags(uri, READING | OpenFlags::SQLITE_OPEN_URI)?)
}

/// Opens a connection for reading a file beside which its log and the index of that lie, and writes to neither. If nobody
/// has the file open, SQLite makes an index of its own in memory, and takes no locks that keep writers out. See
/// <https://www.sqlite.org/wal.html#readonly>.
pub(crate) fn open_with_index_as_it_is(path: &Path) -> Result<Connection, CoreError> {
    let uri = format!("file:{}?readonly_shm=1", encoded(path));
    let connection = Connection::open_with_flags(uri, READING | OpenFlags::SQLITE_OPEN_URI)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    set_up_reader(connection)
}

/// Opens a connection for reading a file and its log that nobody writes meanwhile: takes no locks, and keeps the index of
/// the log in memory. See <https://www.sqlite.org/wal.html#noshm>.
pub(crate) fn open_with_private_index(path: &Path) -> Result<Connection, CoreError> {
    let connection = Connection::open_with_flags_and_vfs(path, READING, "unix-none")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    set_up_reader(connection)
}

fn set_up_reader(connection: Connection) -> Result<Connection, CoreError> {
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA foreign_keys = OFF; \
         PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY",
    )?;
    Ok(connection)
}

/// The path in a URI: everything but letters, digits and slashes by its number.
fn encoded(path: &Path) -> String {
    let encode = |byte: &u8| match byte {
        b'/' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.as_os_str().as_encoded_bytes().iter().map(encode).collect()
}

const READING: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
const STATEMENTS: usize = 64;
/// How long the writer waits for what others lock for a moment.
pub(crate) const BUSY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::schema;

    // With triggers SQLite kept a journal of each statement: applying rows took 2.4 times as long.
    #[test]
    fn no_statement_of_the_writer_runs_a_trigger() {
        let connection = Connection::open_in_memory().unwrap();
        set_up_writer(&connection).unwrap();
        schema::migrate(&connection).unwrap();
        let triggers = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'";
        assert!(connection.query_row(triggers, [], |row| row.get::<_, i64>(0)).unwrap() > 0);
        for sql in
            ["DELETE FROM row", "UPDATE row SET vector = NULL", "DELETE FROM sibling", "DELETE FROM altered"]
        {
            let mut program = connection.prepare(&format!("EXPLAIN {sql} WHERE rowid > 0")).unwrap();
            let opcodes = program.query_map([], |row| row.get::<_, String>(1)).unwrap();
            assert!(!opcodes.map(Result::unwrap).any(|opcode| opcode == "Program"), "{sql}");
        }
    }
}
