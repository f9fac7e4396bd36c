//! Recognizing database files, and migrating them to the current schema.

use std::path::Path;

use rusqlite::Connection;
use vectr_delta::{ChangelogId, ShardId};

use crate::CoreError;
use crate::file::header::Header;
use crate::file::location::log_of;
use crate::file::quiet_reader::QuietReader;
use crate::random::random_number;

/// Checks the header of a file. Enough to leave a foreign file alone; the log beside it may have newer pages.
pub(crate) fn check_header(path: &Path) -> Result<(), CoreError> {
    match Header::read(path)? {
        // This process has the file open, and so it was checked.
        None | Some(Header::Empty | Header::Sqlite { user_version: 0, application_id: 0 }) => Ok(()),
        Some(Header::Foreign) => {
            Err(CoreError::NoFile { path: path.to_owned(), what: "not a SQLite database" })
        }
        Some(Header::Sqlite { user_version, application_id }) => {
            check_version(application_id, user_version, path)
        }
    }
}

/// Whether the file's header names this program. If it names none yet, the log beside it may.
pub(crate) fn is_ours(path: &Path) -> Result<bool, CoreError> {
    match Header::read(path)? {
        None => Ok(true),
        Some(Header::Empty | Header::Foreign) => Ok(false),
        Some(Header::Sqlite { user_version: 0, application_id: 0 }) => {
            if !log_of(path).exists() {
                return Ok(false);
            }
            let reader = QuietReader::open(path, false)?;
            let named: i32 =
                reader.connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
            Ok(named == APPLICATION_ID)
        }
        Some(Header::Sqlite { application_id, .. }) => Ok(application_id == APPLICATION_ID),
    }
}

/// The schema version of the open file; 0 for a new one.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<i32, CoreError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let (version, application) = (number("user_version")?, number("application_id")?);
    if application == 0 && version == 0 {
        let objects: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if objects == 0 {
            return Ok(0);
        }
    }
    check_version(application, version, path).map(|()| version)
}

/// Refuses a file that this build cannot read as it is.
pub(crate) fn check_readable(connection: &Connection, path: &Path) -> Result<(), CoreError> {
    let mut statement = connection.prepare_cached("PRAGMA user_version")?;
    let version: i32 = statement.query_row([], |row| row.get(0))?;
    if is_current(version) {
        return Ok(());
    }
    let version = check(connection, path)?;
    if version == 0 {
        return Err(CoreError::NoFile { path: path.to_owned(), what: "empty" });
    }
    let reason = format!(
        "its schema has version {version} and must be brought to version {}: open it once for writing",
        MIGRATIONS.len()
    );
    Err(CoreError::Schema { path: path.to_owned(), reason })
}

/// Whether the file has all migrations.
pub(crate) fn is_current(version: i32) -> bool {
    usize::try_from(version) == Ok(MIGRATIONS.len())
}

/// Runs the migrations that the file is missing, each in its own transaction.
pub(crate) fn migrate(connection: &Connection) -> Result<(), CoreError> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, sql) in (1..).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        let step = format!(
            "BEGIN IMMEDIATE;\n{sql}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT"
        );
        if let Err(error) = connection.execute_batch(&step) {
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
            return Err(error.into());
        }
    }
    Ok(())
}

/// Writes the counters of a new file. Its first site is taken when it is opened, because nothing proves this one.
pub(crate) fn write_counters(connection: &Connection, shard: &ShardId) -> Result<(), CoreError> {
    let nobody = format!("{:016x}", 0);
    let changelog = ChangelogId::new(random_number()?).to_string();
    connection.execute(
        "INSERT INTO counter (one, site, changelog, shard) VALUES (1, ?1, ?2, ?3)",
        (nobody, changelog, shard.as_str()),
    )?;
    Ok(())
}

fn check_version(application: i32, version: i32, path: &Path) -> Result<(), CoreError> {
    let refuse = |reason: String| Err(CoreError::Schema { path: path.to_owned(), reason });
    if application != APPLICATION_ID {
        return refuse("it is the SQLite database of another program: give another path".into());
    }
    let newest = MIGRATIONS.len();
    if usize::try_from(version).map_or(true, |version| version > newest) {
        return refuse(format!(
            "its schema has version {version}, and this build knows versions up to {newest}: use the newer build that wrote it"
        ));
    }
    Ok(())
}

/// "vctr".
const APPLICATION_ID: i32 = 0x7663_7472;

const MIGRATIONS: [&str; 10] = [
    include_str!("migrations/0001_shards.sql"),
    include_str!("migrations/0002_conflicts.sql"),
    include_str!("migrations/0003_peers.sql"),
    include_str!("migrations/0004_readable_metadata.sql"),
    include_str!("migrations/0005_lives.sql"),
    include_str!("migrations/0006_alterations.sql"),
    include_str!("migrations/0007_version_entries.sql"),
    include_str!("migrations/0008_held_rows.sql"),
    include_str!("migrations/0009_replaced_rows.sql"),
    include_str!("migrations/0010_held_revisions.sql"),
];
