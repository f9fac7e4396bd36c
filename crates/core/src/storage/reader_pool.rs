use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::CoreError;
use crate::storage::pragmas::open_reader;
use crate::storage::sites::SiteNumbers;

/// The read connections of a file. At most eight are in use at a time; further callers wait.
pub(crate) struct ReaderPool {
    path: PathBuf,
    state: Mutex<State>,
    returned: Condvar,
    /// Set on close, to interrupt the callers' statements, which may run without end.
    closing: Arc<AtomicBool>,
}

pub(crate) struct Reader {
    pub(crate) connection: Connection,
    pub(crate) sites: SiteNumbers,
}

#[derive(Default)]
struct State {
    plain: Vec<Reader>,
    interruptible: Vec<Reader>,
    in_use: usize,
    closed: bool,
}

impl ReaderPool {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            state: Mutex::default(),
            returned: Condvar::new(),
            closing: Arc::default(),
        }
    }

    /// Runs `work` on a connection of the pool.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Reader) -> Result<T, CoreError>) -> Result<T, CoreError> {
        work(self.acquire(false)?.reader())
    }

    /// As [`ReaderPool::with`], for the callers' own statements: closing stops them with `SQLITE_INTERRUPT`.
    pub(crate) fn with_interruptible<T>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        work(self.acquire(true)?.reader())
    }

    /// Opens a connection outside of the pool.
    pub(crate) fn open(&self) -> Result<Reader, CoreError> {
        Ok(Reader { connection: open_reader(&self.path)?, sites: SiteNumbers::default() })
    }

    /// Waits for the connections in use, and closes all. None is handed out from then on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        state.closed = true;
        self.returned.notify_all();
        while state.in_use > 0 {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.plain.clear();
        state.interruptible.clear();
    }

    fn acquire(&self, interruptible: bool) -> Result<PooledReader<'_>, CoreError> {
        let mut state = self.lock();
        while state.in_use >= MAX_IN_USE && !state.closed {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(CoreError::Closed);
        }
        state.in_use += 1;
        let idle = if interruptible { state.interruptible.pop() } else { state.plain.pop() };
        drop(state);
        // From here on, dropping `pooled` decrements the count, whatever fails.
        let mut pooled = PooledReader { readers: self, reader: idle, interruptible };
        if pooled.reader.is_none() {
            let mut reader = self.open()?;
            if interruptible {
                let closing = Arc::clone(&self.closing);
                let stop = move || closing.load(Ordering::Relaxed);
                reader.connection.progress_handler(PROGRESS_STEPS, Some(stop))?;
            }
            pooled.reader = Some(reader);
        }
        Ok(pooled)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct PooledReader<'r> {
    readers: &'r ReaderPool,
    reader: Option<Reader>,
    interruptible: bool,
}

impl PooledReader<'_> {
    fn reader(&self) -> &Reader {
        self.reader.as_ref().expect("a reader was put in when it was pooled")
    }
}

impl Drop for PooledReader<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.lock();
        state.in_use -= 1;
        let closed = state.closed;
        let (idle, most) =
            if self.interruptible { (&mut state.interruptible, 1) } else { (&mut state.plain, MAX_IDLE) };
        if let Some(reader) = self.reader.take().filter(|_| !closed && idle.len() < most) {
            idle.push(reader);
        }
        drop(state);
        self.readers.returned.notify_all();
    }
}

/// The number of SQLite's virtual machine instructions between two checks whether to stop a caller's statement.
pub(crate) const PROGRESS_STEPS: i32 = 10_000;
const MAX_IN_USE: usize = 8;
const MAX_IDLE: usize = 3;
