//! Read-only SQL queries.

pub(crate) mod guard;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql};

use crate::db::query::guard::{only_reads, refused};
use crate::storage::held_readers::End;
use crate::storage::reader_pool::{MOST_QUERIES, PROGRESS_STEPS, ReaderPool};
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// A value of SQLite.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A 64-bit float.
    Real(f64),
    /// Text; bytes that are no UTF-8 are replaced.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What a statement returned.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The values, in the order of columns.
    pub rows: Vec<Vec<Value>>,
}

impl VectrDB {
    /// Runs one read-only statement over the views `vectors`, `vector_changelog` and `shard_metadata`, or a harmless
    /// PRAGMA such as `integrity_check`. It sees what is committed. The whole result is held in memory: use LIMIT.
    ///
    /// Four queries run at a time, further ones wait; other reads never wait for them.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` with SQLite's message for every other statement, and for parameters that do not fit; `ERR_BUSY` if
    /// no query ended for [`Config::busy_timeout`](crate::Config::busy_timeout) while it waited, or if its snapshot kept
    /// the write-ahead log from being emptied ([`Config::log_limit`](crate::Config::log_limit)); `ERR_STORAGE`,
    /// `ERR_CLOSED`.
    pub fn query(&self, sql: &str, params: Vec<Value>) -> Result<Rows, CoreError> {
        self.check_open()?;
        self.inner.query_guard.check(sql)?;
        let stop = Stop { closed: Arc::clone(&self.inner.closed), end: End::default() };
        if let Some(readers) = &self.inner.readers {
            let done = self.query_file(readers, stop, sql, &params);
            return done.map_err(|error| self.with_path(error));
        }
        let sql = sql.to_owned();
        self.call(JobKind::Autocommit, move |writer| {
            stop.guard(&mut writer.connection.sqlite, |connection| run(connection, &sql, &params))
        })
    }

    fn query_file(
        &self,
        readers: &ReaderPool,
        mut stop: Stop,
        sql: &str,
        params: &[Value],
    ) -> Result<Rows, CoreError> {
        let busy_timeout = self.inner.busy_timeout;
        let (mut last, mut since) = (None, Instant::now());
        let waiting = stop.clone();
        let wait = move |ended: u64| {
            waiting.check()?;
            if last.replace(ended) != Some(ended) {
                since = Instant::now();
            }
            if since.elapsed() < busy_timeout {
                return Ok(());
            }
            let reason =
                format!("{MOST_QUERIES} queries have been running for {busy_timeout:?}: wait for one to end");
            Err(CoreError::Busy { what: "the database".into(), reason })
        };
        readers.with_query(wait, |reader| {
            let hold = readers.log.held.hold()?;
            stop.end = hold.outside_end();
            stop.check()?;
            stop.guard(&mut reader.connection, |connection| run(connection, sql, params))
        })
    }
}

/// When to stop a statement.
#[derive(Clone)]
struct Stop {
    closed: Arc<AtomicBool>,
    /// Of its snapshot.
    end: End,
}

impl Stop {
    /// Why to stop.
    fn check(&self) -> Result<(), CoreError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(CoreError::Closed);
        }
        self.end.check("the query", "read less at a time")
    }

    /// Runs `work`, and stops its statement when it must be.
    fn guard<T>(
        &self,
        connection: &mut Connection,
        work: impl FnOnce(&Connection) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        let stop = self.clone();
        connection.progress_handler(PROGRESS_STEPS, Some(move || stop.check().is_err()))?;
        let done = work(connection);
        connection.progress_handler(0, None::<fn() -> bool>)?;
        match done {
            Err(CoreError::Closed) => Err(self.check().err().unwrap_or(CoreError::Closed)),
            done => done,
        }
    }
}

fn run(connection: &Connection, sql: &str, params: &[Value]) -> Result<Rows, CoreError> {
    let mut statement = connection.prepare(sql).map_err(failed)?;
    only_reads(&statement)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query(rusqlite::params_from_iter(params)).map_err(failed)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        let values = (0..columns.len()).map(|at| Ok(row.get_ref(at)?.into()));
        rows.push(values.collect::<Result<_, rusqlite::Error>>()?);
    }
    Ok(Rows { columns, rows })
}

/// Most failures are the fault of the statement.
fn failed(error: rusqlite::Error) -> CoreError {
    match error.sqlite_error_code() {
        // Whoever ran it knows why.
        Some(ErrorCode::OperationInterrupted) => CoreError::Closed,
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::NotADatabase,
        ) => error.into(),
        _ => refused(error.to_string()),
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_owned()),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
