//! Hears of what others commit to the file.
//!
//! Each commit appends to the log, and the system tells of that. It does so before the commit can be seen, so a look that
//! finds nothing is followed by others, at growing pauses.

mod events;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{JoinHandle, current};
use std::time::{Duration, Instant};

use crate::CoreError;
use crate::file::location::log_of;
use crate::storage::catalog::{Counters, changed_shards};
use crate::storage::reader::Reader;
use crate::storage::reader_pool::ReaderPool;
use crate::writer::commit_notifier::{Changes, CommitNotifier};
use crate::writer::follower::events::{Bell, LogEvents, Woken};

/// A thread that publishes the commits of others. Dropping it ends the thread.
pub(crate) struct CommitFollower {
    stop: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl CommitFollower {
    /// Follows the open database at `path`.
    pub(crate) fn start(path: &Path, notifier: Arc<CommitNotifier>) -> Result<Self, CoreError> {
        let stop = Arc::new(Bell::new().map_err(CoreError::io(path))?);
        let reader = Reader::open(path)?;
        let events = LogEvents::of(log_of(path), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("vectr-follower".into())
            .spawn(move || follow(events, &notifier, || find_new(&reader, &notifier)))
            .map_err(CoreError::io(path))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for CommitFollower {
    fn drop(&mut self) {
        self.stop.ring();
        // A listener may have held the last handle of the database.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != current().id()) {
            let _ = thread.join();
        }
    }
}

/// Publishes the commits of others to a file that is only read, while somebody listens, and cuts off what keeps its log too
/// long.
pub(crate) struct ReadFollower {
    readers: Arc<ReaderPool>,
    notifier: Arc<CommitNotifier>,
    following: Mutex<Weak<Following>>,
}

/// A thread that publishes the commits of others. Dropping it ends the thread, without waiting: it keeps nothing open.
pub(crate) struct Following {
    stop: Arc<Bell>,
}

impl ReadFollower {
    pub(crate) fn new(readers: Arc<ReaderPool>, notifier: Arc<CommitNotifier>) -> Self {
        Self { readers, notifier, following: Mutex::default() }
    }

    /// Publishes what has been committed until now.
    pub(crate) fn look(&self) -> Result<(), CoreError> {
        let found = self.readers.with(|reader| find_new(reader, &self.notifier))?;
        publish(found, &self.notifier);
        Ok(())
    }

    /// Publishes what has been committed until now, and what is committed while the result lives.
    pub(crate) fn follow(&self) -> Result<Arc<Following>, CoreError> {
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(following) = following.upgrade() {
            return Ok(following);
        }
        self.look()?;
        let started = Arc::new(self.start()?);
        *following = Arc::downgrade(&started);
        Ok(started)
    }

    /// Ends the thread.
    pub(crate) fn close(&self) {
        if let Some(following) = self.following.lock().unwrap_or_else(PoisonError::into_inner).upgrade() {
            following.stop.ring();
        }
    }

    fn start(&self) -> Result<Following, CoreError> {
        let path = &self.readers.path;
        let stop = Arc::new(Bell::new().map_err(CoreError::io(path))?);
        let events = LogEvents::of(log_of(path), Arc::clone(&stop));
        let (readers, notifier) = (Arc::clone(&self.readers), Arc::clone(&self.notifier));
        let mut seen = readers.log.file_bytes();
        std::thread::Builder::new()
            .name("vectr-follower".into())
            .spawn(move || {
                follow(events, &notifier, || {
                    readers.log.cut_off_readers(&mut seen);
                    readers.with(|reader| find_new(reader, &notifier))
                });
            })
            .map_err(CoreError::io(path))?;
        Ok(Following { stop })
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop.ring();
    }
}

fn follow(
    mut events: LogEvents,
    notifier: &CommitNotifier,
    mut look: impl FnMut() -> Result<Option<News>, CoreError>,
) {
    // Until the next look without an event, and between two looks where events come without a pause.
    let (mut pause, mut rest) = (SLOW, SHORTEST);
    loop {
        events.arm();
        // What fails now is looked at again.
        let found = publish(look().unwrap_or(None), notifier);
        let looked = Instant::now();
        pause = match pause * 2 {
            _ if found => SHORTEST,
            longer if longer > LONGEST => SLOW,
            longer => longer,
        };
        let woken = match events.wait(pause) {
            Woken::Changed => {
                pause = SHORTEST / 2;
                // This database's own commits come as fast as it can write: one look is enough for many.
                let left = rest.saturating_sub(looked.elapsed());
                rest = if left.is_zero() { SHORTEST } else { LONGEST_REST.min(rest * 2) };
                if left.is_zero() { Woken::Changed } else { events.rest(left) }
            }
            woken => woken,
        };
        if woken == Woken::Stopped {
            return;
        }
    }
}

/// The counters, and the shards that were changed since the last commit that was told.
type News = (Counters, Result<Changes, CoreError>);

/// What was committed since the last commit that was told.
fn find_new(reader: &Reader, notifier: &CommitNotifier) -> Result<Option<News>, CoreError> {
    let connection = &reader.connection;
    let newest: i64 =
        connection.prepare_cached("SELECT commit_no FROM counter")?.query_row([], |row| row.get(0))?;
    if newest.unsigned_abs() <= notifier.commit_no() {
        return Ok(None);
    }
    let told = notifier.told();
    // Those who are told may take their time, and a snapshot keeps the log from being emptied.
    let snapshot = connection.unchecked_transaction()?;
    let counters = Counters::load(&snapshot)?;
    let changes = changed_shards(&snapshot, told).map(Changes::Of);
    Ok(Some((counters, changes)))
}

/// Returns whether there was anything to tell.
fn publish(news: Option<News>, notifier: &CommitNotifier) -> bool {
    let Some((counters, changes)) = news else { return false };
    notifier.publish(&counters, None, |_| changes);
    true
}

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST_REST: Duration = Duration::from_millis(8);
/// Who has written to the log has committed after so long without an event, or will be seen by one look of many seconds.
const LONGEST: Duration = Duration::from_millis(512);
/// Beside the events, in case that one was lost.
const SLOW: Duration = Duration::from_secs(10);
