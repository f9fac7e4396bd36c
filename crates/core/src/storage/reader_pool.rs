use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::CoreError;
use crate::storage::pragmas::open_reader;
use crate::storage::sites::SiteNumbers;

/// The read connections of a file. At most eight work at a time; more callers wait.
pub(crate) struct Readers {
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
    stoppable: Vec<Reader>,
    lent: usize,
    closed: bool,
}

impl Readers {
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
        work(self.lend(false)?.reader())
    }

    /// As [`Readers::with`], for statements that are not ours: closing stops them with `SQLITE_INTERRUPT`.
    pub(crate) fn with_stoppable<T>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        work(self.lend(true)?.reader())
    }

    /// A connection that is not counted and not shared.
    pub(crate) fn open(&self) -> Result<Reader, CoreError> {
        Ok(Reader { connection: open_reader(&self.path)?, sites: SiteNumbers::default() })
    }

    /// Waits for those that work, and closes all. Nothing is lent from then on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        state.closed = true;
        self.returned.notify_all();
        while state.lent > 0 {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.plain.clear();
        state.stoppable.clear();
    }

    fn lend(&self, stoppable: bool) -> Result<Lent<'_>, CoreError> {
        let mut state = self.lock();
        while state.lent >= MAX_LENT && !state.closed {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(CoreError::Closed);
        }
        state.lent += 1;
        let idle = if stoppable { state.stoppable.pop() } else { state.plain.pop() };
        drop(state);
        // From here on the drop of `lent` takes the count back, whatever fails.
        let mut lent = Lent { readers: self, reader: idle, stoppable };
        if lent.reader.is_none() {
            let mut reader = self.open()?;
            if stoppable {
                let closing = Arc::clone(&self.closing);
                let stop = move || closing.load(Ordering::Relaxed);
                reader.connection.progress_handler(PROGRESS_STEPS, Some(stop))?;
            }
            lent.reader = Some(reader);
        }
        Ok(lent)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lent<'r> {
    readers: &'r Readers,
    reader: Option<Reader>,
    stoppable: bool,
}

impl Lent<'_> {
    fn reader(&self) -> &Reader {
        self.reader.as_ref().expect("a reader was put in when it was lent")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.lock();
        state.lent -= 1;
        let closed = state.closed;
        let (idle, most) =
            if self.stoppable { (&mut state.stoppable, 1) } else { (&mut state.plain, MAX_IDLE) };
        if let Some(reader) = self.reader.take().filter(|_| !closed && idle.len() < most) {
            idle.push(reader);
        }
        drop(state);
        self.readers.returned.notify_all();
    }
}

/// How many instructions of SQLite's machine a statement of others runs before someone looks whether to stop it.
pub(crate) const PROGRESS_STEPS: i32 = 10_000;
const MAX_LENT: usize = 8;
const MAX_IDLE: usize = 3;
