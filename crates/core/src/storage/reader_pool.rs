use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use crate::CoreError;
use crate::file::location::FileNumber;
use crate::file::quiet_reader::changing;
use crate::storage::reader::Reader;
use crate::writer::log_watch::LogWatch;

/// The read connections of a file. At most eight are in use at a time for the database's own reads, and four for the
/// callers' statements, which may run without end: further callers wait.
pub(crate) struct ReaderPool {
    pub(crate) path: PathBuf,
    state: Mutex<State>,
    returned: Condvar,
    pub(crate) log: Arc<LogWatch>,
    access: Access,
}

/// How the readers of a pool open the file.
#[derive(Clone, Copy)]
enum Access {
    /// Beside this process's own writer.
    Beside,
    /// For reading only: the file with this number.
    ReadOnly(Option<FileNumber>),
}

#[derive(Default)]
struct State {
    reads: Lane,
    queries: Lane,
    /// Iterations that read a page, on connections of their own.
    pages: usize,
    closed: bool,
}

#[derive(Default)]
struct Lane {
    idle: Vec<Reader>,
    in_use: usize,
    /// How often a connection was returned.
    returned: u64,
}

#[derive(Clone, Copy)]
enum Purpose {
    Read,
    Query,
}

impl ReaderPool {
    /// Of a file that this process has open for writing.
    pub(crate) fn new(path: &Path, log: Arc<LogWatch>) -> Self {
        Self::with_access(path, log, Access::Beside)
    }

    /// Of a file that is open for reading only.
    pub(crate) fn read_only(path: &Path, number: Option<FileNumber>, log: Arc<LogWatch>) -> Self {
        Self::with_access(path, log, Access::ReadOnly(number))
    }

    fn with_access(path: &Path, log: Arc<LogWatch>, access: Access) -> Self {
        Self { path: path.to_owned(), state: Mutex::default(), returned: Condvar::new(), log, access }
    }

    /// Runs `work` on a connection of the pool: again, on another one, if the file was written meanwhile and no lock has
    /// kept what was read.
    pub(crate) fn with<T>(
        &self,
        mut work: impl FnMut(&Reader) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        self.run(Purpose::Read, |_| Ok(()), |reader| work(reader))
    }

    /// As [`ReaderPool::with`], for a caller's own statement. While all connections for those are in use, `wait` is
    /// asked now and then whether to wait on; it hears how many statements have ended.
    pub(crate) fn with_query<T>(
        &self,
        wait: impl FnMut(u64) -> Result<(), CoreError>,
        work: impl FnMut(&mut Reader) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        self.run(Purpose::Query, wait, work)
    }

    /// Opens a connection outside of the pool, and begins with `begin`. Work on it lasts no longer than the returned guard
    /// of [`ReaderPool::page`].
    pub(crate) fn open_with<T>(
        &self,
        mut begin: impl FnMut(&mut Reader) -> Result<T, CoreError>,
    ) -> Result<(Reader, T), CoreError> {
        for _ in 0..ATTEMPTS {
            let mut reader = self.open()?;
            let done = begin(&mut reader);
            if !reader.has_failed(done.as_ref().err()) {
                return done.map(|done| (reader, done));
            }
            drop(reader);
            sleep(PAUSE);
        }
        Err(changing(&self.path))
    }

    fn open(&self) -> Result<Reader, CoreError> {
        let Access::ReadOnly(number) = self.access else { return Reader::open(&self.path) };
        let mut reason = changing(&self.path);
        for _ in 0..ATTEMPTS {
            match Reader::open_read_only(&self.path) {
                Ok(reader) if reader.is_usable(&self.path, number)? => return Ok(reader),
                Ok(_) => {}
                // A writer of this process may be about to make the index.
                Err(busy) if busy.is_transient() => reason = busy,
                Err(error) => return Err(error),
            }
            sleep(PAUSE);
        }
        Err(reason)
    }

