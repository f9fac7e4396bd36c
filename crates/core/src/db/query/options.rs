use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

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
