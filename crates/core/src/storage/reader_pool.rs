use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::CoreError;
use crate::storage::pragmas::open_reader;
use crate::storage::sites::SiteNumbers;

/// The read connections of a file. At most eight work at a time; more callers wait.
pub(crate) struct ReaderPool {
    path: PathBuf,
    state: Mutex<State>,
    returned: Condvar,
    /// Statements of others may run without end; this stops them.
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

    /// Reads through a connection of its own.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Reader) -> Result<T, CoreError>) -> Result<T, CoreError> {
        work(self.acquire(false)?.reader())
    }

    /// As [`ReaderPool::with`], for statements that are not ours: closing stops them with `SQLITE_INTERRUPT`.
    pub(crate) fn with_interruptible<T>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        work(self.acquire(true)?.reader())
    }

    /// A connection that is not counted and not shared.
    pub(crate) fn open(&self) -> Result<Reader, CoreError> {
        Ok(Reader { connection: open_reader(&self.path)?, sites: SiteNumbers::default() })
    }

    /// Waits for those that work, and closes all. Nothing is handed out from then on.
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
        // From here on the drop of `pooled` takes the count back, whatever fails.
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

/// How many instructions of SQLite's machine a statement of others runs before someone looks whether to stop it.
pub(crate) const PROGRESS_STEPS: i32 = 10_000;
const MAX_IN_USE: usize = 8;
const MAX_IDLE: usize = 3;