    /// Keeps the database from being closed while a page is read outside of the pool.
    ///
    /// # Errors
    /// `ERR_CLOSED`.
    pub(crate) fn page(&self) -> Result<Page<'_>, CoreError> {
        let mut state = self.lock();
        if state.closed {
            return Err(CoreError::Closed);
        }
        state.pages += 1;
        Ok(Page(self))
    }

    /// Ends what callers hold, waits for the connections in use, and closes all. None is handed out from then on.
    pub(crate) fn close(&self) {
        self.log.held.close();
        let mut state = self.lock();
        state.closed = true;
        self.returned.notify_all();
        while state.reads.in_use + state.queries.in_use + state.pages > 0 {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.reads.idle.clear();
        state.queries.idle.clear();
    }

    fn run<T>(
        &self,
        purpose: Purpose,
        mut wait: impl FnMut(u64) -> Result<(), CoreError>,
        mut work: impl FnMut(&mut Reader) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        for _ in 0..ATTEMPTS {
            let mut pooled = self.acquire(purpose, &mut wait)?;
            let done = work(pooled.reader());
            if !pooled.reader().has_failed(done.as_ref().err()) {
                return done;
            }
            pooled.reader = None;
            drop(pooled);
            sleep(PAUSE);
        }
        Err(changing(&self.path))
    }

    fn acquire(
        &self,
        purpose: Purpose,
        wait: &mut impl FnMut(u64) -> Result<(), CoreError>,
    ) -> Result<PooledReader<'_>, CoreError> {
        let mut state = self.lock();
        while state.lane(purpose).in_use >= purpose.most_in_use() && !state.closed {
            wait(state.lane(purpose).returned)?;
            let waited = self.returned.wait_timeout(state, WAIT);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed {
            return Err(CoreError::Closed);
        }
        let lane = state.lane(purpose);
        lane.in_use += 1;
        let idle = lane.idle.pop();
        drop(state);
        // From here on, dropping `pooled` decrements the count, whatever fails.
        let mut pooled = PooledReader { readers: self, reader: idle, purpose };
        if let Access::ReadOnly(number) = self.access
            && let Some(reader) = &pooled.reader
            && !reader.is_usable(&self.path, number)?
        {
            pooled.reader = None;
        }
        if pooled.reader.is_none() {
            pooled.reader = Some(self.open()?);
        }
        Ok(pooled)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page that is being read. Dropping it says that its connection is not used for it any more.
pub(crate) struct Page<'r>(&'r ReaderPool);

impl Drop for Page<'_> {
    fn drop(&mut self) {
        self.0.lock().pages -= 1;
        self.0.returned.notify_all();
    }
}

impl State {
    const fn lane(&mut self, purpose: Purpose) -> &mut Lane {
        match purpose {
            Purpose::Read => &mut self.reads,
            Purpose::Query => &mut self.queries,
        }
    }
}

impl Purpose {
    const fn most_in_use(self) -> usize {
        match self {
            Self::Read => 8,
            Self::Query => MOST_QUERIES,
        }
    }

    const fn most_idle(self) -> usize {
        match self {
            Self::Read => 3,
            Self::Query => 1,
        }
    }
}

struct PooledReader<'r> {
    readers: &'r ReaderPool,
    reader: Option<Reader>,
    purpose: Purpose,
}

impl PooledReader<'_> {
    const fn reader(&mut self) -> &mut Reader {
        self.reader.as_mut().expect("a reader was put in when it was pooled")
    }
}

impl Drop for PooledReader<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.lock();
        let closed = state.closed;
        let lane = state.lane(self.purpose);
        lane.in_use -= 1;
        lane.returned += 1;
        if let Some(reader) =
            self.reader.take().filter(|_| !closed && lane.idle.len() < self.purpose.most_idle())
        {
            lane.idle.push(reader);
        }
        drop(state);
        self.readers.returned.notify_all();
    }
}

/// How many of the callers' statements run at a time.
pub(crate) const MOST_QUERIES: usize = 4;
/// The number of SQLite's virtual machine instructions between two checks whether to stop a statement.
pub(crate) const PROGRESS_STEPS: i32 = 10_000;
/// How often to read anew what is written meanwhile.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(30);
/// Between two looks at what a waiting caller says.
const WAIT: Duration = Duration::from_millis(10);
