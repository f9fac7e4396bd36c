//! When a statement is stopped that is not done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::limits::Limit;

use crate::CoreError;
use crate::db::query::options::QueryOptions;
use crate::storage::held_readers::End;
use crate::storage::reader_pool::PROGRESS_STEPS;

/// When to stop a statement.
#[derive(Clone)]
pub(super) struct Stop {
    allowed: Option<Duration>,
    deadline: Option<Instant>,
    cancel: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
    /// Of its snapshot.
    pub(super) end: End,
    /// In memory: who waits for it.
    sharing: Option<Sharing>,
    /// The most bytes of a value.
    longest_value: i32,
}

impl Stop {
    pub(super) fn new(options: &QueryOptions, closed: &Arc<AtomicBool>) -> Self {
        Self {
            allowed: options.timeout,
            // A time that no clock can show is none.
            deadline: options.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            cancel: Arc::clone(&options.cancel),
            closed: Arc::clone(closed),
            end: End::default(),
            sharing: None,
            longest_value: i32::try_from(options.max_bytes.max(SHORTEST_LIMIT)).unwrap_or(i32::MAX),
        }
    }

    /// It runs from now on where all other calls wait for it. `waiting` counts them.
    pub(super) fn shares(&mut self, waiting: Arc<AtomicUsize>, allowed: Duration) {
        self.sharing = Some(Sharing { waiting, since: Instant::now(), allowed });
    }

    /// Why to stop.
    pub(super) fn check(&self) -> Result<(), CoreError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(CoreError::Closed);
        }
        if self.cancel.load(Ordering::Relaxed) {
            return Err(CoreError::Aborted);
        }
        self.end.check("the query", "read less at a time")?;
        if let Some(sharing) = &self.sharing {
            sharing.check()?;
        }
        match (self.deadline, self.allowed) {
            (Some(deadline), Some(allowed)) if Instant::now() >= deadline => {
                Err(CoreError::QueryTimeout { allowed })
            }
            _ => Ok(()),
        }
    }

    /// Runs `work`, and stops its statement when it must be.
    pub(super) fn guard<T>(
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

/// A query of a database in memory has the only connection.
#[derive(Clone)]
struct Sharing {
    waiting: Arc<AtomicUsize>,
    since: Instant,
    allowed: Duration,
}

impl Sharing {
    fn check(&self) -> Result<(), CoreError> {
        if self.since.elapsed() < self.allowed || self.waiting.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let reason = format!(
            "in memory calls take turns, and others have been waiting for this query that has run for {:?}: give it a \
             time limit, or keep the database in a file",
            self.allowed
        );
        Err(CoreError::Busy { what: "the database".into(), reason })
    }
}

/// SQLite reads its schema within the limit too.
const SHORTEST_LIMIT: usize = 1 << 20;
