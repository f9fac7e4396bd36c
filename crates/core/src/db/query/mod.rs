//! Read-only SQL queries.

mod expansion;
pub(crate) mod guard;
mod options;
mod stop;

use std::time::Instant;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql};

use crate::db::query::guard::{only_reads, refused};
pub use crate::db::query::options::QueryOptions;
use crate::db::query::stop::Stop;
use crate::storage::reader_pool::{MOST_QUERIES, ReaderPool};
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
    /// # Errors
    /// As [`VectrDB::query_with`], with the default options.
    pub fn query(&self, sql: &str, params: Vec<Value>) -> Result<Rows, CoreError> {
        self.query_with(sql, params, &QueryOptions::default())
    }

    /// As [`VectrDB::query`], within limits of the caller's. Four queries run at a time, further ones wait; other reads
    /// never wait for them. In memory everything takes turns.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` with SQLite's message for every other statement, and for parameters that do not fit; `ERR_LIMIT`
    /// for a result that is too large, `ERR_TIMEOUT`, `ERR_ABORTED` once cancelled; `ERR_BUSY` if no query ended for
    /// [`Config::busy_timeout`](crate::Config::busy_timeout) while it waited, if its snapshot kept the write-ahead log
    /// from being emptied ([`Config::log_limit`](crate::Config::log_limit)), or if other calls waited for it in memory
    /// and it had run for the busy timeout; `ERR_STORAGE`, `ERR_CLOSED`.
    pub fn query_with(
        &self,
        sql: &str,
        params: Vec<Value>,
        options: &QueryOptions,
    ) -> Result<Rows, CoreError> {
        self.check_open()?;
        self.inner.query_guard.check(sql)?;
        let mut stop = Stop::new(options, &self.inner.closed);
        if let Some(readers) = self.inner.access.readers() {
            let done = self.query_file(readers, stop, sql, &params, options);
            return done.map_err(|error| self.with_path(error));
        }
        let (sql, options) = (sql.to_owned(), options.clone());
        let (waiting, busy_timeout) = (self.check_writable()?.waiting(), self.inner.busy_timeout);
        self.call(JobKind::Autocommit, move |writer| {
            stop.shares(waiting, busy_timeout);
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
        let _following = self.inner.access.follow();
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

fn run(
    connection: &Connection,
    sql: &str,
    params: &[Value],
    options: &QueryOptions,
) -> Result<Rows, CoreError> {
    let mut statement = connection.prepare(sql).map_err(failed)?;
    only_reads(&statement)?;
    let names = (0..statement.column_count()).map(|at| statement.column_name(at).map(str::to_owned));
    let columns: Vec<String> = names.collect::<rusqlite::Result<_>>().map_err(failed)?;
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
