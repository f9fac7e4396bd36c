//! Read-only SQL queries.

pub(crate) mod guard;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::limits::Limit;
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

/// What a query may take.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueryOptions {
    /// The time in which it must end, with the time that it waits for its turn. Default: none.
    pub timeout: Option<Duration>,
    /// The most rows that it may return. Default: a million.
    pub max_rows: usize,
    /// The most bytes that the values it returns may take, 16 for each beside its text or blob. Default: 256 MiB.
    pub max_bytes: usize,
    /// Set it from another thread to cancel the query.
    pub cancel: Arc<AtomicBool>,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self { timeout: None, max_rows: 1_000_000, max_bytes: 256 << 20, cancel: Arc::default() }
    }
}

impl QueryOptions {
    /// Sets the time in which the query must end.
    pub const fn timeout(&mut self, timeout: Duration) -> &mut Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the most rows.
    pub const fn max_rows(&mut self, max_rows: usize) -> &mut Self {
        self.max_rows = max_rows;
        self
    }

    /// Sets the most bytes.
    pub const fn max_bytes(&mut self, max_bytes: usize) -> &mut Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Sets the flag that cancels the query from another thread.
    pub fn cancel(&mut self, cancel: Arc<AtomicBool>) -> &mut Self {
        self.cancel = cancel;
        self
    }
}

impl VectrDB {
    /// Runs one read-only statement over the views `vectors`, `vector_changelog` and `shard_metadata`, or a harmless
    /// PRAGMA such as `integrity_check`. It sees what is committed. The whole result is held in memory: use LIMIT.
    ///
    /// # Errors
    /// As [`VectrDB::query_with`], with the default options.
    pub fn query(&self, sql: &str, params: Vec<Value>) -> Result<Rows, CoreError> {
        self.query_with(sql, params, &QueryOptions::default())
    }

    /// As [`VectrDB::query`], within limits of the caller's. Four queries run at a time, further ones wait; other reads
    /// never wait for them.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` with SQLite's message for every other statement, and for parameters that do not fit; `ERR_LIMIT`
    /// for a result that is too large, `ERR_TIMEOUT`, `ERR_ABORTED` once cancelled; `ERR_BUSY` if no query ended for
    /// [`Config::busy_timeout`](crate::Config::busy_timeout) while it waited, or if its snapshot kept the write-ahead
    /// log from being emptied ([`Config::log_limit`](crate::Config::log_limit)); `ERR_STORAGE`, `ERR_CLOSED`.
    pub fn query_with(
        &self,
        sql: &str,
        params: Vec<Value>,
        options: &QueryOptions,
    ) -> Result<Rows, CoreError> {
        self.check_open()?;
        self.inner.query_guard.check(sql)?;
        let stop = Stop::new(options, &self.inner.closed);
        if let Some(readers) = &self.inner.readers {
            let done = self.query_file(readers, stop, sql, &params, options);
            return done.map_err(|error| self.with_path(error));
        }
        let (sql, options) = (sql.to_owned(), options.clone());
        self.call(JobKind::Autocommit, move |writer| {
            stop.check()?;
            stop.guard(&mut writer.connection.sqlite, |connection| run(connection, &sql, &params, &options))
        })
    }

    fn query_file(
        &self,
        readers: &ReaderPool,
        mut stop: Stop,
        sql: &str,
        params: &[Value],
        options: &QueryOptions,
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
            let reason = format!(
                "{MOST_QUERIES} queries have been running for {busy_timeout:?}: cancel one, or give them a time limit"
            );
            Err(CoreError::Busy { what: "the database".into(), reason })
        };
        readers.with_query(wait, |reader| {
            let hold = readers.log.held.hold()?;
            stop.end = hold.outside_end();
            stop.check()?;
            stop.guard(&mut reader.connection, |connection| run(connection, sql, params, options))
        })
    }
}

/// When to stop a statement.
#[derive(Clone)]
struct Stop {
    allowed: Option<Duration>,
    deadline: Option<Instant>,
    cancel: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
    /// Of its snapshot.
    end: End,
    /// The most bytes of a value.
    longest_value: i32,
}

impl Stop {
    fn new(options: &QueryOptions, closed: &Arc<AtomicBool>) -> Self {
        Self {
            allowed: options.timeout,
            // A time that no clock can show is none.
            deadline: options.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            cancel: Arc::clone(&options.cancel),
            closed: Arc::clone(closed),
            end: End::default(),
            longest_value: i32::try_from(options.max_bytes.max(SHORTEST_LIMIT)).unwrap_or(i32::MAX),
        }
    }

    /// Why to stop.
    fn check(&self) -> Result<(), CoreError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(CoreError::Closed);
        }
        if self.cancel.load(Ordering::Relaxed) {
            return Err(CoreError::Aborted);
        }
        self.end.check("the query", "read less at a time")?;
        match (self.deadline, self.allowed) {
            (Some(deadline), Some(allowed)) if Instant::now() >= deadline => {
                Err(CoreError::QueryTimeout { allowed })
            }
            _ => Ok(()),
        }
    }

    /// Runs `work`, and stops its statement when it must be.
    fn guard<T>(
        &self,
        connection: &mut Connection,
        work: impl FnOnce(&Connection) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        let stop = self.clone();
        connection.progress_handler(PROGRESS_STEPS, Some(move || stop.check().is_err()))?;
        // Functions make values of up to a gigabyte between two checks.
        let longest = connection.limit(Limit::SQLITE_LIMIT_LENGTH)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest.min(self.longest_value))?;
        let done = work(connection);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest)?;
        connection.progress_handler(0, None::<fn() -> bool>)?;
        match done {
            Err(CoreError::Closed) => Err(self.check().err().unwrap_or(CoreError::Closed)),
            done => done,
        }
    }
}

fn run(
    connection: &Connection,
    sql: &str,
    params: &[Value],
    options: &QueryOptions,
) -> Result<Rows, CoreError> {
    let mut statement = connection.prepare(sql).map_err(failed)?;
    only_reads(&statement)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query(rusqlite::params_from_iter(params)).map_err(failed)?;
    let (mut rows, mut bytes) = (Vec::new(), 0_usize);
    while let Some(row) = found.next().map_err(failed)? {
        if rows.len() == options.max_rows {
            return Err(CoreError::QuerySize { limit: format!("{} rows", options.max_rows) });
        }
        let mut values = Vec::with_capacity(columns.len());
        for at in 0..columns.len() {
            let value = row.get_ref(at)?;
            bytes = bytes.saturating_add(size_of_value(value));
            if bytes > options.max_bytes {
                return Err(CoreError::QuerySize { limit: format!("{} bytes", options.max_bytes) });
            }
            values.push(value.into());
        }
        rows.push(values);
    }
    Ok(Rows { columns, rows })
}

fn size_of_value(value: ValueRef<'_>) -> usize {
    16 + match value {
        ValueRef::Text(content) | ValueRef::Blob(content) => content.len(),
        _ => 0,
    }
}

/// SQLite reads its schema within the limit too.
const SHORTEST_LIMIT: usize = 1 << 20;

/// Most failures are the fault of the statement.
fn failed(error: rusqlite::Error) -> CoreError {
    match error.sqlite_error_code() {
        // Whoever ran it knows why.
        Some(ErrorCode::OperationInterrupted) => CoreError::Closed,
        Some(ErrorCode::TooBig) => CoreError::QuerySize { limit: "the bytes that a value may have".into() },
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
