use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use napi::bindgen_prelude::{BigInt, Either5, Null, Uint8Array};
use napi_derive::napi;
use vectr_core::{QueryOptions, Rows, Value};
use vectr_delta::MAX_SAFE_INTEGER;

use crate::parts::Parts;

/// A value of SQLite. Integers that a number cannot hold are bigints.
pub(crate) type Cell = Either5<Null, f64, BigInt, String, Uint8Array>;

/// What a query may take; the core's limits where one is left out.
#[napi(object, object_to_js = false)]
pub struct QueryLimits {
    /// The time.
    pub timeout_ms: Option<u32>,
    /// The most rows.
    pub max_rows: Option<u32>,
    /// The most bytes.
    pub max_bytes: Option<u32>,
}

impl QueryLimits {
    pub(crate) fn options(self, cancel: Arc<AtomicBool>) -> QueryOptions {
        let mut options = QueryOptions::default();
        options.timeout = self.timeout_ms.map(|timeout| Duration::from_millis(timeout.into()));
        options.max_rows = self.max_rows.map_or(options.max_rows, |rows| rows as usize);
        options.max_bytes = self.max_bytes.map_or(options.max_bytes, |bytes| bytes as usize);
        options.cancel(cancel);
        options
    }
}

/// What a query returned, to be taken in parts.
#[napi]
pub struct NativeRows {
    columns: Vec<String>,
    rows: Parts<Vec<Value>>,
}

#[napi]
impl NativeRows {
    /// The names of the columns.
    #[napi(getter)]
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    /// The values of the next rows, row after row: about as many as a part may have.
    #[napi(ts_return_type = "Array<null | number | bigint | string | Uint8Array>")]
    #[must_use]
    pub fn take(&self) -> Vec<Cell> {
        let rows = self.rows.take(MOST_BYTES, |row| row.iter().map(size).sum());
        rows.into_iter().flatten().map(cell).collect()
    }

    /// How many rows have not been taken.
    #[napi(getter)]
    #[must_use]
    pub fn left(&self) -> u32 {
        self.rows.left()
    }

    /// Drops what has not been taken.
    #[napi]
    pub fn free(&self) {
        self.rows.free();
    }
}

impl From<Rows> for NativeRows {
    fn from(rows: Rows) -> Self {
        Self { columns: rows.columns, rows: Parts::new(rows.rows) }
    }
}

/// What is copied of a value when it crosses, and what it weighs beside that.
fn size(value: &Value) -> usize {
    CELL_BYTES
        + match value {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            _ => 0,
        }
}

pub(crate) fn value(cell: Cell) -> Value {
    match cell {
        Either5::A(_) => Value::Null,
        Either5::B(number) if number.fract() == 0.0 && number.abs() <= MAX_SAFE_INTEGER as f64 => {
            Value::Integer(number as i64)
        }
        Either5::B(number) => Value::Real(number),
        Either5::C(integer) => Value::Integer(integer.get_i64().0),
        Either5::D(text) => Value::Text(text),
        Either5::E(bytes) => Value::Blob(bytes.to_vec()),
    }
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Either5::A(Null),
        Value::Integer(integer) if integer.unsigned_abs() <= MAX_SAFE_INTEGER => Either5::B(integer as f64),
        Value::Integer(integer) => Either5::C(BigInt::from(integer)),
        Value::Real(number) => Either5::B(number),
        Value::Text(text) => Either5::D(text),
        Value::Blob(bytes) => Either5::E(Uint8Array::new(bytes)),
    }
}

/// A millisecond or two of work on the event loop.
const MOST_BYTES: usize = 1 << 20;
const CELL_BYTES: usize = 1 << 9;
